//! What artists and broadcasters do: pay into the escrow of a job or stream, add to it, take it back.

use crate::{Wallet, WalletError};
use solana_address::Address;
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{Amount, EscrowId};
use tessera_settlement::abi::account::Job;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::accounts;

/// How long a deposit lies before its owner may take it back without the farm, in seconds: longer than
/// a job takes.
const EXPIRES_AFTER_S: i64 = 60 * 24 * 3600;
/// The same for a stream, which goes on for longer.
const STREAM_EXPIRES_AFTER_S: i64 = 365 * 24 * 3600;
const DAY_S: i64 = 24 * 3600;

impl Wallet {
    /// Deposits what a quote says that the job costs at most, unless it lies there already.
    pub async fn deposit(&self, quote: &QuoteView) -> Result<(), WalletError> {
        let (escrow, wanted) = (EscrowId::from(quote.id.job()), quote.quote.terms.ceiling);
        if let Some(found) = self.escrow(escrow).await? {
            let has = Amount(found.deposited);
            return if has >= wanted {
                Ok(())
            } else {
                Err(WalletError::OtherDeposit { has, wanted })
            };
        }
        let what = format!("take the deposit for {}", quote.id);
        self.open_escrow(what, escrow, wanted, EXPIRES_AFTER_S).await
    }

    /// Adds to a stream's deposit, and makes its escrow where there is none. What lies there already must
    /// be this wallet's: it would return to whoever made it.
    pub async fn fund(&self, escrow: EscrowId, amount: Amount) -> Result<(), WalletError> {
        match self.escrow(escrow).await? {
            Some(found) if found.artist != self.address().to_bytes() => {
                Err(WalletError::OthersEscrow(escrow))
            }
            Some(_) => self.top_up(escrow, amount).await,
            None => {
                let what = format!("take the deposit {escrow}");
                self.open_escrow(what, escrow, amount, STREAM_EXPIRES_AFTER_S).await
            }
        }
    }

    async fn open_escrow(
        &self,
        what: String,
        escrow: EscrowId,
        amount: Amount,
        expires_after_s: i64,
    ) -> Result<(), WalletError> {
        if self.chain.account(&self.farm.farm).await?.is_none() {
            return Err(WalletError::NoFarm);
        }
        self.need_tokens(amount).await?;
        let expires_at = self.chain.time().await?.unix_s + expires_after_s;
        let deposit = OpenJob { job: escrow.0, amount: amount.0, expires_at };
        let source = self.source();
        let open = self.farm.open_job(self.address(), source, source.account, deposit);
        self.send(what, vec![open]).await
    }

    /// Adds to a deposit.
    pub async fn top_up(&self, escrow: EscrowId, amount: Amount) -> Result<(), WalletError> {
        self.need_tokens(amount).await?;
        let top_up = self.farm.top_up(self.source(), &escrow.0, amount.0);
        self.send(format!("add to the escrow {escrow}"), vec![top_up]).await
    }

    /// Takes back what lies in an escrow that has expired; how much.
    pub async fn reclaim(&self, escrow: EscrowId) -> Result<Amount, WalletError> {
        let found = self.escrow(escrow).await?.ok_or(WalletError::NoEscrow(escrow))?;
        let left_s = found.expires_at - self.chain.time().await?.unix_s;
        if left_s > 0 {
            return Err(WalletError::EscrowStands { days: (left_s + DAY_S - 1) / DAY_S });
        }
        let [artist, rent, refund] =
            [found.artist, found.rent_payer, found.refund].map(Address::new_from_array);
        let signs = artist == self.address();
        // Whoever deposited may have closed the account that was named for it.
        let refund = if signs { self.account() } else { refund };
        let reclaim = self.farm.reclaim_job(&escrow.0, (artist, signs), refund, rent);
        self.send(format!("give back the escrow {escrow}"), vec![reclaim]).await?;
        Ok(Amount(found.deposited.saturating_sub(found.drawn)))
    }

    async fn escrow(&self, escrow: EscrowId) -> Result<Option<Job>, WalletError> {
        let found = self.chain.account(&self.farm.job(&escrow.0)).await?;
        let found = found.filter(|found| found.owner == self.farm.program);
        match found.map(|found| accounts::decode(&found.data)) {
            Some(Ok(accounts::Account::Job(job))) => Ok(Some(job)),
            _ => Ok(None),
        }
    }
}
