//! A source that never ends, made of a clip of ffmpeg's, and a viewer that speaks HTTP.

#[path = "../../../packaging/tests/common/mod.rs"]
pub(crate) mod clips;

use bytes::Bytes;
use clips::{Clip, ZERO};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use tessera_media::{AccessUnit, AudioFormat, Ticks, VideoFormat};
use tessera_protocol::stream::view::Latency;
use tessera_protocol::stream::{RenditionName, SegmentNumber};
use tessera_protocol::{Generation, PlaybackId, SessionId};
use tessera_publish::{
    FinishedPart, FinishedSegment, Library, Pictures, PublicationSpec, SegmentHead, Sound,
};

pub(crate) const SESSION: SessionId = SessionId([7; 16]);
pub(crate) const PLAYBACK: PlaybackId = PlaybackId([8; 16]);
pub(crate) const GENERATION: Generation = Generation(3);
/// When the session began, in milliseconds since 1970.
pub(crate) const BEGAN_MS: i64 = 1_795_176_000_000;
/// How long a source's segment is: 12 frames of 25 a second.
pub(crate) const SEGMENT: Ticks = Ticks(12 * 3600);

pub(crate) fn spec(latency: Latency, record: bool) -> PublicationSpec {
    PublicationSpec {
        session: SESSION,
        playback_id: PLAYBACK,
        generation: GENERATION,
        title: Some("Birds & <bees>".to_owned()),
        ladder: "180p:300k,96p:100k".parse().unwrap(),
        latency,
        record,
        next_segment: SegmentNumber(0),
    }
}

pub(crate) fn name(text: &str) -> RenditionName {
    text.to_owned().try_into().unwrap()
}

/// A source whose segments can be asked for in any order, of one or two renditions.
pub(crate) struct Source {
    renditions: Vec<(RenditionName, VideoFormat, Vec<Vec<AccessUnit>>)>,
    audio: AudioFormat,
    sounds: Vec<Bytes>,
}

impl Source {
    /// A source that ffmpeg encoded: two renditions that look unlike each other, and sound.
    pub(crate) fn encoded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::of(&clips::clip(folder.path(), "null"), &clips::clip(folder.path(), "negate"))
    }

    fn of(first: &Clip, second: &Clip) -> Self {
        let rendition = |text, clip: &Clip| {
            // The clip's last segment is shorter than the others.
            let cut = clips::segments(&clip.pictures).into_iter().filter(|s| s.len() == 12);
            (name(text), clip.video.clone(), cut.map(<[_]>::to_vec).collect())
        };
        Self {
            renditions: vec![rendition("180p", first), rendition("96p", second)],
            audio: first.audio.clone(),
            sounds: first.sounds.iter().map(|unit| unit.data.clone()).collect(),
        }
    }

    /// A source of a few bytes a segment, whose formats are real and whose pictures are not.
    pub(crate) fn tiny() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut clip = clips::clip(folder.path(), "null");
        for unit in clip.pictures.iter_mut().chain(&mut clip.sounds) {
            unit.data = unit.data.slice(..unit.data.len().min(8));
        }
        Self::of(&clip, &clip)
    }

    pub(crate) fn head(&self, number: u64) -> SegmentHead {
        SegmentHead {
            number: SegmentNumber(number),
            generation: GENERATION,
            start: self.start(number),
            discontinuity: false,
            program_date_time_ms: BEGAN_MS + self.start(number).millis(),
        }
    }

    pub(crate) fn start(&self, number: u64) -> Ticks {
        ZERO + Ticks(SEGMENT.0 * number as i64)
    }

    /// The units of a rendition's segment.
    pub(crate) fn pictures(&self, rendition: usize, number: u64) -> Vec<AccessUnit> {
        let cut = &self.renditions[rendition].2;
        let round = number / cut.len() as u64;
        let shift = Ticks(SEGMENT.0 * (round * cut.len() as u64) as i64);
        let units = cut[(number % cut.len() as u64) as usize].iter();
        units.map(|u| AccessUnit { pts: u.pts + shift, dts: u.dts + shift, ..u.clone() }).collect()
    }

    /// The sound that begins in a stretch of time.
    pub(crate) fn sound(&self, from: Ticks, to: Ticks) -> Sound {
        let rate = i64::from(self.audio.sample_rate);
        let at = |unit: i64| ZERO + Ticks(unit * 1024 * Ticks::PER_SECOND / rate);
        let mut unit = (from - ZERO).0 * rate / (1024 * Ticks::PER_SECOND);
        while at(unit) < from {
            unit += 1;
        }
        let mut units = Vec::new();
        while at(unit) < to {
            let data = self.sounds[unit as usize % self.sounds.len()].clone();
            units.push(AccessUnit { pts: at(unit), dts: at(unit), keyframe: true, data });
            unit += 1;
        }
        Sound { format: self.audio.clone(), units }
    }

    /// A segment that a worker made.
    pub(crate) fn segment(&self, number: u64) -> FinishedSegment {
        let renditions = (0..self.renditions.len()).map(|at| {
            let (name, format, _) = &self.renditions[at];
            (name.clone(), format.clone(), self.pictures(at, number))
        });
        FinishedSegment {
            head: self.head(number),
            duration: SEGMENT,
            pictures: Pictures::Renditions(renditions.collect()),
            sound: Some(self.sound(self.start(number), self.start(number + 1))),
            receipt: None,
        }
    }

    /// A segment for which no worker was left.
    pub(crate) fn stand_in(&self, number: u64) -> FinishedSegment {
        let mut format = self.renditions[0].1.clone();
        format.width += 2;
        let pictures = Pictures::Source(format, self.pictures(0, number));
        FinishedSegment { pictures, ..self.segment(number) }
    }

    /// A segment in parts of four frames.
    pub(crate) fn parts(&self, number: u64) -> Vec<FinishedPart> {
        const FRAMES: usize = 4;
        let duration = Ticks(SEGMENT.0 / 3);
        let part = |index: usize| {
            let renditions = self.renditions.iter().enumerate().map(|(at, (name, format, _))| {
                // In low latency encoders don't reorder: shown as decoded.
                let units = self.pictures(at, number).into_iter().enumerate().map(|(n, unit)| {
                    let dts = self.start(number) + Ticks(n as i64 * 3600);
                    AccessUnit { pts: dts, dts, ..unit }
                });
                let units = units.skip(index * FRAMES).take(FRAMES).collect();
                (name.clone(), format.clone(), units)
            });
            let from = self.start(number) + Ticks(duration.0 * index as i64);
            FinishedPart {
                head: self.head(number),
                index: index as u32,
                duration,
                independent: index == 0,
                pictures: Pictures::Renditions(renditions.collect()),
                sound: Some(self.sound(from, from + duration)),
            }
        };
        (0..3).map(part).collect()
    }

    /// The same of the source's own pictures.
    pub(crate) fn stand_in_parts(&self, number: u64) -> Vec<FinishedPart> {
        let mut parts = self.parts(number);
        for part in &mut parts {
            let Pictures::Renditions(renditions) = &mut part.pictures else { unreachable!() };
            let (_, mut format, units) = renditions.swap_remove(0);
            format.width += 2;
            part.pictures = Pictures::Source(format, units);
        }
        parts
    }

    /// The end of a segment that came in parts.
    pub(crate) fn after_parts(&self, number: u64) -> FinishedSegment {
        FinishedSegment { pictures: Pictures::Parts, sound: None, ..self.segment(number) }
    }
}

/// Serves a library on a port of its own until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub(crate) fn start(library: &Library) -> Self {
        Self::serve(library.router())
    }

    pub(crate) fn serve(router: axum::Router) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// Sends a request as it is written, path and all.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::read(&bytes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waiting requests are not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer of HTTP/1.1 to a connection that closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            body = unchunked(&body);
        }
        Self { status, headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..][..length]);
        body = &body[end + 2 + length + 2..];
    }
}

pub(crate) fn live(path: &str) -> String {
    format!("/live/{PLAYBACK}/{path}")
}

/// Names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
