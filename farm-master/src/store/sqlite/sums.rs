//! Sums that are small enough to lie in the database: they are entered with their result, in its transaction,
//! and go when its row says that they are gone.

use super::db::{Db, query};
use super::rows::sql;
use crate::store::StoreError;
use tessera_farm_core::lease::Lease;
use tessera_protocol::LeaseId;

pub(super) fn keep(db: &Db, lease: &Lease, body: &[u8]) -> Result<(), StoreError> {
    query("INSERT INTO sums (job, generation, body) VALUES ($1, $2, $3)")
        .bind(&lease.job.0[..])
        .bind(sql(lease.generation.0))
        .bind(body)
        .execute(db)?;
    Ok(())
}

/// What lies beside a result, if something does.
pub(super) fn body(db: &Db, lease: LeaseId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = query(
        "SELECT sums.body FROM result JOIN sums \
         ON sums.job = result.job AND sums.generation = result.generation \
         WHERE result.lease = $1 AND result.beside = 1",
    )
    .bind(&lease.0[..])
    .fetch_optional(db)?;
    row.map(|row| row.try_get("body")).transpose()
}

/// The sums of a lease are gone, wherever they were.
pub(super) fn forget(db: &Db, lease: LeaseId) -> Result<(), StoreError> {
    let row =
        query("UPDATE result SET stored = 0 WHERE lease = $1 RETURNING job, generation, beside")
            .bind(&lease.0[..])
            .fetch_optional(db)?;
    let Some(row) = row else { return Ok(()) };
    if row.try_get::<i64>("beside")? != 0 {
        query("DELETE FROM sums WHERE job = $1 AND generation = $2")
            .bind(row.try_get::<&[u8]>("job")?)
            .bind(row.try_get::<i64>("generation")?)
            .execute(db)?;
    }
    Ok(())
}
