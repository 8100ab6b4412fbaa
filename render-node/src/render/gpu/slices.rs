//! How a tile is cut into dispatches.
//!
//! A dispatch is kept short by what the last ones took, since drivers end what runs too long, and the brake
//! is asked only between two of them.

use std::time::Duration;
use tessera_shaders::layout::Slice;
use tessera_shaders::wgsl::WORKGROUP;

/// How long a dispatch should take: far from any watchdog, long enough that submitting it is
/// nothing beside it.
const DISPATCH: Duration = Duration::from_millis(100);
/// Pixel samples of the first dispatch, on a device whose speed is not known yet.
const FIRST_BUDGET: u64 = 1 << 14;

/// How much a dispatch may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Pixel samples of the next dispatch.
    budget: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { budget: FIRST_BUDGET }
    }
}

impl Pace {
    /// The slice took so long.
    pub(super) fn measured(&mut self, slice: &Slice, took: Duration) {
        let factor = (DISPATCH.as_secs_f64() / took.as_secs_f64().max(1e-6)).clamp(0.25, 2.0);
        let done = u64::from(slice.width)
            * u64::from(slice.row_end - slice.row_start)
            * u64::from(slice.sample_end - slice.sample_start);
        self.budget = ((done as f64 * factor) as u64).max(64);
    }

    /// The next part of what is left of a tile: all rows of some samples, or some rows of one sample.
    pub(super) fn next(self, rest: Slice) -> Slice {
        let row = u64::from(rest.width);
        let rows = u64::from(rest.row_end - rest.row_start);
        if rest.row_start == 0 && self.budget >= row * rows {
            let left = u64::from(rest.sample_end - rest.sample_start);
            let samples = (self.budget / (row * rows)).min(left) as u32;
            return Slice { sample_end: rest.sample_start + samples, ..rest };
        }
        // Whole workgroups of rows, so that none is dispatched for a part.
        let rows = (self.budget / row).max(1).next_multiple_of(u64::from(WORKGROUP)).min(rows);
        Slice { row_end: rest.row_start + rows as u32, sample_end: rest.sample_start + 1, ..rest }
    }
}

/// What is left of `rest` after its part `done`; nothing after the last.
pub(super) fn after(rest: Slice, done: Slice) -> Option<Slice> {
    if done.row_end < rest.row_end {
        return Some(Slice { row_start: done.row_end, ..rest });
    }
    let rest = Slice { row_start: 0, sample_start: done.sample_end, ..rest };
    (rest.sample_start < rest.sample_end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: u32 = 4;

    fn whole(width: u32, height: u32) -> Slice {
        Slice {
            x: 0,
            y: 0,
            width,
            height,
            row_start: 0,
            row_end: height,
            sample_start: 0,
            sample_end: SAMPLES,
            padding: [0; 3],
            root: 0,
        }
    }

    #[test]
    fn slices_cover_each_row_and_sample_once_whatever_the_budget() {
        for (width, height) in [(64, 64), (7, 33), (200, 1)] {
            for budget in [1, 64, 1000, 4096, 1 << 20] {
                let mut seen = vec![0; (height * SAMPLES) as usize];
                let mut rest = Some(whole(width, height));
                while let Some(part) = rest {
                    let now = Pace { budget }.next(part);
                    for sample in now.sample_start..now.sample_end {
                        for row in now.row_start..now.row_end {
                            seen[(sample * height + row) as usize] += 1;
                        }
                    }
                    rest = after(part, now);
                }
                assert!(seen.iter().all(|&n| n == 1), "{width} × {height}, {budget}");
            }
        }
    }

    #[test]
    fn a_dispatch_comes_to_take_a_tenth_of_a_second() {
        let frame = Slice { sample_end: 1 << 20, ..whole(64, 1024) };
        for per_second in [1e4, 1e6, 1e9] {
            let mut pace = Pace::default();
            for _ in 0..40 {
                let slice = pace.next(frame);
                let done = f64::from(slice.width)
                    * f64::from(slice.row_end - slice.row_start)
                    * f64::from(slice.sample_end - slice.sample_start);
                pace.measured(&slice, Duration::from_secs_f64(done / per_second));
            }
            let seconds = pace.budget as f64 / per_second;
            assert!((0.05..0.2).contains(&seconds), "{seconds} s at {per_second} samples/s");
        }
    }
}
