//! The command line of `farm-master serve`. A flag wins over its environment variable.

use crate::config::{Config, InspectScene};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tessera_protocol::KernelId;
use tessera_protocol::node::ConformanceHash;

/// What can be set from outside.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The folder of the master's state; made where it is missing
    #[arg(long, env = "FARM_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "FARM_LISTEN", default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Something in front of the master speaks TLS, so it may listen beyond this machine
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
    /// How often a unit may fail, on several nodes, before its job does
    #[arg(
        long, env = "FARM_FAILURES_ALLOWED", value_name = "N",
        default_value_t = Config::FAILURES_ALLOWED
    )]
    pub failures_allowed: usize,
}

impl Settings {
    /// The master's configuration: these settings, and what the program itself brings.
    pub fn into_config(
        self,
        kernel: KernelId,
        conformance: Vec<ConformanceHash>,
        inspect_scene: InspectScene,
    ) -> Config {
        Config {
            state: self.state,
            listen: self.listen,
            behind_tls_proxy: self.behind_tls_proxy,
            kernel,
            conformance,
            inspect_scene,
            heartbeat: Duration::from_millis(self.heartbeat_ms),
            upload_bytes_max: self.upload_bytes_max,
            failures_allowed: self.failures_allowed.max(1),
        }
    }
}
