//! Nodes: how they join, and what is shown of them.

use crate::commit::SignatureBytes;
use crate::house::{NodeReport, SetHours};
use crate::{KernelId, MasterId, NodeId, RayPrice, ResultHash};
use serde::{Deserialize, Serialize};
use tessera_settlement_abi::signed::Class;

/// What a device may be trusted to compute, and what a job asks of its devices.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// The same bits as everybody. A few pixels of each unit are computed again, and must be equal.
    #[default]
    Exact,
    /// Not the same bits; no exact work. Each unit is rendered a second time, by another owner's
    /// node, and both must be alike.
    Tolerant,
}

impl DeviceClass {
    /// What it is in what is signed.
    pub fn signed(self) -> Class {
        match self {
            Self::Exact => Class::Exact,
            Self::Tolerant => Class::Tolerant,
        }
    }
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
    /// `cpu`, `wgpu` or `vulkan`.
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
    /// The master, which signs what it promises.
    pub master: MasterId,
    /// What work the node may have.
    pub class: DeviceClass,
    /// How often a leaseholder says it is alive.
    pub heartbeat_ms: u64,
}

/// What is known of a node's work; what it means is `tessera_verify::audit::record`'s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeRecord {
    /// Pixel samples verified since the last rejection, or since one was past, or since ever.
    pub verified_since: u64,
    /// Whether enough of them were verified in a row for it to be trusted.
    pub proven: bool,
    /// Rejections that are not past.
    pub rejections: u64,
    /// Leases that ended without a result since one was verified.
    #[serde(default)]
    pub abandoned: u64,
}

/// What a node's owner wants of it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NodeWish {
    /// That it works.
    #[default]
    Work,
    /// That it ends what it has and gets nothing new.
    Drain,
    /// That it stops: what it has is taken back.
    Pause,
}

/// A node as its owner and the operator see it.
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
    /// Rays a second of the work that was verified, from the lease to its result; `None` where none was. What a
    /// node says of itself counts for nothing.
    #[serde(default)]
    pub rays_per_s: Option<u64>,
    /// Units that it holds now.
    pub units_leased: u64,
    /// What it asks for its work, as far as it said so.
    #[serde(default)]
    pub ask: Option<RayPrice>,
    /// What its audits found.
    #[serde(default)]
    pub record: NodeRecord,
    /// What its owner wants of it.
    #[serde(default)]
    pub wish: NodeWish,
    /// In which hours its owner wants it to work, as far as that was said here; those that it keeps are in the
    /// report.
    #[serde(default)]
    pub hours: Option<SetHours>,
    /// What it said of its machine, in the last minute.
    #[serde(default)]
    pub report: Option<NodeReport>,
}

/// Some of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodePage {
    /// The nodes.
    pub data: Vec<NodeView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}
