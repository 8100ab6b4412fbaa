//! Leases while they stand: given by long poll, kept alive by heartbeats, ended by silence.

use super::App;
use crate::problem::{Code, Refusal};
use crate::store::{Granted, LeaseAsk, LeaseEnd, LeaseState, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tessera_farm_core::lease::has_expired;
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, LeaseRequest};
use tessera_protocol::{BlobHash, JobId, LeaseId, NodeId};
use tokio::time::{Instant, timeout_at};

/// Whoever waits looks again this often even if nobody calls: a hint may have been lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Which leaseholders were heard, and when. Only in memory: after a restart everybody counts as
/// heard at the start.
#[derive(Default)]
pub(crate) struct Heard {
    leases: Mutex<HashMap<LeaseId, Hearing>>,
    nodes: Mutex<HashMap<NodeId, i64>>,
}

#[derive(Clone, Copy)]
struct Hearing {
    job: JobId,
    node: NodeId,
    at_ms: i64,
}

impl Heard {
    fn note(&self, lease: LeaseId, job: JobId, node: NodeId, at_ms: i64) {
        self.lock().insert(lease, Hearing { job, node, at_ms });
    }

    /// Notes a sign of life of a lease that is known to stand.
    fn again(&self, lease: LeaseId, node: NodeId, at_ms: i64) -> bool {
        match self.lock().get_mut(&lease) {
            Some(hearing) if hearing.node == node => {
                hearing.at_ms = hearing.at_ms.max(at_ms);
                true
            }
            _ => false,
        }
    }

    fn at(&self, lease: LeaseId) -> Option<i64> {
        self.lock().get(&lease).map(|hearing| hearing.at_ms)
    }

    /// Notes a sign of life of a node.
    fn note_node(&self, node: NodeId, at_ms: i64) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node, at_ms);
    }

    /// When this node was heard last.
    pub(crate) fn node(&self, node: NodeId) -> Option<i64> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied()
    }

    pub(crate) fn forget(&self, lease: LeaseId) {
        self.lock().remove(&lease);
    }

    pub(crate) fn forget_job(&self, job: JobId) {
        self.lock().retain(|_, hearing| hearing.job != job);
    }

    fn keep_only(&self, standing: &HashSet<LeaseId>) {
        self.lock().retain(|lease, _| standing.contains(lease));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LeaseId, Hearing>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Gives a node work, or `None` when there was none for as long as it would wait.
    pub(crate) async fn lease(
        &self,
        node: NodeId,
        request: LeaseRequest,
    ) -> Result<Option<LeaseGrant>, Refusal> {
        self.need_kernel(request.kernel)?;
        self.heard.note_node(node, self.clock.now_ms());
        let known = self.store.node(node).await?;
        if !known.is_some_and(|known| self.is_exact(&known)) {
            return Err(Refusal::new(
                Code::NodeNotExact,
                "The node's conformance hashes are not this kernel's, so it may not have exact \
                 work; `render-node check` shows which differ.",
            ));
        }
        let wait = Duration::from_millis(request.wait_ms.min(LeaseRequest::MAX_WAIT_MS));
        let until = Instant::now() + wait;
        let mut work = self.hints.work.subscribe();
        loop {
            work.mark_unchanged();
            if let Some(granted) = self.grant(node, &request).await? {
                return Ok(Some(granted));
            }
            let look = until.min(Instant::now() + LOOK_AGAIN);
            tokio::select! {
                _ = timeout_at(look, work.changed()) => {}
                () = self.stopping.cancelled() => return Ok(None),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    async fn grant(
        &self,
        node: NodeId,
        request: &LeaseRequest,
    ) -> Result<Option<LeaseGrant>, Refusal> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Refusal::internal)?;
        let now_ms = self.clock.now_ms();
        let ask = LeaseAsk {
            id: LeaseId(id),
            node,
            kernel: request.kernel,
            samples_wanted: request.samples_wanted,
            now_ms,
        };
        let Some(Granted { lease, spec, units }) = self.store.lease(ask).await? else {
            return Ok(None);
        };
        self.heard.note(lease.id, lease.job, node, now_ms);
        self.counters.leases.fetch_add(1, Ordering::Relaxed);
        Ok(Some(LeaseGrant {
            lease: lease.id,
            generation: lease.generation,
            job: lease.job,
            kernel: lease.kernel,
            scene: spec.scene,
            settings: spec.settings,
            fps: spec.fps,
            units,
            expires_after_ms: self.config.lease_ms().unsigned_abs(),
        }))
    }

    /// A node says that it still works.
    pub(crate) async fn heartbeat(
        &self,
        node: NodeId,
        lease: LeaseId,
    ) -> Result<HeartbeatView, Refusal> {
        let now_ms = self.clock.now_ms();
        self.heard.note_node(node, now_ms);
        if self.heard.again(lease, node, now_ms) {
            return Ok(HeartbeatView { alive: true });
        }
        // Not in memory: ended, or given before a restart.
        let alive = match self.store.lease_state(lease).await? {
            LeaseState::Standing(standing) if standing.0.node == node => {
                self.heard.note(lease, standing.0.job, node, now_ms);
                true
            }
            _ => false,
        };
        Ok(HeartbeatView { alive })
    }

    /// A node ends its own lease.
    pub(crate) async fn give_back(
        &self,
        node: NodeId,
        lease: LeaseId,
        request: GiveBackRequest,
    ) -> Result<(), Refusal> {
        let end = match request.failed {
            None => LeaseEnd::Returned,
            Some(reason) => {
                LeaseEnd::Failed(reason.chars().take(GiveBackRequest::MAX_REASON).collect())
            }
        };
        Ok(self.end_lease(lease, Some(node), end).await?)
    }

    async fn end_lease(
        &self,
        lease: LeaseId,
        of: Option<NodeId>,
        end: LeaseEnd,
    ) -> Result<(), StoreError> {
        let (allowed, now_ms) = (self.config.failures_allowed, self.clock.now_ms());
        let freed = self.store.end_lease(lease, of, end, allowed, now_ms).await?;
        if !freed.ended {
            return Ok(());
        }
        self.heard.forget(lease);
        self.counters.leases_ended.fetch_add(1, Ordering::Relaxed);
        if let Some(job) = freed.failed_job {
            self.heard.forget_job(job);
            self.hints.events.send_replace(());
            self.hints.frames.notify_one();
        }
        self.hints.work.send_replace(());
        Ok(())
    }

    /// Whether a node needs this upload for a lease that it holds.
    pub(crate) async fn need_read(&self, node: NodeId, blob: BlobHash) -> Result<(), Refusal> {
        if self.store.may_read(node, blob).await? {
            return Ok(());
        }
        Err(Refusal::new(Code::BlobNotFound, format!("No lease of this node needs blob {blob}.")))
    }

    /// Ends the leases whose nodes fell silent, again and again until the master stops.
    pub(crate) async fn end_silent_leases(&self) {
        let pause = (self.config.heartbeat / 2).min(LOOK_AGAIN);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopping.cancelled() => return,
            }
            if let Err(error) = self.end_silent_leases_now().await {
                tracing::warn!(%error, "could not look for silent leases; trying again");
            }
        }
    }

    async fn end_silent_leases_now(&self) -> Result<(), StoreError> {
        // The store is asked and not memory alone: whoever leased may have gone before the lease
        // was noted.
        let standing = self.store.standing_leases().await?;
        self.heard.keep_only(&standing.iter().map(|(lease, _)| lease.id).collect());
        let now_ms = self.clock.now_ms();
        for (lease, granted_ms) in standing {
            let heard_ms = granted_ms.max(self.heard.at(lease.id).unwrap_or(i64::MIN));
            let lease_ms = self.config.lease_ms();
            if has_expired(heard_ms, self.clock.started_ms(), lease_ms, now_ms) {
                tracing::info!(lease = %lease.id, node = %lease.node, "a node fell silent");
                self.end_lease(lease.id, None, LeaseEnd::Expired).await?;
            }
        }
        Ok(())
    }
}
