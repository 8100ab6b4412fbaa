//! Second renders: results of tolerant jobs that want one, and the leases that bring it. Such a lease
//! touches no unit: its result is only compared with the first.

use super::db::{Db, Row, query};
use super::leases;
use super::rows::{Job, bytes, corrupt, count, fits, sql};
use crate::store::{Granted, LeaseAsk, StoreError};
use std::ops::Range;
use tessera_farm_core::lease::Lease;
use tessera_market::Room;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{Generation, JobId, LeaseId, NodeId, UnitIndex};

/// Results of one job that may want a second render before no further unit of it is leased.
pub(super) const MOST_WANTING: u32 = 64;

pub(super) fn class_to_sql(class: DeviceClass) -> i64 {
    match class {
        DeviceClass::Exact => 0,
        DeviceClass::Tolerant => 1,
    }
}

pub(super) fn class_from_sql(value: i64) -> Result<DeviceClass, StoreError> {
    match value {
        0 => Ok(DeviceClass::Exact),
        1 => Ok(DeviceClass::Tolerant),
        _ => Err(corrupt(format!("class {value}"))),
    }
}

/// What a row's `second_of` names.
pub(super) fn second_of(row: &Row) -> Result<Option<LeaseId>, StoreError> {
    let named = row.try_get::<Option<&[u8]>>("second_of")?.is_some();
    named.then(|| bytes(row, "second_of").map(LeaseId)).transpose()
}

/// Leases the units of the result that wants a second render longest, to a node of another owner that can
/// hold the scene; those last on which nodes of the asker's owner failed before. The operator's own nodes may
/// check each other: who trusts the operator's verdicts trusts them.
pub(super) fn grant(db: &Db, ask: &LeaseAsk) -> Result<Option<Granted>, StoreError> {
    let room = Room::of(ask.bidder.memory);
    let row = query(concat!(
        "SELECT result.lease, result.job, result.first, result.n FROM result \
         JOIN job ON job.id = result.job JOIN node AS maker ON maker.id = result.node \
         JOIN node AS asker ON asker.id = $1 \
         WHERE result.second = 1 AND job.state = 0 AND job.kernel = $2 AND maker.id <> asker.id \
         AND (job.max_price = 0 OR job.max_price >= $3) AND ",
        fits!("$4", "$5", "$6"),
        " AND (maker.owner IS NULL OR asker.owner IS NULL OR maker.owner <> asker.owner) \
         ORDER BY EXISTS (SELECT 1 FROM failure JOIN node AS dropper ON dropper.id = failure.node \
         WHERE failure.job = result.job AND failure.past = 0 AND failure.first = result.first \
         AND COALESCE(dropper.owner, dropper.id) = COALESCE(asker.owner, asker.id)), \
         result.at_ms LIMIT 1",
    ))
    .bind(&ask.bidder.node.0[..])
    .bind(&ask.bidder.kernel.0[..])
    .bind(sql(ask.bidder.asks.0))
    .bind(sql(room.host_bytes))
    .bind(sql(room.device_bytes))
    .bind(sql(room.both_bytes))
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let (first, n) = (count(&row, "first")?, count(&row, "n")?);
    if let Some(most) = ask.most_held {
        // A first lease may have been larger than what this node may hold, and has to be taken whole.
        let holds = held(db, ask.bidder.node)?;
        if holds > 0 && holds.saturating_add(n) > most {
            return Ok(None);
        }
    }
    let job = Job::of(db, JobId(bytes(&row, "job")?))?;
    let of = LeaseId(bytes(&row, "lease")?);
    query("UPDATE result SET second = 2 WHERE lease = $1").bind(&of.0[..]).execute(db)?;
    lease_again(db, ask, job, of, first..first + n).map(Some)
}

/// Leases units that another lease has or had, to be compared with its result, or to come in its place.
pub(super) fn lease_again(
    db: &Db,
    ask: &LeaseAsk,
    job: Job,
    of: LeaseId,
    range: Range<u64>,
) -> Result<Granted, StoreError> {
    let plan = job.plan()?;
    let units: Option<Vec<_>> = range.clone().map(|index| plan.unit(UnitIndex(index))).collect();
    let units = units.ok_or_else(|| corrupt(format!("lease {of} lies beyond its job")))?;
    let lease = Lease {
        id: ask.id,
        generation: Generation(job.generation + 1),
        job: job.id,
        kernel: job.kernel,
        node: ask.bidder.node,
        secret: ask.secret.hash(),
        units: range,
        second_of: Some(of),
        class: job.spec.class,
        price: job.price_for(ask),
        factor: job.factor,
    };
    query("UPDATE job SET generation = $2 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(lease.generation.0))
        .execute(db)?;
    leases::insert(db, &lease, ask)?;
    // It was not auctioned: whoever asks first renders what another began.
    Ok(Granted { lease, spec: job.spec, units, order: None })
}

/// Units that speak against another second render. Not those of the node's own first results: they wait
/// for others, who may wait for this one.
fn held(db: &Db, node: NodeId) -> Result<u64, StoreError> {
    let row = query(
        "SELECT CAST(COALESCE((SELECT SUM(n) FROM lease WHERE node = $1), 0) \
         + COALESCE((SELECT SUM(n) FROM result WHERE node = $1 AND audit = 0 AND stored = 1 \
         AND second_of IS NOT NULL), 0) AS BIGINT) AS units",
    )
    .bind(&node.0[..])
    .fetch_one(db)?;
    count(&row, "units")
}

/// A second render that did not come, or counts for nothing, is wanted again, if its first result
/// still waits for one.
pub(super) fn want_again(db: &Db, first: LeaseId) -> Result<(), StoreError> {
    query("UPDATE result SET second = 1 WHERE lease = $1 AND audit = 0 AND second = 2")
        .bind(&first.0[..])
        .execute(db)?;
    Ok(())
}

/// How many results of a job want a second render that nobody makes yet.
pub(super) fn wanting(db: &Db, job: JobId) -> Result<u64, StoreError> {
    let row =
        query("SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) AS units FROM result WHERE job = $1 AND second = 1")
            .bind(&job.0[..])
            .fetch_one(db)?;
    count(&row, "units")
}
