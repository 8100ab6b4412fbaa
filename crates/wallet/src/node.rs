//! What a node's key does: it vouches with stake, asks it back, and says where it is paid.

use crate::{Wallet, WalletError};
use solana_address::Address;
use tessera_protocol::Amount;
use tessera_settlement::abi::account::Node;
use tessera_settlement::{accounts, tokens};

/// How a node stands on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// What it vouches with.
    pub stake: Amount,
    /// What it asked back, and may still lose.
    pub unlocking: Amount,
    /// When that is free, in seconds since 1970; 0 where nothing was asked back.
    pub free_at_s: i64,
    /// The token account that it is paid to.
    #[serde(serialize_with = "as_text")]
    pub payout: Address,
}

fn as_text<S: serde::Serializer>(address: &Address, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(address)
}

impl Wallet {
    /// How the node of this key stands; `None` where it was never registered.
    pub async fn standing(&self) -> Result<Option<Standing>, WalletError> {
        Ok(self.node().await?.map(|node| Standing {
            stake: Amount(node.stake),
            unlocking: Amount(node.unlocking),
            free_at_s: if node.unlocking > 0 { node.unlock_at } else { 0 },
            payout: Address::new_from_array(node.payout),
        }))
    }

    /// Vouches with so much more, out of this key's own tokens; registers the node where it is new.
    pub async fn stake(&self, amount: Amount) -> Result<(), WalletError> {
        self.need_tokens(amount).await?;
        let node = self.address();
        let mut instructions = Vec::new();
        if self.node().await?.is_none() {
            instructions.push(self.farm.register_node(node, node, self.account()));
        }
        instructions.push(self.farm.stake(self.source(), node, amount.0));
        self.send(format!("take the stake of {node}"), instructions).await
    }

    /// Asks so much of the stake back: it is free after the farm's cooldown.
    pub async fn unstake(&self, amount: Amount) -> Result<(), WalletError> {
        self.node().await?.ok_or(WalletError::NoStake)?;
        let request = self.farm.request_unstake(self.address(), amount.0);
        self.send("note what is asked back".to_owned(), vec![request]).await
    }

    /// Takes what was asked back and is free; how much.
    pub async fn withdraw(&self) -> Result<Amount, WalletError> {
        let found = self.node().await?.ok_or(WalletError::NoStake)?;
        let left_s = found.unlock_at - self.chain.time().await?.unix_s;
        if found.unlocking > 0 && left_s > 0 {
            return Err(WalletError::Cooling { seconds: left_s });
        }
        let withdraw = self.farm.withdraw_stake(self.address(), self.account());
        self.send("pay out the stake".to_owned(), vec![withdraw]).await?;
        Ok(Amount(found.unlocking))
    }

    /// Has the node paid to another wallet from now on, whose token account is made where it is missing.
    pub async fn pay_to(&self, wallet: &Address) -> Result<(), WalletError> {
        let node = self.address();
        let account = tokens::associated(wallet, &self.farm.mint);
        let mut instructions = vec![tokens::make_associated(node, wallet, &self.farm.mint)];
        instructions.push(match self.node().await? {
            Some(_) => self.farm.set_payout(node, account),
            None => self.farm.register_node(node, node, account),
        });
        self.send(format!("pay {node} to {account}"), instructions).await
    }

    async fn node(&self) -> Result<Option<Node>, WalletError> {
        let found = self.chain.account(&self.farm.node(&self.address())).await?;
        let found = found.filter(|found| found.owner == self.farm.program);
        match found.map(|found| accounts::decode(&found.data)) {
            Some(Ok(accounts::Account::Node(node))) => Ok(Some(node)),
            _ => Ok(None),
        }
    }
}
