//! What the chain is to be shown, and what was sent to it.

use super::super::db::{Db, Row, query};
use super::super::results;
use super::super::rows::{bytes, json};
use crate::store::StoreError;
use crate::store::money::TwoCommits;
use tessera_protocol::LeaseId;

pub(in crate::store::sqlite) fn equivocations(
    db: &Db,
    limit: u32,
) -> Result<Vec<TwoCommits>, StoreError> {
    let rows = query(
        "SELECT result.job, result.lease, result.commit_id, result.first, result.n, \
         result.beside, equivocation.signed FROM equivocation JOIN result ON result.lease = equivocation.lease \
         WHERE equivocation.shown = 0 AND result.stored = 1 ORDER BY equivocation.at_ms LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)?;
    let read = |row: &Row| {
        let (second, signature) = json(row.try_get("signed")?)?;
        Ok(TwoCommits { first: results::stored(row)?, second, signature })
    };
    rows.iter().map(read).collect()
}

pub(in crate::store::sqlite) fn equivocation_shown(
    db: &Db,
    lease: LeaseId,
    refused: Option<&str>,
) -> Result<(), StoreError> {
    query("UPDATE equivocation SET shown = 1, refused = $2 WHERE lease = $1")
        .bind(&lease.0[..])
        .bind(refused)
        .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn refused_slashes(
    db: &Db,
    limit: u32,
) -> Result<Vec<(LeaseId, String)>, StoreError> {
    let rows = query(
        "SELECT lease, refused FROM equivocation WHERE refused IS NOT NULL \
         ORDER BY at_ms DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(|row| Ok((LeaseId(bytes(row, "lease")?), row.try_get("refused")?))).collect()
}

pub(in crate::store::sqlite) fn attempt(db: &Db, step: &str) -> Result<Option<String>, StoreError> {
    let row = query("SELECT body FROM attempt WHERE step = $1").bind(step).fetch_optional(db)?;
    row.map(|row| row.try_get("body")).transpose()
}

pub(in crate::store::sqlite) fn note_attempt(
    db: &Db,
    step: &str,
    body: Option<&str>,
) -> Result<(), StoreError> {
    query("DELETE FROM attempt WHERE step = $1").bind(step).execute(db)?;
    let Some(body) = body else { return Ok(()) };
    query("INSERT INTO attempt (step, body) VALUES ($1, $2)").bind(step).bind(body).execute(db)?;
    Ok(())
}
