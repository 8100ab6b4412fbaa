//! Sources made by the `ffmpeg` program, and its judgement of what came of them.

use crate::child::{Coded, Engine};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tessera_media::task::{Container, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, AudioFormat, TrackFormat, VideoFormat};
use tessera_packaging::h264::{DecoderConfig, to_annex_b};
use tessera_protocol::stream::VideoCodec;

/// What `ffmpeg` writes when told `arguments`.
pub(crate) fn ffmpeg(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(arguments.split_whitespace())
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg {arguments}: {said}");
    output.stdout
}

/// A moving test picture as MPEG-TS, with a keyframe every second and sound.
pub(crate) fn transport_stream(size: &str, fps: &str, seconds: u32, encoder: &str) -> Vec<u8> {
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=size={size}:rate={fps}:duration={seconds} \
             -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds} \
             -c:v libx264 -preset ultrafast -force_key_frames expr:gte(t,n_forced) {encoder} \
             -c:a aac -f mpegts"
        ),
        &[],
    )
}

/// A source's units.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) video: VideoFormat,
    pub(crate) audio: Option<AudioFormat>,
    pub(crate) pictures: Vec<AccessUnit>,
    pub(crate) sound: Vec<AccessUnit>,
}

impl Source {
    /// Taken apart by the engine.
    pub(crate) fn demuxed(container: Container, bytes: &[u8]) -> Self {
        let task = Task::Demux { container };
        let pieces = bytes.chunks(10_000).map(|piece| Body::Bytes(piece.to_vec().into()));
        let bodies = Engine::start().run(task, pieces.chain([Body::End]));
        Self::of(bodies)
    }

    /// Of all that a demuxer said.
    pub(crate) fn of(bodies: Vec<Body>) -> Self {
        let (mut video, mut audio, mut pictures, mut sound) = (None, None, vec![], vec![]);
        for body in bodies {
            match body {
                Body::Track(track) => match track.format {
                    TrackFormat::Video(format) => assert!(video.replace(format).is_none()),
                    TrackFormat::Audio(format) => assert!(audio.replace(format).is_none()),
                },
                Body::Source(TrackKind::Video, unit) => pictures.push(unit),
                Body::Source(TrackKind::Audio, unit) => sound.push(unit),
                Body::Finished => {}
                other => panic!("{other:?}"),
            }
        }
        Self { video: video.unwrap(), audio, pictures, sound }
    }

    /// A clip of so many seconds, with a keyframe every second.
    pub(crate) fn clip(size: &str, fps: &str, seconds: u32, encoder: &str) -> Self {
        Self::demuxed(Container::MpegTs, &transport_stream(size, fps, seconds, encoder))
    }

    /// Stretches that begin with keyframes.
    pub(crate) fn segments(&self) -> Vec<Vec<AccessUnit>> {
        let mut segments: Vec<Vec<AccessUnit>> = vec![];
        for unit in &self.pictures {
            match segments.last_mut() {
                Some(last) if !unit.keyframe => last.push(unit.clone()),
                _ => segments.push(vec![unit.clone()]),
            }
        }
        segments
    }
}

/// When the units are shown, in order.
pub(crate) fn times(units: &[AccessUnit]) -> Vec<i64> {
    let mut times: Vec<_> = units.iter().map(|unit| unit.pts.0).collect();
    times.sort_unstable();
    times
}

/// A rendition as a stream of its codec alone.
pub(crate) fn annex_b(coded: &Coded) -> Vec<u8> {
    let format = coded.format.as_ref().unwrap();
    let config = &format.config;
    let sets: Vec<Vec<u8>> = match format.codec {
        VideoCodec::H264 => {
            let config = DecoderConfig::parse(config).unwrap();
            config.parameter_sets().into_iter().map(<[u8]>::to_vec).collect()
        }
        VideoCodec::H265 => {
            let mut sets = vec![];
            // 23 bytes, then of each kind: the kind, a count, a length, a set.
            let mut rest = &config[23..];
            while let [_, 0, 1, high, low, set @ ..] = rest {
                let (set, after) = set.split_at(usize::from(*high) << 8 | usize::from(*low));
                sets.push(set.to_vec());
                rest = after;
            }
            assert!(sets.len() == 3 && rest.is_empty());
            sets
        }
        VideoCodec::Av1 => {
            // Each unit after a delimiter.
            return coded.units.iter().flat_map(|u| [&[0x12, 0][..], &u.data].concat()).collect();
        }
    };
    let sets: Vec<&[u8]> = sets.iter().map(Vec::as_slice).collect();
    let with_sets = |unit: &AccessUnit| {
        to_annex_b(&unit.data, if unit.keyframe { &sets } else { &[] }).unwrap()
    };
    coded.units.iter().flat_map(with_sets).collect()
}

/// Frames that `ffmpeg` decodes of a rendition, all of them of the size that its format says.
pub(crate) fn decoded_frames(coded: &Coded) -> usize {
    let format = coded.format.as_ref().unwrap();
    let input = match format.codec {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "hevc",
        VideoCodec::Av1 => "obu",
    };
    let arguments = format!(
        "-f {input} -i pipe:0 -vf settb=1/25,setpts=N -r 25 -fps_mode passthrough -pix_fmt yuv420p -f rawvideo"
    );
    let raw = ffmpeg(&arguments, &annex_b(coded));
    let frame = (format.width * format.height * 3 / 2) as usize;
    assert_eq!(raw.len() % frame, 0, "not {}×{}", format.width, format.height);
    raw.len() / frame
}

/// What `ffprobe` says of a stream of H.264, in its own order.
pub(crate) fn probe(stream: &[u8], entries: &str) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(stream).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-f", "h264", "-of", "csv=p=0", "-show_entries"])
        .arg(format!("stream={entries}"))
        .arg(file.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
