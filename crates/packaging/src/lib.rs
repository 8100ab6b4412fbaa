//! Coded media to what players take: fragmented MP4, recordings, HLS playlists.
//!
//! It opens no file, knows no clock, and decodes and encodes no picture. What it is given in
//! [`tessera_media`]'s terms it writes, and what it wrote it reads again.
//!
//! # Contract
//! - Times are of one timeline a session, which starts above 0: a unit before 0 is refused.
//! - Bytes from outside (H.264, AAC, segments read back) give an error that says what is wrong, and
//!   never a panic; what is taken from them is bounded by the bytes that are there.
//! - The same input gives the same bytes.
//!
//! Reading order: [`h264`] and [`aac`] (what sources send) → [`format`] (how a track is called and
//! described) → [`fmp4`] (initialization sections, segments, parts) → [`hls`] (playlists)
//! → [`recording`] (one file of it all).
#![forbid(unsafe_code)]

pub mod aac;
mod bits;
mod boxes;
pub mod fmp4;
pub mod format;
pub mod h264;
pub mod hls;
pub mod recording;
#[cfg(test)]
mod samples;

pub use format::{FormatError, codec_string};
