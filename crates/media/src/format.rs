//! What a track is, before its first unit.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_protocol::stream::VideoCodec;

/// A video track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoFormat {
    /// How its units are coded.
    pub codec: VideoCodec,
    /// Pixels across, as shown (cropping applied).
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// The decoder's configuration record: `avcC`, `hvcC` or `av1C` without the box around it.
    #[serde(with = "hexadecimal")]
    pub config: Bytes,
}

/// How sound is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// MPEG-4 AAC, LC or HE.
    Aac,
}

/// A sound track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioFormat {
    /// How its units are coded.
    pub codec: AudioCodec,
    /// Samples a second of one channel.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// MPEG-4's `AudioSpecificConfig`.
    #[serde(with = "hexadecimal")]
    pub config: Bytes,
}

impl AudioFormat {
    /// Samples of one channel in each unit.
    pub const SAMPLES_PER_UNIT: u32 = 1024;
}

/// A track of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackFormat {
    /// Pictures.
    Video(VideoFormat),
    /// Sound.
    Audio(AudioFormat),
}

mod hexadecimal {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
