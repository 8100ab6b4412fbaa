//! What is done on the chain, again and again: verified work is booked, what is owed becomes an epoch, the
//! epoch is taken as far as it goes, and what is left of a job that is over returns.
//!
//! Each part begins where an earlier one, or an earlier master, ended.

use super::outbox::Notes;
use super::{Settlement, SettlementError};
use crate::app::App;
use crate::rules::funds::EXPIRES_BEFORE_MS;
use crate::store::Store;
use crate::store::money::{Booked, SpentEscrow};
use solana_address::Address;
use solana_instruction::Instruction;
use std::sync::Arc;
use tessera_farm_core::job::JobChange;
use tessera_ledger::{Cause, LedgerError, Payer, Purse, Verified};
use tessera_protocol::Amount;
use tessera_settlement::chain::{Outcome, Sender, Step};

/// Results that are booked at once.
const RESULTS: u32 = 256;
/// Escrows that are looked at at once.
const ESCROWS: u32 = 64;

/// Why a job rests whose verified work costs more than it has.
const PAID_OUT: &str = "its verified work costs more than its ceiling and what the operator adds: no \
    more of it is rendered until `farm top-up` raises its ceiling";
/// Why a job ends whose escrow does not stand for ever.
const EXPIRED: &str =
    "its escrow can be taken back within a day, and nobody would be paid any more";

impl App {
    /// Settles again and again, until the master stops.
    pub(crate) async fn settle_epochs(self: Arc<Self>) {
        let Some(settlement) = &self.settlement else { return };
        loop {
            if let Err(error) = self.settle_now(settlement).await {
                tracing::warn!(%error, "could not settle; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(settlement.config.every) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    async fn settle_now(self: &Arc<Self>, settlement: &Settlement) -> Result<(), SettlementError> {
        let now_ms = self.clock.now_ms();
        self.store.approve_due(now_ms).await?;
        self.end_expiring(now_ms).await?;
        self.book_verified().await?;
        self.book_delivered().await?;
        settlement.prepare(&*self.store, now_ms).await?;
        settlement.need_same_count(&*self.store).await?;
        // Before stakes are looked at: what a slash took is not what its node withdrew.
        self.slash_equivocations(settlement).await?;
        settlement.look_at_nodes(&*self.store, now_ms).await?;
        for spent in self.spent().await? {
            if !spent.ended {
                self.end_spent(settlement, spent.purse).await?;
            }
        }
        self.need_sound_books().await?;
        // What is owed of what is over is paid however little it is: its owner waits for the rest.
        let waits = self.spent().await?.iter().any(|spent| spent.owed);
        let floor = if waits { Amount::ZERO } else { settlement.config.floor };
        let payable = settlement.payable(&*self.store).await?;
        if let Some(epoch) = self.store.begin_epoch(payable, floor, now_ms).await? {
            self.follow(settlement, &epoch, 0).await?;
        }
        self.pay_left_over(settlement).await?;
        for spent in self.spent().await? {
            if spent.ended && !spent.owed {
                self.close(settlement, &spent).await?;
            }
        }
        Ok(())
    }

    /// Pays nobody out of books that do not agree with themselves.
    async fn need_sound_books(&self) -> Result<(), SettlementError> {
        let violations = self.violations().await?;
        let Some(first) = violations.first() else { return Ok(()) };
        Err(SettlementError::Operator(format!(
            "nothing is paid, for {} things do not hold of the books and should; the first of them: {first}",
            violations.len()
        )))
    }

    /// Ends jobs whose nodes could not be paid much longer.
    async fn end_expiring(&self, now_ms: i64) -> Result<(), SettlementError> {
        for job in self.store.expiring(now_ms.saturating_add(EXPIRES_BEFORE_MS), ESCROWS).await? {
            tracing::warn!(%job, "a job ends, for its escrow can be taken back soon");
            self.store
                .change_job(job, JobChange::Cancel, Some(EXPIRED.to_owned()), self.clock.now_ms())
                .await?;
            self.heard.forget_job(job);
            self.hints.events.send_replace(());
        }
        Ok(())
    }

    /// Jobs and streams that are over, and whose escrows stand.
    async fn spent(&self) -> Result<Vec<SpentEscrow>, SettlementError> {
        let expired_ms = self.clock.now_ms().saturating_add(EXPIRES_BEFORE_MS);
        let mut spent = self.store.spent_escrows(ESCROWS).await?;
        spent.extend(self.store.spent_streams(self.settled_until(), expired_ms, ESCROWS).await?);
        Ok(spent)
    }

    /// Books the end of what is over: nothing more of its escrow is to be paid to nodes.
    async fn end_spent(
        &self,
        settlement: &Settlement,
        purse: Purse,
    ) -> Result<(), SettlementError> {
        if let Some(escrow) = settlement.job(&settlement.escrow_of(&purse)).await? {
            self.note_deposit(purse, Amount(escrow.deposited)).await?;
        }
        let now_ms = self.clock.now_ms();
        match purse {
            Purse::Job(job) => self.store.end_escrow(job, now_ms).await?,
            Purse::Stream(stream) => self.store.end_stream_escrow(stream, now_ms).await?,
            Purse::Reserve => {}
        }
        Ok(())
    }

    /// Books what came into an escrow and was not put aside: it returns to its owner.
    async fn note_deposit(&self, purse: Purse, deposited: Amount) -> Result<(), SettlementError> {
        let now_ms = self.clock.now_ms();
        match purse {
            Purse::Job(job) => {
                self.store.note_deposit(job, deposited, now_ms).await?;
            }
            Purse::Stream(stream) => {
                self.store.note_stream_deposit(stream, deposited, now_ms).await?;
            }
            Purse::Reserve => {}
        }
        Ok(())
    }

    /// Books what was verified finally. Nothing is booked without its receipt.
    async fn book_verified(self: &Arc<Self>) -> Result<(), SettlementError> {
        loop {
            let results = self.store.unbooked(RESULTS).await?;
            let count = results.len();
            let mut taken = 0;
            for audited in results {
                let (lease, job) = (audited.result.lease, audited.result.job);
                let stored = audited.stored;
                let receipt = self.blocking(move |app| app.write_receipt(audited)).await;
                let receipt = receipt.map_err(|error| SettlementError::Step(error.to_string()))?;
                let Some(verified) = receipt.as_ref().and_then(Verified::from_receipt) else {
                    if stored {
                        // Perhaps the disk reads it the next time.
                        continue;
                    }
                    tracing::error!(%lease, "nothing is left that proves a result; it is not paid");
                    self.store.give_up_pay(lease).await?;
                    taken += 1;
                    continue;
                };
                // Whatever comes of it, the same result is not looked up a second time before its job changes.
                taken += 1;
                match self.store.book_lease(verified, self.clock.now_ms()).await? {
                    Booked::Now(_) | Booked::Before => {}
                    Booked::Refused(refused @ LedgerError::OverrunRefused { .. }) => {
                        tracing::warn!(%job, %lease, %refused, "more was verified than can be paid");
                        let reason = Some(PAID_OUT.to_owned());
                        self.store
                            .change_job(job, JobChange::Pause, reason, self.clock.now_ms())
                            .await?;
                    }
                    Booked::Refused(refused) => {
                        tracing::error!(%lease, %refused, "a verified result cannot be booked");
                    }
                }
            }
            if count < RESULTS as usize || taken == 0 {
                return Ok(());
            }
        }
    }

    /// Returns what is left in the escrow of what is over, and books it.
    async fn close(
        &self,
        settlement: &Settlement,
        spent: &SpentEscrow,
    ) -> Result<(), SettlementError> {
        let SpentEscrow { purse, owner, .. } = *spent;
        // Jobs had this name to themselves before streams were paid for.
        let name = match purse {
            Purse::Job(job) => job.to_string(),
            purse => purse.to_string(),
        };
        let noted = format!("refund of {name}");
        let id = settlement.escrow_of(&purse);
        if let Some(escrow) = settlement.job(&id).await? {
            self.note_deposit(purse, Amount(escrow.deposited)).await?;
            let rest = escrow.deposited.saturating_sub(escrow.drawn);
            self.store.note_attempt(noted.clone(), Some(rest.to_string())).await?;
            let address = Address::new_from_array;
            let (refund, rent) = (address(escrow.refund), address(escrow.rent_payer));
            let end = settlement.farm.end_job(&id.0, refund, rent);
            settlement.step(&*self.store, format!("end job {name}"), vec![end]).await?;
        }
        let rest = self.store.attempt(noted).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let refund = (rest > 0).then(|| Cause::Withdrawn {
            id: format!("refund/{name}"),
            payer: Payer(owner.0),
            amount: Amount(rest),
        });
        let now_ms = self.clock.now_ms();
        match purse {
            Purse::Job(job) => self.store.close_escrow(job, refund, now_ms).await?,
            Purse::Stream(stream) => self.store.close_stream_escrow(stream, refund, now_ms).await?,
            Purse::Reserve => {}
        }
        Ok(())
    }
}

impl Settlement {
    /// Does one step for good.
    pub(super) async fn step(
        &self,
        store: &dyn Store,
        name: String,
        instructions: Vec<Instruction>,
    ) -> Result<(), SettlementError> {
        let sender = Sender::new(Notes(store), self.farm.program);
        let step = Step { name: name.clone(), instructions, signers: vec![&self.key] };
        match sender.send(&self.chain, &step).await {
            Ok(Outcome::Finalised(_)) => Ok(()),
            Ok(Outcome::Refused(refused)) => {
                Err(SettlementError::Step(format!("the chain refuses to {name}: {refused}")))
            }
            Ok(Outcome::Expired) => {
                Err(SettlementError::Step(format!("the chain did not {name} in time")))
            }
            Err(error) => Err(SettlementError::Step(error.to_string())),
        }
    }
}
