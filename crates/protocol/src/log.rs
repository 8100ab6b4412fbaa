//! What became of a job's leases: who had which units, for how long, and how it went.

use crate::{FrameNumber, LeaseId, NodeId, UnitIndex};
use serde::{Deserialize, Serialize};

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It brought a result that is being checked.
    Submitted,
    /// It brought a result that is right.
    Verified,
    /// It brought a result that is worth nothing.
    Rejected,
    /// It brought none.
    Failed,
}

/// One lease of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogEntry {
    /// The lease.
    pub lease: LeaseId,
    /// Who had it.
    pub node: NodeId,
    /// Which frame its units are of.
    pub frame: FrameNumber,
    /// The first of its units.
    pub first_unit: UnitIndex,
    /// How many there were, next to each other.
    pub units: u64,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// How long it took, where it brought a result.
    pub took_ms: Option<u64>,
    /// How it went.
    pub outcome: Outcome,
    /// What was wrong: a sentence, of the master or the node.
    pub reason: Option<String>,
}

/// Some of a job's log, the lease that was given last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogPage {
    /// The entries.
    pub data: Vec<LogEntry>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}
