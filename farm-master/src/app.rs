//! The master's one shared thing, and what it does for each kind of request. Rules are
//! `tessera_farm_core`'s; what is true is the store's; here they are put together.
//!
//! Everything in memory can be lost: it is a cache, a hint or a limit.

mod accounts;
mod approval;
mod audits;
mod bidding;
mod collection;
#[cfg(test)]
mod hung_up;
mod jobs;
mod join;
mod leases;
mod live;
mod matching;
mod money;
mod mosaic;
mod owners;
mod price;
mod quotes;
mod receipts;
mod segments;
mod sessions;
mod streams;
mod submit;
mod uploads;
mod webhooks;
mod workers;

use crate::audit::given::Given;
use crate::auth::KnownTokens;
use crate::blobs::Folder;
use crate::clock::Clock;
use crate::config::Config;
use crate::problem::Refusal;
use crate::routes::CheckedProgram;
use crate::settlement::Settlement;
use crate::store::Store;
pub(crate) use accounts::Entered;
use accounts::People;
use bidding::Bidding;
use join::{Challenges, Classes};
pub(crate) use leases::Heard;
pub(crate) use live::Live;
use money::Checked;
pub(crate) use mosaic::Shown;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
pub(crate) use submit::UNPACK_BYTES;
use tessera_protocol::MasterId;
use tessera_protocol::commit::NodeKey;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uploads::Turns;
use workers::Workers;

/// Uploads at once.
const UPLOADS: usize = 16;
/// Event streams at once.
const EVENT_STREAMS: usize = 1024;
/// Scenes that are looked into, and pictures that are made to look at, at once.
const INSPECTIONS: usize = 2;
/// Bytes of submits in memory at once, in [`SUBMIT_PERMIT`]s.
const SUBMIT_PERMITS: usize = 512;
/// What one permit stands for: 1 MiB.
pub(crate) const SUBMIT_PERMIT: u64 = 1 << 20;

/// See the module.
pub struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Folder,
    /// The program that nodes install, as it was looked at last.
    pub(crate) node_program: tokio::sync::Mutex<Option<CheckedProgram>>,
    /// Who writes which upload.
    pub(crate) turns: Turns,
    pub(crate) clock: Clock,
    /// What receipts are signed with.
    pub(crate) key: NodeKey,
    pub(crate) tokens: KnownTokens,
    /// Who may try to sign in, and by what.
    pub(crate) people: People,
    pub(crate) heard: Heard,
    /// Nodes that wait for work.
    pub(crate) bidding: Bidding,
    /// Held by who enters an upload, and alone by who removes one.
    pub(crate) entering: tokio::sync::RwLock<()>,
    /// The chain, where the farm has one.
    pub(crate) settlement: Option<Settlement>,
    /// The books, as far as they were checked since the start.
    pub(crate) checked: tokio::sync::Mutex<Checked>,
    pub(crate) live: Live,
    pub(crate) workers: Workers,
    /// Who audits what.
    pub(crate) given: Given,
    /// Held while results are given to an auditor.
    pub(crate) giving: tokio::sync::Mutex<()>,
    pub(crate) hints: Hints,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    /// Cancelled when the master stops: whoever waits answers at once.
    pub(crate) stopping: CancellationToken,
    challenges: Challenges,
    classes: Classes,
}

/// Wakes those who wait. A hint may be lost; everybody who waits looks again within a second.
pub(crate) struct Hints {
    /// There may be work for nodes.
    pub(crate) work: watch::Sender<()>,
    /// There may be events.
    pub(crate) events: watch::Sender<()>,
    /// There may be frames to assemble, or results to remove.
    pub(crate) frames: Notify,
    /// There may be results to audit.
    pub(crate) audits: Notify,
    /// There may be an objection to answer.
    pub(crate) disputes: Notify,
    /// There may be a session for a worker.
    pub(crate) matching: Notify,
    /// There may be something to tell webhooks.
    pub(crate) deliveries: Notify,
}

/// Bounds on what goes on at once.
pub(crate) struct Limits {
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) event_streams: Arc<Semaphore>,
    pub(crate) inspections: Arc<Semaphore>,
    pub(crate) submits: Arc<Semaphore>,
}

/// What happened since the start, for metrics.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) leases: AtomicU64,
    pub(crate) leases_ended: AtomicU64,
    pub(crate) submits: AtomicU64,
    pub(crate) audits: AtomicU64,
    pub(crate) audit_pixels: AtomicU64,
    pub(crate) rejections: AtomicU64,
    pub(crate) upload_bytes: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) stream_leases: AtomicU64,
    pub(crate) stream_leases_ended: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) deliveries_failed: AtomicU64,
}

/// Does what is written down first and told to memory then. It is done to its end where whoever
/// asked hangs up in between: the request is dropped with its connection, the write that it queued
/// is made all the same, and memory would contradict the store until the next start.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(work).await.map_err(Refusal::internal)?
}

impl App {
    pub(crate) fn new(
        config: Config,
        store: Arc<dyn Store>,
        blobs: Folder,
        clock: Clock,
        key: NodeKey,
        settlement: Option<Settlement>,
    ) -> Self {
        Self {
            config,
            store,
            blobs,
            node_program: tokio::sync::Mutex::default(),
            turns: Turns::default(),
            clock,
            key,
            tokens: KnownTokens::default(),
            people: People::default(),
            heard: Heard::default(),
            bidding: Bidding::default(),
            entering: tokio::sync::RwLock::default(),
            settlement,
            checked: tokio::sync::Mutex::default(),
            live: Live::default(),
            workers: Workers::default(),
            given: Given::default(),
            giving: tokio::sync::Mutex::default(),
            hints: Hints {
                work: watch::Sender::new(()),
                events: watch::Sender::new(()),
                frames: Notify::new(),
                audits: Notify::new(),
                disputes: Notify::new(),
                matching: Notify::new(),
                deliveries: Notify::new(),
            },
            limits: Limits {
                uploads: Arc::new(Semaphore::new(UPLOADS)),
                event_streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
                inspections: Arc::new(Semaphore::new(INSPECTIONS)),
                submits: Arc::new(Semaphore::new(SUBMIT_PERMITS)),
            },
            counters: Counters::default(),
            stopping: CancellationToken::new(),
            challenges: Challenges::default(),
            classes: Classes::default(),
        }
    }

    /// Says that nodes may find work now.
    pub(crate) fn there_may_be_work(&self) {
        self.bidding.next_round();
        self.hints.work.send_replace(());
    }

    /// Who this master is.
    pub(crate) fn master(&self) -> MasterId {
        MasterId(self.key.node().0)
    }

    /// Runs what blocks on a thread of its own.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || work(&app)).await
    }
}
