//! A chain of a farm's own, and an artist with a wallet on it.

use crate::farm::Farm;
use crate::process::{Process, eventually, program};
use crate::surfpool::{self, Surfpool};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use std::path::PathBuf;
use std::process::Command;
use tessera_client::Client;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::finance::FarmView;
use tessera_protocol::job::JobView;
use tessera_protocol::token::TokenScope;
use tessera_protocol::{Amount, NodeId};
use tessera_settlement::chain::{Chain, MemoryOutbox, Outcome, SendError, Sender, Step};
use tessera_settlement::instruction::{FarmAddresses, Source};
use tessera_settlement::{accounts, tokens};

/// What a farm's master is told of a chain, for epochs that follow each other in seconds.
const QUICK: [&str; 10] = [
    "--challenge-window-s",
    "1",
    "--settle-every-s",
    "1",
    "--payout-floor",
    "0.000001",
    "--approve-after-s",
    "0",
    "--segments-settle-s",
    "1",
];

/// A chain beside a farm.
pub struct Bank {
    kind: Kind,
    url: String,
    arguments: Vec<String>,
}

enum Kind {
    /// Our own, with a faucet.
    Ours {
        folder: PathBuf,
        process: Process,
    },
    Public(Box<Surfpool>),
}

impl Bank {
    /// Starts a chain in the farm's folder.
    pub async fn open(farm: &Farm) -> Self {
        let folder = farm.path().join("bank");
        std::fs::create_dir_all(&folder).unwrap();
        let process = start(&folder, "127.0.0.1:0");
        let text = eventually("the chain listens", async || {
            let text = std::fs::read_to_string(folder.join("address")).ok()?;
            (text.lines().count() == 3).then_some(text)
        })
        .await;
        let lines: Vec<&str> = text.lines().collect();
        Self::at(Kind::Ours { folder, process }, lines[0], lines[1], lines[2])
    }

    /// Starts one that others wrote; `None`, with a word why, where it cannot be had.
    pub async fn open_public() -> Option<Self> {
        let pool = Surfpool::start().await?;
        let (url, mint) = (pool.url.clone(), pool.mint.pubkey().to_string());
        let kind = Kind::Public(Box::new(pool));
        Some(Self::at(kind, &url, &surfpool::PROGRAM.to_string(), &mint))
    }

    fn at(kind: Kind, url: &str, program: &str, mint: &str) -> Self {
        let told = ["--chain-url", url, "--program", program, "--mint", mint];
        let arguments = told.iter().chain(&QUICK).map(|text| (*text).to_owned()).collect();
        Self { kind, url: url.to_owned(), arguments }
    }

    /// What the master is told.
    pub fn arguments(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    /// Kills our own, and starts it again where it was.
    pub fn kill_and_start_again(&mut self) {
        let Kind::Ours { folder, process } = &mut self.kind else { return };
        process.kill();
        *process = start(folder, self.url.trim_start_matches("http://"));
    }

    /// The chain, to be asked.
    pub fn chain(&self) -> Chain {
        Chain::new(&self.url)
    }

    /// The addresses of a farm on it.
    pub fn addresses(&self, farm: &FarmView) -> FarmAddresses {
        let view = farm.chain.as_ref().expect("the farm settles");
        let address = Address::new_from_array;
        FarmAddresses::new(address(view.program.0), address(farm.master.0), address(view.mint.0))
    }

    /// Gives tokens, and lamports for fees, to whoever has this key.
    pub async fn give(&self, key: [u8; 32], tokens: Amount) {
        let wallet = Address::new_from_array(key);
        match &self.kind {
            Kind::Ours { .. } => {
                let given = self.chain().play_money(&wallet, tokens.0, 1_000_000_000).await;
                given.expect("play money");
            }
            Kind::Public(pool) => pool.give(&wallet, tokens.0).await,
        }
    }

    /// Gives a master what its fees are paid with, and waits until it has made its farm on the chain.
    pub async fn ready(&self, farm: &FarmView) {
        self.give(farm.master.0, Amount::ZERO).await;
        let address = self.addresses(farm).farm;
        eventually("the farm is on the chain", async || {
            self.chain().account(&address).await.ok()?
        })
        .await;
    }

    /// Registers a node on the chain and has it vouch with so much of its own.
    pub async fn vouch(&self, farm: &FarmView, key: &NodeKey, stake: Amount) {
        let addresses = self.addresses(farm);
        let signer = Keypair::new_from_array(key.secret());
        let node = signer.pubkey();
        let account = tokens::associated(&node, &addresses.mint);
        let source = Source { owner: node, account };
        let step = Step {
            name: format!("{} vouches", key.node()),
            instructions: vec![
                addresses.register_node(node, node, account),
                addresses.stake(source, node, stake.0),
            ],
            signers: vec![&signer],
        };
        let sender = Sender::new(MemoryOutbox::default(), addresses.program);
        outcome(sender.send(&self.chain(), &step).await);
    }

    /// What a node vouches with.
    pub async fn stake(&self, farm: &FarmView, node: NodeId) -> Amount {
        let address = self.addresses(farm).node(&Address::new_from_array(node.0));
        let found = self.chain().account(&address).await.expect("the chain answers");
        match accounts::decode(&found.expect("it is registered").data) {
            Ok(accounts::Account::Node(node)) => Amount(node.stake),
            other => panic!("{other:?}"),
        }
    }

    /// What the account of whoever has this key holds.
    pub async fn holds(&self, farm: &FarmView, node: NodeId) -> Amount {
        let mint = self.addresses(farm).mint;
        let wallet = Address::new_from_array(node.0);
        let account = tokens::associated(&wallet, &mint);
        Amount(self.chain().tokens(&account).await.expect("the chain answers").unwrap_or(0))
    }
}

/// That the chain did it.
pub(crate) fn outcome(sent: Result<Outcome, SendError>) {
    let outcome = sent.expect("the chain answers");
    assert!(matches!(outcome, Outcome::Finalised(_)), "{outcome:?}");
}

fn start(folder: &std::path::Path, listen: &str) -> Process {
    let mut command = Command::new(program("local-chain"));
    command
        .args(["--state".as_ref(), folder.join("ledger").as_os_str()])
        .args(["--listen", listen])
        .args(["--address-file".as_ref(), folder.join("address").as_os_str()]);
    Process::start(&mut command, &folder.join("log"))
}

/// An artist or a broadcaster with a token and a wallet, who comes by `farm`.
pub struct Patron {
    url: String,
    token: String,
    /// Its wallet's key file.
    pub wallet: PathBuf,
}

impl Patron {
    /// A new artist, with so many tokens of play money.
    pub async fn with(farm: &Farm, client: &Client, tokens: &str) -> Self {
        let patron = Self::new(farm, client, TokenScope::Artist).await;
        patron.farm(&["wallet", "--play-money", tokens]).expect("play money");
        patron
    }

    /// The same, whose money comes from the bank.
    pub async fn funded(farm: &Farm, client: &Client, bank: &Bank, tokens: Amount) -> Self {
        let patron = Self::new(farm, client, TokenScope::Artist).await;
        let wallet = patron.farm(&["wallet"]).expect("a wallet");
        let address: Address = wallet["address"].as_str().unwrap().parse().expect("an address");
        bank.give(address.to_bytes(), tokens).await;
        patron
    }

    /// A new broadcaster, with so many tokens of play money.
    pub async fn broadcaster(farm: &Farm, client: &Client, tokens: &str) -> Self {
        let patron = Self::new(farm, client, TokenScope::Broadcaster).await;
        patron.farm(&["wallet", "--play-money", tokens]).expect("play money");
        patron
    }

    async fn new(farm: &Farm, client: &Client, scope: TokenScope) -> Self {
        let token = client.create_token(scope).await.unwrap().token;
        Self { url: farm.url(), token, wallet: farm.path().join("patron.json") }
    }

    /// Runs `farm` as this artist; its answer, or what it says where it fails.
    pub fn farm(&self, arguments: &[&str]) -> Result<serde_json::Value, String> {
        let output = Command::new(program("farm"))
            .args(["--json", "--master", &self.url])
            .args(arguments)
            .env("TESSERA_TOKEN", &self.token)
            .env("TESSERA_WALLET", &self.wallet)
            .output()
            .expect("farm runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(serde_json::from_str(text.lines().last().unwrap_or("null")).expect("JSON"))
    }

    /// What lies in its wallet.
    pub fn holds(&self) -> Amount {
        let wallet = self.farm(&["wallet"]).expect("the wallet");
        serde_json::from_value(wallet["tokens"].clone()).expect("an amount")
    }

    /// Has a scene of the farm's folder rendered for at most so much.
    pub fn submit(&self, farm: &Farm, more: &[&str]) -> Result<JobView, String> {
        let scene = farm.path().join("film.glb");
        let sky = farm.path().join("sky.hdr");
        let mut arguments = vec!["submit", scene.to_str().unwrap()];
        arguments.extend(["--environment", sky.to_str().unwrap()]);
        arguments.extend(more);
        let job = self.farm(&arguments)?;
        Ok(serde_json::from_value(job).expect("a job"))
    }
}
