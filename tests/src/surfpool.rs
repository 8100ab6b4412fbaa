//! A chain that others wrote, with a mint on it.

use crate::bank::outcome;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tessera_settlement::chain::{Chain, MemoryOutbox, Sender, Step};
use tessera_settlement::instruction::{SYSTEM, TOKEN};
use tessera_settlement::tokens::{associated, make_associated};

/// Where the settlement program is on it.
pub const PROGRAM: Address = Address::new_from_array([9; 32]);

const SOL: u64 = 1_000_000_000;
/// Bytes of a mint's account.
const MINT_BYTES: usize = 82;

/// See the module.
pub struct Surfpool {
    child: Child,
    /// Where it is asked.
    pub url: String,
    /// The mint of everything, in whose name its minter mints.
    pub mint: Keypair,
    minter: Keypair,
    minted: std::sync::atomic::AtomicU32,
}

impl Drop for Surfpool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Surfpool {
    /// Starts it with the settlement program; `None`, with a word why, where it cannot be had.
    pub async fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let addon = root.join("../target/surfpool/surfpool-sdk.linux-x64-gnu.node");
        if !addon.exists() {
            println!("skipped: {} is missing; scripts/deps test brings it", addon.display());
            return None;
        }
        let started = Command::new("node")
            .args([root.join("../crates/settlement/tests/chain/surfpool.js"), addon])
            .arg(PROGRAM.to_string())
            .arg(root.join("../settlement-program/tessera_settlement.so"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: node does not start: {error}");
                return None;
            }
        };
        let mut url = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut url).expect("it says where it is");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "it did not start: {url:?}");
        let (mint, minter) = (Keypair::new(), Keypair::new());
        let pool = Self { child, url, mint, minter, minted: 0.into() };
        pool.airdrop(&pool.minter.pubkey()).await;
        pool.make_mint().await;
        Some(pool)
    }

    async fn airdrop(&self, to: &Address) {
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "requestAirdrop",
            "params": [to.to_string(), 10 * SOL],
        });
        let sent = reqwest::Client::new().post(&self.url).json(&body).send().await;
        let answer: serde_json::Value = sent.expect("it answers").json().await.expect("JSON");
        assert!(answer.get("result").is_some(), "{answer}");
        let chain = Chain::new(&self.url);
        crate::process::eventually("the lamports are there", async || {
            (chain.lamports(to).await.ok()? > 0).then_some(())
        })
        .await;
    }

    /// A mint of six decimals, which nobody can freeze.
    async fn make_mint(&self) {
        let (minter, mint) = (self.minter.pubkey(), self.mint.pubkey());
        let rent = Chain::new(&self.url).rent(MINT_BYTES).await.expect("it answers");
        // CreateAccount: lamports, bytes, owner.
        let mut data = vec![0; 4];
        data.extend_from_slice(&rent.to_le_bytes());
        data.extend_from_slice(&(MINT_BYTES as u64).to_le_bytes());
        data.extend_from_slice(TOKEN.as_ref());
        let accounts = vec![AccountMeta::new(minter, true), AccountMeta::new(mint, true)];
        let make = Instruction { program_id: SYSTEM, accounts, data };
        // InitializeMint2: decimals, authority, nobody who freezes.
        let data = [&[20, 6], minter.as_ref(), &[0]].concat();
        let accounts = vec![AccountMeta::new(mint, false)];
        let init = Instruction { program_id: TOKEN, accounts, data };
        self.run("mint".to_owned(), vec![make, init], vec![&self.minter, &self.mint]).await;
    }

    /// Lamports for fees, and an account with so many tokens more.
    pub async fn give(&self, wallet: &Address, tokens: u64) {
        self.airdrop(wallet).await;
        let (minter, mint) = (self.minter.pubkey(), self.mint.pubkey());
        let account = associated(wallet, &mint);
        let mut instructions = vec![make_associated(minter, wallet, &mint)];
        if tokens > 0 {
            let accounts = vec![
                AccountMeta::new(mint, false),
                AccountMeta::new(account, false),
                AccountMeta::new_readonly(minter, true),
            ];
            let data = [&[7][..], &tokens.to_le_bytes()].concat();
            instructions.push(Instruction { program_id: TOKEN, accounts, data });
        }
        let number = self.minted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.run(format!("give {number}"), instructions, vec![&self.minter]).await;
    }

    async fn run(&self, name: String, instructions: Vec<Instruction>, signers: Vec<&Keypair>) {
        let sender = Sender::new(MemoryOutbox::default(), SYSTEM);
        outcome(sender.send(&Chain::new(&self.url), &Step { name, instructions, signers }).await);
    }
}
