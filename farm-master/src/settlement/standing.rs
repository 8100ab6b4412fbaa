//! What stands on the chain: the farm, its reserve, and its nodes.

use super::{RESERVE, Settlement, SettlementError, Standing};
use crate::store::Store;
use solana_address::Address;
use std::collections::HashMap;
use std::sync::PoisonError;
use tessera_protocol::finance::ChainAddress;
use tessera_protocol::{Amount, EscrowId, NodeId};
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::instruction::Source;
use tessera_settlement::{accounts, tokens};

/// How long the operator's own deposit stands before the operator may take it back without the master.
const RESERVE_FOR_S: i64 = 365 * 24 * 3600;

impl Settlement {
    /// Makes the farm on the chain where it is missing, and its reserve.
    pub(super) async fn prepare(
        &self,
        store: &dyn Store,
        now_ms: i64,
    ) -> Result<(), SettlementError> {
        let Some(farm) = self.farm_account().await? else {
            self.need_lamports().await?;
            let init = self.farm.init_farm(self.farm.authority, self.rules());
            return self.step(store, "make the farm".to_owned(), vec![init]).await;
        };
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(farm.rules);
        if let Some(reserve) = self.job(&EscrowId(RESERVE)).await? {
            // The first deposit, which a master that was killed has not booked, and whatever was added since.
            let more = store.note_reserve(Amount(reserve.deposited), now_ms).await?;
            if !more.is_zero() {
                tracing::info!(amount = %more, "the operator's reserve has more");
            }
            return Ok(());
        }
        if self.config.reserve.is_zero() {
            return Ok(());
        }
        let source = Source {
            owner: self.farm.authority,
            account: tokens::associated(&self.farm.authority, &self.farm.mint),
        };
        let has = self.chain.tokens(&source.account).await?.unwrap_or(0);
        let amount = self.config.reserve.0;
        if has < amount {
            return Err(SettlementError::Operator(format!(
                "the reserve is to hold {} and the operator's token account {} has {}: bring the rest \
                 there, or start with a smaller --reserve",
                self.config.reserve,
                source.account,
                Amount(has)
            )));
        }
        let expires_at = now_ms / 1000 + RESERVE_FOR_S;
        let deposit = OpenJob { job: RESERVE, amount, expires_at };
        let open = self.farm.open_job(source.owner, source, source.account, deposit);
        // Booked in the next round, from what lies there.
        self.step(store, "fund the reserve".to_owned(), vec![open]).await
    }

    /// Refuses to settle where the chain has seen epochs that the books have not: a database that was
    /// restored would take another epoch's payouts for its own.
    pub(super) async fn need_same_count(&self, store: &dyn Store) -> Result<(), SettlementError> {
        let next = self.farm_account().await?.map_or(1, |farm| farm.next_epoch);
        let known = store.epochs().await?;
        if next <= known + 1 {
            return Ok(());
        }
        Err(SettlementError::Operator(format!(
            "the chain has seen {} epochs of this farm and its books know {known}: the database is older \
             than the chain. Nothing is settled until the newer one is back",
            next - 1
        )))
    }

    async fn need_lamports(&self) -> Result<(), SettlementError> {
        if self.chain.lamports(&self.farm.authority).await? > 0 {
            return Ok(());
        }
        Err(SettlementError::Operator(format!(
            "the master's account {} has no lamports to pay fees and rent with: send some there",
            self.farm.authority
        )))
    }

    /// Reads of the chain where nodes are paid and what they vouch with.
    pub(super) async fn look_at_nodes(
        &self,
        store: &dyn Store,
        now_ms: i64,
    ) -> Result<(), SettlementError> {
        let mut ids = vec![NodeId(self.farm.authority.to_bytes())];
        let mut after = None;
        loop {
            let page = store.nodes(None, after, 200).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            ids.extend(page.iter().map(|node| node.id));
        }
        let address = |node: &NodeId| self.farm.node(&Address::new_from_array(node.0));
        let addresses: Vec<Address> = ids.iter().map(address).collect();
        let found = self.chain.accounts(&addresses).await?;
        let mut standing = HashMap::new();
        for (id, found) in ids.into_iter().zip(found) {
            let ours = found.filter(|found| found.owner == self.farm.program);
            let Some(Ok(accounts::Account::Node(node))) =
                ours.map(|found| accounts::decode(&found.data))
            else {
                continue;
            };
            let (payout, stake) = (ChainAddress(node.payout), Amount(node.stake));
            self.book_stake(store, id, Amount(node.stake.saturating_add(node.unlocking)), now_ms)
                .await?;
            standing.insert(id, Standing { payout, stake });
        }
        *self.nodes.write().unwrap_or_else(PoisonError::into_inner) = standing;
        Ok(())
    }
}
