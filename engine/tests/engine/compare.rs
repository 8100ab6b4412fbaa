//! What the engine makes passes both checks of segments, and what a cheat would send does not.

use crate::child::{Coded, Engine, Made};
use crate::clips::{Source, ffmpeg};
use crate::ladder::{task, whole};
use tessera_media::task::{Container, Pace, Task};
use tessera_media::wire::{Body, RenditionIndex, TrackKind};
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::stream::Ladder;
use tessera_verify::segment::{Likeness, Objection, judge};
use tessera_verify::structure::{self, RenditionCheck};

/// A test card whose picture moves, and no two frames are alike.
const CARD: &str = "-f lavfi -i testsrc2=size=854x480:rate=30:duration=2";

/// What `ffmpeg` makes of the card: H.264 without reordering.
fn card(filter: &str, bits_per_s: u32) -> Source {
    let bytes = ffmpeg(
        &format!(
            "{CARD} -filter_complex {filter} -pix_fmt yuv420p -frames:v 60 -c:v libx264 \
             -preset veryfast -bf 0 -g 600 -sc_threshold 0 -b:v {bits_per_s} -f mpegts"
        ),
        &[],
    );
    Source::demuxed(Container::MpegTs, &bytes)
}

fn compare(
    engine: &mut Engine,
    source: &Source,
    format: &VideoFormat,
    units: &[AccessUnit],
) -> Likeness {
    let task =
        Task::Compare { source: source.video.clone(), rendition: format.clone(), seed: 1234 };
    let source = source.pictures.iter().cloned().map(|unit| Body::Source(TrackKind::Video, unit));
    let units = units.iter().cloned().map(|unit| Body::Coded(RenditionIndex(0), unit));
    let said = engine.run(task, source.chain(units).chain([Body::End]));
    let [Body::Report(report), Body::Finished] = &said[..] else { panic!("{said:?}") };
    serde_json::from_slice(report).unwrap()
}

#[test]
fn what_the_engine_makes_passes_both_checks() {
    let source = card("null", 4_000_000);
    let ladder = "480p:1400k,360p:800k,240p:400k,240p15:300k,240p:300k:h265,240p:300k:av1";
    let asked: Ladder = ladder.parse().unwrap();
    let end = Ticks(source.pictures[0].pts.0 + 180_000);
    let structure = structure::Source::of(&source.video, &source.pictures, end);
    let mut engine = Engine::start();
    for pace in [Pace::Segment, Pace::Live] {
        let made = engine.run(task(&source.video, ladder, pace), whole(&source.pictures));
        for (asked, Coded { format, units }) in
            asked.renditions().iter().zip(Made::of(made).renditions)
        {
            let (name, format) = (&asked.name, format.unwrap());
            let mut check = RenditionCheck::new(asked, structure.size, &format).unwrap();
            for unit in &units {
                check.unit(unit).unwrap_or_else(|refusal| panic!("{pace:?} {name}: {refusal}"));
            }
            let checked = check.finish(&structure).unwrap();
            let likeness = compare(&mut engine, &source, &format, &units);
            assert_eq!(likeness.frames, 9);
            let objections = judge(&likeness, checked.share);
            assert!(objections.is_empty(), "{pace:?} {name}: {objections:?}\n{likeness:?}");
        }
    }
}

#[test]
fn every_gross_cheat_is_objected_to() {
    type Objected = fn(&Objection) -> bool;
    let cheats: [(&str, Objected); 13] = [
        ("scale=426:240,drawbox=c=black:t=fill", |o| matches!(o, Objection::Luma { .. })),
        ("scale=426:240,hue=s=0", |o| matches!(o, Objection::Chroma { .. })),
        ("scale=426:240,hue=h=60", |o| matches!(o, Objection::Chroma { .. })),
        ("scale=426:240,eq=brightness=0.06", |o| matches!(o, Objection::Luma { .. })),
        ("scale=426:240,hflip", |o| matches!(o, Objection::Picture(_))),
        ("crop=iw*0.9:ih*0.9,scale=426:240", |o| matches!(o, Objection::Structure { .. })),
        ("scale=212:120,scale=426:240", |o| matches!(o, Objection::Detail { .. })),
        ("scale=426:240,gblur=sigma=2", |o| matches!(o, Objection::Detail { .. })),
        ("fps=15,fps=30,scale=426:240", |o| matches!(o, Objection::Moment)),
        ("loop=60:1:0,scale=426:240", |o| matches!(o, Objection::Luma { .. })),
        ("tpad=start=1:start_mode=clone,scale=426:240", |o| matches!(o, Objection::Moment)),
        (
            "scale=426:240,drawbox=x=8:y=8:w=30:h=16:c=white@0.5:t=fill,\
             drawbox=x=12:y=12:w=22:h=8:c=black@0.6:t=fill",
            |o| matches!(o, Objection::Overlay { .. }),
        ),
        ("testsrc=s=426x240:r=30:d=2[a];[0]nullsink;[a]null", |o| {
            matches!(o, Objection::Picture(_))
        }),
    ];
    let source = card("null", 4_000_000);
    let mut engine = Engine::start();
    for (filter, expected) in cheats {
        let cheat = card(filter, 400_000);
        let likeness = compare(&mut engine, &source, &cheat.video, &cheat.pictures);
        assert_eq!(likeness.frames, 9, "{filter}");
        let objections = judge(&likeness, 1.0);
        assert!(objections.iter().any(expected), "{filter}: {objections:?}\n{likeness:?}");
    }
}

#[test]
fn few_bytes_must_not_show() {
    let source = card("null", 4_000_000);
    let cheat = card("scale=426:240", 80_000);
    let likeness = compare(&mut Engine::start(), &source, &cheat.video, &cheat.pictures);
    let objections = judge(&likeness, 0.2);
    assert!(objections.iter().any(|o| matches!(o, Objection::Spare { .. })), "{likeness:?}");
}

/// Cuts a unit off behind its head, which is sound: its structure stays right.
fn hollow(unit: &mut AccessUnit) {
    let head = &unit.data[4..unit.data.len().min(12)];
    unit.data = [&(head.len() as u32).to_be_bytes()[..], head].concat().into();
}

#[test]
fn a_rendition_that_cannot_be_decoded_is_objected_to() {
    let source = card("null", 4_000_000);
    let sound = card("scale=426:240", 400_000);
    let mut engine = Engine::start();
    for hollow_from in [0, 1] {
        let mut cheat = sound.clone();
        cheat.pictures[hollow_from..].iter_mut().for_each(hollow);
        let likeness = compare(&mut engine, &source, &cheat.video, &cheat.pictures);
        let objections = judge(&likeness, 1.0);
        assert!(!objections.is_empty(), "from unit {hollow_from}: {likeness:?}");
    }
    let nonsense = VideoFormat { config: vec![1, 2, 3].into(), ..sound.video.clone() };
    let likeness = compare(&mut engine, &source, &nonsense, &sound.pictures);
    assert!(matches!(judge(&likeness, 1.0)[..], [Objection::Undecodable(_)]), "{likeness:?}");
}

#[test]
fn a_damaged_source_is_nobody_s_fault() {
    let mut source = card("null", 4_000_000);
    let rendition = card("scale=426:240", 400_000);
    source.pictures.iter_mut().for_each(hollow);
    let task = Task::Compare {
        source: source.video.clone(),
        rendition: rendition.video.clone(),
        seed: 1234,
    };
    let units = source.pictures.into_iter().map(|unit| Body::Source(TrackKind::Video, unit));
    let coded = rendition.pictures.into_iter().map(|unit| Body::Coded(RenditionIndex(0), unit));
    let said = Engine::start().run(task, units.chain(coded).chain([Body::End]));
    assert!(matches!(&said[..], [Body::Failed(_)]), "{said:?}");
}

#[test]
fn the_same_seed_looks_at_the_same_frames_and_finds_the_same() {
    let source = card("null", 4_000_000);
    let rendition = card("scale=426:240", 400_000);
    let once = compare(&mut Engine::start(), &source, &rendition.video, &rendition.pictures);
    let again = compare(&mut Engine::start(), &source, &rendition.video, &rendition.pictures);
    assert_eq!(once, again);
}

#[test]
fn sides_that_share_no_moment_are_not_compared() {
    let source = card("null", 4_000_000);
    let mut other = card("scale=426:240", 400_000);
    for unit in &mut other.pictures {
        (unit.pts, unit.dts) = (unit.pts + Ticks(1), unit.dts + Ticks(1));
    }
    let likeness = compare(&mut Engine::start(), &source, &other.video, &other.pictures);
    assert_eq!(judge(&likeness, 1.0), [Objection::NoFrames]);
}
