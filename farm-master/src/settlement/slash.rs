//! Stakes: what nodes vouch with, and what whoever signs two commits for one lease loses of it.

use super::outbox::Notes;
use super::{Settlement, SettlementError};
use crate::app::App;
use crate::store::Store;
use crate::store::money::TwoCommits;
use solana_address::Address;
use std::sync::Arc;
use tessera_ledger::{Account, Cause, Share};
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{Amount, NodeId};
use tessera_settlement::abi::share;
use tessera_settlement::chain::{Outcome, Sender, Step};
use tessera_settlement::instruction::{LeaseOf, Signature, signature_check};
use tessera_settlement::{accounts, tokens};

/// Pairs that are shown to the chain at once.
const PAIRS: u32 = 16;
/// Where in its transaction the signatures are verified.
const SIGNATURES_AT: u8 = 0;

fn signed(commit: &Commit, signature: &SignatureBytes) -> Signature {
    Signature { by: commit.node.0, signature: signature.0, message: commit.message() }
}

impl App {
    /// Shows the chain every two commits that a node signed for one lease of an exact job.
    pub(super) async fn slash_equivocations(
        self: &Arc<Self>,
        settlement: &Settlement,
    ) -> Result<(), SettlementError> {
        for pair in self.store.equivocations(PAIRS).await? {
            let lease = pair.second.lease;
            let first = pair.first.clone();
            let read = self.blocking(move |app| app.read_commit(&first)).await;
            let read = read.map_err(|error| SettlementError::Step(error.to_string()))?;
            let refused = match read {
                Ok(first) => {
                    settlement.slash(&*self.store, &first, &pair, self.clock.now_ms()).await?
                }
                Err(reason) => {
                    // Perhaps the disk reads it the next time.
                    tracing::error!(%lease, reason, "the first of two commits cannot be read");
                    continue;
                }
            };
            self.store.equivocation_shown(lease, refused).await?;
        }
        Ok(())
    }
}

impl Settlement {
    /// Shows the chain two commits. What it has against that, if anything.
    async fn slash(
        &self,
        store: &dyn Store,
        (first, signature): &(Commit, SignatureBytes),
        pair: &TwoCommits,
        now_ms: i64,
    ) -> Result<Option<String>, SettlementError> {
        let (node, lease, generation) = (first.node, first.lease, first.generation);
        let Some(rules) = self.rules_there().filter(|_| first.class == DeviceClass::Exact) else {
            return Ok(None);
        };
        let name = format!("slash {node} for {lease}/{}", generation.0);
        let Some(before) = self.stake_before(store, &name, node, now_ms).await? else {
            return Ok(None);
        };
        let of = LeaseOf {
            node: Address::new_from_array(node.0),
            lease: lease.0,
            generation: generation.0,
        };
        let check =
            signature_check(&[signed(first, signature), signed(&pair.second, &pair.signature)]);
        // The reporter's share has to have somewhere to go.
        let operator = self.farm.authority;
        let reporter = tokens::associated(&operator, &self.farm.mint);
        let account = tokens::make_associated(operator, &operator, &self.farm.mint);
        let slash = self.farm.slash_equivocation(operator, reporter, &of, SIGNATURES_AT);
        let instructions = vec![check, account, slash];
        let step = Step { name, instructions, signers: vec![&self.key] };
        let sender = Sender::new(Notes(store), self.farm.program);
        match sender.send(&self.chain, &step).await {
            Ok(Outcome::Finalised(_)) => {}
            Ok(Outcome::Refused(refused)) => {
                tracing::error!(%node, %lease, %refused, "the chain does not slash");
                return Ok(Some(refused.to_string()));
            }
            Ok(Outcome::Expired) => {
                return Err(SettlementError::Step("not slashed in time".into()));
            }
            Err(error) => return Err(SettlementError::Step(error.to_string())),
        }
        let amount = before.checked_sub(self.staked(node).await?).unwrap_or_default();
        tracing::warn!(%node, %lease, %amount, "a node was slashed for two commits of one lease");
        let reporter = Share {
            node: NodeId(operator.to_bytes()),
            amount: Amount(share(amount.0, rules.reporter_share_bps)),
        };
        let reporter = Some(reporter);
        let cause = Cause::Slashed { lease, generation, node, amount, reporter };
        store.book(cause, now_ms).await?;
        Ok(None)
    }

    /// What a node vouched with before it is slashed; `None` where that is nothing. Noted before anything is
    /// sent: whoever goes on after a kill would see what is left.
    async fn stake_before(
        &self,
        store: &dyn Store,
        step: &str,
        node: NodeId,
        now_ms: i64,
    ) -> Result<Option<Amount>, SettlementError> {
        let noted = format!("{step}: stake before");
        if let Some(before) = store.attempt(noted.clone()).await? {
            let before =
                before.parse().map_err(|_| SettlementError::Step(format!("{noted}: {before}")));
            return before.map(|before| Some(Amount(before)));
        }
        let before = self.staked(node).await?;
        if before.is_zero() {
            return Ok(None);
        }
        self.book_stake(store, node, before, now_ms).await?;
        store.note_attempt(noted, Some(before.0.to_string())).await?;
        Ok(Some(before))
    }

    /// What a node vouches with on the chain, what it asked back included.
    async fn staked(&self, node: NodeId) -> Result<Amount, SettlementError> {
        let address = self.farm.node(&Address::new_from_array(node.0));
        Ok(match self.read(address).await? {
            Some(accounts::Account::Node(node)) => {
                Amount(node.stake.saturating_add(node.unlocking))
            }
            _ => Amount::ZERO,
        })
    }

    /// Books what a node added to its stake, or took of it, since the books last heard.
    pub(super) async fn book_stake(
        &self,
        store: &dyn Store,
        node: NodeId,
        stake: Amount,
        now_ms: i64,
    ) -> Result<(), SettlementError> {
        let booked = store.balance(Account::Stake(node)).await?;
        let booked = Amount(u64::try_from(booked).unwrap_or(0));
        let id = format!("{node}/{now_ms}");
        let cause = if let Some(amount) = stake.checked_sub(booked).filter(|more| !more.is_zero()) {
            Cause::StakeAdded { id, node, amount }
        } else if let Some(amount) = booked.checked_sub(stake).filter(|less| !less.is_zero()) {
            Cause::StakeWithdrawn { id, node, amount }
        } else {
            return Ok(());
        };
        store.book(cause, now_ms).await?;
        Ok(())
    }
}
