//! One segment after the other to the publisher, while the lease holds.

use super::finished::{Finished, Job};
use super::{Input, Over, Session, pictures};
use crate::gateway::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tessera_link::Control;
use tessera_live_core::Now;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_publish::{FinishedPart, FinishedSegment, PublishError};
use tokio::sync::mpsc;

/// How often a segment whose media could not be written is tried again.
const TRIES: u32 = 5;
/// How long between two tries, and between two looks at a lease that has lapsed.
const PAUSE: Duration = Duration::from_millis(250);

/// What the publisher is given.
enum Given {
    Part(Box<FinishedPart>),
    Segment(Box<FinishedSegment>),
}

/// What is with the publisher now.
#[derive(Default)]
pub(super) struct Publishing {
    given: Option<Job>,
    /// What could not be published just now, and when to try again.
    again: Option<(Job, Now)>,
    tries: u32,
}

impl Publishing {
    pub(super) fn is_idle(&self) -> bool {
        self.given.is_none() && self.again.is_none()
    }

    /// Waits until the publisher is done with what it was given.
    pub(super) async fn settle(&mut self, inputs: &mut mpsc::Receiver<Input>) {
        while self.given.is_some() {
            match inputs.recv().await {
                Some(Input::Published(_)) | None => self.given = None,
                Some(_) => {}
            }
        }
    }
}

impl Session {
    /// Gives the next settled segment to the publisher.
    pub(super) fn publish_next(&mut self) {
        let now = self.now();
        if self.publishing.given.is_some() || !self.status.may_publish(&self.desk) {
            return;
        }
        let job = match self.publishing.again.take_if(|(_, at)| now >= *at) {
            Some((job, _)) => Some(job),
            None if self.publishing.again.is_some() => None,
            None => self.maker.next_job(&mut self.intake, &mut self.watch, now),
        };
        let Some(job) = job else { return };
        let (publisher, status) = (Arc::clone(&self.publisher), Arc::clone(&self.status));
        let (desk, own) = (Arc::clone(&self.desk), self.own.clone());
        let given = match &job {
            Job::Part(part, _) => Given::Part(part.clone()),
            Job::Segment(finished) => Given::Segment(Box::new(finished.to_publish())),
        };
        self.publishing.given = Some(job);
        tokio::spawn(async move {
            let may_publish = move || status.may_publish(&desk);
            let publish = tokio::task::spawn_blocking(move || match given {
                Given::Part(part) => publisher.part(*part, may_publish).map(|()| None),
                Given::Segment(segment) => publisher.segment(*segment, may_publish).map(Some),
            });
            // A panic leaves the journal's end unknown, as an error of it does.
            let published = publish.await.unwrap_or(Err(PublishError::Broken));
            let _ = own.send(Input::Published(Box::new(published))).await;
        });
    }

    pub(super) fn published(&mut self, published: Result<Option<SegmentReport>, PublishError>) {
        let now = self.now();
        let Some(job) = self.publishing.given.take() else { return };
        match (published, job) {
            (Ok(Some(report)), Job::Segment(finished)) => {
                self.publishing.tries = 0;
                self.listed(*finished, &report, now);
            }
            (Ok(_), Job::Part(_, about)) => {
                Metrics::add(&self.desk.metrics.parts, 1);
                self.desk.metrics.part_to_listed.observe(now.saturating_sub(about.arrived));
                self.maker.part_published();
            }
            (Ok(None), Job::Segment(_)) => {}
            (Err(error), job) => self.not_listed(job, &error, now),
        }
    }

    fn listed(&mut self, finished: Finished, report: &SegmentReport, now: Now) {
        let metrics = &self.desk.metrics;
        Metrics::add(&metrics.segments, 1);
        metrics.ingest_to_listed.observe(now.saturating_sub(finished.began));
        metrics.end_to_listed.observe(now.saturating_sub(finished.ended));
        tracing::debug!(
            session = %self.grant.session,
            segment = %report.segment,
            late_ms = now.saturating_sub(finished.ended).as_millis() as u64,
            from_source = finished.made.is_none(),
            "segment listed"
        );
        self.news.notify_one();
        let Some(made) = &finished.made else {
            Metrics::add(&metrics.stood_in, 1);
            return;
        };
        let (Some(by), Some(receipt)) = (made.by, &made.receipt) else { return };
        self.crew.say(by.lease, Control::Receipt(receipt.clone()));
        let percent = self.audit_percent.get(&by.lease).copied().unwrap_or(100);
        if let Some(which) = pictures::draw(percent, &finished) {
            let (session, inputs) = (self.grant.session, self.own.downgrade());
            self.audits.begin(&self.desk, session, finished, which, inputs);
        }
    }

    fn not_listed(&mut self, job: Job, error: &PublishError, now: Now) {
        let (session, segment) = (self.grant.session, job.segment());
        tracing::warn!(%session, %segment, %error, "a segment is not listed");
        match error {
            PublishError::Fenced(_) if !self.is_used_up(&job) => {
                self.publishing.again = Some((job, now + PAUSE));
            }
            PublishError::Media(_) if self.publishing.tries < TRIES => {
                self.publishing.tries += 1;
                self.publishing.again = Some((job, now + PAUSE));
            }
            PublishError::Media(_)
            | PublishError::Journal(_)
            | PublishError::Broken
            | PublishError::Ended
            | PublishError::Generation { .. } => {
                let because = format!("the gateway could not publish it any longer: {error}");
                self.over = Some(Over::Ended(because));
            }
            _ => match job {
                // What a worker made cannot be published, whatever the checks say: the source can.
                Job::Segment(finished) if finished.made.is_some() && !finished.in_parts => {
                    self.watch.stood_in(now);
                    let finished = Finished { made: None, ..*finished };
                    let from_source = Job::Segment(Box::new(finished));
                    self.publishing.again = Some((from_source, now));
                }
                Job::Segment(_) => {
                    self.watch.skipped(format!("A segment was left out: {error}."), now);
                }
                Job::Part(_, about) => self.maker.part_refused(&about, &self.crew, now),
            },
        }
    }

    /// Whether the lease ended in the midst of publishing, so that the number is spent.
    fn is_used_up(&self, job: &Job) -> bool {
        matches!(job, Job::Segment(finished) if !finished.in_parts)
            && self.publisher.next_segment() > job.segment()
    }
}
