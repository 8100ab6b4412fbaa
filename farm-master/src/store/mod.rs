//! The truth: jobs, units, leases, results, tokens and events, behind one trait.
//!
//! Contract of every implementation: a call that changes something returns after its transaction
//! is durable, and never before; calls that change something are as if made one after the other;
//! an error means that nothing of the call was kept. `conformance` in the tests says the rest.

pub mod sqlite;

use crate::auth::{Token, TokenId};
use futures::future::BoxFuture;
use std::ops::Range;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::lease::Lease;
use tessera_protocol::commit::Commit;
use tessera_protocol::job::{FrameView, JobEvent, JobSpec, JobState, JobView};
use tessera_protocol::lease::Unit;
use tessera_protocol::node::{DeviceClass, DeviceView, NodeView};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{BlobHash, FrameNumber, JobId, KernelId, LeaseId, NodeId, ResultHash};

/// Why the store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many calls wait already. Nothing was changed; the same call may be made again.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// The database refused or failed. Nothing was changed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// What is stored cannot be.
    #[error("the database holds something impossible: {0}")]
    Corrupt(String),
}

/// What a store's call gives, later.
pub type Later<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A job to be accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id, drawn by the caller.
    pub id: JobId,
    /// Whose it is.
    pub owner: TokenId,
    /// What is wanted, validated.
    pub spec: JobSpec,
    /// The kernel it pins.
    pub kernel: KernelId,
    /// What its owner should know about the scene.
    pub warnings: Vec<String>,
    /// The caller's key and the hash of what it sent under it.
    pub idempotency: Option<(String, [u8; 32])>,
    /// Now.
    pub now_ms: i64,
}

/// What became of a new job.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// It is accepted.
    Created(JobView),
    /// The same was accepted before, under the same key.
    Known(JobView),
    /// Something else was accepted before, under the same key.
    KeyReused,
}

/// What became of a change to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// It is so, now or since earlier.
    Done(Box<JobView>),
    /// It came too late.
    Ended(JobState),
    /// There is no such job.
    Unknown,
}

/// A node that wants work.
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// The lease's id, drawn by the caller.
    pub id: LeaseId,
    /// Who asks.
    pub node: NodeId,
    /// The kernel it has.
    pub kernel: KernelId,
    /// How many pixel samples it would like.
    pub samples_wanted: u64,
    /// Now.
    pub now_ms: i64,
}

/// A lease that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// The lease.
    pub lease: Lease,
    /// Its job's spec.
    pub spec: JobSpec,
    /// Its units.
    pub units: Vec<Unit>,
}

/// What is known of a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseState {
    /// It stands.
    Standing(Box<(Lease, JobSpec)>),
    /// It brought a result.
    Submitted {
        /// Who held it.
        node: NodeId,
        /// The commit, in short.
        commit: CommitId,
        /// What was answered.
        answer: SubmitView,
    },
    /// It ended without a result, or never was.
    Ended,
}

/// A commit in short: the hash of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitId(pub [u8; 32]);

impl CommitId {
    /// The id of a commit.
    pub fn of(commit: &Commit) -> Self {
        Self(*blake3::hash(&commit.message()).as_bytes())
    }
}

/// A result whose structure was checked and whose sums are durable.
#[derive(Debug, Clone)]
pub struct CheckedResult {
    /// The lease that brought it.
    pub lease: LeaseId,
    /// Its commit.
    pub commit: CommitId,
    /// Rays of all units.
    pub rays: u64,
    /// Now.
    pub now_ms: i64,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// It counts.
    Now {
        /// The answer.
        answer: SubmitView,
        /// Whether its frame is whole with it.
        frame_complete: bool,
    },
    /// It counted before.
    Before(SubmitView),
    /// The lease brought another commit before.
    AnotherCommit,
    /// The lease ended.
    LeaseEnded,
}

/// How a lease ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEnd {
    /// Its node fell silent.
    Expired,
    /// Its node says that the work fails.
    Failed(String),
    /// Its node stops and is not to blame.
    Returned,
}

/// What the end of a lease did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freed {
    /// Whether the lease stood until now.
    pub ended: bool,
    /// The job that failed with it.
    pub failed_job: Option<JobId>,
}

/// A frame whose units are all verified.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeFrame {
    /// Its job.
    pub job: JobId,
    /// Its number.
    pub frame: FrameNumber,
    /// The job's spec.
    pub spec: JobSpec,
    /// The kernel that made it.
    pub kernel: KernelId,
    /// Where its sums lie.
    pub results: Vec<StoredResult>,
}

/// Where the sums of one lease lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// The job.
    pub job: JobId,
    /// The lease.
    pub lease: LeaseId,
    /// Its commit.
    pub commit: CommitId,
    /// Its units.
    pub units: Range<u64>,
}

/// A node that joins.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Its key.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub device: DeviceView,
    /// What it may have.
    pub class: DeviceClass,
    /// Its new token; earlier ones stop working.
    pub token: Token,
    /// Now.
    pub now_ms: i64,
}

/// What `why` needs beyond the job itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// Units whose lease ended without a result and that are not verified.
    pub failing: u64,
    /// What the last of them failed of.
    pub last_failure: Option<String>,
    /// Older jobs of the same kernel with free units.
    pub jobs_ahead: u64,
}

/// Sums over the whole farm, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Jobs by state, in the order of [`JobState`]'s variants.
    pub jobs: [u64; 5],
    /// Units that leases hold.
    pub units_leased: u64,
    /// Units verified, of all jobs.
    pub units_verified: u64,
    /// Rays of those.
    pub rays_verified: u64,
    /// Frames assembled.
    pub frames_done: u64,
    /// Nodes that ever joined.
    pub nodes: u64,
}

/// See the module.
pub trait Store: Send + Sync + 'static {
    /// The latest time stored anywhere: time must not begin before it.
    fn latest_ms(&self) -> Later<'_, i64>;

    /// Keeps a token.
    fn add_token(&self, token: Token, now_ms: i64) -> Later<'_, ()>;
    /// The token with this id.
    fn token(&self, id: TokenId) -> Later<'_, Option<Token>>;
    /// Whether an operator has a token.
    fn has_operator(&self) -> Later<'_, bool>;

    /// Notes that an upload is durable; answers whether it was known.
    fn add_blob(&self, hash: BlobHash, bytes: u64, now_ms: i64) -> Later<'_, bool>;
    /// The size of an upload.
    fn blob(&self, hash: BlobHash) -> Later<'_, Option<u64>>;

    /// Accepts a job.
    fn create_job(&self, job: NewJob) -> Later<'_, Creation>;
    /// A job and its owner.
    fn job(&self, id: JobId) -> Later<'_, Option<(JobView, TokenId)>>;
    /// Jobs older than `before` (a place in the order of acceptance), newest first, with each one's
    /// place; of one owner, or of all.
    fn jobs(
        &self,
        owner: Option<TokenId>,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<(i64, JobView)>>;
    /// Changes a job's state.
    fn change_job(
        &self,
        id: JobId,
        change: JobChange,
        reason: Option<String>,
    ) -> Later<'_, Changed>;
    /// What `why` needs.
    fn waiting(&self, id: JobId) -> Later<'_, Waiting>;
    /// Frames `from..` of a job that have a verified unit, by number.
    fn frames(&self, job: JobId, from: FrameNumber, limit: u32) -> Later<'_, Vec<FrameView>>;
    /// The number of the last event, of any job.
    fn last_event(&self) -> Later<'_, i64>;
    /// A job's events after `after`, oldest first.
    fn events(&self, job: JobId, after: i64, limit: u32) -> Later<'_, Vec<(i64, JobEvent)>>;

    /// Lets a node join, or join again.
    fn join(&self, joining: Joining) -> Later<'_, ()>;
    /// What a node may have and with which kernel.
    fn node(&self, id: NodeId) -> Later<'_, Option<NodeView>>;
    /// Nodes with keys above `after`, by key.
    fn nodes(&self, after: Option<NodeId>, limit: u32) -> Later<'_, Vec<NodeView>>;

    /// Gives a node work of the oldest active job that has some.
    fn lease(&self, ask: LeaseAsk) -> Later<'_, Option<Granted>>;
    /// What is known of a lease.
    fn lease_state(&self, id: LeaseId) -> Later<'_, LeaseState>;
    /// All leases that stand, each with the time it was granted.
    fn standing_leases(&self) -> Later<'_, Vec<(Lease, i64)>>;
    /// Ends a lease without a result, its node's or, without a node named, anybody's. Fails the
    /// job where a unit now has `failures_allowed` failures.
    fn end_lease(
        &self,
        id: LeaseId,
        of: Option<NodeId>,
        end: LeaseEnd,
        failures_allowed: usize,
        now_ms: i64,
    ) -> Later<'_, Freed>;
    /// Whether a node holds a lease on a job that uses this upload.
    fn may_read(&self, node: NodeId, blob: BlobHash) -> Later<'_, bool>;
    /// Lets a checked result count.
    fn enter(&self, result: CheckedResult) -> Later<'_, Entered>;

    /// Frames to be assembled.
    fn whole_frames(&self, limit: u32) -> Later<'_, Vec<WholeFrame>>;
    /// Notes that a frame's pictures are durable. Doing so twice is as doing so once.
    fn frame_done(&self, job: JobId, frame: FrameNumber, hash: ResultHash) -> Later<'_, ()>;
    /// Jobs whose frames are all done and that have not ended.
    fn unfinished_jobs(&self) -> Later<'_, Vec<JobView>>;
    /// Ends such a job, with or without a film; with the reason, where one is missing.
    fn finish_job(&self, id: JobId, movie: bool, reason: Option<String>) -> Later<'_, Changed>;
    /// Sums that nobody needs any more.
    fn spent_results(&self, limit: u32) -> Later<'_, Vec<StoredResult>>;
    /// Notes that those sums are gone.
    fn forget_results(&self, leases: Vec<LeaseId>) -> Later<'_, ()>;
    /// Whether the sums of this lease and commit are still to be kept.
    fn is_kept(&self, lease: LeaseId, commit: CommitId) -> Later<'_, bool>;

    /// Sums over everything.
    fn totals(&self) -> Later<'_, Totals>;
}
