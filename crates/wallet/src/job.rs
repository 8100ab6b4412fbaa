//! What artists do: pay into the escrow of a job, add to it, take it back.

use crate::{Wallet, WalletError};
use solana_address::Address;
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{Amount, JobId};
use tessera_settlement::abi::account::Job;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::accounts;

/// How long a deposit lies before its owner may take it back without the farm, in seconds: longer than
/// a job takes.
const EXPIRES_AFTER_S: i64 = 60 * 24 * 3600;
const DAY_S: i64 = 24 * 3600;

impl Wallet {
    /// Deposits what a quote says that the job costs at most, unless it lies there already.
    pub async fn deposit(&self, quote: &QuoteView) -> Result<(), WalletError> {
        if self.chain.account(&self.farm.farm).await?.is_none() {
            return Err(WalletError::NoFarm);
        }
        let (job, wanted) = (quote.id.job(), quote.quote.terms.ceiling);
        if let Some(found) = self.escrow(job).await? {
            let has = Amount(found.deposited);
            return if has >= wanted {
                Ok(())
            } else {
                Err(WalletError::OtherDeposit { has, wanted })
            };
        }
        self.need_tokens(wanted).await?;
        let now_s = self.chain.time().await?.unix_s;
        let deposit = OpenJob { job: job.0, amount: wanted.0, expires_at: now_s + EXPIRES_AFTER_S };
        let source = self.source();
        let open = self.farm.open_job(self.address(), source, source.account, deposit);
        self.send(format!("take the deposit for {}", quote.id), vec![open]).await
    }

    /// Adds to a job's deposit.
    pub async fn top_up(&self, job: JobId, amount: Amount) -> Result<(), WalletError> {
        self.need_tokens(amount).await?;
        let top_up = self.farm.top_up(self.source(), &job.0, amount.0);
        self.send(format!("add to the escrow {job}"), vec![top_up]).await
    }

    /// Takes back what lies in an escrow that has expired; how much.
    pub async fn reclaim(&self, job: JobId) -> Result<Amount, WalletError> {
        let found = self.escrow(job).await?.ok_or(WalletError::NoEscrow(job))?;
        let left_s = found.expires_at - self.chain.time().await?.unix_s;
        if left_s > 0 {
            return Err(WalletError::EscrowStands { days: (left_s + DAY_S - 1) / DAY_S });
        }
        let [artist, rent, refund] =
            [found.artist, found.rent_payer, found.refund].map(Address::new_from_array);
        let signs = artist == self.address();
        // Whoever deposited may have closed the account that was named for it.
        let refund = if signs { self.account() } else { refund };
        let reclaim = self.farm.reclaim_job(&job.0, (artist, signs), refund, rent);
        self.send(format!("give back the escrow {job}"), vec![reclaim]).await?;
        Ok(Amount(found.deposited.saturating_sub(found.drawn)))
    }

    async fn escrow(&self, job: JobId) -> Result<Option<Job>, WalletError> {
        let found = self.chain.account(&self.farm.job(&job.0)).await?;
        let found = found.filter(|found| found.owner == self.farm.program);
        match found.map(|found| accounts::decode(&found.data)) {
            Some(Ok(accounts::Account::Job(job))) => Ok(Some(job)),
            _ => Ok(None),
        }
    }
}
