//! Recordings and playlists of ours, as ffmpeg sees them.
#![forbid(unsafe_code)]

mod common;

use common::{
    FRAME, clip, frames, hashes, packets, path, published_pictures, published_sound, run,
};
use std::fs;
use std::path::Path;
use tessera_media::Ticks;
use tessera_packaging::fmp4::read_segment;
use tessera_packaging::hls::{
    AudioRendition, MediaPlaylist, MultivariantPlaylist, Opening, Segment, State, Variant,
};
use tessera_packaging::recording::{Recording, SourceId};

/// Writes a recording whose sources are these files.
fn write(file: &Path, recording: Recording, files: &[Vec<u8>]) {
    let layout = recording.finish().unwrap();
    let mut bytes = layout.head.to_vec();
    for copy in &layout.copies {
        let source = &files[usize::try_from(copy.source.0).unwrap()];
        bytes.extend(&source[copy.range.start as usize..copy.range.end as usize]);
    }
    assert_eq!(bytes.len() as u64, layout.length);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_recording_plays_seeks_and_begins_together() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let source = folder.path().join("clip.mp4");
    // Parts, as low latency publishes them.
    let (pictures, sounds) = (published_pictures(&clip, 5), published_sound(&clip));
    let files: Vec<_> = [&pictures[1..], &sounds[1..]].concat();
    let mut recording = Recording::default();
    for (id, segment) in (0..).zip(&files) {
        let id = SourceId(id);
        if (id.0 as usize) < pictures.len() - 1 {
            recording.push_pictures(id, &clip.video, segment).unwrap();
        } else {
            recording.push_sound(id, &clip.audio, segment).unwrap();
        }
    }
    let file = folder.path().join("recording.mp4");
    write(&file, recording, &files);

    let expected = frames(&source, "0:v");
    let got = frames(&file, "0:v");
    assert_eq!(hashes(&got), hashes(&expected));
    assert_eq!(hashes(&packets(&file, "0:a")), hashes(&packets(&source, "0:a")));
    // Sound's first frame comes 1024 samples before the pictures, as the encoder made it, and the
    // file begins with it.
    let ahead = 1024 * Ticks::PER_SECOND / 44_100;
    let first = got[0].0;
    assert!(first.abs_diff(ahead) <= 100, "pictures begin at {first}, {ahead} expected");
    let times: Vec<_> = got.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, (0..50).map(|n| first + n * FRAME.0).collect::<Vec<_>>());

    // To a frame between keyframes, in the middle and near the end.
    for frame in [13, 30, 49] {
        let at = (first + frame * FRAME.0 - FRAME.0 / 2) as f64 / Ticks::PER_SECOND as f64;
        #[rustfmt::skip]
        let shown = run("ffmpeg", &[
            "-v", "error", "-ss", &at.to_string(), "-i", path(&file), "-map", "0:v",
            "-frames:v", "1", "-f", "framemd5", "-",
        ]);
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.trim_end().ends_with(&expected[frame as usize].1), "frame {frame}");
    }
}

#[test]
fn a_recording_of_two_encoders_shows_both() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::create_dir_all(&one).unwrap();
    fs::create_dir_all(&two).unwrap();
    let first = clip(&one, "null");
    let second = clip(&two, "negate,scale=426:240");
    assert_ne!(first.video, second.video);
    let (ours, theirs) =
        (published_pictures(&first, usize::MAX), published_pictures(&second, usize::MAX));
    let files = [&ours[1], &theirs[2], &ours[3], &ours[4], &theirs[5]].map(Clone::clone);
    let formats = [&first.video, &second.video, &first.video, &first.video, &second.video];
    let mut recording = Recording::default();
    for ((id, file), format) in (0..).zip(&files).zip(formats) {
        recording.push_pictures(SourceId(id), format, file).unwrap();
    }
    let file = folder.path().join("recording.mp4");
    write(&file, recording, &files);
    // Sizes differ, so ffmpeg scales the second's to the first's: frames are counted and told apart
    // by their packets.
    let (of_one, of_two) =
        (packets(&one.join("clip.mp4"), "0:v"), packets(&two.join("clip.mp4"), "0:v"));
    let expected = [&of_one[..12], &of_two[12..24], &of_one[24..48], &of_two[48..]].concat();
    assert_eq!(hashes(&packets(&file, "0:v")), hashes(&expected));
    let shown = frames(&file, "0:v");
    assert_eq!(shown.len(), 50);
    // What the first encoder made is shown as it was, behind the other's too.
    let of_one = frames(&one.join("clip.mp4"), "0:v");
    assert_eq!(hashes(&shown)[..12], hashes(&of_one)[..12]);
    assert_eq!(hashes(&shown)[24..48], hashes(&of_one)[24..48]);
}

#[test]
fn a_playlist_plays_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let write = |name: &str, files: &[Vec<u8>], timescale: i64| {
        for (index, bytes) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{name}{index}.mp4")), bytes).unwrap();
        }
        let segments = (1..).zip(&files[1..]).map(|(index, bytes)| {
            let fragments = read_segment(bytes).unwrap();
            let ticks = |time: u64| Ticks(time as i64 * Ticks::PER_SECOND / timescale);
            Segment {
                uri: format!("{name}{index}.mp4"),
                start: ticks(fragments[0].start),
                end: ticks(fragments.last().unwrap().end()),
                opening: Opening { map: format!("{name}0.mp4"), ..Opening::default() },
                parts: vec![],
            }
        });
        let playlist = MediaPlaylist {
            state: State::Complete,
            target_duration_s: 1,
            media_sequence: 0,
            discontinuity_sequence: 0,
            segments: segments.collect(),
            low_latency: None,
        };
        fs::write(folder.path().join(format!("{name}.m3u8")), playlist.to_string()).unwrap();
    };
    write("pictures", &published_pictures(&clip, usize::MAX), Ticks::PER_SECOND);
    write("sound", &published_sound(&clip), clip.audio.sample_rate.into());
    let variant = Variant {
        uri: "pictures.m3u8".to_owned(),
        peak_bits_per_s: 500_000,
        average_bits_per_s: 400_000,
        codec: "avc1.64000D".to_owned(),
        width: clip.video.width,
        height: clip.video.height,
        frame: Some(FRAME),
    };
    let audio = AudioRendition {
        uri: "sound.m3u8".to_owned(),
        bits_per_s: 64_000,
        codec: "mp4a.40.2".to_owned(),
        channels: clip.audio.channels,
    };
    let all = MultivariantPlaylist { variants: vec![variant], audio: Some(audio) };
    let file = folder.path().join("all.m3u8");
    fs::write(&file, all.to_string()).unwrap();

    let source = folder.path().join("clip.mp4");
    assert_eq!(hashes(&frames(&file, "0:v")), hashes(&frames(&source, "0:v")));
    assert_eq!(hashes(&packets(&file, "0:a")), hashes(&packets(&source, "0:a")));
}
