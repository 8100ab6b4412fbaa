//! Units to pictures.
//!
//! A damaged unit loses its picture, not its time: every unit's time comes out exactly once, in
//! order of showing. Where the decoder brings nothing for it, the picture before stands still (at
//! the very start, the one after).

use crate::error::{Trouble, trying};
use crate::raw;
use ffmpeg::codec::{self, decoder};
use ffmpeg::format::Pixel;
use ffmpeg::{Packet, frame, picture};
use ffmpeg_next as ffmpeg;
use std::collections::BTreeSet;
use std::sync::Arc;
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::stream::VideoCodec;

/// How far common encoders reorder pictures.
const REORDER: u8 = 2;

/// A decoded picture, in 4:2:0 of 8 bits or whatever else the source has.
#[derive(Clone)]
pub struct Picture {
    /// When it is shown.
    pub pts: Ticks,
    /// Its samples, of the size that the format says; its own time is `pts` too. Shared, not to be
    /// changed.
    pub frame: Arc<frame::Video>,
    /// Whether it stands in for one that could not be decoded.
    pub repeated: bool,
}

/// Decodes one track on the thread that calls it.
pub struct Decoder {
    inner: decoder::Video,
    width: u32,
    height: u32,
    /// Times of units whose pictures have not come out.
    awaited: BTreeSet<i64>,
    last: Option<Arc<frame::Video>>,
}

impl Decoder {
    /// Of a track; its first unit must be a keyframe.
    ///
    /// # Errors
    /// If its configuration record is unusable.
    pub fn open(format: &VideoFormat) -> Result<Self, Trouble> {
        let id = match format.codec {
            VideoCodec::H264 => codec::Id::H264,
            VideoCodec::H265 => codec::Id::HEVC,
            VideoCodec::Av1 => codec::Id::AV1,
        };
        // By name where FFmpeg would rather take another: its own AV1 decoder needs a GPU.
        let found = match format.codec {
            VideoCodec::Av1 => decoder::find_by_name("libdav1d"),
            _ => decoder::find(id),
        };
        let found = found.ok_or_else(|| {
            Trouble::refused(format!("this FFmpeg has no decoder for {:?}", format.codec))
        })?;
        let mut context = codec::context::Context::new_with_codec(found);
        trying(
            "take the source's configuration",
            raw::set_extradata(&mut context, &format.config),
        )?;
        raw::limit_pixels(&mut context);
        context.set_threading(codec::threading::Config::count(1));
        let mut decoder = context.decoder();
        decoder.set_packet_time_base((1, Ticks::PER_SECOND as i32));
        let inner = trying("open the source's decoder", decoder.open())?;
        let inner = trying("open the source's decoder", inner.video())?;
        let (width, height) = (format.width, format.height);
        Ok(Self { inner, width, height, awaited: BTreeSet::new(), last: None })
    }

    /// Frames a second, where the stream itself says so.
    pub fn frame_rate(&self) -> Option<ffmpeg::Rational> {
        let rate = self.inner.frame_rate().filter(|r| r.numerator() > 0 && r.denominator() > 0)?;
        let fps = f64::from(rate);
        (1.0..=240.0).contains(&fps).then_some(rate)
    }

    /// Takes the next unit; pictures that are ready are appended to `out`, in order of showing.
    ///
    /// # Errors
    /// If the pictures are of another size than the format says. A unit that cannot be decoded is
    /// none: its picture is repeated.
    pub fn push(&mut self, unit: &AccessUnit, out: &mut Vec<Picture>) -> Result<(), Trouble> {
        let mut packet = Packet::copy(&unit.data);
        packet.set_pts(Some(unit.pts.0));
        packet.set_dts(Some(unit.dts.0));
        if unit.keyframe {
            packet.set_flags(codec::packet::Flags::KEY);
        }
        if self.last.is_none() && self.awaited.is_empty() && unit.pts > unit.dts {
            // The source reorders. Where its parameter sets don't say how far, the decoder would
            // find out by giving pictures out of order.
            raw::set_reorder_depth(&mut self.inner, REORDER);
        }
        self.awaited.insert(unit.pts.0);
        // What is wrong with the unit shows by its picture's absence.
        let _ = self.inner.send_packet(&packet);
        self.receive(out)
    }

    /// Nothing more comes: what is held back is appended to `out`.
    ///
    /// # Errors
    /// As [`Self::push`], and if not one picture could be decoded.
    pub fn finish(&mut self, out: &mut Vec<Picture>) -> Result<(), Trouble> {
        let _ = self.inner.send_eof();
        self.receive(out)?;
        let Some(last) = self.last.clone() else {
            return match self.awaited.is_empty() {
                true => Ok(()),
                false => Err(Trouble::refused(
                    "not one picture of it can be decoded: it is damaged, or is not what its \
                     format says",
                )),
            };
        };
        let rest = std::mem::take(&mut self.awaited);
        for pts in rest {
            out.push(repeated(&last, pts)?);
        }
        Ok(())
    }

    fn receive(&mut self, out: &mut Vec<Picture>) -> Result<(), Trouble> {
        loop {
            let mut frame = frame::Video::empty();
            match self.inner.receive_frame(&mut frame) {
                Ok(()) => self.take(frame, out)?,
                // A picture that could not be decoded after all; the next call goes on.
                Err(ffmpeg::Error::InvalidData) => {}
                // Nothing more for now. What else goes wrong shows by what is missing.
                Err(_) => return Ok(()),
            }
        }
    }

    fn take(&mut self, mut frame: frame::Video, out: &mut Vec<Picture>) -> Result<(), Trouble> {
        let Some(pts) = frame.pts().or(frame.timestamp()) else { return Ok(()) };
        // Twice the same time, or a picture that was given up already.
        if !self.awaited.contains(&pts) {
            return Ok(());
        }
        if (frame.width(), frame.height()) != (self.width, self.height) {
            return Err(Trouble::refused(format!(
                "the source's picture at {} is of {}×{} pixels where its format says {}×{}",
                Ticks(pts),
                frame.width(),
                frame.height(),
                self.width,
                self.height
            )));
        }
        neutral(&mut frame, Ticks(pts));
        let frame = Arc::new(frame);
        let later = self.awaited.split_off(&pts);
        let missing = std::mem::replace(&mut self.awaited, later);
        let stand_in = self.last.as_ref().unwrap_or(&frame);
        for pts in missing {
            out.push(repeated(stand_in, pts)?);
        }
        self.awaited.remove(&pts);
        out.push(Picture { pts: Ticks(pts), frame: Arc::clone(&frame), repeated: false });
        self.last = Some(frame);
        Ok(())
    }
}

/// Makes a decoded picture one that can be encoded: shown at `pts`, and nothing else said of it.
pub(crate) fn neutral(frame: &mut frame::Video, pts: Ticks) {
    // The same samples; what they mean stands in the colour range.
    if frame.format() == Pixel::YUVJ420P {
        frame.set_format(Pixel::YUV420P);
        frame.set_color_range(ffmpeg::color::Range::JPEG);
    }
    // An encoder would take the source's kind of picture for an order.
    frame.set_kind(picture::Type::None);
    frame.set_pts(Some(pts.0));
}

fn repeated(frame: &frame::Video, pts: i64) -> Result<Picture, Trouble> {
    let mut copy = trying("repeat a picture", raw::share(frame))?;
    copy.set_pts(Some(pts));
    Ok(Picture { pts: Ticks(pts), frame: Arc::new(copy), repeated: true })
}
