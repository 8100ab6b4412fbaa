//! The worker towards its master: joins, asks for sessions, presents receipts.

use super::line::Bench;
use super::receipts::Receipts;
use super::shift::Shift;
use super::{status, stopped};
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tessera_client::{Backoff, ClientError, Enrolment, MasterAddress, WorkerClient};
use tessera_engine_host::EnginePool;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::worker::{
    PresentedReceipts, StreamLeaseGrant, StreamLeaseRequest, WorkerAbility,
};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

/// How long one question for a session waits for an answer.
const LEASE_WAIT: Duration = Duration::from_secs(20);
/// Failures of the network are tried again after this at first, and at last.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Heartbeats come no faster and no slower than this, whatever the master says.
const HEARTBEAT_LIMITS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(60));
/// How often receipts are presented: late, since most are reported by their gateways before.
const PRESENT_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether there is speed left for one more session.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the speed that was measured, how many percent are given away: what else the machine does,
/// and what a hard scene takes, is not in the measure.
const GIVEN_AWAY: u64 = 80;

/// What a worker is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whom it works for.
    pub master: MasterAddress,
    /// What lets it join.
    pub token: String,
    /// What people call it.
    pub name: String,
    /// What it can do.
    pub able: WorkerAbility,
    /// Most sessions at once.
    pub sessions: usize,
    /// Its own folder, where it keeps what it is told of itself.
    pub state: PathBuf,
}

/// A worker.
pub struct Agent {
    config: Config,
    key: Arc<NodeKey>,
    pool: EnginePool,
    receipts: Receipts,
    enrolment: Enrolment,
    backoff: Backoff,
    /// Sessions under way, for the speed they take.
    benches: Vec<Weak<Bench>>,
}

/// Why asking for sessions ends.
enum End {
    Stopped,
    /// The master no longer knows the token.
    JoinAgain,
    Refused(ClientError),
}

impl Agent {
    /// Not joined yet.
    pub fn new(
        config: Config,
        key: Arc<NodeKey>,
        pool: EnginePool,
        receipts: Receipts,
    ) -> Result<Self, ClientError> {
        let enrolment = Enrolment::new(config.master.clone(), config.token.clone())?;
        let backoff = Backoff::new(WAITS.0, WAITS.1);
        Ok(Self { config, key, pool, receipts, enrolment, backoff, benches: vec![] })
    }

    /// Works until `stop` becomes true, or the master says no in a way that stays.
    pub async fn work(mut self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut shifts = JoinSet::new();
        let mut clients: Option<watch::Sender<WorkerClient>> = None;
        let outcome = loop {
            let (client, heartbeat) = tokio::select! {
                joined = self.join() => match joined {
                    Ok(joined) => joined,
                    Err(error) => break Err(error),
                },
                () = stopped(stop.clone()) => break Ok(()),
            };
            let presenting = tokio::spawn(present(client.clone(), self.receipts.clone()));
            let keeping = self.keep_status(client.clone());
            // Sessions that were taken before go on under the new token.
            let clients = clients.get_or_insert_with(|| watch::Sender::new(client.clone()));
            clients.send_replace(client);
            let end = self.take_sessions(clients, heartbeat, &mut shifts, &stop).await;
            presenting.abort();
            keeping.abort();
            match end {
                End::Stopped => break Ok(()),
                End::Refused(error) => {
                    // Why is said once more for its owner, who may look when it is long gone.
                    let client = clients.borrow().clone();
                    status::note(&client, self.key.node(), &self.config).await;
                    break Err(error);
                }
                End::JoinAgain => warn!("the master no longer knows this worker; joining again"),
            }
        };
        match outcome {
            // Each of them gives its session back.
            Ok(()) => while shifts.join_next().await.is_some() {},
            Err(_) => shifts.shutdown().await,
        }
        outcome.map_err(|error| anyhow::anyhow!("the master has no work for this worker: {error}"))
    }

    /// Keeps what it is told of itself for as long as it is let.
    fn keep_status(&self, client: WorkerClient) -> JoinHandle<()> {
        let (node, config) = (self.key.node(), self.config.clone());
        tokio::spawn(async move {
            let mut ticks = interval(status::EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                status::note(&client, node, &config).await;
            }
        })
    }

    /// Joins; waits for a master that is away, and fails when it says no.
    async fn join(&mut self) -> Result<(WorkerClient, Duration), ClientError> {
        let Config { name, able, master, .. } = &self.config;
        loop {
            match self.enrolment.worker_join(&self.key, name, able).await {
                Ok((view, client)) => {
                    info!("joined {master} as {name} ({})", self.key.node());
                    let (least, most) = HEARTBEAT_LIMITS;
                    let heartbeat = Duration::from_millis(view.heartbeat_ms).clamp(least, most);
                    return Ok((client, heartbeat));
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => wait(&format!("joining: {error}"), &mut self.backoff).await,
            }
        }
    }

    /// Takes session after session while there is speed left.
    async fn take_sessions(
        &mut self,
        clients: &watch::Sender<WorkerClient>,
        heartbeat: Duration,
        shifts: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) -> End {
        // A question under way is not dropped when something else happens: the master may have
        // answered it with a session already.
        let mut asking: Option<BoxFuture<'static, Result<Option<StreamLeaseGrant>, ClientError>>> =
            None;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let free = self.free_pixels_per_s();
            if asking.is_none() && shifts.len() < self.config.sessions && free > 0 {
                let wait_ms = LEASE_WAIT.as_millis() as u64;
                let request = StreamLeaseRequest { free_pixels_per_s: free, wait_ms };
                let client = clients.borrow().clone();
                asking = Some(Box::pin(async move { client.stream_lease(&request).await }));
            }
            let answer = tokio::select! {
                answer = answered(&mut asking) => answer,
                Some(_) = shifts.join_next(), if !shifts.is_empty() => continue,
                _ = look.tick() => continue,
                () = stopped(stop.clone()) => return End::Stopped,
            };
            asking = None;
            match answer {
                Ok(granted) => {
                    self.backoff.reset();
                    if let Some(grant) = granted {
                        let shift = self.shift(grant, clients.subscribe(), heartbeat);
                        shifts.spawn(shift.work(stop.clone()));
                    }
                }
                Err(ClientError::Unauthorised { .. }) => return End::JoinAgain,
                Err(error) if is_final(&error) => return End::Refused(error),
                Err(error) => {
                    let why = format!("asking for a session: {error}");
                    tokio::select! {
                        () = wait(&why, &mut self.backoff) => {}
                        () = stopped(stop.clone()) => return End::Stopped,
                    }
                }
            }
        }
    }

    fn shift(
        &mut self,
        grant: StreamLeaseGrant,
        client: watch::Receiver<WorkerClient>,
        heartbeat: Duration,
    ) -> Shift {
        let bench = Arc::new(Bench {
            key: Arc::clone(&self.key),
            grant,
            pool: self.pool.clone(),
            receipts: self.receipts.clone(),
            pixels_per_s: AtomicU64::new(0),
        });
        self.benches.push(Arc::downgrade(&bench));
        Shift { bench, client, heartbeat }
    }

    /// What is left of the speed that was measured.
    fn free_pixels_per_s(&mut self) -> u64 {
        self.benches.retain(|bench| bench.strong_count() > 0);
        let taken = self.benches.iter().filter_map(Weak::upgrade).map(|bench| bench.need());
        (self.config.able.pixels_per_s * GIVEN_AWAY / 100).saturating_sub(taken.sum())
    }
}

/// The answer to the question under way; never, if there is none.
async fn answered<T>(asking: &mut Option<BoxFuture<'static, T>>) -> T {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

/// Presents receipts for as long as it is let. Those that the master knows or refuses for good are
/// forgotten.
async fn present(client: WorkerClient, receipts: Receipts) {
    let mut ticks = interval(PRESENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            let batch = receipts.oldest(PresentedReceipts::MAX).await;
            if batch.is_empty() {
                break;
            }
            match client.present_receipts(&PresentedReceipts { receipts: batch.clone() }).await {
                Ok(view) => {
                    for one in view.refused {
                        let (segment, session, because) = (one.segment, one.session, one.because);
                        warn!("the receipt for segment {segment} of session {session}: {because}");
                    }
                    receipts.forget(batch).await;
                }
                Err(error) => {
                    warn!("presenting receipts: {error}");
                    break;
                }
            }
        }
    }
}

async fn wait(why: &str, backoff: &mut Backoff) {
    let how_long = backoff.next_wait();
    warn!("{why}; going on in {:.1} s", how_long.as_secs_f64());
    sleep(how_long).await;
}

/// Whether the master said no in a way that the same call would hear again.
fn is_final(error: &ClientError) -> bool {
    error
        .status()
        .is_some_and(|status| matches!(status, 400..=499 if status != 408 && status != 429))
}
