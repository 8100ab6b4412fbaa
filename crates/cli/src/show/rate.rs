//! How fast something grows, and when it will be done.

use std::collections::VecDeque;
use std::time::Duration;

/// How much of the past counts: long enough to even out the arrival of leases, which come in
/// bundles of several seconds of work, and short enough to follow a node that joins.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts over the last minute.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// The count stood at `value` at the time `now`, which never runs backwards.
    pub(crate) fn add(&mut self, now: Duration, value: u64) {
        // Of the samples outside the window the newest stays: it bounds the window.
        while self.samples.get(1).is_some_and(|&(then, _)| now.saturating_sub(then) >= WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, value));
    }

    /// Growth each second up to `now`; `None` before two counts are known.
    pub(crate) fn per_second(&self, now: Duration) -> Option<f64> {
        let (&(begin, first), &(_, last)) = (self.samples.front()?, self.samples.back()?);
        let seconds = now.saturating_sub(begin).as_secs_f64();
        (self.samples.len() > 1 && seconds > 0.0)
            .then(|| last.saturating_sub(first) as f64 / seconds)
    }

    /// How long the remaining `left` takes at this speed; `None` where nothing moves.
    pub(crate) fn time_left(&self, now: Duration, left: u64) -> Option<Duration> {
        let speed = self.per_second(now).filter(|&speed| speed > 0.0)?;
        Duration::try_from_secs_f64(left as f64 / speed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute_and_falls_while_nothing_comes() {
        let mut rate = Rate::default();
        rate.add(at(0), 0);
        assert_eq!(rate.per_second(at(5)), None);
        rate.add(at(10), 100);
        assert_eq!(rate.per_second(at(10)), Some(10.0));
        assert_eq!(rate.per_second(at(20)), Some(5.0));
        assert_eq!(rate.time_left(at(10), 50), Some(at(5)));
        for second in 11..=200 {
            rate.add(at(second), 100 + (second - 10));
        }
        assert_eq!(rate.per_second(at(200)), Some(1.0));
    }

    #[test]
    fn what_stands_still_is_never_done() {
        let mut rate = Rate::default();
        rate.add(at(0), 7);
        rate.add(at(9), 7);
        assert_eq!(rate.time_left(at(9), 1), None);
    }
}
