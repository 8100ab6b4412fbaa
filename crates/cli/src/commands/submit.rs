//! `farm submit`: upload, then a job.

use crate::args::{CameraArg, SubmitArgs};
use crate::commands::{approval, download, inspect, money, watch};
use crate::network::state::StateFolder;
use crate::show::{Voice, numbers, progress};
use anyhow::Context;
use std::path::Path;
use tessera_client::Client;
use tessera_client::scene_file::{camera_named, pack_gltf};
use tessera_protocol::BlobHash;
use tessera_protocol::job::{JobSpec, JobView};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_wallet::Wallet;

/// Samples of a unit unless asked for otherwise: with tiles of 64 a quarter of a million pixel
/// samples, a second or less of a CPU's time.
const SAMPLES_PER_UNIT: u32 = 64;

/// Uploads and submits, and follows the job where asked to.
pub(crate) async fn run(
    client: &Client,
    args: &SubmitArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let spec = upload_all(client, args, voice).await?;
    let job = match args.max_cost {
        Some(most) => {
            let file = args.with.wallet.clone().unwrap_or_else(|| state.wallet());
            let wallet = Wallet::open(&file, &client.farm().await?)?;
            let request = money::request(&spec, args);
            money::submit_paid(client, &request, most, &wallet, voice).await?
        }
        None => send(client, &spec).await?,
    };
    inspect::print_submitted(&job, voice)?;
    if args.watch || args.output.is_some() {
        let job = match args.approve {
            true => approval::follow(client, job.id, voice).await?,
            false => watch::follow(client, job.id, voice).await?,
        };
        if let Some(folder) = &args.output {
            let kinds = download::Kinds::ALL;
            let fetched = download::fetch(client, &job, folder, kinds, voice).await?;
            voice.result(&fetched, || fetched.describe())?;
        }
    }
    Ok(())
}

/// Uploads what a job needs, and says what the job is.
pub(crate) async fn upload_all(
    client: &Client,
    args: &SubmitArgs,
    voice: Voice,
) -> anyhow::Result<JobSpec> {
    // A setting that would be refused is told before a byte is sent.
    let camera = match &args.camera {
        Some(CameraArg::Name(name)) => Some(camera_named(&args.scene, name)?),
        Some(CameraArg::Number(number)) => Some(*number),
        None => None,
    };
    spec(args, camera, BlobHash([0; 32]), Some(BlobHash([0; 32]))).validate()?;
    let scene = upload_scene(client, &args.scene, voice).await?;
    let environment = match &args.environment {
        Some(file) => Some(upload(client, file, voice).await?),
        None => None,
    };
    Ok(spec(args, camera, scene, environment))
}

/// Uploads a scene's file; a `.gltf` goes with the files that it names, as one.
async fn upload_scene(client: &Client, file: &Path, voice: Voice) -> anyhow::Result<BlobHash> {
    let Some(packed) = pack_gltf(file)? else { return upload(client, file, voice).await };
    let folder = tempfile::tempdir().context("there is no room to pack the scene in")?;
    let stem = file.file_stem().unwrap_or_default();
    let archive = folder.path().join(stem).with_extension("zip");
    std::fs::write(&archive, packed)
        .with_context(|| format!("{} cannot be written", archive.display()))?;
    upload(client, &archive, voice).await
}

/// Uploads a file and shows how it gets on.
pub(crate) async fn upload(client: &Client, file: &Path, voice: Voice) -> anyhow::Result<BlobHash> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (bar, progress) = progress::transfer(voice, &name);
    let uploaded = client.upload(file, progress).await;
    bar.finish_and_clear();
    let uploaded = uploaded?;
    if !voice.is_json() {
        let how = if uploaded.known { "was on the farm already" } else { "is uploaded" };
        voice.remark(&format!("{name} ({}) {how}", numbers::bytes(uploaded.bytes)));
    }
    Ok(uploaded.blob)
}

/// Submits under a fresh key, so that a repeated call makes no second job.
pub(crate) async fn send(client: &Client, spec: &JobSpec) -> anyhow::Result<JobView> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).context("the system gives no random numbers")?;
    Ok(client.submit(spec, &hex::encode(key)).await?)
}

fn spec(
    args: &SubmitArgs,
    camera: Option<u32>,
    scene: BlobHash,
    environment: Option<BlobHash>,
) -> JobSpec {
    let stem = args.scene.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let settings = RenderSettings {
        width: args.size.width,
        height: args.size.height,
        spp: args.spp,
        seed: args.seed,
        max_bounces: args.max_bounces,
        camera,
        environment: environment.filter(|_| args.environment.is_some()).map(|blob| Environment {
            blob,
            strength: args.environment_strength,
            rotation_deg: args.environment_rotation,
        }),
        background: args.background.into(),
    };
    JobSpec {
        name: args.name.clone().unwrap_or(stem),
        scene,
        samples_per_unit: args.samples_per_unit.unwrap_or(SAMPLES_PER_UNIT.min(args.spp.max(1))),
        settings,
        frames: args.frames.0,
        fps: args.fps,
        tile: args.tile,
        class: if args.tolerant { DeviceClass::Tolerant } else { DeviceClass::Exact },
    }
}
