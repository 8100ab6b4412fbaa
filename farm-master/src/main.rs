//! `farm-master`: see the library.

use anyhow::Context as _;
use clap::Parser;
use tessera_farm_master::{scene, settings::Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The farm's master: uploads, jobs, leases, submits, assembly
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serves the farm until it is stopped
    Serve(Settings),
    /// Prints the OpenAPI description of the interface
    Openapi,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Openapi => {
            print!("{}", tessera_farm_master::routes::openapi_document());
            Ok(())
        }
        Command::Serve(settings) => serve(settings).await,
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("FARM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut terminate = signal(SignalKind::terminate()).context("could not await SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not await SIGINT")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let conformance = scene::conformance().context("the conformance hashes are damaged")?;
    let config = settings.into_config(scene::kernel(), conformance, scene::inspector());
    tessera_farm_master::serve(config, shutdown).await
}
