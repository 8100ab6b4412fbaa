//! `transcoder gateway`: takes sources in, has workers transcode them, publishes the result.
//!
//! It decides little itself: what is a rule is in `tessera-live-core`, and it does what they say. It
//! neither decodes nor encodes; where pictures must be looked at, an engine does it.
//!
//! # Contract
//! - A segment is listed when all its renditions were found to be what was asked, and they and the
//!   countersigned claim are durable; or as the source itself, where no worker brought them in time.
//! - A segment is listed once, under one number, and reported until the master knows it.
//! - Nothing is listed after the lease has lapsed, counted from when the last answered beat was sent.
//! - Keys are remembered as hashes, and never logged.
//! - A broadcaster's address is connected to on the public internet only, unless the operator allows
//!   others, and nobody is told what is found there.
//!
//! Reading order: [`arguments`] → `doors` → `desk` (what all share) → `broker` (who comes in) →
//! `session` (one broadcast) → `restream` → `left_over` (sessions of an earlier run) → `metrics`.

pub mod arguments;
mod broker;
mod clock;
mod desk;
mod doors;
#[cfg(test)]
mod fake_master;
mod http;
mod left_over;
mod metrics;
mod restream;
mod session;

pub use arguments::Arguments;

use crate::state::StateFolder;
use anyhow::Context;
use broker::Doorkeeper;
use desk::Desk;
use doors::Doors;
use metrics::Whom;
use restream::Reach;
use std::sync::Arc;
use std::time::Duration;
use tessera_client::{Backoff, ClientError, Enrolment, GatewayClient};
use tessera_durable::{OsDisk, create_dir};
use tessera_engine_host::{EngineConfig, EnginePool, program_beside_this_one};
use tessera_ingest::Limits;
use tessera_link::{Acceptor, AcceptorConfig, Authorise};
use tessera_protocol::GatewayId;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::gateway::GatewayDoors;
use tessera_publish::{Library, LibraryOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long sessions have to stop when the gateway does.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs until SIGINT or SIGTERM.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(arguments));
    // Nothing that blocks may hold up the end of the program.
    runtime.shutdown_background();
    outcome
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let stopped = told_to_stop()?;
    let state = StateFolder::open(&arguments.state)?;
    doors::retract(state.path());
    let key = state.key()?;
    let open = Doors::open(arguments).await?;
    // Workers are authorised by the desk, which needs a client, which is got by telling the master
    // where workers dial: the first ones wait at the door.
    let (desk_sender, desk_receiver) = watch::channel(None::<Arc<Desk>>);
    let certificate = doors::link_certificate(arguments, state.path())?;
    let config = AcceptorConfig { gateway: GatewayId(key.node().0), certificate };
    let acceptor = Acceptor::bind(arguments.link, config, authorise(desk_receiver)).await?;
    let pin = acceptor.pin().map(|pin| pin.to_string());
    let described = open.described(arguments, acceptor.address(), pin)?;

    let library = library(&state, &described)?;
    let client = tokio::select! {
        joined = join(arguments, &key, &described) => joined?,
        () = stopped.clone().wait() => return Ok(()),
    };
    let reach = if arguments.restream_to_private { Reach::Anywhere } else { Reach::Public };
    let desk = Arc::new(Desk::new(key, client, library, engines(arguments), reach));
    desk_sender.send_replace(Some(Arc::clone(&desk)));

    let serving = serve_doors(open, arguments, Arc::clone(&desk), acceptor, &stopped);
    let tending = [
        tokio::spawn(left_over::see_to(Arc::clone(&desk))),
        tokio::spawn(left_over::collect(Arc::clone(&desk))),
    ];
    doors::announce(state.path(), &described)?;
    tracing::info!(gateway = %desk.id(), http = described.http, "the doors are open");

    serving.await;
    doors::retract(state.path());
    for task in tending {
        task.abort();
    }
    let sessions = desk.all_sessions();
    for session in &sessions {
        let _ = session.send(session::Input::Yield("the gateway stops".to_owned())).await;
    }
    let all = futures::future::join_all(sessions.iter().map(tokio::sync::mpsc::Sender::closed));
    let _ = tokio::time::timeout(STOP_WITHIN, all).await;
    Ok(())
}

fn library(state: &StateFolder, doors: &GatewayDoors) -> anyhow::Result<Library> {
    let folder = state.path().join("live");
    create_dir(&OsDisk, &folder)?;
    let options = LibraryOptions { public_url: doors.http.clone(), ..LibraryOptions::default() };
    Library::open(&folder, options).context("could not open what was published before")
}

fn engines(arguments: &Arguments) -> Option<EnginePool> {
    match program_beside_this_one() {
        Ok(program) => Some(EnginePool::new(EngineConfig::new(program), 0, arguments.engines)),
        Err(error) => {
            tracing::warn!(%error, "there will be no thumbnails, and no pictures are compared");
            None
        }
    }
}

/// Asks the desk, once it is there, whether a worker may come in.
fn authorise(desk: watch::Receiver<Option<Arc<Desk>>>) -> Authorise {
    Arc::new(move |node, lease| {
        let mut desk = desk.clone();
        Box::pin(async move {
            let desk = desk.wait_for(Option::is_some).await.ok().and_then(|desk| desk.clone());
            desk.ok_or("the gateway stops")?.authorise(node, lease).await
        })
    })
}

/// Joins; waits for a master that is away, and fails when it says no.
async fn join(
    arguments: &Arguments,
    key: &NodeKey,
    doors: &GatewayDoors,
) -> anyhow::Result<GatewayClient> {
    let enrolment = Enrolment::new(arguments.master.address()?, arguments.master.token()?)?;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        match enrolment.gateway_join(key, &arguments.name, doors).await {
            Ok((_, client)) => return Ok(client),
            Err(error) if is_final(&error) => return Err(error.into()),
            Err(error) => tracing::info!(%error, "joining is tried again"),
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

fn is_final(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Unauthorised { .. }
            | ClientError::Refused { .. }
            | ClientError::NotUnderstood { .. }
            | ClientError::Tls(_)
    ) && !error.is_transient()
}

/// Serves all doors until the gateway is told to stop.
async fn serve_doors(
    doors: Doors,
    arguments: &Arguments,
    desk: Arc<Desk>,
    mut acceptor: Acceptor,
    stopped: &Stopped,
) {
    let Doors { rtmp, srt, http, tls, metrics } = doors;
    let broker = Arc::new(Doorkeeper::new(Arc::clone(&desk)));
    let limits = arguments.limits();
    let mut router = desk
        .library
        .router()
        .merge(tessera_ingest::http::router(Arc::clone(&broker), limits.clone()))
        .route("/healthz", axum::routing::get(async || "ok\n"));
    if arguments.metrics_beside_streams() {
        router = router.merge(metrics::router(Arc::clone(&desk), Whom::ThisMachine));
    }
    let rtmp = async {
        let Some(listener) = rtmp else { return };
        let (broker, stop) = (Arc::clone(&broker), stopped.clone().wait());
        let served = tessera_ingest::rtmp::serve(listener, tls.clone(), broker, limits, stop);
        if let Err(error) = served.await {
            tracing::error!(%error, "the RTMP door is closed");
        }
    };
    let srt = async {
        let Some(door) = srt else { return };
        let (broker, stop) = (Arc::clone(&broker), stopped.clone().wait());
        // No proxy stands in front of this one.
        if let Err(error) = door.serve(broker, Limits::default(), stop).await {
            tracing::error!(%error, "the SRT door is closed");
        }
    };
    let http = http::serve(http, tls.clone(), router, stopped.clone().wait());
    let metrics = async {
        let Some(listener) = metrics else { return };
        let router = metrics::router(Arc::clone(&desk), Whom::Anybody);
        http::serve(listener, None, router, stopped.clone().wait()).await;
    };
    let link = async {
        let mut stop = std::pin::pin!(stopped.clone().wait());
        loop {
            tokio::select! {
                () = &mut stop => return,
                peer = acceptor.next() => match peer {
                    Some(peer) => desk.welcome(peer).await,
                    None => return,
                },
            }
        }
    };
    tokio::join!(rtmp, srt, http, metrics, link);
}

/// Whether the gateway was told to stop.
#[derive(Clone)]
struct Stopped(watch::Receiver<bool>);

impl Stopped {
    async fn wait(mut self) {
        // A sender that is gone has stopped, too.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Watches for the first SIGINT or SIGTERM.
fn told_to_stop() -> std::io::Result<Stopped> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(Stopped(receiver))
}
