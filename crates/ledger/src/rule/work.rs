//! A lease's pay: earned, held, released, reversed.

use super::reader::{Reader, Transfer};
use crate::account::{Account, Purse};
use crate::books::Balances;
use crate::cause::{Cause, Entry, Once};
use crate::error::{LedgerError, Place};
use crate::proof::Verified;
use tessera_protocol::{Amount, LeaseId, NodeId};

/// What is left of the ceiling pays first, and then what the reserve carries.
pub(super) fn verified<B: Balances>(
    work: &Verified,
    held: bool,
    epoch: u64,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let (job, node, pay) = (work.job(), work.node(), work.pay());
    if !books.is_posted(&Once::job(job)) {
        return Err(LedgerError::UnknownJob(job));
    }
    if books.is_posted(&Once::compensated(work.lease())) {
        return Err(LedgerError::Compensated(work.lease()));
    }
    is_next(epoch, books)?;
    let escrow = books.amount(&Account::Escrow(job));
    let carry = books.amount(&Account::Carry(job));
    let from_escrow = pay.min(escrow);
    let over = pay.checked_sub(from_escrow).unwrap_or_default();
    if let Some(missing) = over.checked_sub(carry).filter(|missing| !missing.is_zero()) {
        return Err(LedgerError::OverrunRefused { job, pay, escrow, carry, missing });
    }
    let to =
        |purse| if held { Account::Held { node, purse } } else { Account::Owed { node, purse } };
    Ok(vec![
        Transfer { from: Account::Escrow(job), to: to(Purse::Job(job)), amount: from_escrow },
        Transfer { from: Account::Carry(job), to: to(Purse::Reserve), amount: over },
    ])
}

/// Whether `epoch` is the number of the next epoch.
pub(super) fn is_next<B: Balances>(epoch: u64, books: &Reader<'_, B>) -> Result<(), LedgerError> {
    let opened = books.is_posted(&Once::epoch(epoch));
    let follows = match epoch.checked_sub(1) {
        None => false,
        Some(0) => true,
        Some(before) => books.is_posted(&Once::epoch(before)),
    };
    if opened || !follows { Err(LedgerError::EpochOutOfTurn(epoch)) } else { Ok(()) }
}

pub(super) fn hold<B: Balances>(
    lease: LeaseId,
    case: u32,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let pay = Pay::of(lease, books)?;
    match pay.place {
        Place::Owed { case: next, .. } if next == case => Ok(pay.moved(
            |node, purse| Account::Owed { node, purse },
            |node, purse, _| Account::Held { node, purse },
        )),
        place => Err(LedgerError::Misplaced { lease, place }),
    }
}

pub(super) fn release<B: Balances>(
    lease: LeaseId,
    case: u32,
    epoch: u64,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let pay = Pay::of(lease, books)?;
    is_next(epoch, books)?;
    match pay.place {
        Place::Held { case: held } if held == case => Ok(pay.moved(
            |node, purse| Account::Held { node, purse },
            |node, purse, _| Account::Owed { node, purse },
        )),
        place => Err(LedgerError::Misplaced { lease, place }),
    }
}

pub(super) fn reverse<B: Balances>(
    lease: LeaseId,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let pay = Pay::of(lease, books)?;
    let back = |_, _, source| source;
    match pay.place {
        Place::Owed { .. } => Ok(pay.moved(|node, purse| Account::Owed { node, purse }, back)),
        Place::Held { .. } => Ok(pay.moved(|node, purse| Account::Held { node, purse }, back)),
        place => Err(LedgerError::Misplaced { lease, place }),
    }
}

/// What a lease earned, and where it is.
struct Pay {
    node: NodeId,
    /// What came from where: the account that paid it, and the purse that it is owed from since.
    parts: Vec<(Account, Purse, Amount)>,
    place: Place,
}

impl Pay {
    fn of<B: Balances>(lease: LeaseId, books: &Reader<'_, B>) -> Result<Self, LedgerError> {
        let entry = books.entry(&Once::lease(lease)).ok_or(LedgerError::UnknownLease(lease))?;
        let Cause::LeaseVerified { verified, held, epoch } = &entry.cause else {
            return Err(LedgerError::UnknownLease(lease));
        };
        let parts = parts(entry);
        let place = place(lease, *held, *epoch, verified.node(), &parts, books);
        Ok(Self { node: verified.node(), parts, place })
    }

    fn moved(
        &self,
        from: impl Fn(NodeId, Purse) -> Account,
        to: impl Fn(NodeId, Purse, Account) -> Account,
    ) -> Vec<Transfer> {
        let transfer = |(source, purse, amount): &(Account, Purse, Amount)| Transfer {
            from: from(self.node, *purse),
            to: to(self.node, *purse, *source),
            amount: *amount,
        };
        self.parts.iter().map(transfer).collect()
    }
}

fn parts(entry: &Entry) -> Vec<(Account, Purse, Amount)> {
    let part = |account: Account, amount: i64| {
        let purse = match account {
            Account::Escrow(job) => Purse::Job(job),
            Account::Carry(_) => Purse::Reserve,
            _ => return None,
        };
        Some((account, purse, Amount(amount.unsigned_abs())))
    };
    entry.postings.iter().filter_map(|posting| part(posting.account, posting.amount)).collect()
}

fn place<B: Balances>(
    lease: LeaseId,
    held: bool,
    mut epoch: u64,
    node: NodeId,
    parts: &[(Account, Purse, Amount)],
    books: &Reader<'_, B>,
) -> Place {
    if books.is_posted(&Once::reversed(lease)) {
        return Place::Reversed;
    }
    let (mut held, mut case) = (held, 0);
    loop {
        if held {
            match books.entry(&Once::released(lease, case)).map(|entry| &entry.cause) {
                Some(Cause::LeaseReleased { epoch: next, .. }) => epoch = *next,
                _ => return Place::Held { case },
            }
        }
        case += 1;
        held = books.is_posted(&Once::held(lease, case));
        if !held {
            break;
        }
    }
    for number in epoch.. {
        let opened = books.entry(&Once::epoch(number)).map(|entry| &entry.cause);
        let Some(Cause::EpochOpened { plan, .. }) = opened else { break };
        let takes = plan.leaf(node).is_some_and(|leaf| {
            leaf.parts.iter().any(|draw| parts.iter().any(|(_, purse, _)| *purse == draw.purse))
        });
        if takes && !books.is_posted(&Once::cancelled(number)) {
            return Place::InEpoch(number);
        }
    }
    Place::Owed { epoch, case }
}
