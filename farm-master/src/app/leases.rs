//! Leases while they stand: given by long poll, kept alive by heartbeats, ended by silence.

use super::App;
use crate::problem::{Code, Refusal};
use crate::rules::wish::why_kept_out;
use crate::store::{Asker, Granted, LeaseAsk, LeaseEnd, LeaseState, Leased, Rivals, StoreError};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_farm_core::lease::has_expired;
use tessera_market::Bidder;
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::house::NodeReport;
use tessera_protocol::job::Why;
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, LeaseRequest};
use tessera_protocol::memory::FreeMemory;
use tessera_protocol::node::{DeviceClass, NodeWish};
use tessera_protocol::terms::Promise;
use tessera_protocol::{Amount, BlobHash, JobId, LeaseId, NodeId};
use tessera_verify::audit::record;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How often it is looked whether there may be something for those who wait, if nobody calls: with time leases grow
/// old, and a call may have been lost. They don't each look by themselves: a thousand would every second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Uploads that are known to be with a node; older ones it may have dropped.
const SENT: usize = 16;
/// What a node said of its machine is shown for so long: it says so again much sooner.
const REPORT_STANDS_MS: i64 = 60_000;

/// Which leaseholders were heard, and when. Only in memory: after a restart everybody counts as
/// heard at the start.
#[derive(Default)]
pub(crate) struct Heard {
    leases: Mutex<HashMap<LeaseId, Hearing>>,
    nodes: Mutex<HashMap<NodeId, i64>>,
    /// What nodes said of their machines, and when.
    reports: Mutex<HashMap<NodeId, (i64, NodeReport)>>,
    /// What nodes said that they have free, when they asked for work last.
    memory: Mutex<HashMap<NodeId, FreeMemory>>,
    /// Uploads that nodes were sent, the newest last.
    sent: Mutex<HashMap<NodeId, VecDeque<BlobHash>>>,
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
    pub(super) fn note_node(&self, node: NodeId, at_ms: i64) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node, at_ms);
    }

    /// Notes what a node says of its machine; that is a sign of life, too.
    pub(super) fn note_report(&self, node: NodeId, report: NodeReport, at_ms: i64) {
        self.note_node(node, at_ms);
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.insert(node, (at_ms, report));
    }

    /// What a node said of its machine, if that was lately.
    pub(super) fn report(&self, node: NodeId, now_ms: i64) -> Option<NodeReport> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let (at_ms, report) = reports.get(&node)?;
        (now_ms - at_ms <= REPORT_STANDS_MS).then(|| report.clone())
    }

    /// Notes what a node that asks for work has free, if it says so.
    fn note_memory(&self, node: NodeId, free: Option<FreeMemory>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match free {
            Some(free) => memory.insert(node, free),
            None => memory.remove(&node),
        };
    }

    /// What a node had free when it asked for work last; `None` where that is not known.
    pub(super) fn memory(&self, node: NodeId) -> Option<FreeMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied()
    }

    /// This node is sent an upload.
    fn note_sent(&self, node: NodeId, blob: BlobHash) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sent.entry(node).or_default();
        of.retain(|known| *known != blob);
        of.push_back(blob);
        if of.len() > SENT {
            of.pop_front();
        }
    }

    /// Notes of each whether it was sent this upload lately.
    fn note_who_has(&self, blob: BlobHash, bidders: &mut [Bidder]) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        for bidder in bidders {
            bidder.has_scene = sent.get(&bidder.node).is_some_and(|blobs| blobs.contains(&blob));
        }
    }

    /// Whether this node was sent this upload lately.
    fn has(&self, node: NodeId, blob: BlobHash) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(&node).is_some_and(|blobs| blobs.contains(&blob))
    }

    /// How many nodes were heard since then.
    pub(crate) fn nodes_since(&self, since_ms: i64) -> usize {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.values().filter(|at_ms| **at_ms >= since_ms).count()
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

/// Those who wait beside a node that asks.
struct Beside {
    app: Arc<App>,
    node: NodeId,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "those who wait beside {}", self.node)
    }
}

impl Rivals for Beside {
    fn with_scene(&self, scene: BlobHash) -> Vec<Bidder> {
        let mut rivals = self.app.bidding.rivals(self.node);
        self.app.heard.note_who_has(scene, &mut rivals);
        rivals
    }

    fn asker_has(&self, scene: BlobHash) -> bool {
        self.app.heard.has(self.node, scene)
    }
}

/// What a node found that looked for work.
enum Looked {
    Granted(Box<LeaseGrant>),
    /// Nothing for it, whoever else waits.
    Nothing(Vec<Why>),
    /// Somebody who waits comes first.
    Outbid(Why),
}

impl App {
    /// Gives a node work, or `None` when there was none for as long as it would wait.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        node: NodeId,
        request: LeaseRequest,
    ) -> Result<Option<LeaseGrant>, Refusal> {
        self.need_kernel(request.kernel)?;
        self.heard.note_node(node, self.clock.now_ms());
        self.heard.note_memory(node, request.memory);
        let wait = Duration::from_millis(request.wait_ms.min(LeaseRequest::MAX_WAIT_MS));
        let until = Instant::now() + wait;
        let mut work = self.hints.work.subscribe();
        let mut seat = None;
        loop {
            work.mark_unchanged();
            // Looked up anew each time: an audit may have ended, or its owner changed his mind.
            let (bidder, wish) = self.bidder(node, &request).await?;
            if why_kept_out(wish).is_some() {
                // Who may have nothing holds nobody up.
                seat = None;
                if self.wait_for_news(&mut work, until).await {
                    continue;
                }
                return Ok(None);
            }
            let seat = seat.get_or_insert_with(|| self.bidding.enter(bidder));
            let mut turns = seat.turns();
            seat.asks(bidder);
            let looked = self.grant(&request, bidder).await?;
            let outbid = match looked {
                Looked::Granted(grant) => {
                    seat.has_work();
                    return Ok(Some(*grant));
                }
                Looked::Nothing(why) => {
                    seat.looked(why);
                    false
                }
                Looked::Outbid(why) => {
                    seat.outbid(why);
                    true
                }
            };
            tokio::select! {
                _ = work.changed() => {}
                _ = turns.changed(), if outbid => {}
                () = seat.called() => {}
                () = sleep_until(until) => {}
                () = self.stopping.cancelled() => return Ok(None),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Waits until there may be work; `false` when the time is over.
    async fn wait_for_news(&self, work: &mut watch::Receiver<()>, until: Instant) -> bool {
        tokio::select! {
            _ = work.changed() => {}
            () = sleep_until(until) => {}
            () = self.stopping.cancelled() => return false,
        }
        Instant::now() < until
    }

    /// A node as one of those who ask for work, and what its owner wants; why it may have nothing, otherwise.
    async fn bidder(
        &self,
        node: NodeId,
        request: &LeaseRequest,
    ) -> Result<(Bidder, NodeWish), Refusal> {
        let (class, known) = self.need_fit(node).await?;
        let Asker { record, rays_per_s, wish, suggested } = known;
        let asks = request.ask.or(suggested).unwrap_or(self.config.suggested_price);
        let stake = self.settlement.as_ref().map_or(Amount::ZERO, |one| one.stake(node));
        let new = Bidder::new(node, asks, request.kernel);
        let memory = request.memory;
        Ok((Bidder { class, record, stake, rays_per_s, memory, ..new }, wish))
    }

    /// What a node may have, and what it is weighed by; why it may have nothing, otherwise.
    async fn need_fit(&self, node: NodeId) -> Result<(DeviceClass, Asker), Refusal> {
        let known = self.store.asker(node).await?;
        if let Some(known) = &known
            && record::units_of_a_lease(&known.record) == 0
        {
            return Err(Refusal::new(
                Code::NodeBarred,
                format!(
                    "{} results of this node were rejected, and it gets no more work. \
                     /node/v1/leases/LEASE/receipt says what was wrong with each; if the device is at \
                     fault, repair it and ask the operator.",
                    known.record.rejections
                ),
            ));
        }
        let class = self.class_of_node(node).await?;
        class.zip(known).ok_or_else(|| {
            Refusal::new(
                Code::KernelDiffers,
                "The node joined with another kernel than this farm renders with: let it join again.",
            )
        })
    }

    async fn grant(
        self: &Arc<Self>,
        request: &LeaseRequest,
        bidder: Bidder,
    ) -> Result<Looked, Refusal> {
        let (node, record) = (bidder.node, &bidder.record);
        let secret = AuditSecret::generate().map_err(Refusal::internal)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Refusal::internal)?;
        let now_ms = self.clock.now_ms();
        let ask = LeaseAsk {
            id: LeaseId(id),
            samples_wanted: request.samples_wanted,
            most_units: record::units_of_a_lease(record),
            most_held: record::units_held(record),
            straggler_times: self.config.straggler_times,
            secret,
            bidder,
            rivals: Arc::new(Beside { app: self.clone(), node }),
            now_ms,
        };
        let Granted { lease, spec, units, order } = match self.store.lease(ask).await? {
            Leased::Granted(granted) => *granted,
            Leased::Nothing(why) => return Ok(Looked::Nothing(why)),
            Leased::Outbid(why) => return Ok(Looked::Outbid(why)),
        };
        if let Some(order) = order {
            self.bidding.tell_losers(&bidder, &order);
        }
        self.heard.note(lease.id, lease.job, node, now_ms);
        self.counters.leases.fetch_add(1, Ordering::Relaxed);
        let settings = spec.settings.hash();
        Ok(Looked::Granted(Box::new(LeaseGrant {
            lease: lease.id,
            generation: lease.generation,
            job: lease.job,
            kernel: lease.kernel,
            scene: spec.scene,
            settings: spec.settings,
            fps: spec.fps,
            secret: lease.secret,
            terms: Promise {
                master: self.master(),
                node,
                job: lease.job,
                lease: lease.id,
                generation: lease.generation,
                class: lease.class,
                price: lease.price,
                factor: lease.factor,
                kernel: lease.kernel,
                settings,
                secret: lease.secret,
                units: units.iter().map(|unit| unit.index).collect(),
            }
            .sign(&self.key),
            units,
            expires_after_ms: self.config.lease_ms().unsigned_abs(),
        })))
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

    pub(crate) async fn end_lease(
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
        }
        self.there_may_be_work();
        Ok(())
    }

    /// Whether a node needs this upload for a lease that it holds.
    pub(crate) async fn need_read(&self, node: NodeId, blob: BlobHash) -> Result<(), Refusal> {
        if self.store.may_read(node, blob).await? {
            self.heard.note_sent(node, blob);
            return Ok(());
        }
        Err(Refusal::new(Code::BlobNotFound, format!("No lease of this node needs blob {blob}.")))
    }

    /// Calls those who wait whenever there may be something for them, until the master stops.
    pub(crate) async fn call_for_work(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.stopping.cancelled() => return,
            }
            match self.store.may_have_work(self.clock.now_ms()).await {
                Ok(true) => {
                    self.hints.work.send_replace(());
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "could not look for work; trying again"),
            }
        }
    }

    /// Ends what those held who fell silent, and jobs whose owners did, until the master stops.
    pub(crate) async fn end_silent_leases(&self) {
        let pause = (self.config.heartbeat.min(self.config.session_lease) / 2).min(LOOK_AGAIN);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopping.cancelled() => return,
            }
            for looked in [
                self.end_silent_leases_now().await,
                self.end_silent_workers().await,
                self.end_silent_sessions().await,
                self.end_failed().await,
            ] {
                if let Err(error) = looked {
                    tracing::warn!(%error, "could not look for who fell silent; trying again");
                }
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
