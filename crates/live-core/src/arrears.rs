//! When a worker that gives frames back one by one, as in low latency, is overdue.
//!
//! Messages are no measure: one rendition too slow, or a worker that says much and gives nothing,
//! would freeze the stream. What counts is the oldest frame of the source that some rendition has
//! not given though it should have:
//! 1. A rendition owes the first frame that lies at least [`IN_HAND`] of its own steps behind the last
//!    that it gave: it may keep only every so-many-th frame, a decoder holds frames that others may
//!    still have to precede, and a source may pause at any time.
//! 2. A frame is due [`STALL`] after it was there to be worked on. One that was kept from before the
//!    worker began is taken to be worked on at [`CATCH_UP`] times real time from then on: whoever is
//!    slower would never catch up.

use crate::Now;
use std::time::Duration;
use tessera_media::Ticks;

/// How long after its frame was there a worker may take to give it in all renditions.
pub const STALL: Duration = Duration::from_millis(1_500);
/// How many times as fast as they play a worker is to take frames that were kept for it.
pub const CATCH_UP: u32 = 2;
/// Frames of a rendition that may be in hand while nothing more comes.
pub const IN_HAND: i64 = 6;
/// The step of a rendition that has given one frame only.
const UNKNOWN_STEP: Ticks = Ticks::from_millis(100);

/// How far one rendition is, in times of the source's frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    last: Option<Ticks>,
    step: Option<Ticks>,
}

impl Given {
    /// It gave a frame, which lies behind the last one.
    pub fn frame(&mut self, at: Ticks) {
        self.step = self.last.map(|last| at - last);
        self.last = Some(at);
    }

    /// The last frame that it gave.
    pub const fn last(&self) -> Option<Ticks> {
        self.last
    }

    /// The first frame at or behind this time is owed; `start` is where the segment begins.
    pub fn owes_from(&self, start: Ticks) -> Ticks {
        let Some(last) = self.last else { return start };
        Ticks(last.0 + IN_HAND * self.step.unwrap_or(UNKNOWN_STEP).0)
    }
}

/// When a frame is overdue that was there at `arrived`, for a worker that began at `begun` and was
/// given frames from the one at `first` on.
pub fn due(at: Ticks, arrived: Now, begun: Now, first: Ticks) -> Now {
    let behind_first = Duration::from_millis((at - first).millis().max(0) as u64);
    arrived.max(begun + behind_first / CATCH_UP) + STALL
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Now = Now::from_secs(1);

    #[test]
    fn a_rendition_owes_what_lies_some_of_its_steps_behind() {
        let mut given = Given::default();
        assert_eq!(given.owes_from(Ticks(900)), Ticks(900), "everything");
        given.frame(Ticks(900));
        assert_eq!(given.owes_from(Ticks(900)), Ticks(900 + IN_HAND * UNKNOWN_STEP.0));
        given.frame(Ticks(3_900));
        assert_eq!(given.owes_from(Ticks(900)), Ticks(3_900 + IN_HAND * 3_000));
        // Every third frame.
        given.frame(Ticks(12_900));
        assert_eq!(given.owes_from(Ticks(900)), Ticks(12_900 + IN_HAND * 9_000));
    }

    #[test]
    fn frames_that_were_kept_may_take_longer() {
        let second = Ticks(Ticks::PER_SECOND);
        // It came while the worker was there.
        assert_eq!(due(second, SECOND * 5, SECOND * 4, Ticks(0)), SECOND * 5 + STALL);
        // Ten seconds were kept for a worker that began just now.
        let last = Ticks(10 * Ticks::PER_SECOND);
        assert_eq!(due(last, SECOND * 3, SECOND * 4, Ticks(0)), SECOND * 9 + STALL);
        assert_eq!(due(Ticks(0), SECOND * 3, SECOND * 4, Ticks(0)), SECOND * 4 + STALL);
    }
}
