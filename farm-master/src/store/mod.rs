//! The truth: jobs, units, leases, results, tokens and events, behind one trait.
//!
//! Contract of every implementation: a call that changes something returns after its transaction
//! is durable, and never before; calls that change something are as if made one after the other;
//! an error means that nothing of the call was kept. `conformance` in the tests says the rest.

pub mod accounts;
pub mod approval;
pub mod live;
pub mod money;
pub mod mosaic;
pub mod proof;
pub mod sqlite;
pub mod stream_pay;
pub mod webhooks;

use crate::auth::{Token, TokenId};
pub use accounts::AccountStore;
pub use approval::ApprovalStore;
use futures::future::BoxFuture;
pub use live::LiveStore;
pub use money::MoneyStore;
pub use mosaic::MosaicStore;
pub use proof::{ProofStore, Unaudited};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
pub use stream_pay::StreamPayStore;
use tessera_farm_core::job::{JobChange, Refused};
use tessera_farm_core::lease::Lease;
use tessera_market::{Bidder, Order};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::house::SetHours;
use tessera_protocol::job::{FrameView, JobEvent, JobSpec, JobView, Why};
use tessera_protocol::lease::Unit;
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::node::{DeviceClass, DeviceView, NodeRecord, NodeView, NodeWish};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{
    BlobHash, CommitId, FrameNumber, Generation, JobId, KernelId, LeaseId, NodeId, RayPrice,
    ResultHash,
};
pub use webhooks::WebhookStore;

/// Why the store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many calls wait already. Nothing was changed; the same call may be made again.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// The database refused or failed. Nothing was changed.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The transaction that the change was part of could not be kept. Nothing was changed.
    #[error("the transaction could not be kept: {0}")]
    NotKept(String),
    /// The database's threads have ended: the master stops, or one of them panicked.
    #[error("the database is closed")]
    Stopped,
    /// The rules of the books refuse what had to be booked. Nothing was changed.
    #[error("the books refuse it: {0}")]
    Ledger(tessera_ledger::LedgerError),
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
    /// What its scene takes of a node.
    pub memory: SceneMemory,
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
    /// It is not made.
    Refused(Refused),
    /// There is no such job.
    Unknown,
}

/// What became of a wish to have a job go on, or frames of it rendered by others.
#[derive(Debug, Clone, PartialEq)]
pub enum Requeued {
    /// It is done, and these leases have ended.
    Done {
        /// The job.
        job: Box<JobView>,
        /// Leases that stood on the frames.
        taken_back: Vec<LeaseId>,
    },
    /// The job has not failed, and no frame was named.
    NotFailed,
    /// This frame is assembled. Nothing was done.
    FrameDone(FrameNumber),
    /// It comes too late.
    Refused(Refused),
    /// There is no such job.
    Unknown,
}

/// Those who wait for work beside a node that asks for it.
pub trait Rivals: fmt::Debug + Send + Sync {
    /// All that wait now. Each is said to have the scene, or not, as its master knows.
    fn with_scene(&self, scene: BlobHash) -> Vec<Bidder>;
    /// Whether the one that asks has the scene.
    fn asker_has(&self, scene: BlobHash) -> bool;
}

/// A node that wants work.
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// The lease's id, drawn by the caller.
    pub id: LeaseId,
    /// Who asks, and what for: a tolerant device gets tolerant jobs only, an exact one any.
    pub bidder: Bidder,
    /// Others that wait and might take the same; asked where a job is auctioned, and only there.
    pub rivals: Arc<dyn Rivals>,
    /// How many pixel samples it would like.
    pub samples_wanted: u64,
    /// Most units of this lease.
    pub most_units: u64,
    /// Most units it may have leased or unaudited, all leases together; `None` where any number.
    pub most_held: Option<u64>,
    /// How many times as long as usual a lease takes that is given to another node as well; never, for 0.
    pub straggler_times: u32,
    /// The lease's secret, drawn by the caller.
    pub secret: AuditSecret,
    /// Now.
    pub now_ms: i64,
}

/// What came of an ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Leased {
    /// A lease.
    Granted(Box<Granted>),
    /// There is nothing for it, whoever else waits; why not, where there is work that it may not have.
    Nothing(Vec<Why>),
    /// Somebody else comes first.
    Outbid(Why),
}

impl Leased {
    /// The lease, if there is one.
    pub fn granted(self) -> Option<Granted> {
        match self {
            Self::Granted(granted) => Some(*granted),
            Self::Nothing(_) | Self::Outbid(_) => None,
        }
    }
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
    /// What was auctioned with it; `None` where nobody pays.
    pub order: Option<Order>,
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
        /// Its generation.
        generation: Generation,
        /// The commit, in short.
        commit: CommitId,
        /// What was answered.
        answer: SubmitView,
    },
    /// It ended without a result, or never was.
    Ended,
}

/// A result whose structure was checked.
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
    /// Its body as it was sent, to lie beside its row; `None` where it is a file, durable by now.
    pub sums: Option<Vec<u8>>,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// It is kept, and waits for its audit.
    Now(SubmitView),
    /// It was kept before.
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
    /// Whether they lie beside its row, see [`Store::sums`]; else they are a file.
    pub beside: bool,
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
    /// Whose token it joined with; `None` where it was the operator's.
    pub owner: Option<TokenId>,
    /// Its new token; earlier ones stop working.
    pub token: Token,
    /// Now.
    pub now_ms: i64,
}

/// What a node that asks for work is weighed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Its record.
    pub record: NodeRecord,
    /// Rays a second of its verified results; `None` where none were.
    pub rays_per_s: Option<u64>,
    /// What its owner wants of it.
    pub wish: NodeWish,
    /// What the farm suggests that it ask, see [`Store::suggested`].
    pub suggested: Option<RayPrice>,
}

/// What `why` needs beyond the job itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// What its scene takes of a node.
    pub memory: SceneMemory,
    /// Units whose lease ended without a result and that are not verified.
    pub failing: u64,
    /// What the last of them failed of.
    pub last_failure: Option<String>,
    /// When the job failed; `None` where it goes on or is over.
    pub failed_ms: Option<i64>,
    /// Jobs of the same account and kernel with free units that come first.
    pub jobs_ahead: u64,
    /// Other accounts that have jobs of this kernel with free units.
    pub accounts_beside: u64,
    /// Units of a tolerant job that wait for somebody to render them a second time.
    pub wanting_second: u64,
}

/// Sums over the whole farm, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Jobs by state, in the order of [`tessera_protocol::job::JobState`]'s variants.
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
pub trait Store:
    AccountStore
    + ApprovalStore
    + LiveStore
    + MoneyStore
    + MosaicStore
    + ProofStore
    + StreamPayStore
    + WebhookStore
{
    /// The latest time stored anywhere: time must not begin before it.
    fn latest_ms(&self) -> Later<'_, i64>;

    /// Keeps a token.
    fn add_token(&self, token: Token, now_ms: i64) -> Later<'_, ()>;
    /// The token with this id.
    fn token(&self, id: TokenId) -> Later<'_, Option<Token>>;
    /// Whether an operator has a token.
    fn has_operator(&self) -> Later<'_, bool>;

    /// Notes that an upload of `owner`'s is durable; answers whether they had uploaded it before.
    fn add_blob(&self, blob: BlobHash, bytes: u64, owner: TokenId, now_ms: i64) -> Later<'_, bool>;
    /// The size of an upload of `owner`'s, or, with `None`, of anybody's.
    fn blob(&self, blob: BlobHash, owner: Option<TokenId>) -> Later<'_, Option<u64>>;
    /// The same, and notes that it is needed: it is kept for a while from now on.
    fn use_blob(
        &self,
        blob: BlobHash,
        owner: Option<TokenId>,
        now_ms: i64,
    ) -> Later<'_, Option<u64>>;
    /// Forgets an upload that was not needed since `until_ms`, nor by a job that goes on or ended since;
    /// `None` where there is none.
    fn forget_upload(&self, until_ms: i64) -> Later<'_, Option<BlobHash>>;

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
        now_ms: i64,
    ) -> Later<'_, Changed>;
    /// Has a job go on that failed, its failures forgotten. Leases that stand on these frames of the job end
    /// without blame and are told in its log. All of it is done, or nothing.
    fn requeue(&self, id: JobId, frames: Vec<FrameNumber>, now_ms: i64) -> Later<'_, Requeued>;
    /// Cancels jobs that failed no later than `until_ms` and were not requeued, some of them at once. Their
    /// reason is `because`, and what they failed of.
    fn end_failed(&self, until_ms: i64, because: String, now_ms: i64) -> Later<'_, Vec<JobId>>;
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
    /// What a node that asks for work is weighed by.
    fn asker(&self, id: NodeId) -> Later<'_, Option<Asker>>;
    /// Nodes with keys above `after`, by key; of one owner, or of all.
    fn nodes(
        &self,
        owner: Option<TokenId>,
        after: Option<NodeId>,
        limit: u32,
    ) -> Later<'_, Vec<NodeView>>;
    /// Whether a node is this owner's.
    fn is_node_of(&self, id: NodeId, owner: TokenId) -> Later<'_, bool>;
    /// Keeps what a node's owner wants of it. From then on [`Store::lease`] heeds it.
    fn wish(&self, id: NodeId, wish: NodeWish) -> Later<'_, ()>;
    /// Keeps the hours that a node's owner set. They are as new as they say, or newer than those before by one.
    fn set_hours(&self, id: NodeId, hours: SetHours) -> Later<'_, ()>;
    /// The hours that a node's owner set.
    fn hours(&self, id: NodeId) -> Later<'_, Option<SetHours>>;

    /// Gives a node work, if its owner wants it to work: what another owner's node rendered of a tolerant job and has to be rendered
    /// a second time, else of the oldest active job that has some.
    fn lease(&self, ask: LeaseAsk) -> Later<'_, Leased>;
    /// What is known of a lease.
    fn lease_state(&self, id: LeaseId) -> Later<'_, LeaseState>;
    /// Whether anybody who waits may find work: free units, results that want a second render, or leases that
    /// take long at a job's end.
    fn may_have_work(&self, now_ms: i64) -> Later<'_, bool>;
    /// All leases that stand, each with the time it was granted.
    fn standing_leases(&self) -> Later<'_, Vec<(Lease, i64)>>;
    /// Ends a lease without a result, its node's or, without a node named, anybody's. Fails the
    /// job where a unit now has `failures_allowed` failures: all its leases end with it.
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
    /// Keeps a checked result for its audit, and its sums where they are to lie beside it.
    fn enter(&self, result: CheckedResult) -> Later<'_, Entered>;

    /// Frames to be assembled.
    fn whole_frames(&self, limit: u32) -> Later<'_, Vec<WholeFrame>>;
    /// Notes that a frame's pictures are durable, which were made of the results of these leases.
    /// Doing so twice is as doing so once; where other results count by now, nothing is noted, and
    /// the frame is to be assembled again. Whoever pays for it approves it, or time does; at once where there
    /// is no time to wait for.
    fn frame_done(
        &self,
        job: JobId,
        frame: FrameNumber,
        hash: ResultHash,
        made_of: Vec<LeaseId>,
        approve_by_ms: Option<i64>,
    ) -> Later<'_, ()>;
    /// Jobs whose frames are all done and that have not ended.
    fn unfinished_jobs(&self) -> Later<'_, Vec<JobView>>;
    /// Ends such a job, with or without a film; with the reason, where one is missing.
    fn finish_job(
        &self,
        id: JobId,
        movie: bool,
        reason: Option<String>,
        now_ms: i64,
    ) -> Later<'_, Changed>;
    /// Sums that nothing needs any more, of jobs that ended no later than `until_ms`.
    fn spent_results(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<StoredResult>>;
    /// Notes that those sums are gone, and removes what lies beside its row.
    fn forget_results(&self, leases: Vec<LeaseId>) -> Later<'_, ()>;
    /// Whether the sums of this lease and commit are a file that is still to be kept.
    fn is_file_kept(&self, lease: LeaseId, commit: CommitId) -> Later<'_, bool>;
    /// What lies beside a result's row, as its node sent it; `None` where nothing does, or no more. It blocks, on
    /// the thread that calls.
    fn sums(&self, lease: LeaseId) -> Result<Option<Vec<u8>>, StoreError>;

    /// What the farm suggests as a price, and when that changed; `None` before the first time.
    fn suggested(&self) -> Later<'_, Option<(RayPrice, i64)>>;
    /// Keeps what it suggests.
    fn suggest(&self, price: RayPrice, now_ms: i64) -> Later<'_, ()>;

    /// Sums over everything.
    fn totals(&self) -> Later<'_, Totals>;
}
