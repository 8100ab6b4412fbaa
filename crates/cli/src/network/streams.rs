//! What streams need of a farm on this machine: a gateway and a worker.

use super::child::{Recipe, Supervised};
use super::state::StateFolder;
use super::{LOOK_EVERY, Programs};
use crate::args::DoorArgs;
use anyhow::Context;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use tessera_client::Client;
use tessera_protocol::stream::gateway::GatewayDoors;

/// What people call the two.
const GATEWAY: &str = "gateway";
const WORKER: &str = "worker";

/// A gateway and a worker.
pub(super) struct Streams {
    gateway: Supervised,
    worker: Supervised,
    /// What every start of the gateway is told but for its doors.
    gateway_arguments: Vec<OsString>,
    /// Where the gateway says that its doors are open.
    doors_file: PathBuf,
    doors: Option<GatewayDoors>,
}

impl Streams {
    /// Starts both; they are ready after [`Self::wait_until_ready`].
    pub(super) fn start(
        programs: &Programs,
        state: &StateFolder,
        client: &Client,
        doors: DoorArgs,
    ) -> anyhow::Result<Self> {
        let program = programs.transcoder.clone().context("the program transcoder is missing")?;
        let doors_file = state.gateway().join("doors.json");
        // Left by a gateway that was killed; the new one appears when its doors are open.
        let _ = std::fs::remove_file(&doors_file);
        let common = |role: &str, folder: PathBuf, name: &str| -> Vec<OsString> {
            vec![
                role.into(),
                "--master".into(),
                client.master().to_string().into(),
                "--token-file".into(),
                state.operator_token_file().into(),
                "--state".into(),
                folder.into(),
                "--name".into(),
                name.into(),
            ]
        };
        let mut gateway_arguments = common("gateway", state.gateway(), GATEWAY);
        // Whoever makes streams here is who runs this machine.
        gateway_arguments.push("--restream-to-private".into());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let gateway = Supervised::start(Recipe {
            name: "the gateway".into(),
            program: program.clone(),
            arguments: with_doors(&gateway_arguments, doors.rtmp, doors.srt, doors.http, any),
            log: state.log(GATEWAY),
        })?;
        let worker = Supervised::start(Recipe {
            name: "the worker".into(),
            program,
            arguments: common("work", state.worker(), WORKER),
            log: state.log(WORKER),
        })?;
        Ok(Self { gateway, worker, gateway_arguments, doors_file, doors: None })
    }

    /// Waits until the doors are open and the worker, which measures itself the first time, has
    /// joined.
    pub(super) async fn wait_until_ready(
        &mut self,
        client: &Client,
        begun_ms: i64,
    ) -> anyhow::Result<()> {
        let text = loop {
            self.gateway.expect_running()?;
            match std::fs::read(&self.doors_file) {
                Ok(text) => break text,
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let doors: GatewayDoors = serde_json::from_slice(&text)
            .with_context(|| format!("cannot read {}", self.doors_file.display()))?;
        // Started again it must be where everybody looks for it, even if it chose its ports itself.
        let (rtmp, srt) = (address(doors.rtmp.as_deref())?, address(doors.srt.as_deref())?);
        let (http, link) = (address(Some(&doors.http))?, address(Some(&doors.link))?);
        self.gateway.set_arguments(with_doors(&self.gateway_arguments, rtmp, srt, http, link));
        self.doors = Some(doors);
        loop {
            self.gateway.expect_running()?;
            self.worker.expect_running()?;
            let joined = client.workers().await?;
            if joined.iter().any(|w| w.name == WORKER && w.last_seen_ms >= begun_ms) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Where streams come in and are played, once that is known.
    pub(super) fn doors(&self) -> Option<&GatewayDoors> {
        self.doors.as_ref()
    }

    /// The processes.
    pub(super) fn processes(&mut self) -> [&mut Supervised; 2] {
        [&mut self.gateway, &mut self.worker]
    }
}

fn with_doors(
    arguments: &[OsString],
    rtmp: SocketAddr,
    srt: SocketAddr,
    http: SocketAddr,
    link: SocketAddr,
) -> Vec<OsString> {
    let doors = [("--rtmp", rtmp), ("--srt", srt), ("--http", http), ("--link", link)];
    let doors = doors.into_iter().flat_map(|(flag, at)| [flag.into(), at.to_string().into()]);
    arguments.iter().cloned().chain(doors).collect()
}

/// The address in a door's URL, which on this machine is in figures.
fn address(door: Option<&str>) -> anyhow::Result<SocketAddr> {
    let door = door.context("the gateway opened fewer doors than it was told to")?;
    let host = door.split_once("://").map_or(door, |(_, host)| host).trim_end_matches('/');
    host.parse().with_context(|| format!("the gateway says that a door is at {door:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_found_in_their_urls() {
        for door in ["rtmp://127.0.0.1:1935", "http://127.0.0.1:1935/", "127.0.0.1:1935"] {
            assert_eq!(address(Some(door)).unwrap(), ([127, 0, 0, 1], 1935).into());
        }
        assert!(address(None).is_err() && address(Some("rtmp://here")).is_err());
    }
}
