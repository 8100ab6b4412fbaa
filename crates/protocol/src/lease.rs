//! What a node is given to do.

use crate::memory::FreeMemory;
use crate::settings::RenderSettings;
use crate::terms::Terms;
use crate::{
    BlobHash, FrameNumber, Generation, JobId, KernelId, LeaseId, RayPrice, SampleRange, SecretHash,
    TileRect, UnitIndex,
};
use serde::{Deserialize, Serialize};

/// A node asks for work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// The kernel that the node has; only jobs that pin it are leased.
    pub kernel: KernelId,
    /// How much work the node wants, in pixel samples; the master gives at least one unit and at
    /// most [`LeaseGrant::MAX_UNITS`].
    pub samples_wanted: u64,
    /// How long to wait for work before answering "none", at most [`Self::MAX_WAIT_MS`].
    pub wait_ms: u64,
    /// What the node asks for 10^9 factored rays; `None` where it takes what the farm suggests.
    #[serde(default)]
    pub ask: Option<RayPrice>,
    /// What memory the node has free now; `None` where it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<FreeMemory>,
}

impl LeaseRequest {
    /// Longest wait for work: shorter than what proxies cut idle connections at.
    pub const MAX_WAIT_MS: u64 = 25_000;
}

/// A tile × a range of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Unit {
    /// Its place in the job's plan.
    pub index: UnitIndex,
    /// Which frame.
    pub frame: FrameNumber,
    /// Which pixels.
    pub rect: TileRect,
    /// Which samples of them.
    pub samples: SampleRange,
}

impl Unit {
    /// Pixels × samples.
    pub fn pixel_samples(&self) -> u64 {
        self.rect.pixels() * u64::from(self.samples.count())
    }
}

/// Work for a node until a deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LeaseGrant {
    /// The lease.
    pub lease: LeaseId,
    /// Its generation, part of what the node signs.
    pub generation: Generation,
    /// The job.
    pub job: JobId,
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// The `.glb`, to be fetched from `/node/v1/blobs/{hash}`.
    pub scene: BlobHash,
    /// What to render it with; an environment is fetched like the scene.
    pub settings: RenderSettings,
    /// Frames a second of the job.
    pub fps: u32,
    /// The hash of a secret of the master's, which decides with the node's commit what is looked at:
    /// the commit names it.
    pub secret: SecretHash,
    /// The units, at least one, all of one job, in the order of the plan.
    pub units: Vec<Unit>,
    /// What the master promises for them.
    pub terms: Terms,
    /// The lease ends this long after its last heartbeat.
    pub expires_after_ms: u64,
}

impl LeaseGrant {
    /// Most units of a lease.
    pub const MAX_UNITS: usize = 256;
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HeartbeatView {
    /// Whether the lease still stands. If not, the node drops its work.
    pub alive: bool,
}

/// A node ends its own lease; its units become free at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveBackRequest {
    /// Why the work cannot be done, at most [`Self::MAX_REASON`] characters: counts as a failure of
    /// the units. `None` when only the node is at its end, for example because it is being stopped.
    pub failed: Option<String>,
}

impl GiveBackRequest {
    /// Longest reason, in characters.
    pub const MAX_REASON: usize = 500;
}
