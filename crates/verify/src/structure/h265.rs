//! H.265: what its configuration and its NAL units must be.

use super::bits::{Bits, unescaped};
use super::nal::{Picture, split};
use super::{Flaw, Size};

/// A sequence parameter set's kind.
const SEQUENCE: u8 = 33;

/// Size, from an `hvcC` with one sequence parameter set.
pub(super) fn size(config: &[u8]) -> Result<Size, Flaw> {
    if config.first() != Some(&1) || config.get(21).is_none_or(|byte| byte & 3 != 3) {
        return Err(Flaw::Config);
    }
    let mut rest = config.get(22..).ok_or(Flaw::Config)?;
    let arrays = take(&mut rest, 1)?[0];
    let mut size = None;
    for _ in 0..arrays {
        let [kind, high, low] = *take(&mut rest, 3)? else { return Err(Flaw::Config) };
        for _ in 0..u16::from_be_bytes([high, low]) {
            let [high, low] = *take(&mut rest, 2)? else { return Err(Flaw::Config) };
            let nal = take(&mut rest, usize::from(u16::from_be_bytes([high, low])))?;
            if kind & 63 == SEQUENCE {
                let payload = nal.get(2..).ok_or(Flaw::Config)?;
                let read = parameters(&mut Bits::new(&unescaped(payload, 512)))?;
                if size.replace(read).is_some() {
                    return Err(Flaw::Config);
                }
            }
        }
    }
    size.ok_or(Flaw::Config)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Flaw> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Flaw::Config)?;
    *bytes = rest;
    Ok(taken)
}

/// A sequence parameter set as far as its size: 4:2:0.
fn parameters(bits: &mut Bits<'_>) -> Result<Size, Flaw> {
    bits.skip(4);
    let sub_layers = bits.number(3)? as usize;
    bits.skip(1 + 88 + 8);
    let mut of_layers = 0;
    for _ in 0..sub_layers {
        of_layers += if bits.bit()? { 88 } else { 0 };
        of_layers += if bits.bit()? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers));
    }
    bits.skip(of_layers);
    bits.golomb()?;
    if bits.golomb()? != 1 {
        return Err(Flaw::Samples);
    }
    let (width, height) = (bits.golomb()?, bits.golomb()?);
    let mut crop = [0; 4];
    if bits.bit()? {
        for side in &mut crop {
            *side = bits.golomb()?;
        }
    }
    let cropped = |all: u32, before: u32, after: u32| {
        let off = 2 * (u64::from(before) + u64::from(after));
        u64::from(all).checked_sub(off).and_then(|n| u32::try_from(n).ok()).ok_or(Flaw::Config)
    };
    let [left, right, top, bottom] = crop;
    Ok(Size { width: cropped(width, left, right)?, height: cropped(height, top, bottom)? })
}

/// Whether a unit is one sound picture, and a keyframe.
pub(super) fn keyframe(data: &[u8]) -> Result<bool, Flaw> {
    let mut picture = Picture::default();
    for nal in split(data) {
        let nal = nal?;
        let &[first, _, ref payload @ ..] = nal else { return Err(Flaw::Short) };
        let kind = first >> 1 & 63;
        match kind {
            _ if first & 0x80 != 0 => return Err(Flaw::Kind(first)),
            // Where a later slice begins is coded in as many bits as the parameter sets say, so
            // only the first is told from the rest.
            0..=9 | 16..=21 => {
                let keyframe = matches!(kind, 19 | 20);
                let first_of_picture = payload.first().ok_or(Flaw::Short)? & 0x80 != 0;
                picture.next_slice(first_of_picture, keyframe)?;
            }
            35 | 39 | 40 => picture.aside(nal.len())?,
            kind => return Err(Flaw::Kind(kind)),
        }
    }
    picture.is_keyframe()
}
