//! Whose turn it is, as it is kept: a row for each account with a job that is not over.

use super::rows::{count, sql};
use crate::auth::TokenId;
use crate::store::StoreError;
use sqlx::SqliteConnection;
use tessera_farm_core::turn::Turn;
use tessera_protocol::Tier;

/// An account has a job.
pub(super) async fn enter(db: &mut SqliteConnection, owner: TokenId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO turn (owner, due) VALUES ($1, 0) ON CONFLICT (owner) DO NOTHING")
        .bind(&owner.0[..])
        .execute(db)
        .await?;
    Ok(())
}

/// A job of an account is over: without another one it stands in nobody's way.
pub(super) async fn leave(db: &mut SqliteConnection, owner: TokenId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM turn WHERE owner = $1 AND NOT EXISTS \
         (SELECT 1 FROM job WHERE job.owner = turn.owner AND job.state < 2)",
    )
    .bind(&owner.0[..])
    .execute(db)
    .await?;
    Ok(())
}

/// A job of an account was leased so many pixel samples of.
pub(super) async fn served(
    db: &mut SqliteConnection,
    owner: TokenId,
    tier: Tier,
    pixel_samples: u64,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT turn.due, counter.value AS now FROM turn CROSS JOIN counter \
         WHERE turn.owner = $1 AND counter.name = 'turn'",
    )
    .bind(&owner.0[..])
    .fetch_one(&mut *db)
    .await?;
    let before = Turn { now: count(&row, "now")?, due: count(&row, "due")? };
    let after = before.after(tier, pixel_samples);
    sqlx::query("UPDATE turn SET due = $2 WHERE owner = $1")
        .bind(&owner.0[..])
        .bind(sql(after.due))
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE counter SET value = $1 WHERE name = 'turn'")
        .bind(sql(after.now))
        .execute(db)
        .await?;
    Ok(())
}
