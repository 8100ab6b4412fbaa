//! Whose turn it is, as it is kept: a row for each account with a job that is neither over nor failed.

use super::db::{Db, query};
use super::rows::{count, sql};
use crate::auth::TokenId;
use crate::store::StoreError;
use tessera_farm_core::turn::Turn;
use tessera_protocol::Tier;

/// An account has a job, or one that goes on.
pub(super) fn enter(db: &Db, owner: TokenId) -> Result<(), StoreError> {
    query("INSERT INTO turn (owner, due) VALUES ($1, 0) ON CONFLICT (owner) DO NOTHING")
        .bind(&owner.0[..])
        .execute(db)?;
    Ok(())
}

/// A job of an account is over or failed: without another one it stands in nobody's way.
pub(super) fn leave(db: &Db, owner: TokenId) -> Result<(), StoreError> {
    query(
        "DELETE FROM turn WHERE owner = $1 AND NOT EXISTS \
         (SELECT 1 FROM job WHERE job.owner = turn.owner AND job.state < 2)",
    )
    .bind(&owner.0[..])
    .execute(db)?;
    Ok(())
}

/// A job of an account was leased so many pixel samples of.
pub(super) fn served(
    db: &Db,
    owner: TokenId,
    tier: Tier,
    pixel_samples: u64,
) -> Result<(), StoreError> {
    let row = query(
        "SELECT turn.due, counter.value AS now FROM turn CROSS JOIN counter \
         WHERE turn.owner = $1 AND counter.name = 'turn'",
    )
    .bind(&owner.0[..])
    .fetch_one(db)?;
    let before = Turn { now: count(&row, "now")?, due: count(&row, "due")? };
    let after = before.after(tier, pixel_samples);
    query("UPDATE turn SET due = $2 WHERE owner = $1")
        .bind(&owner.0[..])
        .bind(sql(after.due))
        .execute(db)?;
    query("UPDATE counter SET value = $1 WHERE name = 'turn'").bind(sql(after.now)).execute(db)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::sqlite::db::Db;
    use crate::store::sqlite::leases::WITH_WORK;

    #[test]
    fn jobs_are_walked_in_their_order_and_not_all_read_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("farm.sqlite")).unwrap();
        let steps = db.steps(WITH_WORK).join("\n");
        assert!(steps.contains("turn_by_due") && steps.contains("job_with_work"), "{steps}");
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
    }
}
