//! A clip in two sizes, as ffmpeg packages it for HLS.

use crate::site::Files;
use bytes::Bytes;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use world::test_picture::{ClipSpec, FPS, clip};

/// How long it is.
pub(crate) const SECONDS: u32 = 7;

/// `all.m3u8`; `240.m3u8`, `360.m3u8` and `sound.m3u8`; their segments of a second.
pub(crate) fn ladder() -> Files {
    static LADDER: LazyLock<Files> = LazyLock::new(make);
    LADDER.clone()
}

fn make() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(ClipSpec { seconds: SECONDS, b_frames: true });
    let gop = FPS.to_string();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.current_dir(folder.path()).args(["-v", "error", "-i"]).arg(source);
    ffmpeg
        .args(["-filter_complex", "[0:v]split[a][b];[a]scale=426:240[low];[b]scale=640:360[high]"]);
    ffmpeg.args(["-map", "[low]", "-map", "[high]", "-map", "0:a", "-c:a", "copy"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "superfast", "-g", &gop, "-sc_threshold", "0"]);
    ffmpeg.args(["-b:v:0", "400k", "-b:v:1", "800k", "-f", "hls", "-hls_segment_type", "fmp4"]);
    ffmpeg.args(["-hls_time", "1", "-hls_playlist_type", "vod", "-master_pl_name", "all.m3u8"]);
    let streams = "v:0,agroup:sound,name:240 v:1,agroup:sound,name:360 a:0,agroup:sound,name:sound,default:yes";
    ffmpeg.args(["-var_stream_map", streams, "-hls_fmp4_init_filename", "%v-init.mp4"]);
    ffmpeg.args(["-hls_segment_filename", "%v-%d.m4s", "%v.m3u8"]);
    assert!(ffmpeg.status().unwrap().success());
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, Bytes::from(fs::read(entry.path()).unwrap()))
    };
    fs::read_dir(folder.path()).unwrap().map(|entry| file(entry.unwrap())).collect()
}

/// The same, with one second's pictures twice: the second time a second later, as all that follows.
pub(crate) fn with_a_second_repeated(files: &Files, second: usize) -> Files {
    let mut changed = files.clone();
    for level in ["240", "360"] {
        let timescale = timescale(&files[&format!("{level}-init.mp4")]);
        for number in second + 1..SECONDS as usize {
            let before = &files[&format!("{level}-{}.m4s", number - 1)];
            changed.insert(format!("{level}-{number}.m4s"), later(before, timescale));
        }
    }
    changed
}

/// Where the only box of this kind has its body.
fn body_of(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|four| four == kind).unwrap() + 4
}

fn timescale(init: &[u8]) -> u64 {
    // Version, flags, creation and modification come before it.
    let at = body_of(init, b"mdhd") + 12;
    u64::from(u32::from_be_bytes(init[at..at + 4].try_into().unwrap()))
}

/// A segment that is decoded so much later.
fn later(segment: &[u8], ticks: u64) -> Bytes {
    let mut segment = segment.to_vec();
    // Behind version and flags; of version 1, with 64 bits.
    let at = body_of(&segment, b"tfdt") + 4;
    assert_eq!(segment[at - 4], 1);
    let time = u64::from_be_bytes(segment[at..at + 8].try_into().unwrap());
    segment[at..at + 8].copy_from_slice(&(time + ticks).to_be_bytes());
    segment.into()
}
