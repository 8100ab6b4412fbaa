//! What the master is told at its start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::KernelId;
use tessera_protocol::job::JobSpec;
use tessera_protocol::node::ConformanceHash;

/// Looks into a scene when a job is submitted: the `.glb`, the environment where the job has one,
/// and the job. Answers what will be missing from the picture, a sentence each; or why the
/// scene cannot be rendered at all, for people. It may take its time: it has its own thread.
pub type InspectScene =
    Arc<dyn Fn(&Path, Option<&Path>, &JobSpec) -> Result<Vec<String>, String> + Send + Sync>;

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
    /// How often nodes say that they are alive; a lease ends after [`Self::MISSED_HEARTBEATS`].
    pub heartbeat: Duration,
    /// Largest upload, in bytes.
    pub upload_bytes_max: u64,
    /// How often a unit may fail, on several nodes, before its job does.
    pub failures_allowed: usize,
}

impl Config {
    /// Heartbeats that a node may miss before its lease ends.
    pub const MISSED_HEARTBEATS: u32 = 3;
    /// Without another wish.
    pub const HEARTBEAT: Duration = Duration::from_secs(10);
    /// Without another wish: 2 GiB.
    pub const UPLOAD_BYTES_MAX: u64 = 2 << 30;
    /// Without another wish.
    pub const FAILURES_ALLOWED: usize = 5;

    /// The usual settings, on a free port of this machine.
    pub fn new(
        state: PathBuf,
        kernel: KernelId,
        conformance: Vec<ConformanceHash>,
        inspect_scene: InspectScene,
    ) -> Self {
        Self {
            state,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            behind_tls_proxy: false,
            kernel,
            conformance,
            inspect_scene,
            heartbeat: Self::HEARTBEAT,
            upload_bytes_max: Self::UPLOAD_BYTES_MAX,
            failures_allowed: Self::FAILURES_ALLOWED,
        }
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
        write!(f, "  failures-allowed  {}", self.failures_allowed)
    }
}
