//! Frames that were paid for: their owner approves them, or objects and is answered.
//!
//! A verified frame is right: its pixels were computed again. So an objection is answered by looking once
//! more, at pixels that nobody could know of before. What is found right counts as approved; what is not is
//! rendered again, and nobody pays for it twice.

use super::App;
use crate::audit::judging::{AuditError, judge};
use crate::auth::Artist;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use crate::store::StoreError;
use crate::store::approval::{Answer, Objection, OpenDispute};
use crate::store::proof::{Finding, UnauditedFrame};
use std::sync::Arc;
use std::time::Duration;
use tessera_film::{exr, png, watermark};
use tessera_protocol::job::{FrameView, JobView, ObjectionRequest};
use tessera_protocol::{FrameNumber, JobId};

/// How long until an objection is looked for, or tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What was found of a frame that somebody objects to.
enum Looked {
    /// All is right, by so many pixels.
    Right(u64),
    Wrong(Answer),
}

impl App {
    /// Approves a frame, or all that are assembled.
    pub(crate) async fn approve(
        &self,
        artist: &Artist,
        job: JobId,
        frame: Option<FrameNumber>,
    ) -> Result<JobView, Refusal> {
        self.job(artist, job).await?;
        if let Some(frame) = frame {
            self.assembled(artist, job, frame).await?;
        }
        if self.store.approve(job, frame).await? > 0 {
            // The last one ends the job.
            self.hints.frames.notify_one();
        }
        self.job(artist, job).await
    }

    /// Takes an objection to a frame.
    pub(crate) async fn object(
        &self,
        artist: &Artist,
        job: JobId,
        frame: FrameNumber,
        request: ObjectionRequest,
    ) -> Result<FrameView, Refusal> {
        let reason = request.reason.trim().to_owned();
        let length = reason.chars().count();
        if length == 0 || length > ObjectionRequest::MAX_REASON {
            return Err(Refusal::new(
                Code::RequestMalformed,
                format!(
                    "Say in 1 to {} characters what is wrong with the frame.",
                    ObjectionRequest::MAX_REASON
                ),
            ));
        }
        self.assembled(artist, job, frame).await?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(Refusal::internal)?;
        let refuse =
            |why: &str| Err(Refusal::new(Code::ObjectionRefused, format!("Frame {frame} {why}")));
        match self.store.object(job, frame, reason, seed, self.clock.now_ms()).await? {
            Objection::Noted => {}
            Objection::Pending => {
                return refuse(
                    "is being looked at again already; its answer comes with the frame.",
                );
            }
            Objection::NotReady => return refuse("is not assembled."),
            Objection::Approved => {
                return refuse("was approved, and what it cost is on its way to its nodes.");
            }
            Objection::TooOften => return refuse("was looked at again three times; approve it."),
        }
        self.hints.disputes.notify_one();
        let found = self.store.frames(job, frame, 1).await?.into_iter();
        found.into_iter().next().ok_or_else(|| Refusal::internal("a frame is gone"))
    }

    /// A frame's picture for displays, under lines where it waits for its owner's approval.
    pub(crate) async fn watermarked(
        self: &Arc<Self>,
        job: JobId,
        frame: FrameNumber,
    ) -> Result<Vec<u8>, Refusal> {
        let _permit = self.limits.inspections.acquire().await.map_err(Refusal::internal)?;
        let made = self.blocking(move |app| {
            let linear = app.blobs.get(Key::Exr(job, frame)).map_err(Refusal::internal)?;
            let (picture, _) = exr::decode(&linear).map_err(Refusal::internal)?;
            png::encode(&watermark::watermarked(&picture)).map_err(Refusal::internal)
        });
        made.await.map_err(Refusal::internal)?
    }

    /// Answers objections, until the master stops.
    pub(crate) async fn answer_disputes(self: Arc<Self>) {
        loop {
            if let Err(error) = self.answer_now().await {
                tracing::error!(%error, "could not answer an objection; trying again");
            }
            tokio::select! {
                () = self.hints.disputes.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    async fn answer_now(self: &Arc<Self>) -> Result<(), StoreError> {
        while let Some(dispute) = self.store.open_dispute(self.config.kernel).await? {
            let OpenDispute { job, frame, case, .. } = dispute;
            let results = dispute.results.len();
            let answer = match self.blocking(move |app| app.look_again(dispute)).await {
                Ok(Ok(Looked::Wrong(answer))) => answer,
                Ok(Ok(Looked::Right(pixels))) => Answer::Denied(format!(
                    "{pixels} pixels of its {results} results were drawn after the objection and computed \
                     again: each is what scene and settings give. The frame counts as approved."
                )),
                Ok(Err(AuditError::Stopped)) => return Ok(()),
                Ok(Err(error)) => {
                    tracing::error!(%job, %frame, %error, "a frame could not be looked at again");
                    return Ok(());
                }
                Err(error) => return Err(StoreError::Corrupt(error.to_string())),
            };
            let node = match &answer {
                Answer::Upheld { rejection: Some(rejection), .. } => Some(rejection.commit.node),
                _ => None,
            };
            let settled = self.store.answer(job, frame, case, answer, self.clock.now_ms()).await?;
            if let Some(node) = node {
                tracing::warn!(%job, %frame, %node, "an objection is right");
                self.follow_up(node, settled).await?;
            }
            self.there_may_be_work();
            self.hints.frames.notify_one();
            self.hints.events.send_replace(());
        }
        Ok(())
    }

    /// Computes pixels of a frame's results again. Blocks.
    fn look_again(&self, dispute: OpenDispute) -> Result<Looked, AuditError> {
        let OpenDispute { job, spec, frame, results, .. } = dispute;
        let of = UnauditedFrame { job, spec, frame, results };
        let mut looked = 0;
        for result in &of.results {
            let lease = result.result.lease;
            let (answer, rejection) = match judge(self, &of, result)?.own {
                Finding::Verified { looked: pixels } | Finding::Alike { looked: pixels, .. } => {
                    looked += pixels;
                    continue;
                }
                Finding::Rejected(rejection) => {
                    let wrong = &rejection.wrong;
                    let answer = format!("The result of lease {lease} is wrong: {wrong}.");
                    (answer, Some(rejection))
                }
                Finding::Lost => (format!("The result of lease {lease} is damaged."), None),
            };
            let answer = format!(
                "{answer} Its part of the frame is rendered again, and costs nothing more."
            );
            let result = result.result.clone();
            return Ok(Looked::Wrong(Answer::Upheld { answer, result, rejection }));
        }
        Ok(Looked::Right(looked))
    }
}
