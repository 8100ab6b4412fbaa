//! Jobs that take more than their quotes say.

use crate::support::Job;
use crate::{DEAR, MASTER, NOW_MS, seed};
use tessera_protocol::Amount;
use tessera_protocol::money::pay;
use tessera_protocol::quote::QuoteTerms;
use tessera_quote::frames::frames_to_probe;
use tessera_quote::{Decision, Reserve, Standing, decide, look, offer};
use tessera_scenes::maths::{Vec3, look_at};
use tessera_scenes::model::{Channel, Keys, Material, Model};
use tessera_scenes::shapes::cuboid;

/// What became of a job.
#[derive(Debug, Default)]
struct Outcome {
    artist: u64,
    reserve: u64,
    done: usize,
    paused: Option<String>,
}

/// Renders units that take these rays, one at a time, each expected to be like the mean that the quote
/// signed.
fn render(terms: &QuoteTerms, units: &[u64], samples_per_unit: u64, reserve: &Reserve) -> Outcome {
    let price = terms.price_max;
    let mean = samples_per_unit * terms.rays_mean_milli / 1000;
    let expected = pay(mean, terms.factor, price).unwrap();
    let mut outcome = Outcome::default();
    let mut charged = Amount::ZERO;
    for &rays in units {
        let standing = Standing {
            ceiling: terms.ceiling,
            charged,
            in_flight: Amount::ZERO,
            reserve_of_others: Amount::ZERO,
        };
        if let Decision::Pause(why) = decide(reserve, &standing, expected) {
            outcome.paused = Some(why);
            break;
        }
        let due = pay(rays, terms.factor, price).unwrap();
        // As the books do: the ceiling first.
        let own = due.0.min(terms.ceiling.0 - outcome.artist);
        outcome.artist += own;
        outcome.reserve += due.0 - own;
        outcome.done += 1;
        charged = charged.checked_add(due).unwrap();
    }
    outcome
}

/// A camera that looks at the sky, and from `dear.0` to before `dear.1` stands in a bright closed room.
fn hidden_room(count: u32, dear: (u32, u32)) -> Job {
    let mut model = Model::new();
    model.thing(cuboid([2.0; 3]), Material { double_sided: true, ..Material::matt([0.9; 3]) });
    model.point_lamp([0.0, 0.5, 0.0], 3.0);
    let (sky, room): (Vec3, Vec3) = ([0.0, 0.0, 9.0], [0.0, 0.0, 0.5]);
    let camera = model.camera(sky, [0.0, 0.0, 20.0], 50.0);
    let time_s = |frame: u32| (frame as f32 - 0.5) / 5.0;
    let places = vec![sky, room, sky];
    let turns = vec![look_at(sky, [0.0, 0.0, 20.0]); 3];
    let times = vec![0.0, time_s(dear.0), time_s(dear.1)];
    let channel = |keys| Channel { node: camera, times: times.clone(), keys, steps: true };
    model.animate(channel(Keys::Translation(places)));
    model.animate(channel(Keys::Rotation(turns)));
    Job::of_model("hidden", &model, 6).sized(24, 24, 16).frames(0, count)
}

/// Frames that this seed doesn't look at: the longest run of them.
fn unseen(count: u32, n: u32) -> (u32, u32) {
    let span = hidden_room(count, (1, 2)).spec.frames;
    let seen = frames_to_probe(span, &seed(n));
    let runs = seen.windows(2).map(|pair| (pair[0].0 + 1, pair[1].0));
    runs.max_by_key(|(from, to)| to - from).unwrap()
}

#[test]
fn what_is_hidden_in_frames_that_nobody_saw_costs_the_reserve_no_more_than_stated() {
    let dear = unseen(120, 1);
    assert!(dear.1 - dear.0 >= 8, "{dear:?}");
    let job = hidden_room(120, dear);
    let look = look(&mut job.source(), &job.spec, &seed(1), 2).unwrap();
    assert_eq!(look.probe.rays_mean_milli(), 1000, "it saw the sky and nothing else");
    let terms = offer(&look, &job.spec, seed(1), MASTER, DEAR, NOW_MS).unwrap();

    let frames = job.rays_of_frames();
    let truth = pay(frames.iter().sum(), terms.factor, DEAR).unwrap();
    let samples = 24 * 24 * 16;
    assert!(frames[dear.0 as usize] > 5 * samples && frames[0] == samples, "{frames:?}");
    assert!(truth > terms.ceiling, "{truth} is no more than {}", terms.ceiling);
    let ends = Reserve { most_permille: 1100, most_per_account: Amount(u64::MAX) };
    for (reserve, ends) in [(Reserve { most_permille: 2000, ..ends }, false), (ends, true)] {
        let outcome = render(&terms, &frames, samples, &reserve);
        println!(
            "hidden: ceiling {}, true cost {truth}, artist {}, reserve {}, {} of {} frames",
            terms.ceiling,
            Amount(outcome.artist),
            Amount(outcome.reserve),
            outcome.done,
            frames.len()
        );
        let limit = terms.ceiling.0 * u64::from(reserve.most_permille - 1000) / 1000;
        // One frame is under way, expected to be one of sky.
        let surprise = pay(*frames.iter().max().unwrap(), terms.factor, DEAR).unwrap();
        assert!(outcome.reserve <= limit + surprise.0, "{outcome:?}");
        assert_eq!(outcome.paused.is_some(), ends, "{outcome:?}");
        assert_eq!(outcome.done == frames.len(), !ends);
    }
}

/// A quote whose probe saw half, or a tenth, of the rays that there are.
#[test]
fn probes_that_were_wrong_by_two_and_by_ten() {
    let job = Job::conformance("room").sized(24, 24, 16).frames(0, 8);
    let look = look(&mut job.source(), &job.spec, &seed(2), 2).unwrap();
    let frames = job.rays_of_frames();
    let right = offer(&look, &job.spec, seed(2), MASTER, DEAR, NOW_MS).unwrap();
    let reserve = Reserve { most_permille: 2000, most_per_account: Amount(u64::MAX) };
    let honest = render(&right, &frames, 24 * 24 * 16, &reserve);
    assert_eq!((honest.reserve, honest.paused, honest.done), (0, None, 8));
    for (wrong, done) in [(2, 8), (10, 2)] {
        let terms = QuoteTerms {
            rays_mean_milli: right.rays_mean_milli / wrong,
            rays_upper: right.rays_upper / wrong,
            ceiling: Amount(right.ceiling.0.div_ceil(wrong)),
            ..right
        };
        let outcome = render(&terms, &frames, 24 * 24 * 16, &reserve);
        println!(
            "wrong by {wrong}: ceiling {}, artist {}, reserve {}, {} of 8 frames, {:?}",
            terms.ceiling,
            Amount(outcome.artist),
            Amount(outcome.reserve),
            outcome.done,
            outcome.paused
        );
        let surprise = pay(*frames.iter().max().unwrap(), terms.factor, DEAR).unwrap();
        assert!(outcome.reserve <= terms.ceiling.0 + surprise.0);
        assert_eq!(outcome.done, done, "{outcome:?}");
        assert_eq!(outcome.paused.is_none(), done == 8, "{outcome:?}");
    }
}
