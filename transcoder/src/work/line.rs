//! One connection to a gateway: hands what arrives to its lane.

use super::lane::{Backlog, Running};
use super::receipts::Receipts;
use super::shift::need;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tessera_engine_host::EnginePool;
use tessera_link::{Closed, Connection, Control, Event, Sender};
use tessera_media::task::{LadderTask, Task};
use tessera_media::wire::{Body, Lane, Message};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::ClaimReceipt;
use tessera_protocol::stream::worker::StreamLeaseGrant;
use tracing::{debug, warn};

/// Lanes that one gateway may have under way here at once.
pub const MAX_LANES: usize = 8;

/// What is needed to work on a session.
pub struct Bench {
    /// Who signs.
    pub key: Arc<NodeKey>,
    /// For what.
    pub grant: StreamLeaseGrant,
    /// With what.
    pub pool: EnginePool,
    /// Where proofs go.
    pub receipts: Receipts,
    /// Pixels a second that the session takes; 0 while nobody knows.
    pub pixels_per_s: AtomicU64,
}

impl Bench {
    /// The last segment took so many pixels for each of its seconds.
    pub(super) fn takes(&self, pixels_per_s: u64) {
        if pixels_per_s > 0 {
            self.pixels_per_s.store(pixels_per_s, Relaxed);
        }
    }

    /// Pixels a second that the session is taken to need.
    pub(super) fn need(&self) -> u64 {
        need(&self.grant.ladder, self.pixels_per_s.load(Relaxed))
    }

    /// Why a task is not done.
    fn refuses(&self, task: Task) -> Result<LadderTask, String> {
        let Task::Ladder(task) = task else {
            return Err("a worker makes ladders, and nothing else".to_owned());
        };
        let asked = self.grant.ladder.renditions();
        match task.renditions.iter().find(|rendition| !asked.contains(rendition)) {
            Some(other) => Err(format!("the lease names no rendition {} like this", other.name)),
            None if task.renditions.is_empty() => Err("no rendition is asked for".to_owned()),
            None => Ok(task),
        }
    }

    fn keep(&self, receipt: ClaimReceipt) {
        let claim = &receipt.claim;
        let ours = claim.node == self.key.node() && claim.gateway == self.grant.gateway;
        if ours && receipt.is_signed_by_both() {
            self.receipts.keep(receipt);
        } else {
            warn!("the gateway sent a receipt for segment {} that proves nothing", claim.segment);
        }
    }
}

/// Works for the gateway at the other end until the connection is over. Dropping the future ends all
/// lanes.
pub async fn serve(connection: Connection, bench: &Arc<Bench>) -> Closed {
    let (gateway, mut events) = connection.split();
    let (running, backlog) = (HashMap::new(), Backlog::default());
    let mut lanes = Lanes { running, gateway, bench, backlog };
    loop {
        match events.recv().await {
            Ok(Event::Media(message)) => lanes.take(message),
            Ok(Event::Control(Control::Receipt(receipt))) => bench.keep(receipt),
            Ok(Event::Control(Control::Refused { segment, because, .. })) => {
                let session = bench.grant.session;
                warn!("segment {segment} of session {session} was not taken: {because}");
            }
            Ok(Event::Control(Control::Claim { .. })) => {
                return Closed::Nonsense("a gateway claims nothing".to_owned());
            }
            Err(closed) => return closed,
        }
    }
}

struct Lanes<'a> {
    running: HashMap<Lane, Running>,
    gateway: Sender,
    bench: &'a Arc<Bench>,
    backlog: Backlog,
}

impl Lanes<'_> {
    fn take(&mut self, Message { lane, body }: Message) {
        match body {
            Body::Begin(task) => self.begin(lane, task),
            Body::Cancel => {
                if self.running.remove(&lane).is_some_and(|running| !running.is_over()) {
                    self.gateway.forget(lane);
                    debug!("lane {} is called off", lane.0);
                }
            }
            // What is still on its way for a lane that is over is passed over.
            body => {
                if self.running.get(&lane).is_some_and(|running| !running.take(body)) {
                    self.running.remove(&lane);
                    self.refuse(lane, "the engine is too far behind its source".to_owned());
                }
            }
        }
    }

    fn begin(&mut self, lane: Lane, task: Task) {
        self.running.retain(|_, running| !running.is_over());
        if self.running.contains_key(&lane) {
            return self.refuse(lane, "the lane is under way already".to_owned());
        }
        if self.running.len() >= MAX_LANES {
            return self.refuse(lane, format!("{MAX_LANES} lanes are under way here already"));
        }
        match self.bench.refuses(task) {
            Ok(task) => {
                let (gateway, bench) = (self.gateway.clone(), Arc::clone(self.bench));
                let running = Running::begin(lane, task, gateway, bench, self.backlog.clone());
                self.running.insert(lane, running);
            }
            Err(because) => self.refuse(lane, because),
        }
    }

    /// Says why without waiting: one slow line must not keep this loop from reading.
    fn refuse(&self, lane: Lane, because: String) {
        let gateway = self.gateway.clone();
        tokio::spawn(async move {
            let _ = gateway.send(Message { lane, body: Body::Failed(because) }).await;
        });
    }
}
