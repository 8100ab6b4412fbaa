//! The WGSL's `div` and `root` are correctly rounded on any device.
//!
//! A device may be off by 2.5 units in the last place in `/` and, by way of `inverseSqrt`, more in
//! `sqrt`; those on which the kernel can be tested round correctly anyway and prove nothing. So the
//! WGSL is transcribed here with every estimate of the device moved by up to 4 units, and compared
//! with the twin, whose hardware rounds correctly. The text that was transcribed is pinned.

mod support;

use support::Random;
use tessera_shaders::cpu::math::{div, root};
use tessera_shaders::wgsl;

const TINY: u32 = 0x0d80_0000;
const INFINITY: u32 = 0x7f80_0000;

/// By how many units in the last place a device is off in the first and in the second of its
/// operations.
#[derive(Debug, Clone, Copy)]
struct Device {
    first: i32,
    second: i32,
}

impl Device {
    /// Moves a result by units in its last place; a zero stays.
    fn off(x: f32, units: i32) -> f32 {
        if x == 0.0 { x } else { f32::from_bits(x.to_bits().wrapping_add_signed(units)) }
    }
}

fn is_plain(bits: u32) -> bool {
    (bits & 0x7fff_ffff).wrapping_sub(TINY) < INFINITY - TINY
}

/// How an estimate is made right.
#[derive(Debug, Clone, Copy)]
struct Method {
    /// Whether the remainder is divided, too.
    step: bool,
    /// How often the estimate is then corrected by one.
    corrections: u32,
}

/// What the WGSL does.
const METHOD: Method = Method { step: true, corrections: 2 };

fn wgsl_div(a: f32, b: f32, device: Device) -> f32 {
    corrected_div(a, b, device, METHOD)
}

fn wgsl_root(x: f32, device: Device) -> f32 {
    corrected_root(x, device, METHOD)
}

/// `div` of math.wgsl.
fn corrected_div(a: f32, b: f32, device: Device, method: Method) -> f32 {
    let (a_bits, b_bits) = (a.to_bits(), b.to_bits());
    if !is_plain(a_bits) || !is_plain(b_bits) {
        return 0.0;
    }
    let ma = (a_bits & 0x7f_ffff) | 0x80_0000;
    let mb = (b_bits & 0x7f_ffff) | 0x80_0000;
    let less = ma < mb;
    let shift = if less { 24 } else { 23 };
    let scale: f32 = if less { 16_777_216.0 } else { 8_388_608.0 };
    let divisor = mb as f32;
    let mut quotient = (Device::off(ma as f32 / divisor, device.first) * scale) as u32;
    let mut remainder = (ma << shift).wrapping_sub(quotient.wrapping_mul(mb)) as i32;
    let step = Device::off(remainder as f32 / divisor, device.second).floor() as i32;
    let step = if method.step { step } else { 0 };
    quotient = quotient.wrapping_add(step as u32);
    remainder = remainder.wrapping_sub(step.wrapping_mul(mb as i32));
    let signed = mb as i32;
    for _ in 0..method.corrections {
        if remainder < 0 {
            quotient = quotient.wrapping_sub(1);
            remainder = remainder.wrapping_add(signed);
        }
        if remainder >= signed {
            quotient = quotient.wrapping_add(1);
            remainder = remainder.wrapping_sub(signed);
        }
    }
    if remainder.wrapping_mul(2) > signed {
        quotient = quotient.wrapping_add(1);
    }
    let exponent = ((a_bits >> 23) & 255) as i32 - ((b_bits >> 23) & 255) as i32 + 150 - shift;
    if !(1..=254).contains(&exponent) {
        return 0.0;
    }
    let magnitude = ((exponent as u32) << 23).wrapping_add(quotient.wrapping_sub(0x80_0000));
    if !is_plain(magnitude) {
        return 0.0;
    }
    f32::from_bits(magnitude | ((a_bits ^ b_bits) & 0x8000_0000))
}

/// `root` of math.wgsl.
fn corrected_root(x: f32, device: Device, method: Method) -> f32 {
    let bits = x.to_bits();
    if bits.wrapping_sub(TINY) >= INFINITY - TINY {
        return 0.0;
    }
    let exponent = (bits >> 23) as i32 - 127;
    let odd = (exponent & 1) == 1;
    let mantissa = (bits & 0x7f_ffff) | 0x80_0000;
    let shift = if odd { 24 } else { 23 };
    let scale: f32 = if odd { 16_777_216.0 } else { 8_388_608.0 };
    let mut s = Device::off((mantissa as f32 * scale).sqrt(), device.first) as u32;
    let first = (mantissa << shift).wrapping_sub(s.wrapping_mul(s)) as i32;
    let step = Device::off(first as f32 / (2.0 * s as f32), device.second).floor() as i32;
    let step = if method.step { step } else { 0 };
    s = s.wrapping_add(step as u32);
    let mut remainder = (mantissa << shift).wrapping_sub(s.wrapping_mul(s)) as i32;
    for _ in 0..method.corrections {
        if remainder < 0 {
            s = s.wrapping_sub(1);
            remainder = remainder.wrapping_add(2u32.wrapping_mul(s).wrapping_add(1) as i32);
        }
        if remainder > 2u32.wrapping_mul(s) as i32 {
            remainder = remainder.wrapping_sub(2u32.wrapping_mul(s).wrapping_add(1) as i32);
            s = s.wrapping_add(1);
        }
    }
    if remainder > s as i32 {
        s = s.wrapping_add(1);
    }
    let half = (if odd { exponent - 1 } else { exponent }) / 2;
    f32::from_bits((((half + 127) as u32) << 23).wrapping_add(s.wrapping_sub(0x80_0000)))
}

/// The quotient by exact arithmetic: a double holds a product of two floats exactly, and its
/// quotient's double rounding to 24 bits is innocuous (Figueroa 1995).
fn exact_div(a: f32, b: f32) -> f32 {
    let quotient = (f64::from(a) / f64::from(b)) as f32;
    if is_plain(a.to_bits()) && is_plain(b.to_bits()) && is_plain(quotient.to_bits()) {
        quotient
    } else {
        0.0
    }
}

fn exact_root(x: f32) -> f32 {
    if is_plain(x.to_bits()) && x > 0.0 { f64::from(x).sqrt() as f32 } else { 0.0 }
}

fn devices() -> impl Iterator<Item = Device> {
    (-4..=4).flat_map(|first| (-4..=4).map(move |second| Device { first, second }))
}

fn check_div(a: f32, b: f32, device: Device) {
    let exact = exact_div(a, b).to_bits();
    assert_eq!(div(a, b).to_bits(), exact, "the twin's {a:e} / {b:e}");
    assert_eq!(wgsl_div(a, b, device).to_bits(), exact, "{a:e} / {b:e} on {device:?}");
}

fn check_root(x: f32, device: Device) {
    let exact = exact_root(x).to_bits();
    assert_eq!(root(x).to_bits(), exact, "the twin's √{x:e}");
    assert_eq!(wgsl_root(x, device).to_bits(), exact, "√{x:e} on {device:?}");
}

/// Numbers at which something begins or ends: every exponent with mantissas of 0, 1, all ones and
/// some between; denormals, infinities and NaNs; both signs.
fn edges() -> Vec<f32> {
    let mantissas = [0, 1, 2, 0x2a_aaaa, 0x3f_ffff, 0x40_0000, 0x55_5555, 0x7f_fffe, 0x7f_ffff];
    let positive = (0..=255u32).flat_map(|e| mantissas.map(|m| (e << 23) | m));
    positive.flat_map(|bits| [bits, bits | 0x8000_0000]).map(f32::from_bits).collect()
}

#[test]
fn quotients_of_random_numbers_are_correctly_rounded_on_any_device() {
    let mut random = Random(1);
    let devices: Vec<Device> = devices().collect();
    for i in 0..5_000_000usize {
        let bits = random.bits();
        let (a, b) = (f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32));
        check_div(a, b, devices[i % devices.len()]);
    }
}

#[test]
fn quotients_near_ties_are_correctly_rounded_on_any_device() {
    // a = q b + r with q half-way between two floats: found by rounding (q + 1/2) b.
    let mut random = Random(2);
    for _ in 0..100_000 {
        let b = (random.bits24() & 0x7f_ffff) | 0x80_0000;
        let q = (random.bits24() & 0x7f_ffff) | 0x80_0000;
        let a = ((2 * u64::from(q) + 1) * u64::from(b)) >> 24;
        for a in [a as u32, a as u32 + 1] {
            for device in devices().step_by(5) {
                check_div(a as f32, b as f32, device);
            }
        }
    }
}

#[test]
fn quotients_at_the_edges_are_correctly_rounded_on_any_device() {
    let edges = edges();
    let ends = [Device { first: -4, second: 4 }, Device { first: 4, second: -4 }];
    for (i, &a) in edges.iter().enumerate() {
        for &b in edges.iter().skip(i % 3).step_by(3) {
            check_div(a, b, ends[0]);
            check_div(b, a, ends[1]);
        }
    }
    // Across the boundary of 2^-100, and of the largest number.
    let mut random = Random(3);
    for boundary in [TINY, 0x7f7f_ffff] {
        for _ in 0..50_000 {
            let b = f32::from_bits(0x3000_0000 + (random.bits() as u32 & 0x1fff_ffff));
            let near = f32::from_bits(boundary) * b;
            for a in [near.next_down().next_down(), near.next_down(), near, near.next_up()] {
                for device in devices().step_by(20) {
                    check_div(a, b, device);
                }
            }
        }
    }
}

#[test]
fn roots_are_correctly_rounded_on_any_device() {
    for &x in &edges() {
        devices().for_each(|device| check_root(x, device));
    }
    let mut random = Random(4);
    let devices: Vec<Device> = devices().collect();
    for i in 0..5_000_000usize {
        check_root(f32::from_bits(random.bits() as u32), devices[i % devices.len()]);
    }
    // Squares and their neighbours: roots that are exact, or nearly so.
    for _ in 0..100_000 {
        let s = f32::from_bits(0x3f80_0000 | (random.bits24() >> 1));
        let square = s * s;
        for x in [square.next_down(), square, square.next_up()] {
            devices.iter().step_by(5).for_each(|&device| check_root(x, device));
        }
    }
}

/// The transcriptions are of this text and no other.
#[test]
fn the_wgsl_is_what_was_transcribed() {
    let source = wgsl::source();
    let found = |name: &str| {
        let start = source.find(&format!("fn {name}(")).expect("the function is there");
        let end = start + source[start..].find("\n}").expect("the function ends");
        let lines = source[start..end].lines().map(|line| line.split("//").next().unwrap_or(""));
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    };
    for (name, text) in [("div", DIV), ("root", ROOT)] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(found(name), text, "{name} has changed: transcribe it anew");
    }
}

/// The corrections by one alone would not do, and that would be seen.
#[test]
fn without_its_second_step_the_wgsl_is_found_out() {
    let wrong_by = |method| {
        let mut random = Random(5);
        let (mut quotients, mut roots) = (0u32, 0u32);
        for _ in 0..10_000 {
            let (a, b) = (1.0 + random.unit(), 1.0 + random.unit());
            for device in devices() {
                quotients += u32::from(corrected_div(a, b, device, method) != exact_div(a, b));
                roots += u32::from(corrected_root(a, device, method) != exact_root(a));
            }
        }
        (quotients, roots)
    };
    assert_eq!(wrong_by(METHOD), (0, 0));
    let (quotients, roots) = wrong_by(Method { step: false, ..METHOD });
    assert!(quotients > 1000 && roots > 1000, "{quotients} quotients and {roots} roots are wrong");
}

const DIV: &str = "
fn div(a: f32, b: f32) -> f32 {
    let a_bits = bitcast<u32>(a);
    let b_bits = bitcast<u32>(b);
    if !is_plain_bits(a_bits) || !is_plain_bits(b_bits) {
        return 0.0;
    }
    let ma = (a_bits & 0x7fffffu) | 0x800000u;
    let mb = (b_bits & 0x7fffffu) | 0x800000u;
    let less = ma < mb;
    let shift = select(23u, 24u, less);
    let scale = select(8388608.0, 16777216.0, less);
    let divisor = f32(mb);
    var quotient = u32((f32(ma) / divisor) * scale);
    var remainder = bitcast<i32>((ma << shift) - quotient * mb);
    let step = i32(floor(f32(remainder) / divisor));
    quotient = quotient + bitcast<u32>(step);
    remainder = remainder - step * bitcast<i32>(mb);
    let signed = bitcast<i32>(mb);
    for (var i = 0; i < 2; i = i + 1) {
        if remainder < 0 {
            quotient = quotient - 1u;
            remainder = remainder + signed;
        }
        if remainder >= signed {
            quotient = quotient + 1u;
            remainder = remainder - signed;
        }
    }
    if 2 * remainder > signed {
        quotient = quotient + 1u;
    }
    let exponent = i32((a_bits >> 23u) & 255u) - i32((b_bits >> 23u) & 255u) + 150 - i32(shift);
    if exponent < 1 || exponent > 254 {
        return 0.0;
    }
    let magnitude_bits = (u32(exponent) << 23u) + (quotient - 0x800000u);
    if !is_plain_bits(magnitude_bits) {
        return 0.0;
    }
    return bitcast<f32>(magnitude_bits | ((a_bits ^ b_bits) & 0x80000000u));
";

const ROOT: &str = "
fn root(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    if (bits - TINY_BITS) >= (INFINITY_BITS - TINY_BITS) {
        return 0.0;
    }
    let exponent = i32(bits >> 23u) - 127;
    let odd = (exponent & 1) == 1;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let shift = select(23u, 24u, odd);
    let scale = select(8388608.0, 16777216.0, odd);
    var s = u32(sqrt(f32(mantissa) * scale));
    let first = bitcast<i32>((mantissa << shift) - s * s);
    let step = i32(floor(f32(first) / (2.0 * f32(s))));
    s = s + bitcast<u32>(step);
    var remainder = bitcast<i32>((mantissa << shift) - s * s);
    for (var i = 0; i < 2; i = i + 1) {
        if remainder < 0 {
            s = s - 1u;
            remainder = remainder + i32(2u * s + 1u);
        }
        if remainder > i32(2u * s) {
            remainder = remainder - i32(2u * s + 1u);
            s = s + 1u;
        }
    }
    if remainder > i32(s) {
        s = s + 1u;
    }
    let half_exponent = select(exponent, exponent - 1, odd) / 2;
    return bitcast<f32>((u32(half_exponent + 127) << 23u) + (s - 0x800000u));
";
