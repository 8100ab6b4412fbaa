//! How much work to ask for: about ten seconds of it.

use std::time::Duration;

/// Long enough that asking, preparing and sending are small beside it; short enough that little is
/// lost when a node vanishes and that the end of a job is shared among many.
const SECONDS_OF_WORK: f64 = 10.0;
/// The first bite of a node that knows nothing of its speed: 4 samples of a 128 × 128 tile, a
/// fraction of a second on anything.
const FIRST_BITE: u64 = 1 << 16;
/// How far one measurement may raise the bite: an easy patch of sky says little about what follows.
const MOST_GROWTH: f64 = 4.0;
/// How much the newest measurement counts against all earlier ones.
const NEWEST: f64 = 0.5;

/// The measured speed of a node, in pixel samples a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Speed {
    per_second: Option<f64>,
}

impl Speed {
    /// `samples` took `time`.
    pub(super) fn measured(&mut self, samples: u64, time: Duration) {
        let seconds = time.as_secs_f64();
        if samples == 0 || seconds <= 0.0 {
            return;
        }
        let newest = samples as f64 / seconds;
        let before = self.per_second.unwrap_or(FIRST_BITE as f64 / SECONDS_OF_WORK);
        let mixed = match self.per_second {
            Some(before) => before + NEWEST * (newest - before),
            None => newest,
        };
        self.per_second = Some(mixed.min(before * MOST_GROWTH));
    }

    /// Pixel samples to ask for.
    pub(super) fn samples_wanted(self) -> u64 {
        // A conversion from f64 saturates.
        self.per_second.map_or(FIRST_BITE, |speed| ((speed * SECONDS_OF_WORK) as u64).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_node_comes_to_ask_for_ten_seconds_of_work() {
        let mut speed = Speed::default();
        assert_eq!(speed.samples_wanted(), FIRST_BITE);
        let (mut bites, truth) = (0, 3_000_000.0);
        while speed.samples_wanted() < 29_900_000 {
            let bite = speed.samples_wanted();
            speed.measured(bite, Duration::from_secs_f64(bite as f64 / truth));
            assert!(speed.samples_wanted() <= 4 * bite, "a bite grows fourfold at most");
            bites += 1;
            assert!(bites < 20, "{speed:?}");
        }
        assert!(speed.samples_wanted() <= 30_000_000);
    }

    #[test]
    fn a_node_that_slows_down_asks_for_less_and_never_for_nothing() {
        let mut speed = Speed { per_second: Some(1e6) };
        speed.measured(1000, Duration::from_secs(1));
        assert!(speed.samples_wanted() < 6_000_000);
        for _ in 0..100 {
            speed.measured(1, Duration::from_secs(100));
        }
        assert_eq!(speed.samples_wanted(), 1);
        let before = speed;
        speed.measured(0, Duration::from_secs(1));
        speed.measured(1, Duration::ZERO);
        assert_eq!(speed, before);
    }
}
