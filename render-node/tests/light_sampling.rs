//! Lights are drawn with the densities that are told, on scenes as they come from files.
//!
//! By Pearson's χ², as in the kernel's own tests of its BSDF: the environment over the map, the
//! emissive triangles over directions, and the table that chooses among lights.

#[path = "../../shaders/tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::f64::consts::{PI, TAU};
use support::{Fit, Random, fit};
use tessera_protocol::settings::{Background, Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber};
use tessera_reference::{PreparedFrame, Source};
use tessera_scenes::environment::{Packing, sky};
use tessera_scenes::model::{Material, Model, Node};
use tessera_scenes::shapes::card;
use tessera_shaders::cpu::Scene;
use tessera_shaders::cpu::environment::{environment_density, sample_environment};
use tessera_shaders::cpu::intersect::{Query, T_FAR, closest};
use tessera_shaders::cpu::light::{LightSample, hit_density, sample_light};
use tessera_shaders::cpu::math::{Vec3, unit3, vec3};
use tessera_shaders::cpu::surface::surface_at;
use tessera_shaders::layout::Light;

fn prepare(model: &Model, environment: Option<(&[u8], f32)>) -> PreparedFrame {
    let settings = RenderSettings {
        width: 8,
        height: 8,
        spp: 1,
        seed: 1,
        max_bounces: 1,
        camera: None,
        environment: environment.map(|(bytes, rotation_deg)| Environment {
            blob: BlobHash::of(bytes),
            strength: 1.0,
            rotation_deg,
        }),
        background: Background::Environment,
    };
    let environment = environment.map(|(bytes, _)| bytes);
    let mut source = Source::load(&model.to_glb(), environment).expect("it loads");
    source.frame(&settings, FrameNumber(0), 0.0).expect("it can be prepared")
}

const ROTATION_DEG: f32 = 37.0;

/// A dim, bluish sky with a sun 10^4 times as bright, turned.
fn sunny() -> PreparedFrame {
    let sun = [0.48f32, 0.6, -0.64];
    let map = sky(64, 32, Packing::Runs, |d| {
        let towards: f32 = (0..3).map(|i| d[i] * sun[i]).sum();
        if towards > 0.99 { [9e3, 8e3, 6e3] } else { [0.2, 0.3, 0.6 + 0.3 * d[1]] }
    });
    let mut model = Model::new();
    model.thing(card([0.0; 3], 1.0, 1.0), Material::default());
    prepare(&model, Some((&map, ROTATION_DEG)))
}

/// Where a direction meets the map before it was turned: the convention, in doubles.
fn on_map(d: Vec3) -> (f64, f64) {
    let [x, y, z] = [d.x, d.y, d.z].map(f64::from);
    let (sin, cos) = libm::sincos(f64::from(ROTATION_DEG).to_radians());
    // A map turned counter-clockwise seen from above is met by a look turned clockwise.
    let (x, z) = (x * cos - z * sin, x * sin + z * cos);
    (libm::atan2(z, x) / TAU + 0.5, libm::acos(y.clamp(-1.0, 1.0)) / PI)
}

/// The inverse.
fn from_map(u: f64, v: f64) -> Vec3 {
    let (sin_phi, cos_phi) = libm::sincos((u - 0.5) * TAU);
    let (sin_theta, cos_theta) = libm::sincos(v * PI);
    let (x, z) = (sin_theta * cos_phi, sin_theta * sin_phi);
    let (sin, cos) = libm::sincos(f64::from(ROTATION_DEG).to_radians());
    vec3((x * cos + z * sin) as f32, cos_theta as f32, (z * cos - x * sin) as f32)
}

/// Directions drawn by the sampler from the numbers that `numbers` gives, against the density
/// times `scale`. Bins are quarters of the map's cells.
fn environment_fit(scale: f64, numbers: impl Fn(&mut Random) -> (u32, u32, u32)) -> Fit {
    const SAMPLES: u64 = 2_000_000;
    const SIDE: usize = 8;
    let frame = sunny();
    let scene = Scene::new(&frame.scene, &frame.accel);
    let (width, height) =
        (2 * scene.frame.cells_width as usize, 2 * scene.frame.cells_height as usize);
    let mut density = vec![0.0; width * height];
    for (i, density) in density.iter_mut().enumerate() {
        for k in 0..SIDE * SIDE {
            let place = |bin: usize, sub: usize, of: usize| {
                (bin as f64 + (sub as f64 + 0.5) / SIDE as f64) / of as f64
            };
            let u = place(i % width, k % SIDE, width);
            let v = place(i / width, k / SIDE, height);
            // dω = 2π² sin θ du dv
            let solid_angle =
                2.0 * PI * PI * libm::sin(v * PI) / (width * height * SIDE * SIDE) as f64;
            *density +=
                f64::from(environment_density(&scene, from_map(u, v))) * solid_angle * scale;
        }
    }
    let mut counts = vec![0; density.len()];
    let mut random = Random(21);
    let mut other_cell = 0u64;
    for _ in 0..SAMPLES {
        let (row_bits, cell_bits, fill) = numbers(&mut random);
        let drawn = sample_environment(&scene, row_bits, cell_bits, fill);
        let told = environment_density(&scene, drawn.direction);
        other_cell += u64::from((told - drawn.density).abs() > 1e-3 * told);
        let (u, v) = on_map(drawn.direction);
        let bin = |x: f64, of: usize| ((x * of as f64) as usize).min(of - 1);
        counts[bin(v, height) * width + bin(u, width)] += 1;
    }
    // Rounding may put a direction at a cell's edge into the next one, but hardly ever.
    assert!(other_cell < SAMPLES / 1000, "{other_cell} directions have two densities");
    fit(&counts, &density, SAMPLES)
}

fn independent(random: &mut Random) -> (u32, u32, u32) {
    let row_bits = random.bits24();
    let cell_bits = random.bits24();
    (row_bits, cell_bits, random.bits() as u32)
}

#[test]
fn the_environment_is_drawn_with_the_density_that_is_told() {
    let fit = environment_fit(1.0, independent);
    assert!(fit.is_good(), "{fit:?}");
}

#[test]
fn a_wrong_density_or_dependent_numbers_are_found_out_on_the_environment() {
    assert!(!environment_fit(1.1, independent).is_good());
    assert!(!environment_fit(1.0 / 1.1, independent).is_good());
    let dependent = |random: &mut Random| {
        let bits = random.bits24();
        (bits, bits, random.bits() as u32)
    };
    assert!(!environment_fit(1.0, dependent).is_good());
}

/// A stretched panel of two triangles and a triangle of another radiance, all before `FROM` and
/// none hiding another.
fn panels() -> PreparedFrame {
    let mut model = Model::new();
    let glow = model.material(Material::lamp([3.0, 2.0, 1.0]));
    let unit = model.shape(card([0.0; 3], 1.0, 1.0), glow);
    let slanted = tessera_scenes::maths::turn([0.2, 1.0, 0.1], 35.0);
    model.node(Node::mesh(unit).at([-0.7, 0.3, -2.0]).turned(slanted).stretched([1.6, 0.7, 1.0]));
    let mut half = card([0.9, -0.3, -1.5], 1.0, 1.2);
    half.indices.truncate(3);
    model.thing(half, Material::lamp([0.5, 4.0, 0.5]));
    prepare(&model, None)
}

/// Drawn from here, in the units of the file.
const FROM: [f64; 3] = [0.1, -0.2, 0.3];

/// A grid over the directions that look along -Z: x and y at distance 1, both within ±`REACH`.
const REACH: f64 = 1.5;
const BINS: usize = 40;

fn on_grid(d: Vec3) -> Option<usize> {
    let place = |x: f32| f64::from(x) / -f64::from(d.z) / REACH * 0.5 + 0.5;
    let (x, y) = (place(d.x), place(d.y));
    let inside = d.z < 0.0 && (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
    inside.then(|| (y * BINS as f64) as usize * BINS + (x * BINS as f64) as usize)
}

/// The density of hitting each bin's directions, and what each light has of it.
fn panel_density(scene: &Scene<'_>, from: Vec3) -> (Vec<f64>, Vec<f64>) {
    const SIDE: usize = 80;
    let mut bins = vec![0.0; BINS * BINS];
    let mut shares = vec![0.0; scene.lights.len()];
    let steps = BINS * SIDE;
    for i in 0..steps * steps {
        let place = |k: usize| ((k as f64 + 0.5) / steps as f64 * 2.0 - 1.0) * REACH;
        let (x, y) = (place(i % steps), place(i / steps));
        let direction = unit3(vec3(x as f32, y as f32, -1.0));
        let query = Query { origin: from, direction, t_max: T_FAR, alpha_seed: 0 };
        let Some(hit) = closest(scene, &query) else { continue };
        let surface = surface_at(scene, &hit, direction);
        let density = hit_density(scene, &surface, hit.instance, hit.triangle, direction, hit.t);
        let step = 2.0 * REACH / steps as f64;
        let solid_angle = step * step / libm::pow(1.0 + x * x + y * y, 1.5);
        let share = f64::from(density) * solid_angle;
        bins[i / steps / SIDE * BINS + i % steps / SIDE] += share;
        let instance = &scene.instances[hit.instance as usize];
        shares[(instance.first_light + hit.triangle - instance.first_triangle) as usize] += share;
    }
    (bins, shares)
}

fn draw(scene: &Scene<'_>, from: Vec3, random: &mut Random) -> LightSample {
    let choice = random.unit();
    let bits = random.bits24();
    let u = random.unit();
    sample_light(scene, from, choice, bits, u, random.unit())
}

#[test]
fn emissive_triangles_are_drawn_with_the_density_that_is_told() {
    const SAMPLES: u64 = 100_000;
    let frame = panels();
    let scene = Scene::new(&frame.scene, &frame.accel);
    let unit = 2f64.powi(scene.frame.scale_log2);
    let from = Vec3::from_array(FROM.map(|x| (x * unit) as f32));
    let (density, shares) = panel_density(&scene, from);

    // All of each light is seen from there, so the density over it is the chance of its choice.
    for (i, (light, share)) in scene.lights.iter().zip(&shares).enumerate() {
        let chance = f64::from(light.probability);
        assert!((share - chance).abs() < 2e-3, "light {i}: {share}, chosen with {chance}");
    }
    let lights = scene.lights.iter().filter(|light| light.probability > 0.0);
    assert_eq!(lights.count(), 3);

    let count = |draw: &dyn Fn(&mut Random) -> LightSample| {
        let mut counts = vec![0; density.len()];
        let mut random = Random(22);
        for _ in 0..SAMPLES {
            let drawn = draw(&mut random);
            let bin = on_grid(drawn.direction).expect("every light is on the grid");
            counts[bin] += 1;
        }
        counts
    };
    let right = count(&|random| draw(&scene, from, random));
    let good = fit(&right, &density, SAMPLES);
    assert!(good.is_good(), "{good:?}");

    let scaled = |by: f64| density.iter().map(|d| d * by).collect::<Vec<_>>();
    assert!(!fit(&right, &scaled(1.1), SAMPLES).is_good());
    assert!(!fit(&right, &scaled(1.0 / 1.1), SAMPLES).is_good());
    let dependent = count(&|random| {
        let (choice, bits, u) = (random.unit(), random.bits24(), random.unit());
        sample_light(&scene, from, choice, bits, u, u)
    });
    assert!(!fit(&dependent, &density, SAMPLES).is_good());
}

#[test]
fn lights_are_chosen_as_often_as_they_say() {
    const SAMPLES: u64 = 1_000_000;
    let mut model = Model::new();
    model.thing(card([0.0; 3], 1.0, 1.0), Material::default());
    let mut random = Random(23);
    for i in 0..100u8 {
        // Powers over four decades.
        let intensity = random.magnitude(-2.0, 2.0) as f32;
        model.point_lamp([f32::from(i % 10), 1.0, f32::from(i / 10)], intensity);
    }
    let frame = prepare(&model, None);
    let scene = Scene::new(&frame.scene, &frame.accel);
    let probabilities: Vec<f64> =
        scene.lights.iter().map(|light| f64::from(light.probability)).collect();
    // From the origin, the way to a lamp is where it stands.
    let bits = |p: [f32; 3]| p.map(f32::to_bits);
    let lamps: HashMap<[u32; 3], usize> = scene
        .lights
        .iter()
        .enumerate()
        .filter(|(_, light)| light.kind == Light::POINT && light.probability > 0.0)
        .map(|(i, light)| (bits(light.position), i))
        .collect();
    assert_eq!(lamps.len(), 100);
    let count = |draw: &dyn Fn(&mut Random) -> LightSample| {
        let mut counts = vec![0; probabilities.len()];
        let mut random = Random(24);
        for _ in 0..SAMPLES {
            let drawn = draw(&mut random);
            let d = drawn.direction;
            let lamp = lamps[&bits([d.x, d.y, d.z])];
            assert_eq!(f64::from(drawn.density), probabilities[lamp]);
            counts[lamp] += 1;
        }
        counts
    };
    let right = count(&|random| draw(&scene, Vec3::ZERO, random));
    let good = fit(&right, &probabilities, SAMPLES);
    assert!(good.is_good(), "{good:?}");

    let scaled: Vec<f64> = probabilities.iter().map(|p| p * 1.1).collect();
    assert!(!fit(&right, &scaled, SAMPLES).is_good());
    let dependent = count(&|random| {
        let bits = random.bits24();
        sample_light(&scene, Vec3::ZERO, bits as f32 / 16_777_216.0, bits, 0.5, 0.5)
    });
    assert!(!fit(&dependent, &probabilities, SAMPLES).is_good());
}
