//! A clip made by ffmpeg, taken apart into units, and what ffmpeg makes of files of ours.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::path::Path;
use std::process::Command;
use tessera_media::{AccessUnit, AudioFormat, Ticks, TrackFormat, VideoFormat};
use tessera_packaging::aac::{adts_frames, audio_format};
use tessera_packaging::fmp4::{AudioClock, FragmentSpec, FragmentTrack, fragment, init_segment};
use tessera_packaging::h264::{DecoderConfig, Picture};

/// Where the timeline starts: well above 0, as a session's does.
pub(crate) const ZERO: Ticks = Ticks(10 * Ticks::PER_SECOND);

/// Pictures and sound in units.
pub(crate) struct Clip {
    pub(crate) video: VideoFormat,
    pub(crate) pictures: Vec<AccessUnit>,
    pub(crate) audio: AudioFormat,
    pub(crate) sounds: Vec<AccessUnit>,
}

/// Runs a program, which may not complain, and gives its output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let (output, said) = output(program, arguments);
    assert!(said.trim().is_empty(), "{program} {arguments:?} complains: {said}");
    output
}

/// Runs a program that says more than one can turn off.
pub(crate) fn quiet(program: &str, arguments: &[&str]) {
    output(program, arguments);
}

fn output(program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program).args(arguments).output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    (output.stdout, said)
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary file's name is text")
}

/// Two seconds of 320 × 180 at 25 frames a second, a keyframe every half second, B-frames, a tone.
/// `filter` tells clips apart.
pub(crate) fn clip(folder: &Path, filter: &str) -> Clip {
    let file = folder.join("clip.mp4");
    let pictures = format!("testsrc2=size=320x180:rate=25:duration=2,{filter}");
    #[rustfmt::skip]
    run("ffmpeg", &[
        "-v", "error", "-y", "-f", "lavfi", "-i", &pictures,
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2",
        "-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p",
        "-x264-params", "scenecut=0:open-gop=0", "-threads", "1", "-c:a", "aac", "-b:a", "64k",
        "-video_track_timescale", "90000", path(&file),
    ]);
    take_apart(&file)
}

/// A file's units, its times moved by [`ZERO`].
pub(crate) fn take_apart(file: &Path) -> Clip {
    let raw = |format: &str, track: &str, filter: &[&str]| {
        let head = ["-v", "error", "-i", path(file), "-map", track, "-c", "copy"];
        run("ffmpeg", &[&head[..], filter, &["-f", format, "-"]].concat())
    };
    // With a delimiter before each, access units are easily told apart.
    let annex_b = raw("h264", "0:v", &["-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert"]);
    let pieces = split_before(&annex_b, &[0, 0, 0, 1, 9]);
    let sorted: Vec<_> = pieces.iter().map(|piece| Picture::from_annex_b(piece)).collect();
    let (sps, pps) = (sorted[0].sps.clone(), sorted[0].pps.clone());
    let video = DecoderConfig { sps, pps, length_size: 4 }.video_format().unwrap();
    let pictures = sorted.into_iter().zip(times(file, "v:0", Ticks::PER_SECOND)).map(
        |(picture, (pts, dts))| AccessUnit {
            pts: ZERO + pts,
            dts: ZERO + dts,
            keyframe: picture.idr,
            data: picture.data,
        },
    );
    let adts = raw("adts", "0:a", &[]);
    let frames: Vec<_> = adts_frames(&adts).collect::<Result<_, _>>().unwrap();
    let audio = audio_format(frames[0].config.build().unwrap()).unwrap();
    let sounds =
        frames.iter().zip(times(file, "a:0", audio.sample_rate.into())).map(|(frame, (pts, _))| {
            // As coarse as RTMP's times.
            let pts = Ticks::from_millis((ZERO + pts).millis());
            let data = bytes::Bytes::copy_from_slice(frame.data);
            AccessUnit { pts, dts: pts, keyframe: true, data }
        });
    Clip { video, pictures: pictures.collect(), audio, sounds: sounds.collect() }
}

fn split_before<'a>(bytes: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let starts: Vec<_> =
        (0..bytes.len()).filter(|&at| bytes[at..].starts_with(mark)).chain([bytes.len()]).collect();
    starts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Each packet's `pts` and `dts`.
fn times(file: &Path, track: &str, timescale: i64) -> Vec<(Ticks, Ticks)> {
    #[rustfmt::skip]
    let lines = run("ffprobe", &[
        "-v", "error", "-select_streams", track, "-show_entries", "packet=pts,dts",
        "-of", "csv=print_section=0", path(file),
    ]);
    let ticks = |text: &str| Ticks(text.parse::<i64>().unwrap() * Ticks::PER_SECOND / timescale);
    let line = |line: &str| {
        let mut fields = line.split(',');
        (ticks(fields.next().unwrap()), ticks(fields.next().unwrap()))
    };
    // Side data of a packet gives a line of its own.
    String::from_utf8(lines).unwrap().lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// What a decoder shows of a file's track: each frame's time in ticks, and its picture's hash.
pub(crate) fn frames(file: &Path, track: &str) -> Vec<(i64, String)> {
    hashed(file, track, &["-fps_mode", "passthrough", "-enc_time_base", "1:90000"])
}

/// A file's packets: each one's time in the track's timescale, and its bytes' hash.
pub(crate) fn packets(file: &Path, track: &str) -> Vec<(i64, String)> {
    hashed(file, track, &["-c", "copy"])
}

fn hashed(file: &Path, track: &str, how: &[&str]) -> Vec<(i64, String)> {
    let head = ["-v", "error", "-i", path(file), "-map", track, "-copyts"];
    let lines = run("ffmpeg", &[&head[..], how, &["-f", "framemd5", "-"]].concat());
    let line = |line: &str| {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        (fields[2].parse().unwrap(), fields[5].to_owned())
    };
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

/// The hashes alone.
pub(crate) fn hashes(frames: &[(i64, String)]) -> Vec<&str> {
    frames.iter().map(|(_, hash)| &hash[..]).collect()
}

/// Cuts units before each keyframe.
pub(crate) fn segments(units: &[AccessUnit]) -> Vec<&[AccessUnit]> {
    units.chunk_by(|_, next| !next.keyframe).collect()
}

/// One frame of 25 a second.
pub(crate) const FRAME: Ticks = Ticks(3600);

/// The pictures as files: the initialization section, then a segment a keyframe, each in parts of
/// so many units.
pub(crate) fn published_pictures(clip: &Clip, part: usize) -> Vec<Vec<u8>> {
    let parts: Vec<&[AccessUnit]> =
        segments(&clip.pictures).iter().flat_map(|segment| segment.chunks(part)).collect();
    // A segment begins with a keyframe, which is decoded when it is shown.
    let start = |units: &[AccessUnit]| match &units[0] {
        keyframe if keyframe.keyframe => keyframe.pts,
        unit => unit.dts,
    };
    let track = |units: &[AccessUnit], end| match part {
        usize::MAX => FragmentTrack::Segment { end },
        _ => FragmentTrack::Part { start: start(units), end },
    };
    let ends = parts.iter().skip(1).map(|next| start(next));
    let last = clip.pictures.iter().map(|unit| unit.pts).max().unwrap() + FRAME;
    let mut files = vec![init_segment(&TrackFormat::Video(clip.video.clone())).unwrap().to_vec()];
    for (sequence, (units, end)) in (1..).zip(parts.iter().zip(ends.chain([last]))) {
        let track = track(units, end);
        let spec = FragmentSpec { sequence, track, units };
        files.push(fragment(&spec).unwrap().to_vec());
    }
    files
}

pub(crate) fn published_sound(clip: &Clip) -> Vec<Vec<u8>> {
    let mut clock = AudioClock::new(clip.audio.sample_rate);
    let mut files = vec![init_segment(&TrackFormat::Audio(clip.audio.clone())).unwrap().to_vec()];
    for (sequence, units) in (1..).zip(clip.sounds.chunks(23)) {
        let placed = clock.place(units).unwrap();
        assert_eq!((placed.skip, placed.gap), (0, 0));
        let track = FragmentTrack::Audio { start: placed.start };
        files.push(fragment(&FragmentSpec { sequence, track, units }).unwrap().to_vec());
    }
    files
}
