//! Pictures with a known answer, rendered the way a user's are.
//!
//! Each scene is rendered with sixteen seeds. Their mean is compared with the answer, and from
//! their scatter follows how far chance may take it: a scene's tolerance must be at least four
//! standard errors wide, or agreement would say little about the renderer and failure less.
//! Seeds are fixed, so a run never differs from the last.

use render_node::render::conformance::settings_of;
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend, Brake};
use std::sync::Arc;
use tessera_protocol::settings::{Background, RenderSettings};
use tessera_protocol::{FrameNumber, SampleRange};
use tessera_reference::Source;
use tessera_scenes::environment::{Packing, sky};
use tessera_scenes::model::{Material, Model};
use tessera_scenes::shapes::{cuboid, floor, moved};
use tessera_scenes::{Agreement, KnownAnswer, Scene, known_answers};

const SEEDS: u32 = 16;
/// A tolerance is at least this many standard errors.
const STANDARD_ERRORS: f64 = 4.0;

type Picture = Vec<[f64; 3]>;

/// Linear radiance of every pixel.
fn render(scene: &Scene, settings: &RenderSettings) -> Picture {
    let mut source = Source::load(&scene.glb, scene.environment.as_deref()).expect("it loads");
    let frame = source.frame(settings, FrameNumber(0), scene.time_s).expect("it can be prepared");
    let mut backend = CpuBackend::new(None);
    backend.load(Arc::new(frame)).expect("the processor takes every frame");
    let samples = SampleRange { start: 0, end: settings.spp };
    let sums =
        backend.render(settings.frame_rect(), samples, &Brake::default()).expect("it renders");
    let scale = 1.0 / (16_777_216.0 * f64::from(settings.spp));
    sums.iter().map(|sum| [sum.r, sum.g, sum.b].map(|x| x as f64 * scale)).collect()
}

/// One picture a seed.
fn render_seeds(scene: &Scene) -> Vec<Picture> {
    (1..=SEEDS).map(|seed| render(scene, &RenderSettings { seed, ..settings_of(scene) })).collect()
}

/// The mean of the pictures.
fn mean(pictures: &[Picture]) -> Picture {
    let add = |mut sum: Picture, picture: &Picture| {
        for (sum, pixel) in sum.iter_mut().zip(picture) {
            *sum = std::array::from_fn(|k| sum[k] + pixel[k]);
        }
        sum
    };
    let black = vec![[0.0; 3]; pictures[0].len()];
    let sum = pictures.iter().fold(black, add);
    sum.into_iter().map(|pixel| pixel.map(|x| x / pictures.len() as f64)).collect()
}

/// The standard error of the mean of `values`.
fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

/// The least number of standard errors that the tolerance is wide, over all that is compared.
fn width(known: &KnownAnswer, pictures: &[Picture]) -> f64 {
    let claims: Vec<(usize, [f64; 3])> =
        known.expected.iter().enumerate().filter_map(|(i, e)| Some((i, (*e)?))).collect();
    let scale = |expected: f64| if expected == 0.0 { 1.0 } else { expected.abs() };
    let ratio = |tolerance: f64, error: f64| {
        if error == 0.0 { f64::INFINITY } else { tolerance / error }
    };
    let mut least = f64::INFINITY;
    for channel in 0..3 {
        match known.agreement {
            Agreement::EachPixel(tolerance) => {
                for &(i, expected) in &claims {
                    let values: Vec<f64> = pictures.iter().map(|p| p[i][channel]).collect();
                    let width =
                        ratio(tolerance * scale(expected[channel]), standard_error(&values));
                    least = least.min(width);
                }
            }
            Agreement::Mean(tolerance) => {
                let count = claims.len() as f64;
                let mean_of = |picture: &Picture| {
                    claims.iter().map(|(i, _)| picture[*i][channel]).sum::<f64>() / count
                };
                let expected = claims.iter().map(|(_, e)| e[channel]).sum::<f64>() / count;
                let values: Vec<f64> = pictures.iter().map(mean_of).collect();
                least = least.min(ratio(tolerance * scale(expected), standard_error(&values)));
            }
        }
    }
    least
}

/// White blocks on a white floor in even light of radiance 1: nothing can be seen, for what one
/// surface does not reflect to the camera another does, after however many bounces.
fn white_furnace() -> KnownAnswer {
    let mut model = Model::new();
    model.thing(floor([0.0; 3], 4.0, 4.0), Material::matt([1.0; 3]));
    let glazed = Material { roughness: 0.5, ..Material::matt([1.0; 3]) };
    model.thing(moved(cuboid([1.0; 3]), [-0.6, 0.5, 0.0]), glazed);
    model.thing(moved(cuboid([0.7; 3]), [0.5, 0.35, 0.4]), Material::matt([1.0; 3]));
    model.camera([0.0, 2.0, 5.0], [0.0, 0.5, 0.0], 30.0);
    let scene = Scene {
        name: "white-furnace",
        note: "White dielectrics in even light cannot be seen.",
        glb: model.to_glb(),
        environment: Some(sky(8, 4, Packing::Flat, |_| [1.0; 3])),
        environment_strength: 1.0,
        environment_rotation_deg: 0.0,
        background: Background::Environment,
        width: 16,
        height: 16,
        spp: 256,
        max_bounces: 64,
        time_s: 0.0,
    };
    KnownAnswer { scene, expected: vec![Some([1.0; 3]); 256], agreement: Agreement::Mean(0.004) }
}

fn every_answer() -> Vec<KnownAnswer> {
    let mut all = known_answers();
    all.push(white_furnace());
    all
}

#[test]
fn every_known_answer_is_found() {
    let mut wrong = Vec::new();
    for known in every_answer() {
        let pictures = render_seeds(&known.scene);
        let width = width(&known, &pictures);
        println!("{}: {:?} is {width:.1} standard errors", known.scene.name, known.agreement);
        if width < STANDARD_ERRORS {
            wrong.push(format!("{}: only {width:.1} standard errors", known.scene.name));
        }
        if let Err(mismatch) = known.check(&mean(&pictures)) {
            wrong.push(mismatch.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether no picture can agree with both answers.
fn contradict(a: &KnownAnswer, b: &KnownAnswer) -> bool {
    let as_picture = |known: &KnownAnswer| -> Picture {
        known.expected.iter().map(|pixel| pixel.unwrap_or_default()).collect()
    };
    a.expected.len() == b.expected.len()
        && a.expected.iter().zip(&b.expected).all(|(a, b)| a.is_some() || b.is_none())
        && b.check(&as_picture(a)).is_err()
}

#[test]
fn the_answer_of_another_scene_is_rejected() {
    let all = every_answer();
    let pictures: Vec<Picture> =
        all.iter().map(|known| render(&known.scene, &settings_of(&known.scene))).collect();
    let mut rejected = vec![0; all.len()];
    for (wrong, picture) in all.iter().zip(&pictures) {
        for (i, known) in all.iter().enumerate().filter(|(_, known)| contradict(wrong, known)) {
            let verdict = known.check(picture);
            assert!(verdict.is_err(), "{} passes for {}", wrong.scene.name, known.scene.name);
            rejected[i] += 1;
        }
    }
    for (known, rejected) in all.iter().zip(rejected) {
        let alone =
            all.iter().all(|a| a.expected.len() != known.expected.len() || std::ptr::eq(a, known));
        assert!(rejected > 0 || alone, "{} was never put to the test", known.scene.name);
    }
}

/// A renderer that is a little wrong, acted by the right one with settings that are.
#[test]
fn a_renderer_that_is_a_little_wrong_is_found_out() {
    let all = every_answer();
    let known = |name: &str| all.iter().find(|known| known.scene.name == name).expect("it exists");
    let rejects = |name: &str, change: &dyn Fn(&mut RenderSettings)| {
        let known = known(name);
        let mut settings = settings_of(&known.scene);
        change(&mut settings);
        known.check(&render(&known.scene, &settings)).is_err()
    };
    let strengthen = |by: f32| {
        move |settings: &mut RenderSettings| {
            settings.environment.as_mut().expect("it has a sky").strength *= by;
        }
    };
    assert!(rejects("white-furnace", &|settings| settings.max_bounces = 2), "light left out");
    assert!(rejects("mirror-box", &|settings| settings.max_bounces -= 1), "one bounce too few");
    assert!(rejects("mirror-box", &|settings| settings.max_bounces += 1), "one bounce too many");
    for name in ["albedo-clay", "albedo-metal-slanted", "mirror-furnace"] {
        assert!(rejects(name, &strengthen(1.03)), "{name}: 3 % too bright");
        assert!(rejects(name, &strengthen(0.97)), "{name}: 3 % too dark");
        assert!(!rejects(name, &strengthen(1.0)), "{name}: as it is");
    }
    let turn = |settings: &mut RenderSettings| {
        settings.environment.as_mut().expect("it has a sky").rotation_deg *= -1.0;
    };
    assert!(rejects("sky-axes-turned", &turn), "the map turned the wrong way");
    assert!(!rejects("sky-axes", &turn), "a map that is not turned at all");
}
