//! Streams: a source that arrives live becomes a ladder of renditions.
//!
//! A *stream* is what a broadcaster makes once and has a key for. A *session* is one broadcast of
//! it; one gateway at a time holds it, under a lease with a [`Generation`](crate::Generation), and a
//! reconnect within the window continues it. A session is cut into *segments*, and each has its
//! *renditions*: what is paid is a (session, segment, rendition).
//!
//! Reading order: [`ladder`] (what is made) → [`view`] (what broadcasters see) → [`gateway`] (what
//! gateways are given and report) → [`worker`] (what workers are given) → [`claim`] (what is signed)
//! → [`crate::webhook`].

pub mod claim;
pub mod gateway;
pub mod ladder;
pub mod view;
pub mod worker;

pub use claim::{ClaimReceipt, SegmentClaim};
pub use ladder::{Ladder, LadderError, Rendition, RenditionName, VideoCodec};

use serde::{Deserialize, Serialize};
use std::fmt;

/// A segment's place in its session, counted from 0 and never used twice.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct SegmentNumber(pub u64);

impl SegmentNumber {
    /// The one after it.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
