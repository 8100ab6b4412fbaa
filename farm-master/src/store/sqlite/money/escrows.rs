//! Escrows of jobs: raised, ended and closed.

use super::super::db::{Db, query};
use super::super::ledger::{balances, book, book_or_fail};
use super::super::rows::{Job, bytes, corrupt, count, sql};
use super::epochs::open_epoch;
use super::pay::{Short, set_short};
use crate::auth::TokenId;
use crate::store::StoreError;
use crate::store::money::{Booked, OpenEpoch, Raised, SpentEscrow};
use tessera_ledger::{Account, Cause, Payer, Purse};
use tessera_protocol::{Amount, JobId};

/// Jobs that have ended, nothing of which waits for a verdict or for the books.
const OVER: &str = "SELECT job.id, job.owner, job.escrow FROM job \
     WHERE job.escrow IN (1, 2) AND job.state IN (2, 3) AND NOT EXISTS (SELECT 1 FROM result \
     WHERE result.job = job.id AND result.price > 0 \
     AND ((result.audit = 0 AND result.stored = 1) OR (result.audit = 1 AND result.posted = 0))) \
     ORDER BY job.seq LIMIT $1";

pub(in crate::store::sqlite) fn spent_escrows(
    db: &Db,
    limit: u32,
) -> Result<Vec<SpentEscrow>, StoreError> {
    let rows = query(OVER).bind(limit).fetch_all(db)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let balances = balances(db)?;
    let settling = open_epoch(db)?;
    let mut spent = Vec::with_capacity(rows.len());
    for row in &rows {
        let purse = Purse::Job(JobId(bytes(row, "id")?));
        spent.push(SpentEscrow {
            purse,
            owner: TokenId(bytes(row, "owner")?),
            ended: row.try_get::<i64>("escrow")? == ENDED,
            owed: is_owed_out_of(purse, &balances, settling.as_ref()),
        });
    }
    Ok(spent)
}

/// Whether something is owed out of a purse, or on its way to the chain.
pub(super) fn is_owed_out_of(
    purse: Purse,
    balances: &[(Account, i64)],
    settling: Option<&OpenEpoch>,
) -> bool {
    let owed = balances.iter().any(|(account, _)| match account {
        Account::Owed { purse: of, .. } | Account::Held { purse: of, .. } => *of == purse,
        _ => false,
    });
    owed || settling.is_some_and(|open| open.plan.draws.iter().any(|draw| draw.purse == purse))
}

/// States of an escrow: it stands, nothing of it is to be paid to nodes any more, and it is closed.
pub(super) const STANDS: i64 = 1;
pub(super) const ENDED: i64 = 2;
pub(in crate::store::sqlite) const CLOSED: i64 = 3;

pub(in crate::store::sqlite) fn end_escrow(
    db: &Db,
    job: JobId,
    now_ms: i64,
) -> Result<(), StoreError> {
    if let Booked::Now(postings) = book_ended(db, job, now_ms)? {
        let fee = postings.iter().filter(|posting| matches!(posting.account, Account::Owed { .. }));
        query("UPDATE job SET fee = $2 WHERE id = $1")
            .bind(&job.0[..])
            .bind(fee.map(|posting| posting.amount).sum::<i64>())
            .execute(db)?;
    }
    set_escrow(db, job, ENDED)
}

fn book_ended(db: &Db, job: JobId, now_ms: i64) -> Result<Booked, StoreError> {
    match book(db, &Cause::JobEnded { job, part: 0 }, now_ms)? {
        Booked::Refused(refused) => Err(StoreError::Ledger(refused)),
        booked => Ok(booked),
    }
}

/// Books what was deposited for a job since the books last heard; how much that is.
pub(in crate::store::sqlite) fn note_deposit(
    db: &Db,
    job: JobId,
    deposited: Amount,
    now_ms: i64,
) -> Result<Amount, StoreError> {
    let row =
        query("SELECT owner, deposited FROM job WHERE id = $1").bind(&job.0[..]).fetch_one(db)?;
    let known = Amount(count(&row, "deposited")?);
    let Some(more) = deposited.checked_sub(known).filter(|more| !more.is_zero()) else {
        return Ok(Amount::ZERO);
    };
    let payer = Payer(bytes(&row, "owner")?);
    let id = format!("escrow/{job}/{}", deposited.0);
    book_or_fail(db, &Cause::Deposited { id, payer, amount: more }, now_ms)?;
    query("UPDATE job SET deposited = $2 WHERE id = $1")
        .bind(&job.0[..])
        .bind(sql(deposited.0))
        .execute(db)?;
    Ok(more)
}

/// Books what came into the operator's reserve since the books last heard; how much that is. What was booked
/// of it before is in the books alone.
pub(in crate::store::sqlite) fn note_reserve(
    db: &Db,
    deposited: Amount,
    now_ms: i64,
) -> Result<Amount, StoreError> {
    // By the text in short: '0' comes next after '/'.
    let row = query(
        "SELECT COALESCE(SUM(posting.amount), 0) AS known FROM entry \
         JOIN posting ON posting.entry = entry.id AND posting.account = $1 \
         WHERE entry.once >= 'reserve_funded/' AND entry.once < 'reserve_funded0'",
    )
    .bind(Account::Reserve.to_string())
    .fetch_one(db)?;
    let known = Amount(count(&row, "known")?);
    let Some(more) = deposited.checked_sub(known).filter(|more| !more.is_zero()) else {
        return Ok(Amount::ZERO);
    };
    let id = if known.is_zero() { "first".to_owned() } else { deposited.0.to_string() };
    book_or_fail(db, &Cause::ReserveFunded { id, amount: more }, now_ms)?;
    Ok(more)
}

pub(in crate::store::sqlite) fn raise_ceiling(
    db: &Db,
    job: JobId,
    deposited: Amount,
    now_ms: i64,
) -> Result<Raised, StoreError> {
    let row = query("SELECT escrow, short, top_ups FROM job WHERE id = $1")
        .bind(&job.0[..])
        .fetch_one(db)?;
    if row.try_get::<i64>("escrow")? != STANDS {
        return Ok(Raised::Ended);
    }
    let amount = note_deposit(db, job, deposited, now_ms)?;
    if amount.is_zero() {
        return Ok(Raised::Nothing);
    }
    let part = u32::try_from(count(&row, "top_ups")?).map_err(corrupt)?;
    book_or_fail(db, &Cause::ToppedUp { job, part, amount }, now_ms)?;
    query("UPDATE job SET ceiling = ceiling + $2, top_ups = top_ups + 1 WHERE id = $1")
        .bind(&job.0[..])
        .bind(sql(amount.0))
        .execute(db)?;
    set_short(db, job, Short::Nothing)?;
    let was_short = row.try_get::<i64>("short")? != Short::Nothing as i64;
    let job = Box::new(Job::of(db, job)?.view()?);
    Ok(Raised::By { amount, was_short, job })
}

/// Jobs that are not over, and whose escrow can be taken back before `until_ms`.
pub(in crate::store::sqlite) fn expiring(
    db: &Db,
    until_ms: i64,
    limit: u32,
) -> Result<Vec<JobId>, StoreError> {
    let rows = query(
        "SELECT id FROM job WHERE escrow = 1 AND state NOT IN (2, 3) AND escrow_until_ms < $1 \
         ORDER BY seq LIMIT $2",
    )
    .bind(until_ms)
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(|row| Ok(JobId(bytes(row, "id")?))).collect()
}

pub(in crate::store::sqlite) fn close_escrow(
    db: &Db,
    job: JobId,
    refund: Option<Cause>,
    now_ms: i64,
) -> Result<(), StoreError> {
    if let Some(refund) = refund {
        book_or_fail(db, &refund, now_ms)?;
    }
    set_escrow(db, job, CLOSED)
}

fn set_escrow(db: &Db, job: JobId, state: i64) -> Result<(), StoreError> {
    query("UPDATE job SET escrow = $2 WHERE id = $1").bind(&job.0[..]).bind(state).execute(db)?;
    Ok(())
}
