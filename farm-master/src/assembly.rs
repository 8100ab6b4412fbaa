//! Verified sums become frames, frames become a film. It runs beside the requests, one frame at a
//! time, and can be killed anywhere: until the store knows a frame as done its sums stay, and the
//! same pictures are made from them again.

use crate::app::{App, UNPACK_BYTES};
use crate::blobs::{BlobError, Key};
use crate::store::{StoreError, WholeFrame};
use crate::sums::SumsError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::plan::Plan;
use tessera_film::{Film, exr, pack, png};
use tessera_movie::{MovieError, MovieWriter};
use tessera_protocol::job::{JobSpec, JobView};
use tessera_protocol::{FrameNumber, JobId, LeaseId, ResultHash, submit, tree};
use tokio::time::sleep;

/// Frames that are looked up at once.
const FRAMES: u32 = 16;
/// Spent results that are removed at once.
const RESULTS: u32 = 256;
/// How long to wait after a failure of the disk or the database.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Without a call, how often to look for work.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why a frame or film was not made.
#[derive(Debug, thiserror::Error)]
enum AssemblyError {
    /// The store failed; later it may not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk failed; later it may not.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Either did, of a result's sums; later it may not.
    #[error(transparent)]
    Sums(#[from] SumsError),
    /// The thread panicked.
    #[error("the assembling thread panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// A result is not what it was: it has to be rendered again.
    #[error("the result of lease {0} is damaged: {1}")]
    Spoiled(LeaseId, String),
    /// The sums do not make the frame, and never will.
    #[error("{0}")]
    Impossible(String),
    /// FFmpeg failed.
    #[error(transparent)]
    Movie(#[from] MovieError),
}

impl App {
    /// Assembles what is whole and removes what is spent, until the master stops.
    pub(crate) async fn assemble(self: &Arc<Self>) {
        loop {
            let pause = match self.assemble_now().await {
                Ok(()) => LOOK_AGAIN,
                Err(error) => {
                    tracing::error!(%error, "assembly failed; trying again");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = self.hints.frames.notified() => {}
                () = sleep(pause) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    async fn assemble_now(self: &Arc<Self>) -> Result<(), AssemblyError> {
        loop {
            let frames = self.store.whole_frames(FRAMES).await?;
            if frames.is_empty() {
                break;
            }
            for frame in frames {
                if self.stopping.is_cancelled() {
                    return Ok(());
                }
                self.assemble_frame(frame).await?;
                self.remove_spent().await?;
            }
        }
        for job in self.store.unfinished_jobs().await? {
            self.finish_job(job).await?;
        }
        self.remove_spent().await
    }

    async fn assemble_frame(self: &Arc<Self>, whole: WholeFrame) -> Result<(), AssemblyError> {
        let (job, frame) = (whole.job, whole.frame);
        let made_of = whole.results.iter().map(|result| result.lease).collect();
        let made = self.blocking(move |app| app.make_pictures(&whole)).await?;
        match made {
            Ok(hash) => {
                let within = self.config.approve_after;
                let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
                let by_ms = self.clock.now_ms().saturating_add(within_ms);
                let by_ms = Some(by_ms).filter(|_| !within.is_zero());
                self.store.frame_done(job, frame, hash, made_of, by_ms).await?;
            }
            Err(AssemblyError::Spoiled(lease, reason)) => {
                tracing::error!(%job, %frame, %lease, reason, "a stored result is damaged");
                self.store.spoiled(lease).await?;
                self.there_may_be_work();
            }
            Err(AssemblyError::Impossible(reason)) => {
                tracing::error!(%job, %frame, reason, "a frame cannot be assembled");
                // Requeued it would come to the same: so it does not wait for its owner, either.
                let told = format!("frame {frame} cannot be assembled: {reason}");
                self.store
                    .change_job(job, JobChange::Cancel, Some(told), self.clock.now_ms())
                    .await?;
                self.heard.forget_job(job);
            }
            Err(error) => return Err(error),
        }
        self.hints.events.send_replace(());
        Ok(())
    }

    /// Adds the sums up and makes both pictures durable. Blocks.
    fn make_pictures(&self, whole: &WholeFrame) -> Result<ResultHash, AssemblyError> {
        let impossible =
            |error: &dyn std::fmt::Display| AssemblyError::Impossible(error.to_string());
        let plan = Plan::new(&whole.spec).map_err(|error| impossible(&error))?;
        let settings = &whole.spec.settings;
        let mut film = Film::new(settings.width, settings.height, settings.spp);
        for result in &whole.results {
            let spoiled = |error: &dyn std::fmt::Display| {
                AssemblyError::Spoiled(result.lease, error.to_string())
            };
            let body = self.sums(result)?.ok_or_else(|| spoiled(&"its sums are gone"))?;
            let (header, packed) = submit::decode(&body).map_err(|error| spoiled(&error))?;
            if header.commit.id() != result.commit {
                return Err(spoiled(&"it holds another commit"));
            }
            for (signed, packed) in header.commit.results.iter().zip(packed) {
                let index = signed.unit;
                let unit = plan
                    .unit(index)
                    .ok_or_else(|| impossible(&format!("unit {index} lies beyond the job")))?;
                let sums = pack::unpack(packed, unit.rect.pixels() as usize, UNPACK_BYTES)
                    .map_err(|error| spoiled(&error))?;
                if tree::root(&sums) != signed.root {
                    return Err(spoiled(&format!("the sums of unit {index} have changed")));
                }
                film.add(unit.rect, unit.samples, &sums).map_err(|error| impossible(&error))?;
            }
        }
        let frame = film.finish().map_err(|error| impossible(&error))?;
        let picture = frame.picture();
        let header = header(whole, frame.hash());
        let linear = exr::encode(&picture, &header).map_err(|error| impossible(&error))?;
        let display = png::encode(&picture).map_err(|error| impossible(&error))?;
        self.blobs.put(Key::Exr(whole.job, whole.frame), &linear)?;
        self.blobs.put(Key::Png(whole.job, whole.frame), &display)?;
        Ok(frame.hash())
    }

    async fn finish_job(self: &Arc<Self>, job: JobView) -> Result<(), AssemblyError> {
        let id = job.id;
        let several = job.frames_total > 1;
        let filmed = if several {
            self.blocking(move |app| app.make_movie(id, &job.spec)).await?
        } else {
            Ok(())
        };
        match filmed {
            Ok(()) => self.store.finish_job(id, several, None, self.clock.now_ms()).await?,
            // The frames are what was asked for; a film that FFmpeg cannot make does not undo them.
            Err(AssemblyError::Movie(error)) => {
                tracing::error!(job = %id, %error, "there will be no film");
                let told = format!("there is no film: {error}");
                self.store.finish_job(id, false, Some(told), self.clock.now_ms()).await?
            }
            Err(error) => return Err(error),
        };
        self.hints.events.send_replace(());
        Ok(())
    }

    /// Makes the film from the linear pictures. Blocks.
    fn make_movie(&self, job: JobId, spec: &JobSpec) -> Result<(), AssemblyError> {
        let draft = self.blobs.movie_draft(job);
        let settings = &spec.settings;
        let mut movie = MovieWriter::create(&draft, settings.width, settings.height, spec.fps)?;
        for frame in spec.frames.first.0..=spec.frames.last.0 {
            let linear = self.blobs.get(Key::Exr(job, FrameNumber(frame)))?;
            let (picture, _) = exr::decode(&linear)
                .map_err(|error| AssemblyError::Impossible(format!("frame {frame}: {error}")))?;
            movie.push(&picture.to_srgb8())?;
        }
        movie.finish()?;
        Ok(self.blobs.keep_movie(job)?)
    }

    /// Removes sums whose frame is done or whose job has ended, and that were kept long enough.
    async fn remove_spent(self: &Arc<Self>) -> Result<(), AssemblyError> {
        loop {
            let keep_ms = i64::try_from(self.config.keep_results.as_millis()).unwrap_or(i64::MAX);
            let until_ms = self.clock.now_ms().saturating_sub(keep_ms);
            let spent = self.store.spent_results(until_ms, RESULTS).await?;
            if spent.is_empty() {
                return Ok(());
            }
            let leases = spent.iter().map(|result| result.lease).collect();
            self.blocking(move |app| {
                let mut files = spent.iter().filter(|result| !result.beside);
                files.try_for_each(|result| app.blobs.remove(result.into()))
            })
            .await??;
            self.store.forget_results(leases).await?;
        }
    }

    /// Removes files that were written and never entered, or are entered no more, at the start and before any
    /// request.
    pub(crate) async fn remove_strays(self: &Arc<Self>) -> anyhow::Result<()> {
        for (lease, commit, key) in self.blocking(|app| app.blobs.results()).await?? {
            if !self.store.is_file_kept(lease, commit).await? {
                self.blocking(move |app| app.blobs.remove(key)).await??;
            }
        }
        for blob in self.blocking(|app| app.blobs.uploads()).await?? {
            if self.store.blob(blob, None).await?.is_none() {
                self.blocking(move |app| app.blobs.remove(Key::Upload(blob))).await??;
            }
        }
        Ok(())
    }
}

/// What an EXR says about itself: all that is needed to render the same again.
fn header(whole: &WholeFrame, hash: ResultHash) -> BTreeMap<String, String> {
    let spec = &whole.spec;
    let settings = serde_json::to_string(&spec.settings).expect("settings are plain fields");
    [
        ("job", whole.job.to_string()),
        ("frame", whole.frame.to_string()),
        ("fps", spec.fps.to_string()),
        ("scene", spec.scene.to_string()),
        ("kernel", whole.kernel.to_string()),
        ("seed", spec.settings.seed.to_string()),
        ("settings", settings),
        ("hash", hash.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
