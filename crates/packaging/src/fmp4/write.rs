//! Fragments: some units of a track, and when each is decoded and shown.

use super::TRACK_ID;
use crate::boxes::encoded;
use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};
use tessera_media::{AccessUnit, AudioFormat, Ticks};

/// Most units of a fragment.
pub const MAX_SAMPLES: usize = 1 << 16;
/// Flags of a sample at which decoding can begin: it depends on no other.
pub(super) const SYNC: u32 = 0x0200_0000;
/// Flags of any other sample: it depends on others, and is no sync sample.
const NOT_SYNC: u32 = 0x0101_0000;
/// The flag among these that says so.
pub(super) const IS_NOT_SYNC: u32 = 0x0001_0000;

/// What a fragment is made of.
#[derive(Debug, Clone, Copy)]
pub struct FragmentSpec<'a> {
    /// Its place among the track's fragments; rising.
    pub sequence: u32,
    /// The kind of track, and what its times need.
    pub track: FragmentTrack,
    /// The units, in decoding order; at least one.
    pub units: &'a [AccessUnit],
}

/// What a fragment's times need besides the units' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentTrack {
    /// Pictures of a whole segment: each is shown before any of a later segment.
    ///
    /// The file has them decoded as late as they may be: the first when the first is shown, and the
    /// last so that it lasts until `end`. With B-frames the units' own times lie earlier, and hls.js
    /// would show all that follows a discontinuity later by as much: it lays the first *decoding* time
    /// where the last picture of the segment before has ended.
    Segment {
        /// When the next segment begins.
        end: Ticks,
    },
    /// Pictures of a part of a segment: decoded when they say, and the last lasts until `end`.
    Part {
        /// No unit is decoded before: those that are, by their own account, share the time up to the
        /// first that is not. With the first part this is when the first picture is shown.
        start: Ticks,
        /// When the first unit of the next part is decoded: so that parts meet exactly, it must be
        /// just that.
        end: Ticks,
    },
    /// Sound: each unit lasts [`AudioFormat::SAMPLES_PER_UNIT`] samples.
    Audio {
        /// Samples before the first unit: what [`AudioClock::place`](super::AudioClock::place) says.
        start: u64,
    },
}

/// Units that make no fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Nothing to write.
    #[error("a fragment without a unit")]
    Empty,
    /// Before the session's zero.
    #[error("a unit at {0}; a file has no times before 0")]
    Negative(Ticks),
    /// The next unit, or the fragment's end, is not later.
    #[error("a unit decoded at {from} where the next is decoded at {to}; times must rise")]
    NotRising {
        /// When this unit is decoded.
        from: Ticks,
        /// When the next one is, or when the fragment ends.
        to: Ticks,
    },
    /// Times further apart than a file can say.
    #[error("{0} between two times of one unit, or two units: more than a file can say")]
    Span(Ticks),
    /// Too many units, or too many bytes.
    #[error("a fragment of {units} units and {bytes} bytes is too large")]
    Size {
        /// Units.
        units: usize,
        /// Bytes.
        bytes: usize,
    },
}

/// A fragment: `moof` and `mdat`.
///
/// # Errors
/// If there is no unit, a time is negative, times do not rise, or something is too large for the
/// file.
pub fn fragment(spec: &FragmentSpec<'_>) -> Result<Bytes, FragmentError> {
    let first = spec.units.first().ok_or(FragmentError::Empty)?;
    let bytes: usize = spec.units.iter().map(|unit| unit.data.len()).sum();
    let too_large = FragmentError::Size { units: spec.units.len(), bytes };
    // Half of what a box of 32 bits can have leaves room for its head.
    if spec.units.len() > MAX_SAMPLES || bytes > i32::MAX as usize {
        return Err(too_large);
    }
    let tfhd = Tfhd { track_id: TRACK_ID, default_base_is_moof: true, ..Tfhd::default() };
    let (tfhd, start, samples) = match spec.track {
        FragmentTrack::Segment { end } => {
            let decoded = as_late_as_may_be(spec.units);
            (tfhd, time(decoded[0])?, pictures(spec.units, &decoded, end)?)
        }
        FragmentTrack::Part { start, end } => {
            let decoded = not_before(start.max(first.dts), spec.units, end);
            (tfhd, time(decoded[0])?, pictures(spec.units, &decoded, end)?)
        }
        FragmentTrack::Audio { start } => {
            let tfhd = Tfhd {
                default_sample_duration: Some(AudioFormat::SAMPLES_PER_UNIT),
                default_sample_flags: Some(SYNC),
                ..tfhd
            };
            (tfhd, start, sounds(spec.units))
        }
    };
    let moof = |data_offset| Moof {
        mfhd: Mfhd { sequence_number: spec.sequence },
        traf: vec![Traf {
            tfhd: tfhd.clone(),
            tfdt: Some(Tfdt { base_media_decode_time: start }),
            trun: vec![Trun { data_offset: Some(data_offset), samples: samples.clone() }],
            ..Traf::default()
        }],
    };
    const MDAT_HEAD: usize = 8;
    let head = encoded(&moof(0)).len();
    let offset = i32::try_from(head + MDAT_HEAD).expect("16 bytes a unit, of which not too many");
    let mut out = BytesMut::with_capacity(head + MDAT_HEAD + bytes);
    out.put_slice(&encoded(&moof(offset)));
    out.put_u32(u32::try_from(MDAT_HEAD + bytes).expect("checked above"));
    out.put_slice(b"mdat");
    for unit in spec.units {
        out.put_slice(&unit.data);
    }
    Ok(out.freeze())
}

fn time(at: Ticks) -> Result<u64, FragmentError> {
    u64::try_from(at.0).map_err(|_| FragmentError::Negative(at))
}

/// Part `n` of `of` on the way between two times.
fn between_times(from: Ticks, to: Ticks, n: usize, of: usize) -> Ticks {
    let way = (i128::from(to.0) - i128::from(from.0)) * n as i128 / of.max(1) as i128;
    Ticks(from.0.saturating_add(i64::try_from(way).unwrap_or(i64::MAX)))
}

/// When each unit of a whole segment is decoded: no later than it, or any after it, is shown. Units
/// that wait for the same one share the time before it.
fn as_late_as_may_be(units: &[AccessUnit]) -> Vec<Ticks> {
    let mut latest: Vec<Ticks> = units.iter().map(|unit| unit.pts).collect();
    for n in (1..latest.len()).rev() {
        latest[n - 1] = latest[n - 1].min(latest[n]);
    }
    let mut decoded = Vec::with_capacity(latest.len());
    for group in latest.chunk_by(|one, next| one == next) {
        // The first of all is decoded when it is shown, and those that wait with it share what is
        // left until the next: there is nothing before.
        match decoded.last().copied() {
            Some(last) => {
                let share = |n| between_times(last, group[0], n, group.len());
                decoded.extend((1..=group.len()).map(share));
            }
            None => {
                let next = latest.get(group.len()).copied().unwrap_or(group[0]);
                let share = |n| between_times(group[0], next, n, group.len());
                decoded.extend((0..group.len()).map(share));
            }
        }
    }
    decoded
}

/// When each unit of a part is decoded: when it says, but none before `start`.
fn not_before(start: Ticks, units: &[AccessUnit], end: Ticks) -> Vec<Ticks> {
    let early = units.partition_point(|unit| unit.dts <= start);
    let until = units.get(early).map_or(end, |unit| unit.dts);
    let share = |n| between_times(start, until, n, early);
    let late = units[early..].iter().map(|unit| unit.dts);
    (0..early).map(share).chain(late).collect()
}

/// Units as samples that are decoded at these times.
fn pictures(
    units: &[AccessUnit],
    decoded: &[Ticks],
    end: Ticks,
) -> Result<TrunSamples, FragmentError> {
    if let Some(pair) = units.windows(2).find(|pair| pair[1].dts <= pair[0].dts) {
        return Err(FragmentError::NotRising { from: pair[0].dts, to: pair[1].dts });
    }
    let nexts = decoded.iter().skip(1).copied().chain([end]);
    let entries =
        units.iter().zip(decoded.iter().copied().zip(nexts)).map(|(unit, (from, next))| {
            let between = |from: Ticks, to: Ticks| {
                let apart = to.0.checked_sub(from.0).ok_or(FragmentError::Span(Ticks(i64::MAX)))?;
                i32::try_from(apart).map_err(|_| FragmentError::Span(Ticks(apart)))
            };
            let lasts = between(from, next)?;
            if lasts <= 0 {
                return Err(FragmentError::NotRising { from, to: next });
            }
            Ok(TrunEntry {
                duration: Some(lasts.unsigned_abs()),
                size: Some(length(unit)),
                flags: Some(if unit.keyframe { SYNC } else { NOT_SYNC }),
                cts: Some(between(from, unit.pts)?.into()),
            })
        });
    entries.collect::<Result<Vec<_>, _>>().map(TrunSamples::Explicit)
}

fn sounds(units: &[AccessUnit]) -> TrunSamples {
    let entry = |unit| TrunEntry { size: Some(length(unit)), ..TrunEntry::default() };
    TrunSamples::Explicit(units.iter().map(entry).collect())
}

fn length(unit: &AccessUnit) -> u32 {
    u32::try_from(unit.data.len()).expect("all units together were checked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::unit;

    /// Begins when the first unit is decoded, by its own account.
    fn video(units: &[AccessUnit], end: i64) -> Result<Bytes, FragmentError> {
        let start = units.first().map_or(Ticks::ZERO, |unit| unit.dts);
        let track = FragmentTrack::Part { start, end: Ticks(end) };
        fragment(&FragmentSpec { sequence: 1, track, units })
    }

    /// As B-frames have it: the second is shown behind those that follow it.
    fn reordered() -> [AccessUnit; 7] {
        let frame = |shown: i64, n: i64| unit(60 + 6 * shown, 6 * n + 48, b"x");
        [(0, 0), (3, 1), (1, 2), (2, 3), (6, 4), (4, 5), (5, 6)].map(|(shown, n)| frame(shown, n))
    }

    /// When each is decoded, how long it lasts, and when it is shown.
    fn said(track: FragmentTrack, units: &[AccessUnit]) -> Vec<(i64, i64, i64)> {
        let bytes = fragment(&FragmentSpec { sequence: 1, track, units }).unwrap();
        let read = crate::fmp4::read_segment(&bytes).unwrap().remove(0);
        let mut at = read.start as i64;
        let sample = |sample: &crate::fmp4::Sample| {
            let (from, lasts) = (at, i64::from(sample.duration));
            at += lasts;
            (from, lasts, from + i64::from(sample.offset))
        };
        read.samples.iter().map(sample).collect()
    }

    #[test]
    fn a_segment_is_decoded_from_when_it_is_shown_to_when_the_next_is() {
        let said = said(FragmentTrack::Segment { end: Ticks(102) }, &reordered());
        let decoded: Vec<_> = said.iter().map(|(from, ..)| *from).collect();
        assert_eq!(decoded, [60, 63, 66, 72, 78, 84, 90]);
        let shown: Vec<_> = said.iter().map(|(.., shown)| *shown).collect();
        assert_eq!(shown, [60, 78, 66, 72, 96, 84, 90], "as before");
        // By their samples' durations, too, it ends where the next one begins.
        assert_eq!(said.iter().map(|(_, lasts, shown)| shown + lasts).max(), Some(102));
    }

    #[test]
    fn a_part_is_decoded_when_its_units_say_but_for_a_segment_s_first() {
        let (start, end) = (Ticks(60), Ticks(90));
        let said = said(FragmentTrack::Part { start, end }, &reordered());
        let decoded: Vec<_> = said.iter().map(|(from, ..)| *from).collect();
        assert_eq!(decoded, [60, 62, 64, 66, 72, 78, 84]);
    }

    #[test]
    fn pictures_for_which_there_is_no_time_are_refused() {
        let units = [unit(6, 0, b"key"), unit(9, 3, b"p"), unit(12, 7, b"p")];
        let track = FragmentTrack::Part { start: Ticks(6), end: Ticks(18) };
        let refused = fragment(&FragmentSpec { sequence: 1, track, units: &units });
        assert!(matches!(refused, Err(FragmentError::NotRising { .. })), "{refused:?}");
    }

    #[test]
    fn units_that_make_no_fragment_are_refused() {
        assert_eq!(video(&[], 9), Err(FragmentError::Empty));
        let negative = video(&[unit(0, -3, b"x")], 9);
        assert_eq!(negative, Err(FragmentError::Negative(Ticks(-3))));
        let standing = video(&[unit(6, 5, b"x"), unit(7, 5, b"y")], 9);
        assert_eq!(standing, Err(FragmentError::NotRising { from: Ticks(5), to: Ticks(5) }));
        let ended = video(&[unit(6, 5, b"x")], 4);
        assert_eq!(ended, Err(FragmentError::NotRising { from: Ticks(5), to: Ticks(4) }));
        let (far, farther) = (1 << 40, i64::MAX);
        assert_eq!(video(&[unit(5, 5, b"x")], far), Err(FragmentError::Span(Ticks(far - 5))));
        assert!(matches!(video(&[unit(farther, 5, b"x")], 9), Err(FragmentError::Span(_))));
    }

    #[test]
    fn what_was_written_is_what_it_always_was() {
        // A player's view of the bytes: any change here changes what is published.
        let units = [unit(3003, 0, b"key"), unit(9009, 3003, b"b")];
        let units = [units[0].clone(), AccessUnit { keyframe: false, ..units[1].clone() }];
        let expected = "000000786d6f6f66\
             000000106d66686400000000 00000001\
             0000006074726166\
             0000001074666864 00020000 00000001\
             0000001474666474 01000000 0000000000000000\
             000000347472756e 01000f01 00000002 00000080\
             00000bbb 00000003 02000000 00000bbb\
             00000bbb 00000001 01010000 00001776\
             0000000c6d646174 6b657962";
        let bytes = hex::encode(video(&units, 6006).unwrap());
        assert_eq!(bytes, expected.replace(' ', ""));
    }
}
