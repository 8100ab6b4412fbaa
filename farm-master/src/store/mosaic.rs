//! What the store knows of a frame while it is rendered, and of who rendered what.

use super::{Later, StoredResult};
use std::ops::Range;
use tessera_farm_core::chunk::UnitState;
use tessera_protocol::log::Outcome;
use tessera_protocol::{FrameNumber, JobId, LeaseId, NodeId, UnitIndex};

/// Where the units of one frame stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameUnits {
    /// Whether the frame is assembled; its units are verified then.
    pub done: bool,
    /// Its units' states, in their order.
    pub states: Vec<UnitState>,
    /// Who renders or rendered which units, as far as the results are kept.
    pub workers: Vec<(NodeId, Range<u64>)>,
}

/// A lease that has ended, as [`tessera_protocol::log::LogEntry`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The lease.
    pub lease: LeaseId,
    /// Which one of its job's it was.
    pub generation: u64,
    /// Who had it.
    pub node: NodeId,
    /// The first of its units.
    pub first_unit: UnitIndex,
    /// How many there were.
    pub units: u64,
    /// When it ended.
    pub at_ms: i64,
    /// How long it took, where it brought a result.
    pub took_ms: Option<u64>,
    /// How it went.
    pub outcome: Outcome,
    /// What was wrong.
    pub reason: Option<String>,
}

/// See the module.
pub trait MosaicStore: Send + Sync {
    /// Where the units of a frame stand; `None` where there is no such frame. It takes memory for each unit.
    fn frame_units(&self, job: JobId, frame: FrameNumber) -> Later<'_, Option<FrameUnits>>;
    /// The leases of a job that have ended and were given before the generation `before`, the newest first.
    fn log(&self, job: JobId, before: u64, limit: u32) -> Later<'_, Vec<Logged>>;
    /// The results of a frame that count until now, in the order of their units.
    fn counting(&self, job: JobId, frame: FrameNumber) -> Later<'_, Vec<StoredResult>>;
}
