//! What the tests of the kernel's randomness share: numbers that look random and are the same in
//! every run, and Pearson's χ² test.
#![allow(dead_code, reason = "each test file uses a part of it")]

/// Steele, Lea and Flood's SplitMix64 (2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 24 random bits, as the kernel's sampler gives them.
    pub(crate) fn bits24(&mut self) -> u32 {
        (self.bits() >> 40) as u32
    }

    /// A multiple of 2^-24 in [0, 1).
    pub(crate) fn unit(&mut self) -> f32 {
        self.bits24() as f32 / 16_777_216.0
    }

    /// Between `lo` and `hi`.
    pub(crate) fn between(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * ((self.bits() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Between 10^`lo` and 10^`hi`, evenly over the exponent.
    pub(crate) fn magnitude(&mut self, lo: f64, hi: f64) -> f64 {
        libm::exp10(self.between(lo, hi))
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// A point of the unit sphere.
    pub(crate) fn direction(&mut self) -> [f64; 3] {
        let z = self.between(-1.0, 1.0);
        let (sin, cos) = libm::sincos(self.between(0.0, std::f64::consts::TAU));
        let ring = (1.0 - z * z).sqrt();
        [ring * cos, ring * sin, z]
    }
}

/// A test rejects what a right sampler would do by chance in one of so many runs. Seeds are fixed,
/// so a run never differs from the last.
pub(crate) const SIGNIFICANCE: f64 = 1e-4;

/// How well counts fit what was expected of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit {
    /// Pearson's statistic.
    pub(crate) statistic: f64,
    /// Degrees of freedom.
    pub(crate) freedom: f64,
    /// The chance that a right sampler fits as badly.
    pub(crate) chance: f64,
}

impl Fit {
    /// Whether the counts may well come from the distribution.
    pub(crate) fn is_good(&self) -> bool {
        self.chance > SIGNIFICANCE
    }
}

/// Compares the counts of `total` samples with the probability of each bin. What the bins leave
/// over, of samples and of probability, is one more bin. Bins that expect fewer than 5 samples are
/// put together, and many counts where next to nothing can be are a bad fit at once.
pub(crate) fn fit(counts: &[u64], probabilities: &[f64], total: u64) -> Fit {
    assert_eq!(counts.len(), probabilities.len());
    let n = total as f64;
    let rest = total - counts.iter().sum::<u64>();
    let rest_probability = 1.0 - probabilities.iter().sum::<f64>();
    let (mut statistic, mut bins) = (0.0, 0u32);
    let (mut pooled_count, mut pooled) = (0.0, 0.0);
    let all = counts.iter().zip(probabilities).chain([(&rest, &rest_probability)]);
    let mut small: Vec<(f64, f64)> = Vec::new();
    for (&count, &probability) in all {
        let (count, expected) = (count as f64, probability * n);
        if expected >= 5.0 {
            statistic += (count - expected) * (count - expected) / expected;
            bins += 1;
        } else {
            small.push((expected, count));
        }
    }
    small.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    for (expected, count) in small {
        pooled += expected;
        pooled_count += count;
        if pooled >= 5.0 {
            statistic += (pooled_count - pooled) * (pooled_count - pooled) / pooled;
            bins += 1;
            (pooled, pooled_count) = (0.0, 0.0);
        }
    }
    // What is left is too little for a bin of its own. More than quadrature at the edge of a
    // distribution can miss must not fall there, nor may probabilities add up to clearly over 1.
    let impossible = (pooled_count - pooled).abs() > 5e-4 * n;
    let freedom = f64::from(bins.max(2) - 1);
    let chance = if impossible { 0.0 } else { upper_gamma(freedom / 2.0, statistic / 2.0) };
    Fit { statistic, freedom, chance }
}

/// The regularised upper incomplete gamma function Q(a, x): by its series below a + 1, by Lentz's
/// continued fraction above (Press et al., "Numerical Recipes", section 6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-15 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        h *= c * d;
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front * h
}
