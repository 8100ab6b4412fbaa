//! How far a mean of what was drawn may be from the mean of all, in integers.
//!
//! The bound is Maurer and Pontil's ("Empirical Bernstein Bounds and Sample Variance Penalization",
//! 2009, Theorem 11). It asks of the draws that they are independent and lie between known limits,
//! and nothing else: no bell curve, no equal distributions. With n draws, their sample variance V
//! and limits that are `range` apart, the true mean is farther than
//!
//! ```text
//! sqrt(2 V L / n) + 7 range L / (3 (n - 1)),   L = ln(2 / δ)
//! ```
//!
//! above the drawn one with a probability of at most δ, and below it likewise.

/// One of so many quotes may be wrong about the pixels of the frames that were looked at.
pub const ONE_IN: u64 = 1000;

/// ln(2 / δ) for δ = 1 / (2 × [`ONE_IN`]), in thousandths, rounded up: the two rounds of a probe
/// share the chance to be wrong.
const LN_MILLI: u128 = 8295;

/// A mean's parts per ray: widths are counted in millionths.
pub(crate) const MICRO: u128 = 1_000_000;

/// Draws of whole numbers, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub draws: u64,
    /// Their sum.
    pub sum: u64,
    /// The sum of their squares.
    pub squares: u128,
}

impl Tally {
    /// Counts one more; saturating.
    pub fn add(&mut self, value: u64) {
        self.draws = self.draws.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
        self.squares = self.squares.saturating_add(u128::from(value) * u128::from(value));
    }

    /// Both together; saturating.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            draws: self.draws.saturating_add(other.draws),
            sum: self.sum.saturating_add(other.sum),
            squares: self.squares.saturating_add(other.squares),
        }
    }

    /// The mean in millionths, rounded down; 0 without draws.
    pub(crate) fn mean_micro(&self) -> u128 {
        (u128::from(self.sum) * MICRO).checked_div(u128::from(self.draws)).unwrap_or(0)
    }

    /// The sample variance in millionths, rounded down; 0 for fewer than two draws.
    pub fn variance_micro(&self) -> u128 {
        let n = u128::from(self.draws);
        let pairs = n * n.saturating_sub(1);
        self.spread().saturating_mul(MICRO).checked_div(pairs).unwrap_or(0)
    }

    /// n² × the variance of the draws among themselves, exactly.
    fn spread(&self) -> u128 {
        let sum = u128::from(self.sum);
        u128::from(self.draws).saturating_mul(self.squares).saturating_sub(sum.saturating_mul(sum))
    }

    /// How far from the drawn mean the true one may be, in millionths, rounded up, where every draw
    /// lies in limits that are `range` apart.
    pub fn width_micro(&self, range: u64) -> u128 {
        let n = u128::from(self.draws);
        let all = u128::from(range) * MICRO;
        if n < 2 {
            return all;
        }
        // MICRO² / 1000, for the root of millionths squared and a logarithm in thousandths.
        let scale = 2 * LN_MILLI * 1_000_000_000;
        let radicand = self.spread().saturating_mul(scale).div_ceil(n * n * (n - 1));
        let by_variance = root_up(radicand);
        let by_range = (7 * u128::from(range) * LN_MILLI * (MICRO / 1000)).div_ceil(3 * (n - 1));
        by_variance.saturating_add(by_range).min(all)
    }
}

/// The least number whose square is at least `x`.
pub(crate) fn root_up(x: u128) -> u128 {
    let root = x.isqrt();
    root + u128::from(root * root < x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn tally(values: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        values.into_iter().for_each(|value| tally.add(value));
        tally
    }

    #[test]
    fn known_widths() {
        // Draws that agree have no variance: 7 × 16 × 8.295 / (3 × 999).
        let alike = tally([5; 1000]);
        assert_eq!((alike.mean_micro(), alike.variance_micro()), (5_000_000, 0));
        assert_eq!(alike.width_micro(16), 309_990);
        // Half 1, half 3: variance 1000 / 999; √(2 × 8.295 × 1.001001 / 1000) more.
        let halves = tally([1, 3].repeat(500));
        assert_eq!(halves.variance_micro(), 1_001_001);
        assert_eq!(halves.width_micro(16), 309_990 + 128_867);
        assert_eq!(tally([9]).width_micro(16), 16_000_000, "one draw says nothing");
        assert_eq!(tally([]).width_micro(16), 16_000_000);
    }

    #[test]
    fn the_logarithm_is_no_less_than_it_should_be() {
        // e^8.295 by its series, and 2/δ = 4 × 1000.
        let (mut term, mut sum) = (1.0f64, 1.0);
        for i in 1..100 {
            term *= 8.295 / f64::from(i);
            sum += term;
        }
        assert!(sum >= 4.0 * ONE_IN as f64 && sum < 4.01 * ONE_IN as f64, "{sum}");
    }

    #[test]
    fn roots_round_up() {
        for (x, root) in [(0, 0), (1, 1), (2, 2), (4, 2), (5, 3), (u128::from(u64::MAX), 1 << 32)] {
            assert_eq!(root_up(x), root);
        }
    }

    /// The bound holds for lopsided draws, where a bell curve's would not: one of 500 is 101.
    #[test]
    fn rare_large_values_stay_inside_the_bound() {
        let mut misses = 0;
        for seed in 0..=255u8 {
            let mut random = Random::new(&[seed; 32], b"rare", 0);
            let draws = (0..2000).map(|_| if random.below(500) == 0 { 101 } else { 1 });
            let tally = tally(draws);
            let upper = tally.mean_micro() + tally.width_micro(100);
            misses += u32::from(upper < 1_200_000);
        }
        assert_eq!(misses, 0);
    }
}
