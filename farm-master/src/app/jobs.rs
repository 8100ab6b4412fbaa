//! What artists ask for.

use super::App;
use crate::auth::Artist;
use crate::blobs::Key;
use crate::config::Inspected;
use crate::problem::{Code, Refusal};
use crate::store::mosaic::Logged;
use crate::store::{Changed, Creation, NewJob, Requeued, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_farm_core::job::{JobChange, has_ended};
use tessera_farm_core::plan::Plan;
use tessera_farm_core::why::{Situation, explain};
use tessera_market::Room;
use tessera_protocol::job::{FramePage, FrameView, JobPage, JobSpec, JobView, RequeueRequest, Why};
use tessera_protocol::lease::LeaseRequest;
use tessera_protocol::log::{LogEntry, LogPage};
use tessera_protocol::memory::MemoryLack;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{BlobHash, FrameNumber, JobId};

/// A node is online while it was heard within this many lease times, or within the longest wait
/// for work twice over, during which it says nothing.
const ONLINE_LEASES: i64 = 2;
const ONLINE_WAIT_MS: i64 = 2 * LeaseRequest::MAX_WAIT_MS as i64;

impl App {
    /// Accepts a job; `true` beside it when it is new.
    pub(crate) async fn create_job(
        self: &Arc<Self>,
        artist: &Artist,
        spec: JobSpec,
        idempotency: Option<(String, [u8; 32])>,
    ) -> Result<(JobView, bool), Refusal> {
        let owner = artist.id();
        // The operator may use the farm for nothing.
        if self.settlement.is_some() && artist.sees().is_some() {
            return Err(Refusal::new(
                Code::NobodyPays,
                "Nodes of this farm are paid: ask for a quote, deposit its ceiling and accept it.",
            ));
        }
        let Inspected { warnings, memory } = self.inspect(artist, &spec).await?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Refusal::internal)?;
        let new = NewJob {
            id: JobId(id),
            owner,
            spec,
            kernel: self.config.kernel,
            warnings,
            memory,
            idempotency,
            now_ms: self.clock.now_ms(),
        };
        match self.store.create_job(new).await? {
            Creation::Created(job) => {
                self.there_may_be_work();
                Ok((job, true))
            }
            Creation::Known(job) => Ok((job, false)),
            Creation::KeyReused => Err(Refusal::new(
                Code::KeyReused,
                "This Idempotency-Key came with another job before; draw a new one.",
            )),
        }
    }

    /// Checks what is asked for, and looks into the scene, if all of it was uploaded.
    pub(super) async fn inspect(
        self: &Arc<Self>,
        artist: &Artist,
        spec: &JobSpec,
    ) -> Result<Inspected, Refusal> {
        spec.validate().map_err(|error| {
            Refusal::new(Code::SettingsRefused, format!("{error}; nothing was submitted."))
        })?;
        let environment = spec.settings.environment.map(|environment| environment.blob);
        for blob in std::iter::once(spec.scene).chain(environment) {
            self.need_upload(artist, blob).await?;
        }
        let _permit = self.limits.inspections.acquire().await.map_err(Refusal::internal)?;
        let scene = self.blobs.path(Key::Upload(spec.scene));
        let environment = environment.map(|blob| self.blobs.path(Key::Upload(blob)));
        let spec = spec.clone();
        self.blocking(move |app| (app.config.inspect_scene)(&scene, environment.as_deref(), &spec))
            .await
            .map_err(Refusal::internal)?
            .map_err(|reason| Refusal::new(Code::SceneRefused, reason))
    }

    /// Who knows the hash of another's file, as readers of its receipts do, has no file.
    async fn need_upload(&self, artist: &Artist, blob: BlobHash) -> Result<(), Refusal> {
        match self.store.use_blob(blob, artist.sees(), self.clock.now_ms()).await? {
            Some(_) => Ok(()),
            None => Err(Refusal::new(
                Code::UploadMissing,
                format!("You uploaded no file {blob}; send it to /v1/uploads first."),
            )),
        }
    }

    /// A job that this artist may see.
    pub(crate) async fn job(&self, artist: &Artist, id: JobId) -> Result<JobView, Refusal> {
        match self.store.job(id).await? {
            Some((job, owner)) if artist.may_see(owner) => Ok(job),
            _ => Err(no_job(id)),
        }
    }

    /// One page of jobs, the newest first. The cursor is a place in the order of acceptance.
    pub(crate) async fn jobs(
        &self,
        artist: &Artist,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<JobPage, Refusal> {
        let mut jobs = self.store.jobs(artist.sees(), cursor, limit + 1).await?;
        let more = jobs.len() > limit as usize;
        jobs.truncate(limit as usize);
        let next_cursor = jobs.last().filter(|_| more).map(|(seq, _)| seq.to_string());
        Ok(JobPage { data: jobs.into_iter().map(|(_, job)| job).collect(), next_cursor })
    }

    /// Pauses, resumes or cancels.
    pub(crate) async fn change_job(
        &self,
        artist: &Artist,
        id: JobId,
        change: JobChange,
    ) -> Result<JobView, Refusal> {
        self.job(artist, id).await?;
        let job = match self.store.change_job(id, change, None, self.clock.now_ms()).await? {
            Changed::Done(job) => *job,
            Changed::Refused(refused) => return Err(refused.into()),
            Changed::Unknown => return Err(no_job(id)),
        };
        if has_ended(job.state) {
            self.heard.forget_job(id);
            self.hints.frames.notify_one();
        }
        self.there_may_be_work();
        self.hints.events.send_replace(());
        Ok(job)
    }

    /// Has a job go on that failed, or units of frames given to other nodes.
    pub(crate) async fn requeue(
        &self,
        artist: &Artist,
        id: JobId,
        frames: Vec<FrameNumber>,
    ) -> Result<JobView, Refusal> {
        let known = self.job(artist, id).await?;
        if frames.len() > RequeueRequest::MAX_FRAMES {
            let most = RequeueRequest::MAX_FRAMES;
            return Err(Refusal::new(
                Code::RequestMalformed,
                format!("One request names at most {most} frames; send several."),
            ));
        }
        for frame in &frames {
            need_frame(&known, *frame)?;
        }
        let (job, taken_back) = match self.store.requeue(id, frames, self.clock.now_ms()).await? {
            Requeued::Done { job, taken_back } => (*job, taken_back),
            Requeued::NotFailed => {
                return Err(Refusal::new(
                    Code::JobNotFailed,
                    format!(
                        "Job {id} has not failed, so there is nothing to go on with: name the frames that \
                         are to be given to other nodes."
                    ),
                ));
            }
            Requeued::FrameDone(frame) => {
                return Err(Refusal::new(
                    Code::FrameDone,
                    format!(
                        "Frame {frame} of job {id} is assembled, and nothing was requeued: its pixels are \
                         proven, and rendered again they would be the same. `farm verify` shows it; a frame \
                         that waits for your approval can be objected to."
                    ),
                ));
            }
            Requeued::Refused(refused) => return Err(refused.into()),
            Requeued::Unknown => return Err(no_job(id)),
        };
        for lease in taken_back {
            self.heard.forget(lease);
            self.counters.leases_ended.fetch_add(1, Ordering::Relaxed);
        }
        self.there_may_be_work();
        self.hints.events.send_replace(());
        Ok(job)
    }

    /// Ends jobs that failed and that nobody requeued: what was deposited for them returns.
    pub(super) async fn end_failed(&self) -> Result<(), StoreError> {
        let keep = self.config.keep_failed;
        let days = keep.as_secs() / (24 * 3600);
        let because = format!("it failed and was not requeued within {days} days");
        let now_ms = self.clock.now_ms();
        let until_ms = now_ms.saturating_sub(in_ms(keep));
        for job in self.store.end_failed(until_ms, because, now_ms).await? {
            tracing::info!(%job, "a job ends that failed and was not requeued");
            self.hints.events.send_replace(());
            self.hints.frames.notify_one();
        }
        Ok(())
    }

    /// Why the job stands where it stands.
    pub(crate) async fn why(&self, artist: &Artist, id: JobId) -> Result<Vec<Why>, Refusal> {
        let job = self.job(artist, id).await?;
        let waiting = self.store.waiting(id).await?;
        let (unapproved, approved_by_ms) = self.store.unapproved(id).await?;
        let online_ms = ONLINE_WAIT_MS.max(ONLINE_LEASES * self.config.lease_ms());
        let now_ms = self.clock.now_ms();
        let online_since = now_ms - online_ms;
        let ends_ms = waiting
            .failed_ms
            .map_or(0, |failed_ms| failed_ms.saturating_add(in_ms(self.config.keep_failed)));
        let (mut nodes_online, mut nodes_fit) = (0, 0);
        let mut lacks = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.nodes(None, after, 200).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for node in page.iter().filter(|node| self.last_seen(node) >= online_since) {
                nodes_online += 1;
                let class = self.class_now(node);
                let may = class == Some(DeviceClass::Exact) || class == Some(job.spec.class);
                if !may || node.device.kernel != waiting.kernel {
                    continue;
                }
                match Room::of(self.heard.memory(node.id)).lacks(&waiting.memory) {
                    None => nodes_fit += 1,
                    Some(lack) => lacks.push(lack),
                }
            }
        }
        Ok(explain(&Situation {
            state: job.state,
            reason: job.reason,
            units: job.units,
            frames_done: job.frames_done,
            frames_total: job.frames_total,
            failing: waiting.failing,
            last_failure: waiting.last_failure,
            nodes_online,
            nodes_fit,
            memory_lack: lacks.into_iter().min_by_key(MemoryLack::missing_bytes),
            jobs_ahead: waiting.jobs_ahead,
            accounts_beside: waiting.accounts_beside,
            wanting_second: waiting.wanting_second,
            unapproved,
            approved_in_s: u64::try_from(approved_by_ms - now_ms).unwrap_or(0) / 1000,
            ends_in_s: u64::try_from(ends_ms - now_ms).unwrap_or(0) / 1000,
        }))
    }

    /// One page of a job's log. The cursor is the generation of the last lease.
    pub(crate) async fn log(
        &self,
        artist: &Artist,
        id: JobId,
        cursor: Option<u64>,
        limit: u32,
    ) -> Result<LogPage, Refusal> {
        let job = self.job(artist, id).await?;
        let plan = Plan::new(&job.spec).map_err(Refusal::internal)?;
        // Some before the first, and one more than wanted tells whether there are more.
        let before = cursor.unwrap_or(i64::MAX.unsigned_abs());
        let mut logged = self.store.log(id, before, limit.saturating_add(1)).await?;
        let more = logged.len() > limit as usize;
        logged.truncate(limit as usize);
        let next = logged.last().filter(|_| more).map(|last| last.generation.to_string());
        let entry = |one: Logged| {
            let frame = plan.frame_of(one.first_unit);
            Ok(LogEntry {
                lease: one.lease,
                node: one.node,
                frame: frame.ok_or_else(|| Refusal::internal("a lease lies beyond its job"))?,
                first_unit: one.first_unit,
                units: one.units,
                at_ms: one.at_ms,
                took_ms: one.took_ms,
                outcome: one.outcome,
                reason: one.reason,
            })
        };
        let data = logged.into_iter().map(entry).collect::<Result<_, Refusal>>()?;
        Ok(LogPage { data, next_cursor: next })
    }

    /// One page of a job's frames, by number. The cursor is the next frame's number.
    pub(crate) async fn frames(
        &self,
        artist: &Artist,
        id: JobId,
        cursor: Option<u32>,
        limit: u32,
    ) -> Result<FramePage, Refusal> {
        let job = self.job(artist, id).await?;
        let span = job.spec.frames;
        let from = cursor.unwrap_or(0).max(span.first.0);
        let end = (u64::from(from) + u64::from(limit)).min(u64::from(span.last.0) + 1);
        let begun = self.store.frames(id, FrameNumber(from), limit).await?;
        let mut begun = begun.into_iter().peekable();
        let units = job.spec.units() / span.count();
        let data = (from..=span.last.0).take_while(|&frame| u64::from(frame) < end);
        let data = data.map(|frame| {
            begun.next_if(|begun| begun.frame.0 == frame).unwrap_or(FrameView {
                frame: FrameNumber(frame),
                verified: 0,
                units,
                hash: None,
                approve_by_ms: None,
                dispute: None,
            })
        });
        let more = end <= u64::from(span.last.0);
        Ok(FramePage { data: data.collect(), next_cursor: more.then(|| end.to_string()) })
    }

    /// A frame that is assembled and approved.
    pub(crate) async fn approved(
        &self,
        artist: &Artist,
        id: JobId,
        frame: FrameNumber,
    ) -> Result<(), Refusal> {
        let Some(by_ms) = self.assembled(artist, id, frame).await?.approve_by_ms else {
            return Ok(());
        };
        let hours = (by_ms - self.clock.now_ms()).max(0) / 3_600_000;
        Err(Refusal::new(
            Code::FrameNotApproved,
            format!(
                "Frame {frame} of job {id} waits for your approval: look at its PNG, then `farm approve`. In \
                 {hours} hours and some minutes it is approved by itself."
            ),
        ))
    }

    /// A frame that is assembled.
    pub(crate) async fn assembled(
        &self,
        artist: &Artist,
        id: JobId,
        frame: FrameNumber,
    ) -> Result<FrameView, Refusal> {
        need_frame(&self.job(artist, id).await?, frame)?;
        let found = self.store.frames(id, frame, 1).await?.into_iter();
        let mut ready = found.filter(|view| view.frame == frame && view.hash.is_some());
        ready.next().ok_or_else(|| {
            Refusal::new(
                Code::FrameNotReady,
                format!(
                    "Frame {frame} of job {id} is not assembled; `farm watch` tells when it is."
                ),
            )
        })
    }

    /// A film that is made.
    pub(crate) async fn filmed(&self, artist: &Artist, id: JobId) -> Result<(), Refusal> {
        let job = self.job(artist, id).await?;
        if job.movie {
            return Ok(());
        }
        if job.frames_total == 1 || has_ended(job.state) {
            let why = job
                .reason
                .unwrap_or_else(|| "only a completed job of several frames has one".into());
            return Err(Refusal::new(Code::MovieNotFound, format!("Job {id} has no film: {why}.")));
        }
        Err(Refusal::new(
            Code::MovieNotReady,
            format!("The film of job {id} is made when all its frames are assembled."),
        ))
    }
}

/// Whether the job has this frame.
pub(super) fn need_frame(job: &JobView, frame: FrameNumber) -> Result<(), Refusal> {
    let span = job.spec.frames;
    if frame < span.first || frame > span.last { Err(no_frame(job, frame)) } else { Ok(()) }
}

pub(super) fn no_frame(job: &JobView, frame: FrameNumber) -> Refusal {
    let (id, span) = (job.id, job.spec.frames);
    Refusal::new(
        Code::FrameNotFound,
        format!("Job {id} has frames {} to {}, not {frame}.", span.first, span.last),
    )
}

fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn no_job(id: JobId) -> Refusal {
    Refusal::new(Code::JobNotFound, format!("There is no job {id} among yours."))
}
