//! Pictures to units.
//!
//! # Contract
//! - Times go in and come out in 90 kHz ticks, unchanged.
//! - Only the first picture and those whose kind is set to I become keyframes, and all of those
//!   can be decoded without what came before.
//! - The decoding time of the n-th unit is the showing time of the n-th picture, less a delay of as
//!   many pictures as the codec may reorder (2 at most), however the units of this stretch lie in
//!   fact. It follows from the pictures alone: the first unit of a segment is decoded two pictures
//!   before it is shown, the last one three before the next segment. So stretches that different
//!   processes encode never overlap in decoding time.
//!
//! Reading order: this page → [`h264`], [`h265`], [`av1`] (each: what its encoder is told, and its
//! output in the form of [`tessera_media`]).

mod av1;
mod h264;
mod h265;

use crate::error::{Trouble, trying};
use crate::raw;
use bytes::Bytes;
use ffmpeg::codec::{self, encoder};
use ffmpeg::error::EAGAIN;
use ffmpeg::format::Pixel;
use ffmpeg::{Dictionary, Packet, Rational, color, frame, picture};
use ffmpeg_next as ffmpeg;
use std::collections::VecDeque;
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::stream::VideoCodec;

/// What an encoder is to do.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) codec: VideoCodec,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits_per_s: u32,
    /// Of the pictures that will come, so that bits a second become bits a picture.
    pub(crate) frame_rate: Rational,
    pub(crate) style: Style,
    pub(crate) colour: Colour,
    /// How long all pictures together last, where that is known.
    pub(crate) duration: Option<Ticks>,
}

/// How an encoder lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For a few seconds; looks ahead and reorders.
    Segment,
    /// For a whole file, over which the bit rate holds; looks ahead and reorders.
    File,
    /// Gives each picture back at once.
    Live,
}

/// What the numbers of a picture mean; it goes into the stream as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour {
    space: color::Space,
    range: color::Range,
    primaries: color::Primaries,
    transfer: color::TransferCharacteristic,
    /// The shape of a pixel.
    aspect: Rational,
}

impl Colour {
    pub(crate) fn of(frame: &frame::Video) -> Self {
        Self {
            space: frame.color_space(),
            range: frame.color_range(),
            primaries: frame.color_primaries(),
            transfer: frame.color_transfer_characteristic(),
            aspect: frame.aspect_ratio(),
        }
    }
}

/// Encodes one rendition on the thread that calls it (and on threads of the codec's own).
pub(crate) struct Encoder {
    inner: encoder::video::Encoder,
    settings: Settings,
    format: VideoFormat,
    begun: bool,
    clock: DecodingClock,
}

impl Encoder {
    pub(crate) fn open(settings: Settings) -> Result<Self, Trouble> {
        let inner = open(&settings)?;
        let format = format_of(&inner, &settings)?;
        let codec = settings.codec;
        let reorder = match codec {
            // What is reordered lies within one unit.
            VideoCodec::Av1 => 0,
            VideoCodec::H264 => raw::reorder_depth(&inner),
            VideoCodec::H265 => h265::reorder_depth(settings.style),
        };
        let clock = DecodingClock::new(reorder, settings.frame_rate);
        Ok(Self { inner, settings, format, begun: false, clock })
    }

    pub(crate) fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Pictures come at another rate from now on, the first of which must become a keyframe.
    pub(crate) fn set_frame_rate(
        &mut self,
        frame_rate: Rational,
        give: impl FnMut(AccessUnit) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.settings.frame_rate = frame_rate;
        self.begin_anew(give)
    }

    fn begin_anew(
        &mut self,
        give: impl FnMut(AccessUnit) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.finish(give)?;
        self.inner = open(&self.settings)?;
        self.format = format_of(&self.inner, &self.settings)?;
        self.begun = false;
        Ok(())
    }

    /// Takes a picture; `give` gets what is ready.
    pub(crate) fn push(
        &mut self,
        frame: &frame::Video,
        mut give: impl FnMut(AccessUnit) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let key = frame.kind() == picture::Type::I;
        if key && self.begun && self.settings.codec == VideoCodec::Av1 {
            self.begin_anew(&mut give)?;
        }
        self.begun = true;
        self.clock.shown(frame.pts().unwrap_or(0));
        trying("encode a picture", self.inner.send_frame(frame))?;
        self.receive(give)
    }

    /// Nothing more comes; `give` gets what was held back.
    pub(crate) fn finish(
        &mut self,
        give: impl FnMut(AccessUnit) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        trying("end the encoding", self.inner.send_eof())?;
        self.receive(give)
    }

    fn receive(
        &mut self,
        mut give: impl FnMut(AccessUnit) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        loop {
            let mut packet = Packet::empty();
            match self.inner.receive_packet(&mut packet) {
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
                other => trying("encode a picture", other)?,
            }
            let (Some(bytes), Some(pts)) = (packet.data(), packet.pts()) else { continue };
            let data = match self.settings.codec {
                VideoCodec::H264 => h264::unit(bytes),
                VideoCodec::H265 => h265::unit(bytes),
                VideoCodec::Av1 => av1::unit(bytes),
            };
            let data: Bytes =
                data.ok_or_else(|| Trouble::refused("an encoder gives bytes that cannot be read"))?;
            let dts = self.clock.next();
            if dts > pts {
                return Err(Trouble::refused("an encoder reorders more than it said"));
            }
            give(AccessUnit { pts: Ticks(pts), dts: Ticks(dts), keyframe: packet.is_key(), data })?;
        }
    }
}

fn open(settings: &Settings) -> Result<encoder::video::Encoder, Trouble> {
    let (name, mut options) = match settings.codec {
        VideoCodec::H264 => (h264::ENCODER, h264::options(settings)),
        VideoCodec::H265 => (h265::ENCODER, h265::options(settings)),
        VideoCodec::Av1 => (av1::ENCODER, av1::options(settings)),
    };
    if settings.codec != VideoCodec::Av1 {
        // How far a stretch may lie above the mean, and for how long: a player has to load it.
        let (rate, buffer) = match settings.style {
            Style::Segment | Style::File => (settings.bits_per_s / 2 * 3, settings.bits_per_s * 2),
            Style::Live => (settings.bits_per_s / 4 * 5, settings.bits_per_s),
        };
        options.push(("maxrate".to_owned(), rate.to_string()));
        options.push(("bufsize".to_owned(), buffer.to_string()));
    }
    let found = encoder::find_by_name(name)
        .ok_or_else(|| Trouble::refused(format!("this FFmpeg has no encoder {name}")))?;
    let context = codec::context::Context::new_with_codec(found);
    let mut video = trying("set up an encoder", context.encoder().video())?;
    video.set_width(settings.width);
    video.set_height(settings.height);
    video.set_format(Pixel::YUV420P);
    video.set_time_base((1, Ticks::PER_SECOND as i32));
    video.set_frame_rate(Some(settings.frame_rate));
    video.set_bit_rate(settings.bits_per_s as usize);
    video.set_flags(codec::Flags::GLOBAL_HEADER);
    let colour = &settings.colour;
    video.set_colorspace(colour.space);
    video.set_color_range(colour.range);
    video.set_color_primaries(colour.primaries);
    video.set_color_transfer_characteristic(colour.transfer);
    video.set_aspect_ratio(colour.aspect);
    trying("open an encoder", video.open_as_with(found, Dictionary::from_iter(options)))
}

fn format_of(
    encoder: &encoder::video::Encoder,
    settings: &Settings,
) -> Result<VideoFormat, Trouble> {
    let headers = raw::extradata(encoder);
    let Settings { codec, width, height, .. } = *settings;
    let config = match codec {
        VideoCodec::H264 => h264::config(&headers),
        VideoCodec::H265 => h265::config(&headers),
        VideoCodec::Av1 => av1::config(&headers),
    };
    let config =
        config.ok_or_else(|| Trouble::refused("an encoder gives headers that cannot be read"))?;
    Ok(VideoFormat { codec, width, height, config })
}

/// Decoding times: the showing times of the pictures, later by some pictures' time.
struct DecodingClock {
    reorder: usize,
    /// Of a picture, in ticks.
    duration: i64,
    due: VecDeque<i64>,
    begun: bool,
}

impl DecodingClock {
    fn new(reorder: usize, frame_rate: Rational) -> Self {
        let duration = (Ticks::PER_SECOND as f64 / f64::from(frame_rate)) as i64;
        Self { reorder, duration, due: VecDeque::new(), begun: false }
    }

    /// A picture goes in.
    fn shown(&mut self, pts: i64) {
        if !self.begun {
            self.begun = true;
            self.due.extend((1..=self.reorder as i64).rev().map(|n| pts - n * self.duration));
        }
        self.due.push_back(pts);
    }

    /// A unit comes out.
    fn next(&mut self) -> i64 {
        self.due.pop_front().unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decoded_at_the_time_of_pictures_before() {
        let mut clock = DecodingClock::new(2, Rational(30, 1));
        for pts in [9000, 12_000, 15_100] {
            clock.shown(pts);
        }
        assert_eq!([clock.next(), clock.next(), clock.next()], [3000, 6000, 9000]);
    }

    #[test]
    fn without_reordering_units_are_decoded_when_shown() {
        let mut clock = DecodingClock::new(0, Rational(30, 1));
        clock.shown(-5);
        assert_eq!(clock.next(), -5);
    }
}
