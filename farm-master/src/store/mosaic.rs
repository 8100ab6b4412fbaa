//! What the store knows of a frame while it is rendered.

use super::{Later, StoredResult};
use std::ops::Range;
use tessera_farm_core::chunk::UnitState;
use tessera_protocol::{FrameNumber, JobId, NodeId};

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

/// See the module.
pub trait MosaicStore: Send + Sync {
    /// Where the units of a frame stand; `None` where there is no such frame. It takes memory for each unit.
    fn frame_units(&self, job: JobId, frame: FrameNumber) -> Later<'_, Option<FrameUnits>>;
    /// The results of a frame that count until now, in the order of their units.
    fn counting(&self, job: JobId, frame: FrameNumber) -> Later<'_, Vec<StoredResult>>;
}
