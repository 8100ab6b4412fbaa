//! What jobs of many units cost the master.

use crate::tiles::sealed;
use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend as _, conformance};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tessera_client::{Client, Enrolment, NodeClient, no_progress};
use tessera_film::pack::pack;
use tessera_protocol::commit::{Commit, NodeKey, UnitResult};
use tessera_protocol::job::{FrameSpan, JobSpec};
use tessera_protocol::lease::{LeaseGrant, LeaseRequest, Unit};
use tessera_protocol::node::{DeviceClass, DeviceView};
use tessera_protocol::settings::{Background, RenderSettings};
use tessera_protocol::{FrameNumber, PixelSum, SceneHash, sums, tree};
use tessera_reference::{Source, kernel_id};
use tessera_scenes::model::{Material, Model, Node};
use tessera_scenes::shapes::cuboid;
use world::farm::Farm;
use world::process::Process;

/// So long that no lease expires.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Side of a tile, the smallest allowed: many units and few pixels.
const SMALL_TILE: u32 = 8;

pub(crate) async fn accept_ten_million_units() -> anyhow::Result<()> {
    let farm = Farm::new(HEARTBEAT);
    let master = farm.start_master();
    let client = farm.client().await;
    let spec = many_units(&farm, &client, 1000, 800, 1).await?;
    ensure!(spec.units() == 10_000_000, "the job has {} units", spec.units());

    let before = Footprint::of(&farm, &master)?;
    let start = Instant::now();
    client.submit(&spec, "bench").await?;
    let seconds = start.elapsed().as_secs_f64();
    let grown = Footprint::of(&farm, &master)?.since(&before);

    let work = "accept a job of 10^7 units";
    let how = "farm-master as a process, POST /v1/jobs over HTTP on loopback until its answer";
    row(work, &format!("{:.1} ms", 1e3 * seconds), &below(1.0, "s", seconds), how);
    let aim = below(20.0, "MB", grown.files_mb);
    row(work, &format!("{:.2} MB of state", grown.files_mb), &aim, "growth of its state folder");
    let aim = below(20.0, "MB", grown.memory_mb);
    let how = "growth of its resident memory, at its peak (VmHWM)";
    row(work, &format!("{:.2} MB of memory", grown.memory_mb), &aim, how);
    Ok(())
}

/// Senders that lease and submit at once.
const AT_ONCE: usize = 16;

pub(crate) async fn complete_a_million_units() -> anyhow::Result<()> {
    let farm = Farm::new(HEARTBEAT);
    let master = farm.start_master();
    let client = farm.client().await;
    let spec = many_units(&farm, &client, 100, 80, 100).await?;
    ensure!(spec.units() == 1_000_000, "the job has {} units", spec.units());
    let sender = Sender::join(&farm, &client).await?;

    let before = Footprint::of(&farm, &master)?;
    let start = Instant::now();
    let job = client.submit(&spec, "bench").await?.id;
    let senders: Vec<_> =
        (0..AT_ONCE).map(|_| tokio::spawn(sender.clone().until_no_work_is_left())).collect();
    let mut leases = 0;
    for sender in senders {
        leases += sender.await??;
    }
    let verified = start.elapsed().as_secs_f64();
    let job = farm.completed(&client, job).await;
    let completed = start.elapsed().as_secs_f64();
    ensure!(job.units.verified == 1_000_000, "{:?}", job.units);
    let grown = Footprint::of(&farm, &master)?.since(&before);
    let database = megabytes_below(&farm.path().join("master"), |path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("farm.sqlite"))
    })?;

    let work = "complete a job of 10^6 units";
    let how = "farm-master as a process; one node over HTTP, 16 leases at once, that sends the \
               same 64 pixels for every unit, packed once: its rendering costs nothing, since its \
               scene shows nothing; all results audited by the master";
    let figure = format!("{:.0} units/s, {leases} leases", 1e6 / verified);
    row(work, &figure, NO_AIM, how);
    row(work, &format!("{completed:.1} s"), NO_AIM, "the same, its 100 frames and film assembled");
    let how = "files farm.sqlite* when it is completed";
    row(work, &format!("{database:.2} MB of state"), NO_AIM, how);
    let how = "growth of the state folder: database, results, frames, film";
    row(work, &format!("{:.1} MB of disk", grown.files_mb), NO_AIM, how);
    let how = "growth of its resident memory, at its peak (VmHWM)";
    row(work, &format!("{:.1} MB of memory", grown.memory_mb), NO_AIM, how);
    Ok(())
}

/// A job in small tiles and ranges of one sample.
pub(crate) async fn many_units(
    farm: &Farm,
    client: &Client,
    frames: u32,
    side: u32,
    spp: u32,
) -> anyhow::Result<JobSpec> {
    let file = farm.path().join("nothing.glb");
    std::fs::write(&file, nothing_to_see())?;
    Ok(JobSpec {
        name: "bench".to_owned(),
        scene: client.upload(&file, no_progress()).await?.blob,
        settings: settings(side, spp),
        frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(frames - 1) },
        fps: 24,
        tile: SMALL_TILE,
        samples_per_unit: 1,
        class: DeviceClass::Exact,
    })
}

fn settings(side: u32, spp: u32) -> RenderSettings {
    let background = Background::Black;
    RenderSettings { width: side, height: side, spp, background, ..RenderSettings::default() }
}

/// A scene whose camera looks away from all there is: every sample of every pixel is one ray into
/// the dark, so one tile is the honest result of every unit.
pub(crate) fn nothing_to_see() -> Vec<u8> {
    let mut model = Model::new();
    let matt = model.material(Material::matt([0.5; 3]));
    let mesh = model.shape(cuboid([1.0; 3]), matt);
    model.node(Node::mesh(mesh));
    model.camera([0.0, 0.0, 5.0], [0.0, 0.0, 10.0], 40.0);
    model.to_glb()
}

/// A node that sends the same tile for every unit.
#[derive(Clone)]
struct Sender {
    node: NodeClient,
    key: Arc<NodeKey>,
    tile: Arc<[PixelSum]>,
    source: Arc<Mutex<Source>>,
}

impl Sender {
    async fn join(farm: &Farm, client: &Client) -> anyhow::Result<Self> {
        let mut cpu = CpuBackend::new(None);
        let device = DeviceView {
            backend: cpu.describe().backend.to_owned(),
            device: cpu.describe().device,
            kernel: kernel_id(),
            conformance: conformance::render_all(&mut cpu)?,
        };
        let token = std::fs::read_to_string(farm.path().join("master/operator-token"))?;
        let enrolment = Enrolment::new(client.master().clone(), token.trim().to_owned())?;
        let key = NodeKey::generate()?;
        let (view, node) = enrolment.join(&key, "sender", &device).await?;
        ensure!(view.class == DeviceClass::Exact, "not exact: are all programs of one build?");
        let dark = PixelSum { rays: 1, ..PixelSum::default() };
        let tile = vec![dark; (SMALL_TILE * SMALL_TILE) as usize].into();
        let source = Arc::new(Mutex::new(Source::load(&nothing_to_see(), None)?));
        Ok(Self { node, key: Arc::new(key), tile, source })
    }

    /// Leases and submits; returns the number of leases.
    async fn until_no_work_is_left(self) -> anyhow::Result<u64> {
        let request = LeaseRequest {
            kernel: kernel_id(),
            samples_wanted: u64::MAX,
            wait_ms: 0,
            ask: None,
            memory: None,
        };
        let (root, rays, packed) =
            (tree::root(&self.tile), sums::rays(&self.tile), pack(&self.tile));
        let mut leases = 0;
        while let Some(grant) = self.node.lease(&request).await? {
            let result = |unit: &Unit| UnitResult { unit: unit.index, root, rays };
            let frame = grant.units.first().context("a lease has units")?.frame;
            let results = grant.units.iter().map(result).collect();
            let scene = self.scene_of(&grant, frame)?;
            let commit = Commit::under(&grant, self.key.node(), scene, results);
            let body = sealed(&self.key, commit, &vec![packed.clone(); grant.units.len()]);
            self.node.submit(grant.lease, body).await?;
            leases += 1;
        }
        Ok(leases)
    }

    fn scene_of(&self, grant: &LeaseGrant, frame: FrameNumber) -> anyhow::Result<SceneHash> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let time_s = f64::from(frame.0) / f64::from(grant.fps);
        Ok(source.frame(&grant.settings, frame, time_s)?.hash)
    }
}

/// What a master takes up.
struct Footprint {
    files_mb: f64,
    memory_mb: f64,
}

impl Footprint {
    /// Its files now, and the most memory since it was last asked.
    fn of(farm: &Farm, master: &Process) -> anyhow::Result<Self> {
        let process = PathBuf::from(format!("/proc/{}", master.id()));
        let status = std::fs::read_to_string(process.join("status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        let kib: f64 = peak.context("this system does not tell a process's peak")?.parse()?;
        // Sets the peak back to what is held now.
        std::fs::write(process.join("clear_refs"), "5")?;
        let files_mb = megabytes_below(&farm.path().join("master"), |_| true)?;
        Ok(Self { files_mb, memory_mb: kib * 1024.0 / 1e6 })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            files_mb: self.files_mb - before.files_mb,
            memory_mb: self.memory_mb - before.memory_mb,
        }
    }
}

/// Length of the files that `counts`, in 10^6 bytes.
fn megabytes_below(folder: &Path, counts: fn(&Path) -> bool) -> anyhow::Result<f64> {
    let mut megabytes = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            megabytes += megabytes_below(&path, counts)?;
        } else if counts(&path) {
            // A file may go between being listed and being looked at.
            megabytes += path.metadata().map_or(0.0, |file| file.len() as f64 / 1e6);
        }
    }
    Ok(megabytes)
}

/// The aim, and whether `value` keeps it.
fn below(limit: f64, unit: &str, value: f64) -> String {
    format!("< {limit} {unit}: {}", if value < limit { "met" } else { "MISSED" })
}
