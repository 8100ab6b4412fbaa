//! Telling the master what was published, until it knows.

use crate::gateway::desk::Desk;
use crate::gateway::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tessera_client::Backoff;
use tessera_protocol::SessionId;
use tessera_protocol::stream::gateway::SegmentReports;
use tessera_publish::{Publisher, stop};
use tokio::sync::Notify;

/// Segments of a report; far fewer than it may have, so that one is answered soon.
const BATCH: usize = 64;

/// Reports whatever is unreported; returns when all is. Waits while the master is away.
pub(in crate::gateway) async fn flush(desk: &Desk, session: SessionId, publisher: &Arc<Publisher>) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    loop {
        let of = Arc::clone(publisher);
        let unreported = tokio::task::spawn_blocking(move || of.unreported(BATCH)).await;
        let segments = unreported.unwrap_or_default();
        if segments.is_empty() {
            return;
        }
        let numbers: Vec<_> = segments.iter().map(|report| report.segment).collect();
        stop::at("before-report");
        match desk.client.report_segments(session, &SegmentReports { segments }).await {
            Ok(answer) => {
                stop::at("after-report");
                backoff.reset();
                for refused in answer.refused {
                    let (segment, because) = (refused.segment, refused.because);
                    tracing::warn!(%session, %segment, %because, "the master refused a segment");
                }
                Metrics::add(&desk.metrics.reports, numbers.len() as u64);
                let of = Arc::clone(publisher);
                let marked = tokio::task::spawn_blocking(move || of.mark_reported(&numbers)).await;
                stop::at("after-mark");
                if let Ok(Err(error)) = marked {
                    // Reported again later, which changes nothing.
                    tracing::warn!(%session, %error, "a report could not be marked as done");
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%session, %error, "segments are reported again later");
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// Reports after every notice.
pub(super) async fn run(
    desk: Arc<Desk>,
    session: SessionId,
    publisher: Arc<Publisher>,
    news: Arc<Notify>,
) {
    loop {
        flush(&desk, session, &publisher).await;
        news.notified().await;
    }
}
