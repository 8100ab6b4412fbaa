//! The books, kept by `tessera_ledger`'s rules: an entry is posted in the transaction of what causes it,
//! with its postings and the balances that follow.

use super::db::{Db, Row, query};
use super::jobs;
use super::rows::{corrupt, count, json, sql, to_json};
use crate::store::StoreError;
use crate::store::money::{BookPage, Booked, KeptEntry};
use std::collections::HashMap;
use tessera_ledger::{Account, Cause, Entry, Known, LedgerError, Need, Once, Posting, post};

/// Posts a cause, or says why not; then nothing has changed.
pub(super) fn book(db: &Db, cause: &Cause, now_ms: i64) -> Result<Booked, StoreError> {
    let mut known = Known::default();
    let postings = loop {
        match post(cause, &known) {
            Ok(postings) => break postings,
            Err(LedgerError::Needs(needs)) => {
                for need in needs {
                    look_up(db, &mut known, need)?;
                }
            }
            Err(LedgerError::AlreadyPosted(_)) => return Ok(Booked::Before),
            Err(refused) => return Ok(Booked::Refused(refused)),
        }
    };
    let entry = jobs::next(db, "entry")?;
    query("INSERT INTO entry (id, cause, once, at_ms) VALUES ($1, $2, $3, $4)")
        .bind(entry)
        .bind(to_json(cause))
        .bind(cause.once().as_str())
        .bind(now_ms)
        .execute(db)?;
    for Posting { account, amount } in &postings {
        let account = account.to_string();
        query("INSERT INTO posting (entry, account, amount) VALUES ($1, $2, $3)")
            .bind(entry)
            .bind(&account)
            .bind(*amount)
            .execute(db)?;
        query(
            "INSERT INTO balance (account, amount) VALUES ($1, $2) \
             ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount",
        )
        .bind(&account)
        .bind(*amount)
        .execute(db)?;
    }
    Ok(Booked::Now(postings))
}

/// Posts a cause that has to be posted with what happens beside it.
pub(super) fn book_or_fail(db: &Db, cause: &Cause, now_ms: i64) -> Result<bool, StoreError> {
    match book(db, cause, now_ms)? {
        Booked::Now(_) => Ok(true),
        Booked::Before => Ok(false),
        Booked::Refused(refused) => Err(StoreError::Ledger(refused)),
    }
}

fn look_up(db: &Db, known: &mut Known, need: Need) -> Result<(), StoreError> {
    match need {
        Need::Balance(account) => {
            let balance = balance(db, &account)?;
            known.balances.insert(account, balance);
        }
        Need::Posted(once) => {
            let row = query("SELECT 1 FROM entry WHERE once = $1")
                .bind(once.as_str())
                .fetch_optional(db)?;
            known.posted.insert(once, row.is_some());
        }
        Need::Entry(once) => {
            let entry = entry_of(db, &once)?;
            known.entries.insert(once, entry);
        }
    }
    Ok(())
}

pub(super) fn balance(db: &Db, account: &Account) -> Result<i64, StoreError> {
    let row = query("SELECT amount FROM balance WHERE account = $1")
        .bind(account.to_string())
        .fetch_optional(db)?;
    row.map_or(Ok(0), |row| row.try_get("amount"))
}

fn entry_of(db: &Db, once: &Once) -> Result<Option<Entry>, StoreError> {
    let row =
        query("SELECT * FROM entry WHERE once = $1").bind(once.as_str()).fetch_optional(db)?;
    match row {
        Some(row) => Ok(Some(read(db, &row)?.entry)),
        None => Ok(None),
    }
}

fn read(db: &Db, row: &Row) -> Result<KeptEntry, StoreError> {
    let number: i64 = row.try_get("id")?;
    let mut read = read_all(db, std::slice::from_ref(row), (number, number))?;
    read.pop().ok_or_else(|| corrupt(format!("entry {number}")))
}

/// Entries with their postings, which are all those between two numbers.
fn read_all(
    db: &Db,
    rows: &[Row],
    (first, last): (i64, i64),
) -> Result<Vec<KeptEntry>, StoreError> {
    let of = query(
        "SELECT entry, account, amount FROM posting WHERE entry BETWEEN $1 AND $2 ORDER BY entry",
    )
    .bind(first)
    .bind(last)
    .fetch_all(db)?;
    let mut postings: HashMap<i64, Vec<Posting>> = HashMap::new();
    for row in &of {
        let account = row.try_get::<&str>("account")?.parse().map_err(corrupt)?;
        let posting = Posting { account, amount: row.try_get("amount")? };
        postings.entry(row.try_get("entry")?).or_default().push(posting);
    }
    let entry = |row: &Row| {
        let mut postings = postings.remove(&row.try_get("id")?).unwrap_or_default();
        postings.sort_by_key(|posting| posting.account);
        let (number, cause) = (count(row, "id")?, json(row.try_get("cause")?)?);
        let entry = Entry { number, cause, postings };
        Ok(KeptEntry { entry, at_ms: row.try_get("at_ms")? })
    };
    rows.iter().map(entry).collect()
}

/// The numbers of the first and last of these, in whichever order they are.
fn span(rows: &[Row]) -> Result<(i64, i64), StoreError> {
    let number = |row: Option<&Row>| row.map_or(Ok(0), |row| row.try_get("id"));
    let (one, other): (i64, i64) = (number(rows.first())?, number(rows.last())?);
    Ok((one.min(other), one.max(other)))
}

pub(super) fn entries_after(db: &Db, entry: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
    let rows = query("SELECT * FROM entry WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(sql(entry))
        .bind(limit)
        .fetch_all(db)?;
    let all = read_all(db, &rows, span(&rows)?)?;
    Ok(all.into_iter().map(|kept| kept.entry).collect())
}

/// All accounts that have something, or had.
pub(super) fn balances(db: &Db) -> Result<Vec<(Account, i64)>, StoreError> {
    let rows = query("SELECT account, amount FROM balance WHERE amount <> 0").fetch_all(db)?;
    let read = |row: &Row| {
        let account = row.try_get::<&str>("account")?.parse().map_err(corrupt)?;
        Ok((account, row.try_get("amount")?))
    };
    rows.iter().map(read).collect()
}

/// Entries before `before`, newest first.
pub(super) fn page(db: &Db, before: Option<i64>, limit: u32) -> Result<BookPage, StoreError> {
    let rows = query("SELECT * FROM entry WHERE id < $1 ORDER BY id DESC LIMIT $2")
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(db)?;
    let entries = read_all(db, &rows, span(&rows)?)?;
    Ok(BookPage { entries, balances: balances(db)? })
}
