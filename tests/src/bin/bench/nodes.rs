//! A thousand nodes at one master, each with a key and a connection of its own, that speak the real protocol over
//! HTTP and sign what they bring; only the rendering was done beforehand. What a node waits for, what a cycle
//! costs, and how three accounts share the nodes.

use crate::master::nothing_to_see;
use crate::tiles::sealed;
use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend as _, Brake, conformance};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tessera_client::{Client, ClientError, Enrolment, NodeClient, no_progress};
use tessera_film::pack::pack;
use tessera_protocol::commit::{Commit, NodeKey, UnitResult};
use tessera_protocol::job::{FrameSpan, JobSpec};
use tessera_protocol::lease::{LeaseGrant, LeaseRequest, Unit};
use tessera_protocol::node::{DeviceClass, DeviceView};
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::tile::TileGrid;
use tessera_protocol::token::TokenScope;
use tessera_protocol::{
    BlobHash, FrameNumber, JobId, SampleRange, SceneHash, UnitIndex, sums, tree,
};
use tessera_reference::{Source, kernel_id};
use tessera_scenes::environment::{Packing, sky};
use world::farm::Farm;
use world::process::Process;
use world::usage::Usage;

/// So long that no lease expires.
const HEARTBEAT: Duration = Duration::from_secs(60);
const NODES: usize = 1000;
/// Joining is two questions and two signatures; so many at once.
const JOIN_AT_ONCE: usize = 16;
const ACCOUNTS: usize = 3;
/// Pixels whose packed sums are about a kilobyte.
const TILE: u32 = 12;
/// Ten thousand units a job.
const SIDE: u32 = 1200;
/// Between two leases of a node that renders meanwhile.
const RENDERS_FOR: Duration = Duration::from_secs(2);
/// How long nodes are watched that do.
const WATCHED_FOR: Duration = Duration::from_secs(20);

pub(crate) async fn crowd() -> anyhow::Result<()> {
    let farm = Farm::new(HEARTBEAT);
    let master = farm.start_master();
    let client = farm.client().await;
    let work = Arc::new(Work::paint(SIDE)?);
    let nodes = join_all(&farm, &client, NODES).await?;
    let accounts = accounts(&farm, &client, &work, ACCOUNTS).await?;
    at_work(&master, &nodes, &accounts, &work).await?;
    without_a_pause(&master, &nodes, &accounts, &work).await
}

/// What everybody renders, rendered beforehand: a job's only frame, unit by unit.
pub(crate) struct Work {
    side: u32,
    units: Vec<Painted>,
    scene: SceneHash,
    glb: Vec<u8>,
    sky: Vec<u8>,
}

struct Painted {
    result: UnitResult,
    packed: Vec<u8>,
}

impl Work {
    /// A camera that looks past all there is into a sky of colours: each sample is one ray.
    pub(crate) fn paint(side: u32) -> anyhow::Result<Self> {
        let glb = nothing_to_see();
        let sky = sky(64, 32, Packing::Runs, |direction| direction.map(|x| 0.6 + 0.5 * x));
        let settings = settings(side, BlobHash::of(&sky));
        let frame = Source::load(&glb, Some(&sky))?.frame(&settings, FrameNumber(0), 0.0)?;
        let scene = frame.hash;
        let mut cpu = CpuBackend::new(None);
        cpu.load(Arc::new(frame))?;
        let grid = TileGrid::new(side, side, TILE).context("a grid")?;
        let units = (0..grid.count()).map(|index| {
            let rect = grid.rect(index).context("a tile of the grid")?;
            let samples = SampleRange { start: 0, end: settings.spp };
            let pixels = cpu.render(rect, samples, &Brake::default())?;
            let unit = UnitIndex(index);
            let result = UnitResult { unit, root: tree::root(&pixels), rays: sums::rays(&pixels) };
            anyhow::Ok(Painted { result, packed: pack(&pixels) })
        });
        Ok(Self { side, units: units.collect::<anyhow::Result<_>>()?, scene, glb, sky })
    }

    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    fn packed_kb(&self) -> f64 {
        let bytes: usize = self.units.iter().map(|unit| unit.packed.len()).sum();
        bytes as f64 / 1e3 / self.units.len() as f64
    }

    /// A submit's body; `spoilt`, of units that are not what they should be.
    fn body(&self, grant: &LeaseGrant, key: &NodeKey, spoilt: bool) -> Vec<u8> {
        // Other units' pixels are as long, and wrong.
        let shift = usize::from(spoilt);
        let painted = |unit: &Unit| {
            let at = unit.index.0 as usize;
            (unit.index, &self.units[(at + shift) % self.units.len()])
        };
        let painted: Vec<_> = grant.units.iter().map(painted).collect();
        let result =
            |(unit, painted): &(UnitIndex, &Painted)| UnitResult { unit: *unit, ..painted.result };
        let results = painted.iter().map(result).collect();
        let commit = Commit::under(grant, key.node(), self.scene, results);
        let packed: Vec<_> = painted.iter().map(|(_, painted)| painted.packed.clone()).collect();
        sealed(key, commit, &packed)
    }
}

fn settings(side: u32, sky: BlobHash) -> RenderSettings {
    let environment = Environment { blob: sky, strength: 1.0, rotation_deg: 0.0 };
    RenderSettings {
        width: side,
        height: side,
        spp: 1,
        environment: Some(environment),
        ..RenderSettings::default()
    }
}

/// Somebody who has jobs rendered.
pub(crate) struct Account {
    pub(crate) client: Client,
    pub(crate) spec: JobSpec,
}

pub(crate) async fn accounts(
    farm: &Farm,
    operator: &Client,
    work: &Work,
    count: usize,
) -> anyhow::Result<Vec<Account>> {
    let mut accounts = vec![];
    for _ in 0..count {
        let token = operator.create_token(TokenScope::Artist).await?.token;
        let client = Client::new(operator.master().clone(), Some(token))?;
        let upload = async |name: &str, bytes: &[u8]| -> anyhow::Result<BlobHash> {
            let file = farm.path().join(name);
            std::fs::write(&file, bytes)?;
            Ok(client.upload(&file, no_progress()).await?.blob)
        };
        let spec = JobSpec {
            name: "crowd".to_owned(),
            scene: upload("nothing.glb", &work.glb).await?,
            settings: settings(work.side, upload("sky.hdr", &work.sky).await?),
            frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(0) },
            fps: 24,
            tile: TILE,
            samples_per_unit: 1,
            class: DeviceClass::Exact,
        };
        accounts.push(Account { client, spec });
    }
    Ok(accounts)
}

/// A node that has joined.
pub(crate) struct Joined {
    pub(crate) client: NodeClient,
    key: NodeKey,
}

pub(crate) async fn join_all(
    farm: &Farm,
    operator: &Client,
    count: usize,
) -> anyhow::Result<Vec<Arc<Joined>>> {
    let mut cpu = CpuBackend::new(None);
    let device = DeviceView {
        backend: cpu.describe().backend.to_owned(),
        device: cpu.describe().device,
        kernel: kernel_id(),
        conformance: conformance::render_all(&mut cpu)?,
    };
    let token = std::fs::read_to_string(farm.token_file())?;
    let join = async |number: usize| {
        // A pool of connections of its own, as each real node has.
        let enrolment = Enrolment::new(operator.master().clone(), token.trim().to_owned())?;
        let key = NodeKey::generate()?;
        let (view, client) = enrolment.join(&key, &format!("node {number}"), &device).await?;
        ensure!(view.class == DeviceClass::Exact, "not exact: are all programs of one build?");
        anyhow::Ok(Arc::new(Joined { client, key }))
    };
    stream::iter(0..count).map(join).buffered(JOIN_AT_ONCE).try_collect().await
}

/// What a crowd did.
#[derive(Default)]
struct Done {
    /// Whose units were leased, in this order.
    leased: Vec<JobId>,
    /// How long each lease took that was asked for.
    waits: Vec<Duration>,
}

impl Joined {
    /// Asks for a unit, and waits for it no longer than this.
    pub(crate) async fn lease(&self, wait: Duration) -> Result<Option<LeaseGrant>, ClientError> {
        let wait_ms = wait.as_millis() as u64;
        self.client
            .lease(&LeaseRequest {
                kernel: kernel_id(),
                samples_wanted: 1,
                wait_ms,
                ask: None,
                memory: None,
            })
            .await
    }

    /// Brings what a lease is for.
    pub(crate) async fn bring(
        &self,
        work: &Work,
        grant: &LeaseGrant,
        spoilt: bool,
    ) -> Result<SubmitView, ClientError> {
        self.client.submit(grant.lease, work.body(grant, &self.key, spoilt)).await
    }

    /// Leases a unit and brings it; `None` when there is none.
    async fn cycle(&self, work: &Work, done: &Mutex<Done>) -> anyhow::Result<Option<()>> {
        let asked = Instant::now();
        let Some(grant) = self.lease(Duration::ZERO).await? else { return Ok(None) };
        {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.leased.push(grant.job);
            done.waits.push(asked.elapsed());
        }
        self.bring(work, &grant, false).await?;
        Ok(Some(()))
    }
}

/// Has each account submit a job, and all nodes work until `until` has them stop.
async fn let_them_work<F: Future<Output = anyhow::Result<()>> + Send + 'static>(
    nodes: &[Arc<Joined>],
    accounts: &[Account],
    name: &str,
    node: impl Fn(usize, Arc<Joined>, Arc<Mutex<Done>>) -> F,
) -> anyhow::Result<(Vec<JobId>, Done)> {
    let mut jobs = vec![];
    for account in accounts {
        jobs.push(account.client.submit(&account.spec, name).await?.id);
    }
    let done = Arc::<Mutex<Done>>::default();
    let tasks = nodes.iter().enumerate();
    let tasks: Vec<_> =
        tasks.map(|(number, one)| tokio::spawn(node(number, one.clone(), done.clone()))).collect();
    for task in tasks {
        task.await??;
    }
    let done = Arc::into_inner(done).context("a node still works")?;
    Ok((jobs, done.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// All at once, without a pause, until nothing is left.
async fn without_a_pause(
    master: &Process,
    nodes: &[Arc<Joined>],
    accounts: &[Account],
    work: &Arc<Work>,
) -> anyhow::Result<()> {
    let (begun, cpu) = (Instant::now(), Usage::of_itself(master.id()).cpu_s);
    let (jobs, done) = let_them_work(nodes, accounts, "busy", |_, node, done| {
        let work = work.clone();
        async move {
            while node.cycle(&work, &done).await?.is_some() {}
            Ok(())
        }
    })
    .await?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), Usage::of_itself(master.id()).cpu_s - cpu);
    let cycles = done.leased.len() as f64;
    let units = accounts.len() * work.units.len();
    ensure!(done.leased.len() == units, "{cycles} leases for {units} units");

    let what = "1,000 nodes, no pause";
    let how = format!(
        "farm-master as a process; {NODES} nodes, a connection each, lease a unit and submit {:.1} kB, signed, again \
         and again; {ACCOUNTS} jobs of {} units; the nodes' own work on the same cores",
        work.packed_kb(),
        work.units.len()
    );
    let rate = cycles / seconds;
    let aim = format!("5000/s: {}", if rate >= 5000.0 { "met" } else { "MISSED" });
    row(what, &format!("{rate:.0} cycles/s"), &aim, &how);
    let how = "of the master, over leases and submits; what it audits meanwhile is in it";
    row(what, &format!("{:.0} us of CPU a cycle", 1e6 * cpu / cycles), NO_AIM, how);
    // Before the first half is leased no account can have run out.
    let half = &done.leased[..units / 2];
    let share = |job: &JobId| half.iter().filter(|leased| *leased == job).count();
    let shares = jobs.iter().map(|job| 100.0 * share(job) as f64 / half.len() as f64);
    let shares = shares.map(|share| format!("{share:.1} %")).collect::<Vec<_>>().join(", ");
    let how = "each account's part of the first half of the leases above; fair is a third";
    row("three accounts at once", &shares, NO_AIM, how);
    for (account, job) in accounts.iter().zip(jobs) {
        account.client.cancel(job).await?;
    }
    Ok(())
}

/// Each renders for a while between two leases.
async fn at_work(
    master: &Process,
    nodes: &[Arc<Joined>],
    accounts: &[Account],
    work: &Arc<Work>,
) -> anyhow::Result<()> {
    let (until, cpu) = (Instant::now() + WATCHED_FOR, Usage::of_itself(master.id()).cpu_s);
    let (jobs, mut done) = let_them_work(nodes, accounts, "calm", |number, node, done| {
        let work = work.clone();
        // Spread over the first round, as they would be.
        let mut next = Instant::now() + RENDERS_FOR.mul_f64(number as f64 / NODES as f64);
        async move {
            while next < until {
                tokio::time::sleep_until(next.into()).await;
                ensure!(node.cycle(&work, &done).await?.is_some(), "all is rendered");
                next += RENDERS_FOR;
            }
            Ok(())
        }
    })
    .await?;
    let cpu = Usage::of_itself(master.id()).cpu_s - cpu;
    done.waits.sort_unstable();
    let of = |part: f64| done.waits[((done.waits.len() - 1) as f64 * part) as usize];
    let [p50, p99] = [0.5, 0.99].map(|part| 1e3 * of(part).as_secs_f64());
    let what = "1,000 nodes at work";
    let how = format!(
        "the same, but each node renders for {} s between two leases: {:.0} cycles/s for {} s; from question to \
         answer, at the node",
        RENDERS_FOR.as_secs(),
        done.waits.len() as f64 / WATCHED_FOR.as_secs_f64(),
        WATCHED_FOR.as_secs()
    );
    let aim = format!("p99 < 50 ms: {}", if p99 < 50.0 { "met" } else { "MISSED" });
    row(what, &format!("a lease: p50 {p50:.1} ms, p99 {p99:.1} ms"), &aim, &how);
    let cpu = format!("{:.0} us of CPU a cycle", 1e6 * cpu / done.waits.len() as f64);
    row(what, &cpu, NO_AIM, "of the master; what it audits meanwhile is in it");
    for (account, job) in accounts.iter().zip(jobs) {
        account.client.cancel(job).await?;
    }
    Ok(())
}
