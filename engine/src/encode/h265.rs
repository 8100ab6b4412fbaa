//! H.265 by x265.

use super::{Settings, Style};
use bytes::{BufMut, Bytes, BytesMut};
use tessera_packaging::h264::length_prefixed_units;

pub(super) const ENCODER: &str = "libx265";

/// What x265 is told.
pub(super) fn options(settings: &Settings) -> Vec<(String, String)> {
    // Lengths before NAL units instead of start codes; no keyframes but those asked for; no note
    // about itself, and no word on stderr; all on one thread.
    let x265 = "annexb=0:keyint=-1:scenecut=0:open-gop=0:info=0:log-level=none:frame-threads=1:\
                pools=none:wpp=0";
    let mut options = vec![("forced-idr".to_owned(), "1".to_owned())];
    let mut set = |key: &str, value: &str| options.push((key.to_owned(), value.to_owned()));
    match settings.style {
        Style::Segment | Style::File => set("preset", "superfast"),
        Style::Live => {
            set("preset", "ultrafast");
            set("tune", "zerolatency");
        }
    }
    set("x265-params", x265);
    options
}

/// How far x265 reorders as it is told here; FFmpeg does not say it of this encoder.
pub(super) fn reorder_depth(style: Style) -> usize {
    match style {
        // Frames between two others, which others between them refer to.
        Style::Segment | Style::File => 2,
        Style::Live => 0,
    }
}

/// Kinds of NAL units, by their numbers in the standard.
mod kind {
    pub(super) const LAST_SLICE: u8 = 31;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
}

fn kind_of(unit: &[u8]) -> Option<u8> {
    Some(unit.first()? >> 1 & 0x3f)
}

/// `hvcC` of length-prefixed parameter sets, for 4:2:0 of 8 bits, which is all that is encoded
/// here.
pub(super) fn config(headers: &[u8]) -> Option<Bytes> {
    let mut sets = [(kind::VPS, None), (kind::SPS, None), (kind::PPS, None)];
    for unit in length_prefixed_units(headers, 4) {
        let unit = unit.ok()?;
        let kind = kind_of(unit)?;
        if let Some(set) = sets.iter_mut().find(|set| set.0 == kind) {
            set.1 = Some(unit);
        }
    }
    // After the unit's head (2 bytes) and one byte, 12 bytes of profile, tier and level. A 03 that
    // only keeps zeros apart may stand among them.
    let sps = without_escapes(sets[1].1?);
    let (layers, levels) = (sps.get(2)?, sps.get(3..15)?);
    let mut out = BytesMut::new();
    out.put_u8(1);
    out.put_slice(levels);
    // No spatial segmentation, any parallelism; 4:2:0; 8 bits each; no constant rate.
    out.put_slice(&[0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0]);
    let (temporal_layers, nested) = ((layers >> 1 & 7) + 1, layers & 1);
    out.put_u8(temporal_layers << 3 | nested << 2 | 3);
    out.put_u8(sets.len() as u8);
    for (kind, set) in sets {
        let set = set?;
        // All of its kind stand here, and one there is.
        out.put_u8(0x80 | kind);
        out.put_u16(1);
        out.put_u16(u16::try_from(set.len()).ok()?);
        out.put_slice(set);
    }
    Some(out.freeze())
}

fn without_escapes(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    for (at, &byte) in unit.iter().enumerate() {
        if byte != 3 || at < 2 || unit[at - 2..at] != [0, 0] {
            out.push(byte);
        }
    }
    out
}

/// A unit with nothing but its slices.
pub(super) fn unit(packet: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(packet.len());
    for unit in length_prefixed_units(packet, 4) {
        let unit = unit.ok()?;
        if kind_of(unit)? <= kind::LAST_SLICE {
            out.put_u32(unit.len() as u32);
            out.put_slice(unit);
        }
    }
    Some(out.freeze())
}
