//! H.264 by x264.

use super::{Settings, Style};
use bytes::{BufMut, Bytes, BytesMut};
use tessera_media::Ticks;
use tessera_packaging::h264::{DecoderConfig, NalKind, length_prefixed_units};

pub(super) const ENCODER: &str = "libx264";

/// What a tolerance of 1 is to a second, found by measuring.
const TOLERANCE_OF_A_SECOND: f64 = 0.023;
/// Taken for the duration of a file that does not tell it.
const UNKNOWN: Ticks = Ticks(60 * Ticks::PER_SECOND);

/// Pixels of pictures that are searched at full precision: at 480p half of it costs the 5th percentile
/// nearly three points of VMAF, and at 360p and 240p about one.
const SEARCHED: std::ops::RangeInclusive<u32> = 640 * 360 + 1..=960 * 540;

/// What x264 is told. Against its own `veryfast`, measured on a film of 24 frames a second: B-frames
/// at fixed places (dearer to choose than to use), a smaller search, fewer ways to part a block: half
/// of the CPU time at 720p, for 0.3 points of VMAF there and 0.5 to 0.7 below; and 0.4 points back by
/// taking less from detailed places for flat ones. What the cascade's sharper pictures gain is more
/// (`make bench`: VMAF of each rung beside that of `veryfast`).
pub(super) fn options(settings: &Settings) -> Vec<(String, String)> {
    // Lengths before NAL units instead of start codes; no keyframes but those asked for.
    let mut x264 = "annexb=0:keyint=infinite:scenecut=0:threads=1".to_owned();
    let mut options = vec![("forced-idr".to_owned(), "1".to_owned())];
    let mut set = |key: &str, value: &str| options.push((key.to_owned(), value.to_owned()));
    set("preset", "veryfast");
    x264.push_str(":aq-strength=0.8:me=dia:partitions=i4x4,i8x8:weightb=0");
    let searched = SEARCHED.contains(&(settings.width * settings.height));
    x264.push_str(if searched { ":subme=2" } else { ":subme=1" });
    match settings.style {
        Style::Segment => x264.push_str(":b-adapt=0"),
        Style::File => {
            x264.push_str(&format!(":b-adapt=0:ratetol={:.3}", rate_tolerance(settings.duration)));
        }
        Style::Live => {
            set("tune", "zerolatency");
            x264.push_str(":sliced-threads=0");
        }
    }
    set("x264-params", &x264);
    options
}

/// How far x264 may stray from the bit rate meanwhile. What it strays by in the end shrinks with the
/// root of the duration; at this it stays within 2 % of what was asked, and the shorter the file,
/// the more evenly good pictures have to pay for it.
fn rate_tolerance(duration: Option<Ticks>) -> f64 {
    let seconds = duration.unwrap_or(UNKNOWN).seconds();
    (TOLERANCE_OF_A_SECOND * seconds.sqrt()).clamp(0.02, 1.0)
}

/// `avcC` of length-prefixed parameter sets.
pub(super) fn config(headers: &[u8]) -> Option<Bytes> {
    let mut config = DecoderConfig { sps: vec![], pps: vec![], length_size: 4 };
    for unit in length_prefixed_units(headers, 4) {
        let unit = unit.ok()?;
        match NalKind::of(unit)? {
            NalKind::Sps => config.sps.push(Bytes::copy_from_slice(unit)),
            NalKind::Pps => config.pps.push(Bytes::copy_from_slice(unit)),
            _ => {}
        }
    }
    config.build().ok()
}

/// A unit without parameter sets, and without x264's note about itself, which takes more than a
/// small picture.
pub(super) fn unit(packet: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(packet.len());
    for unit in length_prefixed_units(packet, 4) {
        let unit = unit.ok()?;
        if let NalKind::Slice | NalKind::IdrSlice = NalKind::of(unit)? {
            out.put_u32(unit.len() as u32);
            out.put_slice(unit);
        }
    }
    Some(out.freeze())
}
