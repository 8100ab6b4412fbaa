//! Fragmented MP4: what HLS calls the initialization section, segments and parts.
//!
//! A track's [`init_segment`] comes first; each [`fragment`] after it is a `moof` and its `mdat`. A
//! segment is one fragment or the parts it was published in, one behind another: both are the same
//! to a player. Each track has files of its own, in which it is track [`TRACK_ID`].
//!
//! Times: pictures count [`Ticks`](tessera_media::Ticks) of 90 kHz from the session's own zero,
//! sound counts samples from the same zero, by an [`AudioClock`]. There are no edit lists: what a
//! player shows first is at the first unit's `pts`.
//!
//! Reading order: [`init`] → [`write`] → [`clock`] (where sound lies) → [`read`] (back again).

pub mod clock;
pub mod init;
pub mod read;
pub mod write;

pub use clock::{AudioClock, Placement};
pub use init::{init_segment, read_init};
pub use read::{Fragment, ReadError, Sample, read_segment};
pub use write::{FragmentError, FragmentSpec, FragmentTrack, fragment};

use tessera_media::{Ticks, TrackFormat};

/// The one track of a fragmented file.
pub const TRACK_ID: u32 = 1;

/// Ticks a second of a track's times in a file.
pub fn timescale(format: &TrackFormat) -> u32 {
    match format {
        TrackFormat::Video(_) => u32::try_from(Ticks::PER_SECOND).expect("90,000"),
        TrackFormat::Audio(format) => format.sample_rate,
    }
}
