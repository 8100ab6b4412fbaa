//! The same against an RPC endpoint that others wrote: what we take for granted of endpoints must
//! not be what our own one happens to do.
//!
//! Needs Node and Surfpool's addon in `target/surfpool`, and says so where they are missing.

use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signer::Signer;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tessera_local_chain::SETTLEMENT_PROGRAM;
use tessera_settlement::abi::account::Rules;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::chain::{Chain, MemoryOutbox, Outcome, Sender, Step};
use tessera_settlement::epoch::{Draw, Driver, End, EpochPlan, Keys, Stand, Wait};
use tessera_settlement::instruction::{FarmAddresses, SYSTEM, Source, TOKEN};
use tessera_settlement::tokens::{associated, make_associated};
use tessera_settlement::tree::Payout;

const WINDOW_S: u32 = 3;
const SOL: u64 = 1_000_000_000;

struct Surfpool {
    child: Child,
    url: String,
}

impl Surfpool {
    /// `None`, with a word why, where it cannot be had.
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = |path: &str| -> PathBuf { root.join(path) };
        let addon = file("../../target/surfpool/surfpool-sdk.linux-x64-gnu.node");
        if !addon.exists() {
            println!("skipped: {} is missing; scripts/deps test brings it", addon.display());
            return None;
        }
        let child = Command::new("node")
            .args([file("tests/chain/surfpool.js"), addon])
            .arg(SETTLEMENT_PROGRAM.to_string())
            .arg(file("../../settlement-program/tessera_settlement.so"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: node does not start: {error}");
                return None;
            }
        };
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_string();
        assert!(url.starts_with("http://"), "it did not start: {url:?}");
        Some(Self { child, url })
    }
}

impl Drop for Surfpool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Farm {
    chain: Chain,
    outbox: MemoryOutbox,
    payer: Keypair,
    authority: Keypair,
    addresses: FarmAddresses,
    steps: u32,
}

impl Farm {
    /// A payer with lamports, a mint of the payer's, and a farm.
    async fn new(url: &str) -> Self {
        let client = RpcClient::new_with_commitment(url.to_string(), CommitmentConfig::finalized());
        let (payer, authority, mint) = (Keypair::new(), Keypair::new(), Keypair::new());
        client.request_airdrop(&payer.pubkey(), 100 * SOL).await.unwrap();
        let chain = Chain::new(url);
        while chain.lamports(&payer.pubkey()).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let addresses = FarmAddresses::new(SETTLEMENT_PROGRAM, authority.pubkey(), mint.pubkey());
        let outbox = MemoryOutbox::default();
        let mut farm = Self { chain, outbox, payer, authority, addresses, steps: 0 };
        let rent = farm.chain.rent(82).await.unwrap();
        let make = mint_instructions(&farm.payer.pubkey(), &mint.pubkey(), rent);
        farm.run(make, &[&mint]).await;
        let init = addresses.init_farm(farm.payer.pubkey(), rules());
        let authority = farm.authority.insecure_clone();
        farm.run(vec![init], &[&authority]).await;
        farm
    }

    async fn send(&mut self, instructions: Vec<Instruction>, signers: &[&Keypair]) -> Outcome {
        self.steps += 1;
        let name = format!("setup/{}", self.steps);
        let signers = [&[&self.payer], signers].concat();
        let sender = Sender::new(&self.outbox, SETTLEMENT_PROGRAM);
        sender.send(&self.chain, &Step { name, instructions, signers }).await.unwrap()
    }

    async fn run(&mut self, instructions: Vec<Instruction>, signers: &[&Keypair]) {
        let outcome = self.send(instructions, signers).await;
        assert!(matches!(outcome, Outcome::Finalised(_)), "{outcome:?}");
    }

    /// Wallets whose token accounts hold so much each.
    async fn wallets<const N: usize>(&mut self, amounts: [u64; N]) -> [(Keypair, Address); N] {
        let (payer, mint) = (self.payer.pubkey(), self.addresses.mint);
        let wallets = amounts.map(|amount| {
            let wallet = Keypair::new();
            let account = associated(&wallet.pubkey(), &mint);
            let make = make_associated(payer, &wallet.pubkey(), &mint);
            (wallet, account, [make, mint_to(&mint, account, &payer, amount)])
        });
        let instructions = wallets.iter().flat_map(|(_, _, made)| made.clone()).collect();
        self.run(instructions, &[]).await;
        wallets.map(|(wallet, account, _)| (wallet, account))
    }

    async fn tokens(&self, account: &Address) -> u64 {
        self.chain.tokens(account).await.unwrap().unwrap()
    }
}

fn rules() -> Rules {
    Rules {
        guardian_count: 0,
        threshold: 0,
        guardians: [[0; 32]; 5],
        challenge_window_s: WINDOW_S,
        cooldown_s: 60,
        evidence_window_s: 60,
        answer_window_s: 60,
        reporter_share_bps: 0,
        equivocation_slash_bps: 0,
        evidence_cap_bps: 0,
        challenge_bond: 1,
        bond_claim_cap: 1,
    }
}

/// Makes a mint of six decimals.
fn mint_instructions(payer: &Address, mint: &Address, rent: u64) -> Vec<Instruction> {
    // CreateAccount: lamports, bytes, owner.
    let mut data = vec![0, 0, 0, 0];
    data.extend_from_slice(&rent.to_le_bytes());
    data.extend_from_slice(&82_u64.to_le_bytes());
    data.extend_from_slice(TOKEN.as_ref());
    let accounts = vec![AccountMeta::new(*payer, true), AccountMeta::new(*mint, true)];
    let make = Instruction { program_id: SYSTEM, accounts, data };
    // InitializeMint2: decimals, authority, nobody who freezes.
    let data = [&[20, 6], payer.as_ref(), &[0]].concat();
    let accounts = vec![AccountMeta::new(*mint, false)];
    vec![make, Instruction { program_id: TOKEN, accounts, data }]
}

fn mint_to(mint: &Address, account: Address, authority: &Address, amount: u64) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*mint, false),
        AccountMeta::new(account, false),
        AccountMeta::new_readonly(*authority, true),
    ];
    let data = [&[7][..], &amount.to_le_bytes()].concat();
    Instruction { program_id: TOKEN, accounts, data }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_paid_at_an_endpoint_that_others_wrote() {
    let Some(surfpool) = Surfpool::start() else { return };
    let mut farm = Farm::new(&surfpool.url).await;
    let [(artist, purse)] = farm.wallets([100]).await;
    let payees = farm.wallets([0, 0, 0]).await;
    let now = farm.chain.time().await.unwrap().unix_s;
    let deposit = OpenJob { job: [1; 16], amount: 100, expires_at: now + 86_400 };
    let source = Source { owner: artist.pubkey(), account: purse };
    let open = farm.addresses.open_job(farm.payer.pubkey(), source, purse, deposit);
    farm.run(vec![open], &[&artist]).await;

    let draws = vec![Draw { job: [1; 16], amount: 60 }];
    let payouts = payees.iter().zip([30, 20, 10]);
    let payouts = payouts.map(|((_, payee), amount)| Payout { payee: *payee, amount }).collect();
    let plan = EpochPlan::new(&farm.addresses, 1, draws, payouts).unwrap();
    let sender = Sender::new(&farm.outbox, SETTLEMENT_PROGRAM);
    let keys = Keys { payer: &farm.payer, authority: &farm.authority, guardians: vec![] };
    let addresses = farm.addresses;
    let driver = Driver { chain: &farm.chain, sender: &sender, farm: addresses, keys, round: 0 };
    let paid = loop {
        let progress = driver.advance(&plan).await.unwrap();
        match progress.stand {
            Stand::Waits(Wait::Until(_)) => tokio::time::sleep(Duration::from_millis(300)).await,
            stand => break (stand, progress.done),
        }
    };
    assert_eq!(paid.0, Stand::Ended(End::Closed), "{paid:?}");
    assert!(paid.1.iter().all(|done| done.receipt.cost.is_some()), "{paid:?}");
    for ((_, payee), due) in payees.iter().zip([30, 20, 10]) {
        assert_eq!(farm.tokens(payee).await, due);
    }
    let end = addresses.end_job(&[1; 16], purse, farm.payer.pubkey());
    let authority = farm.authority.insecure_clone();
    farm.run(vec![end], &[&authority]).await;
    assert_eq!(farm.tokens(&purse).await, 40);

    // Its refusals are told in our words, too.
    let again = addresses.seal(1);
    let Outcome::Refused(refused) = farm.send(vec![again], &[]).await else { panic!() };
    assert_eq!(refused.refusal, Some(Refusal::WrongOwner), "{refused}");
}
