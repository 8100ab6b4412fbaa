//! Which postings follow from a cause.

mod epoch;
mod reader;
mod stream;
mod work;

use crate::account::{Account, Payer, Posting, Purse};
use crate::books::Balances;
use crate::cause::{CarryTerms, Cause, FeeTerms, Once, Share};
use crate::error::{LedgerError, check_id};
use reader::{Reader, Transfer, postings};
use tessera_protocol::{Amount, JobId};

/// The postings that follow from a cause: at most one for an account, in the accounts' order, adding up
/// to 0; none where work costs nothing. A cause that was posted before is refused, and so is whatever
/// would take more from an account than it has.
pub fn post(cause: &Cause, books: &impl Balances) -> Result<Vec<Posting>, LedgerError> {
    let books = Reader::new(books);
    let posted = decide(cause, &books);
    // A decision without all that it has to know is none.
    books.all_known()?;
    posted
}

fn decide<B: Balances>(cause: &Cause, books: &Reader<'_, B>) -> Result<Vec<Posting>, LedgerError> {
    check_id(cause)?;
    let once = cause.once();
    if books.is_posted(&once) {
        return Err(LedgerError::AlreadyPosted(once));
    }
    postings(transfers(cause, books)?, books)
}

fn transfers<B: Balances>(
    cause: &Cause,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    use Account::{Bond, Refunded, Reserve, Rewarded, Slashed, Stake, Wallet, World};
    match cause {
        Cause::Deposited { payer, amount, .. } => some(World, Wallet(*payer), *amount),
        Cause::Withdrawn { payer, amount, .. } => some(Wallet(*payer), Refunded(*payer), *amount),
        Cause::ReserveFunded { amount, .. } => some(World, Reserve, *amount),
        Cause::ReserveWithdrawn { amount, .. } => some(Reserve, World, *amount),
        Cause::StakeAdded { node, amount, .. } => some(World, Stake(*node), *amount),
        Cause::StakeWithdrawn { node, amount, .. } => some(Stake(*node), World, *amount),
        Cause::BondFunded { amount, .. } => some(World, Bond, *amount),
        Cause::BondWithdrawn { amount, .. } => some(Bond, World, *amount),
        Cause::Compensated { node, amount, .. } => some(Bond, Rewarded(*node), *amount),
        Cause::Slashed { node, amount, reporter, .. } => {
            let Share { node: who, amount: share } =
                reporter.unwrap_or(Share { node: *node, amount: Amount::ZERO });
            let burned = amount
                .checked_sub(share)
                .ok_or(LedgerError::Terms("a reporter gets no more than is slashed"))?;
            let mut all = some(Stake(*node), Slashed, *amount)?;
            all[0].amount = burned;
            all.push(Transfer { from: Stake(*node), to: Rewarded(who), amount: share });
            Ok(all)
        }
        Cause::QuoteAccepted { job, payer, ceiling, carry, fee } => {
            accept(*job, *payer, *ceiling, carry, fee, books)
        }
        Cause::ToppedUp { job, part, amount } => top_up(*job, *part, *amount, books),
        Cause::CarryRaised { job, part, amount } => raise_carry(*job, *part, *amount, books),
        Cause::JobEnded { job, part } => end(*job, *part, books),
        Cause::LeaseVerified { verified, held, epoch } => {
            work::verified(verified, *held, *epoch, books)
        }
        Cause::LeaseHeld { lease, case } => work::hold(*lease, *case, books),
        Cause::LeaseReleased { lease, case, epoch } => work::release(*lease, *case, *epoch, books),
        Cause::LeaseReversed { lease } => work::reverse(*lease, books),
        Cause::EpochOpened { epoch, plan } => epoch::open(*epoch, plan, books),
        Cause::EpochCancelled { epoch } => epoch::cancel(*epoch, books),
        Cause::LeafPaid { epoch, node } => epoch::pay(*epoch, *node, books),
        Cause::LeafSkipped { epoch, node } => epoch::skip(*epoch, *node, books),
        Cause::StreamFunded { stream, payer, part, amount, fee } => {
            stream::fund(*stream, *payer, *part, *amount, fee, books)
        }
        Cause::SegmentsDelivered { delivered, stream, part, before, price } => {
            stream::deliver(delivered, *stream, *part, *before, *price, books)
        }
        Cause::StreamEnded { stream } => stream::end(*stream, books),
    }
}

/// One transfer, of something.
fn some(from: Account, to: Account, amount: Amount) -> Result<Vec<Transfer>, LedgerError> {
    if amount.is_zero() {
        return Err(LedgerError::Nothing);
    }
    Ok(vec![Transfer { from, to, amount }])
}

/// Parts follow each other without a gap.
fn in_turn<B: Balances>(
    part: u32,
    once: impl Fn(u32) -> Once,
    books: &Reader<'_, B>,
) -> Result<(), LedgerError> {
    match part.checked_sub(1) {
        Some(before) if !books.is_posted(&once(before)) => {
            Err(LedgerError::PartOutOfTurn(once(part)))
        }
        _ => Ok(()),
    }
}

/// The ceiling is set aside whole, and what the reserve will carry with it: a promise that is made is
/// one that can be kept.
fn accept<B: Balances>(
    job: JobId,
    payer: Payer,
    ceiling: Amount,
    carry: &CarryTerms,
    fee: &FeeTerms,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    if carry.job_permille > 1000 {
        return Err(LedgerError::Terms("the reserve carries at most as much again as the ceiling"));
    }
    if fee.bps > 10_000 {
        return Err(LedgerError::Terms("a fee is at most the whole"));
    }
    let mut all = some(Account::Wallet(payer), Account::Escrow(job), ceiling)?;
    let before = books.amount(&Account::Carried(payer));
    let amount = share(ceiling, u64::from(carry.job_permille), 1000)
        .min(carry.payer_most.checked_sub(before).unwrap_or_default())
        .min(books.amount(&Account::Reserve));
    all.push(Transfer { from: Account::Reserve, to: Account::Carry(job), amount });
    all.push(Transfer { from: Account::CarriedForAll, to: Account::Carried(payer), amount });
    Ok(all)
}

fn top_up<B: Balances>(
    job: JobId,
    part: u32,
    amount: Amount,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let payer = payer_of_standing(job, books)?;
    in_turn(part, |part| Once::topped_up(job, part), books)?;
    some(Account::Wallet(payer), Account::Escrow(job), amount)
}

/// Who pays for a job that has not ended.
fn payer_of_standing<B: Balances>(job: JobId, books: &Reader<'_, B>) -> Result<Payer, LedgerError> {
    let payer = books.quote(job)?.payer;
    match books.is_posted(&Once::ended(job, 0)) {
        true => Err(LedgerError::JobEnded(job)),
        false => Ok(payer),
    }
}

fn raise_carry<B: Balances>(
    job: JobId,
    part: u32,
    amount: Amount,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let payer = payer_of_standing(job, books)?;
    in_turn(part, |part| Once::carry_raised(job, part), books)?;
    let mut all = some(Account::Reserve, Account::Carry(job), amount)?;
    all.push(Transfer { from: Account::CarriedForAll, to: Account::Carried(payer), amount });
    Ok(all)
}

fn end<B: Balances>(
    job: JobId,
    part: u32,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let quote = books.quote(job)?;
    in_turn(part, |part| Once::ended(job, part), books)?;
    let escrow = books.amount(&Account::Escrow(job));
    let fee = match part {
        0 => {
            let cost = ceiling(job, quote.ceiling, books)?.checked_sub(escrow).unwrap_or_default();
            share(cost, u64::from(quote.fee.bps), 10_000).min(escrow)
        }
        _ => Amount::ZERO,
    };
    let rest = escrow.checked_sub(fee).unwrap_or_default();
    let carry = books.amount(&Account::Carry(job));
    let operator = Account::Owed { node: quote.fee.to, purse: Purse::Job(job) };
    Ok(vec![
        Transfer { from: Account::Escrow(job), to: operator, amount: fee },
        Transfer { from: Account::Escrow(job), to: Account::Wallet(quote.payer), amount: rest },
        Transfer { from: Account::Carry(job), to: Account::Reserve, amount: carry },
        Transfer { from: Account::Carried(quote.payer), to: Account::CarriedForAll, amount: carry },
    ])
}

/// A job's ceiling, with all that it was raised by.
fn ceiling<B: Balances>(
    job: JobId,
    quoted: Amount,
    books: &Reader<'_, B>,
) -> Result<Amount, LedgerError> {
    let mut sum = quoted;
    for part in 0.. {
        let Some(entry) = books.entry(&Once::topped_up(job, part)) else { break };
        let Cause::ToppedUp { amount, .. } = entry.cause else { break };
        sum = sum.checked_add(amount).ok_or(LedgerError::TooLarge)?;
    }
    Ok(sum)
}

/// `amount × part / whole`, rounded down; `part` is at most `whole`.
fn share(amount: Amount, part: u64, whole: u64) -> Amount {
    let share = u128::from(amount.0) * u128::from(part) / u128::from(whole);
    Amount(u64::try_from(share).unwrap_or(u64::MAX))
}
