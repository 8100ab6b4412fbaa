//! Submitted results become verified ones, or are rejected. It runs beside the requests, one frame
//! at a time, so that a scene is prepared once for many results, and can be killed anywhere: what
//! was not settled waits still, and the same pixels are drawn again. Auditors in processes of their own
//! may do the same for it.
//!
//! Reading order: this page (what to look at, and what follows) → [`given`] (who looks at what) →
//! [`judging`] → [`pairs`] (what was rendered twice).

pub(crate) mod given;
pub(crate) mod judging;
mod pairs;

use crate::app::App;
use crate::blobs::Key;
use crate::config::Recomputed;
use crate::referee;
use crate::store::proof::{Finding, Settled, Unaudited, UnauditedFrame};
use crate::store::{LeaseEnd, StoreError};
use futures::future::try_join_all;
use judging::{AuditError, Desk, Findings, judge};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tessera_protocol::{AuditId, BlobHash, NodeId};
use tessera_verify::audit::Look;
use tokio::time::sleep;

/// Results that are looked up at once.
const RESULTS: u32 = 64;
/// How long to wait after a failure of the disk or the database.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long until an audit that could not be made is tried again, and how often.
const RETRY_MS: i64 = 5_000;
const TRIES: u64 = 5;
/// What the master's own audits are noted under: it makes one frame's at a time.
const OWN: AuditId = AuditId([0; 16]);
/// A result waits so long for others of its frame: to look one up, to judge it and to keep its verdict costs as much
/// as for ten of them.
const GATHERED_FOR: Duration = Duration::from_millis(50);
/// How long results are judged before they are kept.
const TOGETHER: Duration = Duration::from_millis(50);
/// Without a call, how often to look for results.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl App {
    /// Audits what was submitted, until the master stops.
    pub(crate) async fn audit(self: &Arc<Self>) {
        loop {
            let pause = match self.audit_now().await {
                Ok(()) => LOOK_AGAIN,
                Err(error) => {
                    tracing::error!(%error, "an audit failed; trying again");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = self.hints.audits.notified() => sleep(GATHERED_FOR).await,
                () = sleep(pause) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    async fn audit_now(self: &Arc<Self>) -> Result<(), StoreError> {
        loop {
            let Some(frame) = self.next_unaudited(OWN, false).await? else { return Ok(()) };
            let done = self.audit_frame(&frame).await;
            self.given.end(OWN);
            if !done? {
                return Ok(());
            }
        }
    }

    /// Results of a frame that nobody looks at, noted as looked at from now on.
    pub(crate) async fn next_unaudited(
        &self,
        audit: AuditId,
        expires: bool,
    ) -> Result<Option<Arc<UnauditedFrame>>, StoreError> {
        // One at a time, or two would be given the same.
        let _one = self.giving.lock().await;
        let now_ms = self.clock.now_ms();
        let taken = self.given.taken(now_ms);
        let due_ms = now_ms.saturating_sub_unsigned(GATHERED_FOR.as_millis() as u64);
        let kernel = self.config.kernel;
        let next = self.store.unaudited(kernel, now_ms, due_ms, RESULTS, taken).await?;
        let Some(frame) = next.map(Arc::new) else { return Ok(None) };
        let until_ms = expires.then(|| now_ms.saturating_add(self.config.lease_ms()));
        self.given.give(audit, frame.clone(), until_ms);
        Ok(Some(frame))
    }

    /// Looks at the results of a frame, until one of them is caught; `false` where the master stops.
    ///
    /// As many as are quick to look at are kept together: a disk that takes a millisecond for each would hold up
    /// those who wait for their verdicts.
    pub(crate) async fn audit_frame(
        self: &Arc<Self>,
        frame: &Arc<UnauditedFrame>,
    ) -> Result<bool, StoreError> {
        let (mut at, mut most) = (0, frame.results.len());
        while at < frame.results.len() {
            let of = frame.clone();
            let judged = match self.blocking(move |app| judge_some(app, &of, at, most)).await {
                Ok(judged) => judged,
                // Whichever it was that panicked, the others shall not suffer.
                Err(_) if most > 1 => {
                    most = 1;
                    continue;
                }
                Err(panicked) => vec![Err(panicked.into())],
            };
            let results = &frame.results[at..at + judged.len()];
            at += judged.len();
            if self.were_caught_since(results).await? {
                break;
            }
            let mut settling = Vec::new();
            let mut stopped = false;
            for (result, judged) in results.iter().zip(judged) {
                self.counters.audits.fetch_add(1, Ordering::Relaxed);
                let findings = match judged {
                    Ok(findings) => Some(findings),
                    Err(AuditError::Stopped) => {
                        stopped = true;
                        None
                    }
                    Err(error) => {
                        let own = self.put_off(result, &error).await?;
                        own.map(|own| Findings { first: None, own })
                    }
                };
                settling.extend(findings.map(|found| self.settle_all(frame, result, found)));
            }
            let caught = try_join_all(settling).await?;
            if stopped {
                return Ok(false);
            }
            // Its node's record is another one now, and so are the draws of what follows.
            if caught.contains(&true) {
                break;
            }
        }
        Ok(true)
    }

    /// Whether a node of these results was caught since they were looked up: then its work is drawn anew.
    pub(crate) async fn were_caught_since(
        &self,
        results: &[Unaudited],
    ) -> Result<bool, StoreError> {
        let of: Vec<_> =
            results.iter().flat_map(|one| iter::once(one).chain(one.first.as_deref())).collect();
        let nodes = of.iter().map(|of| of.node).collect();
        let now = self.store.rejections(nodes).await?;
        Ok(of.iter().zip(now).any(|(of, now)| now > of.record.rejections))
    }

    /// Keeps what was found of a result and the first of its pair. Whether a node was caught.
    pub(crate) async fn settle_all(
        self: &Arc<Self>,
        frame: &UnauditedFrame,
        result: &Unaudited,
        findings: Findings,
    ) -> Result<bool, StoreError> {
        // The first goes first: were the master killed in between, the other would be looked at again, by
        // itself.
        let mut caught = false;
        if let Some((first, finding)) = result.first.as_deref().zip(findings.first) {
            caught |= self.settle(frame, first, finding).await?;
        }
        caught |= self.settle(frame, result, findings.own).await?;
        Ok(caught)
    }

    /// An audit that cannot be made stands in nobody's way: it is tried again later, and in the end
    /// its result is lost.
    async fn put_off(
        &self,
        of: &Unaudited,
        error: &AuditError,
    ) -> Result<Option<Finding>, StoreError> {
        let lease = of.result.lease;
        let retry_ms = self.clock.now_ms().saturating_add(RETRY_MS);
        let tries = self.store.postpone(lease, retry_ms).await?;
        tracing::error!(%lease, %error, tries, "a result could not be audited");
        Ok((tries >= TRIES).then_some(Finding::Lost))
    }

    /// Keeps what was found. Whether its node's record changed for the worse.
    async fn settle(
        self: &Arc<Self>,
        frame: &UnauditedFrame,
        of: &Unaudited,
        finding: Finding,
    ) -> Result<bool, StoreError> {
        let lease = of.result.lease;
        let caught = matches!(finding, Finding::Rejected(_));
        let counts = matches!(finding, Finding::Verified { .. } | Finding::Alike { .. });
        match &finding {
            Finding::Verified { .. } | Finding::Alike { .. } => {}
            Finding::Rejected(rejection) => {
                tracing::warn!(
                    %lease, node = %of.node, job = %frame.job, wrong = %rejection.wrong,
                    "a result was rejected"
                );
                self.counters.rejections.fetch_add(1, Ordering::Relaxed);
            }
            Finding::Lost => {
                tracing::error!(%lease, job = %frame.job, "a result is lost: its units are free again");
            }
        }
        let settled = self.store.settle(lease, finding, self.clock.now_ms()).await?;
        self.follow_up(of.node, settled).await?;
        if !counts {
            // Its units are free again.
            self.there_may_be_work();
        } else if !of.record.proven {
            // Its node may hold more now, and nobody else need be woken.
            self.bidding.call(of.node);
        }
        if settled.frame_complete {
            self.hints.frames.notify_one();
        }
        self.hints.events.send_replace(());
        Ok(caught)
    }

    /// What follows outside the store for a node that was caught.
    pub(crate) async fn follow_up(&self, node: NodeId, settled: Settled) -> Result<(), StoreError> {
        if settled.reopened > 0 {
            tracing::warn!(%node, results = settled.reopened, "looked at again in full");
            self.hints.audits.notify_one();
        }
        if settled.barred {
            tracing::warn!(%node, "a node gets no more work");
            for (lease, _) in self.store.standing_leases().await? {
                if lease.node == node {
                    self.end_lease(lease.id, None, LeaseEnd::Returned).await?;
                }
            }
        }
        Ok(())
    }
}

/// Judges results of a frame from `at` on, `most` of them, until that has taken a while or there is one of which
/// there is more to say than that it counts.
fn judge_some(
    app: &App,
    frame: &UnauditedFrame,
    at: usize,
    most: usize,
) -> Vec<Result<Findings, AuditError>> {
    let begun = Instant::now();
    let mut judged = Vec::new();
    for result in frame.results[at..].iter().take(most) {
        let one = judge(app, frame, result);
        let counts = one.as_ref().is_ok_and(Findings::count);
        judged.push(one);
        if !counts || begun.elapsed() > TOGETHER {
            break;
        }
    }
    judged
}

impl Desk for App {
    fn body(&self, of: &Unaudited) -> Result<Option<Vec<u8>>, AuditError> {
        Ok(self.sums(&of.result)?)
    }

    fn compute(&self, frame: &UnauditedFrame, looks: &[Look]) -> Result<Recomputed, AuditError> {
        if self.stopping.is_cancelled() {
            return Err(AuditError::Stopped);
        }
        let upload = |blob: BlobHash| self.blobs.path(Key::Upload(blob));
        let scene = upload(frame.spec.scene);
        let light = frame.spec.settings.environment.map(|light| upload(light.blob));
        let pixels: Vec<_> = looks.iter().map(referee::pixel).collect();
        let found =
            (self.config.recompute)(&scene, light.as_deref(), &frame.spec, frame.frame, &pixels);
        let found = found.map_err(|reason| AuditError::Scene {
            job: frame.job,
            frame: frame.frame,
            reason,
        })?;
        self.counters.audit_pixels.fetch_add(looks.len() as u64, Ordering::Relaxed);
        Ok(found)
    }
}
