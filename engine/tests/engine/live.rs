//! Ladders whose encoders live on: each frame comes back before the next is sent.

use crate::child::{Engine, Made};
use crate::clips::{Source, decoded_frames, times};
use crate::ladder::{task, whole};
use tessera_media::task::{LadderTask, Pace, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_protocol::stream::SegmentNumber;

#[test]
fn frames_come_back_one_by_one_and_cuts_begin_segments() {
    let source = Source::clip("320x180", "30", 3, "-bf 0");
    let mut engine = Engine::start();
    let lane = engine.begin(task(&source.video, "180p:300k,144p:200k,96p:100k", Pace::Live));
    let mut made = Made::default();
    let mut segment = SegmentNumber(7);
    for (at, unit) in source.pictures.iter().enumerate() {
        if at > 0 && unit.keyframe {
            segment = SegmentNumber(segment.0 + 1);
            engine.say(lane, Body::Cut(segment));
        }
        engine.say(lane, Body::Source(TrackKind::Video, unit.clone()));
        let back = |made: &Made| {
            made.renditions.len() == 3 && made.renditions.iter().all(|r| r.units.len() > at)
        };
        while !back(&made) {
            made.take(engine.hear_on(lane));
        }
        for coded in &made.renditions {
            let last = coded.units.last().unwrap();
            assert_eq!((last.pts, last.dts), (unit.pts, unit.pts));
            assert_eq!(last.keyframe, unit.keyframe);
        }
        // The end of a segment is said before the next one's first frame by the last rendition.
        assert_eq!(made.done.len() as u64, segment.0 - 7);
    }
    engine.say(lane, Body::End);
    for body in engine.hear_all(lane) {
        made.take(body);
    }
    let done: Vec<_> = made.done.iter().map(|done| (done.segment.0, done.frames_in)).collect();
    assert_eq!(done, [(7, 30), (8, 30), (9, 30)]);
    for coded in &made.renditions {
        assert_eq!(decoded_frames(coded), 90);
        // A player may begin with any segment.
        let mut second = coded.clone();
        second.units.drain(..30);
        assert_eq!(decoded_frames(&second), 60);
    }
}

#[test]
fn a_source_that_reorders_loses_no_frame() {
    let source = Source::clip("320x180", "30", 2, "-bf 2");
    let mut bodies = whole(&source.pictures);
    bodies.insert(30, Body::Cut(SegmentNumber(8)));
    let task = task(&source.video, "180p:300k,96p:100k", Pace::Live);
    let made = Made::of(Engine::start().run(task, bodies));
    for coded in &made.renditions {
        assert_eq!(times(&coded.units), times(&source.pictures));
        assert_eq!(coded.units.iter().filter(|unit| unit.keyframe).count(), 2);
    }
    assert_eq!(made.done.iter().map(|done| done.frames_in).collect::<Vec<_>>(), [30, 30]);
}

#[test]
fn every_codec_begins_anew_at_a_cut() {
    let source = Source::clip("320x180", "30", 2, "-bf 0");
    let mut bodies = whole(&source.pictures);
    bodies.insert(30, Body::Cut(SegmentNumber(8)));
    let task = task(&source.video, "180p:300k:h265,96p:100k:av1", Pace::Live);
    let made = Made::of(Engine::start().run(task, bodies));
    for coded in &made.renditions {
        assert_eq!(times(&coded.units), times(&source.pictures));
        let keys: Vec<_> = (0..60).filter(|&at| coded.units[at].keyframe).collect();
        assert_eq!(keys, [0, 30]);
        let mut second = coded.clone();
        second.units.drain(..30);
        assert_eq!(decoded_frames(&second), 30);
    }
}

#[test]
fn one_engine_goes_on_in_the_midst_of_another_s_segment() {
    let source = Source::clip("320x180", "30", 1, "-bf 0");
    let from = source.pictures[12].pts;
    let Task::Ladder(ladder) = task(&source.video, "180p:300k,96p:100k", Pace::Live) else {
        unreachable!()
    };
    let task = Task::Ladder(LadderTask { output_from: Some(from), ..ladder });
    let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
    for coded in &made.renditions {
        assert_eq!(times(&coded.units), times(&source.pictures[12..]));
        assert!(coded.units[0].keyframe);
        assert_eq!(decoded_frames(coded), 18);
    }
    assert_eq!(made.done[0].frames_in, 18);
}

#[test]
fn a_frame_rate_that_the_stream_lies_about_is_found_after_a_segment() {
    // Two fields a frame: the stream claims 30 frames a second, and has 60.
    let source = Source::clip("320x180", "60", 3, "-bf 0 -bsf:v h264_metadata=tick_rate=60");
    let mut bodies = whole(&source.pictures);
    bodies.insert(120, Body::Cut(SegmentNumber(9)));
    bodies.insert(60, Body::Cut(SegmentNumber(8)));
    let task = task(&source.video, "180p:300k,96p:100k", Pace::Live);
    let made = Made::of(Engine::start().run(task, bodies));
    for (coded, asked) in made.renditions.iter().zip([300_000.0, 100_000.0]) {
        let share = |second: usize| {
            let begin =
                |second: usize| source.pictures.get(60 * second).map_or(i64::MAX, |u| u.pts.0);
            let within = begin(second)..begin(second + 1);
            let units = coded.units.iter().filter(|unit| within.contains(&unit.pts.0));
            units.map(|unit| unit.data.len()).sum::<usize>() as f64 * 8.0 / asked
        };
        assert!(share(0) > 1.5, "the lie has no effect: {}", share(0));
        assert!((0.6..1.3).contains(&share(2)), "{}", share(2));
        assert_eq!(decoded_frames(coded), coded.units.len());
    }
}

#[test]
fn nothing_of_a_segment_is_said_before_the_one_before_is_done() {
    let source = Source::clip("320x180", "30", 3, "-bf 0");
    let cuts = [source.pictures[30].pts, source.pictures[60].pts];
    let mut bodies = whole(&source.pictures);
    bodies.insert(60, Body::Cut(SegmentNumber(9)));
    bodies.insert(30, Body::Cut(SegmentNumber(8)));
    // The smallest rendition is the slowest.
    let task = task(&source.video, "100p:100k,98p:100k,96p:100k:h265", Pace::Live);
    let mut done = 0;
    for body in Engine::start().run(task, bodies) {
        match body {
            Body::Coded(index, unit) => {
                let of = cuts.iter().filter(|cut| unit.pts >= **cut).count();
                assert_eq!(of, done, "{index:?} gives {unit:?}");
            }
            Body::Done(_) => done += 1,
            _ => {}
        }
    }
    assert_eq!(done, 3);
}
