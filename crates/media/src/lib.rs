//! The words of coded media: times, formats, access units, and the messages they travel in.
//!
//! It decodes, encodes, muxes and sends nothing. A type here means the same to the gateway, to the
//! worker and to the engine, which are three processes that don't trust each other.
//!
//! # Contract
//! - Every time is in [`Ticks`] of 90 kHz. A source's own clock is converted once, where it enters.
//! - H.264 and H.265 travel as 4-byte length-prefixed NAL units with their parameter sets in
//!   [`VideoFormat::config`]; AV1 as OBUs without temporal delimiters; AAC as raw frames without
//!   ADTS.
//! - Units of a track travel in decoding order. A unit that is a `keyframe` can be decoded without
//!   any earlier one.
//! - What arrives is bounded by [`wire`]'s limits before memory is taken for it.
//!
//! Reading order: [`time`] → [`format`] → [`unit`] → [`rate`] → [`task`] (what an engine is asked) → [`wire`]
//! (how all of it travels).
#![forbid(unsafe_code)]

pub mod format;
pub mod rate;
pub mod task;
pub mod time;
pub mod unit;
pub mod wire;

pub use format::{AudioFormat, TrackFormat, VideoFormat};
pub use time::Ticks;
pub use unit::{AccessUnit, UnitHasher};
