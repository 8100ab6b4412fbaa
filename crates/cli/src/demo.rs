//! `farm demo`: the whole way of a scene, on this machine, from nothing to a film, and of that film
//! to a stream that plays.

use crate::Interrupted;
use crate::args::{DEFAULT_TILE, DemoArgs, DoorArgs};
use crate::broadcast::Broadcast;
use crate::commands::{approval, download, money, submit, watch};
use crate::network::Network;
use crate::network::state::StateFolder;
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use crate::show::{Voice, numbers};
use crate::up::Stop;
use anyhow::{Context, ensure};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tessera_client::Client;
use tessera_protocol::finance::{PayoutView, QuoteRequest};
use tessera_protocol::job::{FrameSpan, JobSpec, JobState, JobView};
use tessera_protocol::node::{DeviceClass, NodeView};
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::verdict::Verdict;
use tessera_protocol::{Amount, BlobHash, FrameNumber, JobId, NodeId, Tier};
use tessera_scenes::Sample;
use tessera_wallet::Wallet;

/// What the demo's wallet has at least before it pays: a hundred play tokens.
const PLAY_MONEY: Amount = Amount(100_000_000);
/// How often it is asked whether everything is paid.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
    tolerant: Option<Tolerant>,
    money: Money,
}

/// What the film cost, and who was paid.
#[derive(Debug, Serialize)]
struct Money {
    ceiling: Amount,
    cost: Amount,
    returned: Amount,
    payouts: Vec<PayoutView>,
}

/// What became of a frame that any device may render, twice.
#[derive(Debug, Serialize)]
struct Tolerant {
    job: JobId,
    units: u64,
    /// Of the least alike unit, the pixels in a million that are within tolerance of the other node's.
    within_ppm: u32,
    seconds: f64,
    folder: PathBuf,
}

/// Starts a farm beside the one of `farm up`, renders the sample with it, fetches everything to
/// the folder asked for, streams the film until it is told to stop, and stops the farm, whatever
/// happens.
pub(crate) async fn run(args: &DemoArgs, state: &StateFolder, voice: Voice) -> anyhow::Result<()> {
    let state = StateFolder::new(state.path().join("demo"));
    let mut stop = Stop::new()?;
    voice.remark("starting a farm on this machine");
    let any_port = ([127, 0, 0, 1], 0).into();
    let doors = (!args.no_streams).then_some(DoorArgs::ANY);
    let mut network = tokio::select! {
        network = Network::start(&state, any_port, &args.nodes, doors, voice) => network?,
        () = stop.asked() => return Err(Interrupted.into()),
    };
    let client = network.client().clone();
    let film = args.output.join(download::MOVIE_FILE);
    let mut broadcast = None;
    let parts = async {
        let report = show(&client, &state, &args.output, args.nodes.len(), voice).await?;
        voice.result(&report, || describe(&report))?;
        if doors.is_none() {
            return Ok(());
        }
        let broadcast = broadcast.insert(Broadcast::start(&client, &state, &film).await?);
        broadcast.announce(&client, voice).await?;
        match broadcast.keep_running(voice).await {}
    };
    let outcome = tokio::select! {
        outcome = parts => outcome,
        never = network.keep_running(voice) => match never {},
        () = stop.asked() => Err(Interrupted.into()),
    };
    let outcome = match broadcast {
        Some(broadcast) => {
            let was_playing = broadcast.is_playing();
            broadcast.stop(&client, voice).await;
            // This is how a stream that plays is meant to end.
            if was_playing { outcome.or_else(only_interrupted) } else { outcome }
        }
        None => outcome,
    };
    voice.remark("stopping the farm");
    network.stop(voice).await;
    outcome
}

fn only_interrupted(error: anyhow::Error) -> anyhow::Result<()> {
    if error.is::<Interrupted>() { Ok(()) } else { Err(error) }
}

async fn show(
    client: &Client,
    state: &StateFolder,
    output: &Path,
    nodes_here: usize,
    voice: Voice,
) -> anyhow::Result<Report> {
    let begun = Instant::now();
    download::clear(output)?;
    cancel_earlier(client, voice).await?;
    let before = client.nodes().await?;
    let wallet = Wallet::open(&state.wallet(), &client.farm().await?)?;
    if wallet.holdings().await?.tokens < PLAY_MONEY {
        wallet.take_play_money(PLAY_MONEY).await?;
    }
    let earlier = client.payouts().await?;
    let held = wallet.holdings().await?.tokens;
    let (job, sample) = submit_sample(client, state, &wallet, voice).await?;
    let job = approval::follow(client, job.id, voice).await?;
    voice.remark(&format!("fetching the pictures and the film to {}", output.display()));
    let fetched = download::fetch(client, &job, output, download::Kinds::ALL, voice).await?;
    let (found, expected) = (fetched.new.len() as u64, 2 * job.frames_total + 1);
    let why = job.reason.as_deref().unwrap_or("the master gives no reason");
    ensure!(found == expected, "only {found} of {expected} files were there to fetch: {why}");
    let (seconds, nodes) = (begun.elapsed().as_secs_f64(), shares(&before, &client.nodes().await?));
    let folder = output.join("tolerant");
    let tolerant = if nodes_here > 1 {
        Some(render_twice(client, &job.spec, &sample, &folder, voice).await?)
    } else {
        voice.remark("no tolerant job: it takes two nodes to render it twice");
        None
    };
    let money = settle(client, &job, (&wallet, held), &earlier, voice).await?;
    Ok(Report {
        job: job.id,
        frames: job.frames_done,
        seconds,
        nodes,
        folder: output.to_path_buf(),
        tolerant,
        money,
    })
}

/// Waits until the film is paid for on the chain, and says who was paid.
async fn settle(
    client: &Client,
    job: &JobView,
    (wallet, held): (&Wallet, Amount),
    earlier: &[PayoutView],
    voice: Voice,
) -> anyhow::Result<Money> {
    voice.remark("waiting until the nodes are paid on the chain, and the rest has returned");
    let money = loop {
        let now = client.job(job.id).await?;
        match now.money.context("the film was paid for")? {
            money if money.settled => break money,
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    let spent = held.checked_sub(wallet.holdings().await?.tokens);
    let spent = spent.context("the wallet holds more than before")?;
    ensure!(
        Some(spent) == money.charged.checked_add(money.fee),
        "the books say that nodes earned {}, the ceiling is {}, and the wallet paid {spent}",
        money.charged,
        money.ceiling
    );
    let before: BTreeSet<u64> = earlier.iter().map(|payout| payout.epoch).collect();
    let payouts = client.payouts().await?.into_iter();
    let payouts = payouts.filter(|payout| !before.contains(&payout.epoch)).collect();
    let returned = money.ceiling.checked_sub(spent).unwrap_or_default();
    Ok(Money { ceiling: money.ceiling, cost: spent, returned, payouts })
}

/// Renders a frame as a tolerant job: each unit by two nodes, whose results are compared.
async fn render_twice(
    client: &Client,
    film: &JobSpec,
    sample: &Sample,
    folder: &Path,
    voice: Voice,
) -> anyhow::Result<Tolerant> {
    let begun = Instant::now();
    download::clear(folder)?;
    let middle = FrameNumber(sample.frames / 2);
    let mut spec = film.clone();
    spec.name = format!("{}, tolerant", film.name);
    spec.class = DeviceClass::Tolerant;
    spec.frames = FrameSpan { first: middle, last: middle };
    spec.settings.spp = film.settings.spp.min(16);
    spec.samples_per_unit = spec.settings.spp;
    let job = submit::send(client, &spec).await?;
    voice.remark(&format!(
        "job {}: frame {middle} again, as a job for devices that are not exact: each of its {} units is \
         rendered by two nodes, and both must be alike",
        job.id,
        spec.units()
    ));
    let job = watch::follow(client, job.id, voice).await?;
    let why = job.reason.as_deref().unwrap_or("the master gives no reason");
    ensure!(job.state == JobState::Completed, "the tolerant job did not complete: {why}");
    download::fetch(client, &job, folder, download::Kinds::ALL, voice).await?;
    let receipts = client.receipts(job.id).await?;
    let within = receipts.iter().filter_map(|receipt| match &receipt.verdict {
        Verdict::Alike(alike) => alike.second.map(|second| second.within_ppm),
        _ => None,
    });
    Ok(Tolerant {
        job: job.id,
        units: job.units.verified,
        within_ppm: within.min().context("no unit of the tolerant job has a second render")?,
        seconds: begun.elapsed().as_secs_f64(),
        folder: folder.to_path_buf(),
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
    wallet: &Wallet,
    voice: Voice,
) -> anyhow::Result<(JobView, Sample)> {
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
    let request = QuoteRequest {
        spec: spec(&sample, scene, environment),
        max_price: None,
        tier: Tier::Standard,
    };
    let most = wallet.holdings().await?.tokens;
    let job = money::submit_paid(client, &request, most, wallet, voice).await?;
    for warning in &job.warnings {
        voice.remark(&format!("note: {warning}"));
    }
    let (settings, units) = (&job.spec.settings, numbers::count(job.spec.units() as f64));
    voice.remark(&format!(
        "job {}: {} frames of {}x{} with {} samples a pixel, in {units} units",
        job.id, job.frames_total, settings.width, settings.height, settings.spp
    ));
    Ok((job, sample))
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
        tile: DEFAULT_TILE,
        samples_per_unit: sample.spp.min(64),
        class: DeviceClass::Exact,
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
    let tolerant = report.tolerant.as_ref().map_or_else(String::new, |tolerant| {
        format!(
            "\nA tolerant frame in {}: {} units by two nodes each; of the least alike one, {:.2} % of \
             the pixels are within tolerance\n  picture   {}/frame-*.png\n",
            numbers::duration(Duration::from_secs_f64(tolerant.seconds)),
            tolerant.units,
            f64::from(tolerant.within_ppm) / 1e4,
            tolerant.folder.display(),
        )
    });
    format!(
        "\n{}\n{} frames in {}:\n  pictures  {folder}/frame-*.png\n  linear    {folder}/frame-*.exr\n  \
         film      {folder}/film.mp4\n{tolerant}\n{}\nThe film may have cost {}, cost {}, and {} returned to the \
         wallet that paid.\n",
        table(&columns, &rows),
        report.frames,
        numbers::duration(Duration::from_secs_f64(report.seconds)),
        money::payout_table(&report.money.payouts),
        report.money.ceiling,
        report.money.cost,
        report.money.returned,
    )
}
