//! `farm watch`: a job until it ends.

use crate::Interrupted;
use crate::commands::inspect;
use crate::show::progress::JobProgress;
use crate::show::{Voice, numbers};
use anyhow::bail;
use std::pin::pin;
use std::time::Duration;
use tessera_client::{Client, JobEvents};
use tessera_protocol::JobId;
use tessera_protocol::job::{JobEvent, JobState, JobView};

/// How long a master may be away while a job is watched: it may be restarted or moved.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How often the line is drawn anew while nothing comes.
const REDRAW: Duration = Duration::from_secs(1);

/// Follows the job and says how it ended; fails if it did not complete.
pub(crate) async fn run(client: &Client, job: JobId, voice: Voice) -> anyhow::Result<()> {
    let job = follow(client, job, voice).await?;
    voice.result(&job, || inspect::describe(&job))
}

/// Follows the job until it is completed; fails when it is cancelled or failed, with its reason.
pub(crate) async fn follow(client: &Client, id: JobId, voice: Voice) -> anyhow::Result<JobView> {
    let client = client.clone().with_patience(PATIENCE);
    let job = client.job(id).await?;
    let mut progress = JobProgress::new(voice, &job);
    let outcome = tokio::select! {
        outcome = until_the_end(client.events(id), &mut progress, job, voice) => outcome,
        _ = tokio::signal::ctrl_c() => {
            progress.remark(&format!("the job goes on; `farm watch {id}` follows it again"));
            Err(Interrupted.into())
        }
    };
    progress.finish();
    outcome?;
    let job = client.job(id).await?;
    if job.state == JobState::Completed && !voice.is_json() {
        voice.remark(&format!(
            "{} is completed: {} frames, {} rays, watched for {}",
            job.spec.name,
            job.frames_done,
            numbers::count(job.rays as f64),
            numbers::duration(progress.elapsed())
        ));
        // A completed job has a reason where something about it is less than was to be hoped.
        if let Some(reason) = &job.reason {
            voice.remark(&format!("note: {reason}"));
        }
    }
    Ok(job)
}

async fn until_the_end(
    mut events: JobEvents,
    progress: &mut JobProgress,
    job: JobView,
    voice: Voice,
) -> anyhow::Result<()> {
    let mut redraw = tokio::time::interval(REDRAW);
    let mut frames_done = job.frames_done;
    let mut state_shown = JobState::Active;
    loop {
        let event = {
            let mut next = pin!(events.next());
            loop {
                tokio::select! {
                    event = &mut next => break event?,
                    _ = redraw.tick() => progress.show(),
                }
            }
        };
        if voice.is_json() {
            voice.result(&event, String::new)?;
        }
        match event {
            JobEvent::Units { verified, total, rays } => progress.units(verified, total, rays),
            JobEvent::Frame { .. } => {
                frames_done = (frames_done + 1).min(job.frames_total);
                progress.frames(frames_done);
            }
            JobEvent::State { state, reason } => {
                let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                match state {
                    JobState::Completed => return Ok(()),
                    JobState::Failed => {
                        let id = job.id;
                        bail!(
                            "job {id} failed{why}; `farm requeue {id}` has it go on, `farm cancel {id}` ends it"
                        )
                    }
                    JobState::Cancelled => bail!("job {} was cancelled{why}", job.id),
                    JobState::Active | JobState::Paused if state != state_shown => {
                        state_shown = state;
                        let state = numbers::state(state);
                        progress.remark(&format!("job {} is {state}{why}", job.id));
                    }
                    JobState::Active | JobState::Paused => {}
                }
            }
        }
    }
}
