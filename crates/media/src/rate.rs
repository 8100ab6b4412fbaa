//! Which frames of a source a rendition keeps.
//!
//! Gateway, engine and checks must agree on it frame by frame, so it is one rule, here.

use crate::Ticks;
use std::ops::RangeInclusive;

/// Of a source whose frames last `frame`, every how-many-th one is kept under a limit of `max_fps`
/// frames a second: 1 keeps all. A source that is up to 2 % faster than the limit, as 30.3 frames
/// a second by a camera's clock, counts as within it.
pub fn keep_every(frame: Ticks, max_fps: Option<u32>) -> u32 {
    let Some(max_fps) = max_fps else { return 1 };
    if frame <= Ticks::ZERO || max_fps == 0 {
        return 1;
    }
    // The least n for which n frames last at least 1/1.02 of the limit's.
    let limit = i64::from(max_fps) * frame.0 * 102;
    let n = (Ticks::PER_SECOND * 100 + limit - 1) / limit;
    u32::try_from(n).unwrap_or(u32::MAX).max(1)
}

/// Frames from whose mean duration a rate is read.
pub const SAMPLE: usize = 10;

/// What [`keep_every`] may come to for a source of these `frames`, which rise: the mean duration is
/// read from some [`SAMPLE`] of them, or from all if there are fewer. One number, unless the source
/// changes its rate.
pub fn keep_every_of(frames: &[Ticks], max_fps: Option<u32>) -> RangeInclusive<u32> {
    let every = |window: &[Ticks]| match window {
        [first, .., last] => {
            let frame = Ticks((last.0 - first.0) / (window.len() as i64 - 1));
            keep_every(frame, max_fps)
        }
        _ => 1,
    };
    let windows = || frames.windows(SAMPLE.min(frames.len()).max(1)).map(every);
    windows().min().unwrap_or(1)..=windows().max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_within_the_limit_is_kept_whole() {
        for (frame, limit) in [(3000, None), (3000, Some(30)), (3003, Some(30)), (2970, Some(30))] {
            assert_eq!(keep_every(Ticks(frame), limit), 1, "{frame} {limit:?}");
        }
    }

    #[test]
    fn a_faster_source_is_thinned_evenly() {
        for (fps, limit, every) in [(60, 30, 2), (50, 30, 2), (60, 24, 3), (60, 1, 59), (25, 24, 2)]
        {
            assert_eq!(keep_every(Ticks(90_000 / fps), Some(limit)), every, "{fps} to {limit}");
        }
        let frames: Vec<_> = (0..40).map(|n| Ticks(n * 1500)).collect();
        assert_eq!(keep_every_of(&frames, Some(30)), 2..=2);
        assert_eq!(keep_every_of(&frames[..3], Some(30)), 2..=2);
    }

    #[test]
    fn a_rate_that_changes_may_be_read_both_ways() {
        let frames: Vec<_> =
            (0..20).map(|n| Ticks(n * 1500)).chain((10..30).map(|n| Ticks(n * 3000))).collect();
        assert_eq!(keep_every_of(&frames, Some(30)), 1..=2);
    }

    #[test]
    fn nonsense_keeps_all() {
        assert_eq!(keep_every(Ticks(0), Some(30)), 1);
        assert_eq!(keep_every(Ticks(-5), Some(30)), 1);
        assert_eq!(keep_every(Ticks(3000), Some(0)), 1);
        assert_eq!(keep_every_of(&[Ticks(5)], Some(1)), 1..=1);
        assert_eq!(keep_every_of(&[], Some(1)), 1..=1);
    }
}
