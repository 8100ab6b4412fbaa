//! NAL units: splitting, joining, and what kind each is.

use super::{H264Error, MAX_PPS, MAX_SET_BYTES, MAX_SPS};
use bytes::{BufMut, Bytes, BytesMut};

/// What a NAL unit holds, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NalKind {
    /// Part of a picture that refers to others.
    Slice,
    /// Part of a picture at which decoding can begin.
    IdrSlice,
    /// Supplementary information.
    Sei,
    /// A sequence parameter set.
    Sps,
    /// A picture parameter set.
    Pps,
    /// An access unit delimiter.
    Delimiter,
    /// Bytes that only fill a constant rate.
    Filler,
    /// Anything else, by its number.
    Other(u8),
}

impl NalKind {
    /// The kind of a NAL unit; `None` for an empty one.
    pub fn of(unit: &[u8]) -> Option<Self> {
        Some(match unit.first()? & 0x1f {
            1..=4 => Self::Slice,
            5 => Self::IdrSlice,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            12 => Self::Filler,
            other => Self::Other(other),
        })
    }
}

/// The NAL units of an Annex B byte string, without start codes. Bytes before the first start code
/// belong to none and are left out, as are empty units.
pub fn annex_b_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(bytes).map(|(_, after)| &bytes[after..]);
    std::iter::from_fn(move || {
        let from = rest?;
        let (unit, next) = match start_code(from) {
            Some((before, after)) => (&from[..before], Some(&from[after..])),
            None => (from, None),
        };
        rest = next;
        Some(unit)
    })
    .map(without_trailing_zeros)
    .filter(|unit| !unit.is_empty())
}

/// Where the first start code `00 00 01` begins, and where what follows it does.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = bytes.windows(3).position(|three| three == [0, 0, 1])?;
    Some((at, at + 3))
}

/// No NAL unit ends in a zero byte: such bytes belong to the next start code, or fill.
fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

/// The NAL units of a length-prefixed byte string whose lengths take `length_size` bytes. It ends
/// after its first error.
pub fn length_prefixed_units(
    bytes: &[u8],
    length_size: u8,
) -> impl Iterator<Item = Result<&[u8], H264Error>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = first_unit(rest, length_size);
        rest = first.as_ref().map_or(&[], |&(_, after)| after);
        Some(first.map(|(unit, _)| unit))
    })
}

fn first_unit(bytes: &[u8], length_size: u8) -> Result<(&[u8], &[u8]), H264Error> {
    if !matches!(length_size, 1 | 2 | 4) {
        return Err(H264Error::LengthSize(length_size));
    }
    let prefix = usize::from(length_size);
    let (length, rest) = bytes
        .split_at_checked(prefix)
        .ok_or(H264Error::Length { length: prefix, left: bytes.len() })?;
    let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if length == 0 {
        return Err(H264Error::Empty);
    }
    rest.split_at_checked(length).ok_or(H264Error::Length { length, left: rest.len() })
}

/// One access unit, its NAL units sorted by who needs them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// What goes to a decoder that has the configuration record: length-prefixed with 4 bytes;
    /// no parameter sets, delimiters or filler. Empty if there is no picture among the units.
    pub data: Bytes,
    /// Whether decoding can begin here.
    pub idr: bool,
    /// The sequence parameter sets that stood among the units, in order.
    pub sps: Vec<Bytes>,
    /// The picture parameter sets that stood among the units, in order.
    pub pps: Vec<Bytes>,
    /// Whether there were more sets than a configuration record holds: those are left out.
    pub sets_left_out: bool,
}

impl Picture {
    /// Of an Annex B byte string.
    pub fn from_annex_b(bytes: &[u8]) -> Self {
        Self::of_units(annex_b_units(bytes))
    }

    /// Of a length-prefixed byte string whose lengths take `length_size` bytes.
    ///
    /// # Errors
    /// If a length is wrong.
    pub fn from_length_prefixed(bytes: &[u8], length_size: u8) -> Result<Self, H264Error> {
        let mut wrong = None;
        let units = length_prefixed_units(bytes, length_size)
            .map_while(|unit| unit.map_err(|error| wrong = Some(error)).ok());
        let picture = Self::of_units(units);
        wrong.map_or(Ok(picture), Err)
    }

    fn of_units<'a>(units: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut picture, mut data, mut pictured) = (Self::default(), BytesMut::new(), false);
        let mut set_bytes = 0;
        for unit in units {
            match NalKind::of(unit) {
                Some(kind @ (NalKind::Sps | NalKind::Pps)) => {
                    let (sets, most) = match kind {
                        NalKind::Sps => (&mut picture.sps, MAX_SPS),
                        _ => (&mut picture.pps, MAX_PPS),
                    };
                    set_bytes += unit.len();
                    if sets.len() < most && set_bytes <= MAX_SET_BYTES {
                        sets.push(Bytes::copy_from_slice(unit));
                    } else {
                        picture.sets_left_out = true;
                    }
                }
                None | Some(NalKind::Delimiter | NalKind::Filler) => {}
                Some(kind) => {
                    pictured |= matches!(kind, NalKind::Slice | NalKind::IdrSlice);
                    picture.idr |= kind == NalKind::IdrSlice;
                    put_unit(&mut data, unit);
                }
            }
        }
        if pictured {
            picture.data = data.freeze();
        }
        picture
    }
}

fn put_unit(out: &mut BytesMut, unit: &[u8]) {
    out.put_u32(u32::try_from(unit.len()).expect("a unit is part of a message of megabytes"));
    out.put_slice(unit);
}

/// Annex B of an access unit in the form of [`tessera_media`] (lengths of 4 bytes), with these
/// parameter sets before it: none, or all of a [`DecoderConfig`](super::DecoderConfig) at a
/// keyframe.
///
/// # Errors
/// If a length is wrong.
pub fn to_annex_b(data: &[u8], parameter_sets: &[&[u8]]) -> Result<Bytes, H264Error> {
    const START: [u8; 4] = [0, 0, 0, 1];
    let mut out = BytesMut::with_capacity(data.len() + 64);
    for set in parameter_sets {
        out.put_slice(&START);
        out.put_slice(set);
    }
    for unit in length_prefixed_units(data, 4) {
        out.put_slice(&START);
        out.put_slice(unit?);
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPS: &[u8] = &[0x67, 1, 2];
    const PPS: &[u8] = &[0x68, 3];
    const IDR: &[u8] = &[0x65, 4, 0, 0, 3, 1];

    #[test]
    fn annex_b_is_split_at_both_kinds_of_start_code() {
        let bytes = [&[9, 9, 0, 0, 0, 1][..], SPS, &[0, 0, 1], PPS, &[0, 0, 0, 1], IDR].concat();
        assert_eq!(annex_b_units(&bytes).collect::<Vec<_>>(), [SPS, PPS, IDR]);
        assert_eq!(annex_b_units(&[]).count(), 0);
        assert_eq!(annex_b_units(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn a_picture_s_units_are_sorted() {
        let bytes = [&[0, 0, 1, 0x09, 0xf0, 0, 0, 1][..], SPS, &[0, 0, 1], PPS, &[0, 0, 1], IDR];
        let picture = Picture::from_annex_b(&bytes.concat());
        assert_eq!(picture.data, [&[0, 0, 0, 6][..], IDR].concat());
        assert!(picture.idr);
        assert_eq!((&picture.sps[..], &picture.pps[..]), (&[SPS.into()][..], &[PPS.into()][..]));
    }

    #[test]
    fn units_without_a_picture_are_none() {
        let picture = Picture::from_annex_b(&[0, 0, 1, 0x06, 1, 2, 0, 0, 1, 0x67, 1]);
        assert!(picture.data.is_empty() && !picture.idr && picture.sps.len() == 1);
    }

    #[test]
    fn sets_that_no_record_holds_are_left_out() {
        let unit = |head: u8, n: u16| [&[3, head][..], &n.to_be_bytes()].concat();
        let sets = |head, count| (0..count).flat_map(move |n| unit(head, n));
        let bytes: Vec<u8> = sets(0x67, 40).chain(sets(0x68, 4000)).chain([2, 0x65, 1]).collect();
        let picture = Picture::from_length_prefixed(&bytes, 1).unwrap();
        assert_eq!((picture.sps.len(), picture.pps.len()), (MAX_SPS, MAX_PPS));
        assert!(picture.sets_left_out && picture.idr && !picture.data.is_empty());

        let set = |length| [&[0, 0, 1, 0x68][..], &vec![1; length - 1]].concat();
        let of = |lengths: &[usize]| {
            Picture::from_annex_b(&lengths.iter().flat_map(|&n| set(n)).collect::<Vec<_>>())
        };
        let picture = of(&[40_000, 25_535]);
        assert!(picture.pps.len() == 2 && !picture.sets_left_out);
        let picture = of(&[40_000, 25_536]);
        assert!(picture.pps.len() == 1 && picture.sets_left_out);
    }

    #[test]
    fn short_lengths_become_four_bytes() {
        let picture = Picture::from_length_prefixed(&[0, 2, 0x41, 7], 2).unwrap();
        assert_eq!(picture.data, [0, 0, 0, 2, 0x41, 7].as_slice());
        assert!(!picture.idr);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let refused = |bytes: &[u8], size| Picture::from_length_prefixed(bytes, size).unwrap_err();
        assert_eq!(refused(&[0, 0, 0, 9, 1], 4), H264Error::Length { length: 9, left: 1 });
        assert_eq!(refused(&[0, 0], 4), H264Error::Length { length: 4, left: 2 });
        assert_eq!(refused(&[0, 0, 0, 0], 4), H264Error::Empty);
        assert_eq!(refused(&[1, 1], 3), H264Error::LengthSize(3));
    }

    /// A NAL unit that needs no escapes and ends as NAL units do.
    fn any_unit() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1..=255_u8, 1..30).prop_map(|mut unit| {
            unit[0] = 0x41;
            unit
        })
    }

    proptest! {
        #[test]
        fn units_survive_both_forms(units in proptest::collection::vec(any_unit(), 1..6)) {
            let mut prefixed = BytesMut::new();
            units.iter().for_each(|unit| put_unit(&mut prefixed, unit));
            let annexed = to_annex_b(&prefixed, &[SPS]).unwrap();
            let picture = Picture::from_annex_b(&annexed);
            prop_assert_eq!(&picture.data, &prefixed);
            prop_assert_eq!(&picture.sps, &[Bytes::from(SPS)]);
        }

        #[test]
        fn no_bytes_make_splitting_panic(
            bytes in proptest::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..99),
            size in 0..6_u8,
        ) {
            let _ = Picture::from_annex_b(&bytes);
            let _ = Picture::from_length_prefixed(&bytes, size);
            let _ = to_annex_b(&bytes, &[]);
        }
    }
}
