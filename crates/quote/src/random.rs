//! Randomness that follows from a seed.

use blake3::{Hasher, OutputReader};

/// Endless random numbers, the same for the same seed, purpose and frame.
pub(crate) struct Random(OutputReader);

impl Random {
    /// Numbers for one purpose; no two purposes or frames share any.
    pub(crate) fn new(seed: &[u8; 32], purpose: &[u8], frame: u32) -> Self {
        let mut hasher = Hasher::new_keyed(seed);
        hasher.update(purpose).update(b"\0").update(&frame.to_le_bytes());
        Self(hasher.finalize_xof())
    }

    fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `bound`, 0 below 0; uneven by less than `bound` × 2^-64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// A multiple of 2^-24 in [0, 1).
    pub(crate) fn unit(&mut self) -> f32 {
        (self.word() >> 40) as f32 * f32::from_bits(0x3380_0000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_repeat_for_the_same_purpose_and_for_no_other() {
        let draw = |seed: u8, purpose: &[u8], frame| {
            let mut random = Random::new(&[seed; 32], purpose, frame);
            [0; 4].map(|_: u64| random.below(1 << 40))
        };
        let first = draw(1, b"pixels", 7);
        assert_eq!(first, draw(1, b"pixels", 7));
        for other in [draw(2, b"pixels", 7), draw(1, b"pixel", 7), draw(1, b"pixels", 8)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn numbers_are_even() {
        let mut random = Random::new(&[3; 32], b"test", 0);
        let mut seen = [0u32; 10];
        let mut sum = 0.0;
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit));
            sum += f64::from(unit);
        }
        // Five standard deviations.
        assert!(seen.iter().all(|&times| times.abs_diff(1000) < 150), "{seen:?}");
        assert!((sum / 10_000.0 - 0.5).abs() < 0.0145, "{sum}");
    }
}
