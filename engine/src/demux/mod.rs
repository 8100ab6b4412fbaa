//! A container's bytes to units: H.264 and AAC out of MPEG-TS, MP4 and FLV, as they come in.
//!
//! # Contract
//! - A `Track` comes before its first unit, and again whenever the source changes its parameters.
//! - Units come out as soon as the container lets them be told apart: one behind in MPEG-TS, where
//!   a frame ends when the next begins.
//! - Times are the source's own in 90 kHz ticks, continued where MPEG-TS's 33 bits begin anew. A
//!   source that jumps is passed on as it is.
//! - Pictures or sound in any other codec fail the lane, and the reason says which; other tracks
//!   (subtitles, data, second languages) are left out.
//! - A keyframe is an IDR picture, or a picture of which all is said to be decodable from here on
//!   and that itself is intra-coded (the open groups of pictures of broadcast encoders).
//!
//! Reading order: this page → [`video`], [`audio`] (a packet to a unit) → [`feed`] (bytes from a
//! lane to FFmpeg).

mod audio;
mod feed;
mod video;

use crate::error::{Trouble, trying};
use crate::exchange::{Inbox, Outbox};
pub(crate) use audio::Sound;
use feed::Feed;
use ffmpeg::format::context::{Input, StreamIo};
use ffmpeg::{Dictionary, Packet, Rational, codec, format, media};
use ffmpeg_next as ffmpeg;
use std::collections::HashMap;
use tessera_media::task::{Container, Track};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, Ticks};
use video::Pictures;

/// Bytes that are looked at to find what the container has: a second of a high bitrate.
const PROBE_BYTES: &str = "2000000";
/// Longest stretch that is looked at to find all tracks, in microseconds.
const PROBE_TIME: &str = "1000000";
/// Read errors in a row after which the bytes are taken for broken altogether.
const PATIENCE: u32 = 1000;

pub(crate) fn run(container: Container, inbox: &Inbox, outbox: &Outbox) -> Result<(), Trouble> {
    let (feed, ended) = Feed::new(inbox.clone());
    let io = trying("set up the demuxer", StreamIo::from_read(feed))?;
    let opened = format::input_from_stream(io, None, Some(options(container)));
    // A lane that was cancelled looks like the end of its bytes from in there.
    if let Some(trouble) = ended.trouble() {
        return Err(trouble);
    }
    let mut input =
        opened.map_err(|_| Trouble::refused(format!("these bytes are no {}", name(container))))?;
    let mut demuxer =
        Demuxer { container, tracks: HashMap::new(), clock: Clock::default(), outbox };
    let outcome = demuxer.read(&mut input);
    match ended.trouble() {
        Some(trouble) => Err(trouble),
        None => outcome,
    }
}

/// What people call it, and what may be wrong with it besides.
fn name(container: Container) -> &'static str {
    match container {
        Container::MpegTs => "MPEG transport stream",
        Container::Mp4 => {
            "MP4 that can be read while it comes in (fragmented, or with its index first)"
        }
        Container::Flv => "FLV",
    }
}

fn options(container: Container) -> Dictionary<'static> {
    let format = match container {
        Container::MpegTs => "mpegts",
        Container::Mp4 => "mov",
        Container::Flv => "flv",
    };
    Dictionary::from_iter([
        // Nothing but what was asked for looks at the bytes.
        ("format_whitelist", format),
        ("codec_whitelist", "h264,aac"),
        ("protocol_whitelist", "none"),
        ("probesize", PROBE_BYTES),
        ("analyzeduration", PROBE_TIME),
        // The frame rate is nobody's business here, and would take 20 frames to find.
        ("fpsprobesize", "0"),
    ])
}

struct Demuxer<'a> {
    container: Container,
    /// By FFmpeg's number of the stream.
    tracks: HashMap<usize, Reader>,
    clock: Clock,
    outbox: &'a Outbox,
}

/// What becomes of a stream's packets.
enum Reader {
    Pictures(Box<Pictures>),
    Sound(Sound),
    Nothing,
}

impl Demuxer<'_> {
    fn read(&mut self, input: &mut Input) -> Result<(), Trouble> {
        for index in 0..input.nb_streams() as usize {
            self.meet(input, index)?;
        }
        let mut errors = 0;
        loop {
            let mut packet = Packet::empty();
            match packet.read(input) {
                Ok(()) => errors = 0,
                Err(ffmpeg::Error::Eof) => break,
                Err(_) if errors < PATIENCE => {
                    errors += 1;
                    continue;
                }
                Err(source) => {
                    return Err(Trouble::Ffmpeg { action: "read the container", source });
                }
            }
            self.packet(input, &packet)?;
        }
        let found = |reader: &Reader| matches!(reader, Reader::Pictures(_) | Reader::Sound(_));
        if self.tracks.values().any(found) {
            return Ok(());
        }
        Err(Trouble::refused(format!("there is nothing to play in this {}", name(self.container))))
    }

    /// Decides what a stream is for, when it is first seen.
    fn meet(&mut self, input: &Input, index: usize) -> Result<(), Trouble> {
        let Some(stream) = input.stream(index) else { return Ok(()) };
        let parameters = stream.parameters();
        let taken = |kind| self.tracks.values().any(|track| track.kind() == Some(kind));
        let reader = match (parameters.medium(), parameters.id()) {
            (media::Type::Video, _) if taken(TrackKind::Video) => Reader::Nothing,
            (media::Type::Audio, _) if taken(TrackKind::Audio) => Reader::Nothing,
            (media::Type::Video, codec::Id::H264) => {
                Reader::Pictures(Box::new(Pictures::new(&parameters)?))
            }
            (media::Type::Audio, codec::Id::AAC) => Reader::Sound(Sound::new(&parameters)),
            // Announced, and without a byte so far.
            (media::Type::Video | media::Type::Audio, codec::Id::None) => return Ok(()),
            (media::Type::Video, other) => return Err(unsupported("pictures", other, "H.264")),
            (media::Type::Audio, other) => return Err(unsupported("sound", other, "AAC")),
            _ => Reader::Nothing,
        };
        self.tracks.insert(index, reader);
        Ok(())
    }

    fn packet(&mut self, input: &Input, packet: &Packet) -> Result<(), Trouble> {
        let index = packet.stream();
        if !self.tracks.contains_key(&index) {
            self.meet(input, index)?;
        }
        let (Some(reader), Some(stream)) = (self.tracks.get_mut(&index), input.stream(index))
        else {
            return Ok(());
        };
        let times = self.clock.times(packet, stream.time_base(), self.container);
        let Some(kind) = reader.kind() else { return Ok(()) };
        let (read, times) = match reader {
            Reader::Pictures(pictures) => (pictures.read(packet)?, times),
            // FFmpeg gives times to the first sound of a stream before it knows how long a frame is.
            Reader::Sound(sound) => {
                (sound.read(packet)?, sound.time(times.map(|(pts, _)| pts)).map(|pts| (pts, pts)))
            }
            Reader::Nothing => return Ok(()),
        };
        if let Some(format) = read.format {
            self.outbox.send(Body::Track(Track { format }))?;
        }
        if let (Some((data, keyframe)), Some((pts, dts))) = (read.unit, times) {
            let unit = AccessUnit { pts, dts, keyframe, data };
            self.outbox.send(Body::Source(kind, unit))?;
        }
        Ok(())
    }
}

impl Reader {
    fn kind(&self) -> Option<TrackKind> {
        match self {
            Self::Pictures(_) => Some(TrackKind::Video),
            Self::Sound(_) => Some(TrackKind::Audio),
            Self::Nothing => None,
        }
    }
}

fn unsupported(what: &str, codec: codec::Id, instead: &str) -> Trouble {
    Trouble::refused(format!("the source's {what} are {}; only {instead} is taken", codec.name()))
}

/// What a packet turned out to be.
#[derive(Default)]
pub(crate) struct Read {
    /// The track's format, where it is new.
    pub(crate) format: Option<tessera_media::TrackFormat>,
    /// Bytes, and whether decoding can begin there.
    pub(crate) unit: Option<(bytes::Bytes, bool)>,
}

/// Continues times where they begin anew.
#[derive(Default)]
struct Clock {
    last: Option<i64>,
}

impl Clock {
    /// After so many ticks MPEG-TS begins anew.
    const TURN: i64 = 1 << 33;

    /// Showing and decoding time of a packet; `None` if it has neither.
    fn times(
        &mut self,
        packet: &Packet,
        base: Rational,
        container: Container,
    ) -> Option<(Ticks, Ticks)> {
        let dts = packet.dts().or(packet.pts())?;
        let pts = packet.pts().unwrap_or(dts);
        let [mut pts, mut dts] = [pts, dts].map(|time| in_ticks(time, base));
        if container == Container::MpegTs {
            dts = self.last.map_or(dts, |last| nearest(dts, last));
            self.last = Some(dts);
            pts = nearest(pts, dts);
        }
        Some((Ticks(pts), Ticks(dts)))
    }
}

/// The time that is `time` but for whole turns, next to `to`.
fn nearest(time: i64, to: i64) -> i64 {
    let half = Clock::TURN / 2;
    to + (time - to + half).rem_euclid(Clock::TURN) - half
}

fn in_ticks(time: i64, base: Rational) -> i64 {
    let per = i128::from(base.denominator().max(1));
    let ticks = i128::from(time) * i128::from(base.numerator()) * i128::from(Ticks::PER_SECOND);
    // Rounded to the nearest.
    i64::try_from((ticks + per / 2).div_euclid(per)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_where_33_bits_end() {
        assert_eq!(nearest(5, Clock::TURN - 5), Clock::TURN + 5);
        assert_eq!(nearest(Clock::TURN - 5, Clock::TURN + 5), Clock::TURN - 5);
        assert_eq!(nearest(7, 3 * Clock::TURN + 2), 3 * Clock::TURN + 7);
        assert_eq!(nearest(7, 2), 7);
    }

    #[test]
    fn times_are_rounded_to_ticks() {
        assert_eq!(in_ticks(33, Rational(1, 1000)), 2970);
        assert_eq!(in_ticks(1, Rational(1, 30_000)), 3);
        assert_eq!(in_ticks(-1, Rational(1, 44_100)), -2);
    }
}
