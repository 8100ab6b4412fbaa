//! A sequence of frames to an MP4 (H.264), through FFmpeg.
//!
//! Frames come as a display shows them, 8-bit sRGB; nothing is resized, dropped or repeated, and
//! there is no sound. A movie is for looking at: it is neither exact nor the same on every
//! machine, which pictures are for.
//!
//! # Contract
//! The file is a movie only after [`MovieWriter::finish`] returned `Ok`; before that, and after
//! any error, what lies at the path is the caller's to remove. A writer blocks and keeps all cores
//! busy: async programs give it a thread of its own.
//!
//! ```no_run
//! # fn frames() -> Vec<Vec<u8>> { Vec::new() }
//! use std::path::Path;
//! use tessera_movie::MovieWriter;
//! let mut movie = MovieWriter::create(Path::new("shot.mp4"), 1280, 720, 24)?;
//! for frame in frames() {
//!     movie.push(&frame)?;
//! }
//! movie.finish()?;
//! # Ok::<(), tessera_movie::MovieError>(())
//! ```
//!
//! Reading order: [`writer`] (the encoder and the file) → `yuv` (the colours it wants).
#![forbid(unsafe_code)]

pub mod writer;
mod yuv;

pub use writer::{MovieError, MovieWriter};
