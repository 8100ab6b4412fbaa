//! The BSDF's sampler draws what its density says, and reflects no more than it may.
//!
//! Samplers by Pearson's χ²: directions are sorted into bins and counted against the density
//! integrated over each bin. Bins are those of the half vector, so that the
//! narrowest lobe fills many, from however far aside it is seen. What falls below the horizon, where nothing is reflected,
//! is a bin of its own. Albedos by two ways that share nothing but the BSDF's value: quadrature,
//! and the sampler's own estimate.
#![allow(clippy::disallowed_methods, reason = "no bit of a result is compared here")]

mod support;

use bytemuck::Zeroable;
use std::f64::consts::{PI, TAU};
use support::{Fit, Random, fit};
use tessera_shaders::albedo;
use tessera_shaders::cpu::bsdf::{self, Evaluation};
use tessera_shaders::cpu::math::{Vec3, vec3};
use tessera_shaders::cpu::surface::Surface;
use tessera_shaders::layout::Frame;

/// The kernel's BSDF with the tables it reads.
struct Bsdf {
    frame: Frame,
    inner: bsdf::Bsdf,
}

impl Bsdf {
    fn new(surface: &Surface, viewer: Vec3) -> Self {
        let (albedo, albedo_average) = albedo::tables();
        let frame = Frame { albedo, albedo_average, ..Frame::zeroed() };
        Self { inner: bsdf::Bsdf::new(&frame, surface, viewer), frame }
    }

    fn evaluate(&self, light: Vec3) -> Evaluation {
        self.inner.evaluate(&self.frame, light)
    }

    fn sample(&self, choice: f32, u: f32, v: f32) -> Vec3 {
        self.inner.sample(choice, u, v)
    }
}

/// A surface of one colour. `f0` is a dielectric's 0.04 or a metal's colour.
fn surface(diffuse: f32, f0: f32, alpha: f32) -> Surface {
    Surface {
        position: Vec3::ZERO,
        geometric_normal: vec3(0.0, 0.0, 1.0),
        shading_normal: vec3(0.0, 0.0, 1.0),
        offset: 0.0,
        diffuse: vec3(diffuse, diffuse, diffuse),
        f0: vec3(f0, f0, f0),
        alpha,
        unlit: false,
        emission: Vec3::ZERO,
        area: 0.0,
    }
}

fn dielectric(base: f32, alpha: f32) -> Surface {
    surface(base, 0.04, alpha)
}

fn metal(base: f32, alpha: f32) -> Surface {
    surface(0.0, base, alpha)
}

/// The viewer at this cosine from the normal, to one side.
fn viewer(cos: f64) -> Vec3 {
    let sin = (1.0 - cos * cos).max(0.0).sqrt();
    let (s, c) = (0.8f64.sin(), 0.8f64.cos());
    vec3((sin * c) as f32, (sin * s) as f32, cos as f32)
}

/// From smooth to rough: the least α of the kernel, a gloss, a satin, the roughest.
const ALPHAS: [f32; 4] = [1.0 / 1024.0, 0.03, 0.3, 1.0];
/// From above to the least cosine that shading allows.
const COSINES: [f64; 4] = [1.0, 0.7, 0.15, 1.0 / 128.0];

/// Bins of directions to the light by the half vector that mirrors them: rings about the normal,
/// narrow where GGX's lobe is, and spokes.
struct Bins {
    viewer: [f64; 3],
    /// The width of the innermost ring, in radians times the number of rings.
    core: f64,
}

const RINGS: usize = 40;
const SPOKES: usize = 24;

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Bins {
    fn new(surface: &Surface, viewer: Vec3) -> Self {
        let core = 0.5 * f64::from(surface.alpha);
        Self { viewer: [viewer.x, viewer.y, viewer.z].map(f64::from), core }
    }

    /// ln(1 + θ / core) is cut into rings of the same width.
    fn log_span(&self) -> f64 {
        (1.0 + PI / 2.0 / self.core).ln()
    }

    fn bin(&self, d: Vec3) -> usize {
        let d = [d.x, d.y, d.z].map(f64::from);
        let h: [f64; 3] = std::array::from_fn(|i| d[i] + self.viewer[i]);
        let theta = (h[0] * h[0] + h[1] * h[1]).sqrt().atan2(h[2]);
        let ring = (1.0 + theta / self.core).ln() / self.log_span() * RINGS as f64;
        let spoke = (h[1].atan2(h[0]) / TAU + 0.5) * SPOKES as f64;
        (ring as usize).min(RINGS - 1) * SPOKES + (spoke as usize).min(SPOKES - 1)
    }

    /// The integral of `f` over the directions of each bin, by `side` × `side` middle points.
    fn integrate(&self, side: usize, f: impl Fn(Vec3) -> f64) -> Vec<f64> {
        let mut integrals = vec![0.0; RINGS * SPOKES];
        let (rings, spokes) = (RINGS * side, SPOKES * side);
        let area = self.log_span() / rings as f64 * TAU / spokes as f64;
        for ring in 0..rings {
            let stretched = ((ring as f64 + 0.5) / rings as f64 * self.log_span()).exp();
            let theta = self.core * (stretched - 1.0);
            for spoke in 0..spokes {
                let phi = ((spoke as f64 + 0.5) / spokes as f64 - 0.5) * TAU;
                let h = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()];
                let v_h = dot(self.viewer, h);
                let d: [f64; 3] = std::array::from_fn(|i| 2.0 * v_h * h[i] - self.viewer[i]);
                if v_h <= 0.0 || d[2] <= 0.0 {
                    continue;
                }
                // dω of the light is 4 (v·h) dω of the half vector; dθ is core × stretched × d ln.
                let weight = 4.0 * v_h * theta.sin() * self.core * stretched * area;
                let value = f(vec3(d[0] as f32, d[1] as f32, d[2] as f32));
                integrals[ring / side * SPOKES + spoke / side] += value * weight;
            }
        }
        integrals
    }
}

const SAMPLES: u64 = 400_000;

/// How well the directions that `draw` makes of random numbers fit the density times `scale`.
fn sampler_fit(
    surface: &Surface,
    viewer: Vec3,
    scale: f64,
    seed: u64,
    draw: impl Fn(&Bsdf, &mut Random) -> Vec3,
) -> Fit {
    let bsdf = Bsdf::new(surface, viewer);
    let bins = Bins::new(surface, viewer);
    let density = bins.integrate(24, |d| f64::from(bsdf.evaluate(d).density) * scale);
    let mut counts = vec![0; density.len()];
    let mut random = Random(seed);
    for _ in 0..SAMPLES {
        let direction = draw(&bsdf, &mut random);
        if bsdf.evaluate(direction).density > 0.0 {
            counts[bins.bin(direction)] += 1;
        }
    }
    fit(&counts, &density, SAMPLES)
}

fn as_it_is(bsdf: &Bsdf, random: &mut Random) -> Vec3 {
    let choice = random.unit();
    let u = random.unit();
    bsdf.sample(choice, u, random.unit())
}

#[test]
fn directions_are_drawn_with_the_density_that_is_told() {
    let mut seed = 0;
    for alpha in ALPHAS {
        for cos in COSINES {
            for surface in [dielectric(0.7, alpha), metal(0.9, alpha)] {
                seed += 1;
                let fit = sampler_fit(&surface, viewer(cos), 1.0, seed, as_it_is);
                assert!(fit.is_good(), "α {alpha}, cosine {cos}, {:?}: {fit:?}", surface.f0);
            }
        }
    }
}

#[test]
fn a_density_that_is_ten_per_cent_off_is_found_out() {
    for alpha in ALPHAS {
        for surface in [dielectric(0.7, alpha), metal(0.9, alpha)] {
            for scale in [1.1, 1.0 / 1.1] {
                let fit = sampler_fit(&surface, viewer(0.7), scale, 1, as_it_is);
                assert!(!fit.is_good(), "α {alpha}, {:?}, × {scale}: {fit:?}", surface.f0);
            }
        }
    }
}

#[test]
fn numbers_that_know_of_each_other_are_found_out() {
    let lobe_and_place = |bsdf: &Bsdf, random: &mut Random| {
        let choice = random.unit();
        bsdf.sample(choice, random.unit(), choice)
    };
    let around_and_out = |bsdf: &Bsdf, random: &mut Random| {
        let (choice, u) = (random.unit(), random.unit());
        bsdf.sample(choice, u, u)
    };
    let surface = dielectric(0.7, 0.3);
    assert!(!sampler_fit(&surface, viewer(0.7), 1.0, 1, lobe_and_place).is_good());
    assert!(!sampler_fit(&surface, viewer(0.7), 1.0, 1, around_and_out).is_good());
    assert!(sampler_fit(&surface, viewer(0.7), 1.0, 1, as_it_is).is_good());
}

/// The share of even light that reaches the viewer, by quadrature.
fn albedo(surface: &Surface, viewer: Vec3) -> f64 {
    let bsdf = Bsdf::new(surface, viewer);
    Bins::new(surface, viewer).integrate(12, |d| f64::from(bsdf.evaluate(d).value.x)).iter().sum()
}

/// The same by the sampler: the mean of value over density, and its standard error.
fn sampled_albedo(surface: &Surface, viewer: Vec3, seed: u64) -> (f64, f64) {
    const N: u32 = 200_000;
    let bsdf = Bsdf::new(surface, viewer);
    let mut random = Random(seed);
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..N {
        let evaluation = bsdf.evaluate(as_it_is(&bsdf, &mut random));
        if evaluation.density > 0.0 {
            let estimate = f64::from(evaluation.value.x) / f64::from(evaluation.density);
            sum += estimate;
            squares += estimate * estimate;
        }
    }
    let mean = sum / f64::from(N);
    (mean, ((squares / f64::from(N) - mean * mean) / f64::from(N)).sqrt())
}

#[test]
fn sampling_and_quadrature_find_the_same_albedo() {
    let mut seed = 100;
    for alpha in ALPHAS {
        for cos in COSINES {
            for surface in [dielectric(1.0, alpha), metal(1.0, alpha)] {
                seed += 1;
                let exact = albedo(&surface, viewer(cos));
                let (sampled, error) = sampled_albedo(&surface, viewer(cos), seed);
                let off = (sampled - exact).abs();
                assert!(
                    off < 4.5 * error + 2e-3 * exact,
                    "α {alpha}, cosine {cos}, {:?}: {sampled} ± {error}, {exact}",
                    surface.f0
                );
            }
        }
    }
}

/// Rougher and slanted more finely than the samplers are tried.
fn every_surface(mut check: impl FnMut(f32, f64)) {
    for alpha in [1.0 / 1024.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0] {
        for cos in [1.0, 0.9, 0.7, 0.5, 0.3, 0.15, 0.05, 1.0 / 128.0] {
            check(alpha, cos);
        }
    }
}

/// How far a dielectric's albedo may be off: its table is linear between 32 cosines and 16
/// roughnesses, and a smooth coat's albedo rises steeply within the last steps to the rim.
fn table_error(alpha: f32, cos: f64) -> f64 {
    match (alpha < 0.1, cos < 0.1) {
        (true, true) => 0.05,
        (true, false) => 5e-3,
        (false, _) => 2.5e-3,
    }
}

#[test]
fn no_surface_reflects_more_than_it_gets() {
    every_surface(|alpha, cos| {
        for base in [0.0, 0.5, 1.0] {
            for metallic in [0.0, 0.5, 1.0] {
                let f0 = 0.04 * (1.0 - metallic) + base * metallic;
                let surface = surface(base * (1.0 - metallic), f0, alpha);
                let most = 1.0 + (1.0 - f64::from(metallic)) * table_error(alpha, cos) + 1e-4;
                let albedo = albedo(&surface, viewer(cos));
                assert!(
                    albedo < most,
                    "α {alpha}, cosine {cos}, base {base}, metallic {metallic}: {albedo}"
                );
            }
        }
    });
}

/// A white dielectric in even light cannot be seen, however rough: what the coat does not reflect
/// comes back from below.
#[test]
fn a_white_dielectric_is_a_furnace() {
    every_surface(|alpha, cos| {
        let white = albedo(&dielectric(1.0, alpha), viewer(cos));
        let error = table_error(alpha, cos);
        assert!((white - 1.0).abs() < error, "α {alpha}, cosine {cos}: {white}");
        // A base that is two per cent too dark would be seen where the table is good.
        let dim = albedo(&dielectric(0.98, alpha), viewer(cos));
        let seen = (dim - 1.0).abs() > error;
        assert!(seen || cos < 0.4, "α {alpha}, cosine {cos}: {dim}");
    });
}

/// Where the table errs by per cents there is next to no light: over all directions the error is
/// nothing.
#[test]
fn light_from_everywhere_to_everywhere_is_kept() {
    for alpha in [1.0 / 1024.0, 0.01, 0.03, 0.3, 1.0] {
        const STEPS: u32 = 40;
        let mean: f64 = (0..STEPS)
            .map(|i| {
                // Even steps of the squared cosine have even weight.
                let cos = ((f64::from(i) + 0.5) / f64::from(STEPS)).sqrt();
                albedo(&dielectric(1.0, alpha), viewer(cos)) / f64::from(STEPS)
            })
            .sum();
        assert!((mean - 1.0).abs() < 1e-3, "α {alpha}: {mean}");
    }
}

/// A smooth white metal's Fresnel term is 1 and its shadowing nothing.
#[test]
fn a_smooth_white_metal_is_a_furnace() {
    for cos in [1.0, 0.7, 0.5, 0.15] {
        let mirror = albedo(&metal(1.0, 1.0 / 1024.0), viewer(cos));
        assert!((mirror - 1.0).abs() < 2e-3, "cosine {cos}: {mirror}");
    }
}

/// f(a, b) = f(b, a), where `evaluate` gives f × the cosine of its argument.
#[test]
fn light_goes_both_ways_alike() {
    let mut random = Random(7);
    let mut asymmetric = 0;
    for _ in 0..20_000 {
        let mut above = || loop {
            let d = random.direction();
            if d[2] > 0.02 {
                return vec3(d[0] as f32, d[1] as f32, d[2] as f32);
            }
        };
        let (a, b) = (above(), above());
        let alpha = random.between(0.02, 1.0) as f32;
        let surface = surface(random.unit(), random.unit(), alpha);
        let there = Bsdf::new(&surface, a).evaluate(b);
        let back = Bsdf::new(&surface, b).evaluate(a);
        let (there_f, back_f) =
            (f64::from(there.value.x) / f64::from(b.z), f64::from(back.value.x) / f64::from(a.z));
        assert!(
            (there_f - back_f).abs() <= 1e-4 * there_f.max(back_f),
            "{a:?} {b:?} α {alpha}: {there_f} {back_f}"
        );
        // Value × cosine and the density are not symmetric: the comparison can tell.
        let lopsided = (there.value.x - back.value.x).abs() > 1e-2 * there.value.x;
        asymmetric += u32::from(lopsided);
    }
    assert!(asymmetric > 15_000, "{asymmetric}");
}
