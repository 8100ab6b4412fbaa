//! Whether a segment is sound, without decoding a picture.
//!
//! A [`RenditionCheck`] takes a rendition's units as they come, so that a part can be published as
//! soon as it is checked.
//!
//! What is checked of all codecs: the size, by the decoder's configuration; that the first unit is
//! a keyframe and no other is; decoding times that rise and never pass the presentation's; one
//! unit for each frame that the rule for frame rates keeps, at exactly its time; no more bytes than
//! [`MOST_OF_ASKED`] allows; the claim's four figures. Of H.264 and H.265, every NAL unit's length
//! and kind, one picture a unit with its slices in order, and that sound slices are all there is
//! but little else. Of AV1, the same of OBUs, without looking into tiles.

mod av1;
mod bits;
mod h264;
mod h265;
mod nal;
#[cfg(test)]
mod tests;

use tessera_media::{AccessUnit, Ticks, UnitHasher, VideoFormat, rate};
use tessera_protocol::MediaHash;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::{Rendition, VideoCodec};

/// Most bytes of a rendition, as a multiple of what was asked: an encoder that spends by content
/// may take this many times the average over one segment, never much longer.
pub const MOST_OF_ASKED: f64 = 2.0;
/// Seconds of the rate asked that are granted on top: a keyframe costs what it costs, however short
/// its segment.
pub const KEYFRAME_GRANT_S: f64 = 1.0;
/// A segment with a smaller share of the bytes asked is [`Thin`](Checked::thin), unless the source
/// itself was as spare.
pub const THIN_SHARE: f64 = 0.35;
/// How long before its segment a rendition's first picture may be decoded.
pub const MOST_AHEAD: Ticks = Ticks(Ticks::PER_SECOND);

/// Pixels across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// What is wrong with a configuration or the bytes of one unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A decoder's configuration that is none.
    #[error("it is no decoder configuration with 4-byte lengths and one sequence parameter set")]
    Config,
    /// Interlaced, of more than 8 bits, other than 4:2:0, or with its own scaling lists.
    #[error("its pictures are not progressive 8-bit 4:2:0")]
    Samples,
    /// A header that breaks off.
    #[error("a header breaks off or holds no number")]
    Short,
    /// A part that says it is longer than what is left.
    #[error("a part of {length} bytes, where {left} are left")]
    Length {
        /// Bytes announced.
        length: usize,
        /// Bytes there.
        left: usize,
    },
    /// A part of a kind that a rendition has no use for.
    #[error("a part of kind {0}, which a rendition has no use for")]
    Kind(u8),
    /// No picture.
    #[error("it holds no picture")]
    Empty,
    /// More than one picture.
    #[error("it holds more than one picture")]
    Pictures,
    /// Slices out of order, or of a kind that does not go with their picture.
    #[error("its slices are no picture's, in order")]
    Slices,
    /// Much that is no picture.
    #[error("{bytes} bytes of it are no picture")]
    Aside {
        /// How many.
        bytes: usize,
    },
}

/// Why a rendition of a segment is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Another codec than asked.
    #[error("it is coded as {came:?}, where {asked:?} was asked")]
    Codec {
        /// What was asked.
        asked: VideoCodec,
        /// What came.
        came: VideoCodec,
    },
    /// Another size than asked.
    #[error("its pictures are {came}, where {asked} was asked")]
    Size {
        /// What was asked.
        asked: Size,
        /// What came.
        came: Size,
    },
    /// A configuration of another size than its format says.
    #[error("its configuration is of {config} pictures, its format of {format}")]
    ConfigSize {
        /// By the configuration.
        config: Size,
        /// By the format.
        format: Size,
    },
    /// A configuration that is none.
    #[error("its configuration cannot be used: {0}")]
    Config(Flaw),
    /// A unit that is none.
    #[error("the unit at {at} cannot be used: {flaw}")]
    Unit {
        /// Its presentation time.
        at: Ticks,
        /// What is wrong.
        flaw: Flaw,
    },
    /// The first unit is no keyframe.
    #[error("its first unit, at {at}, is no keyframe")]
    NoKeyframe {
        /// Its presentation time.
        at: Ticks,
    },
    /// A keyframe where none was asked.
    #[error("the unit at {at} is a keyframe, and only the first may be one")]
    Keyframe {
        /// Its presentation time.
        at: Ticks,
    },
    /// A unit that is a keyframe and not marked as one, or the other way round.
    #[error("the unit at {at} says of itself that it {}, and it {}",
        if *.marked { "is a keyframe" } else { "is no keyframe" },
        if *.marked { "is none" } else { "is one" })]
    Marked {
        /// Its presentation time.
        at: Ticks,
        /// What it says.
        marked: bool,
    },
    /// Decoded after it is shown.
    #[error("the unit at {at} is decoded at {dts}, after it is shown")]
    DecodedLate {
        /// Its presentation time.
        at: Ticks,
        /// Its decoding time.
        dts: Ticks,
    },
    /// Decoded no later than the one before.
    #[error("the unit at {at} is decoded at {dts}, no later than the one before it, at {before}")]
    DecodingOrder {
        /// Its presentation time.
        at: Ticks,
        /// Its decoding time.
        dts: Ticks,
        /// The one before's.
        before: Ticks,
    },
    /// Decoded long before its segment.
    #[error("its first unit is decoded at {dts}, too long before the segment begins at {start}")]
    DecodedEarly {
        /// Its decoding time.
        dts: Ticks,
        /// The segment's start.
        start: Ticks,
    },
    /// More units than any segment has.
    #[error("it has more than {most} frames")]
    TooMany {
        /// How many are allowed.
        most: usize,
    },
    /// A frame that came twice.
    #[error("the frame at {at} came twice")]
    Twice {
        /// Which.
        at: Ticks,
    },
    /// A frame that did not come.
    #[error("the frame at {at} is missing, and {more} more")]
    Missing {
        /// The first of them.
        at: Ticks,
        /// How many others.
        more: usize,
    },
    /// A frame that the source has not, or that the rule for frame rates drops.
    #[error("the frame at {at} was not asked for")]
    Extra {
        /// Which.
        at: Ticks,
    },
    /// Too many bytes.
    #[error("it has {bytes} bytes, where at most {most} are allowed for the bitrate asked")]
    Fat {
        /// How many.
        bytes: u64,
        /// How many are allowed.
        most: u64,
    },
    /// A claim that says another thing than what came.
    #[error("its claim says {what} {claimed}, and {counted} came")]
    Claim {
        /// Which figure.
        what: &'static str,
        /// By the claim.
        claimed: String,
        /// By counting.
        counted: String,
    },
}

/// What a segment's source is, as far as its structure.
#[derive(Debug, Clone)]
pub struct Source {
    /// Pixels.
    pub size: Size,
    /// When its first frame is shown.
    pub start: Ticks,
    /// When the next one begins.
    pub end: Ticks,
    /// When its frames are shown, rising.
    pub frames: Vec<Ticks>,
    /// Bytes of its video units.
    pub bytes: u64,
}

impl Source {
    /// Of the units of one segment.
    pub fn of(format: &VideoFormat, units: &[AccessUnit], end: Ticks) -> Self {
        let mut frames: Vec<_> = units.iter().map(|unit| unit.pts).collect();
        frames.sort_unstable();
        frames.dedup();
        let start = frames.first().copied().unwrap_or(end);
        let bytes = units.iter().map(|unit| unit.data.len() as u64).sum();
        let size = Size { width: format.width, height: format.height };
        Self { size, start, end, frames, bytes }
    }

    fn seconds(&self) -> f64 {
        (self.end - self.start).seconds().max(0.0)
    }
}

/// A rendition of a segment that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Frames.
    pub frames: u32,
    /// Frames × width × height.
    pub pixels: u64,
    /// Bytes of its units.
    pub bytes: u64,
    /// The hash of its units.
    pub hash: MediaHash,
    /// Its bytes, as a share of those asked for its duration.
    pub share: f64,
    /// Whether it is so small that its pictures should be compared for certain: less than
    /// [`THIN_SHARE`] of what was asked, and less than [`THIN_SHARE`] of the source's own bytes for
    /// as many pixels. A still picture is small by right.
    pub thin: bool,
}

impl Checked {
    /// Whether a claim's figures are those counted.
    pub fn agrees_with(&self, claim: &RenditionResult) -> Result<(), Refusal> {
        let pairs = [
            ("frames", u64::from(claim.frames), u64::from(self.frames)),
            ("pixels", claim.pixels, self.pixels),
            ("bytes", claim.bytes, self.bytes),
        ];
        for (what, claimed, counted) in pairs {
            if claimed != counted {
                let (claimed, counted) = (claimed.to_string(), counted.to_string());
                return Err(Refusal::Claim { what, claimed, counted });
            }
        }
        if claim.hash != self.hash {
            let (claimed, counted) = (claim.hash.to_string(), self.hash.to_string());
            return Err(Refusal::Claim { what: "hash", claimed, counted });
        }
        Ok(())
    }
}

/// Checks one rendition of one segment, unit by unit.
pub struct RenditionCheck {
    asked: Rendition,
    codec: VideoCodec,
    size: Size,
    times: Vec<Ticks>,
    first_dts: Option<Ticks>,
    last_dts: Option<Ticks>,
    bytes: u64,
    hasher: UnitHasher,
}

impl RenditionCheck {
    /// Most frames of one segment: 120 frames a second for a minute.
    pub const MOST_FRAMES: usize = 7200;

    /// Of what was asked for a source of this size, and what came before the first unit.
    pub fn new(asked: &Rendition, source: Size, format: &VideoFormat) -> Result<Self, Refusal> {
        if asked.codec != format.codec {
            return Err(Refusal::Codec { asked: asked.codec, came: format.codec });
        }
        let (width, height) = asked.size_for(source.width, source.height);
        let (wanted, came) =
            (Size { width, height }, Size { width: format.width, height: format.height });
        if wanted != came {
            return Err(Refusal::Size { asked: wanted, came });
        }
        let config = match format.codec {
            VideoCodec::H264 => h264::size(&format.config),
            VideoCodec::H265 => h265::size(&format.config),
            VideoCodec::Av1 => av1::size(&format.config),
        };
        let config = config.map_err(Refusal::Config)?;
        if config != came {
            return Err(Refusal::ConfigSize { config, format: came });
        }
        Ok(Self {
            asked: asked.clone(),
            codec: format.codec,
            size: came,
            times: Vec::new(),
            first_dts: None,
            last_dts: None,
            bytes: 0,
            hasher: UnitHasher::default(),
        })
    }

    /// The next unit, in decoding order.
    pub fn unit(&mut self, unit: &AccessUnit) -> Result<(), Refusal> {
        let (at, dts) = (unit.pts, unit.dts);
        let keyframe = match self.codec {
            VideoCodec::H264 => h264::keyframe(&unit.data),
            VideoCodec::H265 => h265::keyframe(&unit.data),
            VideoCodec::Av1 => av1::keyframe(&unit.data),
        };
        let keyframe = keyframe.map_err(|flaw| Refusal::Unit { at, flaw })?;
        if keyframe != unit.keyframe {
            return Err(Refusal::Marked { at, marked: unit.keyframe });
        }
        match (self.times.is_empty(), keyframe) {
            (true, false) => return Err(Refusal::NoKeyframe { at }),
            (false, true) => return Err(Refusal::Keyframe { at }),
            _ => {}
        }
        if dts > at {
            return Err(Refusal::DecodedLate { at, dts });
        }
        if let Some(before) = self.last_dts.filter(|&before| dts <= before) {
            return Err(Refusal::DecodingOrder { at, dts, before });
        }
        if self.times.len() == Self::MOST_FRAMES {
            return Err(Refusal::TooMany { most: Self::MOST_FRAMES });
        }
        self.first_dts.get_or_insert(dts);
        self.last_dts = Some(dts);
        self.times.push(at);
        self.bytes += unit.data.len() as u64;
        self.hasher.unit(unit);
        Ok(())
    }

    /// After the last unit, beside the source that they were made of.
    pub fn finish(&self, source: &Source) -> Result<Checked, Refusal> {
        self.times(source)?;
        let asked = f64::from(self.asked.bits_per_s) / 8.0;
        let most = asked * (MOST_OF_ASKED * source.seconds() + KEYFRAME_GRANT_S);
        if self.bytes as f64 > most {
            return Err(Refusal::Fat { bytes: self.bytes, most: most as u64 });
        }
        let pixels = u64::from(self.size.width) * u64::from(self.size.height);
        let of_source = pixels as f64
            / (u64::from(source.size.width) * u64::from(source.size.height)).max(1) as f64;
        let share = self.bytes as f64 / (asked * source.seconds()).max(1.0);
        let thin = share < THIN_SHARE
            && (self.bytes as f64) < THIN_SHARE * source.bytes as f64 * of_source;
        let frames = self.times.len() as u32;
        Ok(Checked {
            frames,
            pixels: pixels * u64::from(frames),
            bytes: self.bytes,
            hash: MediaHash(self.hasher.finish()),
            share,
            thin,
        })
    }

    /// Whether there is a unit for each frame that was asked for, and none besides.
    pub fn times(&self, source: &Source) -> Result<(), Refusal> {
        if let Some(dts) = self.first_dts.filter(|&dts| dts < source.start - MOST_AHEAD) {
            return Err(Refusal::DecodedEarly { dts, start: source.start });
        }
        let mut times = self.times.clone();
        times.sort_unstable();
        if let Some(pair) = times.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Refusal::Twice { at: pair[0] });
        }
        let every = rate::keep_every_of(&source.frames, self.asked.max_fps);
        // As many frames as came tell which reading of the source's rate was taken.
        let as_came = |&every: &u32| source.frames.len().div_ceil(every as usize) == times.len();
        let every = every.clone().find(as_came).unwrap_or(*every.start());
        let wanted: Vec<_> = source.frames.iter().copied().step_by(every as usize).collect();
        if let Some(&at) = times.iter().find(|at| wanted.binary_search(at).is_err()) {
            return Err(Refusal::Extra { at });
        }
        let missing: Vec<_> = wanted.iter().filter(|at| times.binary_search(at).is_err()).collect();
        match missing[..] {
            [] => Ok(()),
            [&at, ..] => Err(Refusal::Missing { at, more: missing.len() - 1 }),
        }
    }
}
