//! Leases: given, looked up, ended.

use super::db::{Db, Row, query};
use super::money::pay;
use super::rows::{Job, bytes, corrupt, count, factor, fits, sql};
use super::{access, audits, jobs, seconds, spares, turns};
use crate::rules::wish::why_kept_out;
use crate::store::{Freed, Granted, LeaseAsk, LeaseEnd, LeaseState, Leased, StoreError};
use std::ops::Range;
use tessera_farm_core::chunk::Chunk;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::lease::{Lease, take};
use tessera_farm_core::retry::{Failure, exhausted};
use tessera_farm_core::straggler::LEAST_AGE_MS;
use tessera_market::{Reason, Room};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::job::Why;
use tessera_protocol::lease::{LeaseGrant, Unit};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{
    BlobHash, CommitId, Generation, JobId, KernelId, LeaseId, NodeId, RayPrice,
};
use tessera_quote::Decision;
use tessera_verify::audit::record;

/// How old it may be that a node was seen last, where it only leases: memory knows it to the moment.
const SEEN_MS: i64 = 60_000;

/// Leases with their jobs' kernels.
const STANDING: &str =
    "SELECT lease.*, job.kernel, job.class, job.factor FROM lease JOIN job ON job.id = lease.job";
const STANDING_BY_ID: &str = "SELECT lease.*, job.kernel, job.class, job.factor FROM lease \
     JOIN job ON job.id = lease.job WHERE lease.id = $1";
const STANDING_OF_JOB: &str = "SELECT lease.*, job.kernel, job.class, job.factor FROM lease \
     JOIN job ON job.id = lease.job WHERE lease.job = $1 AND lease.first >= $2 AND lease.first < $3";

/// Jobs with free units that pay what the node asks, or that nobody pays for, and whose scene it can hold.
/// Accounts take turns; of one account's jobs those of a higher tier come first, then the oldest. A tolerant
/// one waits while much of it wants a second render. Asked so that the indices on turns and on jobs with work
/// are walked in this order, and no further.
pub(super) const WITH_WORK: &str = concat!(
    "SELECT job.* FROM turn CROSS JOIN job \
    WHERE job.owner = turn.owner AND job.state = 0 AND job.units > job.leased + job.submitted + job.verified \
    AND job.kernel = $1 AND job.class >= $4 AND (job.class = 0 OR $2 > \
    (SELECT COUNT(*) FROM result WHERE result.job = job.id AND result.second = 1)) \
    AND (job.max_price = 0 OR job.max_price >= $3) AND ",
    fits!("$5", "$6", "$7"),
    " ORDER BY turn.due, turn.owner, job.tier DESC, job.seq LIMIT 64"
);
/// The one that pays most, of those that pay less than the node asks: to tell it why it gets nothing.
const TOO_CHEAP: &str = concat!(
    "SELECT * FROM job \
    WHERE state = 0 AND units > leased + submitted + verified AND kernel = $1 AND class >= $2 \
    AND max_price > 0 AND max_price < $3 AND ",
    fits!("$4", "$5", "$6"),
    " ORDER BY max_price DESC, seq LIMIT 1"
);
/// The one that takes least, of those whose scene the node cannot hold: likewise.
const TOO_LARGE: &str = concat!(
    "SELECT * FROM job \
    WHERE state = 0 AND units > leased + submitted + verified AND kernel = $1 AND class >= $2 \
    AND NOT (",
    fits!("$3", "$4", "$5"),
    ") ORDER BY host_bytes + device_bytes, seq LIMIT 1"
);

pub(super) fn grant(db: &Db, ask: &LeaseAsk) -> Result<Leased, StoreError> {
    if let Some(why) = kept_out(db, ask.bidder.node)? {
        return Ok(Leased::Nothing(vec![why]));
    }
    if let Some(granted) = seconds::grant(db, ask)? {
        return Ok(Leased::Granted(Box::new(granted)));
    }
    let (mut refused, mut outbid) = (Vec::new(), None);
    let room = Room::of(ask.bidder.memory);
    let job = query(WITH_WORK)
        .bind(&ask.bidder.kernel.0[..])
        .bind(seconds::MOST_WANTING)
        .bind(sql(ask.bidder.asks.0))
        .bind(seconds::class_to_sql(ask.bidder.class))
        .bind(sql(room.host_bytes))
        .bind(sql(room.device_bytes))
        .bind(sql(room.both_bytes))
        .find_map(db, |row| {
            let job = Job::read(db, &row)?;
            match job.may_take(ask) {
                Ok(()) => return Ok(Some(job)),
                Err(reason @ Reason::Outbid { .. }) => outbid = outbid.take().or(Some(reason)),
                Err(reason) => refused.push(reason.why()),
            }
            Ok(None)
        })?;
    if let Some(job) = job {
        return lease(db, ask, job);
    }
    if let Some(reason) = outbid {
        return Ok(Leased::Outbid(reason.why()));
    }
    if let Some(granted) = spares::grant(db, ask)? {
        return Ok(Leased::Granted(Box::new(granted)));
    }
    let too_cheap = query(TOO_CHEAP)
        .bind(&ask.bidder.kernel.0[..])
        .bind(seconds::class_to_sql(ask.bidder.class))
        .bind(sql(ask.bidder.asks.0))
        .bind(sql(room.host_bytes))
        .bind(sql(room.device_bytes))
        .bind(sql(room.both_bytes))
        .fetch_optional(db)?;
    let too_large = query(TOO_LARGE)
        .bind(&ask.bidder.kernel.0[..])
        .bind(seconds::class_to_sql(ask.bidder.class))
        .bind(sql(room.host_bytes))
        .bind(sql(room.device_bytes))
        .bind(sql(room.both_bytes))
        .fetch_optional(db)?;
    for row in [too_cheap, too_large].into_iter().flatten() {
        if let Err(reason) = Job::read(db, &row)?.may_take(ask) {
            refused.push(reason.why());
        }
    }
    Ok(Leased::Nothing(refused))
}

/// Why a node gets nothing, where its owner does not want it to work.
fn kept_out(db: &Db, node: NodeId) -> Result<Option<Why>, StoreError> {
    let row = query("SELECT wish FROM node WHERE id = $1").bind(&node.0[..]).fetch_optional(db)?;
    let wish = row.map(|row| access::wish_from_sql(row.try_get("wish")?)).transpose()?;
    Ok(why_kept_out(wish.unwrap_or_default()))
}

/// Leases units of a job that has some.
fn lease(db: &Db, ask: &LeaseAsk, job: Job) -> Result<Leased, StoreError> {
    let most_units = match ask.most_held {
        Some(most) => ask.most_units.min(most.saturating_sub(held(db, ask.bidder.node)?)),
        None => ask.most_units,
    };
    if most_units == 0 {
        let sentence = "The node holds as many units as it may before some of them are judged.";
        let why = Why { code: "holds_enough".into(), sentence: sentence.into() };
        return Ok(Leased::Nothing(vec![why]));
    }
    let (number, mut chunk) = chunk_with_work(db, &job)?;
    let units = take(&job.plan()?, &mut chunk, number, ask.samples_wanted, most_units)
        .ok_or_else(|| corrupt(format!("chunk {number} of job {} has no free unit", job.id)))?;
    if let Some(Decision::Pause(why)) = job.overrun(units.len() as u64) {
        jobs::change(db, job.id, JobChange::Pause, Some(why), ask.now_ms)?;
        pay::set_short(db, job.id, pay::Short::Work)?;
        return Ok(Leased::Nothing(Vec::new()));
    }
    jobs::save_chunk(db, job.id, number, &chunk)?;

    let first = units[0].index.0;
    let lease = Lease {
        id: ask.id,
        generation: Generation(job.generation + 1),
        job: job.id,
        kernel: job.kernel,
        node: ask.bidder.node,
        secret: ask.secret.hash(),
        units: first..first + units.len() as u64,
        second_of: None,
        class: job.spec.class,
        price: job.price_for(ask),
        factor: job.factor,
    };
    query("UPDATE job SET leased = leased + $2, generation = $3, next_chunk = $4 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(units.len() as u64))
        .bind(sql(lease.generation.0))
        .bind(sql(job.next_chunk.max(number + 1)))
        .execute(db)?;
    insert(db, &lease, ask)?;
    let pixel_samples = units.iter().map(Unit::pixel_samples).sum();
    turns::served(db, job.owner, job.tier, pixel_samples)?;
    let order = job.order();
    Ok(Leased::Granted(Box::new(Granted { lease, spec: job.spec, units, order })))
}

/// Keeps a lease that was given to who asked.
pub(super) fn insert(db: &Db, lease: &Lease, ask: &LeaseAsk) -> Result<(), StoreError> {
    query(
        "INSERT INTO lease (id, job, generation, node, first, n, granted_ms, secret, second_of, price) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&lease.id.0[..])
    .bind(&lease.job.0[..])
    .bind(sql(lease.generation.0))
    .bind(&lease.node.0[..])
    .bind(sql(lease.units.start))
    .bind(sql(lease.units.end - lease.units.start))
    .bind(ask.now_ms)
    .bind(&ask.secret.0[..])
    .bind(lease.second_of.map(|first| first.0.to_vec()))
    .bind(sql(lease.price.0))
    .execute(db)?;
    // Most often nothing is written: a node asks the same again, and results say when it was seen.
    query(
        "UPDATE node SET ask = $2, last_seen_ms = CASE WHEN last_seen_ms < $3 THEN $3 ELSE last_seen_ms END \
         WHERE id = $1 AND (ask IS NULL OR ask <> $2 OR last_seen_ms < $4)",
    )
    .bind(&ask.bidder.node.0[..])
    .bind(sql(ask.bidder.asks.0))
    .bind(ask.now_ms)
    .bind(ask.now_ms.saturating_sub(SEEN_MS))
    .execute(db)?;
    Ok(())
}

/// Whether a node may have so many units more.
pub(super) fn has_room(db: &Db, ask: &LeaseAsk, units: u64) -> Result<bool, StoreError> {
    let Some(most) = ask.most_held else { return Ok(true) };
    Ok(held(db, ask.bidder.node)?.saturating_add(units) <= most)
}

/// Units that a node has leased, or brought without their having been audited.
fn held(db: &Db, node: NodeId) -> Result<u64, StoreError> {
    let row = query(
        "SELECT CAST(COALESCE((SELECT SUM(n) FROM lease WHERE node = $1), 0) \
         + COALESCE((SELECT SUM(n) FROM result WHERE node = $1 AND audit = 0 AND stored = 1), 0) \
         AS BIGINT) AS units",
    )
    .bind(&node.0[..])
    .fetch_one(db)?;
    count(&row, "units")
}

/// The first chunk with a free unit: one that was begun, else the next.
fn chunk_with_work(db: &Db, job: &Job) -> Result<(u64, Chunk), StoreError> {
    let row =
        query("SELECT no, held, here FROM chunk WHERE job = $1 AND free > 0 ORDER BY no LIMIT 1")
            .bind(&job.id.0[..])
            .fetch_optional(db)?;
    let Some(row) = row else {
        return Ok((job.next_chunk, jobs::load_chunk(db, job, job.next_chunk)?));
    };
    let number = count(&row, "no")?;
    Ok((number, jobs::read_chunk(job, number, &row)?))
}

pub(super) fn seen(db: &Db, node: NodeId, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE node SET last_seen_ms = $2 WHERE id = $1 AND last_seen_ms < $2")
        .bind(&node.0[..])
        .bind(now_ms)
        .execute(db)?;
    Ok(())
}

fn read(row: &Row) -> Result<Lease, StoreError> {
    let (first, n) = (count(row, "first")?, count(row, "n")?);
    if n == 0 || n > LeaseGrant::MAX_UNITS as u64 {
        return Err(corrupt(format!("a lease of {n} units")));
    }
    Ok(Lease {
        id: LeaseId(bytes(row, "id")?),
        generation: Generation(count(row, "generation")?),
        job: JobId(bytes(row, "job")?),
        kernel: KernelId(bytes(row, "kernel")?),
        node: NodeId(bytes(row, "node")?),
        secret: AuditSecret(bytes(row, "secret")?).hash(),
        units: first..first + n,
        second_of: seconds::second_of(row)?,
        class: seconds::class_from_sql(row.try_get("class")?)?,
        price: RayPrice(count(row, "price")?),
        factor: factor(row)?,
    })
}

/// A lease that stands, its secret, and when it was granted.
pub(super) fn find_with_secret(
    db: &Db,
    id: LeaseId,
) -> Result<Option<(Lease, AuditSecret, i64)>, StoreError> {
    let row = query(STANDING_BY_ID).bind(&id.0[..]).fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((read(&row)?, AuditSecret(bytes(&row, "secret")?), row.try_get("granted_ms")?)))
}

pub(super) fn find(db: &Db, id: LeaseId) -> Result<Option<Lease>, StoreError> {
    let row = query(STANDING_BY_ID).bind(&id.0[..]).fetch_optional(db)?;
    row.as_ref().map(read).transpose()
}

pub(super) fn may_have_work(db: &Db, now_ms: i64) -> Result<bool, StoreError> {
    let row = query(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM job WHERE state = 0 AND units > leased + submitted + verified) \
         OR EXISTS (SELECT 1 FROM result JOIN job ON job.id = result.job \
         WHERE result.second = 1 AND job.state = 0) \
         OR EXISTS (SELECT 1 FROM lease JOIN job ON job.id = lease.job \
         WHERE lease.second_of IS NULL AND lease.granted_ms < $1 AND job.state = 0 \
         AND job.leased + job.submitted + job.verified = job.units)",
    )
    .bind(now_ms.saturating_sub_unsigned(LEAST_AGE_MS))
    .fetch_optional(db)?;
    Ok(row.is_some())
}

pub(super) fn standing(db: &Db) -> Result<Vec<(Lease, i64)>, StoreError> {
    let rows = query(STANDING).fetch_all(db)?;
    rows.iter().map(|row| Ok((read(row)?, row.try_get("granted_ms")?))).collect()
}

pub(super) fn state(db: &Db, id: LeaseId) -> Result<LeaseState, StoreError> {
    if let Some(lease) = find(db, id)? {
        let spec = Job::spec_of(db, lease.job)?;
        return Ok(LeaseState::Standing(Box::new((lease, spec))));
    }
    let row = query("SELECT node, generation, commit_id, accepted, n FROM result WHERE lease = $1")
        .bind(&id.0[..])
        .fetch_optional(db)?;
    let Some(row) = row else { return Ok(LeaseState::Ended) };
    Ok(LeaseState::Submitted {
        node: NodeId(bytes(&row, "node")?),
        generation: Generation(count(&row, "generation")?),
        commit: CommitId(bytes(&row, "commit_id")?),
        answer: answer(&row)?,
    })
}

/// The answer that a result's row records.
pub(super) fn answer(row: &Row) -> Result<SubmitView, StoreError> {
    let accepted = count(row, "accepted")?;
    Ok(SubmitView {
        accepted,
        already_done: count(row, "n")?.saturating_sub(accepted),
        acknowledgement: None,
    })
}

pub(super) fn end(
    db: &Db,
    id: LeaseId,
    of: Option<NodeId>,
    end: LeaseEnd,
    failures_allowed: usize,
    now_ms: i64,
) -> Result<Freed, StoreError> {
    let not_his = Freed { ended: false, failed_job: None };
    let Some(mut lease) = find(db, id)? else { return Ok(not_his) };
    if of.is_some_and(|node| node != lease.node) {
        return Ok(not_his);
    }
    let job = Job::of(db, lease.job)?;
    free(db, &job, &mut lease)?;
    let reason = match end {
        LeaseEnd::Returned => return Ok(Freed { ended: true, failed_job: None }),
        LeaseEnd::Expired => "its node fell silent".to_owned(),
        LeaseEnd::Failed(reason) => reason,
    };
    note_failure(db, &lease, &reason, false, now_ms)?;
    let record = record::abandoned(audits::record_of(db, lease.node)?);
    audits::save_record(db, lease.node, &record)?;
    if lease.second_of.is_some() && lease.class == DeviceClass::Tolerant {
        // Its units were rendered once, so they can be.
        return Ok(Freed { ended: true, failed_job: None });
    }
    let failures = failures_around(db, &lease)?;
    let Some(unit) = exhausted(&failures, failures_allowed) else {
        return Ok(Freed { ended: true, failed_job: None });
    };
    let frame =
        job.plan()?.frame_of(unit).map_or_else(String::new, |frame| format!(" of frame {frame}"));
    let told = format!(
        "unit {unit}{frame} failed {failures_allowed} times, on nodes of several owners; the last time: \
         {reason}"
    );
    // It was the job, then, and none of its nodes.
    query(
        "UPDATE node SET abandoned = 0 WHERE id IN \
         (SELECT node FROM failure WHERE job = $1 AND past = 0)",
    )
    .bind(&job.id.0[..])
    .execute(db)?;
    jobs::change(db, job.id, JobChange::Exhausted, Some(told), now_ms)?;
    Ok(Freed { ended: true, failed_job: Some(job.id) })
}

/// Ends leases that stand on these units of a job, which are those of one frame or all. Nobody is to blame.
pub(super) fn take_back(db: &Db, job: &Job, units: &Range<u64>) -> Result<Vec<Lease>, StoreError> {
    let rows = query(STANDING_OF_JOB)
        .bind(&job.id.0[..])
        .bind(sql(units.start))
        .bind(sql(units.end))
        .fetch_all(db)?;
    let mut leases = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // First those that hold no units: what ends beside one of them passes its units on.
    leases.sort_by_key(|lease| lease.second_of.is_none());
    for lease in &mut leases {
        free(db, job, lease)?;
    }
    Ok(leases)
}

/// Takes a lease away whose units are not here: they are free, or another's that stands beside it.
fn free(db: &Db, job: &Job, lease: &mut Lease) -> Result<(), StoreError> {
    match lease.second_of {
        Some(first) => seconds::want_again(db, first)?,
        // They are not free: the other lease holds them now, and this one nothing.
        None if spares::take_over(db, lease.id)? => lease.second_of = Some(lease.id),
        None => {
            let (number, range) = lease.in_chunk();
            let mut chunk = jobs::load_chunk(db, job, number)?;
            chunk.release(range).map_err(corrupt)?;
            jobs::save_chunk(db, job.id, number, &chunk)?;
        }
    }
    remove(db, lease, false)
}

/// Keeps why a lease ended without a result, for the job's log. Where it is not `past`, it counts towards the
/// job's failing as well.
pub(super) fn note_failure(
    db: &Db,
    lease: &Lease,
    reason: &str,
    past: bool,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO failure (lease, job, node, first, n, reason, at_ms, generation, past) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&lease.id.0[..])
    .bind(&lease.job.0[..])
    .bind(&lease.node.0[..])
    .bind(sql(lease.units.start))
    .bind(sql(lease.units.end - lease.units.start))
    .bind(reason)
    .bind(now_ms)
    .bind(sql(lease.generation.0))
    .bind(i64::from(past))
    .execute(db)?;
    Ok(())
}

/// Failures of these units alone say nothing any more.
pub(super) fn forget_failures(db: &Db, job: JobId, units: &Range<u64>) -> Result<(), StoreError> {
    query("UPDATE failure SET past = 1 WHERE job = $1 AND past = 0 AND first >= $2 AND first + n <= $3")
        .bind(&job.0[..])
        .bind(sql(units.start))
        .bind(sql(units.end))
        .execute(db)?;
    Ok(())
}

/// Takes a lease's row away, and its units from the job's count of leased ones; to those of submitted ones, if
/// they are here.
pub(super) fn remove(db: &Db, lease: &Lease, are_here: bool) -> Result<(), StoreError> {
    query("DELETE FROM lease WHERE id = $1").bind(&lease.id.0[..]).execute(db)?;
    if lease.second_of.is_some() {
        return Ok(());
    }
    let units = lease.units.end - lease.units.start;
    query("UPDATE job SET leased = leased - $2, submitted = submitted + $3 WHERE id = $1")
        .bind(&lease.job.0[..])
        .bind(sql(units))
        .bind(sql(if are_here { units } else { 0 }))
        .execute(db)?;
    Ok(())
}

/// Failures that share a unit with this lease.
fn failures_around(db: &Db, lease: &Lease) -> Result<Vec<Failure>, StoreError> {
    let rows = query(
        "SELECT COALESCE(node.owner, failure.node) AS owner, failure.first, failure.n FROM failure \
         LEFT JOIN node ON node.id = failure.node \
         WHERE failure.job = $1 AND failure.past = 0 AND failure.first > $2 AND failure.first < $3 \
         AND failure.first + failure.n > $4",
    )
    .bind(&lease.job.0[..])
    .bind(sql(lease.units.start) - LeaseGrant::MAX_UNITS as i64)
    .bind(sql(lease.units.end))
    .bind(sql(lease.units.start))
    .fetch_all(db)?;
    let failure = |row: &Row| {
        let (first, n) = (count(row, "first")?, count(row, "n")?);
        Ok(Failure { owner: row.try_get("owner")?, units: first..first + n })
    };
    rows.iter().map(failure).collect()
}

pub(super) fn may_read(db: &Db, node: NodeId, blob: BlobHash) -> Result<bool, StoreError> {
    let row = query(
        "SELECT 1 FROM lease JOIN job ON job.id = lease.job \
         WHERE lease.node = $1 AND (job.scene = $2 OR job.environment = $2) LIMIT 1",
    )
    .bind(&node.0[..])
    .bind(&blob.0[..])
    .fetch_optional(db)?;
    Ok(row.is_some())
}
