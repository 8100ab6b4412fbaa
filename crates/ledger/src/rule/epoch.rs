//! Epochs: what they take, pay, cannot pay, and give back.

use super::reader::{Reader, Transfer};
use super::work::is_next;
use crate::account::Account;
use crate::books::Balances;
use crate::cause::{Cause, Once};
use crate::epoch::EpochPlan;
use crate::error::LedgerError;
use tessera_protocol::{Amount, NodeId};

/// A node's leaf takes all that it is owed from a purse, or nothing: so that it can be told which
/// leases were settled.
pub(super) fn open<B: Balances>(
    epoch: u64,
    plan: &EpochPlan,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    plan.check()?;
    is_next(epoch, books)?;
    let (mut transfers, mut stale) = (vec![], None);
    for leaf in &plan.leaves {
        let node = leaf.node;
        for part in &leaf.parts {
            let from = Account::Owed { node, purse: part.purse };
            if books.amount(&from) != part.amount {
                stale = stale.or(Some(node));
            }
            let to = Account::InEpoch { epoch, node };
            transfers.push(Transfer { from, to, amount: part.amount });
        }
    }
    match stale {
        Some(node) => Err(LedgerError::PlanStale(node)),
        None => Ok(transfers),
    }
}

pub(super) fn cancel<B: Balances>(
    epoch: u64,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let opened = books.entry(&Once::epoch(epoch)).map(|entry| &entry.cause);
    let Some(Cause::EpochOpened { plan, .. }) = opened else {
        return Err(LedgerError::NoEpoch(epoch));
    };
    let (mut transfers, mut paid) = (vec![], false);
    for leaf in &plan.leaves {
        let node = leaf.node;
        let from = Account::InEpoch { epoch, node };
        paid |= books.amount(&from) != leaf.amount;
        transfers.extend(leaf.parts.iter().map(|part| Transfer {
            from,
            to: Account::Owed { node, purse: part.purse },
            amount: part.amount,
        }));
    }
    if paid { Err(LedgerError::EpochPaid(epoch)) } else { Ok(transfers) }
}

pub(super) fn pay<B: Balances>(
    epoch: u64,
    node: NodeId,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let transfers = [Account::InEpoch { epoch, node }, Account::Claimable { epoch, node }]
        .map(|from| Transfer { from, to: Account::Paid(node), amount: books.amount(&from) });
    of_something(epoch, node, transfers.into())
}

pub(super) fn skip<B: Balances>(
    epoch: u64,
    node: NodeId,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let (from, to) = (Account::InEpoch { epoch, node }, Account::Claimable { epoch, node });
    of_something(epoch, node, vec![Transfer { from, to, amount: books.amount(&from) }])
}

fn of_something(
    epoch: u64,
    node: NodeId,
    transfers: Vec<Transfer>,
) -> Result<Vec<Transfer>, LedgerError> {
    if transfers.iter().all(|transfer| transfer.amount == Amount::ZERO) {
        return Err(LedgerError::NoLeaf { epoch, node });
    }
    Ok(transfers)
}
