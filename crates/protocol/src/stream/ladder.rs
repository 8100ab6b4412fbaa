//! What is made of a source: sizes, rates, codecs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How pictures are coded.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264: plays everywhere.
    #[default]
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
}

/// What a rendition is called in URLs and playlists: 1 to 32 of `a-z 0-9 - _`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct RenditionName(String);

impl RenditionName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RenditionName {
    type Error = LadderError;
    fn try_from(name: String) -> Result<Self, LadderError> {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=32).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(name));
        }
        Err(LadderError::Name(name.chars().take(80).collect()))
    }
}

impl From<RenditionName> for String {
    fn from(name: RenditionName) -> Self {
        name.0
    }
}

/// One version of the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rendition {
    /// What it is called; unlike any other of its ladder.
    pub name: RenditionName,
    /// Pixels down, even, [`Self::MIN_HEIGHT`] to [`Self::MAX_HEIGHT`]. The width follows from the
    /// source's shape.
    pub height: u32,
    /// Bits a second that the pictures shall take on average.
    pub bits_per_s: u32,
    /// How it is coded.
    #[serde(default)]
    pub codec: VideoCodec,
    /// Most frames a second: a faster source gives every second, third … frame, so that what
    /// remains is evenly spaced. `None` keeps all.
    #[serde(default)]
    pub max_fps: Option<u32>,
}

impl Rendition {
    /// Lowest height.
    pub const MIN_HEIGHT: u32 = 96;
    /// Greatest height.
    pub const MAX_HEIGHT: u32 = 2160;
    /// Fewest bits a second.
    pub const MIN_BITS_PER_S: u32 = 50_000;
    /// Most bits a second.
    pub const MAX_BITS_PER_S: u32 = 50_000_000;

    /// Width and height for a source of this size: the rendition's height, and the even width next
    /// to the source's shape. A source that is smaller is not enlarged: it keeps its own size, made
    /// even.
    pub fn size_for(&self, source_width: u32, source_height: u32) -> (u32, u32) {
        let even = |n: u64| u32::try_from(n / 2 * 2).unwrap_or(u32::MAX - 1).max(2);
        let (width, height) = (u64::from(source_width.max(1)), u64::from(source_height.max(1)));
        let wanted = u64::from(self.height).min(height);
        // Rounded to the nearest even number: half of it, rounded, doubled.
        let across = ((width * wanted + height) / (2 * height)) * 2;
        (even(across), even(wanted))
    }
}

/// Renditions, best first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "Vec<Rendition>", into = "Vec<Rendition>")]
#[schema(value_type = Vec<Rendition>)]
pub struct Ladder(Vec<Rendition>);

/// Why something is not a ladder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Not `720p:2800k` and the like.
    #[error(
        "{0:?} is not a rendition: expected HEIGHTp[FPS]:BITRATE[:CODEC], for example 720p:2800k, \
         720p30:2800k or 1080p:3M:h265"
    )]
    Syntax(String),
    /// Not a name.
    #[error("{0:?} is not a rendition's name: 1 to 32 of a-z, 0-9, - and _")]
    Name(String),
    /// Out of range.
    #[error("{what} of {name} is {value}, and must be {min} to {max}")]
    Range {
        /// Which field.
        what: &'static str,
        /// Of which rendition.
        name: String,
        /// What it is.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Chroma has half the lines of luma.
    #[error("the height of {name} is {height}, and must be even")]
    Odd {
        /// Of which rendition.
        name: RenditionName,
        /// What it is.
        height: u32,
    },
    /// None, or too many.
    #[error("a ladder has 1 to {most} renditions, and this one has {0}", most = Ladder::MAX)]
    Count(usize),
    /// Two of one name.
    #[error("two renditions are called {0}")]
    Twice(RenditionName),
}

impl Ladder {
    /// Most renditions.
    pub const MAX: usize = 8;

    /// The renditions, greatest height first.
    pub fn renditions(&self) -> &[Rendition] {
        &self.0
    }

    /// The ladder for a 1080p source or a 720p one, in common use: H.264 in four steps.
    pub fn standard() -> Self {
        "720p:2800k,480p:1400k,360p:800k,240p:400k".parse().expect("a ladder")
    }
}

impl TryFrom<Vec<Rendition>> for Ladder {
    type Error = LadderError;
    fn try_from(mut renditions: Vec<Rendition>) -> Result<Self, LadderError> {
        if !(1..=Self::MAX).contains(&renditions.len()) {
            return Err(LadderError::Count(renditions.len()));
        }
        for rendition in &renditions {
            let check = |what, value: u32, min: u32, max: u32| {
                if (min..=max).contains(&value) {
                    return Ok(());
                }
                let (value, min, max) = (u64::from(value), u64::from(min), u64::from(max));
                Err(LadderError::Range { what, name: rendition.name.to_string(), value, min, max })
            };
            let height = rendition.height;
            check("the height", height, Rendition::MIN_HEIGHT, Rendition::MAX_HEIGHT)?;
            if !height.is_multiple_of(2) {
                return Err(LadderError::Odd { name: rendition.name.clone(), height });
            }
            let (low, high) = (Rendition::MIN_BITS_PER_S, Rendition::MAX_BITS_PER_S);
            check("the bits a second", rendition.bits_per_s, low, high)?;
            check("the most frames a second", rendition.max_fps.unwrap_or(1), 1, 240)?;
        }
        renditions.sort_by_key(|r| std::cmp::Reverse((r.height, r.bits_per_s)));
        let mut names: Vec<_> = renditions.iter().map(|r| &r.name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LadderError::Twice(pair[0].clone()));
        }
        Ok(Self(renditions))
    }
}

impl From<Ladder> for Vec<Rendition> {
    fn from(ladder: Ladder) -> Self {
        ladder.0
    }
}

/// `720p:2800k,480p30:1400k,360p:1M:av1`; a rendition's name is its first part, with its codec
/// where that is not H.264.
impl FromStr for Ladder {
    type Err = LadderError;
    fn from_str(text: &str) -> Result<Self, LadderError> {
        text.split(',').map(rendition).collect::<Result<Vec<_>, _>>()?.try_into()
    }
}

fn rendition(text: &str) -> Result<Rendition, LadderError> {
    let refused = || LadderError::Syntax(text.chars().take(80).collect());
    let mut parts = text.trim().split(':');
    let shape = parts.next().ok_or_else(refused)?;
    let (height, fps) = shape.split_once('p').ok_or_else(refused)?;
    let max_fps = match fps {
        "" => None,
        fps => Some(fps.parse().map_err(|_| refused())?),
    };
    let rate = parts.next().ok_or_else(refused)?;
    let (number, unit) = match rate.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1000),
        None => rate.strip_suffix('M').map_or((rate, 1), |number| (number, 1_000_000)),
    };
    let bits_per_s =
        number.parse::<u32>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(refused)?;
    let (codec, suffix) = match parts.next() {
        None | Some("h264") => (VideoCodec::H264, ""),
        Some("h265") => (VideoCodec::H265, "-h265"),
        Some("av1") => (VideoCodec::Av1, "-av1"),
        Some(_) => return Err(refused()),
    };
    if parts.next().is_some() {
        return Err(refused());
    }
    let name = RenditionName::try_from(format!("{shape}{suffix}"))?;
    let height = height.parse().map_err(|_| refused())?;
    Ok(Rendition { name, height, bits_per_s, codec, max_fps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_is_read_and_sorted() {
        let ladder: Ladder = "360p:800k, 720p30:2800k,1080p:3M:h265".parse().unwrap();
        let names: Vec<_> = ladder.renditions().iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["1080p-h265", "720p30", "360p"]);
        assert_eq!(ladder.renditions()[0].bits_per_s, 3_000_000);
        assert_eq!(ladder.renditions()[1].max_fps, Some(30));
        let json = serde_json::to_string(&ladder).unwrap();
        assert_eq!(serde_json::from_str::<Ladder>(&json).unwrap(), ladder);
    }

    #[test]
    fn what_is_no_ladder_is_refused() {
        for text in [
            "",
            "720",
            "720p",
            "720p:",
            "720p:x",
            "720p:2800k:vp9",
            "720p:2800k:h264:x",
            "721p:2800k",
            "90p:2800k",
            "720p:1k",
            "720p:99999M",
            "720p0:1M",
            "720p:1M,720p:2M",
            "p:1M",
            "-720p:1M",
        ] {
            assert!(text.parse::<Ladder>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_keep_the_source_s_shape_and_are_even() {
        let of = |height: u32| Rendition {
            name: "x".to_owned().try_into().unwrap(),
            height,
            bits_per_s: 1_000_000,
            codec: VideoCodec::H264,
            max_fps: None,
        };
        assert_eq!(of(720).size_for(1920, 1080), (1280, 720));
        assert_eq!(of(480).size_for(1920, 1080), (854, 480));
        assert_eq!(of(360).size_for(1080, 1920), (202, 360));
        assert_eq!(of(720).size_for(640, 361), (640, 360));
        assert_eq!(of(720).size_for(1, 1), (2, 2));
    }
}
