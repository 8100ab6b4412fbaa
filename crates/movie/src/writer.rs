//! The encoder and the file.

use crate::yuv::{Plane, Rgb};
use ffmpeg::codec::{self, encoder};
use ffmpeg::util::{color, log};
use ffmpeg::{Dictionary, Packet, Rational, format, frame};
use ffmpeg_next as ffmpeg;
use std::path::{Path, PathBuf};

/// x264's quality: 16 is hard to tell from the frames themselves.
const CRF: &str = "16";

/// Why there is no movie.
#[derive(Debug, thiserror::Error)]
pub enum MovieError {
    /// A size or rate that no movie has.
    #[error(
        "{width}×{height} pixels at {fps} frames a second make no movie: each must be 1 to {}",
        MovieWriter::MAX
    )]
    Shape {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Frames a second.
        fps: u32,
    },
    /// A path that FFmpeg cannot be told.
    #[error("{} is not a path that FFmpeg understands: it must be UTF-8", .0.display())]
    Path(PathBuf),
    /// FFmpeg was built without the encoder.
    #[error(
        "this FFmpeg has no H.264 encoder: install one that is built with libx264 \
         (Debian's and Ubuntu's are)"
    )]
    NoEncoder,
    /// A frame of another size.
    #[error("a frame of {found} bytes came where {expected} were expected")]
    FrameSize {
        /// 3 bytes for each pixel.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A movie without a frame.
    #[error("a movie needs at least one frame")]
    NoFrames,
    /// FFmpeg refused.
    #[error("could not {action}: {source}")]
    Ffmpeg {
        /// What was tried, in words that read after "could not".
        action: &'static str,
        /// FFmpeg's reason.
        #[source]
        source: ffmpeg::Error,
    },
}

fn trying<T>(action: &'static str, result: Result<T, ffmpeg::Error>) -> Result<T, MovieError> {
    result.map_err(|source| MovieError::Ffmpeg { action, source })
}

/// An MP4 that is being written, frame by frame.
pub struct MovieWriter {
    output: format::context::Output,
    encoder: encoder::Video,
    width: u32,
    height: u32,
    /// Of the encoder: a frame long.
    frame_time: Rational,
    frames: i64,
}

impl MovieWriter {
    /// Longest side in pixels, and most frames a second.
    pub const MAX: u32 = 16_384;

    /// Starts a movie of `width` × `height` pixels and `fps` frames a second, replacing the file
    /// at `path`. The movie has even sides: odd ones grow by one, repeating the edge.
    pub fn create(path: &Path, width: u32, height: u32, fps: u32) -> Result<Self, MovieError> {
        if [width, height, fps].iter().any(|&n| n == 0 || n > Self::MAX) {
            return Err(MovieError::Shape { width, height, fps });
        }
        // With its protocol named, a path with a colon in it stays a path.
        let url = path.to_str().filter(|path| !path.contains('\0'));
        let url = format!("file:{}", url.ok_or_else(|| MovieError::Path(path.to_path_buf()))?);
        trying("start FFmpeg", ffmpeg::init())?;
        // Errors come back as values; everything else would be chatter on stderr.
        log::set_level(log::Level::Error);
        let codec = encoder::find_by_name("libx264").ok_or(MovieError::NoEncoder)?;
        let mut output = trying("create the movie's file", format::output_as(&url, "mp4"))?;

        let frame_time = Rational(1, fps as i32);
        let context = codec::context::Context::new_with_codec(codec);
        let mut video = trying("set up the encoder", context.encoder().video())?;
        video.set_width(width.next_multiple_of(2));
        video.set_height(height.next_multiple_of(2));
        video.set_format(format::Pixel::YUV420P);
        video.set_time_base(frame_time);
        video.set_frame_rate(Some(Rational(fps as i32, 1)));
        video.set_colorspace(color::Space::BT709);
        video.set_color_primaries(color::Primaries::BT709);
        video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        video.set_color_range(color::Range::MPEG);
        if output.format().flags().contains(format::Flags::GLOBAL_HEADER) {
            video.set_flags(codec::Flags::GLOBAL_HEADER);
        }
        let options = Dictionary::from_iter([("crf", CRF)]);
        let encoder = trying("start the encoder", video.open_as_with(codec, options))?;

        let mut stream = trying("add the video", output.add_stream(codec))?;
        stream.set_parameters(&encoder);
        stream.set_time_base(frame_time);
        // Players on the web start before they have the whole file.
        let options = Dictionary::from_iter([("movflags", "+faststart")]);
        trying("write the movie's header", output.write_header_with(options))?;
        Ok(Self { output, encoder, width, height, frame_time, frames: 0 })
    }

    /// Appends a frame: red, green and blue of each pixel, row by row from the top left.
    pub fn push(&mut self, rgb: &[u8]) -> Result<(), MovieError> {
        let (width, height) = (self.width as usize, self.height as usize);
        let expected = 3 * width * height;
        if rgb.len() != expected {
            return Err(MovieError::FrameSize { expected, found: rgb.len() });
        }
        let rgb = Rgb { bytes: rgb, width, height };
        // A new one each time: the encoder may still look at the last one.
        let mut frame = frame::Video::new(
            format::Pixel::YUV420P,
            self.width.next_multiple_of(2),
            self.height.next_multiple_of(2),
        );
        for (index, plane) in [Plane::Luma, Plane::Cb, Plane::Cr].into_iter().enumerate() {
            let (stride, used) = (frame.stride(index), frame.plane_width(index) as usize);
            rgb.fill(plane, frame.data_mut(index), stride, used);
        }
        frame.set_pts(Some(self.frames));
        self.frames += 1;
        trying("encode a frame", self.encoder.send_frame(&frame))?;
        self.write_packets()
    }

    /// Writes what the encoder still holds, and completes the file.
    pub fn finish(mut self) -> Result<(), MovieError> {
        if self.frames == 0 {
            return Err(MovieError::NoFrames);
        }
        trying("end the encoding", self.encoder.send_eof())?;
        self.write_packets()?;
        trying("complete the movie's file", self.output.write_trailer())
    }

    /// Takes from the encoder what is ready.
    fn write_packets(&mut self) -> Result<(), MovieError> {
        let stream_time = self.output.stream(0).expect("added when created").time_base();
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => {
                    return Ok(());
                }
                other => trying("encode a frame", other)?,
            }
            packet.set_stream(0);
            // The encoder leaves it open, and the last frame would last no time at all.
            packet.set_duration(1);
            packet.rescale_ts(self.frame_time, stream_time);
            trying("write the movie's file", packet.write_interleaved(&mut self.output))?;
        }
    }
}
