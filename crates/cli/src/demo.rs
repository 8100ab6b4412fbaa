//! `farm demo`: the whole way of a scene, on this machine, from nothing to a film.

use crate::Interrupted;
use crate::args::DemoArgs;
use crate::commands::{download, submit, watch};
use crate::network::Network;
use crate::network::state::StateFolder;
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use crate::show::{Voice, numbers};
use crate::up::Stop;
use anyhow::{Context, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tessera_client::Client;
use tessera_protocol::job::{FrameSpan, JobSpec, JobState, JobView};
use tessera_protocol::node::NodeView;
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber, JobId, NodeId};
use tessera_scenes::Sample;

/// What a node did of the demo.
#[derive(Debug, Serialize)]
struct Share {
    node: String,
    backend: String,
    device: String,
    units: u64,
    rays: u64,
}

/// What the demo came to.
#[derive(Debug, Serialize)]
struct Report {
    job: JobId,
    frames: u64,
    seconds: f64,
    nodes: Vec<Share>,
    folder: PathBuf,
}

/// Starts a farm beside the one of `farm up`, renders the sample with it, fetches everything to
/// the folder asked for, and stops it, whatever happens.
pub(crate) async fn run(args: &DemoArgs, state: &StateFolder, voice: Voice) -> anyhow::Result<()> {
    let state = StateFolder::new(state.path().join("demo"));
    let mut stop = Stop::new()?;
    voice.remark("starting a farm on this machine");
    let any_port = ([127, 0, 0, 1], 0).into();
    let mut network = tokio::select! {
        network = Network::start(&state, any_port, &args.nodes, voice) => network?,
        () = stop.asked() => return Err(Interrupted.into()),
    };
    let client = network.client().clone();
    let outcome = tokio::select! {
        outcome = show(&client, &state, &args.output, voice) => outcome,
        never = network.keep_running(voice) => match never {},
        () = stop.asked() => Err(Interrupted.into()),
    };
    voice.remark("stopping the farm");
    network.stop(voice).await;
    let report = outcome?;
    voice.result(&report, || describe(&report))
}

async fn show(
    client: &Client,
    state: &StateFolder,
    output: &Path,
    voice: Voice,
) -> anyhow::Result<Report> {
    let begun = Instant::now();
    download::clear(output)?;
    cancel_earlier(client, voice).await?;
    let before = client.nodes().await?;
    let job = submit_sample(client, state, voice).await?;
    let job = watch::follow(client, job.id, voice).await?;
    voice.remark(&format!("fetching the pictures and the film to {}", output.display()));
    let fetched = download::fetch(client, &job, output, download::Kinds::ALL, voice).await?;
    let (found, expected) = (fetched.new.len() as u64, 2 * job.frames_total + 1);
    let why = job.reason.as_deref().unwrap_or("the master gives no reason");
    ensure!(found == expected, "only {found} of {expected} files were there to fetch: {why}");
    Ok(Report {
        job: job.id,
        frames: job.frames_done,
        seconds: begun.elapsed().as_secs_f64(),
        nodes: shares(&before, &client.nodes().await?),
        folder: output.to_path_buf(),
    })
}

/// Stops what an interrupted demo left: it would be rendered first.
async fn cancel_earlier(client: &Client, voice: Voice) -> anyhow::Result<()> {
    for job in client.jobs().await? {
        if matches!(job.state, JobState::Active | JobState::Paused) {
            voice.remark(&format!("cancelling job {} of an interrupted demo", job.id));
            client.cancel(job.id).await?;
        }
    }
    Ok(())
}

async fn submit_sample(
    client: &Client,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<JobView> {
    let sample = tessera_scenes::sample_animation();
    voice.remark(&format!("the sample animation: {}", sample.note));
    // On disk it is an artist's file like any other, there to be looked at and submitted by hand.
    let write = |extension: &str, bytes: &[u8]| {
        let path = state.path().join(format!("{}.{extension}", sample.name));
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(path)
    };
    let scene = submit::upload(client, &write("glb", &sample.glb)?, voice).await?;
    let environment = match &sample.environment {
        Some(bytes) => {
            let blob = submit::upload(client, &write("hdr", bytes)?, voice).await?;
            Some(Environment {
                blob,
                strength: sample.environment_strength,
                rotation_deg: sample.environment_rotation_deg,
            })
        }
        None => None,
    };
    let job = submit::send(client, &spec(&sample, scene, environment)).await?;
    for warning in &job.warnings {
        voice.remark(&format!("note: {warning}"));
    }
    let (settings, units) = (&job.spec.settings, numbers::count(job.spec.units() as f64));
    voice.remark(&format!(
        "job {}: {} frames of {}x{} with {} samples a pixel, in {units} units",
        job.id, job.frames_total, settings.width, settings.height, settings.spp
    ));
    Ok(job)
}

fn spec(sample: &Sample, scene: BlobHash, environment: Option<Environment>) -> JobSpec {
    JobSpec {
        name: sample.name.to_string(),
        scene,
        settings: RenderSettings {
            width: sample.width,
            height: sample.height,
            spp: sample.spp,
            max_bounces: sample.max_bounces,
            environment,
            ..RenderSettings::default()
        },
        frames: FrameSpan {
            first: FrameNumber(0),
            last: FrameNumber(sample.frames.saturating_sub(1)),
        },
        fps: sample.fps,
        tile: 64,
        samples_per_unit: sample.spp.min(64),
    }
}

/// What each node did between two looks.
fn shares(before: &[NodeView], after: &[NodeView]) -> Vec<Share> {
    let earlier: BTreeMap<NodeId, &NodeView> = before.iter().map(|node| (node.id, node)).collect();
    let since = |node: &NodeView, count: fn(&NodeView) -> u64| {
        count(node).saturating_sub(earlier.get(&node.id).map_or(0, |node| count(node)))
    };
    let shares = after.iter().map(|node| Share {
        node: node.name.clone(),
        backend: node.device.backend.clone(),
        device: node.device.device.clone(),
        units: since(node, |node| node.units_verified),
        rays: since(node, |node| node.rays_verified),
    });
    shares.filter(|share| share.units > 0).collect()
}

fn describe(report: &Report) -> String {
    let all: u64 = report.nodes.iter().map(|node| node.units).sum();
    let rows: Vec<_> = report
        .nodes
        .iter()
        .map(|node| {
            vec![
                node.node.clone(),
                node.backend.clone(),
                node.device.clone(),
                node.units.to_string(),
                format!("{} %", numbers::percent(node.units, all)),
                numbers::count(node.rays as f64),
            ]
        })
        .collect();
    let columns = [
        Left("node"),
        Left("backend"),
        Left("device"),
        Right("units"),
        Right("share"),
        Right("rays"),
    ];
    let folder = report.folder.display();
    format!(
        "\n{}\n{} frames in {}:\n  pictures  {folder}/frame-*.png\n  linear    {folder}/frame-*.exr\n  \
         film      {folder}/film.mp4\n",
        table(&columns, &rows),
        report.frames,
        numbers::duration(Duration::from_secs_f64(report.seconds)),
    )
}
