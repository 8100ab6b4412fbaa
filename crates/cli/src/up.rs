//! `farm up`: a whole farm on this machine, until it is told to stop.

use crate::args::UpArgs;
use crate::network::Network;
use crate::network::state::StateFolder;
use crate::show::Voice;
use serde_json::json;
use tessera_protocol::stream::gateway::GatewayDoors;
use tokio::signal::unix::{SignalKind, signal};

/// Starts the farm, says where it is, keeps it running, and stops it on Ctrl-C or SIGTERM.
pub(crate) async fn run(args: &UpArgs, state: &StateFolder, voice: Voice) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let doors = (!args.no_streams).then_some(args.doors);
    let started = tokio::select! {
        network = Network::start(state, args.listen, &args.nodes, doors, voice) => network?,
        // Dropping the half-started farm ends its processes.
        () = stop.asked() => return Ok(()),
    };
    let mut network = started;
    announce(&network, state, voice)?;
    tokio::select! {
        never = network.keep_running(voice) => match never {},
        () = stop.asked() => voice.remark("stopping: the nodes give their work back"),
    }
    network.stop(voice).await;
    voice.remark("stopped; `farm up` goes on where it was");
    Ok(())
}

fn announce(network: &Network, state: &StateFolder, voice: Voice) -> anyhow::Result<()> {
    let master = network.client().master().to_string();
    let nodes: Vec<_> = network.node_names().collect();
    let facts = json!({
        "master": master,
        "state": state.path(),
        "token_file": state.operator_token_file(),
        "nodes": nodes,
        "doors": network.doors(),
    });
    voice.result(&facts, || {
        let state_flag = match state.path().to_str() {
            Some(".tessera") => String::new(),
            _ => format!(" --state {}", state.path().display()),
        };
        format!(
            "The farm is up.\n  address  {master}\n  state    {}\n  logs     {}\n  nodes    {}\n\
             {}Render something: farm{state_flag} submit FILE.glb --watch -o out\n\
             {}Stop with Ctrl-C; nothing is lost.",
            state.path().display(),
            state.logs().display(),
            if nodes.is_empty() { "none".into() } else { nodes.join(", ") },
            network.doors().map(describe_doors).unwrap_or_default(),
            match network.doors() {
                Some(_) => format!("Stream something: farm{state_flag} stream create NAME\n"),
                None => String::new(),
            },
        )
    })
}

fn describe_doors(doors: &GatewayDoors) -> String {
    let rows = [
        ("RTMP", doors.rtmp.as_ref()),
        ("SRT", doors.srt.as_ref()),
        ("streams", Some(&doors.http)),
    ];
    rows.into_iter().filter_map(|(name, door)| Some(format!("  {name:<8} {}\n", door?))).collect()
}

/// Being asked to stop, by a person or by the system.
pub(crate) struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// From now on the signals no longer end the process.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for either signal.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
