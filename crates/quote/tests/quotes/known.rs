//! Answers that are known without a probe.

use crate::support::Job;
use crate::{MASTER, NOW_MS, PRICE, seed};
use tessera_protocol::money::pay;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{Amount, SceneFactor};
use tessera_quote::look::LookError;
use tessera_quote::{check_factor, look, offer, outlook, scene_factor};
use tessera_scenes::maths::scatter;
use tessera_scenes::model::{Material, Model, Part};

#[test]
fn where_there_is_only_sky_each_sample_is_one_ray() {
    let job = Job::conformance("only-sky").sized(100, 100, 50);
    let look = look(&mut job.source(), &job.spec, &seed(1), 2).unwrap();
    let probe = &look.probe;
    assert_eq!((probe.frames_probed(), probe.pixels(), probe.saw_all()), (1, 16_384, false));
    assert_eq!((probe.rays_mean_milli(), probe.variance_micro()), (1000, 0));
    assert_eq!((probe.rays_expected(), probe.rays_lower()), (Some(500_000), Some(500_000)));
    // 4 bounces, so 1 to 11 rays: 7 × 10 × 8.295 / (3 × 16383) = 0.011815 more.
    assert_eq!(probe.rays_upper(), Some(505_908));
    assert_eq!(look.factor, SceneFactor(400), "a ray that meets nothing is the cheapest there is");

    let terms = offer(&look, &job.spec, seed(1), MASTER, PRICE, NOW_MS).unwrap();
    // 505,908 × 0.4 × 500,000 / 10^9 = 101.18…
    assert_eq!((terms.ceiling, terms.margin_permille), (Amount(102), 0));
    let outlook = outlook(&look, PRICE).unwrap();
    assert_eq!((outlook.expected, outlook.least), (Amount(100), Amount(100)));
    assert_eq!(outlook.cheapest, outlook.dearest);
}

/// Whatever it's cut into: pay is rounded down.
#[test]
fn a_job_that_was_seen_whole_costs_no_more_than_its_ceiling() {
    let whole = ["room", "sun", "alpha", "hall-of-mirrors", "coplanar", "motion-between-keys"];
    for (n, name) in whole.into_iter().enumerate() {
        let job = Job::conformance(name).sized(40, 30, 4);
        let job = if n % 2 == 0 { job.frames(0, 3) } else { job };
        let mut source = job.source();
        let seed = seed(n as u32);
        let look = look(&mut source, &job.spec, &seed, 2).unwrap();
        assert!(look.probe.saw_all(), "{name}");
        let frames = job.rays_of_frames();
        let rays: u64 = frames.iter().sum();
        assert_eq!(look.probe.rays_upper(), Some(rays), "{name}");
        assert_eq!(look.probe.rays_lower(), Some(rays), "{name}");
        assert_eq!(look.probe.rays_expected(), Some(rays), "{name}");

        let terms = offer(&look, &job.spec, seed, MASTER, PRICE, NOW_MS).unwrap();
        assert_eq!(terms.margin_permille, 0);
        let first = job.spec.frames.first.0;
        let pixels = (0..frames.len() as u32)
            .flat_map(|frame| job.rays_of_pixels(&mut source, first + frame));
        let pixels: Vec<u64> = pixels.collect();
        for unit in [1, 7, 100, pixels.len()] {
            let paid = pixels
                .chunks(unit)
                .map(|unit| pay(unit.iter().sum(), terms.factor, PRICE).unwrap());
            let paid = Amount::checked_sum(paid).unwrap();
            assert!(paid <= terms.ceiling, "{name}: {paid} above {}", terms.ceiling);
            if unit == pixels.len() {
                assert!(terms.ceiling.0 - paid.0 <= 1, "{name}: the ceiling is no higher than due");
            }
        }
    }
}

#[test]
fn a_tolerant_job_is_rendered_twice() {
    let mut job = Job::conformance("sun").sized(40, 30, 4);
    let once = look(&mut job.source(), &job.spec, &seed(3), 1).unwrap().probe;
    job.spec.class = DeviceClass::Tolerant;
    let twice = look(&mut job.source(), &job.spec, &seed(3), 1).unwrap().probe;
    assert_eq!(twice.rays_upper(), once.rays_upper().map(|rays| 2 * rays));
    assert_eq!((once.margin_permille(), twice.margin_permille()), (0, 50));
}

#[test]
fn the_same_look_with_any_number_of_threads() {
    let job = Job::mosaic();
    let mut source = job.source();
    let one = look(&mut source, &job.spec, &seed(4), 1).unwrap();
    assert_eq!(look(&mut source, &job.spec, &seed(4), 3).unwrap(), one);
    let other = look(&mut source, &job.spec, &seed(5), 3).unwrap();
    assert_ne!(other.probe, one.probe, "another seed looks elsewhere");
    assert_eq!(one.probe.frames_probed(), 16);
}

#[test]
fn a_factor_is_that_of_its_scene_and_another_is_found_out() {
    for (name, known) in [("room", 1000), ("mosaic", 1250), ("only-sky", 400), ("tiny-lamp", 500)] {
        let job = if name == "mosaic" { Job::mosaic() } else { Job::conformance(name) };
        let mut source = job.source();
        let number = if name == "mosaic" { 24 } else { 0 };
        let frames = [job.frame(&mut source, number).scene];
        let factor = scene_factor(frames.iter(), &seed(6));
        assert_eq!(factor, SceneFactor(known), "{name}");
        assert_eq!(check_factor(frames.iter(), &seed(6), factor), Ok(()));
        for claimed in [factor.0 * 5 / 4, factor.0 - 1, 0] {
            let wrong = check_factor(frames.iter(), &seed(6), SceneFactor(claimed)).unwrap_err();
            assert_eq!((wrong.claimed.0, wrong.found), (claimed, factor));
        }
    }
}

/// Triangles that all reach across the whole scene: no tree helps.
#[test]
fn a_scene_in_which_each_ray_asks_each_triangle_is_refused_soon() {
    let mut model = Model::new();
    let mut needles = Part::default();
    for i in 0..20_000 {
        let [x, y, z] = [1, 2, 3].map(|salt| scatter(i, salt));
        let first = needles.positions.len() as u32;
        needles.positions.extend([[x, y, 0.0], [x + 0.001, y, 0.0], [1.0 - z, 1.0 - x, 1.0]]);
        needles.indices.extend([first, first + 1, first + 2]);
    }
    model.thing(needles, Material::matt([0.5; 3]));
    model.camera([0.5, 0.5, -0.5], [0.5, 0.5, 1.0], 60.0);
    let job = Job::of_model("needles", &model, 2);
    let refused = look(&mut job.source(), &job.spec, &seed(8), 1).unwrap_err();
    assert!(matches!(refused, LookError::TooDear(frame) if frame.0 == 0), "{refused}");
}

/// The bits of arithmetic that nobody else checks: the steps of one scene, to the last one.
#[test]
fn steps_are_these_on_every_machine() {
    let job = Job::conformance("room");
    let look = look(&mut job.source(), &job.spec, &seed(7), 1).unwrap();
    let steps = look.steps;
    assert_eq!(
        [steps.rays, steps.hits, steps.nodes, steps.instances, steps.triangles],
        [22_626, 19_651, 153_264, 43_574, 133_807]
    );
}
