//! Where sound lies: a count of samples, and not of ticks.

use super::FragmentError;
use tessera_media::{AccessUnit, AudioFormat, Ticks};

/// Counts a sound track's samples, so that fragments meet to the sample although sources round
/// their times: RTMP to a millisecond, others to a tick.
///
/// The first unit lies at its own time. Each later one lies right behind the one before it, whatever
/// its own time says, as long as the two agree within [`MAX_DRIFT`](Self::MAX_DRIFT). Where sound is
/// missing, the count jumps forward to the units' own time and leaves the gap that there is; where
/// there is too much, units that lie wholly in the past are left out. The count never goes back.
#[derive(Debug, Clone)]
pub struct AudioClock {
    sample_rate: u32,
    next: Option<u64>,
}

/// Where a fragment's units lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Samples before the first unit that is kept.
    pub start: u64,
    /// Units at the front to leave out: their time is taken. If all are, there is nothing to write.
    pub skip: usize,
    /// Samples that are missing before `start`.
    pub gap: u64,
}

impl AudioClock {
    /// How far the count may be from the units' own times: less than the 45 ms from which on people
    /// notice sound ahead of pictures (ITU-R BT.1359).
    pub const MAX_DRIFT: Ticks = Ticks::from_millis(40);

    /// A clock for sound of this many samples a second, before any unit.
    pub fn new(sample_rate: u32) -> Self {
        Self { sample_rate, next: None }
    }

    /// The sample nearest to a time; halves go up.
    ///
    /// # Errors
    /// If the time is negative.
    pub fn sample_at(&self, time: Ticks) -> Result<u64, FragmentError> {
        let scaled = i128::from(time.0) * i128::from(self.sample_rate);
        let per_second = i128::from(Ticks::PER_SECOND);
        u64::try_from((scaled + per_second / 2).div_euclid(per_second))
            .map_err(|_| FragmentError::Negative(time))
    }

    /// The time of a sample, rounded to the nearest tick.
    pub fn time_of(&self, sample: u64) -> Ticks {
        let rate = u128::from(self.sample_rate.max(1));
        let ticks = (u128::from(sample) * 90_000 + rate / 2) / rate;
        Ticks(i64::try_from(ticks).unwrap_or(i64::MAX))
    }

    /// Places the next fragment's units, which follow one another without a gap, and counts them.
    ///
    /// # Errors
    /// If there is no unit, or the first one's time is negative.
    pub fn place(&mut self, units: &[AccessUnit]) -> Result<Placement, FragmentError> {
        const UNIT: u64 = AudioFormat::SAMPLES_PER_UNIT as u64;
        let first = units.first().ok_or(FragmentError::Empty)?;
        let said = self.sample_at(first.pts)?;
        let counted = self.next.unwrap_or(said);
        let drift = self.sample_at(Self::MAX_DRIFT)?;
        let (start, skip) = if said > counted + drift {
            (said, 0)
        } else if said + drift < counted {
            let units_taken = (counted - said + UNIT / 2) / UNIT;
            (counted, usize::try_from(units_taken).unwrap_or(usize::MAX).min(units.len()))
        } else {
            (counted, 0)
        };
        self.next = Some(start + (units.len() - skip) as u64 * UNIT);
        Ok(Placement { start, skip, gap: start - counted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn units(at: Ticks, count: usize) -> Vec<AccessUnit> {
        let unit = AccessUnit { pts: at, dts: at, keyframe: true, data: Bytes::from_static(&[1]) };
        vec![unit; count]
    }

    #[test]
    fn the_first_unit_lies_at_its_own_time() {
        let mut clock = AudioClock::new(48_000);
        let placed = clock.place(&units(Ticks::from_millis(10_000), 3)).unwrap();
        assert_eq!(placed, Placement { start: 480_000, skip: 0, gap: 0 });
        let placed = clock.place(&units(Ticks::from_millis(10_064 + 21), 1)).unwrap();
        assert_eq!(placed, Placement { start: 480_000 + 3 * 1024, skip: 0, gap: 0 });
    }

    #[test]
    fn missing_sound_leaves_a_gap() {
        let mut clock = AudioClock::new(48_000);
        clock.place(&units(Ticks::ZERO, 10)).unwrap();
        let placed = clock.place(&units(Ticks::from_millis(500), 1)).unwrap();
        assert_eq!(placed, Placement { start: 24_000, skip: 0, gap: 24_000 - 10_240 });
    }

    #[test]
    fn sound_whose_time_is_taken_is_left_out() {
        let mut clock = AudioClock::new(48_000);
        clock.place(&units(Ticks::from_millis(1000), 10)).unwrap();
        // 10,240 samples are there, and the same again are offered, with two more.
        let placed = clock.place(&units(Ticks::from_millis(1000), 12)).unwrap();
        assert_eq!(placed, Placement { start: 58_240, skip: 10, gap: 0 });
        let placed = clock.place(&units(Ticks::from_millis(1000), 2)).unwrap();
        assert_eq!(placed, Placement { start: 58_240 + 2048, skip: 2, gap: 0 });
    }

    #[test]
    fn a_time_before_zero_is_refused() {
        let mut clock = AudioClock::new(48_000);
        let refused = clock.place(&units(Ticks(-90), 1));
        assert_eq!(refused, Err(FragmentError::Negative(Ticks(-90))));
        assert_eq!(clock.place(&[]), Err(FragmentError::Empty));
    }

    proptest! {
        /// RTMP's times are of whole milliseconds: fragments still meet to the sample, for hours.
        #[test]
        fn times_rounded_to_milliseconds_leave_no_gap(
            rate in prop_oneof![Just(44_100), Just(48_000), Just(22_050)],
            counts in proptest::collection::vec(1..200_usize, 1..60),
        ) {
            let mut clock = AudioClock::new(rate);
            let (mut sample, mut next) = (0_u64, None);
            for count in counts {
                let at = Ticks::from_millis((sample * 1000 / u64::from(rate)) as i64);
                let placed = clock.place(&units(at, count)).unwrap();
                prop_assert_eq!((placed.skip, placed.gap), (0, 0));
                prop_assert_eq!(placed.start, next.unwrap_or(placed.start));
                sample += count as u64 * 1024;
                next = Some(placed.start + count as u64 * 1024);
            }
        }

        /// Whatever the times are: nothing overlaps, and what is kept is near its own time.
        #[test]
        fn the_count_never_goes_back_nor_far_astray(
            steps in proptest::collection::vec((0..2_000_000_i64, 1..100_usize), 1..40),
        ) {
            let mut clock = AudioClock::new(48_000);
            let mut end = 0;
            for (at, count) in steps {
                let units = units(Ticks(at), count);
                let placed = clock.place(&units).unwrap();
                prop_assert!(placed.start >= end);
                end = placed.start + (count - placed.skip) as u64 * 1024;
                if placed.skip < count {
                    let own = clock.sample_at(Ticks(at)).unwrap() + placed.skip as u64 * 1024;
                    let most = clock.sample_at(AudioClock::MAX_DRIFT).unwrap();
                    prop_assert!(own.abs_diff(placed.start) <= most);
                }
            }
        }

        #[test]
        fn a_sample_s_time_leads_back_to_it(sample in 0..u64::from(u32::MAX)) {
            let clock = AudioClock::new(44_100);
            prop_assert_eq!(clock.sample_at(clock.time_of(sample)), Ok(sample));
        }
    }
}
