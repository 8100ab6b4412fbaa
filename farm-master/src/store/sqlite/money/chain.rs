//! What the chain is to be shown, and what was sent to it.

use super::super::rows::{bytes, json};
use super::super::{SqliteConnection, results};
use crate::store::StoreError;
use crate::store::money::TwoCommits;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tessera_protocol::LeaseId;

pub(in crate::store::sqlite) async fn equivocations(
    db: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<TwoCommits>, StoreError> {
    let rows = sqlx::query(
        "SELECT result.job, result.lease, result.commit_id, result.first, result.n, \
         equivocation.signed FROM equivocation JOIN result ON result.lease = equivocation.lease \
         WHERE equivocation.shown = 0 AND result.stored = 1 ORDER BY equivocation.at_ms LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    let read = |row: &SqliteRow| {
        let (second, signature) = json(row.try_get("signed")?)?;
        Ok(TwoCommits { first: results::stored(row)?, second, signature })
    };
    rows.iter().map(read).collect()
}

pub(in crate::store::sqlite) async fn equivocation_shown(
    db: &mut SqliteConnection,
    lease: LeaseId,
    refused: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE equivocation SET shown = 1, refused = $2 WHERE lease = $1")
        .bind(&lease.0[..])
        .bind(refused)
        .execute(db)
        .await?;
    Ok(())
}

pub(in crate::store::sqlite) async fn refused_slashes(
    db: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<(LeaseId, String)>, StoreError> {
    let rows = sqlx::query(
        "SELECT lease, refused FROM equivocation WHERE refused IS NOT NULL \
         ORDER BY at_ms DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((LeaseId(bytes(row, "lease")?), row.try_get("refused")?))).collect()
}

pub(in crate::store::sqlite) async fn attempt(
    db: &mut SqliteConnection,
    step: &str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT body FROM attempt WHERE step = $1")
        .bind(step)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.try_get("body")).transpose()?)
}

pub(in crate::store::sqlite) async fn note_attempt(
    db: &mut SqliteConnection,
    step: &str,
    body: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM attempt WHERE step = $1").bind(step).execute(&mut *db).await?;
    let Some(body) = body else { return Ok(()) };
    sqlx::query("INSERT INTO attempt (step, body) VALUES ($1, $2)")
        .bind(step)
        .bind(body)
        .execute(db)
        .await?;
    Ok(())
}
