//! What media is called: in URLs, in the journal, on disk. Names are parsed into these types and
//! written from them; no path is ever joined from what a viewer sent.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tessera_protocol::stream::{RenditionName, SegmentNumber};

/// A track of a session. A rendition's name has no dot, the others' have one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Track {
    /// A rendition of the ladder.
    Rendition(RenditionName),
    /// The source's own pictures, where no worker was left.
    Source,
    /// The sound beside all of them.
    Sound,
}

const SOURCE: &str = "source.1";
const SOUND: &str = "sound.1";

/// Something that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such name")]
pub struct NotAName;

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rendition(name) => name.as_str(),
            Self::Source => SOURCE,
            Self::Sound => SOUND,
        })
    }
}

impl FromStr for Track {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        match text {
            SOURCE => Ok(Self::Source),
            SOUND => Ok(Self::Sound),
            _ => RenditionName::try_from(text.to_owned()).map(Self::Rendition).or(Err(NotAName)),
        }
    }
}

impl TryFrom<String> for Track {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Track> for String {
    fn from(track: Track) -> Self {
        track.to_string()
    }
}

/// An initialisation segment, named by the start of the blake3 hash of its bytes: so players are
/// told of another one exactly when it is another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InitId([u8; 8]);

impl InitId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut short = [0; 8];
        short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
        Self(short)
    }
}

impl fmt::Display for InitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for InitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitId({self})")
    }
}

impl FromStr for InitId {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAName)?;
        let id = Self(bytes);
        // One spelling each, so that one thing has one URL.
        if id.to_string() == text { Ok(id) } else { Err(NotAName) }
    }
}

impl TryFrom<String> for InitId {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<InitId> for String {
    fn from(id: InitId) -> Self {
        id.to_string()
    }
}

/// A file of a track, as URLs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaName {
    /// `<hash>.mp4`: what a decoder needs first.
    Init(InitId),
    /// `<number>.m4s`: a segment.
    Segment(SegmentNumber),
    /// `<number>.<part>.m4s`: a part of one.
    Part(SegmentNumber, u32),
}

impl fmt::Display for MediaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(id) => write!(f, "{id}.mp4"),
            Self::Segment(number) => write!(f, "{number}.m4s"),
            Self::Part(number, part) => write!(f, "{number}.{part}.m4s"),
        }
    }
}

impl FromStr for MediaName {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        if let Some(id) = text.strip_suffix(".mp4") {
            return id.parse().map(Self::Init);
        }
        let stem = text.strip_suffix(".m4s").ok_or(NotAName)?;
        match stem.split_once('.') {
            None => number(stem).map(|n| Self::Segment(SegmentNumber(n))),
            Some((segment, part)) => {
                let part = u32::try_from(number(part)?).map_err(|_| NotAName)?;
                Ok(Self::Part(SegmentNumber(number(segment)?), part))
            }
        }
    }
}

/// A file of a complete recording, on disk and in URLs alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingName {
    /// `index.m3u8`: the playlist of playlists.
    Multivariant,
    /// `<track>.media.m3u8`: a track's playlist.
    Playlist(Track),
    /// `<track>.mp4`: a rendition and the sound in one file.
    Mp4(Track),
    /// `<hash>.init.mp4`: what a decoder needs first.
    Init(InitId),
    /// `<number>.<offset>-<length>.m4s`: a track of a segment, in the segment's file. Whoever asks
    /// for another stretch of it gets that.
    Stretch {
        /// The segment.
        of: SegmentNumber,
        /// Where it begins in the file, in bytes.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
}

impl fmt::Display for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multivariant => f.write_str("index.m3u8"),
            Self::Playlist(track) => write!(f, "{track}.media.m3u8"),
            Self::Mp4(track) => write!(f, "{track}.mp4"),
            Self::Init(id) => write!(f, "{id}.init.mp4"),
            Self::Stretch { of, offset, length } => write!(f, "{of}.{offset}-{length}.m4s"),
        }
    }
}

impl FromStr for RecordingName {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text == "index.m3u8" {
            return Ok(Self::Multivariant);
        }
        if let Some(track) = text.strip_suffix(".media.m3u8") {
            return track.parse().map(Self::Playlist);
        }
        if let Some(id) = text.strip_suffix(".init.mp4") {
            return id.parse().map(Self::Init);
        }
        if let Some(track) = text.strip_suffix(".mp4") {
            return track.parse().map(Self::Mp4);
        }
        let stem = text.strip_suffix(".m4s").ok_or(NotAName)?;
        let (of, stretch) = stem.split_once('.').ok_or(NotAName)?;
        let (offset, length) = stretch.split_once('-').ok_or(NotAName)?;
        let (offset, length) = (number(offset)?, number(length)?);
        Ok(Self::Stretch { of: SegmentNumber(number(of)?), offset, length })
    }
}

/// A number as we write it: digits alone, no sign, no leading zero.
pub(crate) fn number(text: &str) -> Result<u64, NotAName> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().map_err(|_| NotAName) } else { Err(NotAName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["720p", "source.1", "sound.1", "source", "sound-1"] {
            assert_eq!(text.parse::<Track>().unwrap().to_string(), text);
        }
        for text in
            ["0.m4s", "17.m4s", "17.0.m4s", "18446744073709551615.m4s", "00ff00ff00ff00ff.mp4"]
        {
            assert_eq!(text.parse::<MediaName>().unwrap().to_string(), text);
        }
        for text in [
            "index.m3u8",
            "index.media.m3u8",
            "720p.mp4",
            "sound.1.media.m3u8",
            "7.0-99.m4s",
            "00ff00ff00ff00ff.init.mp4",
            "00ff00ff00ff00ff.mp4",
        ] {
            assert_eq!(text.parse::<RecordingName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".", "..", "../x", "a/b", "720p.1", "SOUND", "source.2", "%2e%2e", "a b"] {
            assert!(text.parse::<Track>().is_err(), "{text:?}");
        }
        for text in [
            "",
            ".m4s",
            "01.m4s",
            "+1.m4s",
            "-1.m4s",
            "1.m4s/",
            "../1.m4s",
            "1..m4s",
            "1.2.3.m4s",
            "1.01.m4s",
            "18446744073709551616.m4s",
            "1.4294967296.m4s",
            "00FF00FF00FF00FF.mp4",
            "00ff.mp4",
            "journal-1",
            "1.media",
            "x.mp4",
            ".mp4",
        ] {
            assert!(text.parse::<MediaName>().is_err(), "{text:?}");
        }
        for text in ["", "journal-1", "7.m4s", "7.0.m4s", "7.0-.m4s", "../index.m3u8", "x.init.mp4"]
        {
            assert!(text.parse::<RecordingName>().is_err(), "{text:?}");
        }
    }
}
