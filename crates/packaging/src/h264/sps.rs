//! Sequence parameter sets: what size the pictures are, and what a decoder must be able to do.

use super::H264Error;
use crate::bits::Bits;

/// What a sequence parameter set says, as far as anybody here asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// Its number, 0 to 31.
    pub id: u32,
    /// The profile's number: 66 baseline, 77 main, 100 high.
    pub profile: u8,
    /// The constraint flags, as the byte after the profile.
    pub constraints: u8,
    /// Ten times the level.
    pub level: u8,
    /// Pixels across after cropping.
    pub width: u32,
    /// Pixels down after cropping.
    pub height: u32,
    /// How chroma is sampled: 0 none, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Bits of a chroma sample.
    pub chroma_bits: u8,
    /// Whether every picture is a whole frame, none a field.
    pub progressive: bool,
    /// The frame rate, if it is said: frames in so many seconds.
    pub frames_per_s: Option<(u32, u32)>,
}

/// Most pixels along an edge: more than any level allows.
const MAX_EDGE: u32 = 16_384;
/// Profiles whose sets say how chroma is sampled.
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

impl Sps {
    /// Reads a NAL unit.
    ///
    /// # Errors
    /// If it is no sequence parameter set, ends too early, or gives a size that no level allows.
    /// What follows the frame rate isn't looked at.
    pub fn parse(unit: &[u8]) -> Result<Self, H264Error> {
        if unit.first().map(|head| head & 0x1f) != Some(7) {
            return Err(H264Error::Sps("it is another kind of NAL unit"));
        }
        let payload = without_escapes(&unit[1..]);
        let sps = read(&mut Bits::new(&payload))
            .ok_or(H264Error::Sps("it ends too early, or a number in it is too large"))?;
        if sps.width == 0 {
            return Err(H264Error::Sps("its size is none that a level has"));
        }
        Ok(sps)
    }
}

/// The unit's bytes with the `03` of every `00 00 03` taken out.
fn without_escapes(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// The fields in their order in the standard, 7.3.2.1.1. A size that no level has is 0 × 0.
fn read(bits: &mut Bits<'_>) -> Option<Sps> {
    let [profile, constraints, level] = [byte(bits)?, byte(bits)?, byte(bits)?];
    let id = bits.golomb().filter(|&id| id < 32)?;
    let (mut chroma_format, mut luma_bits, mut chroma_bits) = (1, 8, 8);
    let mut planes_apart = false;
    if WITH_CHROMA.contains(&profile) {
        chroma_format = small(bits, 3)?;
        planes_apart = chroma_format == 3 && bits.bit()?;
        luma_bits = 8 + small(bits, 6)?;
        chroma_bits = 8 + small(bits, 6)?;
        let _lossless = bits.bit()?;
        if bits.bit()? {
            skip_scaling_lists(bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    skip_picture_order(bits)?;
    let _reference_frames = bits.golomb()?;
    let _gaps_allowed = bits.bit()?;
    let (across, down) = (bits.golomb()?, bits.golomb()?);
    let progressive = bits.bit()?;
    if !progressive {
        let _adaptive = bits.bit()?;
    }
    let _direct_8x8 = bits.bit()?;
    let mut crop = [0; 4];
    if bits.bit()? {
        for edge in &mut crop {
            *edge = bits.golomb()?;
        }
    }
    // Chroma's own sampling doesn't matter where each plane is coded like luma.
    let sampling = if planes_apart { 0 } else { chroma_format };
    let (width, height) = size(across, down, progressive, sampling, crop).unwrap_or((0, 0));
    let frames_per_s = if bits.bit()? { frame_rate(bits)? } else { None };
    Some(Sps {
        id,
        profile,
        constraints,
        level,
        width,
        height,
        chroma_format,
        luma_bits,
        chroma_bits,
        progressive,
        frames_per_s,
    })
}

fn byte(bits: &mut Bits<'_>) -> Option<u8> {
    u8::try_from(bits.bits(8)?).ok()
}

/// An Exp-Golomb number that may not be larger than `most`.
fn small(bits: &mut Bits<'_>, most: u8) -> Option<u8> {
    u8::try_from(bits.golomb()?).ok().filter(|&value| value <= most)
}

fn skip_scaling_lists(bits: &mut Bits<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8, 8);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed_golomb()?.clamp(-128, 127)).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    let _frame_number_bits = small(bits, 12)?;
    match bits.golomb()? {
        0 => {
            let _order_bits = small(bits, 12)?;
        }
        1 => {
            let _always_zero = bits.bit()?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            for _ in 0..small(bits, 255)? {
                bits.signed_golomb()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

/// Width and height: macroblocks, less the crop (left, right, top, bottom) in its own units.
fn size(
    across: u32,
    down: u32,
    progressive: bool,
    sampling: u8,
    crop: [u32; 4],
) -> Option<(u32, u32)> {
    let fields = if progressive { 1 } else { 2 };
    let (unit_across, unit_down) = match sampling {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let edge = |blocks: u32, unit: u32, crop: [u32; 2], fields: u32| {
        let pixels = blocks.checked_add(1)?.checked_mul(16)?.checked_mul(fields)?;
        let away = crop[0].checked_add(crop[1])?.checked_mul(unit)?.checked_mul(fields)?;
        pixels.checked_sub(away).filter(|pixels| (1..=MAX_EDGE).contains(pixels))
    };
    Some((
        edge(across, unit_across, [crop[0], crop[1]], 1)?,
        edge(down, unit_down, [crop[2], crop[3]], fields)?,
    ))
}

/// The first fields of the usability information, annex E: up to the frame rate.
fn frame_rate(bits: &mut Bits<'_>) -> Option<Option<(u32, u32)>> {
    const EXTENDED_ASPECT: u32 = 255;
    if bits.bit()? && bits.bits(8)? == EXTENDED_ASPECT {
        bits.bits(32)?;
    }
    if bits.bit()? {
        let _overscan = bits.bit()?;
    }
    if bits.bit()? {
        bits.bits(4)?;
        if bits.bit()? {
            bits.bits(24)?;
        }
    }
    if bits.bit()? {
        bits.golomb()?;
        bits.golomb()?;
    }
    if !bits.bit()? {
        return Some(None);
    }
    let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
    // A frame is two ticks, each a field.
    let seconds = tick.checked_mul(2).filter(|&seconds| seconds > 0 && scale > 0);
    Some(seconds.map(|seconds| {
        let common = greatest_divisor(scale, seconds);
        (scale / common, seconds / common)
    }))
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Made by x264 at the sizes and rates below.
    const HIGH: &str = "67640028acd940780227e5c044000003000400000300f03c60c658";
    const MAIN: &str = "674d4015eca0d8ff2780880000030008000003019078b16cb0";
    const BASELINE: &str = "6742c01ed900a02ff9301100000303e90000ea600f162e48";
    const INTERLACED_422: &str = "677a001ebcd940b424d8088000000300800000190f8a14cb";
    const ODD_444_WITH_MATRICES: &str = "67f4001e919b281485fc7c5e0220000003002000000601e2c5b2c0";

    fn parse(hexadecimal: &str) -> Sps {
        Sps::parse(&hex::decode(hexadecimal).unwrap()).unwrap()
    }

    #[test]
    fn known_sets_are_read() {
        for (set, profile, level, size, rate) in [
            (HIGH, 100, 40, (1920, 1080), (30, 1)),
            (MAIN, 77, 21, (426, 240), (25, 1)),
            (BASELINE, 66, 30, (640, 362), (30_000, 1001)),
            (INTERLACED_422, 122, 30, (720, 576), (25, 1)),
            (ODD_444_WITH_MATRICES, 244, 30, (642, 358), (24, 1)),
        ] {
            let sps = parse(set);
            assert_eq!((sps.profile, sps.level), (profile, level), "{set}");
            assert_eq!((sps.width, sps.height), size, "{set}");
            assert_eq!(sps.frames_per_s, Some(rate), "{set}");
            assert_eq!(sps.progressive, set != INTERLACED_422);
        }
        assert_eq!(parse(INTERLACED_422).chroma_format, 2);
        assert_eq!(parse(ODD_444_WITH_MATRICES).chroma_format, 3);
    }

    #[test]
    fn a_set_that_is_none_is_refused() {
        let set = hex::decode(HIGH).unwrap();
        assert!(matches!(Sps::parse(&[]), Err(H264Error::Sps(_))));
        assert!(matches!(Sps::parse(&set[..8]), Err(H264Error::Sps(_))));
        let other = [&[0x68], &set[1..]].concat();
        assert!(matches!(Sps::parse(&other), Err(H264Error::Sps(_))));
    }

    #[test]
    fn a_crop_larger_than_the_picture_is_refused() {
        assert_eq!(size(1, 1, true, 1, [8, 8, 0, 0]), None);
        assert_eq!(size(1, 1, true, 1, [8, 7, 0, 0]), Some((2, 32)));
        assert_eq!(size(u32::MAX, 1, true, 1, [0; 4]), None);
        assert_eq!(size(1, 1, true, 1, [u32::MAX, u32::MAX, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
        ) {
            let _ = Sps::parse(&[&[0x67, 100, 0, 40][..], &bytes].concat());
            for set in [HIGH, MAIN, BASELINE, INTERLACED_422, ODD_444_WITH_MATRICES] {
                let mut set = hex::decode(set).unwrap();
                let at = 1 + at.index(set.len() - 1);
                set[at] = to;
                if let Ok(sps) = Sps::parse(&set) {
                    prop_assert!((1..=MAX_EDGE).contains(&sps.width));
                    prop_assert!((1..=MAX_EDGE).contains(&sps.height));
                }
            }
        }
    }
}
