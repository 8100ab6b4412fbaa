//! The master's one shared thing, and what it does for each kind of request. Rules are
//! `tessera_farm_core`'s; what is true is the store's; here they are put together.
//!
//! Everything in memory can be lost: it is a cache, a hint or a limit.

mod jobs;
mod join;
mod leases;
mod submit;

use crate::auth::KnownTokens;
use crate::blobs::Folder;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;
use join::Challenges;
pub(crate) use leases::Heard;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
pub(crate) use submit::UNPACK_BYTES;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Uploads at once.
const UPLOADS: usize = 16;
/// Event streams at once.
const EVENT_STREAMS: usize = 1024;
/// Scenes that are looked into at once.
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
    pub(crate) clock: Clock,
    pub(crate) tokens: KnownTokens,
    pub(crate) heard: Heard,
    pub(crate) hints: Hints,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    /// Cancelled when the master stops: whoever waits answers at once.
    pub(crate) stopping: CancellationToken,
    challenges: Challenges,
}

/// Wakes those who wait. A hint may be lost; everybody who waits looks again within a second.
pub(crate) struct Hints {
    /// There may be work for nodes.
    pub(crate) work: watch::Sender<()>,
    /// There may be events.
    pub(crate) events: watch::Sender<()>,
    /// There may be frames to assemble, or results to remove.
    pub(crate) frames: Notify,
}

/// Bounds on what goes on at once.
pub(crate) struct Limits {
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) event_streams: Arc<Semaphore>,
    pub(crate) inspections: Semaphore,
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
    pub(crate) upload_bytes: AtomicU64,
}

impl App {
    pub(crate) fn new(config: Config, store: Arc<dyn Store>, blobs: Folder, clock: Clock) -> Self {
        Self {
            config,
            store,
            blobs,
            clock,
            tokens: KnownTokens::default(),
            heard: Heard::default(),
            hints: Hints {
                work: watch::Sender::new(()),
                events: watch::Sender::new(()),
                frames: Notify::new(),
            },
            limits: Limits {
                uploads: Arc::new(Semaphore::new(UPLOADS)),
                event_streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
                inspections: Semaphore::new(INSPECTIONS),
                submits: Arc::new(Semaphore::new(SUBMIT_PERMITS)),
            },
            counters: Counters::default(),
            stopping: CancellationToken::new(),
            challenges: Challenges::default(),
        }
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
