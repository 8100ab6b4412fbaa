//! What workers are given.

use super::{ClaimReceipt, Ladder, SegmentNumber, VideoCodec};
use crate::commit::SignatureBytes;
use crate::{GatewayId, Generation, LeaseId, NodeId, PixelPrice, SessionId};
use serde::{Deserialize, Serialize};

/// A worker joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerJoinRequest {
    /// Its public key.
    pub node: NodeId,
    /// The challenge of `POST /node/v1/challenge`, as it was given.
    pub challenge: String,
    /// The worker's signature over [`crate::commit::join_message`].
    pub signature: SignatureBytes,
    /// What people call it; at most 100 characters.
    pub name: String,
    /// What it can do.
    pub able: WorkerAbility,
}

/// What a worker can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerAbility {
    /// Pixels a second that it encoded when it measured itself, all renditions together.
    pub pixels_per_s: u64,
    /// What it can encode.
    pub codecs: Vec<VideoCodec>,
    /// The encoders in their own words, for people.
    pub encoders: String,
    /// What it asks for 10^12 encoded pixels.
    pub price: PixelPrice,
    /// Bits a second that its line can send; `None` where its owner did not say.
    #[serde(default)]
    pub uplink_bits_per_s: Option<u64>,
}

/// The answer to a worker's join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerJoinView {
    /// The bearer token for `/node/v1`, shown once and stored hashed.
    pub token: String,
    /// How often a leaseholder says it is alive.
    pub heartbeat_ms: u64,
}

/// A worker asks for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamLeaseRequest {
    /// Pixels a second that it has left.
    pub free_pixels_per_s: u64,
    /// How long to wait for a session before answering "none", at most
    /// [`crate::lease::LeaseRequest::MAX_WAIT_MS`].
    pub wait_ms: u64,
}

/// A session for a worker, until it ends, or a heartbeat is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamLeaseGrant {
    /// The lease.
    pub lease: LeaseId,
    /// The session.
    pub session: SessionId,
    /// The session's generation.
    pub generation: Generation,
    /// Who is dialled, and signs receipts.
    pub gateway: GatewayId,
    /// `host:port` to dial.
    pub gateway_address: String,
    /// blake3 of the gateway's certificate in hexadecimal; `None` for a plain connection, which a
    /// worker dials on loopback only.
    pub gateway_pin: Option<String>,
    /// What is made of the source.
    pub ladder: Ladder,
    /// What 10^12 encoded pixels are paid with; 0 where nobody pays for the stream.
    pub price: PixelPrice,
    /// The lease ends this long after its last heartbeat.
    pub expires_after_ms: u64,
}

/// A worker presents receipts that it holds, at most [`Self::MAX`]: segments that its gateway may
/// not have reported. Presenting one twice changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresentedReceipts {
    /// The receipts.
    pub receipts: Vec<ClaimReceipt>,
}

impl PresentedReceipts {
    /// Most receipts at once.
    pub const MAX: usize = 256;
}

/// What became of presented receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PresentedView {
    /// Receipts that the master knows now, and that need not be presented again.
    pub known: u64,
    /// Those that were not taken. Presenting them again cannot help.
    #[serde(default)]
    pub refused: Vec<RefusedReceipt>,
}

/// A receipt that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedReceipt {
    /// Of which session.
    pub session: SessionId,
    /// Of which segment.
    pub segment: SegmentNumber,
    /// Why, in a sentence.
    pub because: String,
}

/// A worker as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerView {
    /// Its key.
    pub id: NodeId,
    /// What people call it.
    pub name: String,
    /// What it can do.
    pub able: WorkerAbility,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// Segments of its that were published.
    pub segments: u64,
    /// Pixels of those.
    pub pixels: u64,
    /// Segments of its that failed.
    pub failures: u64,
    /// Sessions that it holds now.
    pub sessions: u64,
    /// Segments of its that were compared with their source and taken.
    #[serde(default)]
    pub audits_passed: u64,
    /// Segments of its that were compared with their source and rejected.
    #[serde(default)]
    pub audits_rejected: u64,
    /// Whether it gets no more sessions: too many of its segments were rejected.
    #[serde(default)]
    pub barred: bool,
}

/// Some of the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerPage {
    /// The workers.
    pub data: Vec<WorkerView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_says_nothing_of_its_line_is_read() {
        let old = r#"{"pixels_per_s":1,"codecs":["h264"],"encoders":"x264","price":2}"#;
        assert_eq!(serde_json::from_str::<WorkerAbility>(old).unwrap().uplink_bits_per_s, None);
    }
}
