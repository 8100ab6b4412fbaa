//! From a sample's radiance to integers.

use super::math::{Vec3, is_finite};

/// No sample counts more than this: 2^16. The only clamp there is.
const CLAMP: f32 = f32::from_bits(0x4780_0000);

/// `x` in quanta of 2^-24, rounded half up; 0 below 0, [`CLAMP`] above it.
#[inline(always)]
fn quantize(x: f32) -> u64 {
    if x <= 0.0 {
        return 0;
    }
    let bits = (if x < CLAMP { x } else { CLAMP }).to_bits();
    let mantissa = u64::from((bits & 0x007f_ffff) | 0x0080_0000);
    let exponent = (bits >> 23) as i32;
    // mantissa × 2^(exponent - 150) × 2^24
    let shift = exponent - 126;
    if shift >= 0 {
        mantissa << shift
    } else if shift >= -24 {
        (mantissa + (1 << (-shift - 1))) >> -shift
    } else {
        0
    }
}

/// A sample as integers; all 0 where any component is not finite.
#[inline(always)]
pub fn quantize_sample(radiance: Vec3) -> [u64; 3] {
    if !(is_finite(radiance.x) && is_finite(radiance.y) && is_finite(radiance.z)) {
        return [0; 3];
    }
    [quantize(radiance.x), quantize(radiance.y), quantize(radiance.z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quanta_are_those_of_exact_arithmetic() {
        let mut x = 1.5e-9f32;
        while x < 1e6 {
            let exact = (f64::from(x.min(65536.0)) * 16_777_216.0 + 0.5).floor() as u64;
            assert_eq!(quantize(x), exact, "{x}");
            x *= 1.37;
        }
        assert_eq!(quantize(0.0), 0);
        assert_eq!(quantize(-1.0), 0);
        assert_eq!(quantize(f32::from_bits(1)), 0);
        assert_eq!(quantize(f32::MAX), 1 << 40);
    }

    #[test]
    fn a_sample_that_is_not_finite_counts_nothing() {
        let bad = Vec3 { x: 1.0, y: f32::NAN, z: 1.0 };
        assert_eq!(quantize_sample(bad), [0; 3]);
        assert_eq!(quantize_sample(Vec3 { y: f32::INFINITY, ..bad }), [0; 3]);
        assert_eq!(quantize_sample(Vec3 { y: 1.0, ..bad }), [1 << 24; 3]);
    }
}
