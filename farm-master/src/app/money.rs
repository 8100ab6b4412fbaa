//! What is shown of money.

use super::App;
use crate::auth::Artist;
use crate::problem::{Code, Refusal};
use crate::settlement::WorksAt;
use crate::store::StoreError;
use tessera_ledger::{Cause, Watch};
use tessera_protocol::finance::{
    BalanceView, EarningsView, EntryView, LedgerView, PayoutPage, PostingView, SettlementView,
};
use tessera_protocol::{JobId, NodeId};

/// Entries that are read at once to be checked.
const CHECKED: u32 = 1_000;
/// Slashes that the chain refused and that are shown.
const SLASHES: u32 = 20;

/// The books, as far as they were checked.
#[derive(Default)]
pub(crate) struct Checked {
    watch: Watch,
    last: u64,
    violations: Vec<String>,
}

impl App {
    /// One page of payouts, of one node or of all. The cursor is the last one's epoch and leaf.
    pub(crate) async fn payouts(
        &self,
        node: Option<NodeId>,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<PayoutPage, Refusal> {
        let place = |text: &str| {
            let (epoch, leaf) = text.split_once('-')?;
            Some((epoch.parse().ok()?, leaf.parse().ok()?))
        };
        let before = match &cursor {
            None => None,
            Some(text) => Some(place(text).ok_or_else(|| {
                Refusal::new(Code::RequestMalformed, format!("{text:?} is no cursor of payouts."))
            })?),
        };
        let mut payouts = self.store.payouts(node, before, limit + 1).await?;
        let more = payouts.len() > limit as usize;
        payouts.truncate(limit as usize);
        let last = payouts.last().filter(|_| more);
        let next_cursor = last.map(|payout| format!("{}-{}", payout.epoch, payout.leaf));
        Ok(PayoutPage { data: payouts, next_cursor })
    }

    /// The books. The cursor is the oldest entry that was shown.
    pub(crate) async fn ledger(
        &self,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<LedgerView, Refusal> {
        let page = self.store.books(cursor, limit).await?;
        let last = page.entries.last().filter(|_| page.entries.len() == limit as usize);
        let next_cursor = last.map(|kept| kept.entry.number.to_string());
        let entries = page.entries.iter().map(|kept| EntryView {
            entry: kept.entry.number,
            at_ms: kept.at_ms,
            cause: kept.entry.cause.once().to_string(),
            postings: kept
                .entry
                .postings
                .iter()
                .map(|posting| PostingView {
                    account: posting.account.to_string(),
                    amount: posting.amount,
                })
                .collect(),
        });
        let balances = page.balances.iter().map(|(account, balance)| BalanceView {
            account: account.to_string(),
            balance: *balance,
        });
        let mut balances: Vec<_> = balances.collect();
        balances.sort_by(|a, b| a.account.cmp(&b.account));
        let refused = self.store.refused_slashes(SLASHES).await?.into_iter();
        let note = |(lease, refused)| {
            format!("the chain does not slash for two commits of lease {lease}: {refused}")
        };
        Ok(LedgerView {
            balances,
            violations: self.violations().await?,
            notes: refused.map(note).collect(),
            entries: entries.collect(),
            next_cursor,
        })
    }

    /// What does not hold of the books and should. Entries are checked once, in their order.
    pub(crate) async fn violations(&self) -> Result<Vec<String>, StoreError> {
        let mut checked = self.checked.lock().await;
        loop {
            let entries = self.store.entries_after(checked.last, CHECKED).await?;
            for entry in &entries {
                let proven = match &entry.cause {
                    Cause::LeaseVerified { verified, .. } => {
                        self.store.is_counting(verified.lease()).await?
                    }
                    Cause::SegmentsDelivered { delivered, part, .. } => {
                        self.store.is_delivered(*delivered, *part).await?
                    }
                    _ => false,
                };
                let found = checked.watch.next(entry, |_| proven);
                checked.violations.extend(found.iter().map(ToString::to_string));
                checked.last = entry.number;
            }
            if entries.len() < CHECKED as usize {
                return Ok(checked.violations.clone());
            }
        }
    }

    /// What became of a job's money.
    pub(crate) async fn job_settlement(
        &self,
        artist: &Artist,
        id: JobId,
    ) -> Result<SettlementView, Refusal> {
        let job = self.job(artist, id).await?;
        let (Some(money), Some(settlement)) = (job.money, &self.settlement) else {
            return Err(Refusal::new(Code::NothingIsPaid, format!("Nobody pays for job {id}.")));
        };
        let operator = NodeId(self.master().0);
        let mut payouts = self.store.job_payouts(id, operator).await?;
        for payout in &mut payouts {
            payout.epoch_account = settlement.epoch_address(payout.epoch);
        }
        let (chain, escrow) = (settlement.view(), settlement.escrow_address(id));
        Ok(SettlementView { chain, escrow, operator, money, payouts })
    }

    /// What a node has earned, and why it is not paid yet.
    pub(crate) async fn earnings(&self, node: NodeId) -> Result<EarningsView, Refusal> {
        let mut view = self.store.earnings(node).await?;
        if let Some(settlement) = &self.settlement {
            let jobs = self.store.node(node).await?.is_some();
            let streams = self.store.worker_record(node).await?.is_some();
            view.notes = settlement.notes(&view, WorksAt { jobs, streams });
        }
        Ok(view)
    }
}
