//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double up to a limit. Each is cut by up to half at random, so that a thousand nodes
/// that lost their master together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first.min(most) }
    }

    /// The next wait: between half and the whole of the present step, chosen by `random`.
    pub fn step(&mut self, random: u32) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.most);
        let share = 0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX);
        whole.mul_f64(share)
    }

    /// The next wait, with the system's randomness.
    pub fn next_wait(&mut self) -> Duration {
        // Without randomness the waits are merely whole ones.
        self.step(getrandom::u32().unwrap_or(u32::MAX))
    }

    /// Something worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_limit_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let whole: Vec<_> = (0..4).map(|_| backoff.step(u32::MAX).as_millis()).collect();
        assert_eq!(whole, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.step(0).as_millis(), 50, "chance takes away half at most");
    }
}
