//! Epochs, from what is owed to the last leaf.

use super::outbox::Notes;
use super::{Settlement, SettlementError};
use crate::app::App;
use crate::store::Store;
use crate::store::money::{Leaf, OpenEpoch, Payable};
use solana_address::Address;
use std::collections::{BTreeMap, BTreeSet};
use tessera_ledger::{Account, Purse};
use tessera_protocol::finance::{ChainAddress, PayoutState};
use tessera_protocol::{Amount, NodeId};
use tessera_settlement::accounts;
use tessera_settlement::chain::Sender;
use tessera_settlement::epoch::{Draw, Driver, End, EpochPlan, Keys, Stand};
use tessera_settlement::tokens;
use tessera_settlement::tree::Payout;

/// Leaves that could not be paid, and are looked at again at once.
const LEFT_OVER: u32 = 64;
/// A leaf that could not be paid is tried again this often at most.
const TRY_AGAIN_MS: i64 = 60_000;

impl App {
    /// Pays leaves that could not be paid when their epoch was, where they can be by now: their nodes have
    /// made an account since. Books those that their nodes have claimed themselves.
    pub(super) async fn pay_left_over(
        &self,
        settlement: &Settlement,
    ) -> Result<(), SettlementError> {
        let after = *settlement.left_over.lock().await;
        let leaves = self.store.claimable(after, LEFT_OVER).await?;
        let last = leaves.last().filter(|_| leaves.len() == LEFT_OVER as usize);
        *settlement.left_over.lock().await = last.map_or((0, 0), |leaf| (leaf.epoch, leaf.index));
        for epoch in settlement.payable_now(&leaves).await? {
            let Some(open) = self.store.epoch(epoch).await? else { continue };
            let minute = self.clock.now_ms() / TRY_AGAIN_MS;
            self.follow(settlement, &open, u32::try_from(minute).unwrap_or(u32::MAX)).await?;
        }
        Ok(())
    }

    /// Takes an epoch as far as it goes now. Pushes are told apart by their `round`.
    pub(super) async fn follow(
        &self,
        settlement: &Settlement,
        open: &OpenEpoch,
        round: u32,
    ) -> Result<(), SettlementError> {
        let (number, plan) = (open.number, settlement.plan(open)?);
        let step = |error: &dyn std::fmt::Display| SettlementError::Step(error.to_string());
        let sender = Sender::new(Notes(&*self.store), settlement.farm.program);
        let key = &settlement.key;
        let driver = Driver {
            chain: &settlement.chain,
            sender: &sender,
            farm: settlement.farm,
            keys: Keys { payer: key, authority: key, guardians: Vec::new() },
            round,
        };
        let progress = match driver.advance(&plan).await {
            Err(unfunded) if unfunded.is_unfunded() => {
                tracing::error!(epoch = number, %unfunded, "an epoch is taken back");
                driver.abandon(&plan).await
            }
            progress => progress,
        };
        let claimable = match progress.map_err(|error| step(&error))?.stand {
            Stand::Waits(_) => return Ok(()),
            Stand::Ended(End::Closed) => Vec::new(),
            Stand::Ended(End::Unpayable(leaves)) => leaves,
            Stand::Ended(End::Cancelled) => {
                self.store.cancel_epoch(number, self.clock.now_ms()).await?;
                driver.close_cancelled(&plan).await.map_err(|error| step(&error))?;
                return Ok(());
            }
        };
        for leaf in 0..plan.tree().leaf_count() {
            let state = match claimable.contains(&leaf) {
                true => PayoutState::Claimable,
                false => PayoutState::Paid,
            };
            self.store.leaf_done(number, leaf, state, self.clock.now_ms()).await?;
        }
        self.store.epoch_done(number).await?;
        tracing::info!(epoch = number, left = claimable.len(), "an epoch is paid");
        Ok(())
    }
}

impl Settlement {
    /// The epoch as the chain is told of it.
    fn plan(&self, open: &OpenEpoch) -> Result<EpochPlan, SettlementError> {
        let OpenEpoch { number, plan, accounts } = open;
        let draws = plan.draws.iter();
        let draws =
            draws.map(|draw| Draw { job: self.escrow_of(&draw.purse).0, amount: draw.amount.0 });
        let payouts = plan.leaves.iter().zip(accounts).map(|(leaf, account)| Payout {
            payee: Address::new_from_array(account.0),
            amount: leaf.amount.0,
        });
        let plan = EpochPlan::new(&self.farm, *number, draws.collect(), payouts.collect());
        plan.map_err(|error| SettlementError::Step(error.to_string()))
    }

    /// To whom something is owed, with where they are paid: the account that a node registered, or else the
    /// one in which its key, which is a wallet's, has its tokens. Where there is no such account yet, the
    /// leaf stays claimable until it makes one. And out of what they can be paid.
    pub(super) async fn payable(&self, store: &dyn Store) -> Result<Payable, SettlementError> {
        let (mut nodes, mut purses) = (BTreeSet::new(), BTreeMap::<Purse, i128>::new());
        for (account, owed) in store.balances().await? {
            if let Account::Owed { node, purse } = account {
                nodes.insert(node);
                *purses.entry(purse).or_default() += i128::from(owed);
            }
        }
        let account = |node: NodeId| {
            let registered = self.standing(node).map(|standing| standing.payout);
            let wallet = Address::new_from_array(node.0);
            let own = || ChainAddress(tokens::associated(&wallet, &self.farm.mint).to_bytes());
            (node, registered.unwrap_or_else(own))
        };
        let address = |purse| self.farm.job(&self.escrow_of(purse).0);
        let escrows: Vec<_> = purses.keys().map(address).collect();
        let found = self.chain.accounts(&escrows).await?;
        let mut has = Vec::with_capacity(purses.len());
        for ((purse, owed), found) in purses.into_iter().zip(found) {
            let ours = found.filter(|found| found.owner == self.farm.program);
            let left = match ours.map(|found| accounts::decode(&found.data)) {
                Some(Ok(accounts::Account::Job(job))) => job.deposited.saturating_sub(job.drawn),
                _ => 0,
            };
            if i128::from(left) < owed {
                tracing::error!(%purse, left, owed, "nodes wait: what they are owed is not on the chain");
            }
            has.push((purse, Amount(left)));
        }
        Ok(Payable { accounts: nodes.into_iter().map(account).collect(), purses: has })
    }

    /// The epochs of these leaves in which there is something to pay by now, or that is claimed.
    async fn payable_now(&self, leaves: &[Leaf]) -> Result<BTreeSet<u64>, SettlementError> {
        let address = |leaf: &Leaf| Address::new_from_array(leaf.account.0);
        let accounts: Vec<_> = leaves.iter().map(address).collect();
        let payees = self.chain.accounts(&accounts).await?;
        let numbers: BTreeSet<u64> = leaves.iter().map(|leaf| leaf.epoch).collect();
        let of: Vec<_> = numbers.iter().map(|number| self.farm.epoch(*number)).collect();
        let epochs = self.chain.accounts(&of).await?;
        let epochs: BTreeMap<u64, _> = numbers.into_iter().zip(epochs).collect();
        let now = leaves.iter().zip(payees).filter(|(leaf, payee)| {
            let takes = payee.as_ref().and_then(|payee| tokens::read(&payee.data));
            let takes = takes.is_some_and(|token| token.mint == self.farm.mint && token.is_open);
            let epoch = epochs.get(&leaf.epoch).and_then(Option::as_ref);
            let epoch = epoch.and_then(|epoch| accounts::epoch(&epoch.data));
            takes || epoch.is_none_or(|epoch| epoch.is_paid(leaf.index))
        });
        Ok(now.map(|(leaf, _)| leaf.epoch).collect())
    }
}
