//! A farm on this machine: a master and nodes, as processes of their own.

pub(crate) mod child;
pub(crate) mod state;

use crate::args::NodeKind;
use crate::show::Voice;
use crate::show::numbers::now_ms;
use anyhow::{Context, bail};
use child::{Recipe, Supervised};
use futures::future::{join_all, select_all};
use state::{StateFolder, StateLock};
use std::convert::Infallible;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tessera_client::{Client, MasterAddress, PlainHttp};

/// How often a condition is looked at while the farm starts.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running farm. Dropping it kills its processes; [`Network::stop`] is the kind way.
pub(crate) struct Network {
    master: Supervised,
    nodes: Vec<Supervised>,
    client: Client,
    state: StateFolder,
    _lock: StateLock,
}

impl Network {
    /// Starts a master that listens on `listen` and one node for each of `kinds`, and waits until
    /// all are at work.
    pub(crate) async fn start(
        state: &StateFolder,
        listen: SocketAddr,
        kinds: &[NodeKind],
        voice: Voice,
    ) -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one()?;
        let lock = state.take()?;
        let begun_ms = now_ms();
        let (master, client) = start_master(&programs, state, listen).await?;
        let mut network =
            Self { master, nodes: Vec::new(), client, state: state.clone(), _lock: lock };
        for (name, kind) in names(kinds) {
            network.start_node(&programs, &name, kind)?;
        }
        if !kinds.is_empty() {
            voice.remark("the master is up; the nodes show what they can");
        }
        network.await_nodes(begun_ms).await?;
        Ok(network)
    }

    /// A client of the master, as its operator.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The names of the nodes.
    pub(crate) fn node_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.name().trim_start_matches("node "))
    }

    /// Starts again whatever ends, for ever.
    pub(crate) async fn keep_running(&mut self, voice: Voice) -> Infallible {
        let all = std::iter::once(&mut self.master).chain(&mut self.nodes);
        let first = select_all(all.map(|process| Box::pin(process.keep_running(voice))));
        first.await.0
    }

    /// Stops the nodes, which give their work back, and then the master.
    pub(crate) async fn stop(mut self, voice: Voice) {
        join_all(self.nodes.iter_mut().map(|node| node.stop(voice))).await;
        self.master.stop(voice).await;
    }

    fn start_node(
        &mut self,
        programs: &Programs,
        name: &str,
        kind: NodeKind,
    ) -> anyhow::Result<()> {
        let arguments = [
            "run".into(),
            "--master".into(),
            self.client.master().to_string().into(),
            "--token-file".into(),
            self.state.operator_token_file().into_os_string(),
            "--state".into(),
            self.state.node(name).into_os_string(),
            "--name".into(),
            name.into(),
            "--backend".into(),
            kind.name().into(),
        ];
        self.nodes.push(Supervised::start(Recipe {
            name: format!("node {name}"),
            program: programs.node.clone(),
            arguments: arguments.to_vec(),
            log: self.state.log(&format!("node-{name}")),
        })?);
        Ok(())
    }

    /// Waits until the master has heard of every node since `begun_ms`.
    async fn await_nodes(&mut self, begun_ms: i64) -> anyhow::Result<()> {
        loop {
            self.master.expect_running()?;
            for node in &mut self.nodes {
                node.expect_running()?;
            }
            let joined = self.client.nodes().await?;
            let here = |name: &str| {
                joined.iter().any(|node| node.name == name && node.last_seen_ms >= begun_ms)
            };
            if self.node_names().all(here) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn start_master(
    programs: &Programs,
    state: &StateFolder,
    listen: SocketAddr,
) -> anyhow::Result<(Supervised, Client)> {
    let arguments = |listen: SocketAddr| -> Vec<OsString> {
        vec![
            "serve".into(),
            "--state".into(),
            state.master().into_os_string(),
            "--listen".into(),
            listen.to_string().into(),
        ]
    };
    let ready = state.master().join("address");
    // Left by an earlier run; the new one appears when the new master listens.
    match std::fs::remove_file(&ready) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", ready.display()));
        }
        _ => {}
    }
    let mut master = Supervised::start(Recipe {
        name: "master".into(),
        program: programs.master.clone(),
        arguments: arguments(listen),
        log: state.log("master"),
    })?;
    let address = loop {
        master.expect_running()?;
        match std::fs::read_to_string(&ready) {
            Ok(address) => break address.trim().to_string(),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    let at: SocketAddr =
        address.parse().with_context(|| format!("the master says it listens at {address:?}"))?;
    // Started again it must be where everybody looks for it, even if it chose the port itself.
    master.set_arguments(arguments(at));
    let token = state.operator_token()?.with_context(|| {
        format!("the master left no token in {}", state.operator_token_file().display())
    })?;
    let url = MasterAddress::parse(&format!("http://{at}"), PlainHttp::LoopbackOnly)?;
    let client = Client::new(url, Some(token))?;
    loop {
        master.expect_running()?;
        match client.clone().with_patience(Duration::ZERO).health().await {
            Ok(()) => break,
            Err(error) if error.is_transient() => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
    state.set_master_address(&client.master().to_string())?;
    Ok((master, client))
}

/// The programs that a farm is made of.
struct Programs {
    master: PathBuf,
    node: PathBuf,
}

impl Programs {
    /// Those in the folder of the running `farm`.
    fn beside_this_one() -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find where this program lies")?;
        let beside = |name: &str| {
            let path = this.with_file_name(name).with_extension(std::env::consts::EXE_EXTENSION);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "the program {name} is missing: it belongs beside {}; build or install it there",
                this.display()
            )
        };
        Ok(Self { master: beside("farm-master")?, node: beside("render-node")? })
    }
}

/// A name for each node: its kind, and a number from the second of a kind on.
fn names(kinds: &[NodeKind]) -> Vec<(String, NodeKind)> {
    let mut names = Vec::new();
    for (i, &kind) in kinds.iter().enumerate() {
        let earlier = kinds[..i].iter().filter(|&&other| other == kind).count();
        let name = match earlier {
            0 => kind.name().to_string(),
            _ => format!("{}-{}", kind.name(), earlier + 1),
        };
        names.push((name, kind));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_one_kind_have_different_names() {
        let named = names(&[NodeKind::Cpu, NodeKind::Wgpu, NodeKind::Cpu]);
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cpu", "wgpu", "cpu-2"]);
    }
}
