//! Audits as leased work: a process of the operator's own that computes pixels again in the master's
//! place. Its word is enough to verify; what it would reject, the master looks at itself.

use crate::commit::AuditSecret;
use crate::job::JobSpec;
use crate::node::NodeRecord;
use crate::verdict::Verdict;
use crate::{AuditId, CommitId, FrameNumber, JobId, KernelId, LeaseId, NodeId};
use serde::{Deserialize, Serialize};

/// An auditor asks for results to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRequest {
    /// The kernel that it has.
    pub kernel: KernelId,
    /// How long to wait, at most [`crate::lease::LeaseRequest::MAX_WAIT_MS`].
    pub wait_ms: u64,
}

/// Results of one frame to look at: one scene is prepared for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditGrant {
    /// What they are reported under.
    pub audit: AuditId,
    /// Their job.
    pub job: JobId,
    /// Its spec; its files are fetched from `/v1/jobs/{job}/files/{blob}`.
    pub spec: JobSpec,
    /// Their frame.
    pub frame: FrameNumber,
    /// The results; their bodies are fetched from `/auditor/v1/results/{lease}`.
    pub results: Vec<AuditTask>,
    /// Others look at them so long after the last heartbeat or report.
    pub expires_after_ms: u64,
}

/// One result to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditTask {
    /// The lease that brought it.
    pub lease: LeaseId,
    /// Its commit.
    pub commit: CommitId,
    /// Who made it.
    pub node: NodeId,
    /// That node's record, which says how many pixels to draw.
    pub record: NodeRecord,
    /// Whether every pixel is to be looked at.
    pub whole: bool,
    /// The lease's secret, which says which.
    pub secret: AuditSecret,
    /// Of a second render of a tolerant job: the first one, to be judged with it.
    #[schema(no_recursion)]
    pub first: Option<Box<AuditTask>>,
}

/// What an auditor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditFinding {
    /// Of which result.
    pub lease: LeaseId,
    /// What it is; `None` where it could not be looked at.
    pub verdict: Option<Verdict>,
    /// What the first of its pair is, where it has one.
    pub first: Option<Verdict>,
}
