//! What results are paid with, booked once they count.

use super::super::db::{Db, Row, query};
use super::super::ledger::{balances, book};
use super::super::rows::{Job, corrupt, count, factor, sql};
use super::super::verdicts;
use super::{epochs, streams};
use crate::store::StoreError;
use crate::store::money::{Booked, Owed};
use crate::store::proof::Audited;
use tessera_farm_core::job::has_ended;
use tessera_ledger::{Account, Cause, LedgerError, Verified};
use tessera_protocol::finance::EarningsView;
use tessera_protocol::money::pay;
use tessera_protocol::{Amount, JobId, LeaseId, NodeId, RayPrice};

pub(in crate::store::sqlite) fn owed(db: &Db, lease: LeaseId) -> Result<Option<Owed>, StoreError> {
    let row = query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.lease = $1",
    )
    .bind(&lease.0[..])
    .fetch_optional(db)?;
    row.as_ref().map(read_owed).transpose()
}

fn read_owed(row: &Row) -> Result<Owed, StoreError> {
    Ok(Owed {
        rays: count(row, "rays")?,
        price: RayPrice(count(row, "price")?),
        factor: factor(row)?,
        at_ms: row.try_get("at_ms")?,
    })
}

pub(in crate::store::sqlite) fn unbooked(db: &Db, limit: u32) -> Result<Vec<Audited>, StoreError> {
    let rows = query(
        "SELECT result.*, job.class, job.factor, NULL AS signed, NULL AS wrong FROM result \
         JOIN job ON job.id = result.job \
         LEFT JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.posted = 0 AND result.audit = 1 AND result.price > 0 AND job.escrow = 1 \
         AND ((frame.hash IS NOT NULL AND frame.approved = 1 AND job.short < 2) OR job.state IN (2, 3)) \
         ORDER BY result.at_ms LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(verdicts::read_audited).collect()
}

/// What is left of a ceiling pays, then what the reserve carries. A job that has ended can ask nobody for
/// more: the operator, who leased more than there was, adds to what it carries.
pub(in crate::store::sqlite) fn book_lease(
    db: &Db,
    verified: Verified,
    now_ms: i64,
) -> Result<Booked, StoreError> {
    let (lease, job) = (verified.lease(), Job::of(db, verified.job())?);
    let epoch = epochs::next_epoch(db)?;
    let cause = Cause::LeaseVerified { verified, held: false, epoch };
    // Fewer rays than a base unit is paid for are paid with nothing, and nothing is booked.
    let mut booked = match verified.pay() {
        Amount::ZERO => Booked::Before,
        _ => book(db, &cause, now_ms)?,
    };
    if let Booked::Refused(LedgerError::OverrunRefused { missing, .. }) = booked {
        if !has_ended(job.state) {
            set_short(db, job.id, Short::Pay)?;
            return Ok(booked);
        }
        if raise_carry(db, &job, missing, now_ms)? {
            booked = book(db, &cause, now_ms)?;
        }
    }
    let posted = if matches!(booked, Booked::Refused(_)) { Posted::Refused } else { Posted::Yes };
    set_posted(db, lease, posted)?;
    if let Booked::Now(postings) = &booked {
        let from = |account: Account| {
            let of = postings.iter().filter(|posting| posting.account == account);
            of.map(|posting| -posting.amount).sum::<i64>()
        };
        query("UPDATE job SET charged = charged + $2, carried = carried + $3 WHERE id = $1")
            .bind(&job.id.0[..])
            .bind(from(Account::Escrow(job.id)))
            .bind(from(Account::Carry(job.id)))
            .execute(db)?;
    }
    Ok(booked)
}

/// Whether the reserve has it.
fn raise_carry(db: &Db, job: &Job, amount: Amount, now_ms: i64) -> Result<bool, StoreError> {
    let row =
        query("SELECT carry_raises FROM job WHERE id = $1").bind(&job.id.0[..]).fetch_one(db)?;
    let part = u32::try_from(count(&row, "carry_raises")?).map_err(corrupt)?;
    let raised = Cause::CarryRaised { job: job.id, part, amount };
    if !matches!(book(db, &raised, now_ms)?, Booked::Now(_)) {
        return Ok(false);
    }
    query("UPDATE job SET carry_raises = carry_raises + 1, carry = carry + $2 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(amount.0))
        .execute(db)?;
    Ok(true)
}

/// What a job has too little money for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Short {
    /// Nothing that is known.
    Nothing,
    /// The next work.
    Work,
    /// Work that is verified.
    Pay,
}

pub(in crate::store::sqlite) fn set_short(
    db: &Db,
    job: JobId,
    short: Short,
) -> Result<(), StoreError> {
    query("UPDATE job SET short = $2 WHERE id = $1")
        .bind(&job.0[..])
        .bind(short as i64)
        .execute(db)?;
    Ok(())
}

/// What became of a result's pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Posted {
    /// It is in the books, or is nothing.
    Yes = 1,
    /// It never will be.
    Refused = 2,
}

pub(in crate::store::sqlite) fn set_posted(
    db: &Db,
    lease: LeaseId,
    posted: Posted,
) -> Result<(), StoreError> {
    query("UPDATE result SET posted = $2 WHERE lease = $1")
        .bind(&lease.0[..])
        .bind(posted as i64)
        .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn is_counting(db: &Db, lease: LeaseId) -> Result<bool, StoreError> {
    let row = query("SELECT 1 FROM result WHERE lease = $1 AND audit = 1 AND price > 0")
        .bind(&lease.0[..])
        .fetch_optional(db)?;
    Ok(row.is_some())
}

pub(in crate::store::sqlite) fn earnings(
    db: &Db,
    node: NodeId,
) -> Result<EarningsView, StoreError> {
    let waiting = query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.node = $1 AND result.price > 0 \
         AND ((result.audit = 0 AND result.stored = 1) OR (result.audit = 1 AND result.posted = 0))",
    )
    .bind(&node.0[..])
    .fetch_all(db)?;
    let refused = query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.node = $1 AND result.posted = 2",
    )
    .bind(&node.0[..])
    .fetch_all(db)?;
    let rejected = query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM rejection \
         JOIN result ON result.lease = rejection.lease JOIN job ON job.id = result.job \
         WHERE rejection.node = $1",
    )
    .bind(&node.0[..])
    .fetch_all(db)?;
    let mut view = EarningsView { pending: sum(&waiting)?, ..EarningsView::default() };
    let encoded = streams::encoded_by(db, node)?;
    let with = |own: Amount, encoded| own.checked_add(encoded).unwrap_or(Amount::MAX);
    view.pending = with(view.pending, encoded.pending);
    view.rejected = with(sum(&rejected)?, encoded.rejected);
    view.unpaid = with(sum(&refused)?, encoded.unpaid);
    for (account, balance) in balances(db)? {
        let amount = Amount(u64::try_from(balance).unwrap_or(0));
        let into = match account {
            Account::Owed { node: of, .. } if of == node => &mut view.earned,
            Account::InEpoch { node: of, .. } | Account::Claimable { node: of, .. }
                if of == node =>
            {
                &mut view.settling
            }
            Account::Paid(of) if of == node => &mut view.paid,
            _ => continue,
        };
        *into = into.checked_add(amount).unwrap_or(Amount::MAX);
    }
    Ok(view)
}

fn sum(rows: &[Row]) -> Result<Amount, StoreError> {
    let mut sum = Amount::ZERO;
    for row in rows {
        let owed = read_owed(row)?;
        let pay = pay(owed.rays, owed.factor, owed.price).unwrap_or(Amount::MAX);
        sum = sum.checked_add(pay).unwrap_or(Amount::MAX);
    }
    Ok(sum)
}
