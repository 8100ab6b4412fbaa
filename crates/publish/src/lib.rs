//! What viewers see of a session: its segments on disk, a journal of them, playlists, recordings,
//! and all of it over HTTP.
//!
//! It neither cuts nor checks nor encodes: it is given segments that are finished, and lists them.
//! It talks to no master: reports are kept here until somebody says that they arrived.
//!
//! # Contract
//! - [`Publisher::segment`] returns `Ok` when all of a segment's media, and then its record in the
//!   journal with the worker's receipt, are durable, and all playlists list it. Viewers see all
//!   playlists change at once.
//! - What was listed once is there, playable, and listed again after a crash at any moment, until
//!   it leaves the window. A segment that is in the journal is listed after a restart.
//! - A number is never used for two segments: [`Publisher::next_segment`] is the least that may
//!   come next, also after a restart.
//! - Nothing is listed unless the fence says yes at that moment (`may_publish`), be it a segment or
//!   a part.
//! - After [`PublishError::Journal`] nothing is known of the journal's end: drop the publisher and
//!   open the session again.
//! - A folder whose journal cannot be read is left as it is where it holds anything: its session is
//!   not listed, and nothing is begun over its media ([`OpenError::Damaged`]).
//! - All methods of [`Library`] and [`Publisher`] block, on `fsync` mostly: call them on a blocking
//!   thread. [`Library::router`] does not; viewers never hold up a publisher.
//!
//! # Low latency
//! What is listed in parts keeps these promises to players (RFC 8216bis):
//! - No part is longer than the `PART-TARGET` of its playlist: [`FinishedPart::TARGET`], or the
//!   longest part that is listed where a picture lasts longer than that.
//! - A part can be fetched from when it is listed on, unless it is a `GAP=YES`: a part of the sound
//!   in which there is none. A part in which a slow rendition has no picture is not listed in its
//!   playlist: the picture before it stays.
//! - Each playlist counts its own parts: for `_HLS_part`, and where another one reports it.
//! - A segment is its parts, byte for byte, and lists them until it is three target durations old.
//! - The part that is hinted at is the next one by name; whoever asks for it waits until it is there.
//! - `TARGETDURATION` is [`PublicationSpec::target_s`] from the first playlist on, and grows only
//!   where the source's keyframes make a segment longer than that.
//! - Players can begin decoding with each part that is said to be independent: with all of sound.
//!
//! ```no_run
//! use tessera_publish::{FinishedSegment, Library, LibraryOptions, Pictures, PublicationSpec};
//! # fn f(spec: PublicationSpec, finished: FinishedSegment) -> Result<(), Box<dyn std::error::Error>> {
//! let library = Library::open("/var/lib/tessera/live".as_ref(), LibraryOptions::default())?;
//! for session in library.unfinished() {
//!     let publisher = library.reopen(session)?; // report what is unreported, or end it
//! }
//! let router = library.router(); // serve it
//! let publisher = library.begin(spec)?; // a new session, or one that goes on
//! let report = publisher.segment(finished, || true)?;
//! publisher.mark_reported(&[report.segment])?;
//! publisher.end("the source left", 1_700_000_000_000)?;
//! let recording = publisher.finish_recording()?;
//! publisher.settle()?; // when the master knows
//! # Ok(()) }
//! ```
//!
//! Reading order: [`spec`] (what is given) → [`track`] (what media is called) → [`state`] (what is
//! known of a session) → [`journal`] (how that outlives the process) → `mux` (units to bytes) →
//! `playlists` → `shelf` (what viewers can take) → `session` (how it is found after a crash) →
//! `steps` (how a segment comes to be listed) → [`publisher`] → [`library`] (all sessions of a
//! gateway) → `http`.
#![forbid(unsafe_code)]

pub mod files;
mod http;
pub mod journal;
pub mod library;
mod mux;
mod parts_log;
mod playlists;
pub mod publisher;
mod record;
mod recording;
mod session;
mod shelf;
pub mod spec;
pub mod state;
mod steps;
pub mod stop;
pub mod track;

pub use library::{Library, LibraryOptions, OpenError};
pub use publisher::{PublishError, Publisher};
pub use spec::{FinishedPart, FinishedSegment, Pictures, PublicationSpec, SegmentHead, Sound};
