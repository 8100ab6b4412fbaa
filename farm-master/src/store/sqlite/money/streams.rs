//! Streams whose owner pays: what is put aside for them, owed to their workers, booked and returned.

use super::super::db::{Db, Row, query};
use super::super::ledger::{balance, balances, book, book_or_fail};
use super::super::rows::{bytes, corrupt, count, json, sql};
use super::super::{receipt, workers};
use super::epochs::open_epoch;
use super::escrows::{CLOSED, ENDED, STANDS, is_owed_out_of};
use crate::auth::TokenId;
use crate::store::StoreError;
use crate::store::money::{Booked, Escrow, SpentEscrow};
use crate::store::stream_pay::{Batch, Forfeit, Funded, Funds, PaidLease, Unbooked};
use tessera_ledger::{Account, Cause, Delivered, FeeTerms, LedgerError, Payer, Purse};
use tessera_protocol::money::stream_ceiling;
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};
use tessera_protocol::{Amount, LeaseId, NodeId, PixelPrice, SessionId, StreamId};
use tessera_verify::segment::record::is_barred;

/// What is to become of a segment's pay.
mod pay {
    pub(super) const TO_COME: i64 = 1;
    pub(super) const BOOKED: i64 = 2;
    pub(super) const NEVER: i64 = 3;
}

/// What a stream's workers are paid from; `None` where its owner pays nobody.
pub(in crate::store::sqlite) fn funds(
    db: &Db,
    stream: StreamId,
    spec: &StreamSpec,
) -> Result<Option<Funds>, StoreError> {
    if spec.max_price.is_none() {
        return Ok(None);
    }
    let row =
        query("SELECT deposited, charged, fee, escrow, escrow_until_ms FROM stream WHERE id = $1")
            .bind(&stream.0[..])
            .fetch_one(db)?;
    let leases = query(
        "SELECT price, unbooked FROM stream_lease \
         WHERE unbooked > 0 AND session IN (SELECT no FROM session WHERE stream = $1)",
    )
    .bind(&stream.0[..])
    .fetch_all(db)?;
    let pending = pay_for(&leases, "unbooked")?;
    let escrow = row.try_get::<i64>("escrow")?;
    let aside = match escrow {
        STANDS => in_account(db, Account::Stream(stream))?,
        _ => Amount::ZERO,
    };
    Ok(Some(Funds {
        deposited: Amount(count(&row, "deposited")?),
        charged: Amount(count(&row, "charged")?),
        pending,
        fee: Amount(count(&row, "fee")?),
        left: aside.checked_sub(pending).unwrap_or_default(),
        stands_until_ms: row.try_get("escrow_until_ms")?,
        settled: escrow == CLOSED,
    }))
}

/// What leases would be paid for the pixels in a column, each rounded up.
fn pay_for(leases: &[Row], pixels: &str) -> Result<Amount, StoreError> {
    let mut sum = Amount::ZERO;
    for lease in leases {
        let price = PixelPrice(count(lease, "price")?);
        let pay = stream_ceiling(count(lease, pixels)?, price).unwrap_or(Amount::MAX);
        sum = sum.checked_add(pay).unwrap_or(Amount::MAX);
    }
    Ok(sum)
}

/// What a node encoded, and nobody has paid.
pub(super) struct Encoded {
    /// It waits for the books.
    pub(super) pending: Amount,
    pub(super) rejected: Amount,
    /// There was nothing left to pay it with.
    pub(super) unpaid: Amount,
}

pub(super) fn encoded_by(db: &Db, node: NodeId) -> Result<Encoded, StoreError> {
    let leases = query("SELECT price, unbooked FROM stream_lease WHERE unbooked > 0 AND node = $1")
        .bind(&node.0[..])
        .fetch_all(db)?;
    let forfeited = query(
        "SELECT price, rejected, unpaid FROM stream_lease \
         WHERE node = $1 AND (rejected > 0 OR unpaid > 0)",
    )
    .bind(&node.0[..])
    .fetch_all(db)?;
    Ok(Encoded {
        pending: pay_for(&leases, "unbooked")?,
        rejected: pay_for(&forfeited, "rejected")?,
        unpaid: pay_for(&forfeited, "unpaid")?,
    })
}

fn in_account(db: &Db, account: Account) -> Result<Amount, StoreError> {
    let balance = balance(db, &account)?;
    Ok(Amount(u64::try_from(balance).unwrap_or(0)))
}

pub(in crate::store::sqlite) fn fund(
    db: &Db,
    stream: StreamId,
    escrow: Escrow,
    fee: FeeTerms,
    now_ms: i64,
) -> Result<Funded, StoreError> {
    let row = query("SELECT owner, ended, escrow, fundings FROM stream WHERE id = $1")
        .bind(&stream.0[..])
        .fetch_one(db)?;
    if row.try_get::<i64>("ended")? != 0 || row.try_get::<i64>("escrow")? > STANDS {
        return Ok(Funded::Ended);
    }
    let amount = note_deposit(db, stream, escrow.deposited, now_ms)?;
    if amount.is_zero() {
        return Ok(Funded::Nothing);
    }
    let (payer, part) = (Payer(bytes(&row, "owner")?), count(&row, "fundings")?);
    let part = u32::try_from(part).map_err(corrupt)?;
    book_or_fail(db, &Cause::StreamFunded { stream, payer, part, amount, fee }, now_ms)?;
    query(
        "UPDATE stream SET escrow = $2, escrow_until_ms = $3, fundings = fundings + 1 WHERE id = $1",
    )
    .bind(&stream.0[..])
    .bind(STANDS)
    .bind(escrow.stands_until_ms)
    .execute(db)?;
    Ok(Funded::By(amount))
}

/// Books what was deposited for a stream since the books last heard; how much that is.
pub(in crate::store::sqlite) fn note_deposit(
    db: &Db,
    stream: StreamId,
    deposited: Amount,
    now_ms: i64,
) -> Result<Amount, StoreError> {
    let row = query("SELECT owner, deposited FROM stream WHERE id = $1")
        .bind(&stream.0[..])
        .fetch_one(db)?;
    let known = Amount(count(&row, "deposited")?);
    let Some(more) = deposited.checked_sub(known).filter(|more| !more.is_zero()) else {
        return Ok(Amount::ZERO);
    };
    let payer = Payer(bytes(&row, "owner")?);
    let id = format!("stream/{stream}/{}", deposited.0);
    book_or_fail(db, &Cause::Deposited { id, payer, amount: more }, now_ms)?;
    query("UPDATE stream SET deposited = $2 WHERE id = $1")
        .bind(&stream.0[..])
        .bind(sql(deposited.0))
        .execute(db)?;
    Ok(more)
}

/// Notes what a claim that counts is to be paid with, where its lease has a price.
pub(in crate::store::sqlite) fn owe(
    db: &Db,
    session: i64,
    segment: SegmentNumber,
    receipt: &ClaimReceipt,
    now_ms: i64,
) -> Result<(), StoreError> {
    let lease = &receipt.claim.lease.0[..];
    let pixels: u64 = receipt.claim.renditions.iter().map(|result| result.pixels).sum();
    let owed =
        query("UPDATE stream_lease SET unbooked = unbooked + $2 WHERE id = $1 AND price > 0")
            .bind(lease)
            .bind(sql(pixels))
            .execute(db)?;
    let pay = if owed > 0 && pixels > 0 { pay::TO_COME } else { 0 };
    query(
        "UPDATE segment SET lease = $3, pixels = $4, at_ms = $5, pay = $6 \
         WHERE session = $1 AND number = $2",
    )
    .bind(session)
    .bind(sql(segment.0))
    .bind(lease)
    .bind(sql(pixels))
    .bind(now_ms)
    .bind(pay)
    .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn paid_leases(db: &Db) -> Result<Vec<PaidLease>, StoreError> {
    let rows = query(
        "SELECT stream_lease.id AS lease, price, stream_lease.pixels_per_s, stream.id, spec \
         FROM stream_lease JOIN session ON session.no = stream_lease.session \
         JOIN stream ON stream.id = session.stream \
         WHERE stream_lease.ended_ms IS NULL AND price > 0 ORDER BY stream_lease.seq",
    )
    .fetch_all(db)?;
    let mut leases = Vec::with_capacity(rows.len());
    for row in &rows {
        let spec: StreamSpec = json(row.try_get("spec")?)?;
        let funds = funds(db, StreamId(bytes(row, "id")?), &spec)?;
        leases.push(PaidLease {
            lease: LeaseId(bytes(row, "lease")?),
            price: PixelPrice(count(row, "price")?),
            pixels_per_s: count(row, "pixels_per_s")?,
            funds: funds.unwrap_or_default(),
        });
    }
    Ok(leases)
}

pub(in crate::store::sqlite) fn unbooked(
    db: &Db,
    after: i64,
    until_ms: i64,
    limit: u32,
) -> Result<Option<(i64, Unbooked)>, StoreError> {
    let row = query(
        "SELECT stream_lease.*, session.id AS session_id, stream.id AS stream, stream.ended AS over \
         FROM stream_lease JOIN session ON session.no = stream_lease.session \
         JOIN stream ON stream.id = session.stream \
         WHERE stream_lease.unbooked > 0 AND stream_lease.seq > $1 AND EXISTS (SELECT 1 FROM segment \
         WHERE segment.lease = stream_lease.id AND segment.pay = 1 AND segment.at_ms <= $2) \
         ORDER BY stream_lease.seq LIMIT 1",
    )
    .bind(after)
    .bind(until_ms)
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let (lease, node) = (LeaseId(bytes(&row, "id")?), NodeId(bytes(&row, "node")?));
    let session = SessionId(bytes(&row, "session_id")?);
    let rows = query(
        "SELECT number, receipt FROM segment WHERE lease = $1 AND pay = 1 AND at_ms <= $2 \
         ORDER BY number LIMIT $3",
    )
    .bind(&lease.0[..])
    .bind(until_ms)
    .bind(limit)
    .fetch_all(db)?;
    let unpack = |row: &Row| {
        let number = SegmentNumber(count(row, "number")?);
        receipt::unpack(row.try_get("receipt")?, session, number)
    };
    let stream = StreamId(bytes(&row, "stream")?);
    let record = workers::record_of(db, node)?;
    let unbooked = Unbooked {
        stream,
        lease,
        node,
        barred: record.as_ref().is_some_and(is_barred),
        stream_goes_on: row.try_get::<i64>("over")? == 0,
        part: u32::try_from(count(&row, "parts")?).map_err(corrupt)?,
        before: count(&row, "booked")?,
        price: PixelPrice(count(&row, "price")?),
        left: in_account(db, Account::Stream(stream))?,
        receipts: rows.iter().map(unpack).collect::<Result<_, _>>()?,
    };
    Ok(Some((row.try_get("seq")?, unbooked)))
}

pub(in crate::store::sqlite) fn book_segments(
    db: &Db,
    cause: &Cause,
    of: Batch,
    now_ms: i64,
) -> Result<Booked, StoreError> {
    let Cause::SegmentsDelivered { delivered, stream, part, .. } = cause else {
        return Ok(Booked::Refused(LedgerError::Nothing));
    };
    let booked = book(db, cause, now_ms)?;
    let Booked::Now(postings) = &booked else { return Ok(booked) };
    let pixels = settle(db, of, pay::BOOKED, Some(*part))?;
    if pixels != delivered.pixels() {
        return Err(corrupt(format!("lease {} has other segments", delivered.lease())));
    }
    query("UPDATE stream_lease SET booked = booked + $2, parts = parts + 1 WHERE id = $1")
        .bind(&delivered.lease().0[..])
        .bind(sql(pixels))
        .execute(db)?;
    let aside = Account::Stream(*stream);
    let charged = postings.iter().filter(|posting| posting.account == aside);
    query("UPDATE stream SET charged = charged - $2 WHERE id = $1")
        .bind(&stream.0[..])
        .bind(charged.map(|posting| posting.amount).sum::<i64>())
        .execute(db)?;
    Ok(booked)
}

pub(in crate::store::sqlite) fn forfeit(
    db: &Db,
    of: Batch,
    because: Forfeit,
) -> Result<(), StoreError> {
    let pixels = settle(db, of, pay::NEVER, None)?;
    let sql_text = match because {
        Forfeit::Rejected => "UPDATE stream_lease SET rejected = rejected + $2 WHERE id = $1",
        Forfeit::Unpaid => "UPDATE stream_lease SET unpaid = unpaid + $2 WHERE id = $1",
    };
    query(sql_text).bind(&of.lease.0[..]).bind(sql(pixels)).execute(db)?;
    Ok(())
}

/// Takes segments out of those that wait; how many pixels they are.
fn settle(db: &Db, of: Batch, pay: i64, part: Option<u32>) -> Result<u64, StoreError> {
    let row = query(
        "SELECT COALESCE(SUM(pixels), 0) AS pixels FROM segment \
         WHERE lease = $1 AND pay = 1 AND number <= $2 AND at_ms <= $3",
    )
    .bind(&of.lease.0[..])
    .bind(sql(of.last.0))
    .bind(of.until_ms)
    .fetch_one(db)?;
    let pixels = count(&row, "pixels")?;
    query(
        "UPDATE segment SET pay = $4, part = $5 \
         WHERE lease = $1 AND pay = 1 AND number <= $2 AND at_ms <= $3",
    )
    .bind(&of.lease.0[..])
    .bind(sql(of.last.0))
    .bind(of.until_ms)
    .bind(pay)
    .bind(part)
    .execute(db)?;
    query("UPDATE stream_lease SET unbooked = unbooked - $2 WHERE id = $1")
        .bind(&of.lease.0[..])
        .bind(sql(pixels))
        .execute(db)?;
    Ok(pixels)
}

pub(in crate::store::sqlite) fn is_delivered(
    db: &Db,
    delivered: &Delivered,
    part: u32,
) -> Result<bool, StoreError> {
    let row = query(
        "SELECT COUNT(*) AS segments, COALESCE(SUM(pixels), 0) AS pixels FROM segment \
         WHERE lease = $1 AND part = $2 AND pay = 2 AND receipt IS NOT NULL",
    )
    .bind(&delivered.lease().0[..])
    .bind(part)
    .fetch_one(db)?;
    let found = (count(&row, "segments")?, count(&row, "pixels")?);
    Ok(found == (u64::from(delivered.segments()), delivered.pixels()))
}

/// Streams with a deposit that are over, no lease of which stands at a price or waits for the books.
const OVER: &str = "SELECT id, owner, escrow FROM stream WHERE escrow IN (1, 2) \
     AND ((ended = 1 AND NOT EXISTS (SELECT 1 FROM session WHERE session.stream = stream.id \
     AND (held = 1 OR ended_ms IS NULL OR ended_ms > $1))) OR escrow_until_ms < $2) \
     AND NOT EXISTS (SELECT 1 FROM stream_lease JOIN session ON session.no = stream_lease.session \
     WHERE session.stream = stream.id AND price > 0 \
     AND (unbooked > 0 OR stream_lease.ended_ms IS NULL)) ORDER BY seq LIMIT $3";

pub(in crate::store::sqlite) fn spent(
    db: &Db,
    quiet_ms: i64,
    expired_ms: i64,
    limit: u32,
) -> Result<Vec<SpentEscrow>, StoreError> {
    let rows = query(OVER).bind(quiet_ms).bind(expired_ms).bind(limit).fetch_all(db)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let balances = balances(db)?;
    let settling = open_epoch(db)?;
    let spent = |row: &Row| {
        let purse = Purse::Stream(StreamId(bytes(row, "id")?));
        Ok(SpentEscrow {
            purse,
            owner: TokenId(bytes(row, "owner")?),
            ended: row.try_get::<i64>("escrow")? == ENDED,
            owed: is_owed_out_of(purse, &balances, settling.as_ref()),
        })
    };
    rows.iter().map(spent).collect()
}

pub(in crate::store::sqlite) fn end(
    db: &Db,
    stream: StreamId,
    now_ms: i64,
) -> Result<(), StoreError> {
    let fee = match book(db, &Cause::StreamEnded { stream }, now_ms)? {
        Booked::Now(postings) => {
            let fee = postings.iter().filter(|one| matches!(one.account, Account::Owed { .. }));
            fee.map(|posting| posting.amount).sum::<i64>()
        }
        Booked::Before => 0,
        Booked::Refused(refused) => return Err(StoreError::Ledger(refused)),
    };
    query("UPDATE stream SET escrow = $2, fee = fee + $3 WHERE id = $1")
        .bind(&stream.0[..])
        .bind(ENDED)
        .bind(fee)
        .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn close(
    db: &Db,
    stream: StreamId,
    refund: Option<Cause>,
    now_ms: i64,
) -> Result<(), StoreError> {
    if let Some(refund) = refund {
        book_or_fail(db, &refund, now_ms)?;
    }
    query("UPDATE stream SET escrow = $2 WHERE id = $1")
        .bind(&stream.0[..])
        .bind(CLOSED)
        .execute(db)?;
    Ok(())
}
