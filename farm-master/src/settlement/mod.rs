//! The farm's money on the chain: what lies in escrows, who can be paid, and epochs on their way.
//!
//! The chain is the truth of what was deposited and paid, the store of what was earned. What is known here
//! of nodes is a copy in memory, read anew in each round.
//!
//! Reading order: this page (what is asked of the chain) → [`round`] (what is done there) → [`streams`] (what
//! of live streams is to be paid) → [`standing`] (the
//! farm and its nodes) → [`payouts`] (epochs) → [`slash`] (what becomes of who signed two commits) →
//! [`outbox`].

mod outbox;
mod payouts;
mod round;
mod slash;
mod standing;
mod streams;

use crate::problem::{Code, Refusal};
use crate::store::StoreError;
use crate::store::money::Escrow;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tessera_ledger::{FeeTerms, Purse};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::finance::{ChainAddress, ChainView, EarningsView};
use tessera_protocol::{Amount, EscrowId, JobId, NodeId};
use tessera_settlement::abi::account::{Farm, Job, Rules};
use tessera_settlement::accounts;
use tessera_settlement::chain::{Chain, ChainError};
use tessera_settlement::instruction::FarmAddresses;
use tokio::time::timeout;

/// Where a farm settles, and how.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Where the chain is asked.
    pub rpc_url: String,
    /// The settlement program.
    pub program: ChainAddress,
    /// The mint that everything is paid in; it has 6 decimals.
    pub mint: ChainAddress,
    /// How long an epoch can be challenged before it pays, where this farm is new on the chain.
    pub challenge_window: Duration,
    /// How often what is owed is settled.
    pub every: Duration,
    /// Least that a node is paid by an epoch; less stays owed.
    pub floor: Amount,
    /// What the operator takes of what a job cost, in hundredths of a per cent.
    pub fee_bps: u16,
    /// What the operator's reserve is to hold, out of the operator's own token account.
    pub reserve: Amount,
}

/// How long somebody who asks waits for the chain; what is done by itself is patient.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The purse of the operator's reserve on the chain: an escrow like a job's, whose id no job has, since
/// those are random.
pub(crate) const RESERVE: [u8; 16] = [0xff; 16];

/// Why money does not move.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettlementError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step of an epoch.
    #[error("{0}")]
    Step(String),
    /// The operator has to do something.
    #[error("{0}")]
    Operator(String),
}

/// What the chain knows of a node.
#[derive(Debug, Clone, Copy)]
struct Standing {
    payout: ChainAddress,
    stake: Amount,
}

/// What somebody works at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorksAt {
    pub(crate) jobs: bool,
    pub(crate) streams: bool,
}

impl WorksAt {
    /// A note on an amount, where there is any.
    fn say(self, notes: &mut Vec<String>, amount: Amount, of_jobs: &str, of_streams: &str) {
        if !amount.is_zero() {
            notes.extend(self.jobs.then(|| of_jobs.to_owned()));
            notes.extend(self.streams.then(|| of_streams.to_owned()));
        }
    }
}

/// See the module.
pub(crate) struct Settlement {
    config: ChainConfig,
    chain: Chain,
    key: Keypair,
    farm: FarmAddresses,
    nodes: RwLock<HashMap<NodeId, Standing>>,
    rules: RwLock<Option<Rules>>,
    /// The leaf that could not be paid and was looked at last.
    left_over: tokio::sync::Mutex<(u64, u32)>,
}

impl Settlement {
    /// The settlement of the farm whose master has this key. The chain is not asked yet.
    pub(crate) fn new(config: ChainConfig, key: &NodeKey) -> Self {
        let chain = Chain::new(&config.rpc_url);
        let key = Keypair::new_from_array(key.secret());
        let address = Address::new_from_array;
        let authority = address(key.pubkey().to_bytes());
        let farm = FarmAddresses::new(address(config.program.0), authority, address(config.mint.0));
        let (nodes, rules, left_over) = Default::default();
        Self { config, chain, key, farm, nodes, rules, left_over }
    }

    /// As it is shown.
    pub(crate) fn view(&self) -> ChainView {
        ChainView {
            rpc_url: self.config.rpc_url.clone(),
            program: self.config.program,
            mint: self.config.mint,
            guardians: self.rules_there().map_or(0, |rules| rules.guardian_count),
        }
    }

    /// How often what is owed is settled.
    pub(crate) fn every(&self) -> Duration {
        self.config.every
    }

    /// The account of an epoch on the chain.
    pub(crate) fn epoch_address(&self, number: u64) -> ChainAddress {
        ChainAddress(self.farm.epoch(number).to_bytes())
    }

    /// The account of a job's escrow on the chain.
    pub(crate) fn escrow_address(&self, job: JobId) -> ChainAddress {
        ChainAddress(self.farm.job(&job.0).to_bytes())
    }

    /// What the operator takes of what a job cost.
    pub(crate) fn fee(&self) -> FeeTerms {
        FeeTerms { bps: self.config.fee_bps, to: NodeId(self.farm.authority.to_bytes()) }
    }

    /// What a node vouches with.
    pub(crate) fn stake(&self, node: NodeId) -> Amount {
        self.standing(node).map_or(Amount::ZERO, |standing| standing.stake)
    }

    /// The escrow of a purse on the chain. A stream's follows from the master's key: its id is known to
    /// viewers, who could make an escrow of that name before its owner does.
    pub(crate) fn escrow_of(&self, purse: &Purse) -> EscrowId {
        match purse {
            Purse::Job(job) => EscrowId(job.0),
            Purse::Reserve => EscrowId(RESERVE),
            Purse::Stream(stream) => {
                let mut hash = blake3::Hasher::new_derive_key("tessera 2026 escrow of a stream");
                hash.update(self.key.secret_bytes()).update(&stream.0);
                let mut id = [0; 16];
                hash.finalize_xof().fill(&mut id);
                EscrowId(id)
            }
        }
    }

    /// What lies in the escrow of a purse; `None` where there is none.
    pub(crate) async fn escrow(&self, purse: &Purse) -> Result<Option<Escrow>, Refusal> {
        let away = |why: &dyn std::fmt::Display| {
            Refusal::new(Code::ChainAway, format!("{why}. Nothing was changed; try again."))
        };
        let id = self.escrow_of(purse);
        let found = match timeout(ANSWERS_WITHIN, self.job(&id)).await {
            Ok(found) => found.map_err(|error| away(&error))?,
            Err(_) => return Err(away(&"The chain does not answer")),
        };
        Ok(found.map(|job| Escrow {
            deposited: Amount(job.deposited),
            stands_until_ms: job.expires_at.saturating_mul(1000),
        }))
    }

    /// Why what a node or worker has earned is not paid yet.
    pub(crate) fn notes(&self, view: &EarningsView, of: WorksAt) -> Vec<String> {
        let mut notes = Vec::new();
        of.say(
            &mut notes,
            view.pending,
            "what is pending is earned once its frame is assembled or its job ended",
            "what is pending of a stream is earned once its pictures could be compared",
        );
        if !view.earned.is_zero() && view.earned < self.config.floor {
            notes.push(format!("less than {} stays owed until there is more", self.config.floor));
        }
        if !view.settling.is_zero() {
            notes.push(
                "an epoch is paid when nobody has challenged it within its window, to the token account of \
                 the node's key; `render-node pay-to WALLET` names another, also where there is none yet"
                    .into(),
            );
        }
        of.say(
            &mut notes,
            view.unpaid,
            "what is unpaid was verified when the money of its job and the operator's reserve was used up: \
             ask the operator",
            "what is unpaid of a stream was made when its deposit was used up",
        );
        of.say(
            &mut notes,
            view.rejected,
            "rejected results are not paid; `receipt` says what was wrong with each",
            "what a worker made is not paid any more once it is barred, or nothing is left that proves it",
        );
        notes
    }

    /// The farm's rules on the chain, once it was looked at.
    fn rules_there(&self) -> Option<Rules> {
        *self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, node: NodeId) -> Option<Standing> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&node).copied()
    }
}

impl Settlement {
    /// The rules that a farm is made with. An operator alone is trusted by those who come; guardians are
    /// named later, by the operator and themselves.
    fn rules(&self) -> Rules {
        let window_s = u32::try_from(self.config.challenge_window.as_secs()).unwrap_or(u32::MAX);
        Rules {
            guardian_count: 0,
            threshold: 0,
            guardians: [[0; 32]; tessera_settlement::abi::GUARDIANS_MAX],
            challenge_window_s: window_s,
            cooldown_s: window_s.saturating_mul(2).max(1),
            evidence_window_s: window_s.max(1),
            answer_window_s: window_s.max(1),
            reporter_share_bps: 2_500,
            equivocation_slash_bps: 10_000,
            evidence_cap_bps: 5_000,
            challenge_bond: 10_000_000,
            bond_claim_cap: 100_000_000,
        }
    }

    /// The farm's account; `None` where it was not made.
    async fn farm_account(&self) -> Result<Option<Farm>, SettlementError> {
        match self.read(self.farm.farm).await? {
            None => Ok(None),
            Some(accounts::Account::Farm(farm)) => Ok(Some(farm)),
            Some(_) => Err(strange(self.farm.farm)),
        }
    }

    /// An escrow; `None` where there is none.
    async fn job(&self, id: &EscrowId) -> Result<Option<Job>, SettlementError> {
        let address = self.farm.job(&id.0);
        match self.read(address).await? {
            None => Ok(None),
            Some(accounts::Account::Job(job)) => Ok(Some(job)),
            Some(_) => Err(strange(address)),
        }
    }

    async fn read(&self, address: Address) -> Result<Option<accounts::Account>, SettlementError> {
        let found = self.chain.account(&address).await?;
        // Lamports that somebody sent to the address make no account.
        let Some(found) = found.filter(|found| found.owner == self.farm.program) else {
            return Ok(None);
        };
        let read = accounts::decode(&found.data);
        read.map(Some).map_err(|error| SettlementError::Step(format!("{address}: {error}")))
    }
}

fn strange(address: Address) -> SettlementError {
    SettlementError::Step(format!("the account {address} is another one than its address says"))
}
