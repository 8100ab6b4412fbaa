//! What workers do: join, wait for sessions, hold them.

use super::join::MAX_NAME;
use super::streams::page;
use super::{App, to_the_end};
use crate::auth::Token;
use crate::problem::{Code, Refusal};
use crate::store::StoreError;
use crate::store::live::{StreamLeaseEnd, WorkerJoining};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tessera_farm_core::lease::has_expired;
use tessera_protocol::job::Why;
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseRequest};
use tessera_protocol::stream::worker::{
    StreamLeaseGrant, StreamLeaseRequest, WorkerAbility, WorkerJoinRequest, WorkerJoinView,
    WorkerPage,
};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{LeaseId, NodeId};
use tessera_verify::segment::record::{Record, is_barred};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Heartbeats within the time after which a silent lease ends.
const HEARTBEATS: u32 = 3;
/// What whoever asks for sessions has not done.
const NOT_JOINED: &str = "This node has not joined as a worker: `transcoder work` does.";
/// Longest words about encoders, in characters.
const MAX_ENCODERS: usize = 500;

/// Which workers' leases were heard, and when; and who waits for a session.
#[derive(Default)]
pub(crate) struct Workers {
    heard: Mutex<HashMap<LeaseId, (NodeId, i64)>>,
    waiting: Mutex<HashMap<NodeId, Waiting>>,
    /// Why a worker got nothing when it asked last and there was something.
    why: Mutex<HashMap<NodeId, Vec<Why>>>,
}

/// A worker that waits for a session.
struct Waiting {
    free_pixels_per_s: u64,
    answer: oneshot::Sender<StreamLeaseGrant>,
}

impl Workers {
    /// Puts a worker among those who wait. It waits once: an earlier wait of its ends.
    fn wait(&self, node: NodeId, free_pixels_per_s: u64) -> oneshot::Receiver<StreamLeaseGrant> {
        let (answer, granted) = oneshot::channel();
        self.waiting().insert(node, Waiting { free_pixels_per_s, answer });
        granted
    }

    /// Those who wait, each with the pixels a second that it has left.
    pub(crate) fn who_wait(&self) -> Vec<(NodeId, u64)> {
        let mut waiting = self.waiting();
        waiting.retain(|_, waiting| !waiting.answer.is_closed());
        waiting.iter().map(|(node, waiting)| (*node, waiting.free_pixels_per_s)).collect()
    }

    /// Answers a worker that waits; `false` when it does not any more.
    pub(super) fn answer(&self, node: NodeId, grant: StreamLeaseGrant) -> bool {
        let waiting = self.waiting().remove(&node);
        waiting.is_some_and(|waiting| waiting.answer.send(grant).is_ok())
    }

    pub(super) fn note(&self, lease: LeaseId, node: NodeId, now_ms: i64) {
        self.heard().insert(lease, (node, now_ms));
    }

    fn again(&self, lease: LeaseId, node: NodeId, now_ms: i64) -> bool {
        match self.heard().get_mut(&lease) {
            Some((holder, at_ms)) if *holder == node => {
                *at_ms = now_ms.max(*at_ms);
                true
            }
            _ => false,
        }
    }

    fn forget(&self, lease: LeaseId) {
        self.heard().remove(&lease);
    }

    /// A worker that waits got none of the sessions that there were.
    pub(super) fn tell_why(&self, node: NodeId, why: Vec<Why>) {
        self.whys().insert(node, why);
    }

    /// A worker got a session: what was in its way is no more.
    pub(super) fn forget_why(&self, node: NodeId) {
        self.whys().remove(&node);
    }

    fn whys(&self) -> MutexGuard<'_, HashMap<NodeId, Vec<Why>>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<LeaseId, (NodeId, i64)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<NodeId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Lets a worker in that shows it has its key.
    pub(crate) async fn worker_join(
        self: &Arc<Self>,
        request: WorkerJoinRequest,
    ) -> Result<WorkerJoinView, Refusal> {
        check_ability(&request.name, &request.able)?;
        self.need_answer(request.node, &request.challenge, &request.signature)?;
        let (text, token) =
            Token::generate(TokenScope::Node, Some(request.node)).map_err(Refusal::internal)?;
        let joining = WorkerJoining {
            node: request.node,
            name: request.name,
            able: request.able,
            token,
            now_ms: self.clock.now_ms(),
        };
        let app = self.clone();
        to_the_end(async move {
            app.store.worker_join(joining).await?;
            app.tokens.forget_node(request.node);
            Ok(())
        })
        .await?;
        let heartbeat = self.config.session_lease / HEARTBEATS;
        let heartbeat_ms = u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX);
        Ok(WorkerJoinView { token: text, heartbeat_ms })
    }

    /// Gives a worker a session, or `None` when there was none for as long as it would wait.
    pub(crate) async fn stream_lease(
        &self,
        node: NodeId,
        request: StreamLeaseRequest,
    ) -> Result<Option<StreamLeaseGrant>, Refusal> {
        let record = self.store.worker_record(node).await?;
        let record = record.ok_or_else(|| Refusal::new(Code::WorkerNotJoined, NOT_JOINED))?;
        if is_barred(&record) {
            return Err(Refusal::new(Code::NodeBarred, barred(&record)));
        }
        self.heard.note_node(node, self.clock.now_ms());
        let mut granted = self.workers.wait(node, request.free_pixels_per_s);
        self.hints.matching.notify_one();
        let wait = Duration::from_millis(request.wait_ms.min(LeaseRequest::MAX_WAIT_MS));
        tokio::select! {
            answer = timeout(wait, &mut granted) => {
                if let Ok(answer) = answer {
                    return Ok(answer.ok());
                }
            }
            () = self.stopping.cancelled() => {}
        }
        // A grant that came at this very moment is kept; one that comes later finds nobody.
        granted.close();
        Ok(granted.try_recv().ok())
    }

    /// Why a worker gets no session.
    pub(crate) async fn why_worker(&self, node: NodeId) -> Result<Vec<Why>, Refusal> {
        let why = |code: &str, sentence: String| vec![Why { code: code.into(), sentence }];
        match self.store.worker_record(node).await? {
            None => return Ok(why("not_joined", NOT_JOINED.into())),
            Some(record) if is_barred(&record) => return Ok(why("barred", barred(&record))),
            Some(_) => {}
        }
        let told = self.workers.whys().get(&node).cloned();
        Ok(told.unwrap_or_else(|| {
            why("nothing_to_do", "It asked last when no session lacked a worker.".into())
        }))
    }

    /// A worker says that it still holds a session.
    pub(crate) async fn stream_heartbeat(
        &self,
        node: NodeId,
        lease: LeaseId,
    ) -> Result<HeartbeatView, Refusal> {
        let now_ms = self.clock.now_ms();
        self.heard.note_node(node, now_ms);
        // Leases end in the store, too, with their sessions: memory alone does not know.
        let stands = |lease: &crate::store::live::StreamLease| lease.standing && lease.node == node;
        if !self.store.stream_lease(lease).await?.as_ref().is_some_and(stands) {
            self.workers.forget(lease);
            return Ok(HeartbeatView { alive: false });
        }
        if !self.workers.again(lease, node, now_ms) {
            self.workers.note(lease, node, now_ms);
        }
        Ok(HeartbeatView { alive: true })
    }

    /// A worker ends its own lease.
    pub(crate) async fn stream_give_back(
        &self,
        node: NodeId,
        lease: LeaseId,
        request: GiveBackRequest,
    ) -> Result<(), Refusal> {
        // One that could not do the session would only fail again; one that stops asks no more.
        let end = match request.failed {
            None => StreamLeaseEnd { because: "its worker gave it back".into(), bar: false },
            Some(reason) => {
                let reason: String = reason.chars().take(GiveBackRequest::MAX_REASON).collect();
                StreamLeaseEnd { because: format!("its worker failed: {reason}"), bar: true }
            }
        };
        Ok(self.end_stream_lease(lease, Some(node), end).await?)
    }

    pub(super) async fn end_stream_lease(
        &self,
        lease: LeaseId,
        of: Option<NodeId>,
        end: StreamLeaseEnd,
    ) -> Result<(), StoreError> {
        let because = end.because.clone();
        if self.store.end_stream_lease(lease, of, end, self.clock.now_ms()).await? {
            tracing::info!(%lease, because, "a worker's lease ended");
            self.workers.forget(lease);
            self.counters.stream_leases_ended.fetch_add(1, Ordering::Relaxed);
            self.hints.matching.notify_one();
        }
        Ok(())
    }

    /// Ends the leases of workers that fell silent.
    pub(super) async fn end_silent_workers(&self) -> Result<(), StoreError> {
        let standing = self.store.standing_stream_leases().await?;
        let ids: HashSet<_> = standing.iter().map(|lease| lease.id).collect();
        self.workers.heard().retain(|lease, _| ids.contains(lease));
        let times = self.times();
        let now_ms = self.clock.now_ms();
        for lease in standing {
            let heard = self.workers.heard().get(&lease.id).map_or(i64::MIN, |(_, at_ms)| *at_ms);
            let heard_ms = heard.max(lease.granted_ms);
            if has_expired(heard_ms, times.started_ms, times.lease_ms, now_ms) {
                let end = StreamLeaseEnd { because: "its worker fell silent".into(), bar: false };
                self.end_stream_lease(lease.id, None, end).await?;
            }
        }
        Ok(())
    }

    /// One page of workers. The cursor is the last one's key.
    pub(crate) async fn workers(
        &self,
        cursor: Option<NodeId>,
        limit: u32,
    ) -> Result<WorkerPage, Refusal> {
        let workers = self.store.workers(cursor, limit + 1).await?;
        let (mut data, next_cursor) = page(workers, limit, |worker| worker.id.to_string());
        for worker in &mut data {
            let heard_ms = self.heard.node(worker.id).unwrap_or(i64::MIN);
            worker.last_seen_ms = worker.last_seen_ms.max(heard_ms);
        }
        Ok(WorkerPage { data, next_cursor })
    }
}

/// Why a worker gets no more sessions for good.
fn barred(record: &Record) -> String {
    format!(
        "{} of the {} segments of this worker that were compared with their source were rejected, many \
         of them lately, and it gets no more sessions; the operator's log says why each was. If the \
         machine is at fault, repair it and ask the operator.",
        record.audits_rejected,
        record.audits_rejected + record.audits_passed
    )
}

fn check_ability(name: &str, able: &WorkerAbility) -> Result<(), Refusal> {
    let limit = i64::MAX.unsigned_abs();
    let fits = name.chars().count() <= MAX_NAME
        && able.encoders.chars().count() <= MAX_ENCODERS
        && able.codecs.len() <= 8
        && able.price.0 <= limit
        && able.pixels_per_s <= limit
        && able.uplink_bits_per_s.is_none_or(|bits| bits <= limit);
    if fits {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RequestMalformed,
        format!(
            "A worker's name has at most {MAX_NAME} characters, its words about encoders \
             {MAX_ENCODERS}, and its price, speed and uplink are below 2^63."
        ),
    ))
}
