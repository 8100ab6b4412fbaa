//! Units of an exact job that are leased a second time, because who has them takes long.
//!
//! Of two leases of the same units one holds them, and the other names it in `second_of` and holds nothing. Whichever
//! result comes first takes the units, so that the lease of the other is the second from then on. Both are audited,
//! each by itself, and both are paid for; the pixels are the same, whoever made them.
//! So the second node is another owner's, who would else let one node dawdle and sign twice what was rendered once.

use super::db::{Db, query};
use super::rows::{Job, bytes, count, fits, sql};
use super::{leases, seconds};
use crate::store::{Granted, LeaseAsk, StoreError};
use tessera_farm_core::lease::Lease;
use tessera_farm_core::straggler::{LEAST_AGE_MS, Usual, is_straggler};
use tessera_market::Room;
use tessera_protocol::{JobId, LeaseId, UnitIndex};
use tessera_quote::Decision;

/// Leases that are looked at for one question, the oldest first.
const LOOKS: u32 = 16;
/// Results that say how long units take.
const SAMPLE: u32 = 64;

/// Leases the units of the oldest straggler that the node may have, if there is one.
pub(super) fn grant(db: &Db, ask: &LeaseAsk) -> Result<Option<Granted>, StoreError> {
    if ask.straggler_times == 0 {
        return Ok(None);
    }
    let room = Room::of(ask.bidder.memory);
    let rows = query(concat!(
        "SELECT lease.id, lease.job, lease.first, lease.n, lease.granted_ms FROM lease \
         JOIN job ON job.id = lease.job \
         WHERE lease.second_of IS NULL AND lease.granted_ms < $1 AND lease.node <> $2 \
         AND job.state = 0 AND job.class = 0 AND job.kernel = $3 \
         AND job.leased + job.submitted + job.verified = job.units \
         AND (job.max_price = 0 OR job.max_price >= $4) AND lease.n <= $5 AND ",
        fits!("$7", "$8", "$9"),
        " AND NOT EXISTS (SELECT 1 FROM lease AS other WHERE other.second_of = lease.id) \
         AND NOT EXISTS (SELECT 1 FROM node AS holder JOIN node AS asker ON asker.owner = holder.owner \
         WHERE holder.id = lease.node AND asker.id = $2) \
         ORDER BY lease.granted_ms LIMIT $6",
    ))
    .bind(ask.now_ms.saturating_sub_unsigned(LEAST_AGE_MS))
    .bind(&ask.bidder.node.0[..])
    .bind(&ask.bidder.kernel.0[..])
    .bind(sql(ask.bidder.asks.0))
    .bind(sql(ask.most_units))
    .bind(LOOKS)
    .bind(sql(room.host_bytes))
    .bind(sql(room.device_bytes))
    .bind(sql(room.both_bytes))
    .fetch_all(db)?;
    for row in &rows {
        let job = Job::of(db, JobId(bytes(row, "job")?))?;
        let (first, n) = (count(row, "first")?, count(row, "n")?);
        let age_ms = ask.now_ms.saturating_sub(row.try_get("granted_ms")?);
        let usual = usual(db, &job, first)?;
        let straggles = u64::try_from(age_ms)
            .is_ok_and(|age_ms| is_straggler(age_ms, n, usual, ask.straggler_times));
        let can_pay = !matches!(job.overrun(n), Some(Decision::Pause(_)));
        if straggles && can_pay && job.may_take(ask).is_ok() && leases::has_room(db, ask, n)? {
            let of = LeaseId(bytes(row, "id")?);
            return seconds::lease_again(db, ask, job, of, first..first + n).map(Some);
        }
    }
    Ok(None)
}

/// How long units of the same frame took that are here.
fn usual(db: &Db, job: &Job, unit: u64) -> Result<Usual, StoreError> {
    let frame = job.plan()?.frame_of(UnitIndex(unit)).map_or(0, |frame| frame.0);
    let row = query(
        "SELECT CAST(COALESCE(SUM(took_ms), 0) AS BIGINT) AS took_ms, \
         CAST(COALESCE(SUM(n), 0) AS BIGINT) AS units FROM \
         (SELECT took_ms, n FROM result WHERE job = $1 AND frame = $2 AND stored = 1 LIMIT $3) AS some",
    )
    .bind(&job.id.0[..])
    .bind(i64::from(frame))
    .bind(SAMPLE)
    .fetch_one(db)?;
    Ok(Usual { took_ms: count(&row, "took_ms")?, units: count(&row, "units")? })
}

/// A lease brings its result. Where it was given beside another that still stands, it takes the units from that one.
pub(super) fn come_first(db: &Db, lease: &mut Lease) -> Result<(), StoreError> {
    let Some(straggler) = lease.second_of else { return Ok(()) };
    let swapped = query("UPDATE lease SET second_of = $2 WHERE id = $1")
        .bind(&straggler.0[..])
        .bind(&lease.id.0[..])
        .execute(db)?;
    if swapped > 0 {
        lease.second_of = None;
    }
    Ok(())
}

/// A lease that holds units ends without a result: whether another stands beside it, which holds them from now on.
pub(super) fn take_over(db: &Db, lease: LeaseId) -> Result<bool, StoreError> {
    let taken = query("UPDATE lease SET second_of = NULL WHERE second_of = $1")
        .bind(&lease.0[..])
        .execute(db)?;
    Ok(taken > 0)
}
