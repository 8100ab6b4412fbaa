//! Segments read back: where each sample lies, and when.

use super::TRACK_ID;
use super::write::{IS_NOT_SYNC, MAX_SAMPLES};
use crate::boxes;
use crate::format::FormatError;
use mp4_atom::{Atom, FourCC, Mfhd, Tfdt, Tfhd, Trun};
use std::ops::Range;

/// A `moof` and its `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its place among the track's fragments.
    pub sequence: u32,
    /// When its first sample is decoded, in the track's timescale.
    pub start: u64,
    /// Its samples, in decoding order; at least one.
    pub samples: Vec<Sample>,
    /// Which of the segment's bytes are the samples' data, one right behind another.
    pub data: Range<usize>,
}

impl Fragment {
    /// When the next fragment's first sample is decoded, in the track's timescale.
    pub fn end(&self) -> u64 {
        self.start + self.samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>()
    }
}

/// A sample: a unit, as files have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How long until the next one is decoded, in the track's timescale; more than 0.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// How long after it is decoded it is shown, in the track's timescale.
    pub offset: i32,
    /// Whether decoding can begin here.
    pub keyframe: bool,
}

/// Bytes that are not a file of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A box that cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Box {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A box that isn't there.
    #[error("the box {0} is missing")]
    Missing(FourCC),
    /// A box that never stands there.
    #[error("the box {0} stands where it never does")]
    Unexpected(FourCC),
    /// Something else than this crate writes.
    #[error("{0}")]
    Shape(&'static str),
    /// More than is read.
    #[error("{what} is larger than {most}")]
    Long {
        /// What.
        what: &'static str,
        /// The most that is read.
        most: usize,
    },
    /// A format that cannot be used.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl ReadError {
    pub(crate) fn of(what: &'static str) -> impl Fn(mp4_atom::Error) -> Self {
        move |error| Self::Box { what, reason: error.to_string() }
    }
}

/// The fragments of a segment that this crate wrote, whole or as parts one behind another.
///
/// # Errors
/// If it is anything else: other boxes, several tracks, data that the samples don't add up to.
pub fn read_segment(segment: &[u8]) -> Result<Vec<Fragment>, ReadError> {
    let mut fragments = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let (kind, moof, after) = boxes::first(rest)?;
        if kind != FourCC::new(b"moof") {
            return Err(ReadError::Unexpected(kind));
        }
        let (kind, data, next) = boxes::first(after)?;
        if kind != FourCC::new(b"mdat") {
            return Err(ReadError::Unexpected(kind));
        }
        let end = segment.len() - next.len();
        let place = Place { moof: segment.len() - rest.len(), data: end - data.len()..end };
        fragments.push(fragment(moof, place)?);
        rest = next;
    }
    if fragments.is_empty() {
        return Err(ReadError::Missing(FourCC::new(b"moof")));
    }
    Ok(fragments)
}

/// Where a fragment's boxes lie in its segment.
struct Place {
    moof: usize,
    data: Range<usize>,
}

fn fragment(moof: &[u8], place: Place) -> Result<Fragment, ReadError> {
    let mfhd: Mfhd = leaf("mfhd", boxes::child(moof, Mfhd::KIND)?)?;
    let mut tracks = boxes::all(moof).filter(|next| !matches!(next, Ok((Mfhd::KIND, _))));
    let traf = match (tracks.next().transpose()?, tracks.next()) {
        (Some((kind, body)), None) if kind == FourCC::new(b"traf") => body,
        _ => return Err(ReadError::Shape("a fragment has one track")),
    };
    let tfhd: Tfhd = leaf("tfhd", boxes::child(traf, Tfhd::KIND)?)?;
    let tfdt: Tfdt = leaf("tfdt", boxes::child(traf, Tfdt::KIND)?)?;
    let trun: Trun = leaf("trun", boxes::child(traf, Trun::KIND)?)?;
    if boxes::all(traf).count() != 3 {
        return Err(ReadError::Shape("a track's fragment has a head, a time and one run"));
    }
    if tfhd.track_id != TRACK_ID || tfhd.base_data_offset.is_some() || !tfhd.default_base_is_moof {
        return Err(ReadError::Shape("a fragment is of another track, or its data lies elsewhere"));
    }
    if trun.data_offset.and_then(|offset| usize::try_from(offset).ok())
        != Some(place.data.start - place.moof)
    {
        return Err(ReadError::Shape("a fragment's data is not right behind it"));
    }
    let samples = samples(&tfhd, &trun)?;
    if samples.iter().map(|sample| sample.size as usize).sum::<usize>() != place.data.len() {
        return Err(ReadError::Shape("a fragment's samples don't add up to its data"));
    }
    let start = tfdt.base_media_decode_time;
    // Leaves room for every sample's duration to be added.
    if start > u64::MAX / 2 {
        return Err(ReadError::Shape("a fragment lies beyond all time"));
    }
    Ok(Fragment { sequence: mfhd.sequence_number, start, samples, data: place.data })
}

fn leaf<T: Atom>(what: &'static str, body: &[u8]) -> Result<T, ReadError> {
    let mut rest = body;
    let atom = T::decode_body(&mut rest).map_err(ReadError::of(what))?;
    if rest.is_empty() { Ok(atom) } else { Err(ReadError::Shape("a box has bytes left over")) }
}

fn samples(tfhd: &Tfhd, trun: &Trun) -> Result<Vec<Sample>, ReadError> {
    if trun.samples.is_empty() {
        return Err(ReadError::Shape("a fragment has no sample"));
    }
    if trun.samples.len() > MAX_SAMPLES {
        return Err(ReadError::Long { what: "a fragment's count of samples", most: MAX_SAMPLES });
    }
    let sample = |entry: mp4_atom::TrunEntry| {
        let duration = entry.duration.or(tfhd.default_sample_duration).filter(|&lasts| lasts > 0);
        let flags = entry.flags.or(tfhd.default_sample_flags);
        let offset = i32::try_from(entry.cts.unwrap_or(0)).ok();
        Some(Sample {
            duration: duration?,
            size: entry.size.or(tfhd.default_sample_size)?,
            offset: offset?,
            keyframe: flags? & IS_NOT_SYNC == 0,
        })
    };
    let samples: Option<Vec<_>> = trun.samples.iter().map(sample).collect();
    samples.ok_or(ReadError::Shape("a sample's duration, size or flags are not said"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fmp4::{FragmentSpec, FragmentTrack, fragment};
    use proptest::prelude::*;
    use tessera_media::{AccessUnit, Ticks};

    /// Units in decoding order, with the end of the last.
    fn any_units() -> impl Strategy<Value = (Vec<AccessUnit>, Ticks)> {
        let step = (1..20_000_i64, 0..9000_i64, any::<bool>(), 0..40_usize);
        (0..1_i64 << 40, proptest::collection::vec(step, 1..20)).prop_map(|(start, steps)| {
            let mut at = start;
            let units = steps.into_iter().map(|(lasts, later, keyframe, length)| {
                let unit = AccessUnit {
                    pts: Ticks(at + later),
                    dts: Ticks(at),
                    keyframe,
                    data: vec![7; length].into(),
                };
                at += lasts;
                unit
            });
            (units.collect(), Ticks(at))
        })
    }

    fn written(units: &[AccessUnit], end: Ticks) -> bytes::Bytes {
        let start = units.first().map_or(Ticks::ZERO, |unit| unit.dts);
        let track = FragmentTrack::Part { start, end };
        fragment(&FragmentSpec { sequence: 5, track, units }).unwrap()
    }

    /// What the fragment says of its units.
    fn units_of(fragment: &Fragment, segment: &[u8]) -> Vec<AccessUnit> {
        let (mut at, mut time) = (fragment.data.start, fragment.start as i64);
        let unit = |sample: &Sample| {
            let data = segment[at..at + sample.size as usize].to_vec().into();
            let dts = Ticks(time);
            let pts = Ticks(time + i64::from(sample.offset));
            at += sample.size as usize;
            time += i64::from(sample.duration);
            AccessUnit { pts, dts, keyframe: sample.keyframe, data }
        };
        fragment.samples.iter().map(unit).collect()
    }

    proptest! {
        #[test]
        fn units_survive_a_segment_of_one_fragment_or_of_parts(
            (units, end) in any_units(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let whole = written(&units, end);
            let fragments = read_segment(&whole).unwrap();
            prop_assert_eq!(fragments.len(), 1);
            prop_assert_eq!(&units_of(&fragments[0], &whole), &units);
            prop_assert_eq!(fragments[0].end(), end.0 as u64);

            let cut = cut.index(units.len());
            if cut > 0 {
                let (first, second) = units.split_at(cut);
                let parts = [written(first, second[0].dts), written(second, end)].concat();
                let fragments = read_segment(&parts).unwrap();
                let read: Vec<_> = fragments.iter().flat_map(|f| units_of(f, &parts)).collect();
                prop_assert_eq!(&read, &units);
                prop_assert_eq!(fragments[0].end(), fragments[1].start);
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(
            (units, end) in any_units(),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..9),
            cut in any::<proptest::sample::Index>(),
            noise in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut segment = written(&units, end).to_vec();
            for (at, to) in changes {
                // Boxes lie at the front, and data, of which nothing is looked at, behind them.
                let at = at.index(segment.len().min(200));
                segment[at] = to;
            }
            for bytes in [&segment[..], &segment[..cut.index(segment.len())], &noise] {
                for fragment in read_segment(bytes).into_iter().flatten() {
                    prop_assert!(fragment.data.end <= bytes.len());
                    prop_assert!(fragment.end() > fragment.start);
                }
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let unit = crate::samples::unit(3, 3, b"abc");
        let good = written(std::slice::from_ref(&unit), Ticks(9)).to_vec();
        assert!(read_segment(&good).is_ok());
        assert!(matches!(read_segment(&[]), Err(ReadError::Missing(_))));
        assert!(read_segment(&good[..good.len() - 1]).is_err());
        let wrong_order = [&good[good.len() - 11..], &good].concat();
        assert!(matches!(read_segment(&wrong_order), Err(ReadError::Unexpected(_))));
        // One byte more of data than the samples have.
        let mut longer = [&good[..], b"d"].concat();
        let size_at = longer.len() - 12 + 3;
        longer[size_at] += 1;
        let refused = read_segment(&longer);
        assert_eq!(refused, Err(ReadError::Shape("a fragment's samples don't add up to its data")));
        // A run that says it has a great many samples, and has none.
        let run = good.windows(4).position(|four| four == b"trun").unwrap();
        let mut many = good;
        many[run + 8..run + 12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(read_segment(&many), Err(ReadError::Box { what: "trun", .. })));
    }
}
