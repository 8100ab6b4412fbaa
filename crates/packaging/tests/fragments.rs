//! Segments of ours, as ffmpeg sees them.
#![forbid(unsafe_code)]

mod common;

use common::{
    FRAME, ZERO, clip, frames, hashes, packets, path, published_pictures, published_sound, quiet,
    run,
};
use std::path::Path;
use tessera_media::Ticks;
use tessera_packaging::codec_string;
use tessera_packaging::fmp4::{init_segment, read_init, read_segment};

fn write(file: &Path, pieces: &[Vec<u8>]) {
    std::fs::write(file, pieces.concat()).unwrap();
}

#[test]
fn pictures_come_out_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let expected = frames(&folder.path().join("clip.mp4"), "0:v");
    assert_eq!(expected.len(), 50);
    assert!(clip.pictures.iter().any(|unit| unit.pts != unit.dts), "there are B-frames");
    // Whole segments, and parts of five units.
    for part in [usize::MAX, 5] {
        let file = folder.path().join("ours.mp4");
        write(&file, &published_pictures(&clip, part));
        let got = frames(&file, "0:v");
        assert_eq!(hashes(&got), hashes(&expected));
        let times: Vec<_> = got.iter().map(|(time, _)| *time).collect();
        let first = clip.pictures[0].pts.0;
        assert_eq!(times, (0..50).map(|n| first + n * FRAME.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_segment_plays_behind_its_initialization_section_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let whole = frames(&folder.path().join("clip.mp4"), "0:v");
    let files = published_pictures(&clip, usize::MAX);
    let file = folder.path().join("third.mp4");
    write(&file, &[files[0].clone(), files[3].clone()]);
    assert_eq!(hashes(&frames(&file, "0:v")), hashes(&whole[24..36]));
}

#[test]
fn a_missing_segment_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let mut files = published_pictures(&clip, usize::MAX);
    files.remove(2);
    let file = folder.path().join("ours.mp4");
    write(&file, &files);
    let got = frames(&file, "0:v");
    let gaps = got.windows(2).filter(|pair| pair[1].0 - pair[0].0 != FRAME.0).count();
    assert_eq!((got.len(), gaps), (38, 1));
}

#[test]
fn fragments_meet_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    for files in [
        published_pictures(&clip, usize::MAX),
        published_pictures(&clip, 4),
        published_sound(&clip),
    ] {
        let fragments: Vec<_> = files[1..].iter().flat_map(|f| read_segment(f).unwrap()).collect();
        assert!(fragments.len() > 3);
        for pair in fragments.windows(2) {
            assert_eq!(pair[0].end(), pair[1].start);
        }
    }
}

#[test]
fn sound_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), "null");
    let file = folder.path().join("ours.mp4");
    write(&file, &published_sound(&clip));
    let got = packets(&file, "0:a");
    assert_eq!(hashes(&got), hashes(&packets(&folder.path().join("clip.mp4"), "0:a")));
    let times: Vec<_> = got.iter().map(|(time, _)| *time).collect();
    let rate = i64::from(clip.audio.sample_rate);
    // The encoder's first frame lies before the clip's zero.
    let first = times[0];
    assert!(first.abs_diff(ZERO.0 / Ticks::PER_SECOND * rate - 1024) < 100);
    assert_eq!(times, (0..times.len() as i64).map(|n| first + n * 1024).collect::<Vec<_>>());
    run("ffmpeg", &["-v", "error", "-i", path(&file), "-f", "null", "-"]);
}

#[test]
fn every_codec_is_described_as_decoders_expect() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs.mp4"), folder.path().join("ours.mp4"));
    for (encoder, options, name) in [
        ("libx264", ["-preset", "veryfast", "-tag:v", "avc1"], "avc1.6400"),
        ("libx265", ["-x265-params", "log-level=none", "-tag:v", "hvc1"], "hvc1.1.6.L60."),
        ("libsvtav1", ["-preset", "12", "-tag:v", "av01"], "av01.0.00M.08"),
    ] {
        #[rustfmt::skip]
        let head = [
            "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=0.4",
            "-pix_fmt", "yuv420p", "-c:v", encoder,
        ];
        let muxed = ["-f", "mp4", "-movflags", "empty_moov+default_base_moof", path(&theirs)];
        quiet("ffmpeg", &[&head[..], &options, &muxed].concat());
        let bytes = std::fs::read(&theirs).unwrap();
        let moof = bytes.windows(4).position(|four| four == b"moof").unwrap() - 4;
        let (head, fragments) = bytes.split_at(moof);
        let format = read_init(head).unwrap();
        let said = codec_string(&format).unwrap();
        assert!(said.starts_with(name), "{said}");
        let init = init_segment(&format).unwrap();
        write(&ours, &[init.to_vec(), fragments.to_vec()]);
        let (got, expected) = (frames(&ours, "0:v"), frames(&theirs, "0:v"));
        assert_eq!(expected.len(), 10, "{encoder}");
        assert_eq!(hashes(&got), hashes(&expected), "{encoder}");
    }
}
