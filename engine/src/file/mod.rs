//! A whole file to renditions and sound: anything that FFmpeg reads, opened by the parent.
//!
//! # Contract
//! - Times count from the file's first picture or sound, which lies at [`START`].
//! - Keyframes as [`FileTask::segment`] says, aligned in all renditions; encoders live from the first
//!   picture to the last and keep their bit rates over all of them.
//! - Of several tracks of a kind, the one that FFmpeg takes for the best is taken.
//! - Frames that cannot be decoded are left out.
//!
//! Reading order: this page (the file, its pictures) → [`sound`].

mod sound;

use crate::decode::{self, Picture};
use crate::encode::Style;
use crate::error::{Trouble, trying};
use crate::exchange::{Inbox, Outbox};
use crate::ladder::Stage;
use crate::raw;
use ffmpeg::codec::{self, decoder};
use ffmpeg::error::EAGAIN;
use ffmpeg::format::context::{Input, StreamIo};
use ffmpeg::{Dictionary, Packet, Rational, format, frame, media};
use ffmpeg_next as ffmpeg;
use sound::Sound;
use std::fs::File;
use std::io::Seek as _;
use std::sync::Arc;
use tessera_media::Ticks;
use tessera_media::task::{FileReport, FileTask};
use tessera_media::wire::Body;
use tessera_protocol::stream::SegmentNumber;

/// Where a file's time begins: late enough that nothing is decoded before 0, two frames before the
/// first is shown.
const START: Ticks = Ticks(2 * Ticks::PER_SECOND);
/// Bytes that FFmpeg asks the file for at once.
const READ: usize = 1 << 20;
/// Pixels from which one thread may be too slow for a decoder.
const LARGE: u32 = 1920 * 1088;
/// Threads of a decoder then.
const THREADS: usize = 4;

pub(crate) fn run(
    task: &FileTask,
    file: Option<&File>,
    inbox: &Inbox,
    outbox: &Outbox,
) -> Result<(), Trouble> {
    if task.segment <= Ticks::ZERO {
        return Err(Trouble::refused("segments must last some time"));
    }
    let file = file.and_then(|file| file.try_clone().ok());
    let mut file = file.ok_or_else(|| Trouble::refused("the engine was started without a file"))?;
    // Wherever its parent left it.
    file.rewind().map_err(|error| Trouble::refused(format!("the file cannot be read: {error}")))?;
    let io = StreamIo::from_read_seek_with_capacity(file, READ);
    let io = trying("set up the demuxer", io)?;
    // Formats that name other files find none: neither protocols nor files are there.
    let options = Dictionary::from_iter([("protocol_whitelist", "none")]);
    let mut input = format::input_from_stream(io, None, Some(options))
        .map_err(|_| Trouble::refused("the file is of no format that FFmpeg reads"))?;
    let mut pictures = Pictures::open(&input, task, outbox)?;
    let mut sound = Sound::open(&input, task.sound, outbox)?;
    report(&pictures, sound.as_ref(), outbox)?;

    let begin = begin(&input);
    loop {
        inbox.check()?;
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            // What is damaged shows by what is missing.
            Err(ffmpeg::Error::InvalidData) => continue,
            Err(source) => return Err(Trouble::Ffmpeg { action: "read the file", source }),
        }
        if packet.stream() == pictures.stream {
            pictures.packet(&packet, begin)?;
        } else if let Some(sound) = sound.as_mut().filter(|s| s.stream == packet.stream()) {
            sound.packet(&packet, begin)?;
        }
    }
    if let Some(sound) = sound {
        sound.finish(begin)?;
    }
    pictures.finish(begin)
}

/// The file's own time of its first picture or sound.
fn begin(input: &Input) -> Ticks {
    let starts = input.streams().filter(|stream| {
        matches!(stream.parameters().medium(), media::Type::Video | media::Type::Audio)
    });
    let starts = starts
        .filter(|stream| stream.start_time() != ffmpeg::ffi::AV_NOPTS_VALUE)
        .map(|stream| ticks(stream.start_time(), stream.time_base()));
    starts.min().unwrap_or(Ticks::ZERO)
}

/// How long the pictures last by the file's own account.
fn duration(input: &Input, stream: &ffmpeg::Stream<'_>) -> Option<Ticks> {
    let own = Some(stream.duration()).filter(|&duration| duration > 0);
    let own = own.map(|duration| ticks(duration, stream.time_base()));
    // In microseconds.
    let all = Some(input.duration()).filter(|&duration| duration > 0);
    own.or_else(|| all.map(|duration| ticks(duration, Rational(1, 1_000_000))))
}

fn report(
    pictures: &Pictures<'_>,
    sound: Option<&Sound<'_>>,
    outbox: &Outbox,
) -> Result<(), Trouble> {
    let report = FileReport {
        width: pictures.size.0,
        height: pictures.size.1,
        pictures: pictures.decoder.id().name().to_owned(),
        sound: sound.map(|sound| sound.codec.name().to_owned()),
        duration: pictures.duration,
    };
    let json = serde_json::to_vec(&report).map_err(|e| Trouble::refused(e.to_string()))?;
    outbox.send(Body::Report(json.into()))
}

/// A time of a stream in ticks, rounded to the nearest.
fn ticks(time: i64, base: Rational) -> Ticks {
    let per = i128::from(base.denominator().max(1));
    let ticks = i128::from(time) * i128::from(base.numerator()) * i128::from(Ticks::PER_SECOND);
    Ticks(i64::try_from((ticks + per / 2).div_euclid(per)).unwrap_or(0))
}

/// The track of pictures.
struct Pictures<'a> {
    stream: usize,
    base: Rational,
    rate: Rational,
    decoder: decoder::Video,
    size: (u32, u32),
    duration: Option<Ticks>,
    segment: Ticks,
    stage: Stage<'a>,
    first: Option<Ticks>,
    last: Option<Ticks>,
    segments: u64,
}

impl<'a> Pictures<'a> {
    fn open(input: &Input, task: &'a FileTask, outbox: &'a Outbox) -> Result<Self, Trouble> {
        let stream = input.streams().best(media::Type::Video);
        let stream = stream.ok_or_else(|| Trouble::refused("the file has no pictures"))?;
        let context = codec::context::Context::from_parameters(stream.parameters());
        let mut context = trying("read the file's pictures", context)?;
        raw::limit_pixels(&mut context);
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        let large = raw::pixels(&decoder) > LARGE;
        decoder.set_threading(codec::threading::Config {
            kind: codec::threading::Type::Frame,
            count: if large { THREADS } else { 1 },
            ..Default::default()
        });
        let decoder = trying("decode the file's pictures", decoder.video())?;
        let size = (decoder.width(), decoder.height());
        let duration = duration(input, &stream);
        let first = SegmentNumber(0);
        let mut stage = Stage::new(&task.renditions, size, Style::File, first, outbox)?;
        stage.set_duration(duration);
        Ok(Self {
            stream: stream.index(),
            base: stream.time_base(),
            rate: stream.avg_frame_rate(),
            decoder,
            size,
            segment: task.segment,
            stage,
            duration,
            first: None,
            last: None,
            segments: 1,
        })
    }

    fn packet(&mut self, packet: &Packet, begin: Ticks) -> Result<(), Trouble> {
        let _ = self.decoder.send_packet(packet);
        self.receive(begin)
    }

    fn finish(mut self, begin: Ticks) -> Result<(), Trouble> {
        let _ = self.decoder.send_eof();
        self.receive(begin)?;
        if self.first.is_none() {
            return Err(Trouble::refused("not one picture of the file can be decoded"));
        }
        self.stage.finish()
    }

    fn receive(&mut self, begin: Ticks) -> Result<(), Trouble> {
        loop {
            let mut frame = frame::Video::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => self.take(frame, begin)?,
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
                Err(ffmpeg::Error::InvalidData) => {}
                Err(source) => return Err(Trouble::Ffmpeg { action: "decode a picture", source }),
            }
        }
    }

    fn take(&mut self, mut frame: frame::Video, begin: Ticks) -> Result<(), Trouble> {
        let Some(time) = frame.timestamp().or(frame.pts()) else { return Ok(()) };
        let pts = ticks(time, self.base) - begin + START;
        // Encoders want times that rise.
        if self.last.is_some_and(|last| pts <= last) {
            return Ok(());
        }
        self.last = Some(pts);
        let first = *self.first.get_or_insert(pts);
        let segment = ((pts - first).0 / self.segment.0) as u64;
        let begins = (segment >= self.segments).then(|| {
            self.segments = segment + 1;
            SegmentNumber(segment)
        });
        decode::neutral(&mut frame, pts);
        let picture = Picture { pts, frame: Arc::new(frame), repeated: false };
        let said = (self.rate.numerator() > 0 && self.rate.denominator() > 0).then_some(self.rate);
        self.stage.take(picture, begins, said)
    }
}
