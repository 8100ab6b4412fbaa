//! Whole files.

use crate::child::{Engine, Made};
use crate::clips::{decoded_frames, ffmpeg, times, transport_stream};
use std::fs::File;
use std::io::Write as _;
use tessera_media::task::{FileReport, FileSound, FileTask, Task};
use tessera_media::wire::Body;
use tessera_media::{Ticks, format::AudioCodec};
use tessera_protocol::stream::Ladder;

fn task(ladder: &str, sound: FileSound) -> Task {
    let ladder: Ladder = ladder.parse().unwrap();
    let renditions = ladder.renditions().to_vec();
    Task::File(FileTask { renditions, segment: Ticks::from_millis(1000), sound })
}

fn run(bytes: &[u8], task: Task) -> Vec<Body> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    // Where the parent left it is no matter.
    Engine::start_on(&File::try_clone(&file).unwrap()).run(task, [])
}

const ENCODED: FileSound = FileSound::Encode { bits_per_s: 96_000 };

#[test]
fn a_file_becomes_renditions_with_aligned_keyframes_and_sound() {
    let source = transport_stream("320x180", "25", 3, "-bf 2 -g 250");
    let made = Made::of(run(&source, task("180p:300k,96p:100k", ENCODED)));
    let report: FileReport = serde_json::from_slice(made.report.as_ref().unwrap()).unwrap();
    assert_eq!((report.width, report.height), (320, 180));
    assert_eq!((report.pictures.as_str(), report.sound.as_deref()), ("h264", Some("aac")));
    assert!((report.duration.unwrap().seconds() - 3.0).abs() < 0.1);

    let first = times(&made.renditions[0].units);
    assert_eq!(first.len(), 75);
    assert!(first.windows(2).all(|pair| pair[1] - pair[0] == 3600));
    for coded in &made.renditions {
        assert_eq!(times(&coded.units), first);
        let keys = coded.units.iter().filter(|unit| unit.keyframe);
        assert_eq!(keys.map(|key| key.pts.0 - first[0]).collect::<Vec<_>>(), [0, 90_000, 180_000]);
        assert!(coded.units.iter().all(|unit| 0 <= unit.dts.0 && unit.dts <= unit.pts));
        assert!(coded.units.windows(2).all(|pair| pair[0].dts < pair[1].dts));
        assert_eq!(decoded_frames(coded), 75);
    }
    let frames: Vec<_> = made.done.iter().map(|done| done.frames_in).collect();
    assert_eq!(frames, [25, 25, 25]);

    let format = made.sound_format.unwrap();
    assert_eq!((format.codec, format.sample_rate, format.channels), (AudioCodec::Aac, 48_000, 1));
    // Three seconds and what a decoder needs to swing in, without a gap.
    assert!((141..=144).contains(&made.sound.len()), "{}", made.sound.len());
    assert!(made.sound.windows(2).all(|pair| (pair[1].pts - pair[0].pts).0 == 1920));
    assert!((made.sound[0].pts.0 - first[0]).abs() < 5000);
}

#[test]
fn aac_can_be_copied_and_nothing_else() {
    let source = transport_stream("320x180", "25", 1, "-bf 0");
    let made = Made::of(run(&source, task("96p:100k", FileSound::Copy)));
    assert_eq!(made.sound.len(), 48);
    let mp3 = ffmpeg("-i pipe:0 -c:v copy -c:a mp2 -f mpegts", &source);
    let said = run(&mp3, task("96p:100k", FileSound::Copy));
    let Some(Body::Failed(reason)) = said.last() else { panic!("{said:?}") };
    assert!(reason.contains("mp2") && reason.contains("encoded"), "{reason}");
    let made = Made::of(run(&mp3, task("96p:100k", ENCODED)));
    assert!(made.sound.len() > 45);
}

#[test]
fn other_formats_codecs_and_rates_are_read() {
    for (arguments, frames) in [
        ("-c:v libx265 -x265-params log-level=none -c:a flac -f matroska", 25),
        ("-c:v libvpx -b:v 500k -c:a libopus -f webm", 25),
        ("-c:v mpeg4 -an -f avi", 25),
        ("-c:v mjpeg -c:a pcm_s16le -ar 11000 -ac 2 -f mov -movflags frag_keyframe", 25),
    ] {
        let source = transport_stream("320x180", "25", 1, "-bf 0");
        let source = ffmpeg(&format!("-i pipe:0 -fps_mode passthrough {arguments}"), &source);
        let made = Made::of(run(&source, task("96p:100k", ENCODED)));
        assert_eq!(decoded_frames(&made.renditions[0]), frames, "{arguments}");
    }
}

#[test]
fn what_is_no_film_is_refused_with_a_reason() {
    let sound = ffmpeg("-f lavfi -i sine=duration=1 -c:a aac -f adts", &[]);
    for (bytes, because) in [
        (&b"nothing that anybody reads"[..], "no format that FFmpeg reads"),
        (&[], "no format that FFmpeg reads"),
        (&sound, "no pictures"),
    ] {
        let said = run(bytes, task("96p:100k", ENCODED));
        let Some(Body::Failed(reason)) = said.last() else { panic!("{said:?}") };
        assert!(reason.contains(because), "{reason}");
    }
    let said = Engine::start().run(task("96p:100k", ENCODED), []);
    let Some(Body::Failed(reason)) = said.last() else { panic!("{said:?}") };
    assert!(reason.contains("without a file"), "{reason}");
}
