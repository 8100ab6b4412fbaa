//! `render-node run`: work for a master until told to stop.

use super::{BackendArguments, log_to_stderr};
use crate::agent::{self, AgentError, Config};
use crate::house::House;
use crate::machine;
use crate::render::conformance;
use crate::renderer::Renderer;
use crate::renderer::line::Launch;
use crate::update::{self, Updates};
use anyhow::anyhow;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use tessera_client::MasterArguments;
use tessera_protocol::RayPrice;
use tessera_protocol::node::{DeviceClass, DeviceView};
use tessera_reference::kernel_id;
use tracing::info;

/// Whom to work for, and with what.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    master: MasterArguments,
    /// This node's own folder: its key, what it has yet to send, and fetched scenes.
    #[arg(long, value_name = "DIR", default_value = ".tessera-node")]
    state: PathBuf,
    /// What people call this node; the machine's name by default.
    #[arg(long, env = "TESSERA_NODE_NAME")]
    name: Option<String>,
    /// How much of the disk fetched scenes may take, in gigabytes.
    #[arg(long, value_name = "GB", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    cache_gb: u64,
    /// What this node asks for 10^9 factored rays, in tokens; what the farm suggests by default.
    #[arg(long, value_name = "TOKENS")]
    ask: Option<RayPrice>,
    /// Run, and ask the master for, releases of this program that are signed by the key in this file; without, none.
    #[cfg(target_os = "linux")]
    #[arg(long, value_name = "FILE")]
    update_key: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArguments,
}

/// Shows what the device can, joins, and works until SIGINT or SIGTERM.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    log_to_stderr();
    let state = &arguments.state;
    #[cfg(target_os = "linux")]
    let running = arguments.update_key.as_deref();
    #[cfg(target_os = "linux")]
    let running = running.map(|key| update::start::start(state, key)).transpose()?;
    #[cfg(not(target_os = "linux"))]
    let running = None;
    let (master, token) = (arguments.master.address()?, arguments.master.token()?);
    let house = House::watch(&arguments.state).map_err(|reason| anyhow!(reason))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let launch = Launch::processes(arguments.backend.words(), house.helper());
    let inside = runtime.enter();
    let mut stop = pin!(machine::told_to_stop()?);
    drop(inside);
    let renderer = runtime.block_on(async {
        tokio::select! {
            renderer = Renderer::start(launch) => Some(renderer),
            () = &mut stop => None,
        }
    });
    let Some(renderer) = renderer.transpose()? else { return Ok(()) };
    let shown = renderer.shown().clone();
    if conformance::class_of(&shown.conformance) == DeviceClass::Tolerant {
        info!("this device's hashes are not the kernel's: `render-node check` shows which");
    }
    let updates = running.map(|running| Updates::new(&master, state, running)).transpose()?;
    let config = Config {
        master,
        token,
        state: arguments.state.clone(),
        name: arguments.name.clone().or_else(machine::name).unwrap_or_else(|| "node".to_owned()),
        device: DeviceView {
            backend: shown.backend,
            device: shown.device,
            kernel: kernel_id(),
            conformance: shown.conformance,
        },
        cache_bytes: arguments.cache_gb.saturating_mul(1_000_000_000),
        ask: arguments.ask,
        house,
        updates,
    };
    Ok(runtime.block_on(agent::run(config, renderer, stop))?)
}

/// How the program ends that failed with this: a node that wants to be started again says so.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(AgentError::Renewed(_)) => ExitCode::from(update::RESTART),
        _ => ExitCode::FAILURE,
    }
}
