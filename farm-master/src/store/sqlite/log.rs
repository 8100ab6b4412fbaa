//! What became of a job's leases, as results and failures tell it.

use super::db::{Db, Row, query};
use super::rows::{bytes, corrupt, count, json, sql};
use crate::store::StoreError;
use crate::store::mosaic::Logged;
use tessera_protocol::log::Outcome;
use tessera_protocol::verdict::Wrong;
use tessera_protocol::{JobId, LeaseId, NodeId, UnitIndex};

/// The leases that were given before `before`, the newest first.
pub(super) fn log(db: &Db, job: JobId, before: u64, limit: u32) -> Result<Vec<Logged>, StoreError> {
    let rows = query(
        "SELECT result.lease, result.node, result.first, result.n, result.generation, result.at_ms, \
         result.took_ms, result.audit, rejection.wrong, NULL AS reason FROM result \
         LEFT JOIN rejection ON rejection.lease = result.lease \
         WHERE result.job = $1 AND result.generation < $2 \
         UNION ALL \
         SELECT lease, node, first, n, generation, at_ms, 0, 3, NULL, reason FROM failure \
         WHERE job = $1 AND generation < $2 \
         ORDER BY generation DESC LIMIT $3",
    )
    .bind(&job.0[..])
    .bind(sql(before))
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Logged, StoreError> {
    let outcome = match row.try_get::<i64>("audit")? {
        0 => Outcome::Submitted,
        1 => Outcome::Verified,
        2 => Outcome::Rejected,
        3 => Outcome::Failed,
        other => return Err(corrupt(format!("a lease that ended as {other}"))),
    };
    let wrong: Option<&str> = row.try_get("wrong")?;
    let wrong = wrong.map(json::<Wrong>).transpose()?.map(|wrong| wrong.to_string());
    Ok(Logged {
        lease: LeaseId(bytes(row, "lease")?),
        generation: count(row, "generation")?,
        node: NodeId(bytes(row, "node")?),
        first_unit: UnitIndex(count(row, "first")?),
        units: count(row, "n")?,
        at_ms: row.try_get("at_ms")?,
        took_ms: Some(count(row, "took_ms")?).filter(|_| outcome != Outcome::Failed),
        outcome,
        reason: wrong.or(row.try_get("reason")?),
    })
}
