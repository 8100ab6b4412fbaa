//! Environment maps: equirectangular, made by a function of the direction, written as Radiance
//! `.hdr`.

use crate::maths::Vec3;

/// How the file stores its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Four bytes a texel.
    Flat,
    /// Each row's four planes in runs; needs a width of 8 to 32,767.
    Runs,
}

/// A map whose texel in direction `d` (unit) is `radiance(d)`, averaged over 4 × 4 places of the
/// texel, so that a disc smaller than a texel keeps its power.
pub fn sky(width: u32, height: u32, packing: Packing, radiance: impl Fn(Vec3) -> Vec3) -> Vec<u8> {
    const SIDE: u32 = 4;
    encode(width, height, packing, |x, y| {
        let mut sum = [0.0f64; 3];
        for i in 0..SIDE * SIDE {
            let place =
                |cell: u32, sub: u32| f64::from(cell) + (f64::from(sub) + 0.5) / f64::from(SIDE);
            let u = place(x, i % SIDE) / f64::from(width);
            let v = place(y, i / SIDE) / f64::from(height);
            for (sum, value) in sum.iter_mut().zip(radiance(direction(u, v))) {
                *sum += f64::from(value);
            }
        }
        sum.map(|sum| (sum / f64::from(SIDE * SIDE)) as f32)
    })
}

/// The direction that the map shows at `u` from the left and `v` from the top, both 0 to 1: the
/// middle is +X, three quarters +Z, the top row +Y.
pub fn direction(u: f64, v: f64) -> Vec3 {
    let longitude = (u - 0.5) * std::f64::consts::TAU;
    let (up, ring) = (libm::cos(v * std::f64::consts::PI), libm::sin(v * std::f64::consts::PI));
    [ring * libm::cos(longitude), up, ring * libm::sin(longitude)].map(|x| x as f32)
}

/// A map of texels `radiance(x, y)`, `y` downwards.
pub fn encode(
    width: u32,
    height: u32,
    packing: Packing,
    radiance: impl Fn(u32, u32) -> Vec3,
) -> Vec<u8> {
    let mut bytes =
        format!("#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n").into_bytes();
    for y in 0..height {
        let row: Vec<[u8; 4]> = (0..width).map(|x| rgbe(radiance(x, y))).collect();
        match packing {
            Packing::Flat => bytes.extend(row.iter().flatten()),
            Packing::Runs => {
                let [high, low] = (width as u16).to_be_bytes();
                bytes.extend([2, 2, high, low]);
                for plane in 0..4 {
                    let plane: Vec<u8> = row.iter().map(|texel| texel[plane]).collect();
                    write_runs(&mut bytes, &plane);
                }
            }
        }
    }
    bytes
}

/// Three mantissas under the exponent of the largest: value = mantissa × 2^(exponent − 136).
fn rgbe(radiance: Vec3) -> [u8; 4] {
    let largest = radiance.into_iter().fold(0.0f32, f32::max);
    if largest <= 0.0 {
        return [0; 4];
    }
    let (_, exponent) = libm::frexp(f64::from(largest));
    let mantissas = |exponent: i32| {
        radiance.map(|x| (libm::scalbn(f64::from(x.max(0.0)), 8 - exponent)).round())
    };
    // Rounding may reach 256: the next exponent holds it.
    let exponent =
        if mantissas(exponent).iter().any(|&m| m > 255.0) { exponent + 1 } else { exponent };
    let [r, g, b] = mantissas(exponent).map(|m| m as u8);
    [r, g, b, (exponent + 128).clamp(0, 255) as u8]
}

fn write_runs(bytes: &mut Vec<u8>, plane: &[u8]) {
    let run_at = |i: usize| plane[i..].iter().take(127).take_while(|&&b| b == plane[i]).count();
    let mut i = 0;
    while i < plane.len() {
        let run = run_at(i);
        if run >= 4 {
            bytes.extend([128 + run as u8, plane[i]]);
            i += run;
            continue;
        }
        let mut end = i;
        while end < plane.len() && end - i < 128 && run_at(end) < 4 {
            end += 1;
        }
        bytes.push((end - i) as u8);
        bytes.extend(&plane[i..end]);
        i = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> image::Rgb32FImage {
        image::load_from_memory_with_format(bytes, image::ImageFormat::Hdr).unwrap().into_rgb32f()
    }

    #[test]
    fn both_packings_give_back_the_map() {
        let texel = |x: u32, y: u32| {
            if y == 2 {
                [1.0; 3]
            } else {
                [x as f32, 0.25 * y as f32, if x == 7 { 3000.0 } else { 0.5 }]
            }
        };
        for packing in [Packing::Flat, Packing::Runs] {
            let map = decode(&encode(300, 5, packing, texel));
            assert_eq!(map.dimensions(), (300, 5));
            for (x, y, p) in map.enumerate_pixels() {
                let wanted = texel(x, y);
                let largest = wanted.into_iter().fold(0.0, f32::max);
                for (got, wanted) in p.0.into_iter().zip(wanted) {
                    assert!((got - wanted).abs() <= largest / 256.0, "{packing:?} {x},{y}: {got}");
                }
            }
        }
    }

    #[test]
    fn one_is_exact_and_extremes_stay_finite() {
        assert_eq!(rgbe([1.0; 3]), [128, 128, 128, 129]);
        assert_eq!(rgbe([0.999, 0.0, 0.0]), [128, 0, 0, 129]);
        assert_eq!(rgbe([0.0; 3]), [0; 4]);
        assert_eq!(rgbe([1e38, 1.0, 0.0])[3], 255);
    }

    #[test]
    fn the_axes_lie_where_the_convention_puts_them() {
        for (u, v, axis) in [
            (0.5, 0.5, [1.0, 0.0, 0.0]),
            (0.75, 0.5, [0.0, 0.0, 1.0]),
            (0.25, 0.5, [0.0, 0.0, -1.0]),
            (0.1, 0.0, [0.0, 1.0, 0.0]),
        ] {
            let d = direction(u, v);
            assert!((0..3).all(|i| (d[i] - axis[i] as f32).abs() < 1e-6), "{u},{v}: {d:?}");
        }
    }
}
