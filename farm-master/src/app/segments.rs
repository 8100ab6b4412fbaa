//! Segments come in, reported by gateways or presented by workers: looked at here, counted by the
//! store. What cannot count is refused by itself, and never holds the rest back.

use super::App;
use super::streams::no_session;
use crate::problem::{Code, Refusal};
use crate::rules::plausible;
use crate::store::live::{SegmentAnswer, SegmentEntry, StreamLease, StreamLeaseEnd};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tessera_protocol::stream::gateway::{
    AuditReport, RefusedSegment, SegmentReport, SegmentReports, SegmentReportsView,
};
use tessera_protocol::stream::worker::{PresentedReceipts, PresentedView, RefusedReceipt};
use tessera_protocol::stream::{ClaimReceipt, Ladder, SegmentNumber};
use tessera_protocol::{GatewayId, LeaseId, NodeId, SessionId};
use tessera_verify::segment::record::is_barred;

/// Longest segment that is taken, in milliseconds.
const MAX_DURATION_MS: u64 = 10 * 60 * 1000;
/// Highest number and time that are taken: what SQL can hold, with room to count on.
const MAX_NUMBER: u64 = 1 << 48;
/// Longest sentence of a rejection, in characters.
const MAX_REJECTED: usize = 500;

/// What receipts of one session are held against.
#[derive(Clone)]
struct Against {
    session: SessionId,
    gateway: GatewayId,
    ladder: Ladder,
    leases: HashMap<LeaseId, StreamLease>,
}

impl App {
    /// Takes a gateway's report of published segments.
    pub(crate) async fn report_segments(
        self: &Arc<Self>,
        gateway: GatewayId,
        session: SessionId,
        reports: SegmentReports,
    ) -> Result<SegmentReportsView, Refusal> {
        need_few(reports.segments.len(), SegmentReports::MAX)?;
        self.need_held(session, gateway).await?;
        let receipts = reports.segments.iter().filter_map(|report| report.receipt.as_ref());
        let against = self.against(session, gateway, receipts).await?;
        let against = against.ok_or_else(|| no_session(session))?;
        let looked_at = self
            .blocking(move |_| {
                let look = |report: SegmentReport| match check_report(&report, &against) {
                    Ok(()) => Ok(SegmentEntry::Published(Box::new(report))),
                    Err(because) => Err(RefusedSegment { segment: report.segment, because }),
                };
                reports.segments.into_iter().map(look).collect::<Vec<_>>()
            })
            .await
            .map_err(Refusal::internal)?;
        let (mut entries, mut refused, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for result in looked_at {
            match result {
                Ok(entry) => {
                    if let SegmentEntry::Published(report) = &entry {
                        numbers.push(report.segment);
                    }
                    entries.push(entry);
                }
                Err(one) => refused.push(one),
            }
        }
        let answers = self.enter_segments(session, gateway, entries).await?;
        let told = numbers.into_iter().zip(&answers).filter_map(|(segment, answer)| {
            Some(RefusedSegment { segment, because: why_refused(answer)? })
        });
        refused.extend(told);
        for one in &refused {
            tracing::warn!(%session, segment = %one.segment, because = one.because, "not counted");
        }
        Ok(SegmentReportsView { refused })
    }

    /// Takes receipts that a worker holds.
    pub(crate) async fn present_receipts(
        self: &Arc<Self>,
        node: NodeId,
        presented: PresentedReceipts,
    ) -> Result<PresentedView, Refusal> {
        need_few(presented.receipts.len(), PresentedReceipts::MAX)?;
        let mut sessions = BTreeMap::<_, Vec<ClaimReceipt>>::new();
        for receipt in presented.receipts {
            let of = (receipt.claim.session, receipt.claim.gateway);
            sessions.entry(of).or_default().push(receipt);
        }
        let mut view = PresentedView { known: 0, refused: Vec::new() };
        for ((session, gateway), receipts) in sessions {
            self.present(node, session, gateway, receipts, &mut view).await?;
        }
        Ok(view)
    }

    async fn present(
        self: &Arc<Self>,
        node: NodeId,
        session: SessionId,
        gateway: GatewayId,
        receipts: Vec<ClaimReceipt>,
        view: &mut PresentedView,
    ) -> Result<(), Refusal> {
        let refused =
            |segment: SegmentNumber, because: String| RefusedReceipt { session, segment, because };
        let Some(against) = self.against(session, gateway, receipts.iter()).await? else {
            let unknown = receipts.iter().map(|receipt| {
                refused(receipt.claim.segment, format!("there is no session {session}"))
            });
            view.refused.extend(unknown);
            return Ok(());
        };
        let looked_at = self
            .blocking(move |_| {
                let look = |receipt: ClaimReceipt| {
                    let segment = receipt.claim.segment;
                    match check_presented(&receipt, node, &against) {
                        Ok(()) => Ok((segment, SegmentEntry::Presented(Box::new(receipt)))),
                        Err(because) => Err((segment, because)),
                    }
                };
                receipts.into_iter().map(look).collect::<Vec<_>>()
            })
            .await
            .map_err(Refusal::internal)?;
        let (mut entries, mut numbers) = (Vec::new(), Vec::new());
        for result in looked_at {
            match result {
                Ok((segment, entry)) => {
                    numbers.push(segment);
                    entries.push(entry);
                }
                Err((segment, because)) => view.refused.push(refused(segment, because)),
            }
        }
        let answers = self.enter_segments(session, gateway, entries).await?;
        for (segment, answer) in numbers.into_iter().zip(&answers) {
            match why_refused(answer) {
                Some(because) => view.refused.push(refused(segment, because)),
                None => view.known += 1,
            }
        }
        Ok(())
    }

    async fn enter_segments(
        &self,
        session: SessionId,
        gateway: GatewayId,
        entries: Vec<SegmentEntry>,
    ) -> Result<Vec<SegmentAnswer>, Refusal> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let now_ms = self.clock.now_ms();
        let answers = self.store.enter_segments(session, gateway, entries, now_ms).await?;
        self.counters.segments.fetch_add(answers.len() as u64, Ordering::Relaxed);
        Ok(answers)
    }

    async fn need_held(&self, session: SessionId, gateway: GatewayId) -> Result<(), Refusal> {
        if self.store.has_held(session, gateway).await? {
            return Ok(());
        }
        Err(no_session(session))
    }

    /// What is known beforehand about these receipts, or `None` where there is no such session.
    async fn against(
        &self,
        session: SessionId,
        gateway: GatewayId,
        receipts: impl Iterator<Item = &ClaimReceipt>,
    ) -> Result<Option<Against>, Refusal> {
        let Some(record) = self.store.session(session).await? else { return Ok(None) };
        let mut leases = HashMap::new();
        let mut ids: Vec<_> = receipts.map(|receipt| receipt.claim.lease).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(lease) = self.store.stream_lease(id).await? {
                leases.insert(id, lease);
            }
        }
        Ok(Some(Against { session, gateway, ladder: record.ladder, leases }))
    }

    /// Takes what a picture comparison found.
    pub(crate) async fn report_audit(
        &self,
        gateway: GatewayId,
        session: SessionId,
        mut audit: AuditReport,
    ) -> Result<(), Refusal> {
        self.need_held(session, gateway).await?;
        audit.rejected = audit.rejected.map(|why| why.chars().take(MAX_REJECTED).collect());
        let (segment, node, rendition) = (audit.segment, audit.node, audit.rendition.clone());
        if let Some(because) = &audit.rejected {
            tracing::warn!(%session, %segment, %node, %rendition, because, "a segment is rejected");
        }
        let entered = self.store.enter_audit(session, gateway, audit, self.clock.now_ms()).await?;
        let record = entered.ok_or_else(|| {
            Refusal::new(
                Code::ReportRefused,
                format!(
                    "Segment {segment} of session {session} is not known as node {node}'s, with a \
                     rendition {rendition} made for this gateway; report the segment first."
                ),
            )
        })?;
        if is_barred(&record) {
            self.end_sessions_of(node).await?;
        }
        Ok(())
    }

    /// Takes a worker's sessions away that gets no more.
    async fn end_sessions_of(&self, node: NodeId) -> Result<(), Refusal> {
        for lease in self.store.standing_stream_leases().await? {
            if lease.node == node {
                let because = "too many of its segments were rejected".to_owned();
                let end = StreamLeaseEnd { because, bar: true };
                self.end_stream_lease(lease.id, None, end).await?;
            }
        }
        Ok(())
    }
}

fn need_few(number: usize, most: usize) -> Result<(), Refusal> {
    if number <= most {
        return Ok(());
    }
    Err(Refusal::new(
        Code::ReportRefused,
        format!("{number} at once are too many; send at most {most}."),
    ))
}

fn why_refused(answer: &SegmentAnswer) -> Option<String> {
    match answer {
        SegmentAnswer::Known => None,
        SegmentAnswer::Foreign(foreign) => Some(foreign.to_string()),
        SegmentAnswer::Conflict(claim) => Some(format!(
            "another claim counts for it already; this one, {}, is kept as evidence",
            hex::encode(claim.0)
        )),
    }
}

fn check_report(report: &SegmentReport, against: &Against) -> Result<(), String> {
    if report.duration_ms > MAX_DURATION_MS || report.start_ms.unsigned_abs() > MAX_NUMBER {
        return Err(format!(
            "a segment is at most {MAX_DURATION_MS} ms long, and begins within 2^48 ms"
        ));
    }
    need_number(report.segment)?;
    let Some(receipt) = &report.receipt else { return Ok(()) };
    if receipt.claim.segment != report.segment {
        return Err(format!("its receipt is for segment {}", receipt.claim.segment));
    }
    if receipt.claim.generation > report.generation {
        return Err("its claim is of a later generation than it was published under".into());
    }
    check_receipt(receipt, Some(report.duration_ms), against)
}

fn check_presented(receipt: &ClaimReceipt, node: NodeId, against: &Against) -> Result<(), String> {
    if receipt.claim.node != node {
        return Err(format!("the receipt is node {}'s, and not yours", receipt.claim.node));
    }
    need_number(receipt.claim.segment)?;
    check_receipt(receipt, None, against)
}

fn need_number(segment: SegmentNumber) -> Result<(), String> {
    if segment.0 < MAX_NUMBER { Ok(()) } else { Err("its number is 2^48 or more".into()) }
}

fn check_receipt(
    receipt: &ClaimReceipt,
    duration_ms: Option<u64>,
    against: &Against,
) -> Result<(), String> {
    let claim = &receipt.claim;
    if claim.session != against.session || claim.gateway != against.gateway {
        return Err("its claim is for another session or gateway".into());
    }
    let lease = against.leases.get(&claim.lease);
    if !lease.is_some_and(|lease| lease.session == claim.session && lease.node == claim.node) {
        return Err(format!(
            "lease {} was never node {}'s for this session",
            claim.lease, claim.node
        ));
    }
    // Last, for it costs the most.
    plausible::pixels(&against.ladder, claim, duration_ms).map_err(|error| error.to_string())?;
    if !receipt.is_signed_by_both() {
        return Err("the receipt is not signed by the node and the gateway that it names".into());
    }
    Ok(())
}
