//! Audits for auditors in processes of their own, which are the operator's and trusted: their word is
//! enough to verify. What they would reject, or could not look at, the master looks at itself.

use super::{App, to_the_end};
use crate::audit::given::MOST;
use crate::audit::judging::Findings;
use crate::problem::{Code, Refusal};
use crate::store::proof::{Finding, Unaudited, UnauditedFrame};
use crate::sums::Sums;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_protocol::audit::{AuditFinding, AuditGrant, AuditRequest, AuditTask};
use tessera_protocol::lease::LeaseRequest;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::verdict::Verdict;
use tessera_protocol::{AuditId, LeaseId};
use tokio::time::{Instant, sleep};

/// Who waits looks again this often: whoever calls wakes one, and that may be another.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl App {
    /// Gives an auditor results to look at, or `None` when there were none for as long as it would wait.
    pub(crate) async fn lease_audit(
        &self,
        request: AuditRequest,
    ) -> Result<Option<AuditGrant>, Refusal> {
        self.need_kernel(request.kernel)?;
        if self.given.count(self.clock.now_ms()) >= MOST {
            return Err(Refusal::overloaded("Too many auditors are at work"));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Refusal::internal)?;
        let audit = AuditId(id);
        let wait = Duration::from_millis(request.wait_ms.min(LeaseRequest::MAX_WAIT_MS));
        let until = Instant::now() + wait;
        loop {
            if let Some(frame) = self.next_unaudited(audit, true).await? {
                return Ok(Some(self.audit_grant(audit, &frame)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            tokio::select! {
                () = sleep(left.min(LOOK_AGAIN)) => {}
                () = self.stopping.cancelled() => return Ok(None),
            }
        }
    }

    /// Takes what an auditor found of one result.
    pub(crate) async fn report_finding(
        self: &Arc<Self>,
        audit: AuditId,
        finding: AuditFinding,
    ) -> Result<(), Refusal> {
        let lease = finding.lease;
        self.auditor_is_alive(audit);
        let (frame, of) = self.given.reported(audit, lease).ok_or_else(|| {
            Refusal::new(
                Code::LeaseEnded,
                format!(
                    "The result of lease {lease} was not given to audit {audit}, or too long ago."
                ),
            )
        })?;
        let app = self.clone();
        // To its end, whoever hangs up: what follows from a verdict belongs to it.
        to_the_end(async move {
            app.take_finding(&frame, of, finding).await?;
            if app.given.is_done(audit) {
                app.given.end(audit);
                app.hints.audits.notify_one();
            }
            Ok(())
        })
        .await
    }

    /// An auditor says that it still works.
    pub(crate) fn auditor_is_alive(&self, audit: AuditId) -> bool {
        let until_ms = self.clock.now_ms().saturating_add(self.config.lease_ms());
        self.given.is_at_work(audit, until_ms)
    }

    async fn take_finding(
        self: &Arc<Self>,
        frame: &Arc<UnauditedFrame>,
        of: Unaudited,
        finding: AuditFinding,
    ) -> Result<(), Refusal> {
        if self.were_caught_since(slice::from_ref(&of)).await? {
            // More of its work has to be looked at than was drawn.
            return Ok(());
        }
        let own = finding.verdict.and_then(|verdict| counting(frame, verdict));
        let first = match &of.first {
            None => Some(None),
            Some(_) => finding.first.and_then(|first| counting(frame, first)).map(Some),
        };
        if let Some((own, first)) = own.zip(first) {
            self.counters.audits.fetch_add(1, Ordering::Relaxed);
            self.settle_all(frame, &of, Findings { first, own }).await?;
            return Ok(());
        }
        // The master looks itself. That may take long, and nobody waits for it; the frame is noted as
        // looked at meanwhile.
        let noted = AuditId(of.result.lease.0);
        let (job, spec, number) = (frame.job, frame.spec.clone(), frame.frame);
        let alone = UnauditedFrame { job, spec, frame: number, results: vec![of.clone()] };
        let alone = Arc::new(alone);
        self.given.give(noted, alone.clone(), None);
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(error) = app.audit_frame(&alone).await {
                tracing::error!(lease = %of.result.lease, %error, "could not look at a result");
            }
            app.given.end(noted);
            app.hints.audits.notify_one();
        });
        Ok(())
    }

    fn audit_grant(&self, audit: AuditId, frame: &UnauditedFrame) -> AuditGrant {
        AuditGrant {
            audit,
            job: frame.job,
            spec: frame.spec.clone(),
            frame: frame.frame,
            results: frame.results.iter().map(task).collect(),
            expires_after_ms: self.config.lease_ms().unsigned_abs(),
        }
    }

    /// A result that waits for an audit, for an auditor.
    pub(crate) async fn unaudited_result(
        self: &Arc<Self>,
        lease: LeaseId,
    ) -> Result<Sums, Refusal> {
        let missing = || {
            Refusal::new(
                Code::ReceiptNotFound,
                format!("No result of lease {lease} is here that waits for an audit."),
            )
        };
        let found = self.store.waiting_result(lease).await?.ok_or_else(missing)?;
        self.find_sums(found).await?.ok_or_else(missing)
    }
}

/// What an auditor's verdict stands for, where it says that the result counts, as results of this class
/// do.
fn counting(frame: &UnauditedFrame, verdict: Verdict) -> Option<Finding> {
    match (frame.spec.class, verdict) {
        (DeviceClass::Exact, Verdict::Verified { pixels }) => {
            Some(Finding::Verified { looked: pixels })
        }
        (DeviceClass::Tolerant, Verdict::Alike(alike)) => {
            Some(Finding::Alike { second: alike.second, looked: alike.looked })
        }
        _ => None,
    }
}

fn task(of: &Unaudited) -> AuditTask {
    AuditTask {
        lease: of.result.lease,
        commit: of.result.commit,
        node: of.node,
        record: of.record,
        whole: of.whole,
        secret: of.secret,
        first: of.first.as_deref().map(|first| Box::new(task(first))),
    }
}
