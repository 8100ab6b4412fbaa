//! The command line of `farm-master serve`. A flag wins over its environment variable.

use crate::config::{Config, InspectScene, Recompute};
use crate::scene::shut_in::SceneLimits;
use crate::settlement::ChainConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tessera_protocol::finance::ChainAddress;
use tessera_protocol::node::ConformanceHash;
use tessera_protocol::{Amount, KernelId, RayPrice};

/// What can be set from outside.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The folder of the master's state; made where it is missing
    #[arg(long, env = "FARM_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "FARM_LISTEN", default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Something in front of the master speaks TLS, so it may listen beyond this machine. Who is told apart by
    /// address is taken from the last entry of its X-Forwarded-For
    #[arg(long, env = "FARM_BEHIND_TLS_PROXY")]
    pub behind_tls_proxy: bool,
    /// How often nodes say that they are alive, in milliseconds
    #[arg(
        long, env = "FARM_HEARTBEAT_MS", value_name = "MS",
        default_value_t = Config::HEARTBEAT.as_millis() as u64,
        value_parser = clap::value_parser!(u64).range(10..=3_600_000)
    )]
    pub heartbeat_ms: u64,
    /// Largest upload, in bytes
    #[arg(
        long, env = "FARM_UPLOAD_BYTES_MAX", value_name = "BYTES",
        default_value_t = Config::UPLOAD_BYTES_MAX
    )]
    pub upload_bytes_max: u64,
    /// How long results are kept once their job is over, in hours: as long, receipts can be checked
    #[arg(
        long, env = "FARM_KEEP_RESULTS_H", value_name = "H",
        default_value_t = Config::KEEP_RESULTS.as_secs() / 3600,
        value_parser = clap::value_parser!(u64).range(0..=87_600)
    )]
    pub keep_results_h: u64,
    /// How long an upload is kept that no job needs any more, in days
    #[arg(
        long, env = "FARM_KEEP_UPLOADS_DAYS", value_name = "DAYS",
        default_value_t = (Config::KEEP_UPLOADS.as_secs() / (24 * 3600)) as u32,
        value_parser = clap::value_parser!(u32).range(0..=36_500)
    )]
    pub keep_uploads_days: u32,
    /// What a process may take that reads somebody's scene, in megabytes of 2^20 bytes
    #[arg(
        long, env = "FARM_SCENE_MEMORY_MB", value_name = "MB",
        default_value_t = SceneLimits::default().memory_mb
    )]
    pub scene_memory_mb: u64,
    /// The same, in seconds of one core
    #[arg(long, env = "FARM_SCENE_CPU_S", value_name = "S", default_value_t = SceneLimits::default().cpu_s)]
    pub scene_cpu_s: u64,
    /// How often a unit may fail, on nodes of several owners, before its job does
    #[arg(
        long, env = "FARM_FAILURES_ALLOWED", value_name = "N",
        default_value_t = Config::FAILURES_ALLOWED
    )]
    pub failures_allowed: usize,
    /// How many times as long as usual a lease takes at a job's end that an idle node gets as well; 0 for never. Both
    /// are paid
    #[arg(
        long, env = "FARM_STRAGGLER_TIMES", value_name = "N", default_value_t = Config::STRAGGLER_TIMES,
        value_parser = clap::value_parser!(u32).range(0..=100)
    )]
    pub straggler_times: u32,
    /// Within which time a source that left may continue its session, in milliseconds
    #[arg(
        long, env = "FARM_RECONNECT_MS", value_name = "MS",
        default_value_t = Config::RECONNECT.as_millis() as u64,
        value_parser = clap::value_parser!(u64).range(0..=3_600_000)
    )]
    pub reconnect_ms: u64,
    /// Threads that audit results; audits take a hundredth of what rendering takes. With 0 they are left
    /// to `farm-master audit`, started elsewhere
    #[arg(
        long, env = "FARM_AUDIT_THREADS", value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(0..=256)
    )]
    pub audit_threads: u16,
    /// What 10^9 factored rays cost where half of the nodes are busy, in tokens: what the farm suggests moves about
    /// it, by a tenth an hour at most. Nodes that do not say what they ask, ask what is suggested
    #[arg(long, env = "FARM_SUGGESTED_PRICE", value_name = "TOKENS", default_value_t = Config::SUGGESTED_PRICE)]
    pub suggested_price: RayPrice,
    /// How long a frame that was paid for waits for its owner's approval, in seconds; then it is approved by
    /// itself
    #[arg(
        long, env = "FARM_APPROVE_AFTER_S", value_name = "S",
        default_value_t = Config::APPROVE_AFTER.as_secs(),
        value_parser = clap::value_parser!(u64).range(0..=30 * 24 * 3600)
    )]
    pub approve_after_s: u64,
    /// How long a delivered segment of a stream waits to be paid, in seconds: until then its pictures may be
    /// compared
    #[arg(
        long, env = "FARM_SEGMENTS_SETTLE_S", value_name = "S",
        default_value_t = Config::SEGMENTS_SETTLE.as_secs(),
        value_parser = clap::value_parser!(u64).range(0..=24 * 3600)
    )]
    pub segments_settle_s: u64,
    /// Where the farm settles
    #[command(flatten)]
    pub chain: ChainSettings,
    /// Whether anybody may make an account; with `off`, people sign in by tokens that the operator makes
    #[arg(
        long, env = "FARM_SIGN_UP", value_name = "on|off", default_value = "on",
        value_parser = on_or_off, action = clap::ArgAction::Set
    )]
    pub sign_up: bool,
    /// The render-node that machines install from here; by default the one beside this program. With FILE.sig
    /// beside it, of `render-node release sign`, nodes take it for an update as well
    #[arg(long, env = "FARM_NODE_PROGRAM", value_name = "FILE")]
    pub node_program: Option<PathBuf>,
    /// Webhooks may be sent to private addresses
    #[arg(long, env = "FARM_WEBHOOKS_PRIVATE")]
    pub webhooks_private: bool,
}

/// Where the farm settles. Without a URL nobody pays and nobody is paid.
#[derive(Debug, Clone, clap::Args)]
pub struct ChainSettings {
    /// The RPC of the Solana cluster that the farm settles on, or of `local-chain`
    #[arg(long, env = "FARM_CHAIN_URL", value_name = "URL", requires_all = ["program", "mint"])]
    pub chain_url: Option<String>,
    /// The settlement program's address there
    #[arg(long, env = "FARM_PROGRAM", value_name = "ADDRESS", value_parser = address)]
    pub program: Option<ChainAddress>,
    /// The mint that everything is paid in
    #[arg(long, env = "FARM_MINT", value_name = "ADDRESS", value_parser = address)]
    pub mint: Option<ChainAddress>,
    /// How long each epoch can be challenged before it pays, in seconds, where the farm is new on the chain
    #[arg(long, env = "FARM_CHALLENGE_WINDOW_S", value_name = "S", default_value_t = 24 * 3600)]
    pub challenge_window_s: u32,
    /// How often what is owed is settled, in seconds
    #[arg(
        long, env = "FARM_SETTLE_EVERY_S", value_name = "S", default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..=7 * 24 * 3600)
    )]
    pub settle_every_s: u64,
    /// Least that a node is paid at once, in tokens; less stays owed
    #[arg(long, env = "FARM_PAYOUT_FLOOR", value_name = "TOKENS", default_value = "0.01")]
    pub payout_floor: Amount,
    /// What the operator takes of what a job cost, in hundredths of a per cent
    #[arg(
        long, env = "FARM_FEE_BPS", value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=10_000)
    )]
    pub fee_bps: u16,
    /// What the operator sets aside for jobs that cost more than their ceilings, in tokens
    #[arg(long, env = "FARM_RESERVE", value_name = "TOKENS", default_value = "0")]
    pub reserve: Amount,
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

/// An address as wallets write it.
fn address(text: &str) -> Result<ChainAddress, String> {
    let address: solana_address::Address =
        text.parse().map_err(|_| format!("{text:?} is no address in base 58"))?;
    Ok(ChainAddress(address.to_bytes()))
}

impl ChainSettings {
    fn into_config(self) -> Option<ChainConfig> {
        Some(ChainConfig {
            rpc_url: self.chain_url?,
            program: self.program?,
            mint: self.mint?,
            challenge_window: Duration::from_secs(self.challenge_window_s.into()),
            every: Duration::from_secs(self.settle_every_s),
            floor: self.payout_floor,
            fee_bps: self.fee_bps,
            reserve: self.reserve,
        })
    }
}

impl Settings {
    /// What reading a scene may take.
    pub fn scene_limits(&self) -> SceneLimits {
        SceneLimits { memory_mb: self.scene_memory_mb, cpu_s: self.scene_cpu_s }
    }

    /// The master's configuration: these settings, and what the program itself brings.
    pub fn into_config(
        self,
        kernel: KernelId,
        conformance: Vec<ConformanceHash>,
        inspect_scene: InspectScene,
        recompute: Recompute,
    ) -> Config {
        Config {
            listen: self.listen,
            behind_tls_proxy: self.behind_tls_proxy,
            heartbeat: Duration::from_millis(self.heartbeat_ms),
            upload_bytes_max: self.upload_bytes_max,
            keep_results: Duration::from_secs(self.keep_results_h * 3600),
            keep_uploads: Duration::from_secs(u64::from(self.keep_uploads_days) * 24 * 3600),
            failures_allowed: self.failures_allowed.max(1),
            straggler_times: self.straggler_times,
            audits_itself: self.audit_threads > 0,
            reconnect: Duration::from_millis(self.reconnect_ms),
            webhooks_to_private: self.webhooks_private,
            suggested_price: self.suggested_price,
            approve_after: Duration::from_secs(self.approve_after_s),
            segments_settle: Duration::from_secs(self.segments_settle_s),
            chain: self.chain.into_config(),
            sign_up: self.sign_up,
            node_program: self.node_program.or_else(beside_this_program),
            ..Config::new(self.state, kernel, conformance, inspect_scene, recompute)
        }
    }
}

fn beside_this_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("render-node");
    path.is_file().then_some(path)
}
