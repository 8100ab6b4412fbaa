//! Quotes, and the jobs that come of them.

use super::super::db::{Db, query};
use super::super::jobs;
use super::super::ledger::{balance, book_or_fail};
use super::super::rows::{
    Job, bytes, count, json, memory, sql, tier_from_sql, tier_to_sql, to_json,
};
use crate::auth::TokenId;
use crate::store::money::{Accepted, KeptQuote};
use crate::store::{Creation, NewJob, StoreError};
use tessera_ledger::{Account, Cause, Payer};
use tessera_protocol::{QuoteId, RayPrice};

/// How long a quote that is over is kept.
const QUOTE_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

pub(in crate::store::sqlite) fn keep_quote(
    db: &Db,
    quote: &KeptQuote,
    now_ms: i64,
) -> Result<(), StoreError> {
    query("DELETE FROM quote WHERE valid_until_ms < $1")
        .bind(now_ms - QUOTE_KEPT_MS)
        .execute(db)?;
    query(
        "INSERT INTO quote (id, owner, spec, tier, body, warnings, valid_until_ms, host_bytes, device_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&quote.view.id.0[..])
    .bind(&quote.owner.0[..])
    .bind(to_json(&quote.spec))
    .bind(tier_to_sql(quote.tier))
    .bind(to_json(&quote.view))
    .bind(to_json(&quote.warnings))
    .bind(quote.view.quote.terms.valid_until_ms)
    .bind(sql(quote.memory.host_bytes))
    .bind(sql(quote.memory.device_bytes))
    .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn quote(
    db: &Db,
    id: QuoteId,
) -> Result<Option<KeptQuote>, StoreError> {
    let row = query("SELECT * FROM quote WHERE id = $1").bind(&id.0[..]).fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(KeptQuote {
        owner: TokenId(bytes(&row, "owner")?),
        spec: json(row.try_get("spec")?)?,
        tier: tier_from_sql(row.try_get("tier")?)?,
        warnings: json(row.try_get("warnings")?)?,
        memory: memory(&row)?,
        view: json(row.try_get("body")?)?,
    }))
}

pub(in crate::store::sqlite) fn accept_quote(
    db: &Db,
    accepted: &Accepted,
) -> Result<Creation, StoreError> {
    let Accepted { job, quote, escrow, now_ms, .. } = accepted;
    if let Some(known) = Job::find(db, *job)? {
        return Ok(Creation::Known(known.view()?));
    }
    let new = NewJob {
        id: *job,
        owner: quote.owner,
        spec: quote.spec.clone(),
        kernel: accepted.kernel,
        warnings: quote.warnings.clone(),
        memory: quote.memory,
        idempotency: None,
        now_ms: *now_ms,
    };
    jobs::create(db, &new)?;
    let terms = &quote.view.quote.terms;
    let payer = Payer(quote.owner.0);
    let deposit = Cause::Deposited { id: format!("escrow/{job}"), payer, amount: escrow.deposited };
    book_or_fail(db, &deposit, *now_ms)?;
    let (ceiling, carry, fee) = (terms.ceiling, accepted.carry, accepted.fee);
    let set_aside = Cause::QuoteAccepted { job: *job, payer, ceiling, carry, fee };
    book_or_fail(db, &set_aside, *now_ms)?;
    let carry = balance(db, &Account::Carry(*job))?;
    query(
        "UPDATE job SET max_price = $2, factor = $3, tier = $4, ceiling = $5, escrow = 1, \
         deposited = $6, escrow_until_ms = $7, carry = $8 WHERE id = $1",
    )
    .bind(&job.0[..])
    .bind(sql(terms.price_max.0))
    .bind(i64::from(terms.factor.0))
    .bind(tier_to_sql(quote.tier))
    .bind(sql(terms.ceiling.0))
    .bind(sql(escrow.deposited.0))
    .bind(escrow.stands_until_ms)
    .bind(carry)
    .execute(db)?;
    Ok(Creation::Created(Job::of(db, *job)?.view()?))
}

pub(in crate::store::sqlite) fn suggested(db: &Db) -> Result<Option<(RayPrice, i64)>, StoreError> {
    let row = query(
        "SELECT price.value AS price, changed.value AS changed FROM counter AS price \
         JOIN counter AS changed ON changed.name = 'suggested_ms' \
         WHERE price.name = 'suggested_price' AND changed.value > 0",
    )
    .fetch_optional(db)?;
    row.map(|row| Ok((RayPrice(count(&row, "price")?), row.try_get("changed")?))).transpose()
}

pub(in crate::store::sqlite) fn suggest(
    db: &Db,
    price: RayPrice,
    now_ms: i64,
) -> Result<(), StoreError> {
    for (name, value) in [("suggested_price", sql(price.0)), ("suggested_ms", now_ms)] {
        query("UPDATE counter SET value = $2 WHERE name = $1")
            .bind(name)
            .bind(value)
            .execute(db)?;
    }
    Ok(())
}
