//! What all parts of the gateway share: who it is, its sessions, and which worker may dial in.

use super::clock::Clock;
use super::metrics::Metrics;
use super::restream::Reach;
use super::session::Input;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tessera_client::GatewayClient;
use tessera_engine_host::EnginePool;
use tessera_link::Peer;
use tessera_live_core::Now;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::gateway::WorkerLease;
use tessera_protocol::{GatewayId, Generation, LeaseId, NodeId, SessionId};
use tessera_publish::{Library, PublicationSpec};
use tokio::sync::{Notify, mpsc};

/// How long a worker whose lease is not known yet is kept at the door: the master tells of it with
/// the next beat.
const DIAL_PATIENCE: Duration = Duration::from_millis(2_500);

/// Beats are asked for on behalf of whoever dials in at most this often: anybody can show a lease
/// that there is not, and every session would beat for it.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A stream key, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash(pub(super) [u8; 32]);

impl KeyHash {
    pub(super) fn of(secret: &str) -> Self {
        Self(*blake3::hash(secret.as_bytes()).as_bytes())
    }
}

/// The gateway.
pub(super) struct Desk {
    pub(super) key: NodeKey,
    pub(super) client: GatewayClient,
    pub(super) library: Library,
    /// `None` where there is no engine beside this program.
    pub(super) engines: Option<EnginePool>,
    /// Where sources may be sent on to.
    pub(super) reach: Reach,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// Somebody waits for the next beats.
    pub(super) poke: Notify,
    sessions: Mutex<HashMap<SessionId, Entry>>,
    leases: Mutex<HashMap<LeaseId, (NodeId, SessionId)>>,
    lease_news: Notify,
    /// When beats were asked for last on behalf of whoever dials in.
    asked: Mutex<Option<Now>>,
    granted_again: Mutex<HashMap<SessionId, Generation>>,
}

struct Entry {
    key: KeyHash,
    inputs: mpsc::Sender<Input>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub(super) fn new(
        key: NodeKey,
        client: GatewayClient,
        library: Library,
        engines: Option<EnginePool>,
        reach: Reach,
    ) -> Self {
        Self {
            key,
            client,
            library,
            engines,
            reach,
            clock: Clock::start(),
            metrics: Metrics::default(),
            poke: Notify::new(),
            sessions: Mutex::default(),
            leases: Mutex::default(),
            lease_news: Notify::new(),
            asked: Mutex::default(),
            granted_again: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> GatewayId {
        GatewayId(self.key.node().0)
    }

    /// A session has begun here.
    pub(super) fn enter(&self, session: SessionId, key: KeyHash, inputs: mpsc::Sender<Input>) {
        locked(&self.sessions).insert(session, Entry { key, inputs });
    }

    /// A session is over, and its publisher free.
    pub(super) fn leave(&self, session: SessionId) {
        locked(&self.sessions).remove(&session);
        locked(&self.leases).retain(|_, (_, of)| *of != session);
    }

    /// The session that takes sources with this key.
    pub(super) fn by_key(&self, key: KeyHash) -> Option<mpsc::Sender<Input>> {
        let sessions = locked(&self.sessions);
        sessions.values().find(|entry| entry.key == key).map(|entry| entry.inputs.clone())
    }

    pub(super) fn session(&self, session: SessionId) -> Option<mpsc::Sender<Input>> {
        locked(&self.sessions).get(&session).map(|entry| entry.inputs.clone())
    }

    pub(super) fn all_sessions(&self) -> Vec<mpsc::Sender<Input>> {
        locked(&self.sessions).values().map(|entry| entry.inputs.clone()).collect()
    }

    /// The master granted a session that is over here, not knowing.
    pub(super) fn granted_again(&self, session: SessionId, generation: Generation) {
        // Of those that nobody has to see to any more nothing is told either.
        if self.library.unfinished().contains(&session) {
            locked(&self.granted_again).insert(session, generation);
        }
    }

    /// The generation under which the master takes a session's end: its last.
    pub(super) fn last_generation(&self, spec: &PublicationSpec) -> Generation {
        let again = locked(&self.granted_again).get(&spec.session).copied();
        again.map_or(spec.generation, |again| again.max(spec.generation))
    }

    /// The master knows all there is of a session.
    pub(super) fn forget(&self, session: SessionId) {
        locked(&self.granted_again).remove(&session);
    }

    /// The master's list of a session's workers.
    pub(super) fn lease_to(&self, session: SessionId, workers: &[WorkerLease]) {
        let mut leases = locked(&self.leases);
        leases.retain(|_, (_, of)| *of != session);
        leases.extend(workers.iter().map(|worker| (worker.lease, (worker.node, session))));
        drop(leases);
        self.lease_news.notify_waiters();
    }

    /// Whether `node` holds `lease`; waits a little for news of it.
    pub(super) async fn authorise(
        self: Arc<Self>,
        node: NodeId,
        lease: LeaseId,
    ) -> Result<(), String> {
        let holds = || locked(&self.leases).get(&lease).is_some_and(|(holder, _)| *holder == node);
        let wait = async {
            loop {
                let news = self.lease_news.notified();
                if holds() {
                    return;
                }
                self.ask_for_beats();
                news.await;
            }
        };
        tokio::time::timeout(DIAL_PATIENCE, wait).await.map_err(|_| {
            "the master has not told this gateway of such a lease; it may have ended".to_owned()
        })
    }

    fn ask_for_beats(&self) {
        let now = self.clock.now();
        let mut asked = locked(&self.asked);
        if asked.is_none_or(|at| now >= at + ASK_EVERY) {
            *asked = Some(now);
            self.poke.notify_waiters();
        }
    }

    /// Hands a worker that was let in to its session.
    pub(super) async fn welcome(&self, peer: Peer) {
        let session = locked(&self.leases).get(&peer.lease).map(|(_, session)| *session);
        let inputs = session.and_then(|session| self.session(session));
        // Without one the lease ended meanwhile; dropping the connection says so.
        if let Some(inputs) = inputs {
            let _ = inputs.send(Input::Worker(peer)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake_master::FakeMaster;

    #[tokio::test]
    async fn leases_that_nobody_has_make_sessions_beat_hardly_oftener() {
        let folder = tempfile::tempdir().unwrap();
        let desk = FakeMaster::start(|_| unreachable!()).await.desk(folder.path()).await;
        let begun = desk.clock.now();
        let strangers = (0..20).map(|n| {
            let desk = Arc::clone(&desk);
            tokio::spawn(desk.authorise(NodeId([n; 32]), LeaseId([n; 16])))
        });
        let refused = futures::future::join_all(strangers.collect::<Vec<_>>());
        tokio::pin!(refused);
        let mut beats = 0;
        loop {
            tokio::select! {
                all = &mut refused => {
                    assert!(all.into_iter().all(|refused| refused.unwrap().is_err()));
                    break;
                }
                () = desk.poke.notified() => {
                    beats += 1;
                    // The answer to a beat has leases, and whoever waits looks again.
                    desk.lease_to(SessionId([1; 16]), &[]);
                }
            }
        }
        let most = (desk.clock.now() - begun).as_secs() + 1;
        assert!((1..=most).contains(&beats), "{beats} times");
    }

    #[tokio::test]
    async fn a_worker_that_comes_before_the_news_of_its_lease_is_let_in_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let desk = FakeMaster::start(|_| unreachable!()).await.desk(folder.path()).await;
        let (node, lease) = (NodeId([1; 32]), LeaseId([2; 16]));
        let poked = desk.poke.notified();
        let early = tokio::spawn(Arc::clone(&desk).authorise(node, lease));
        poked.await;
        let worker = WorkerLease { lease, node, audit_percent: 0 };
        desk.lease_to(SessionId([1; 16]), &[worker]);
        assert_eq!(early.await.unwrap(), Ok(()));
    }
}
