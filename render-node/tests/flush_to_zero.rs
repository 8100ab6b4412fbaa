//! A device that takes denormals for 0 gets the same integers as one that does not.
//!
//! The processor is told to do as such a device does (bits FTZ and DAZ of MXCSR), and the twin
//! renders every conformance scene, and random ones full of extreme numbers, both ways.
#![cfg(target_arch = "x86_64")]

#[path = "../../shaders/tests/support/mod.rs"]
mod support;

use render_node::render::conformance::settings_of;
use std::arch::asm;
use std::hint::black_box;
use support::Random;
use tessera_protocol::settings::{Background, Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber};
use tessera_reference::{PreparedFrame, Source};
use tessera_scenes::conformance;
use tessera_scenes::environment::{Packing, encode};
use tessera_scenes::maths::turn;
use tessera_scenes::model::{Alpha, Lamp, LampKind, Material, Model, Node};
use tessera_scenes::shapes::{card, cuboid, floor, sphere};
use tessera_shaders::cpu::Scene;
use tessera_shaders::cpu::bsdf::Bsdf;
use tessera_shaders::cpu::camera::camera_ray;
use tessera_shaders::cpu::intersect::{Query, T_FAR, closest};
use tessera_shaders::cpu::math::{INVERSE_PI, TINY, Vec3, basis, div, dot3, root, unit3, vec3};
use tessera_shaders::cpu::surface::surface_at;
use tessera_shaders::sums::{Sums, pixel_sums};

/// While it lives, this thread's arithmetic takes denormals for 0, as operands and as results.
struct FlushToZero {
    before: u32,
}

impl FlushToZero {
    /// Bit 15 flushes results, bit 6 operands.
    const BITS: u32 = 1 << 15 | 1 << 6;

    fn new() -> Self {
        let mut before = 0u32;
        // SAFETY: stores the thread's control word into a local variable.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack)) };
        Self::set(before | Self::BITS);
        Self { before }
    }

    fn set(word: u32) {
        // SAFETY: loads a control word that differs from a valid one in FTZ and DAZ at most: no
        // exception is unmasked and rounding stays. The compiler assumes neither bit, so it may
        // compute a denormal where the processor would not; what this file calls in between hides
        // its numbers from the compiler, and where it does not, the bits change nothing by the
        // very claim under test. `Drop` restores the word.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
    }
}

impl Drop for FlushToZero {
    fn drop(&mut self) {
        Self::set(self.before);
    }
}

/// What `f` gives where denormals are 0.
#[inline(never)]
fn flushing<T>(f: impl FnOnce() -> T) -> T {
    let _guard = FlushToZero::new();
    black_box(black_box(f)())
}

#[inline(never)]
fn sums(frame: &PreparedFrame, spp: u32) -> Vec<Sums> {
    let scene = Scene::new(&frame.scene, &frame.accel);
    let (width, height) = (frame.scene.frame.width, frame.scene.frame.height);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels.map(|(x, y)| pixel_sums(black_box(&scene), x, y, 0..spp)).collect()
}

/// The first pixel that differs.
fn difference(frame: &PreparedFrame, spp: u32) -> Option<(usize, Sums, Sums)> {
    let kept = sums(frame, spp);
    let flushed = flushing(|| sums(frame, spp));
    let differs = kept.iter().zip(&flushed).position(|(kept, flushed)| kept != flushed)?;
    Some((differs, kept[differs], flushed[differs]))
}

fn conformance_frame(name: &str) -> (PreparedFrame, u32) {
    let scenes = conformance();
    let scene = scenes.iter().find(|scene| scene.name == name).expect("the scene exists");
    (prepare(scene), scene.spp)
}

fn prepare(scene: &tessera_scenes::Scene) -> PreparedFrame {
    let mut source = Source::load(&scene.glb, scene.environment.as_deref()).expect("it loads");
    source.frame(&settings_of(scene), FrameNumber(0), scene.time_s).expect("it can be prepared")
}

#[test]
fn conformance_scenes_do_not_know_whether_denormals_are_flushed() {
    for scene in conformance() {
        let difference = difference(&prepare(&scene), scene.spp);
        assert_eq!(difference, None, "{}", scene.name);
    }
}

fn magnitude(random: &mut Random, lo: i32, hi: i32) -> f32 {
    random.magnitude(f64::from(lo), f64::from(hi)) as f32
}

fn colour(random: &mut Random, lo: i32, hi: i32) -> [f32; 3] {
    std::array::from_fn(|_| match random.below(4) {
        0 => 0.0,
        1 => random.unit(),
        _ => magnitude(random, lo, hi),
    })
}

fn place(random: &mut Random, reach: f32) -> [f32; 3] {
    std::array::from_fn(|_| (random.unit() - 0.5) * 2.0 * reach)
}

fn random_material(random: &mut Random) -> Material {
    let base = colour(random, -38, 0);
    let roughness = if random.below(2) == 0 { magnitude(random, -20, 0) } else { 0.7 };
    let mut material = match random.below(3) {
        0 => Material::matt(base),
        1 => Material::metal(base, roughness),
        _ => Material::lamp(colour(random, -38, 38)),
    };
    material.double_sided = random.below(2) == 0;
    if random.below(4) == 0 {
        material.base[3] = magnitude(random, -30, 0);
        material.alpha = Alpha::Blend;
    }
    material
}

/// A floor and a few things of all sizes and colours under lamps of all powers.
fn random_model(random: &mut Random) -> Model {
    let mut model = Model::new();
    let reach = magnitude(random, -9, 9);
    model.thing(floor([0.0; 3], 4.0 * reach, 4.0 * reach), random_material(random));
    for _ in 0..2 + random.below(4) {
        // Large by its vertices and small by its node, or the reverse.
        let (size, mesh) = (reach * magnitude(random, -4, 0), magnitude(random, -9, 9));
        let shape = match random.below(3) {
            0 => card([0.0; 3], mesh, mesh),
            1 => cuboid([mesh, mesh * 0.5, mesh * magnitude(random, -6, 0)]),
            _ => sphere(mesh, 6, 8),
        };
        let material = model.material(random_material(random));
        let shape = model.shape(shape, material);
        let angle = random.unit() * 360.0;
        let node = Node::mesh(shape).at(place(random, reach)).turned(turn([0.3, 1.0, 0.2], angle));
        model.node(node.stretched([size / mesh; 3]));
    }
    for _ in 0..random.below(3) {
        let kind = match random.below(3) {
            0 => LampKind::Point,
            1 => LampKind::Directional,
            _ => LampKind::Spot { inner_deg: 1.0, outer_deg: 40.0 },
        };
        let colour = colour(random, -38, 0);
        let lamp = Lamp { kind, colour, intensity: magnitude(random, -38, 38) };
        model.lamp(lamp, place(random, 2.0 * reach), [0.0; 3]);
    }
    let from = [0.3 * reach, 1.2 * reach, 3.0 * reach];
    model.camera(from, [0.0; 3], 50.0);
    if random.below(2) == 0 {
        // A glare at the camera itself, on dark smooth metal: where half vector and view are the
        // same, Schlick's term vanishes, and what is left are products of small numbers.
        model.point_lamp(from, magnitude(random, 30, 38));
        let dim = colour(random, -30, -20).map(|x| if x > 1e-10 { 0.0 } else { x });
        let metal = model.material(Material::metal(dim, 0.05 + 0.3 * random.unit()));
        let shape = model.shape(card([0.0; 3], 4.0, 4.0), metal);
        let slant = turn([random.unit(), 1.0, 0.0], 20.0 + 60.0 * random.unit());
        model.node(Node::mesh(shape).at([0.0; 3]).turned(slant).stretched([reach; 3]));
    }
    model
}

/// A frame of a random scene; `None` where the scene is refused, as numbers out of range are.
fn random_frame(random: &mut Random, spp: u32) -> Option<PreparedFrame> {
    let glb = random_model(random).to_glb();
    let environment = (random.below(2) == 0).then(|| {
        let mut texels = Vec::new();
        texels.resize_with(16 * 8, || colour(random, -38, 38));
        encode(16, 8, Packing::Flat, |x, y| texels[(y * 16 + x) as usize])
    });
    let settings = RenderSettings {
        width: 14,
        height: 14,
        spp,
        seed: random.below(1 << 30),
        max_bounces: 4,
        camera: None,
        environment: environment.as_deref().map(|bytes| Environment {
            blob: BlobHash::of(bytes),
            strength: magnitude(random, -38, 6),
            rotation_deg: random.unit() * 360.0,
        }),
        background: Background::Environment,
    };
    let mut source = Source::load(&glb, environment.as_deref()).ok()?;
    source.frame(&settings, FrameNumber(0), 0.0).ok()
}

#[test]
fn extreme_scenes_do_not_know_whether_denormals_are_flushed() {
    const SPP: u32 = 3;
    let mut random = Random(1);
    let (mut rendered, mut lit, mut refused) = (0, 0, 0);
    while rendered < 200 {
        let state = random.0;
        let Some(frame) = random_frame(&mut random, SPP) else {
            refused += 1;
            assert!(refused < 200, "{rendered} scenes rendered, {refused} refused");
            continue;
        };
        rendered += 1;
        let difference = difference(&frame, SPP);
        assert_eq!(difference, None, "the scene that Random({state}) begins");
        let light = sums(&frame, SPP).iter().any(|[r, g, b, _]| r + g + b > 0);
        lit += u32::from(light);
    }
    println!("{rendered} scenes, {lit} of them not black; {refused} refused");
    assert!(lit > 100, "only {lit} scenes show anything");
}

#[test]
fn the_processor_does_flush_here() {
    let chain = || black_box(black_box(1e-20f32) * black_box(1e-20f32)) * black_box(1e38f32);
    let kept = chain();
    assert!(kept > 0.0);
    assert_eq!(flushing(chain), 0.0);
    assert_eq!(chain(), kept, "and no longer afterwards");
}

/// A number that the canonical scene never holds reaches a pixel: the comparison sees it.
#[test]
fn a_denormal_that_was_not_flushed_is_found_out() {
    let (mut frame, spp) = conformance_frame("inner-scales");
    let first = frame.scene.frame.environment_texel as usize;
    let texels = std::sync::Arc::make_mut(&mut frame.scene.texels);
    // The brightest that the map can hold.
    texels[first..].fill(u32::from_le_bytes([200, 200, 200, 254]));
    frame.scene.frame.environment_strength = TINY;
    assert_eq!(difference(&frame, spp), None);
    frame.scene.frame.environment_strength = 1e-39;
    assert!(difference(&frame, spp).is_some());
}

/// BSDF × cosine of a black metal towards `light`, as the kernel has it but never flushed.
#[inline(never)]
fn unflushed_black_metal(alpha: f32, viewer: Vec3, light: Vec3) -> f32 {
    let dot = |a: Vec3, b: Vec3| (a.x * b.x + a.y * b.y) + a.z * b.z;
    let half = light + viewer;
    let half = half * div(1.0, root(dot(half, half)));
    let m = 1.0 - dot(half, viewer);
    let m = if m > 0.0 { m } else { 0.0 };
    let m2 = m * m;
    let weight = (m2 * m2) * m;
    let a2 = alpha * alpha;
    let d = (half.x * half.x + half.y * half.y) + a2 * (half.z * half.z);
    let distribution = (a2 * INVERSE_PI) / (d * d);
    let root_v = root(a2 + (1.0 - a2) * (viewer.z * viewer.z));
    let root_l = root(a2 + (1.0 - a2) * (light.z * light.z));
    let visibility = 0.5 / (light.z * root_v + viewer.z * root_l);
    (weight * (distribution * visibility)) * light.z
}

/// The scene that is named for it makes numbers below 2^-100 that would be seen if they were kept.
#[test]
fn the_denormal_trap_springs() {
    let (frame, _) = conformance_frame("denormal-trap");
    let scene = Scene::new(&frame.scene, &frame.accel);
    let lamp = frame.scene.lights.iter().find(|light| light.probability > 0.0).expect("a lamp");
    let (mut below, mut seen, mut denormal) = (0, 0, 0);
    let side = 4 * frame.scene.frame.width;
    for place in 0..side * side {
        let jitter = |k: u32| (k % 4) as f32 * 0.25 + 0.125;
        let (x, y) = (place % side, place / side);
        let (_, direction) = camera_ray(&scene, x / 4, y / 4, jitter(x), jitter(y));
        let origin = Vec3::from_array(frame.scene.frame.camera_origin);
        let query = Query { origin, direction, t_max: T_FAR, alpha_seed: 0 };
        let Some(hit) = closest(&scene, &query) else { continue };
        let surface = surface_at(&scene, &hit, direction);
        let normal = surface.shading_normal;
        let (tangent, bitangent) = basis(normal);
        let local = |d: Vec3| vec3(dot3(tangent, d), dot3(bitangent, d), dot3(normal, d));
        let to_lamp = Vec3::from_array(lamp.position) - surface.position;
        let (viewer, light) = (local(-direction), local(unit3(to_lamp)));
        if surface.f0 != Vec3::ZERO || light.z <= 0.0 {
            continue;
        }
        let kept = unflushed_black_metal(surface.alpha, viewer, light);
        let flushed = flushing(|| unflushed_black_metal(surface.alpha, viewer, light));
        denormal += u32::from(flushed.to_bits() != kept.to_bits());
        if kept > 0.0 && kept < TINY {
            below += 1;
            let irradiance = lamp.intensity[0] / dot3(to_lamp, to_lamp);
            seen += u32::from(kept * irradiance > 2f32.powi(-24));
            let bsdf = Bsdf::new(&frame.scene.frame, &surface, viewer);
            let evaluation = bsdf.evaluate(&frame.scene.frame, light);
            assert_eq!(evaluation.value, Vec3::ZERO, "the kernel flushes at {x},{y}");
        }
    }
    println!("{below} below 2^-100, {seen} of them bright; {denormal} depend on the device");
    assert!(seen > 100, "of {below} numbers below 2^-100 only {seen} would be seen");
    assert!(denormal > 100, "only {denormal} numbers depend on whether denormals are flushed");
}
