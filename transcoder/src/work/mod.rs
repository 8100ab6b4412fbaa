//! A worker: takes sessions from a master, and makes their ladders until it is told to stop.
//!
//! It decodes and encodes nothing itself: that is a child's, one for each lane, which has neither
//! network nor files. It decides nothing about streams: what is cut, what is published and what
//! counts is the gateway's.
//!
//! # Contract
//! - A claim is signed over what was sent and nothing else: units are counted and hashed on their way
//!   from the engine to the gateway. It names the segment that the gateway asked for, never one that
//!   an engine made up.
//! - What an engine does ends at most its own lane: the gateway hears why, and decides.
//! - Renditions that the lease does not name are not made: nobody would pay for them.
//! - Receipts are kept on disk until the master has heard of them, from the gateway or from here.
//! - SIGTERM gives all sessions back; SIGKILL loses nothing but receipts of the last moment, which
//!   the gateway has as well.
//!
//! Reading order: [`arguments`] → [`agent`] (joining, taking sessions) → [`shift`] (one session) →
//! [`line`] (one connection) → [`lane`] (one task) → [`tally`] (what is claimed) → [`receipts`],
//! [`measure`], [`status`] (what its owner is told).

pub mod agent;
mod arguments;
pub mod lane;
pub mod line;
pub mod measure;
pub mod receipts;
pub mod shift;
pub mod status;
pub mod tally;

pub use arguments::Arguments;

use crate::state::StateFolder;
use agent::{Agent, Config};
use anyhow::Context;
use receipts::Receipts;
use std::sync::Arc;
use tessera_engine_host::{EngineConfig, EnginePool, Limits, program_beside_this_one};
use tessera_protocol::stream::worker::WorkerAbility;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

/// Lanes of one session at the same time: one segment begins while the last one is finished, and
/// another may be done again for a worker that died.
const LANES_PER_SESSION: usize = 3;
/// How far `--nice` lowers the priority of engines.
const NICE: u8 = 10;

/// Measures this machine once, joins, and works until SIGINT or SIGTERM.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(arguments));
    // Nothing that blocks may hold up the end of the program.
    runtime.shutdown_background();
    outcome
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let stop = told_to_stop()?;
    let (master, token) = (arguments.master.address()?, arguments.master.token()?);
    let state = StateFolder::open(&arguments.state)?;
    let key = Arc::new(state.key()?);
    let receipts = Receipts::open(&state.path().join("receipts"))?;
    let sessions = usize::from(arguments.sessions);
    let pool = EnginePool::new(engine(arguments)?, 1, sessions * LANES_PER_SESSION);

    let file = state.path().join("measured.json");
    let measured = tokio::select! {
        measured = measure::known_or_measured(&file, &pool) => measured.context("could not measure this machine")?,
        () = stopped(stop.clone()) => return Ok(()),
    };
    info!("this machine encodes {:.0} million pixels a second", measured.pixels_per_s as f64 / 1e6);
    let able = WorkerAbility {
        pixels_per_s: measured.pixels_per_s,
        encoders: measured.in_words(),
        codecs: measured.codecs,
        price: arguments.price,
        uplink_bits_per_s: arguments.uplink,
    };
    let (name, folder) = (arguments.name(), state.path().to_path_buf());
    let config = Config { master, token, name, able, sessions, state: folder };
    Agent::new(config, key, pool, receipts)?.work(stop).await?;
    drop(state);
    Ok(())
}

fn engine(arguments: &Arguments) -> anyhow::Result<EngineConfig> {
    let limits = Limits {
        nice: if arguments.nice { NICE } else { 0 },
        without_seccomp: arguments.without_seccomp,
        ..Limits::default()
    };
    Ok(EngineConfig { limits, ..EngineConfig::new(program_beside_this_one()?) })
}

/// Becomes true at the first SIGINT or SIGTERM.
fn told_to_stop() -> std::io::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        sender.send_replace(true);
        // The channel stays open for as long as somebody looks.
        sender.closed().await;
    });
    Ok(stop)
}

/// Ready once there is to be an end.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone will never say so.
    if stop.wait_for(|&stop| stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
