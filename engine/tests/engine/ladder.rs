//! Ladders, at both paces.

use crate::child::{Engine, Made};
use crate::clips::{Source, annex_b, decoded_frames, probe, times};
use tessera_media::task::{LadderTask, Pace, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, VideoFormat};
use tessera_packaging::h264::{DecoderConfig, Sps};
use tessera_protocol::stream::{Ladder, SegmentNumber};

/// A ladder of a source.
pub(crate) fn task(source: &VideoFormat, ladder: &str, pace: Pace) -> Task {
    let ladder: Ladder = ladder.parse().unwrap();
    Task::Ladder(LadderTask {
        source: source.clone(),
        renditions: ladder.renditions().to_vec(),
        pace,
        segment: SegmentNumber(7),
        output_from: None,
    })
}

/// All of a lane after its beginning.
pub(crate) fn whole(units: &[AccessUnit]) -> Vec<Body> {
    let units = units.iter().map(|unit| Body::Source(TrackKind::Video, unit.clone()));
    units.chain([Body::End]).collect()
}

#[test]
fn a_segment_keeps_its_frames_times_and_one_keyframe() {
    let source = Source::clip("640x360", "30000/1001", 2, "-bf 2");
    let mut engine = Engine::start();
    let mut ends = [i64::MIN; 3];
    for (index, segment) in source.segments().into_iter().enumerate() {
        // Each by a process of its own, as workers do it.
        if index == 1 {
            assert!(std::mem::replace(&mut engine, Engine::start()).end().success());
        }
        let task = task(&source.video, "360p:700k,240p:400k,144p:200k", Pace::Segment);
        let made = Made::of(engine.run(task, whole(&segment)));
        assert_eq!(made.renditions.len(), 3);
        assert_eq!(made.done.len(), 1);
        assert_eq!(made.done[0].segment, SegmentNumber(7));
        assert_eq!(made.done[0].frames_in as usize, segment.len());
        for (at, (coded, size)) in
            made.renditions.iter().zip([(640, 360), (426, 240), (256, 144)]).enumerate()
        {
            let format = coded.format.as_ref().unwrap();
            assert_eq!((format.width, format.height), size);
            assert_eq!(times(&coded.units), times(&segment));
            assert_eq!(coded.units[0].pts, segment[0].pts);
            let keyframes = coded.units.iter().map(|unit| unit.keyframe);
            assert!(keyframes.enumerate().all(|(at, key)| key == (at == 0)));
            assert!(coded.units.iter().all(|unit| unit.dts <= unit.pts));
            assert!(coded.units.windows(2).all(|pair| pair[0].dts < pair[1].dts));
            assert!(ends[at] < coded.units[0].dts.0, "decoding times overlap");
            ends[at] = coded.units.last().unwrap().dts.0;
            assert_eq!(decoded_frames(coded), segment.len());
        }
    }
}

#[test]
fn all_codecs_can_be_asked_for() {
    let source = Source::clip("320x180", "25", 1, "");
    let ladder = "180p:300k,180p:300k:h265,180p:300k:av1";
    for pace in [Pace::Segment, Pace::Live] {
        let task = task(&source.video, ladder, pace);
        let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
        for coded in &made.renditions {
            assert_eq!(times(&coded.units), times(&source.pictures), "{pace:?} {coded:?}");
            assert_eq!(decoded_frames(coded), 25, "{pace:?} {:?}", coded.format);
        }
    }
}

#[test]
fn a_faster_source_is_thinned_evenly() {
    let source = Source::clip("320x180", "60", 1, "-bf 2");
    let task = task(&source.video, "180p:300k,144p30:200k,96p:100k,96p24:100k", Pace::Segment);
    let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
    let all = times(&source.pictures);
    for (coded, every) in made.renditions.iter().zip([1, 2, 1, 3]) {
        let kept: Vec<_> = all.iter().copied().step_by(every).collect();
        assert_eq!(times(&coded.units), kept, "every {every}");
    }
    assert_eq!(made.done[0].frames_in, 60);
}

#[test]
fn sources_of_more_bits_and_colours_become_common_ones() {
    for form in ["yuv420p10le", "yuv422p", "yuv444p", "yuvj420p"] {
        let source = Source::clip("320x180", "25", 1, &format!("-pix_fmt {form}"));
        let task = task(&source.video, "180p:300k,96p:100k", Pace::Segment);
        let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
        for coded in &made.renditions {
            let config = &coded.format.as_ref().unwrap().config;
            let sps = DecoderConfig::parse(config).unwrap().sps.remove(0);
            let sps = Sps::parse(&sps).unwrap();
            assert_eq!((sps.chroma_format, sps.luma_bits, sps.chroma_bits), (1, 8, 8), "{form}");
            assert_eq!(decoded_frames(coded), 25, "{form}");
        }
    }
}

#[test]
fn colours_keep_what_they_mean() {
    let tags = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv";
    let source = Source::clip("320x180", "25", 1, tags);
    let task = task(&source.video, "96p:100k", Pace::Segment);
    let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
    let stream = annex_b(&made.renditions[0]);
    let said = probe(&stream, "color_space,color_primaries,color_transfer,color_range");
    assert_eq!(said, "tv,bt709,bt709,bt709");
}

#[test]
fn renditions_take_about_the_bits_that_were_asked() {
    let source = Source::clip("640x360", "30", 2, "-bf 2");
    let ladder: Ladder = "360p:700k,240p:400k,144p:200k".parse().unwrap();
    for pace in [Pace::Segment, Pace::Live] {
        let task = task(&source.video, "360p:700k,240p:400k,144p:200k", pace);
        let made = Made::of(Engine::start().run(task, whole(&source.pictures)));
        for (coded, asked) in made.renditions.iter().zip(ladder.renditions()) {
            let bytes: usize = coded.units.iter().map(|unit| unit.data.len()).sum();
            let share = bytes as f64 * 8.0 / 2.0 / f64::from(asked.bits_per_s);
            assert!((0.6..1.3).contains(&share), "{pace:?} {}: {share}", asked.name);
        }
    }
}
