//! A file's sound to AAC.

use super::{START, ticks};
use crate::demux::Sound as Packets;
use crate::error::{Trouble, trying};
use crate::exchange::Outbox;
use crate::raw;
use ffmpeg::codec::{self, decoder, encoder};
use ffmpeg::error::EAGAIN;
use ffmpeg::format::context::Input;
use ffmpeg::format::{Sample, sample};
use ffmpeg::software::resampling;
use ffmpeg::{ChannelLayout, Packet, Rational, frame, media};
use ffmpeg_next as ffmpeg;
use std::collections::VecDeque;
use tessera_media::format::AudioCodec;
use tessera_media::task::{FileSound, Track};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, AudioFormat, Ticks, TrackFormat};

/// Sampling rates that AAC has; others become the first.
const RATES: [u32; 9] = [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
const FLOATS: Sample = Sample::F32(sample::Type::Planar);
/// Samples of a channel in a unit.
const UNIT: usize = AudioFormat::SAMPLES_PER_UNIT as usize;

/// The track of sound.
pub(super) struct Sound<'a> {
    pub(super) stream: usize,
    pub(super) codec: codec::Id,
    base: Rational,
    way: Way,
    outbox: &'a Outbox,
}

/// What becomes of it.
enum Way {
    Copied(Packets),
    Encoded(Box<Coder>),
}

impl<'a> Sound<'a> {
    /// The file's sound, if it has any.
    pub(super) fn open(
        input: &Input,
        task: FileSound,
        outbox: &'a Outbox,
    ) -> Result<Option<Self>, Trouble> {
        let Some(stream) = input.streams().best(media::Type::Audio) else { return Ok(None) };
        let parameters = stream.parameters();
        let codec = parameters.id();
        let way = match task {
            FileSound::Copy if codec == codec::Id::AAC => Way::Copied(Packets::new(&parameters)),
            FileSound::Copy => {
                let reason = format!(
                    "the file's sound is {}, and only AAC can be copied: have it encoded",
                    codec.name()
                );
                return Err(Trouble::refused(reason));
            }
            FileSound::Encode { bits_per_s } => {
                let coder = Coder::open(parameters, stream.time_base(), bits_per_s)?;
                outbox.send(track(coder.format.clone()))?;
                Way::Encoded(Box::new(coder))
            }
        };
        Ok(Some(Self { stream: stream.index(), codec, base: stream.time_base(), way, outbox }))
    }

    pub(super) fn packet(&mut self, packet: &Packet, begin: Ticks) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Copied(packets) => {
                let read = packets.read(packet)?;
                if let Some(TrackFormat::Audio(format)) = read.format {
                    self.outbox.send(track(format))?;
                }
                let time = packet.pts().map(|pts| ticks(pts, self.base) - begin + START);
                if let (Some((data, _)), Some(pts)) = (read.unit, packets.time(time)) {
                    self.outbox.send(unit(pts, data))?;
                }
                Ok(())
            }
            Way::Encoded(coder) => {
                let _ = coder.decoder.send_packet(packet);
                coder.decoded(begin, self.outbox)
            }
        }
    }

    pub(super) fn finish(mut self, begin: Ticks) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Copied(_) => Ok(()),
            Way::Encoded(coder) => coder.finish(begin, self.outbox),
        }
    }
}

fn track(format: AudioFormat) -> Body {
    Body::Track(Track { format: TrackFormat::Audio(format) })
}

fn unit(pts: Ticks, data: bytes::Bytes) -> Body {
    Body::Source(TrackKind::Audio, AccessUnit { pts, dts: pts, keyframe: true, data })
}

/// Decoder, resampler and encoder.
struct Coder {
    decoder: decoder::Audio,
    base: Rational,
    resampler: Option<resampling::Context>,
    encoder: encoder::audio::Encoder,
    layout: ChannelLayout,
    format: AudioFormat,
    /// Samples that make no whole unit yet, for each channel.
    waiting: Vec<VecDeque<f32>>,
    /// Time of the first sample, and samples since that went into the encoder.
    begun: Option<Ticks>,
    taken: i64,
}

impl Coder {
    fn open(
        parameters: codec::Parameters,
        base: Rational,
        bits_per_s: u32,
    ) -> Result<Self, Trouble> {
        let context = codec::context::Context::from_parameters(parameters);
        let mut decoder = trying("read the file's sound", context)?.decoder();
        decoder.set_packet_time_base(base);
        let decoder = trying("decode the file's sound", decoder.audio())?;
        let rate = RATES.into_iter().find(|&rate| rate == decoder.rate()).unwrap_or(RATES[0]);
        let channels = decoder.channels().clamp(1, 2);
        let layout = ChannelLayout::default(i32::from(channels));

        let found = encoder::find(codec::Id::AAC)
            .ok_or_else(|| Trouble::refused("this FFmpeg has no encoder for AAC"))?;
        let context = codec::context::Context::new_with_codec(found);
        let mut audio = trying("set up the encoder of sound", context.encoder().audio())?;
        audio.set_rate(rate as i32);
        audio.set_format(FLOATS);
        audio.set_channel_layout(layout);
        audio.set_channels(i32::from(channels));
        audio.set_bit_rate(bits_per_s as usize);
        audio.set_time_base((1, rate as i32));
        audio.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder = trying("open the encoder of sound", audio.open_as(found))?;
        let config = raw::extradata(&encoder);
        let format = AudioFormat { codec: AudioCodec::Aac, sample_rate: rate, channels, config };
        Ok(Self {
            decoder,
            base,
            resampler: None,
            encoder,
            layout,
            waiting: vec![VecDeque::new(); usize::from(channels)],
            format,
            begun: None,
            taken: 0,
        })
    }

    /// Takes what the decoder has ready.
    fn decoded(&mut self, begin: Ticks, outbox: &Outbox) -> Result<(), Trouble> {
        loop {
            let mut frame = frame::Audio::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
                Err(_) => continue,
            }
            let pts = frame.timestamp().or(frame.pts());
            let pts = pts.map(|pts| ticks(pts, self.base) - begin + START);
            self.align(pts);
            let resampled = self.resample(frame)?;
            self.wait(&resampled);
            self.encode(outbox)?;
        }
    }

    /// Fills what is missing before `pts` with silence, so that sound stays beside its pictures.
    fn align(&mut self, pts: Option<Ticks>) {
        let Some(pts) = pts else { return };
        let Some(begun) = self.begun else {
            self.begun = Some(pts);
            return;
        };
        let rate = i64::from(self.format.sample_rate);
        let here = self.taken + self.waiting[0].len() as i64;
        let there = (pts - begun).0 * rate / Ticks::PER_SECOND;
        // Rounded times differ by less.
        let missing = there - here;
        if missing > rate / 20 && missing < 600 * rate {
            for channel in &mut self.waiting {
                channel.extend(std::iter::repeat_n(0.0, missing as usize));
            }
        }
    }

    fn resample(&mut self, mut frame: frame::Audio) -> Result<frame::Audio, Trouble> {
        if frame.channel_layout().is_empty() {
            frame.set_channel_layout(ChannelLayout::default(i32::from(frame.channels())));
        }
        let rate = self.format.sample_rate;
        let from = (frame.format(), frame.channel_layout(), frame.rate());
        if from == (FLOATS, self.layout, rate) {
            return Ok(frame);
        }
        let resampler = match &mut self.resampler {
            Some(resampler)
                if {
                    let input = resampler.input();
                    (input.format, input.channel_layout, input.rate) == from
                } =>
            {
                resampler
            }
            resampler => {
                let made =
                    resampling::Context::get(from.0, from.1, from.2, FLOATS, self.layout, rate);
                resampler.insert(trying("set up the resampling", made)?)
            }
        };
        let mut resampled = frame::Audio::empty();
        trying("resample the sound", resampler.run(&frame, &mut resampled))?;
        Ok(resampled)
    }

    fn wait(&mut self, frame: &frame::Audio) {
        if frame.samples() == 0 {
            return;
        }
        for (index, channel) in self.waiting.iter_mut().enumerate() {
            channel.extend(frame.plane::<f32>(index));
        }
    }

    /// Encodes all whole units that wait.
    fn encode(&mut self, outbox: &Outbox) -> Result<(), Trouble> {
        while self.waiting[0].len() >= UNIT {
            let mut frame = frame::Audio::new(FLOATS, UNIT, self.layout);
            frame.set_rate(self.format.sample_rate);
            for (index, channel) in self.waiting.iter_mut().enumerate() {
                for (to, sample) in
                    frame.plane_mut::<f32>(index).iter_mut().zip(channel.drain(..UNIT))
                {
                    *to = sample;
                }
            }
            frame.set_pts(Some(self.taken));
            self.taken += UNIT as i64;
            trying("encode the sound", self.encoder.send_frame(&frame))?;
            self.give(outbox)?;
        }
        Ok(())
    }

    fn give(&mut self, outbox: &Outbox) -> Result<(), Trouble> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
                other => trying("encode the sound", other)?,
            }
            let (Some(data), Some(pts)) = (packet.data(), packet.pts()) else { continue };
            // Before the first sample lie those that the decoder needs to swing in.
            let pts = self.begun.unwrap_or(START)
                + ticks(pts, Rational(1, self.format.sample_rate as i32));
            outbox.send(unit(pts, bytes::Bytes::copy_from_slice(data)))?;
        }
    }

    fn finish(&mut self, begin: Ticks, outbox: &Outbox) -> Result<(), Trouble> {
        let _ = self.decoder.send_eof();
        self.decoded(begin, outbox)?;
        // The last unit is filled up with silence.
        let missing = (UNIT - self.waiting[0].len() % UNIT) % UNIT;
        for channel in &mut self.waiting {
            channel.extend(std::iter::repeat_n(0.0, missing));
        }
        self.encode(outbox)?;
        trying("end the sound", self.encoder.send_eof())?;
        self.give(outbox)
    }
}
