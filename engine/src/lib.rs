//! Everything that FFmpeg does for live streams, in a process of its own.
//!
//! The program `transcode-engine` is started by whoever has media to work on, and talks to it on
//! its standard input and output in the words of [`tessera_media::wire`]. It gives up network, files
//! and everything else it does not need before it reads the first byte: what it works on comes from
//! strangers, and FFmpeg is a million lines of C. It is never linked into a program that holds keys
//! or sockets.
//!
//! # Contract
//! - One lane at a time, as [`tessera_media::task::Task`] describes each. A lane that cannot be done
//!   ends in `Failed`, with words for people, and the process takes the next one. After `Cancel`
//!   nothing more is said on the lane.
//! - A parent reads while it writes: queues between them are short on purpose.
//! - Standard input at its end ends the process. Bytes that are no message end it with an error.
//! - Nothing is written to standard error in the ordinary course of things.
//!
//! Reading order: [`exchange`] (pipes and lanes) → [`decode`] → [`ladder`] → `encode` → `file` →
//! [`demux`], [`thumbnail`], [`compare`] (the other tasks).

pub mod compare;
pub mod decode;
pub mod demux;
mod encode;
pub mod error;
pub mod exchange;
mod file;
pub mod ladder;
mod raw;
mod scale;
pub mod thumbnail;

pub use error::Trouble;

/// Starts FFmpeg and silences it: what goes wrong comes back as values.
///
/// # Errors
/// If FFmpeg cannot be started.
pub fn start_ffmpeg() -> Result<(), ffmpeg_next::Error> {
    ffmpeg_next::init()?;
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
    Ok(())
}
