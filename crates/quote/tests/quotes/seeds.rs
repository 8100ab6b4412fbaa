//! How often quotes are wrong, seed by seed.

use crate::support::Job;
use crate::{DEAR, MASTER, NOW_MS, seed};
use tessera_protocol::money::pay;
use tessera_quote::bound::ONE_IN;
use tessera_quote::{look, offer};
use tessera_scenes::maths::scatter;
use tessera_scenes::model::{Channel, Keys, Material, Model};
use tessera_scenes::shapes::cuboid;

const SEEDS: u32 = 200;

/// Looks with each seed; how often the job took more rays than said, and how far the bounds lie above
/// the truth in the mean, in permille.
fn misses(job: &Job, seeds: u32) -> (u32, i64) {
    let truth: u64 = job.rays_of_frames().iter().sum();
    let mut source = job.source();
    let (mut misses, mut above) = (0, 0);
    for n in 0..seeds {
        let look = look(&mut source, &job.spec, &seed(n), 2).unwrap();
        assert!(!look.probe.saw_all());
        let upper = look.probe.rays_upper().unwrap();
        misses += u32::from(truth > upper);
        assert!(look.probe.rays_lower().unwrap() <= truth, "{} {n}", job.spec.name);
        above += (upper as i64 - truth as i64) * 1000 / truth as i64;
    }
    (misses, above / i64::from(seeds))
}

#[test]
fn the_true_rays_exceed_the_bound_for_no_more_seeds_than_stated() {
    let mut wrong = 0;
    let mut looked = 0;
    // The last one takes both rounds and up to 51 rays a sample, hence fewer seeds.
    let scenes = ["room", "sun", "many-lamps", "alpha", "veils"].map(|name| (name, SEEDS));
    for (name, seeds) in scenes.into_iter().chain([("hall-of-mirrors", 40)]) {
        let (missed, above) = misses(&Job::conformance(name), seeds);
        println!(
            "{name}: {missed} of {seeds} seeds too low; the bound is {above} ‰ above the truth"
        );
        assert!(above < 50, "{name}: a bound that high says little");
        wrong += missed;
        looked += seeds;
    }
    assert!(u64::from(wrong) * ONE_IN <= u64::from(looked), "{wrong} of {looked}");
}

/// Shots of 4 to 27 frames, alternately of the sky and of a bright room: six times the rays from one
/// frame to the next.
fn cuts() -> Job {
    let mut model = Model::new();
    model.thing(cuboid([2.0; 3]), Material { double_sided: true, ..Material::matt([0.9; 3]) });
    model.point_lamp([0.0, 0.5, 0.0], 3.0);
    let camera = model.camera([0.0, 0.0, 9.0], [0.0, 0.0, 20.0], 50.0);
    let (mut frame, mut times, mut places) = (0, vec![], vec![]);
    for shot in 0..40 {
        times.push(frame as f32 / 5.0);
        places.push([0.0, 0.0, if shot % 2 == 0 { 9.0 } else { -0.5 }]);
        frame += 4 + (24.0 * scatter(shot, 1)) as u32;
    }
    model.animate(Channel { node: camera, times, keys: Keys::Translation(places), steps: true });
    Job::of_model("cuts", &model, 6).sized(8, 8, 16).frames(0, frame)
}

#[test]
fn a_film_of_cuts_stays_below_its_ceiling() {
    let job = cuts();
    let frames = job.rays_of_frames();
    let truth: u64 = frames.iter().sum();
    assert!(frames.iter().max().unwrap() > &(5 * frames.iter().min().unwrap()));
    let mut source = job.source();
    let (mut over_rays, mut over_ceiling, mut margins) = (0, 0, 0);
    for n in 0..SEEDS {
        let look = look(&mut source, &job.spec, &seed(n), 2).unwrap();
        let terms = offer(&look, &job.spec, seed(n), MASTER, DEAR, NOW_MS).unwrap();
        over_rays += u32::from(truth > terms.rays_upper);
        over_ceiling += u32::from(pay(truth, terms.factor, DEAR).unwrap() > terms.ceiling);
        margins += terms.margin_permille;
    }
    println!(
        "cuts, {} frames: {over_rays} of {SEEDS} seeds below the true rays without the margin, \
         {over_ceiling} with it; it is {} ‰ in the mean",
        frames.len(),
        margins / SEEDS
    );
    assert!(over_rays > SEEDS / 10, "then the margin would do nothing");
    assert!(over_ceiling <= SEEDS / 50, "{over_ceiling}");
}

#[test]
fn a_film_of_which_a_third_is_seen_stays_below_its_ceiling() {
    let job = Job::mosaic();
    let truth: u64 = job.rays_of_frames().iter().sum();
    let mut source = job.source();
    let (mut over_rays, mut over_ceiling, mut margins) = (0, 0, 0);
    for n in 0..SEEDS / 2 {
        let look = look(&mut source, &job.spec, &seed(n), 2).unwrap();
        let terms = offer(&look, &job.spec, seed(n), MASTER, DEAR, NOW_MS).unwrap();
        over_rays += u32::from(truth > terms.rays_upper);
        over_ceiling += u32::from(pay(truth, terms.factor, DEAR).unwrap() > terms.ceiling);
        margins += terms.margin_permille;
    }
    println!(
        "mosaic: {over_rays} of {} seeds below the true rays without the margin, {over_ceiling} with \
         it; it is {} ‰ in the mean",
        SEEDS / 2,
        2 * margins / SEEDS
    );
    assert!(over_ceiling <= SEEDS / 200, "{over_ceiling}");
    assert!((1..200).contains(&(2 * margins / SEEDS)), "{margins}");
}
