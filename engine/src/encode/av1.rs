//! AV1 by SVT-AV1.

use super::{Settings, Style};
use bytes::{BufMut, Bytes, BytesMut};

pub(super) const ENCODER: &str = "libsvtav1";

/// What SVT-AV1 is told. It makes no keyframes on request where it keeps a bit rate, so it is opened
/// anew for each, and makes none else: `keyint` is out of reach.
pub(super) fn options(settings: &Settings) -> Vec<(String, String)> {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let pace = match settings.style {
        Style::Segment | Style::File => "rc=1",
        // No reordering, which goes with a constant rate only.
        Style::Live => "rc=2:pred-struct=1",
    };
    vec![set("preset", "10"), set("svtav1-params", &format!("{pace}:keyint=1000000:scd=0:lp=1"))]
}

/// Kinds of OBUs, by their numbers in the standard.
mod kind {
    pub(super) const SEQUENCE_HEADER: u8 = 1;
    pub(super) const TEMPORAL_DELIMITER: u8 = 2;
}

/// An OBU: its kind, its payload, and all of its bytes.
struct Obu<'a> {
    kind: u8,
    payload: &'a [u8],
    whole: &'a [u8],
}

/// The OBUs of a byte string, each with its size; `None` stands for what is none, and ends them.
fn obus(bytes: &[u8]) -> impl Iterator<Item = Option<Obu<'_>>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.filter(|bytes| !bytes.is_empty())?;
        let obu = first_obu(bytes);
        rest = obu.as_ref().map(|obu| &bytes[obu.whole.len()..]);
        Some(obu)
    })
}

fn first_obu(bytes: &[u8]) -> Option<Obu<'_>> {
    let head = *bytes.first()?;
    let (extended, sized) = (head & 4 != 0, head & 2 != 0);
    let mut at = if extended { 2 } else { 1 };
    let mut size = bytes.len().checked_sub(at)?;
    if sized {
        size = 0;
        for shift in (0..56).step_by(7) {
            let byte = *bytes.get(at)?;
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let whole = bytes.get(..at.checked_add(size)?)?;
    Some(Obu { kind: head >> 3 & 0xf, payload: &whole[at..], whole })
}

/// `av1C` of a sequence header, for 4:2:0 of 8 bits, which is all that is encoded here.
pub(super) fn config(headers: &[u8]) -> Option<Bytes> {
    let header = obus(headers).flatten().find(|obu| obu.kind == kind::SEQUENCE_HEADER)?;
    let (profile, level, tier) = profile_level_tier(header.payload)?;
    let mut out = BytesMut::new();
    // Version 1; 8 bits, colour, chroma halved both ways.
    out.put_slice(&[0x81, profile << 5 | level, tier << 7 | 0b0000_1100, 0]);
    out.put_slice(header.whole);
    Some(out.freeze())
}

/// The first operating point's, of a sequence header without timing information, as SVT-AV1 writes
/// it (5.5.1 of the standard).
fn profile_level_tier(header: &[u8]) -> Option<(u8, u8, u8)> {
    let bits = header.iter().take(8).fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    let bits = bits << (8 * (8 - header.len().min(8)));
    let field = |from: u32, width: u32| (bits << from >> (64 - width)) as u8;
    let (profile, reduced, timing) = (field(0, 3), field(4, 1), field(5, 1));
    if reduced == 1 || timing == 1 || header.len() < 4 {
        return None;
    }
    // One bit for the initial delay, 5 for the number of points, 12 for the point's layers.
    let level = field(24, 5);
    // Only levels above 3.3 have tiers.
    let tier = if level > 7 { field(29, 1) } else { 0 };
    Some((profile, level, tier))
}

/// A unit without its delimiter.
pub(super) fn unit(packet: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(packet.len());
    for obu in obus(packet) {
        let obu = obu?;
        if obu.kind != kind::TEMPORAL_DELIMITER {
            out.put_slice(obu.whole);
        }
    }
    Some(out.freeze())
}
