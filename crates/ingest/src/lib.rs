//! The doors by which sources come in: RTMP, SRT and HTTP, down to coded units.
//!
//! Each server listens, takes a stream key before it buffers any media, asks a [`Broker`] whether
//! that key may come in, and then reads what the source sends into [`SourceEvent`]s. It links no
//! media library: containers are read by our own safe code, under limits.
//!
//! It cuts, encodes, keeps and publishes nothing, knows no session and no reconnect window, and
//! decides about no key: all that is the broker's.
//!
//! # Contract
//! - A [`Sink`] is one visit of one source. It is dropped when the source left, however that was;
//!   [`SourceReceiver::recv`] then gives `None`. A source that comes again is asked for again.
//! - A track's [`SourceEvent::Format`] comes before its first unit, and again where it changes. What
//!   is taken is H.264 with AAC or without sound; other tracks are left out or refused, in words.
//! - Times are those of the source's own clock in 1/90,000 s, without wraps, so they begin anywhere
//!   and may be negative. Within a visit the `dts` of a track rises from unit to unit and
//!   is never after its `pts`. Between tracks there is no order but that of arrival. A clock that
//!   was set back ends the visit and begins another one.
//! - A `keyframe` is a picture from which decoding can begin. Units before the first keyframe
//!   arrive too.
//! - What is sent waits in a bounded channel: a slow receiver slows the source down, as TCP does,
//!   and over SRT loses it.
//! - A revoked visit is closed at once, in the midst of anything.
//! - Keys are never written to logs, messages or `Debug`.
//!
//! Reading order: [`source`] (what comes out) → [`limits`] → `tracks` (keeps the promises above) →
//! `parameter_sets` → `flv`, `ts` → `visit` (between a server and the broker) → [`rtmp`], [`srt`],
//! [`http`].
#![forbid(unsafe_code)]

mod flv;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http;
pub mod limits;
mod parameter_sets;
pub mod rtmp;
pub mod source;
pub mod srt;
mod tracks;
mod ts;
mod visit;

pub use limits::Limits;
pub use source::{
    Broker, Closed, Protocol, Refusal, RefusalReason, Sink, SourceEvent, SourceReceiver, StreamKey,
    sink,
};
