//! Looking at pictures: thumbnails, and the comparison of a secret share of segments.

use super::Input;
use super::finished::{Finished, MadeBy};
use crate::gateway::desk::Desk;
use crate::gateway::metrics::Metrics;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tessera_client::Backoff;
use tessera_engine_host::{EngineError, EnginePool};
use tessera_media::task::Task;
use tessera_media::wire::{Body, RenditionIndex, TrackKind};
use tessera_media::{AccessUnit, VideoFormat};
use tessera_protocol::SessionId;
use tessera_protocol::stream::RenditionName;
use tessera_protocol::stream::gateway::AuditReport;
use tessera_publish::Publisher;
use tessera_verify::segment::{Likeness, judge};
use tokio::sync::mpsc;

/// How often the picture that stands for a stream changes.
pub(super) const THUMBNAIL_EVERY: Duration = Duration::from_secs(5);
const THUMBNAIL_WIDTH: u32 = 320;
/// Segments of a session that may wait to be compared: their units are in memory.
const WAITING: usize = 4;
/// An engine that takes longer than this for one task here is given up.
const WITHIN: Duration = Duration::from_secs(60);

/// Draws, after a result was delivered, which of its renditions is looked at; mostly none.
pub(super) fn draw(percent: u8, finished: &Finished) -> Option<usize> {
    let made = finished.made.as_ref()?;
    // Without randomness everything is looked at: nobody may learn to know when not.
    let (chance, which) = (getrandom::u32().unwrap_or(0), getrandom::u32().unwrap_or(0));
    if let Some(thin) = made.checked.iter().position(|checked| checked.thin) {
        return Some(thin);
    }
    let count = made.renditions.len();
    (chance % 100 < u32::from(percent) && count > 0).then(|| which as usize % count)
}

/// The comparisons of one session.
#[derive(Default)]
pub(super) struct Audits {
    waiting: Arc<AtomicUsize>,
}

/// One comparison.
struct Audit {
    session: SessionId,
    by: MadeBy,
    finished: Finished,
    which: usize,
}

impl Audits {
    /// Compares a rendition of a published segment, beside everything else.
    pub(super) fn begin(
        &self,
        desk: &Arc<Desk>,
        session: SessionId,
        finished: Finished,
        which: usize,
        inputs: mpsc::WeakSender<Input>,
    ) {
        let Some(by) = finished.made.as_ref().and_then(|made| made.by) else { return };
        let Some(engines) = desk.engines.clone() else { return };
        if self.waiting.fetch_add(1, Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            Metrics::add(&desk.metrics.audits_skipped, 1);
            return;
        }
        let (desk, waiting) = (Arc::clone(desk), Arc::clone(&self.waiting));
        tokio::spawn(async move {
            let audit = Audit { session, by, finished, which };
            audit.run(&desk, &engines, &inputs).await;
            waiting.fetch_sub(1, Relaxed);
        });
    }
}

impl Audit {
    async fn run(&self, desk: &Desk, engines: &EnginePool, inputs: &mpsc::WeakSender<Input>) {
        let (session, segment) = (self.session, self.finished.head.number);
        let Some(made) = &self.finished.made else { return };
        let (rendition, format, units) = &made.renditions[self.which];
        let compared = tokio::time::timeout(WITHIN, self.compare(engines, format, units)).await;
        let likeness = match compared {
            Ok(Ok(likeness)) => likeness,
            // What the engine cannot read is told apart by nobody: the source or the rendition.
            // Its structure was right, so it is left alone.
            Ok(Err(error)) => {
                Metrics::add(&desk.metrics.audits_skipped, 1);
                tracing::warn!(%session, %segment, %error, "a segment could not be compared");
                return;
            }
            Err(_) => {
                Metrics::add(&desk.metrics.audits_skipped, 1);
                return;
            }
        };
        Metrics::add(&desk.metrics.audits, 1);
        let objections = judge(&likeness, made.checked[self.which].share);
        let rejected = (!objections.is_empty())
            .then(|| objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        if let Some(why) = &rejected {
            Metrics::add(&desk.metrics.audits_rejected, 1);
            tracing::warn!(%session, %segment, node = %self.by.node, %why, "a segment is rejected");
            if let Some(inputs) = inputs.upgrade() {
                let _ = inputs.send(Input::Rejected(why.clone())).await;
            }
        }
        self.report(desk, rendition.clone(), rejected).await;
    }

    async fn compare(
        &self,
        engines: &EnginePool,
        format: &VideoFormat,
        units: &[AccessUnit],
    ) -> Result<Likeness, EngineError> {
        let unknown = |what: &str| EngineError::Failed(what.to_owned());
        let seed = getrandom::u64().map_err(|_| unknown("the system gives no random numbers"))?;
        let task = Task::Compare {
            source: VideoFormat::clone(&self.finished.format),
            rendition: format.clone(),
            seed,
        };
        let source = self.finished.units.iter().cloned();
        let bodies = source
            .map(|unit| Body::Source(TrackKind::Video, unit))
            .chain(units.iter().cloned().map(|unit| Body::Coded(RenditionIndex(0), unit)));
        let given = ask(engines, task, bodies).await?;
        let Some(Body::Report(json)) = given else { return Err(unknown("it reported nothing")) };
        serde_json::from_slice(&json).map_err(|error| EngineError::Nonsense(error.to_string()))
    }

    /// Tells the master, as long as it may listen later: the segment itself is reported first.
    async fn report(&self, desk: &Desk, rendition: RenditionName, rejected: Option<String>) {
        let segment = self.finished.head.number;
        let report = AuditReport { segment, node: self.by.node, rendition, rejected };
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        for _ in 0..20 {
            match desk.client.report_audit(self.session, &report).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(session = %self.session, %error, "an audit is reported again");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }
}

/// Makes a thumbnail of a keyframe, beside everything else.
pub(super) fn thumbnail(
    desk: &Desk,
    publisher: Arc<Publisher>,
    format: Arc<VideoFormat>,
    keyframe: AccessUnit,
) {
    let Some(engines) = desk.engines.clone() else { return };
    if engines.free() == 0 {
        return;
    }
    tokio::spawn(async move {
        let task = Task::Thumbnail { source: VideoFormat::clone(&format), width: THUMBNAIL_WIDTH };
        let units = std::iter::once(Body::Source(TrackKind::Video, keyframe));
        match tokio::time::timeout(WITHIN, ask(&engines, task, units)).await {
            Ok(Ok(Some(Body::Bytes(jpeg)))) => publisher.thumbnail(Bytes::clone(&jpeg)),
            Ok(Ok(_)) | Err(_) => tracing::debug!("an engine made no thumbnail in time"),
            Ok(Err(error)) => tracing::debug!(%error, "an engine made no thumbnail"),
        }
    });
}

/// Gives a task to an engine, and returns the last that it gives back.
async fn ask(
    engines: &EnginePool,
    task: Task,
    bodies: impl Iterator<Item = Body> + Send,
) -> Result<Option<Body>, EngineError> {
    let (sender, mut receiver) = engines.lane(task).await?.split();
    let give = async {
        for body in bodies.chain(std::iter::once(Body::End)) {
            if sender.send(body).await.is_err() {
                // The receiver says why.
                return;
            }
        }
    };
    let take = async {
        let mut last = None;
        while let Some(given) = receiver.recv().await {
            last = Some(given?);
        }
        Ok(last)
    };
    let ((), taken) = tokio::join!(give, take);
    taken
}
