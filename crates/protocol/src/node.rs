//! Nodes: how they join, and what is shown of them.

use crate::commit::SignatureBytes;
use crate::{KernelId, NodeId, ResultHash};
use serde::{Deserialize, Serialize};

/// What a node may be trusted to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// The same bits as everybody.
    Exact,
    /// Not the same bits; no exact work.
    Tolerant,
}

/// The hash of one conformance scene on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConformanceHash {
    /// The scene's name.
    pub scene: String,
    /// What the device made of it.
    pub hash: ResultHash,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceView {
    /// `cpu` or `wgpu`.
    pub backend: String,
    /// The device's and driver's own words.
    pub device: String,
    /// The kernel it runs.
    pub kernel: KernelId,
    /// The hashes it shows for that kernel.
    pub conformance: Vec<ConformanceHash>,
}

/// The master's challenge to whoever wants to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChallengeView {
    /// 64 hexadecimal digits, good once and for a minute.
    pub challenge: String,
}

/// A node joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The node's public key.
    pub node: NodeId,
    /// The challenge, as it was given.
    pub challenge: String,
    /// The node's signature over [`crate::commit::join_message`].
    pub signature: SignatureBytes,
    /// What people call the node; at most 100 characters.
    pub name: String,
    /// What it is.
    pub device: DeviceView,
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JoinView {
    /// The bearer token for `/node/v1`, shown once and stored hashed.
    pub token: String,
    /// What work the node may have.
    pub class: DeviceClass,
    /// How often a leaseholder says it is alive.
    pub heartbeat_ms: u64,
}

/// A node as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeView {
    /// Its key.
    pub id: NodeId,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub device: DeviceView,
    /// What work it may have.
    pub class: DeviceClass,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// Units of its that were verified.
    pub units_verified: u64,
    /// Rays of those units.
    pub rays_verified: u64,
    /// Units that it holds now.
    pub units_leased: u64,
}

/// Some of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodePage {
    /// The nodes.
    pub data: Vec<NodeView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}
