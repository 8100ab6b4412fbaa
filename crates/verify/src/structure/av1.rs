//! AV1: what its configuration and its OBUs must be.

use super::bits::Bits;
use super::nal::MOST_ASIDE;
use super::{Flaw, Size};

const SEQUENCE: u8 = 1;
const FRAME_HEADER: u8 = 3;
const TILES: u8 = 4;
const METADATA: u8 = 5;
const FRAME: u8 = 6;
const FRAME_HEADER_AGAIN: u8 = 7;

/// Size, from the sequence header in an `av1C`.
pub(super) fn size(config: &[u8]) -> Result<Size, Flaw> {
    let [0x81, _, _, _, obus @ ..] = config else { return Err(Flaw::Config) };
    let mut size = None;
    for obu in split(obus) {
        let (kind, payload) = obu?;
        match kind {
            SEQUENCE => size = Some(sequence(&mut Bits::new(payload))?),
            METADATA => {}
            _ => return Err(Flaw::Config),
        }
    }
    size.ok_or(Flaw::Config)
}

/// Kind and payload of each OBU; each says its own length.
fn split(data: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), Flaw>> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let bytes = rest.take().filter(|bytes| !bytes.is_empty())?;
        Some(one(bytes).map(|(kind, payload, after)| {
            rest = Some(after);
            (kind, payload)
        }))
    })
}

fn one(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), Flaw> {
    let (&head, mut bytes) = bytes.split_first().ok_or(Flaw::Short)?;
    if head & 0x82 != 2 {
        return Err(Flaw::Kind(head));
    }
    if head & 4 != 0 {
        bytes = bytes.get(1..).ok_or(Flaw::Short)?;
    }
    let mut length = 0_usize;
    for shift in 0.. {
        let (&byte, after) = bytes.split_first().ok_or(Flaw::Short)?;
        bytes = after;
        length |= usize::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            break;
        }
        if shift == 3 {
            return Err(Flaw::Length { length, left: bytes.len() });
        }
    }
    let left = bytes.len();
    let (payload, after) = bytes.split_at_checked(length).ok_or(Flaw::Length { length, left })?;
    Ok((head >> 3 & 15, payload, after))
}

/// A sequence header as far as its size.
fn sequence(bits: &mut Bits<'_>) -> Result<Size, Flaw> {
    bits.skip(3 + 1);
    if bits.bit()? {
        // A single picture, no film.
        return Err(Flaw::Samples);
    }
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64);
        if bits.bit()? {
            bits.golomb()?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.number(5)? as usize + 1);
            bits.skip(32 + 5 + 5);
        }
    }
    let displays_later = bits.bit()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12);
        if bits.number(5)? > 7 {
            bits.skip(1);
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1);
        }
        if displays_later && bits.bit()? {
            bits.skip(4);
        }
    }
    let (across, down) = (bits.number(4)? + 1, bits.number(4)? + 1);
    Ok(Size { width: bits.number(across)? + 1, height: bits.number(down)? + 1 })
}

/// Whether a unit shows one picture, and is a keyframe. Any number of hidden frames may come with
/// it; tiles are not looked into.
pub(super) fn keyframe(data: &[u8]) -> Result<bool, Flaw> {
    let (mut shown, mut keyframe, mut aside) = (0, false, 0);
    for obu in split(data) {
        let (kind, payload) = obu?;
        match kind {
            FRAME_HEADER | FRAME => {
                let first = *payload.first().ok_or(Flaw::Short)?;
                let (existing, kind_of_frame, show) =
                    (first & 0x80 != 0, first >> 5 & 3, first & 0x10 != 0);
                if existing || show {
                    shown += 1;
                }
                keyframe |= !existing && kind_of_frame == 0 && show;
            }
            TILES | FRAME_HEADER_AGAIN => {}
            SEQUENCE | METADATA => {
                aside += payload.len();
                if aside > MOST_ASIDE {
                    return Err(Flaw::Aside { bytes: aside });
                }
            }
            kind => return Err(Flaw::Kind(kind)),
        }
    }
    match shown {
        0 => Err(Flaw::Empty),
        1 => Ok(keyframe),
        _ => Err(Flaw::Pictures),
    }
}
