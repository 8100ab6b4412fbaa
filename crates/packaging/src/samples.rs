//! Formats and units for tests.

use crate::aac;
use crate::h264::DecoderConfig;
use bytes::Bytes;
use tessera_media::{AccessUnit, AudioFormat, Ticks, VideoFormat};
use tessera_protocol::stream::VideoCodec;

fn bytes(hexadecimal: &str) -> Bytes {
    hex::decode(hexadecimal).unwrap().into()
}

/// Baseline profile at level 3, whose configuration says 640 × 362.
pub(crate) fn h264(width: u32, height: u32) -> VideoFormat {
    let sps = vec![bytes("6742c01ed900a02ff9301100000303e90000ea600f162e48")];
    let config = DecoderConfig { sps, pps: vec![bytes("68cb83cb20")], length_size: 4 };
    VideoFormat { width, height, ..config.video_format().unwrap() }
}

/// Main profile at level 3.1, without parameter sets.
pub(crate) fn hevc() -> VideoFormat {
    let config = bytes("0101600000009000000000005df000fcfdf8f800000f00");
    VideoFormat { codec: VideoCodec::H265, width: 1280, height: 720, config }
}

/// Main profile at level 3.0, 8 bits, without a sequence header.
pub(crate) fn av1() -> VideoFormat {
    let config = bytes("81040c00");
    VideoFormat { codec: VideoCodec::Av1, width: 854, height: 480, config }
}

/// Two channels of AAC-LC.
pub(crate) fn sound(sample_rate: u32) -> AudioFormat {
    let config =
        aac::AudioSpecificConfig { object_type: 2, sample_rate, channel_layout: 2 }.build();
    aac::audio_format(config.unwrap()).unwrap()
}

/// A keyframe.
pub(crate) fn unit(pts: i64, dts: i64, data: &'static [u8]) -> AccessUnit {
    AccessUnit { pts: Ticks(pts), dts: Ticks(dts), keyframe: true, data: data.into() }
}
