//! One keyframe to a small JPEG.

use crate::decode::Decoder;
use crate::error::{Trouble, trying};
use crate::exchange::{Inbox, Outbox};
use crate::raw;
use crate::scale::Scaler;
use bytes::Bytes;
use ffmpeg::codec::{self, encoder};
use ffmpeg::format::Pixel;
use ffmpeg::{Packet, color, frame};
use ffmpeg_next as ffmpeg;
use std::sync::Arc;
use tessera_media::VideoFormat;
use tessera_media::wire::{Body, TrackKind};

/// Smallest and largest width.
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=1920;

pub(crate) fn run(
    source: &VideoFormat,
    width: u32,
    inbox: &Inbox,
    outbox: &Outbox,
) -> Result<(), Trouble> {
    if !WIDTHS.contains(&width) {
        return Err(Trouble::refused(format!("a thumbnail cannot be {width} pixels wide")));
    }
    let Body::Source(TrackKind::Video, unit) = inbox.next()? else {
        return Err(Trouble::refused("a thumbnail is made of one unit of video"));
    };
    let mut decoder = Decoder::open(source)?;
    let mut pictures = vec![];
    decoder.push(&unit, &mut pictures)?;
    decoder.finish(&mut pictures)?;
    let Some(picture) = pictures.into_iter().next() else {
        return Err(Trouble::refused("the unit has no picture"));
    };
    let (across, down) = (u64::from(source.width.max(1)), u64::from(source.height));
    let height = (u64::from(width) * down / across).clamp(16, 1920) as u32;
    // A JPEG's numbers take their whole range, a video's rarely do.
    let mut scaler = Scaler::new(width & !1, height & !1, Pixel::YUVJ420P);
    let small = scaler.scale(&whole_range_by_name(&picture.frame)?)?;
    outbox.send(Body::Bytes(jpeg(&small)?))
}

/// The same picture, its format's name saying so if its numbers take their whole range: the scaler
/// goes by that alone.
fn whole_range_by_name(frame: &Arc<frame::Video>) -> Result<Arc<frame::Video>, Trouble> {
    if frame.color_range() != color::Range::JPEG || frame.format() != Pixel::YUV420P {
        return Ok(Arc::clone(frame));
    }
    let mut named = trying("read the picture", raw::share(frame))?;
    named.set_format(Pixel::YUVJ420P);
    Ok(Arc::new(named))
}

fn jpeg(frame: &frame::Video) -> Result<Bytes, Trouble> {
    let found = encoder::find_by_name("mjpeg")
        .ok_or_else(|| Trouble::refused("this FFmpeg writes no JPEG"))?;
    let context = codec::context::Context::new_with_codec(found);
    let mut video = trying("set up the JPEG", context.encoder().video())?;
    video.set_width(frame.width());
    video.set_height(frame.height());
    video.set_format(Pixel::YUVJ420P);
    video.set_color_range(color::Range::JPEG);
    video.set_time_base((1, 25));
    let mut encoder = trying("set up the JPEG", video.open_as(found))?;
    trying("write the JPEG", encoder.send_frame(frame))?;
    trying("write the JPEG", encoder.send_eof())?;
    let mut packet = Packet::empty();
    trying("write the JPEG", encoder.receive_packet(&mut packet))?;
    Ok(Bytes::copy_from_slice(packet.data().unwrap_or_default()))
}
