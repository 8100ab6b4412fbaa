//! `farm-master`: see the library.

use anyhow::Context as _;
use clap::Parser;
use std::path::{Path, PathBuf};
use tessera_farm_master::auditor::{self, AuditorArguments};
use tessera_farm_master::scene::{self, shut_in};
use tessera_farm_master::{referee, settings::Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The farm's master: uploads, jobs, leases, submits, assembly
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Serves the farm until it is stopped
    Serve(Settings),
    /// Looks at results in a master's place, where one is not enough
    Audit(AuditorArguments),
    /// Prints the OpenAPI description of the interface
    Openapi,
    /// Reads a scene for `serve`, under limits of its own
    #[command(name = shut_in::COMMAND, hide = true)]
    InspectScene(shut_in::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Serve(settings) => runtime()?.block_on(serve(settings)),
        Command::Audit(arguments) => runtime()?.block_on(audit(&arguments)),
        Command::Openapi => {
            print!("{}", tessera_farm_master::routes::openapi_document());
            Ok(())
        }
        // Without a runtime: its threads' stacks would count.
        Command::InspectScene(arguments) => shut_in::answer(&arguments),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("FARM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Ready on the first SIGTERM or SIGINT.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("could not await SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not await SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn audit(arguments: &AuditorArguments) -> anyhow::Result<()> {
    log_to_stderr();
    let stopping = CancellationToken::new();
    let told = told_to_stop()?;
    let stop = stopping.clone();
    tokio::spawn(async move {
        told.await;
        stop.cancel();
    });
    auditor::run(arguments, scene::kernel(), stopping).await
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    log_to_stderr();
    let shutdown = told_to_stop()?;
    let conformance = scene::conformance().context("the conformance hashes are damaged")?;
    let referee = referee::referee(usize::from(settings.audit_threads).max(1));
    let inspector = shut_in::inspector(this_program()?, settings.scene_limits());
    let config = settings.into_config(scene::kernel(), conformance, inspector, referee);
    tessera_farm_master::serve(config, shutdown).await
}

/// The program that runs, even where its file was replaced by another release meanwhile.
fn this_program() -> anyhow::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("could not find this program's own file")
}
