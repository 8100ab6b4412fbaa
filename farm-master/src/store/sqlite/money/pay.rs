//! What results are paid with, booked once they count.

use super::super::ledger::{balances, book};
use super::super::rows::{Job, corrupt, count, factor, sql};
use super::super::{SqliteConnection, verdicts};
use super::{epochs, streams};
use crate::store::StoreError;
use crate::store::money::{Booked, Owed};
use crate::store::proof::Audited;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tessera_farm_core::job::has_ended;
use tessera_ledger::{Account, Cause, LedgerError, Verified};
use tessera_protocol::finance::EarningsView;
use tessera_protocol::money::pay;
use tessera_protocol::{Amount, JobId, LeaseId, NodeId, RayPrice};

pub(in crate::store::sqlite) async fn owed(
    db: &mut SqliteConnection,
    lease: LeaseId,
) -> Result<Option<Owed>, StoreError> {
    let row = sqlx::query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.lease = $1",
    )
    .bind(&lease.0[..])
    .fetch_optional(db)
    .await?;
    row.as_ref().map(read_owed).transpose()
}

fn read_owed(row: &SqliteRow) -> Result<Owed, StoreError> {
    Ok(Owed {
        rays: count(row, "rays")?,
        price: RayPrice(count(row, "price")?),
        factor: factor(row)?,
        at_ms: row.try_get("at_ms")?,
    })
}

pub(in crate::store::sqlite) async fn unbooked(
    db: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<Audited>, StoreError> {
    let rows = sqlx::query(
        "SELECT result.*, job.class, job.factor, NULL AS signed, NULL AS wrong FROM result \
         JOIN job ON job.id = result.job \
         LEFT JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.posted = 0 AND result.audit = 1 AND result.price > 0 AND job.escrow = 1 \
         AND ((frame.hash IS NOT NULL AND frame.approved = 1 AND job.short < 2) OR job.state >= 2) \
         ORDER BY result.at_ms LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(verdicts::read_audited).collect()
}

/// What is left of a ceiling pays, then what the reserve carries. A job that has ended can ask nobody for
/// more: the operator, who leased more than there was, adds to what it carries.
pub(in crate::store::sqlite) async fn book_lease(
    db: &mut SqliteConnection,
    verified: Verified,
    now_ms: i64,
) -> Result<Booked, StoreError> {
    let (lease, job) = (verified.lease(), Job::of(db, verified.job()).await?);
    let epoch = epochs::next_epoch(db).await?;
    let cause = Cause::LeaseVerified { verified, held: false, epoch };
    // Fewer rays than a base unit is paid for are paid with nothing, and nothing is booked.
    let mut booked = match verified.pay() {
        Amount::ZERO => Booked::Before,
        _ => book(db, &cause, now_ms).await?,
    };
    if let Booked::Refused(LedgerError::OverrunRefused { missing, .. }) = booked {
        if !has_ended(job.state) {
            set_short(db, job.id, Short::Pay).await?;
            return Ok(booked);
        }
        if raise_carry(db, &job, missing, now_ms).await? {
            booked = book(db, &cause, now_ms).await?;
        }
    }
    let posted = if matches!(booked, Booked::Refused(_)) { Posted::Refused } else { Posted::Yes };
    set_posted(db, lease, posted).await?;
    if let Booked::Now(postings) = &booked {
        let from = |account: Account| {
            let of = postings.iter().filter(|posting| posting.account == account);
            of.map(|posting| -posting.amount).sum::<i64>()
        };
        sqlx::query("UPDATE job SET charged = charged + $2, carried = carried + $3 WHERE id = $1")
            .bind(&job.id.0[..])
            .bind(from(Account::Escrow(job.id)))
            .bind(from(Account::Carry(job.id)))
            .execute(db)
            .await?;
    }
    Ok(booked)
}

/// Whether the reserve has it.
async fn raise_carry(
    db: &mut SqliteConnection,
    job: &Job,
    amount: Amount,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT carry_raises FROM job WHERE id = $1")
        .bind(&job.id.0[..])
        .fetch_one(&mut *db)
        .await?;
    let part = u32::try_from(count(&row, "carry_raises")?).map_err(corrupt)?;
    let raised = Cause::CarryRaised { job: job.id, part, amount };
    if !matches!(book(db, &raised, now_ms).await?, Booked::Now(_)) {
        return Ok(false);
    }
    sqlx::query("UPDATE job SET carry_raises = carry_raises + 1, carry = carry + $2 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(amount.0))
        .execute(db)
        .await?;
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

pub(in crate::store::sqlite) async fn set_short(
    db: &mut SqliteConnection,
    job: JobId,
    short: Short,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE job SET short = $2 WHERE id = $1")
        .bind(&job.0[..])
        .bind(short as i64)
        .execute(db)
        .await?;
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

pub(in crate::store::sqlite) async fn set_posted(
    db: &mut SqliteConnection,
    lease: LeaseId,
    posted: Posted,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE result SET posted = $2 WHERE lease = $1")
        .bind(&lease.0[..])
        .bind(posted as i64)
        .execute(db)
        .await?;
    Ok(())
}

pub(in crate::store::sqlite) async fn is_counting(
    db: &mut SqliteConnection,
    lease: LeaseId,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM result WHERE lease = $1 AND audit = 1 AND price > 0")
        .bind(&lease.0[..])
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

pub(in crate::store::sqlite) async fn earnings(
    db: &mut SqliteConnection,
    node: NodeId,
) -> Result<EarningsView, StoreError> {
    let waiting = sqlx::query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.node = $1 AND result.price > 0 \
         AND ((result.audit = 0 AND result.stored = 1) OR (result.audit = 1 AND result.posted = 0))",
    )
    .bind(&node.0[..])
    .fetch_all(&mut *db)
    .await?;
    let refused = sqlx::query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM result \
         JOIN job ON job.id = result.job WHERE result.node = $1 AND result.posted = 2",
    )
    .bind(&node.0[..])
    .fetch_all(&mut *db)
    .await?;
    let rejected = sqlx::query(
        "SELECT result.rays, result.price, result.at_ms, job.factor FROM rejection \
         JOIN result ON result.lease = rejection.lease JOIN job ON job.id = result.job \
         WHERE rejection.node = $1",
    )
    .bind(&node.0[..])
    .fetch_all(&mut *db)
    .await?;
    let mut view = EarningsView { pending: sum(&waiting)?, ..EarningsView::default() };
    let encoded = streams::encoded_by(db, node).await?;
    let with = |own: Amount, encoded| own.checked_add(encoded).unwrap_or(Amount::MAX);
    view.pending = with(view.pending, encoded.pending);
    view.rejected = with(sum(&rejected)?, encoded.rejected);
    view.unpaid = with(sum(&refused)?, encoded.unpaid);
    for (account, balance) in balances(db).await? {
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

fn sum(rows: &[SqliteRow]) -> Result<Amount, StoreError> {
    let mut sum = Amount::ZERO;
    for row in rows {
        let owed = read_owed(row)?;
        let pay = pay(owed.rays, owed.factor, owed.price).unwrap_or(Amount::MAX);
        sum = sum.checked_add(pay).unwrap_or(Amount::MAX);
    }
    Ok(sum)
}
