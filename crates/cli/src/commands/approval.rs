//! An artist's word on frames that were paid for.

use crate::args::{ApproveArgs, RejectArgs};
use crate::commands::watch;
use crate::show::Voice;
use anyhow::Context;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::job::{FrameView, JobState, JobView};
use tessera_protocol::{FrameNumber, JobId};

/// How often it is asked for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `farm approve`.
pub(crate) async fn approve(
    client: &Client,
    args: &ApproveArgs,
    voice: Voice,
) -> anyhow::Result<()> {
    let job = client.approve(args.job, args.frame.map(FrameNumber)).await?;
    voice.result(&job, || match args.frame {
        Some(frame) => format!("frame {frame} is approved: its nodes are paid for it"),
        None => "all frames that are assembled are approved: their nodes are paid".to_owned(),
    })
}

/// Follows a job whose frames are approved as they come.
pub(crate) async fn follow(client: &Client, id: JobId, voice: Voice) -> anyhow::Result<JobView> {
    let approving = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A master that is away is waited for by whoever follows the job.
            let Ok(job) = client.job(id).await else { continue };
            if job.frames_done > 0 && !matches!(job.state, JobState::Completed) {
                let _ = client.approve(id, None).await;
            }
        }
    };
    tokio::select! {
        job = watch::follow(client, id, voice) => job,
        never = approving => never,
    }
}

/// `farm reject`: and what was found.
pub(crate) async fn reject(client: &Client, args: &RejectArgs, voice: Voice) -> anyhow::Result<()> {
    let number = FrameNumber(args.frame);
    let mut frame = client.reject(args.job, number, &args.because).await?;
    if !args.no_wait {
        voice.remark("the frame is looked at again");
        while answer(&frame).is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
            frame = look(client, args.job, number).await?;
        }
    }
    voice.result(&frame, || {
        answer(&frame)
            .unwrap_or("the frame is looked at again; `farm show` tells the answer")
            .to_owned()
    })
}

fn answer(frame: &FrameView) -> Option<&str> {
    frame.dispute.as_ref()?.answer.as_deref()
}

async fn look(client: &Client, job: JobId, number: FrameNumber) -> anyhow::Result<FrameView> {
    let frames = client.frames(job).await?.into_iter();
    frames
        .into_iter()
        .find(|frame| frame.frame == number)
        .context("the job has no such frame any more")
}
