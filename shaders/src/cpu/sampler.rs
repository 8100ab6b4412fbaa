//! Random numbers as a pure function of (seed, frame, pixel, sample, dimension).
//!
//! Each pair of dimensions is a Sobol (0,2)-sequence whose order and digits are scrambled by
//! hashes in the manner of Owen (Burley 2020, "Practical Hash-based Owen Scrambling"), with the
//! mixing constants of Vegdahl's improved Laine-Karras permutation. Any range of samples can be
//! drawn alone: nothing depends on what was drawn before.

use super::math::TWO_TO_MINUS_24;

/// Dimensions of the jitter inside a pixel.
pub const DIMENSION_PIXEL: u32 = 0;
/// The first dimension of the first vertex.
const DIMENSION_VERTEX: u32 = 1;
/// Pairs of dimensions that a vertex uses.
const DIMENSIONS_PER_VERTEX: u32 = 4;
/// Of a vertex: which lobe is sampled, and whether the path survives.
pub const DIMENSION_CHOICE: u32 = 0;
/// Of a vertex: the direction in the lobe.
pub const DIMENSION_DIRECTION: u32 = 1;
/// Of a vertex: which light.
pub const DIMENSION_LIGHT: u32 = 2;
/// Of a vertex: where on the light.
pub const DIMENSION_LIGHT_POINT: u32 = 3;

/// The dimension `which` of path vertex `vertex`.
#[inline(always)]
pub fn vertex_dimension(vertex: u32, which: u32) -> u32 {
    DIMENSION_VERTEX + vertex * DIMENSIONS_PER_VERTEX + which
}

/// A bijection of 32 bits that leaves no pattern (Wellons' "lowbias32" family).
#[inline(always)]
pub fn scramble(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
    let x = (x ^ (x >> 15)).wrapping_mul(0xd35a_2d97);
    x ^ (x >> 15)
}

/// The seed of a pixel of a frame.
#[inline(always)]
pub fn pixel_seed(seed: u32, frame: u32, x: u32, y: u32) -> u32 {
    scramble(scramble(scramble(scramble(seed).wrapping_add(frame)).wrapping_add(y)).wrapping_add(x))
}

/// A permutation of 32 bits in which each bit is changed by the bits below it alone: on reversed
/// digits, an Owen scramble.
#[inline(always)]
fn laine_karras(x: u32, seed: u32) -> u32 {
    let mut x = x ^ x.wrapping_mul(0x3d20_adea);
    x = x.wrapping_add(seed);
    x = x.wrapping_mul((seed >> 16) | 1);
    x ^= x.wrapping_mul(0x0552_6c56);
    x ^ x.wrapping_mul(0x53a2_2864)
}

/// The second Sobol dimension of `index`, its digits reversed: Pascal's matrix modulo 2, which is
/// a Kronecker power and so costs five steps.
#[inline(always)]
fn sobol_second_reversed(index: u32) -> u32 {
    let mut x = index;
    x ^= (x & 0xaaaa_aaaa) >> 1;
    x ^= (x & 0xcccc_cccc) >> 2;
    x ^= (x & 0xf0f0_f0f0) >> 4;
    x ^= (x & 0xff00_ff00) >> 8;
    x ^ ((x & 0xffff_0000) >> 16)
}

/// 24 random bits for each of the two dimensions of pair `dimension`.
#[inline(always)]
pub fn sample_bits(pixel_seed: u32, sample: u32, dimension: u32) -> (u32, u32) {
    let seed = scramble(pixel_seed ^ dimension.wrapping_mul(0x9e37_79b9));
    let index = laine_karras(sample.reverse_bits(), seed).reverse_bits();
    let first = laine_karras(index, scramble(seed.wrapping_add(0x68bc_21eb)));
    let second =
        laine_karras(sobol_second_reversed(index), scramble(seed.wrapping_add(0x02e5_be93)));
    (first.reverse_bits() >> 8, second.reverse_bits() >> 8)
}

/// Two numbers in [0, 1), multiples of 2^-24.
#[inline(always)]
pub fn sample_pair(pixel_seed: u32, sample: u32, dimension: u32) -> (f32, f32) {
    let (a, b) = sample_bits(pixel_seed, sample, dimension);
    (a as f32 * TWO_TO_MINUS_24, b as f32 * TWO_TO_MINUS_24)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each elementary interval of 2^k samples in base 2 holds exactly one: what makes a
    /// (0,2)-sequence, scrambled or not.
    #[test]
    fn sixty_four_samples_fill_every_elementary_interval_once() {
        for seed in 0..20u32 {
            for aligned in [0u32, 64, 640] {
                for bits_x in 0..=6u32 {
                    let mut seen = [0u8; 64];
                    for sample in aligned..aligned + 64 {
                        let (x, y) = sample_bits(scramble(seed), sample, seed % 5);
                        let cell = ((x >> (24 - bits_x)) << (6 - bits_x)) | (y >> (18 + bits_x));
                        seen[cell as usize] += 1;
                    }
                    assert!(seen.iter().all(|&n| n == 1), "seed {seed}, {bits_x} bits of x");
                }
            }
        }
    }

    #[test]
    fn pixels_and_dimensions_are_uncorrelated() {
        let n = 4096;
        let draw = |i: u32, dimension| {
            f64::from(sample_pair(pixel_seed(1, 0, i % 64, i / 64), 0, dimension).0) - 0.5
        };
        for (a, b) in [(0, 1), (1, 2), (1, 5)] {
            let covariance: f64 =
                (0..n).map(|i| draw(i, a) * draw(i, b)).sum::<f64>() / f64::from(n);
            assert!((covariance * 12.0).abs() < 4.0 / f64::from(n).sqrt(), "{a} {b} {covariance}");
        }
        let neighbours: f64 =
            (1..n).map(|i| draw(i, 0) * draw(i - 1, 0)).sum::<f64>() / f64::from(n - 1);
        assert!((neighbours * 12.0).abs() < 4.0 / f64::from(n).sqrt(), "{neighbours}");
    }
}
