//! What a parent may do with lanes, and what it gets told when it errs.

use crate::child::Engine;
use crate::clips::Source;
use crate::ladder::{task, whole};
use tessera_media::task::{Container, Pace, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_protocol::stream::SegmentNumber;

fn reason(bodies: &[Body]) -> &str {
    match bodies.last() {
        Some(Body::Failed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lane_that_fails_says_why_and_the_next_one_is_done() {
    let source = Source::clip("320x180", "25", 1, "");
    let mut engine = Engine::start();
    let segment = || task(&source.video, "180p:300k", Pace::Segment);
    let mut fails = |task: Task, bodies: Vec<Body>, because: &str| {
        let said = engine.run(task, bodies);
        assert!(reason(&said).contains(because), "{because:?}: {}", reason(&said));
    };

    fails(segment(), vec![Body::End], "no unit");
    fails(segment(), whole(&source.pictures[1..]), "no keyframe");
    fails(segment(), vec![Body::Bytes(vec![1].into())], "nothing else");
    fails(segment(), vec![Body::Cut(SegmentNumber(8))], "one segment");
    let mut other = source.video.clone();
    other.width = 322;
    fails(
        task(&other, "180p:300k", Pace::Segment),
        whole(&source.pictures),
        "320×180 pixels where its format says 322×180",
    );
    let mut other = source.video.clone();
    other.config = vec![0; 3].into();
    fails(task(&other, "180p:300k", Pace::Segment), whole(&source.pictures), "");
    let Task::Ladder(mut ladder) = task(&source.video, "180p:300k,96p:100k", Pace::Segment) else {
        unreachable!()
    };
    ladder.renditions.swap(0, 1);
    fails(Task::Ladder(ladder), whole(&source.pictures), "best first");
    let noise = Body::Bytes(vec![0xaa; 5000].into());
    for container in [Container::MpegTs, Container::Mp4, Container::Flv] {
        fails(Task::Demux { container }, vec![noise.clone(), Body::End], "these bytes are no ");
    }

    let said = engine.run(segment(), whole(&source.pictures));
    assert_eq!(said.last(), Some(&Body::Finished));
    assert!(engine.end().success());
}

#[test]
fn a_cancelled_lane_falls_silent() {
    let source = Source::clip("320x180", "25", 1, "");
    let mut engine = Engine::start();
    for _ in 0..5 {
        let lane = engine.begin(task(&source.video, "180p:300k,96p:100k", Pace::Live));
        for unit in &source.pictures {
            engine.say(lane, Body::Source(TrackKind::Video, unit.clone()));
        }
        engine.say(lane, Body::Cancel);
        let demux = engine.begin(Task::Demux { container: Container::MpegTs });
        engine.say(demux, Body::Cancel);
        let next = engine.begin(task(&source.video, "180p:300k", Pace::Segment));
        engine.say(next, Body::End);
        // What was said of the cancelled lanes before they were cancelled, then the end of this one.
        let last = std::iter::from_fn(|| engine.hear()).find(|message| message.lane == next);
        assert!(matches!(last.unwrap().body, Body::Failed(_)));
    }
    assert!(engine.end().success());
}

#[test]
fn a_second_lane_at_once_is_refused_and_the_first_goes_on() {
    let source = Source::clip("320x180", "25", 1, "");
    let mut engine = Engine::start();
    let first = engine.begin(task(&source.video, "180p:300k", Pace::Segment));
    let second = engine.begin(Task::Demux { container: Container::Flv });
    assert!(matches!(engine.hear_on(second), Body::Failed(_)));
    whole(&source.pictures).into_iter().for_each(|body| engine.say(first, body));
    assert_eq!(engine.hear_all(first).last(), Some(&Body::Finished));
}
