//! What the store knows of audits: results that wait for one, and what became of them.

use super::{Later, StoredResult};
use tessera_protocol::commit::{AuditSecret, Commit, SignatureBytes};
use tessera_protocol::job::JobSpec;
use tessera_protocol::node::NodeRecord;
use tessera_protocol::verdict::{Second, Verdict, Wrong};
use tessera_protocol::{
    FrameNumber, Generation, JobId, KernelId, LeaseId, NodeId, RayPrice, SceneFactor,
};

/// Results of one frame that wait for an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct UnauditedFrame {
    /// Their job.
    pub job: JobId,
    /// The job's spec.
    pub spec: JobSpec,
    /// Their frame.
    pub frame: FrameNumber,
    /// The results, those that wait longest first.
    pub results: Vec<Unaudited>,
}

/// A result that waits for an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Unaudited {
    /// Where it lies.
    pub result: StoredResult,
    /// Who made it.
    pub node: NodeId,
    /// That node's record now.
    pub record: NodeRecord,
    /// Whether every pixel is to be looked at: its node was caught after it had counted.
    pub whole: bool,
    /// The lease's secret.
    pub secret: AuditSecret,
    /// Of a second render of a tolerant job: the first one, if it still waits for it.
    pub first: Option<Box<Unaudited>>,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// It counts.
    Verified {
        /// Pixels that were looked at.
        looked: u64,
    },
    /// It counts: it is like what others made of the same units of a tolerant job.
    Alike {
        /// The other of the pair, where there is one.
        second: Option<Second>,
        /// Pixels that the kernel's twin computed.
        looked: u64,
    },
    /// It counts for nothing, and its node is to blame.
    Rejected(Box<Rejection>),
    /// It counts for nothing, and its node is not to blame: the farm lost or spoiled it.
    Lost,
}

/// Why a result was rejected, and what proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// What the node said.
    pub commit: Commit,
    /// Its signature.
    pub signature: SignatureBytes,
    /// What was wrong.
    pub wrong: Wrong,
}

/// A result that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// Where it lies, or lay.
    pub result: StoredResult,
    /// Its lease's generation.
    pub generation: Generation,
    /// Who made it.
    pub node: NodeId,
    /// Whether its sums are kept still.
    pub stored: bool,
    /// The lease's secret.
    pub secret: AuditSecret,
    /// The price that the lease promised.
    pub price: RayPrice,
    /// As how many a ray of the scene counts.
    pub factor: SceneFactor,
    /// What was found.
    pub verdict: Verdict,
    /// What the node said, where that is kept apart from the sums.
    pub signed: Option<(Commit, SignatureBytes)>,
}

/// What a finding changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Whether it was the first finding of this result.
    pub first: bool,
    /// Whether its frame is whole with it.
    pub frame_complete: bool,
    /// Results of the same node that counted and are to be looked at again, as wholes.
    pub reopened: u64,
    /// Whether its node gets no more work, and nothing else of it is looked at.
    pub barred: bool,
}

/// See the module.
pub trait ProofStore: Send + Sync {
    /// Results that wait for an audit and for nothing else, of the frame with the one that waits longest,
    /// among jobs of this kernel and frames that are not `taken`; `None` where none waits since `due_ms`, or all
    /// that do were put off.
    fn unaudited(
        &self,
        kernel: KernelId,
        now_ms: i64,
        due_ms: i64,
        limit: u32,
        taken: Vec<(JobId, FrameNumber)>,
    ) -> Later<'_, Option<UnauditedFrame>>;
    /// Where a result lies that was not looked at, or is to be looked at again.
    fn waiting_result(&self, lease: LeaseId) -> Later<'_, Option<StoredResult>>;
    /// Puts off an audit that could not be made until `retry_ms`; answers how often it was tried.
    fn postpone(&self, lease: LeaseId, retry_ms: i64) -> Later<'_, u64>;
    /// Keeps what an audit found, and lets it follow what follows from it. A second finding of the
    /// same result changes nothing.
    fn settle(&self, lease: LeaseId, finding: Finding, now_ms: i64) -> Later<'_, Settled>;
    /// How often each of these nodes was caught, as its record counts.
    fn rejections(&self, nodes: Vec<NodeId>) -> Later<'_, Vec<u64>>;
    /// Keeps a second commit that a node signed for a lease that brought another one; its record suffers
    /// as by a rejection, once for each lease.
    fn equivocated(
        &self,
        commit: Commit,
        signature: SignatureBytes,
        now_ms: i64,
    ) -> Later<'_, Settled>;
    /// Frees the units of a result that was found right and that the farm's own disk has spoiled
    /// since. Nobody is to blame.
    fn spoiled(&self, lease: LeaseId) -> Later<'_, ()>;
    /// Audited results of a job whose leases have generations above `after`, in their order: those
    /// whose verdict is final, since their frame is assembled, their job has ended, or they were
    /// rejected.
    fn audited(&self, job: JobId, after: u64, limit: u32) -> Later<'_, Vec<Audited>>;
    /// What was finally found of one lease's result; `None` where nothing was yet.
    fn audited_lease(&self, lease: LeaseId) -> Later<'_, Option<Audited>>;
}
