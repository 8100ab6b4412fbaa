//! A farm on this machine: a master, nodes, a gateway and a worker, as processes of their own.

pub(crate) mod chain;
pub(crate) mod child;
pub(crate) mod state;
mod streams;

use crate::args::{DoorArgs, NodeKind};
use crate::show::Voice;
use crate::show::numbers::now_ms;
use anyhow::{Context, bail};
use chain::ChainPlace;
use child::{Recipe, Supervised};
use futures::future::{join_all, select_all};
use solana_address::Address;
use state::{StateFolder, StateLock};
use std::convert::Infallible;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use streams::Streams;
use tessera_client::{Client, MasterAddress, PlainHttp};
use tessera_protocol::Amount;
use tessera_protocol::stream::gateway::GatewayDoors;
use tessera_settlement::chain::Chain;
use tessera_settlement::tokens;

/// How often a condition is looked at while the farm starts.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long an epoch can be challenged on this machine, and how often one is made, in seconds.
const CHALLENGE_WINDOW_S: u32 = 2;
const SETTLE_EVERY_S: u32 = 3;
/// How long a frame waits on this machine for its owner's approval, in seconds.
const APPROVE_AFTER_S: u32 = 600;
/// What the operator of this machine sets aside: a thousand play tokens.
const RESERVE: Amount = Amount(1_000_000_000);

/// A running farm. Dropping it kills its processes; [`Network::stop`] is the kind way.
pub(crate) struct Network {
    chain: Supervised,
    master: Supervised,
    nodes: Vec<Supervised>,
    streams: Option<Streams>,
    client: Client,
    state: StateFolder,
    _lock: StateLock,
}

impl Network {
    /// Starts a master that listens on `listen`, one node for each of `kinds`, and with `doors` a
    /// gateway and a worker; waits until all are at work.
    pub(crate) async fn start(
        state: &StateFolder,
        listen: SocketAddr,
        kinds: &[NodeKind],
        doors: Option<DoorArgs>,
        voice: Voice,
    ) -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one(doors.is_some())?;
        let lock = state.take()?;
        let begun_ms = now_ms();
        let (chain, place) = chain::start(programs.chain.clone(), state).await?;
        let (mut master, client) = start_master(&programs, state, listen, &place).await?;
        fund_master(&mut master, &client, &place).await?;
        let mut network = Self {
            chain,
            master,
            nodes: Vec::new(),
            streams: None,
            client,
            state: state.clone(),
            _lock: lock,
        };
        for (name, kind) in names(kinds) {
            network.start_node(&programs, &name, kind)?;
        }
        if let Some(doors) = doors {
            let streams = Streams::start(&programs, state, &network.client, doors)?;
            network.streams = Some(streams);
        }
        if !kinds.is_empty() || doors.is_some() {
            voice.remark("the master is up; nodes and workers show what they can");
        }
        network.await_nodes(begun_ms).await?;
        network.open_accounts(&place).await?;
        if let Some(streams) = &mut network.streams {
            streams.wait_until_ready(&network.client, begun_ms).await?;
        }
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

    /// Where streams come in and are played, if they do.
    pub(crate) fn doors(&self) -> Option<&GatewayDoors> {
        self.streams.as_ref()?.doors()
    }

    /// Starts again whatever ends, for ever.
    pub(crate) async fn keep_running(&mut self, voice: Voice) -> Infallible {
        let streams = self.streams.iter_mut().flat_map(Streams::processes);
        let first_two = [&mut self.chain, &mut self.master].into_iter();
        let all = first_two.chain(&mut self.nodes).chain(streams);
        let first = select_all(all.map(|process| Box::pin(process.keep_running(voice))));
        first.await.0
    }

    /// Stops the nodes and the worker, which give their work back, and the gateway, which ends its
    /// sessions; and then the master.
    pub(crate) async fn stop(mut self, voice: Voice) {
        let streams = self.streams.iter_mut().flat_map(Streams::processes);
        join_all(self.nodes.iter_mut().chain(streams).map(|process| process.stop(voice))).await;
        self.master.stop(voice).await;
        self.chain.stop(voice).await;
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
        ];
        let arguments: Vec<OsString> =
            arguments.into_iter().chain(kind.arguments().iter().map(Into::into)).collect();
        self.nodes.push(Supervised::start(Recipe {
            name: format!("node {name}"),
            program: programs.node.clone(),
            arguments,
            log: self.state.log(&format!("node-{name}")),
        })?);
        Ok(())
    }

    /// Makes a token account for each node's key, so that it can be paid.
    async fn open_accounts(&self, place: &ChainPlace) -> anyhow::Result<()> {
        let mint: Address = place.mint.parse().context("the chain names no mint")?;
        let chain = Chain::new(&place.url);
        for node in self.client.nodes().await? {
            let wallet = Address::new_from_array(node.id.0);
            if chain.tokens(&tokens::associated(&wallet, &mint)).await?.is_none() {
                tessera_wallet::give_play_money(&chain, &wallet, Amount::ZERO).await?;
            }
        }
        Ok(())
    }

    /// Waits until the master has heard of every node since `begun_ms`.
    async fn await_nodes(&mut self, begun_ms: i64) -> anyhow::Result<()> {
        loop {
            self.chain.expect_running()?;
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
    chain: &ChainPlace,
) -> anyhow::Result<(Supervised, Client)> {
    let arguments = |listen: SocketAddr| -> Vec<OsString> {
        vec![
            "serve".into(),
            "--state".into(),
            state.master().into_os_string(),
            "--listen".into(),
            listen.to_string().into(),
            "--chain-url".into(),
            chain.url.clone().into(),
            "--program".into(),
            chain.program.clone().into(),
            "--mint".into(),
            chain.mint.clone().into(),
            // Among themselves nobody has to wait long for a challenge.
            "--challenge-window-s".into(),
            CHALLENGE_WINDOW_S.to_string().into(),
            "--settle-every-s".into(),
            SETTLE_EVERY_S.to_string().into(),
            "--approve-after-s".into(),
            APPROVE_AFTER_S.to_string().into(),
            "--reserve".into(),
            RESERVE.to_string().into(),
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

/// Gives a new master what it starts on the chain with, lamports for fees and the operator's reserve, and
/// waits until it has made its farm there.
async fn fund_master(
    master: &mut Supervised,
    client: &Client,
    place: &ChainPlace,
) -> anyhow::Result<()> {
    let farm = tessera_wallet::addresses(&client.farm().await?)?;
    let chain = Chain::new(&place.url);
    if chain.lamports(&farm.authority).await? == 0 {
        tessera_wallet::give_play_money(&chain, &farm.authority, RESERVE).await?;
    }
    while chain.account(&farm.farm).await?.is_none() {
        master.expect_running()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The programs that a farm is made of.
struct Programs {
    chain: PathBuf,
    master: PathBuf,
    node: PathBuf,
    /// Where it is wanted.
    transcoder: Option<PathBuf>,
}

impl Programs {
    /// Those in the folder of the running `farm`.
    fn beside_this_one(with_streams: bool) -> anyhow::Result<Self> {
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
        let transcoder = if with_streams {
            // The worker starts it.
            beside("transcode-engine")?;
            Some(beside("transcoder")?)
        } else {
            None
        };
        Ok(Self {
            chain: beside("local-chain")?,
            master: beside("farm-master")?,
            node: beside("render-node")?,
            transcoder,
        })
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
