//! A farm on a chain of its own, with artists and payees.

use crate::endpoint::Endpoint;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tessera_local_chain::{Config, LocalChain, SETTLEMENT_PROGRAM, own_programs};
use tessera_settlement::abi::account::Rules;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::chain::{Chain, MemoryOutbox, Outcome, Receipt, Sender, Step};
use tessera_settlement::epoch::{Draw, Driver, End, EpochPlan, Keys, Progress, Stand, Wait};
use tessera_settlement::instruction::{FarmAddresses, Source};
use tessera_settlement::tree::Payout;
use tokio::time::Instant;

const START_MS: u64 = 1_800_000_000_000;
pub(crate) const SOL: u64 = 1_000_000_000;
pub(crate) const WINDOW_S: u32 = 3_600;

/// A job, and where its refunds go.
pub(crate) struct Artist {
    pub(crate) account: Address,
    pub(crate) job: [u8; 16],
}

pub(crate) struct World {
    pub(crate) local: LocalChain,
    pub(crate) endpoint: Endpoint,
    pub(crate) chain: Chain,
    pub(crate) farm: FarmAddresses,
    pub(crate) authority: Keypair,
    pub(crate) payer: Keypair,
    pub(crate) guardians: Vec<Keypair>,
    pub(crate) outbox: MemoryOutbox,
    steps: AtomicU64,
    /// Removed when the world ends.
    _folder: tempfile::TempDir,
}

/// A chain whose clock is the runtime's: paused, it goes on only while everybody waits. `taken_ms`
/// is added to it.
fn local_chain(folder: &std::path::Path, taken_ms: Arc<AtomicU64>) -> LocalChain {
    let start = Instant::now();
    let clock = move || {
        let waited = u64::try_from(start.elapsed().as_millis()).unwrap();
        START_MS + waited + taken_ms.load(Ordering::SeqCst)
    };
    let config =
        Config { state: folder.join("chain"), clock: Arc::new(clock), programs: own_programs() };
    LocalChain::open(config).unwrap()
}

impl World {
    /// A farm of these guardians, of whom so many must agree.
    pub(crate) async fn new(guardians: u8, threshold: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let taken_ms = Arc::new(AtomicU64::new(0));
        let local = local_chain(folder.path(), taken_ms.clone());
        let endpoint = Endpoint::new(local.clone(), taken_ms);
        let chain = endpoint.chain();
        let (authority, payer) = (Keypair::new(), Keypair::new());
        local.airdrop(&payer.pubkey(), 1_000 * SOL).unwrap();
        let farm = FarmAddresses::new(SETTLEMENT_PROGRAM, authority.pubkey(), local.mint());
        // The same in every world: steps are named by them.
        let guardians = (1..=guardians).map(|n| Keypair::new_from_array([n; 32])).collect();
        let world = Self {
            local,
            endpoint,
            chain,
            farm,
            authority,
            payer,
            guardians,
            outbox: MemoryOutbox::default(),
            steps: AtomicU64::new(0),
            _folder: folder,
        };
        let init = farm.init_farm(world.payer.pubkey(), world.rules(threshold));
        world.run(vec![init], &[&world.payer, &world.authority]).await;
        world
    }

    fn rules(&self, threshold: u8) -> Rules {
        let mut keys = [[0; 32]; 5];
        for (key, guardian) in keys.iter_mut().zip(&self.guardians) {
            *key = guardian.pubkey().to_bytes();
        }
        Rules {
            guardian_count: u8::try_from(self.guardians.len()).unwrap(),
            threshold,
            guardians: keys,
            challenge_window_s: WINDOW_S,
            cooldown_s: 86_400,
            evidence_window_s: 3_600,
            answer_window_s: 3_600,
            reporter_share_bps: 1_000,
            equivocation_slash_bps: 5_000,
            evidence_cap_bps: 5_000,
            challenge_bond: 1_000_000,
            bond_claim_cap: 1_000_000,
        }
    }

    /// Has something done that must succeed.
    pub(crate) async fn run(
        &self,
        instructions: Vec<Instruction>,
        signers: &[&Keypair],
    ) -> Receipt {
        let number = self.steps.fetch_add(1, Ordering::SeqCst);
        let step =
            Step { name: format!("setup/{number}"), instructions, signers: signers.to_vec() };
        match self.sender().send(&self.chain, &step).await.unwrap() {
            Outcome::Finalised(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    }

    /// A sender with the farm's outbox.
    pub(crate) fn sender(&self) -> Sender<&MemoryOutbox> {
        Sender::new(&self.outbox, SETTLEMENT_PROGRAM)
    }

    /// A wallet with a token account that holds so much, and some lamports.
    pub(crate) fn wallet(&self, amount: u64) -> (Keypair, Address) {
        let key = Keypair::new();
        self.local.airdrop(&key.pubkey(), SOL).unwrap();
        let account = self.local.hand_out(&key.pubkey(), amount).unwrap().1;
        (key, account)
    }

    /// An artist who has deposited all of so much for a job.
    pub(crate) async fn artist(&self, number: u8, deposit: u64) -> Artist {
        let (key, account) = self.wallet(deposit);
        let job = [number; 16];
        let now = self.chain.time().await.unwrap().unix_s;
        let open = OpenJob { job, amount: deposit, expires_at: now + 30 * 86_400 };
        let source = Source { owner: key.pubkey(), account };
        let open = self.farm.open_job(self.payer.pubkey(), source, account, open);
        self.run(vec![open], &[&self.payer, &key]).await;
        Artist { account, job }
    }

    /// A token account of somebody who has nothing else.
    pub(crate) fn payee(&self) -> Address {
        self.local.hand_out(&Keypair::new().pubkey(), 0).unwrap().1
    }

    /// Wallets with token accounts to pay to.
    pub(crate) fn payees(&self, count: usize) -> Vec<(Keypair, Address)> {
        (0..count).map(|_| self.wallet(0)).collect()
    }

    pub(crate) fn plan(
        &self,
        number: u64,
        draws: &[(&Artist, u64)],
        payouts: &[(Address, u64)],
    ) -> EpochPlan {
        let draw = |(artist, amount): &(&Artist, u64)| Draw { job: artist.job, amount: *amount };
        let payout = |&(payee, amount): &(Address, u64)| Payout { payee, amount };
        let (draws, payouts) =
            (draws.iter().map(draw).collect(), payouts.iter().map(payout).collect());
        EpochPlan::new(&self.farm, number, draws, payouts).unwrap()
    }

    pub(crate) async fn tokens(&self, account: &Address) -> u64 {
        self.chain.tokens(account).await.unwrap().unwrap_or(0)
    }

    pub(crate) async fn escrow(&self) -> u64 {
        self.tokens(&self.farm.vault(Vault::Escrow)).await
    }

    /// Ends a job: what is left of its deposit goes back.
    pub(crate) async fn end(&self, artist: &Artist) {
        let end = self.farm.end_job(&artist.job, artist.account, self.payer.pubkey());
        self.run(vec![end], &[&self.payer, &self.authority]).await;
    }
}

impl World {
    pub(crate) fn driver<'a, O>(
        &'a self,
        sender: &'a Sender<O>,
        guardians: usize,
    ) -> Driver<'a, O> {
        let guardians = self.guardians.iter().take(guardians).collect();
        let keys = Keys { payer: &self.payer, authority: &self.authority, guardians };
        Driver { chain: &self.chain, sender, farm: self.farm, keys, round: 0 }
    }

    pub(crate) async fn advance(&self, plan: &EpochPlan) -> Progress {
        let sender = self.sender();
        self.driver(&sender, self.guardians.len()).advance(plan).await.unwrap()
    }

    /// Waits until the window of the epoch that was opened just now is over.
    pub(crate) async fn window(&self) {
        tokio::time::sleep(Duration::from_secs(u64::from(WINDOW_S) + 1)).await;
    }

    /// Takes an epoch that nobody disturbs to its end.
    pub(crate) async fn settle(&self, plan: &EpochPlan) -> Vec<Progress> {
        let opened = self.advance(plan).await;
        assert!(matches!(opened.stand, Stand::Waits(Wait::Until(_))), "{opened:?}");
        self.window().await;
        let paid = self.advance(plan).await;
        assert_eq!(paid.stand, Stand::Ended(End::Closed));
        vec![opened, paid]
    }
}
