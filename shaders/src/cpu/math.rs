//! Arithmetic that gives the same bits everywhere.
//!
//! Only addition, subtraction, multiplication, comparison and `floor` are taken from the machine,
//! each rounded to nearest even and never fused; division and square root are correctly rounded.
//! What is smaller than [`TINY`] becomes +0 wherever it could grow again, so that it makes no
//! difference whether a device flushes denormals.

use std::ops::{Add, Mul, Neg, Sub};
use wide::f32x4;

/// 2^-100: magnitudes below this become +0.
pub const TINY: f32 = f32::from_bits(TINY_BITS);
const TINY_BITS: u32 = 0x0d80_0000;
const INFINITY_BITS: u32 = 0x7f80_0000;
const MAGNITUDE: u32 = 0x7fff_ffff;

/// 1/π, rounded.
pub const INVERSE_PI: f32 = f32::from_bits(0x3ea2_f983);
/// 2^-24.
pub const TWO_TO_MINUS_24: f32 = f32::from_bits(0x3380_0000);

/// Whether |x| lies in [2^-100, ∞).
#[inline(always)]
fn is_plain(x: f32) -> bool {
    (x.to_bits() & MAGNITUDE).wrapping_sub(TINY_BITS) < INFINITY_BITS - TINY_BITS
}

/// `x`, or +0 where |x| < 2^-100.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if (x.to_bits() & MAGNITUDE) < TINY_BITS { 0.0 } else { x }
}

/// [`flush`] of each.
#[inline(always)]
pub fn flush4(x: f32x4) -> f32x4 {
    x & !x.abs().simd_lt(f32x4::splat(TINY))
}

/// Whether `x` is neither infinite nor a NaN, seen by its exponent's bits.
#[inline(always)]
pub fn is_finite(x: f32) -> bool {
    (x.to_bits() & MAGNITUDE) < INFINITY_BITS
}

/// `a / b`, correctly rounded; 0 where `a`, `b` or the quotient is below 2^-100 in magnitude,
/// infinite or a NaN.
#[inline(always)]
pub fn div(a: f32, b: f32) -> f32 {
    let quotient = a / b;
    if is_plain(a) && is_plain(b) && is_plain(quotient) { quotient } else { 0.0 }
}

/// [`div`] of each.
#[inline(always)]
pub fn div4(a: f32x4, b: f32x4) -> f32x4 {
    let quotient = a / b;
    let least = a.abs().fast_min(b.abs()).fast_min(quotient.abs());
    let plain =
        f32x4::splat(TINY).simd_le(least) & quotient.abs().simd_lt(f32x4::splat(f32::INFINITY));
    quotient & plain
}

/// `div(1.0, x)`: the quotient is at least 2^-100 where |x| is at most 2^100.
#[inline(always)]
pub fn inverse(x: f32) -> f32 {
    const MOST: u32 = (100 + 127) << 23;
    if (x.to_bits() & MAGNITUDE).wrapping_sub(TINY_BITS) <= MOST - TINY_BITS {
        1.0 / x
    } else {
        0.0
    }
}

/// Whether x lies in [2^-100, ∞).
#[inline(always)]
fn is_plain_and_positive(x: f32) -> bool {
    x.to_bits().wrapping_sub(TINY_BITS) < INFINITY_BITS - TINY_BITS
}

/// The square root, correctly rounded; 0 where `x` is below 2^-100, negative, infinite or a NaN.
#[inline(always)]
pub fn root(x: f32) -> f32 {
    if is_plain_and_positive(x) { x.sqrt() } else { 0.0 }
}

/// The greatest integer that is at most `x`, without a call where the processor has no instruction
/// for it; -0 may come out as 0.
#[inline(always)]
pub fn floor(x: f32) -> f32 {
    /// 1.5 × 2^23: a sum with this has no room for fractions.
    const INTEGERS: f32 = 12_582_912.0;
    if magnitude(x) < 4_194_304.0 {
        let nearest = (x + INTEGERS) - INTEGERS;
        if nearest > x { nearest - 1.0 } else { nearest }
    } else {
        x.floor()
    }
}

/// The lesser; `b` where they cannot be compared.
#[inline(always)]
pub fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater; `b` where they cannot be compared.
#[inline(always)]
pub fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// |x|, by its bits.
#[inline(always)]
pub fn magnitude(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & MAGNITUDE)
}

/// `a` at 0, `b` at 1.
#[inline(always)]
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Sine and cosine of `turns` × 2π, for 0 ≤ `turns` ≤ 2; Taylor series about the nearest quarter
/// turn, off by less than 2^-22.
#[inline(always)]
pub fn sin_cos_turns(turns: f32) -> (f32, f32) {
    let quarters = turns * 4.0;
    let nearest = floor(quarters + 0.5);
    let f = quarters - nearest;
    let f2 = f * f;
    let sin = f
        * (f32::from_bits(0x3fc9_0fdb)
            + f2 * (f32::from_bits(0xbf25_5de7)
                + f2 * (f32::from_bits(0x3da3_35e3)
                    + f2 * (f32::from_bits(0xbb99_6966) + f2 * f32::from_bits(0x3928_3c1a)))));
    let cos = 1.0
        + f2 * (f32::from_bits(0xbf9d_e9e6)
            + f2 * (f32::from_bits(0x3e81_e0f8)
                + f2 * (f32::from_bits(0xbcaa_e9e4)
                    + f2 * (f32::from_bits(0x3a70_fa83) + f2 * f32::from_bits(0xb7d3_68f9)))));
    match nearest as u32 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// atan(x) for 0 ≤ x ≤ 1, in turns (of 2π); the polynomial of Cephes' `atanf`.
#[inline(always)]
fn atan_unit_turns(x: f32) -> f32 {
    let far = x > f32::from_bits(0x3ed4_13cd);
    let y = if far { div(x - 1.0, x + 1.0) } else { x };
    let z = y * y;
    let p = ((f32::from_bits(0x3da4_f0d1) * z + f32::from_bits(0xbe0e_1b85)) * z
        + f32::from_bits(0x3e4c_925f))
        * z
        + f32::from_bits(0xbeaa_aa2a);
    let radians = (p * z) * y + y;
    let turns = radians * f32::from_bits(0x3e22_f983);
    if far { turns + 0.125 } else { turns }
}

/// The angle of (x, y) from +x towards +y in turns, in [-0.5, 0.5]; 0 for the origin.
#[inline(always)]
pub fn atan2_turns(y: f32, x: f32) -> f32 {
    let (ax, ay) = (magnitude(x), magnitude(y));
    let steep = ay > ax;
    let ratio = if steep { div(ax, ay) } else { div(ay, ax) };
    let mut turns = atan_unit_turns(ratio);
    if steep {
        turns = 0.25 - turns;
    }
    if x < 0.0 {
        turns = 0.5 - turns;
    }
    if y < 0.0 { -turns } else { turns }
}

/// Three components: a point, a direction or a colour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vec3 {
    /// First component.
    pub x: f32,
    /// Second component.
    pub y: f32,
    /// Third component.
    pub z: f32,
}

/// Builds a [`Vec3`].
#[inline(always)]
pub const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    /// All components 0.
    pub const ZERO: Self = vec3(0.0, 0.0, 0.0);
    /// All components 1.
    pub const ONE: Self = vec3(1.0, 1.0, 1.0);

    /// From an array.
    #[inline(always)]
    pub const fn from_array(a: [f32; 3]) -> Self {
        vec3(a[0], a[1], a[2])
    }
}

impl Add for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, s: f32) -> Self {
        vec3(self.x * s, self.y * s, self.z * s)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

/// [`flush`] of each component.
#[inline(always)]
pub fn flush3(v: Vec3) -> Vec3 {
    vec3(flush(v.x), flush(v.y), flush(v.z))
}

/// The dot product, flushed.
#[inline(always)]
pub fn dot3(a: Vec3, b: Vec3) -> f32 {
    flush((a.x * b.x + a.y * b.y) + a.z * b.z)
}

/// The cross product, flushed.
#[inline(always)]
pub fn cross3(a: Vec3, b: Vec3) -> Vec3 {
    flush3(vec3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x))
}

/// `v` at unit length, to rounding; zero where |v|² is below 2^-100.
#[inline(always)]
pub fn unit3(v: Vec3) -> Vec3 {
    let squared = (v.x * v.x + v.y * v.y) + v.z * v.z;
    // `div(1.0, root(dot3(v, v)))`: a plain number's root and its inverse are plain, too.
    let inverse = if is_plain_and_positive(squared) { 1.0 / squared.sqrt() } else { 0.0 };
    flush3(v * inverse)
}

/// The greatest component.
#[inline(always)]
pub fn max_component(v: Vec3) -> f32 {
    greater(greater(v.x, v.y), v.z)
}

/// The greatest magnitude of a component.
#[inline(always)]
pub fn max_magnitude(v: Vec3) -> f32 {
    greater(greater(magnitude(v.x), magnitude(v.y)), magnitude(v.z))
}

/// Rec.709 luminance.
#[inline(always)]
pub fn luminance(c: Vec3) -> f32 {
    flush(
        (c.x * f32::from_bits(0x3e59_b3d0) + c.y * f32::from_bits(0x3f37_1759))
            + c.z * f32::from_bits(0x3d93_dd98),
    )
}

/// `m` × (p, 1), for a matrix of three rows.
#[inline(always)]
pub fn transform_point(m: &[[f32; 4]; 3], p: Vec3) -> Vec3 {
    let row = |r: &[f32; 4]| flush(((r[0] * p.x + r[1] * p.y) + r[2] * p.z) + r[3]);
    vec3(row(&m[0]), row(&m[1]), row(&m[2]))
}

/// `m` × (d, 0), for a matrix of three rows.
#[inline(always)]
pub fn transform_direction(m: &[[f32; 4]; 3], d: Vec3) -> Vec3 {
    let row = |r: &[f32; 4]| flush((r[0] * d.x + r[1] * d.y) + r[2] * d.z);
    vec3(row(&m[0]), row(&m[1]), row(&m[2]))
}

/// The transpose of `m`'s left 3×3 part × `n`: with the inverse of a transform, how normals turn.
#[inline(always)]
pub fn transform_transposed(m: &[[f32; 4]; 3], n: Vec3) -> Vec3 {
    let column = |i: usize| flush((m[0][i] * n.x + m[1][i] * n.y) + m[2][i] * n.z);
    vec3(column(0), column(1), column(2))
}

/// Two directions that make a right-handed orthonormal frame with the unit vector `n`
/// (Duff et al. 2017, "Building an Orthonormal Basis, Revisited", listing 3).
#[inline(always)]
pub fn basis(n: Vec3) -> (Vec3, Vec3) {
    let sign = if n.z >= 0.0 { 1.0 } else { -1.0 };
    let a = -inverse(sign + n.z);
    let b = flush((n.x * n.y) * a);
    (
        flush3(vec3(1.0 + ((sign * n.x) * n.x) * a, sign * b, -(sign * n.x))),
        flush3(vec3(b, sign + (n.y * n.y) * a, -n.y)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_and_root_flush_and_refuse_what_is_not_plain() {
        assert_eq!(div(1.0, 0.0), 0.0);
        assert_eq!(div(0.0, 0.0), 0.0);
        assert_eq!(div(1e38, 1e-10), 0.0);
        assert_eq!(div(1e-20, 1e20), 0.0);
        assert_eq!(div(f32::NAN, 1.0), 0.0);
        assert_eq!(div(-6.0, 3.0), -2.0);
        for x in [0.0, -0.0, 1.0, -3.0, TINY, 8e-31, 1e30, 1.3e30, f32::NAN, f32::INFINITY, -1e38] {
            assert_eq!(inverse(x).to_bits(), div(1.0, x).to_bits(), "{x}");
            for step in [-2i32, -1, 0, 1, 2] {
                let x = f32::from_bits((2f32.powi(100).to_bits() as i32 + step) as u32);
                assert_eq!(inverse(x).to_bits(), div(1.0, x).to_bits(), "{x}");
            }
        }
        assert_eq!(root(-1.0), 0.0);
        assert_eq!(root(f32::INFINITY), 0.0);
        assert_eq!(root(9.0), 3.0);
        assert_eq!(flush(-TINY), -TINY);
        assert_eq!(flush(f32::from_bits(TINY.to_bits() - 1)).to_bits(), 0);
        assert_eq!(flush(-0.0).to_bits(), 0);
    }

    #[test]
    fn angles_are_right_to_a_few_parts_in_ten_million() {
        for i in 0..=4000u32 {
            let turns = i as f32 / 2000.0;
            let (sin, cos) = sin_cos_turns(turns);
            let radians = f64::from(turns) * std::f64::consts::TAU;
            assert!((f64::from(sin) - libm::sin(radians)).abs() < 3e-7, "sin at {turns}");
            assert!((f64::from(cos) - libm::cos(radians)).abs() < 3e-7, "cos at {turns}");
            let back = f64::from(atan2_turns(sin, cos));
            let expected = libm::atan2(f64::from(sin), f64::from(cos)) / std::f64::consts::TAU;
            let off = (back - expected).abs();
            assert!(off.min(1.0 - off) < 1e-7, "atan2 at {turns}: {back} {expected}");
        }
        assert_eq!(atan2_turns(0.0, 0.0), 0.0);
    }

    #[test]
    fn four_at_a_time_give_the_same_bits_as_one() {
        let hard = [
            0.0,
            -0.0,
            1.0,
            -3.0,
            1e-20,
            1e20,
            -1e38,
            1e-30,
            8e-31,
            -7e-31,
            1e-42,
            1e30,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MAX,
        ];
        for a in hard {
            assert_eq!(flush4(f32x4::splat(a)).to_array()[2].to_bits(), flush(a).to_bits(), "{a}");
            for b in hard {
                let quotient = div4(f32x4::splat(a), f32x4::splat(b)).to_array()[1];
                assert_eq!(quotient.to_bits(), div(a, b).to_bits(), "{a} / {b}");
            }
        }
    }

    #[test]
    fn a_unit_vector_is_that_of_guarded_steps() {
        let by_steps = |v: Vec3| flush3(v * div(1.0, root(dot3(v, v))));
        let hard = [0.0, 1.0, -3.0, 1e-15, 8e-16, 9e-16, 1e-19, 1e-30, 1e18, 1e19, 2e19, f32::NAN];
        for x in hard {
            for y in hard {
                for z in hard {
                    let v = vec3(x, y, z);
                    let (a, b) = (unit3(v), by_steps(v));
                    let bits = |v: Vec3| [v.x.to_bits(), v.y.to_bits(), v.z.to_bits()];
                    assert_eq!(bits(a), bits(b), "{v:?}");
                }
            }
        }
    }

    #[test]
    fn floor_is_the_greatest_integer_that_is_not_more() {
        for bits in (0..=u32::MAX).step_by(65_521) {
            let x = f32::from_bits(bits);
            assert!(floor(x) == x.floor() || x.is_nan(), "{x}");
        }
        for x in [-0.0, 0.5, -0.5, 1.0, -1.0, 4_194_303.5, -4_194_304.5, 0.999_999_94] {
            assert_eq!(floor(x), x.floor(), "{x}");
        }
    }

    #[test]
    fn a_basis_is_orthonormal() {
        for n in [vec3(0.0, 0.0, 1.0), vec3(0.0, 0.0, -1.0), unit3(vec3(1.0, -2.0, -0.5))] {
            let (t, b) = basis(n);
            let c = cross3(t, b);
            assert!(max_magnitude(c - n) < 1e-6, "{n:?} {c:?}");
        }
    }
}
