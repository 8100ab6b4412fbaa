//! The tables of `albedo.rs`, integrated anew.

use tessera_shaders::albedo::{ALBEDO, AVERAGE, COSINES, ROUGHNESSES};

/// Steps of the midpoint rule along each random number.
const STEPS: u32 = 256;

/// The directional albedo, by visible normals (Dupuy and Benyoub 2023): the mean of F × G2 / G1.
fn albedo(cosine: f64, roughness: f64) -> f64 {
    let alpha = (roughness * roughness).max(1.0 / 1024.0);
    let n_v = cosine.max(1e-4);
    let v = [(1.0 - n_v * n_v).sqrt(), n_v];
    let length = (alpha * alpha * v[0] * v[0] + v[1] * v[1]).sqrt();
    let stretched = [alpha * v[0] / length, v[1] / length];
    let root = |c: f64| (alpha * alpha + (1.0 - alpha * alpha) * c * c).sqrt();
    let number = |i: u32| (f64::from(i) + 0.5) / f64::from(STEPS);
    let mut sum = 0.0;
    for i in 0..STEPS {
        let phi = std::f64::consts::TAU * number(i);
        for j in 0..STEPS {
            let z = (1.0 - number(j)) * (1.0 + stretched[1]) - stretched[1];
            let radius = (1.0 - z * z).max(0.0).sqrt();
            let h = [
                alpha * (radius * libm::cos(phi) + stretched[0]),
                alpha * radius * libm::sin(phi),
                (z + stretched[1]).max(0.0),
            ];
            let length = (h[0] * h[0] + h[1] * h[1] + h[2] * h[2]).sqrt();
            let v_h = (v[0] * h[0] + v[1] * h[2]) / length;
            let n_l = 2.0 * v_h * h[2] / length - v[1];
            if n_l > 0.0 {
                let fresnel = 0.04 + 0.96 * libm::pow(1.0 - v_h, 5.0);
                let shadowing = n_l * (n_v + root(n_v)) / (n_l * root(n_v) + n_v * root(n_l));
                sum += fresnel * shadowing;
            }
        }
    }
    sum / f64::from(STEPS * STEPS)
}

#[test]
fn the_albedo_is_its_integral() {
    for (j, row) in ALBEDO.iter().enumerate() {
        for (i, &bits) in row.iter().enumerate() {
            let exact =
                albedo(i as f64 / (COSINES - 1) as f64, j as f64 / (ROUGHNESSES - 1) as f64);
            let table = f64::from(f32::from_bits(bits));
            assert!((table - exact).abs() < 1e-6, "row {j}, entry {i}: {table}, not {exact}");
        }
    }
}

#[test]
fn the_average_is_that_of_its_row() {
    for (row, &bits) in ALBEDO.iter().zip(&AVERAGE) {
        let mean: f64 = (0..1000)
            .map(|i| {
                let cosine = (f64::from(i) + 0.5) / 1000.0;
                let place = cosine * (COSINES - 1) as f64;
                let left = (place.floor() as usize).min(COSINES - 2);
                let entry = |i: usize| f64::from(f32::from_bits(row[i]));
                let t = place - left as f64;
                2.0 * cosine * (entry(left) * (1.0 - t) + entry(left + 1) * t) / 1000.0
            })
            .sum();
        let table = f64::from(f32::from_bits(bits));
        assert!((table - mean).abs() < 1e-6, "{table}, not {mean}");
    }
}
