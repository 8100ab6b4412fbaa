//! What the master is told at its start.

use crate::scene;
use crate::settlement::ChainConfig;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tessera_ledger::CarryTerms;
use tessera_protocol::job::JobSpec;
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::node::ConformanceHash;
use tessera_protocol::{Amount, FrameNumber, KernelId, PixelSum, QuoteSeed, RayPrice, SceneHash};
use tessera_quote::Look;
use tessera_reference::Pixel;

/// What was seen in a scene that can be rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// What will be missing from the picture, a sentence each.
    pub warnings: Vec<String>,
    /// What it takes of a node.
    pub memory: SceneMemory,
}

/// Looks into a scene when a job is submitted: the `.glb`, the environment where the job has one,
/// and the job. An error is why the scene cannot be rendered at all, for people. It may take its
/// time: it has its own thread.
pub type InspectScene =
    Arc<dyn Fn(&Path, Option<&Path>, &JobSpec) -> Result<Inspected, String> + Send + Sync>;

/// What was computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// The canonical scene that the files and the frame give.
    pub scene: SceneHash,
    /// The sums of each pixel asked for, in order.
    pub sums: Vec<PixelSum>,
}

/// Computes pixels of a job's frame again, from the `.glb` and the environment where the job has one.
/// It may take its time: it has its own thread. An error is this machine's, never the pixels'.
pub type Recompute = Arc<
    dyn Fn(&Path, Option<&Path>, &JobSpec, FrameNumber, &[Pixel]) -> Result<Recomputed, String>
        + Send
        + Sync,
>;

/// Looks at a few pixels of a job, from the `.glb` and the environment where the job has one: which, the
/// seed decides. It may take seconds: it has its own thread. An error is for people.
pub type Probe =
    Arc<dyn Fn(&Path, Option<&Path>, &JobSpec, &QuoteSeed) -> Result<Look, String> + Send + Sync>;

/// Everything that one master is told.
#[derive(Clone)]
pub struct Config {
    /// The folder of its state. One master at a time.
    pub state: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether something in front of it speaks TLS, so that it may listen beyond this machine.
    pub behind_tls_proxy: bool,
    /// The kernel that jobs pin and nodes must have.
    pub kernel: KernelId,
    /// What that kernel makes of each conformance scene. A node is exact when it shows exactly
    /// these; where there are none to show, no node is.
    pub conformance: Vec<ConformanceHash>,
    /// What looks into scenes.
    pub inspect_scene: InspectScene,
    /// What audits compare with.
    pub recompute: Recompute,
    /// What quotes look with.
    pub probe: Probe,
    /// Whether the master audits by itself; otherwise auditors do, and it looks only at what they would
    /// reject.
    pub audits_itself: bool,
    /// How often nodes say that they are alive; a lease ends after [`Self::MISSED_HEARTBEATS`].
    pub heartbeat: Duration,
    /// Largest upload, in bytes.
    pub upload_bytes_max: u64,
    /// How long results are kept once their job is over, so that receipts can be checked.
    pub keep_results: Duration,
    /// How long a job that failed waits for its owner to requeue it.
    pub keep_failed: Duration,
    /// How long an upload is kept that no job needs any more.
    pub keep_uploads: Duration,
    /// How often a unit may fail, on nodes of several owners, before its job does.
    pub failures_allowed: usize,
    /// How many times as long as usual a lease takes that is given to an idle node as well; 0 for never.
    pub straggler_times: u32,
    /// A gateway holds a session this long after its last beat, and a worker after its last
    /// heartbeat.
    pub session_lease: Duration,
    /// A source that left may come back within this time and continue its session.
    pub reconnect: Duration,
    /// Notes on a stream's health have to stand this long before webhooks are told.
    pub health_settles: Duration,
    /// The wait before a webhook's second attempt; later ones are longer.
    pub webhook_wait: Duration,
    /// How long a webhook may take to answer.
    pub webhook_timeout: Duration,
    /// Whether webhooks may be sent to private addresses; otherwise only to public ones and, where
    /// the master itself listens on loopback and nothing stands in front of it, to loopback.
    pub webhooks_to_private: bool,
    /// What nodes ask for 10^9 factored rays that do not say what they ask.
    pub suggested_price: RayPrice,
    /// How far the operator's reserve stands in where a job costs more than its ceiling.
    pub carry: CarryTerms,
    /// How long a frame that was paid for waits for its owner's approval; not at all where it is 0.
    pub approve_after: Duration,
    /// How long a segment waits to be paid: until then its pictures may be compared.
    pub segments_settle: Duration,
    /// Where it settles; where there is nothing, nobody pays.
    pub chain: Option<ChainConfig>,
    /// Whether anybody may make an account.
    pub sign_up: bool,
    /// The `render-node` that machines install from here; none can where there is none.
    pub node_program: Option<PathBuf>,
}

impl Config {
    /// Heartbeats that a node may miss before its lease ends.
    pub const MISSED_HEARTBEATS: u32 = 3;
    /// Without another wish.
    pub const HEARTBEAT: Duration = Duration::from_secs(10);
    /// Without another wish: 2 GiB.
    pub const UPLOAD_BYTES_MAX: u64 = 2 << 30;
    /// A month: whoever looks at a film, and wants another of the same scene, has it here still.
    pub const KEEP_UPLOADS: Duration = Duration::from_secs(30 * 24 * 3600);
    /// Without another wish: two days.
    pub const KEEP_RESULTS: Duration = Duration::from_secs(48 * 3600);
    /// As long as results are usually kept. Not as long as an operator says, which may be no time, or years.
    pub const KEEP_FAILED: Duration = Self::KEEP_RESULTS;
    /// Without another wish.
    pub const FAILURES_ALLOWED: usize = 5;
    /// Without another wish.
    pub const STRAGGLER_TIMES: u32 = 2;
    /// Without another wish: a gateway beats every second, and misses a few at most.
    pub const SESSION_LEASE: Duration = Duration::from_secs(6);
    /// Without another wish.
    pub const RECONNECT: Duration = Duration::from_secs(30);
    /// Without another wish.
    pub const HEALTH_SETTLES: Duration = Duration::from_secs(5);
    /// Without another wish.
    pub const WEBHOOK_WAIT: Duration = Duration::from_secs(5);
    /// Without another wish.
    pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
    /// Without another wish: a tenth of a token. A core traces 10^9 rays in some minutes, a large GPU in
    /// a second.
    pub const SUGGESTED_PRICE: RayPrice = RayPrice(100_000);
    /// Without another wish: half of a ceiling again, and a hundred tokens for all jobs of one payer.
    pub const CARRY: CarryTerms = CarryTerms { job_permille: 500, payer_most: Amount(100_000_000) };

    /// Without another wish: a day.
    pub const APPROVE_AFTER: Duration = Duration::from_secs(24 * 3600);
    /// Without another wish: comparisons take seconds.
    pub const SEGMENTS_SETTLE: Duration = Duration::from_secs(60);

    /// The usual settings, on a free port of this machine.
    pub fn new(
        state: PathBuf,
        kernel: KernelId,
        conformance: Vec<ConformanceHash>,
        inspect_scene: InspectScene,
        recompute: Recompute,
    ) -> Self {
        Self {
            state,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            behind_tls_proxy: false,
            kernel,
            conformance,
            inspect_scene,
            recompute,
            probe: scene::prober(),
            audits_itself: true,
            heartbeat: Self::HEARTBEAT,
            upload_bytes_max: Self::UPLOAD_BYTES_MAX,
            keep_results: Self::KEEP_RESULTS,
            keep_failed: Self::KEEP_FAILED,
            keep_uploads: Self::KEEP_UPLOADS,
            failures_allowed: Self::FAILURES_ALLOWED,
            straggler_times: Self::STRAGGLER_TIMES,
            session_lease: Self::SESSION_LEASE,
            reconnect: Self::RECONNECT,
            health_settles: Self::HEALTH_SETTLES,
            webhook_wait: Self::WEBHOOK_WAIT,
            webhook_timeout: Self::WEBHOOK_TIMEOUT,
            webhooks_to_private: false,
            suggested_price: Self::SUGGESTED_PRICE,
            carry: Self::CARRY,
            approve_after: Self::APPROVE_AFTER,
            segments_settle: Self::SEGMENTS_SETTLE,
            chain: None,
            sign_up: true,
            node_program: None,
        }
    }

    /// Whether the master is for this machine alone.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback() && !self.behind_tls_proxy
    }

    /// How long a silent lease stands, in milliseconds.
    pub fn lease_ms(&self) -> i64 {
        let silence = self.heartbeat * Self::MISSED_HEARTBEATS;
        i64::try_from(silence.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Shows every setting. None of them is secret: tokens are not settings.
impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "  state             {}", self.state.display())?;
        writeln!(f, "  listen            {}", self.listen)?;
        writeln!(f, "  behind-tls-proxy  {}", self.behind_tls_proxy)?;
        writeln!(f, "  kernel            {}", self.kernel)?;
        writeln!(f, "  conformance       {} scenes", self.conformance.len())?;
        writeln!(f, "  heartbeat         {} ms", self.heartbeat.as_millis())?;
        writeln!(f, "  upload-bytes-max  {}", self.upload_bytes_max)?;
        writeln!(f, "  keep-results      {} h", self.keep_results.as_secs() / 3600)?;
        writeln!(f, "  keep-uploads      {} days", self.keep_uploads.as_secs() / (24 * 3600))?;
        writeln!(f, "  audits-itself     {}", if self.audits_itself { "yes" } else { "no" })?;
        writeln!(f, "  failures-allowed  {}", self.failures_allowed)?;
        writeln!(f, "  straggler-times   {}", self.straggler_times)?;
        writeln!(f, "  reconnect         {} ms", self.reconnect.as_millis())?;
        writeln!(f, "  approve-after     {} s", self.approve_after.as_secs())?;
        writeln!(f, "  segments-settle   {} s", self.segments_settle.as_secs())?;
        match &self.chain {
            Some(chain) => writeln!(f, "  chain-url         {}", chain.rpc_url)?,
            None => writeln!(f, "  chain-url         none: nobody pays and nobody is paid")?,
        }
        writeln!(f, "  sign-up           {}", if self.sign_up { "on" } else { "off" })?;
        write!(f, "  webhooks-private  {}", self.webhooks_to_private)
    }
}
