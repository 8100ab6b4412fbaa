//! A stream that is published as its clock goes: segments of a second, or parts of a third.

use crate::site::{Site, answer};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use serde::Deserialize;
use std::ops::Range;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tessera_media::{AccessUnit, Ticks, TrackFormat};
use tessera_packaging::codec_string;
use tessera_packaging::fmp4::{
    AudioClock, FragmentSpec, FragmentTrack, fragment, init_segment, read_init, read_segment,
    timescale,
};
use tessera_packaging::hls::{
    AudioRendition, LowLatency, MediaPlaylist, MultivariantPlaylist, Opening, Part,
    RenditionReport, Segment, State as PlaylistState, Variant,
};
use tokio::time::Instant;
use world::test_picture::{ClipSpec, FPS, clip};

/// How long it is.
pub(crate) const SECONDS: u32 = 8;
/// Parts of a segment.
const PARTS: usize = 3;
const PART: Ticks = Ticks(Ticks::PER_SECOND / PARTS as i64);
/// Where the timeline begins.
const ZERO: Ticks = Ticks(10 * Ticks::PER_SECOND);
/// How long after its last part the stream's end is said: a player that fetches parts takes none from
/// a playlist that has ended.
const END: Duration = Duration::from_secs(1);
/// Segments of which the parts are listed.
const RECENT: usize = 3;

/// A stream whose clock runs from the first request on, so that a browser may take its time.
pub(crate) struct Broadcast {
    low_latency: bool,
    /// How much of it is there at the first request.
    head_start: Duration,
    begun: OnceLock<(Instant, SystemTime)>,
    tracks: Vec<Track>,
}

struct Track {
    name: &'static str,
    format: TrackFormat,
    /// Every part's bytes, one segment behind another.
    parts: Vec<Bytes>,
}

/// Serves a stream.
pub(crate) async fn broadcast(low_latency: bool, head_start: Duration) -> (Site, Arc<Broadcast>) {
    let tracks = tokio::task::spawn_blocking(|| vec![pictures(), sound()]).await.unwrap();
    let begun = OnceLock::new();
    let broadcast = Arc::new(Broadcast { low_latency, head_start, begun, tracks });
    let routes = Router::new().route("/{name}", get(file)).with_state(Arc::clone(&broadcast));
    (Site::route(routes).await, broadcast)
}

/// A track's format and its units, as ffmpeg makes them with these arguments.
fn units(arguments: &[&str]) -> (TrackFormat, Vec<AccessUnit>) {
    let source = clip(ClipSpec { seconds: SECONDS, b_frames: false });
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(source)
        .args(arguments)
        .args([
            "-f",
            "mp4",
            "-movflags",
            "empty_moov+default_base_moof+frag_every_frame+skip_trailer",
        ])
        .args(["-video_track_timescale", "90000", "pipe:1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = output.stdout;
    let first = file.windows(4).position(|four| four == b"moof").unwrap() - 4;
    let format = read_init(&file[..first]).unwrap();
    let rate = i64::from(timescale(&format));
    let ticks = |time: i64| ZERO + Ticks(time * Ticks::PER_SECOND / rate);
    let units = read_segment(&file[first..]).unwrap().into_iter().map(|one| {
        let (sample, time) = (one.samples[0], one.start as i64);
        AccessUnit {
            pts: ticks(time + i64::from(sample.offset)),
            dts: ticks(time),
            keyframe: sample.keyframe,
            data: Bytes::copy_from_slice(&file[first..][one.data]),
        }
    });
    (format, units.collect())
}

fn pictures() -> Track {
    let gop = FPS.to_string();
    #[rustfmt::skip]
    let (format, units) = units(&[
        "-an", "-vf", "scale=426:240", "-c:v", "libx264", "-preset", "superfast", "-bf", "0",
        "-g", &gop, "-sc_threshold", "0", "-b:v", "400k",
    ]);
    let fragments = (1..).zip(units.chunks(FPS as usize / PARTS)).map(|(sequence, units)| {
        let track = FragmentTrack::Segment { end: units[0].pts + PART };
        fragment(&FragmentSpec { sequence, track, units }).unwrap()
    });
    Track { name: "pictures", format, parts: fragments.collect() }
}

fn sound() -> Track {
    let (format, units) = units(&["-vn", "-c:a", "copy"]);
    let mut clock = AudioClock::new(timescale(&format));
    let of_part = |unit: &AccessUnit| (unit.pts - ZERO).0.max(0) / PART.0;
    let parts = units.chunk_by(|one, next| of_part(one) == of_part(next));
    let fragments = (1..).zip(parts).map(|(sequence, units)| {
        let start = clock.place(units).unwrap().start;
        fragment(&FragmentSpec { sequence, track: FragmentTrack::Audio { start }, units }).unwrap()
    });
    Track { name: "sound", format, parts: fragments.collect() }
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "_HLS_msn")]
    segment: Option<usize>,
    #[serde(rename = "_HLS_part")]
    part: Option<usize>,
}

async fn file(
    State(broadcast): State<Arc<Broadcast>>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let bytes = match name.as_str() {
        "all.m3u8" => broadcast.multivariant().to_string().into(),
        name => broadcast.of_track(name, &wanted).await,
    };
    answer(bytes, &name)
}

impl Broadcast {
    fn begun(&self) -> (Instant, SystemTime) {
        let now = || (Instant::now() - self.head_start, SystemTime::now() - self.head_start);
        *self.begun.get_or_init(now)
    }

    /// When frame 0 was sent.
    pub(crate) fn sent_at(&self) -> SystemTime {
        self.begun().1
    }

    /// Parts that are there now.
    fn parts_now(&self) -> usize {
        let parts = (self.begun().0.elapsed().as_secs_f64() * PARTS as f64) as usize;
        parts.min(SECONDS as usize * PARTS)
    }

    fn over(&self) -> bool {
        self.begun().0.elapsed() >= Duration::from_secs(SECONDS.into()) + END
    }

    /// Waits until so many parts are there, or no more come.
    async fn until(&self, parts: usize) {
        let due = if parts > SECONDS as usize * PARTS {
            Duration::from_secs(SECONDS.into()) + END
        } else {
            Duration::from_secs_f64(parts as f64 / PARTS as f64 + 0.001)
        };
        tokio::time::sleep_until(self.begun().0 + due).await;
    }

    /// `TRACK.m3u8`, `TRACK-init.mp4`, `TRACK-SEGMENT.m4s`, `TRACK-SEGMENTpPART.m4s`.
    async fn of_track(&self, name: &str, wanted: &Wanted) -> Bytes {
        let track = self.tracks.iter().find(|track| name.starts_with(track.name)).unwrap();
        let rest = &name[track.name.len()..];
        if rest == ".m3u8" {
            if let Some(segment) = wanted.segment {
                self.until(segment * PARTS + wanted.part.map_or(PARTS, |part| part + 1)).await;
            }
            return self.media(track).to_string().into();
        }
        if rest == "-init.mp4" {
            return init_segment(&track.format).unwrap();
        }
        let place = rest.strip_prefix('-').and_then(|rest| rest.strip_suffix(".m4s")).unwrap();
        let number = |text: &str| text.parse::<usize>().unwrap();
        let parts = match place.split_once('p') {
            Some((segment, part)) => one(number(segment) * PARTS + number(part)),
            None => number(place) * PARTS..(number(place) + 1) * PARTS,
        };
        self.until(parts.end).await;
        track.parts[parts].concat().into()
    }

    fn multivariant(&self) -> MultivariantPlaylist {
        let [pictures, sound] = &self.tracks[..] else { unreachable!("two tracks") };
        let codec = |track: &Track| codec_string(&track.format).unwrap();
        let variant = Variant {
            uri: "pictures.m3u8".to_owned(),
            peak_bits_per_s: 600_000,
            average_bits_per_s: 400_000,
            codec: codec(pictures),
            width: 426,
            height: 240,
            frame: Some(Ticks(Ticks::PER_SECOND / i64::from(FPS))),
        };
        let audio = AudioRendition {
            uri: "sound.m3u8".to_owned(),
            bits_per_s: 128_000,
            codec: codec(sound),
            channels: 2,
        };
        MultivariantPlaylist { variants: vec![variant], audio: Some(audio) }
    }

    fn media(&self, track: &Track) -> MediaPlaylist {
        let there = self.parts_now();
        let complete = there / PARTS;
        let over = self.over();
        let segment = |number: usize| Segment {
            uri: format!("{}-{number}.m4s", track.name),
            start: at(number * PARTS),
            end: at((number + 1) * PARTS),
            opening: self.opening(track, number),
            parts: if self.low_latency && number + RECENT >= complete {
                parts(track, number, 0..PARTS)
            } else {
                vec![]
            },
        };
        let other = self.tracks.iter().find(|other| other.name != track.name).unwrap();
        // Also when it is over: players still have to fetch the last parts as parts.
        let low_latency = self.low_latency.then(|| LowLatency {
            part_target: PART,
            part_hold_back: PART,
            unfinished: (!there.is_multiple_of(PARTS))
                .then(|| (self.opening(track, complete), parts(track, complete, 0..there % PARTS))),
            preload_hint: (!over).then(|| part(track, complete, there % PARTS).uri),
            reports: vec![RenditionReport {
                uri: format!("{}.m3u8", other.name),
                last_msn: (there - 1) as u64 / PARTS as u64,
                last_part: Some((there - 1) as u64 % PARTS as u64),
            }],
        });
        MediaPlaylist {
            state: if over { PlaylistState::Ended } else { PlaylistState::Live },
            target_duration_s: 1,
            media_sequence: 0,
            discontinuity_sequence: 0,
            segments: (0..complete).map(segment).collect(),
            low_latency,
        }
    }

    fn opening(&self, track: &Track, number: usize) -> Opening {
        let begun = self.sent_at().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Opening {
            map: format!("{}-init.mp4", track.name),
            date_ms: Some(begun.as_millis() as i64 + 1000 * number as i64),
            ..Opening::default()
        }
    }
}

fn one(part: usize) -> Range<usize> {
    part..part + 1
}

/// When so many parts have passed.
fn at(parts: usize) -> Ticks {
    ZERO + Ticks(PART.0 * parts as i64)
}

fn part(track: &Track, segment: usize, part: usize) -> Part {
    let number = segment * PARTS + part;
    Part {
        uri: format!("{}-{segment}p{part}.m4s", track.name),
        start: at(number),
        end: at(number + 1),
        independent: part == 0 || track.name == "sound",
        gap: false,
    }
}

fn parts(track: &Track, segment: usize, numbers: Range<usize>) -> Vec<Part> {
    numbers.map(|number| part(track, segment, number)).collect()
}
