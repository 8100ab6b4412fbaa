//! What follows from what an audit found: for the result, its units, its node and its pair.

use super::db::{Db, Row, query};
use super::rows::{Job, bytes, corrupt, count, grown, sql, to_json};
use super::{jobs, leases, results, seconds};
use crate::store::StoreError;
use crate::store::proof::{Finding, Rejection, Settled};
use std::ops::Range;
use tessera_farm_core::chunk::{Chunk, WrongState};
use tessera_farm_core::job::has_ended;
use tessera_farm_core::lease::in_chunk;
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::job::JobEvent;
use tessera_protocol::node::{DeviceClass, NodeRecord};
use tessera_protocol::verdict::Second;
use tessera_protocol::{FrameNumber, JobId, LeaseId, NodeId, UnitIndex};
use tessera_verify::audit::record;

pub(super) fn read_record(row: &Row) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        verified_since: count(row, "verified_since")?,
        proven: row.try_get::<i64>("proven")? != 0,
        rejections: count(row, "rejections")?,
        abandoned: count(row, "abandoned")?,
    })
}

pub(super) fn record_of(db: &Db, node: NodeId) -> Result<NodeRecord, StoreError> {
    let row = query("SELECT verified_since, proven, rejections, abandoned FROM node WHERE id = $1")
        .bind(&node.0[..])
        .fetch_optional(db)?;
    row.as_ref().map_or(Ok(NodeRecord::default()), read_record)
}

pub(super) fn rejections(db: &Db, nodes: &[NodeId]) -> Result<Vec<u64>, StoreError> {
    nodes.iter().map(|node| Ok(record_of(db, *node)?.rejections)).collect()
}

pub(super) fn save_record(db: &Db, node: NodeId, record: &NodeRecord) -> Result<(), StoreError> {
    query(
        "UPDATE node SET verified_since = $2, proven = $3, rejections = $4, abandoned = $5 \
         WHERE id = $1",
    )
    .bind(&node.0[..])
    .bind(sql(record.verified_since))
    .bind(i64::from(record.proven))
    .bind(sql(record.rejections))
    .bind(sql(record.abandoned))
    .execute(db)?;
    Ok(())
}

/// A result's row, as far as audits go.
struct Entry {
    lease: LeaseId,
    job: JobId,
    frame: FrameNumber,
    node: NodeId,
    units: Range<u64>,
    rays: u64,
    took_ms: i64,
    /// Whether it is in its node's record already.
    recorded: bool,
    /// The first result of which this is a second render: such a one holds no unit.
    second_of: Option<LeaseId>,
}

impl Entry {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let first = count(row, "first")?;
        Ok(Self {
            lease: LeaseId(bytes(row, "lease")?),
            job: JobId(bytes(row, "job")?),
            frame: results::frame_number(row)?,
            node: NodeId(bytes(row, "node")?),
            units: first..first + count(row, "n")?,
            rays: count(row, "rays")?,
            took_ms: row.try_get("took_ms")?,
            recorded: row.try_get::<i64>("recorded")? != 0,
            second_of: seconds::second_of(row)?,
        })
    }

    fn count(&self) -> u64 {
        self.units.end - self.units.start
    }
}

pub(super) fn settle(
    db: &Db,
    lease: LeaseId,
    finding: &Finding,
    now_ms: i64,
) -> Result<Settled, StoreError> {
    let row = query(
        "SELECT lease, job, frame, node, first, n, rays, took_ms, recorded, second_of FROM result \
         WHERE lease = $1 AND audit = 0",
    )
    .bind(&lease.0[..])
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(Settled::default()) };
    let result = Entry::read(&row)?;
    match finding {
        Finding::Verified { looked } => verified(db, &result, *looked),
        Finding::Alike { second, looked } => {
            if let Some(second) = second {
                keep_likeness(db, lease, second)?;
            }
            verified(db, &result, *looked)
        }
        Finding::Rejected(rejection) => rejected(db, &result, rejection, now_ms),
        Finding::Lost => {
            worthless(db, &result)?;
            Ok(Settled { first: true, ..Settled::default() })
        }
    }
}

fn keep_likeness(db: &Db, lease: LeaseId, second: &Second) -> Result<(), StoreError> {
    query(
        "UPDATE result SET like_lease = $2, like_within_ppm = $3, like_distance = $4 \
         WHERE lease = $1",
    )
    .bind(&lease.0[..])
    .bind(&second.lease.0[..])
    .bind(second.within_ppm)
    .bind(second.distance)
    .execute(db)?;
    Ok(())
}

fn verified(db: &Db, result: &Entry, looked: u64) -> Result<Settled, StoreError> {
    query("UPDATE result SET audit = 1, looked = $2, second = 0, recorded = 1 WHERE lease = $1")
        .bind(&result.lease.0[..])
        .bind(sql(looked))
        .execute(db)?;
    let job = Job::of(db, result.job)?;
    let frame_complete = match result.second_of {
        Some(_) => false,
        None => count_units(db, &job, result)?,
    };
    let mut record = record_of(db, result.node)?;
    if !result.recorded {
        let plan = job.plan()?;
        let unit = |index| plan.unit(UnitIndex(index)).map_or(0, |unit| unit.pixel_samples());
        record = record::verified(record, result.units.clone().map(unit).sum());
    }
    query(concat!(
        "UPDATE node SET units_verified = units_verified + $2, worked_ms = worked_ms + $4, ",
        grown!("rays_verified", "$3"),
        ", verified_since = $5, proven = $6, rejections = $7, abandoned = $8 WHERE id = $1"
    ))
    .bind(&result.node.0[..])
    .bind(sql(result.count()))
    .bind(sql(result.rays))
    .bind(result.took_ms)
    .bind(sql(record.verified_since))
    .bind(i64::from(record.proven))
    .bind(sql(record.rejections))
    .bind(sql(record.abandoned))
    .execute(db)?;
    Ok(Settled { first: true, frame_complete, ..Settled::default() })
}

/// Submitted units of a job become verified ones; whether their frame is whole with them.
fn count_units(db: &Db, job: &Job, result: &Entry) -> Result<bool, StoreError> {
    let (units, verified) = (result.count(), job.verified + result.count());
    let rays = job.rays.saturating_add(result.rays);
    query("UPDATE job SET submitted = submitted - $2, verified = $3, rays = $4 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(units))
        .bind(sql(verified))
        .bind(sql(rays))
        .execute(db)?;
    // A job that has ended has no units any more; its nodes' work counts all the same.
    if has_ended(job.state) {
        return Ok(false);
    }
    in_its_chunk(db, job, result, Chunk::verify)?;
    let of_frame = results::count_frame(db, job.id, result.frame, sql(units))?;
    leases::forget_failures(db, job.id, &result.units)?;
    let event = JobEvent::Units { verified, total: job.units, rays };
    jobs::emit(db, job.id, &event)?;
    Ok(of_frame == job.units_per_frame)
}

fn rejected(
    db: &Db,
    result: &Entry,
    rejection: &Rejection,
    now_ms: i64,
) -> Result<Settled, StoreError> {
    worthless(db, result)?;
    query(
        "INSERT INTO rejection (lease, job, node, signed, wrong, at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&result.lease.0[..])
    .bind(&result.job.0[..])
    .bind(&result.node.0[..])
    .bind(to_json(&(&rejection.commit, &rejection.signature)))
    .bind(to_json(&rejection.wrong))
    .bind(now_ms)
    .execute(db)?;
    lower(db, result.node)
}

/// What follows for a node that was caught.
fn lower(db: &Db, node: NodeId) -> Result<Settled, StoreError> {
    let after = record::rejected(record_of(db, node)?);
    save_record(db, node, &after)?;
    let reopened = reopen(db, node)?;
    let barred = record::units_of_a_lease(&after) == 0;
    if barred {
        forgo(db, node)?;
    }
    Ok(Settled { first: true, frame_complete: false, reopened, barred })
}

pub(super) fn equivocated(
    db: &Db,
    commit: &Commit,
    signature: &SignatureBytes,
    now_ms: i64,
) -> Result<Settled, StoreError> {
    let kept = query(
        "INSERT INTO equivocation (lease, node, signed, at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (lease) DO NOTHING",
    )
    .bind(&commit.lease.0[..])
    .bind(&commit.node.0[..])
    .bind(to_json(&(commit, signature)))
    .bind(now_ms)
    .execute(db)?;
    if kept == 0 {
        return Ok(Settled::default());
    }
    lower(db, commit.node)
}

/// Nobody looks any more at what a barred node brought: to render it again costs the farm less.
fn forgo(db: &Db, node: NodeId) -> Result<(), StoreError> {
    let rows = query("SELECT * FROM result WHERE node = $1 AND audit = 0 AND stored = 1")
        .bind(&node.0[..])
        .fetch_all(db)?;
    for row in &rows {
        worthless(db, &Entry::read(row)?)?;
    }
    Ok(())
}

/// The units of a result are free again; where it was a second render, another one is wanted.
fn worthless(db: &Db, result: &Entry) -> Result<(), StoreError> {
    mark(db, result.lease, 2, 0)?;
    open_partners(db, result.lease)?;
    if let Some(first) = result.second_of {
        return seconds::want_again(db, first);
    }
    let job = Job::of(db, result.job)?;
    query("UPDATE job SET submitted = submitted - $2 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(result.count()))
        .execute(db)?;
    if !has_ended(job.state) {
        in_its_chunk(db, &job, result, Chunk::reject)?;
    }
    Ok(())
}

/// What was found right and is in a frame that waits for its owner's word is wrong after all: the frame is
/// opened again. Its node is to blame where there is a rejection.
pub(super) fn overturned(
    db: &Db,
    (job, frame): (JobId, FrameNumber),
    lease: LeaseId,
    rejection: Option<&Rejection>,
    now_ms: i64,
) -> Result<Settled, StoreError> {
    let opened = query(
        "UPDATE frame SET hash = NULL, approved = 1 WHERE job = $1 AND frame = $2 AND approved = 0",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .execute(db)?;
    let row = query("SELECT * FROM result WHERE lease = $1 AND audit = 1 AND stored = 1")
        .bind(&lease.0[..])
        .fetch_optional(db)?;
    let Some(row) = row.filter(|_| opened > 0) else {
        return Ok(Settled::default());
    };
    let (result, job) = (Entry::read(&row)?, Job::of(db, job)?);
    if !has_ended(job.state) {
        query("UPDATE job SET frames_done = frames_done - 1 WHERE id = $1")
            .bind(&job.id.0[..])
            .execute(db)?;
        uncount(db, &job, &result)?;
    }
    uncount_of_node(db, &result)?;
    match rejection {
        Some(rejection) => rejected(db, &result, rejection, now_ms),
        None => {
            worthless(db, &result)?;
            Ok(Settled { first: true, ..Settled::default() })
        }
    }
}

/// What was found right is there no longer as it was: its units are free again. Its node's work
/// counts all the same.
pub(super) fn spoiled(db: &Db, lease: LeaseId) -> Result<(), StoreError> {
    let row = query("SELECT * FROM result WHERE lease = $1 AND audit = 1 AND stored = 1")
        .bind(&lease.0[..])
        .fetch_optional(db)?;
    let Some(row) = row else { return Ok(()) };
    let result = Entry::read(&row)?;
    let job = Job::of(db, result.job)?;
    if !has_ended(job.state) && result.second_of.is_none() {
        uncount(db, &job, &result)?;
        worthless(db, &result)?;
    }
    Ok(())
}

/// Looks again at what a node brought earlier and was found right, as far as its frame is not
/// assembled: it was looked at as the work of somebody better.
fn reopen(db: &Db, node: NodeId) -> Result<u64, StoreError> {
    let rows = query(
        "SELECT result.* FROM result JOIN job ON job.id = result.job \
         JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.node = $1 AND result.audit = 1 AND result.stored = 1 \
         AND result.whole = 0 AND job.state NOT IN (2, 3) AND frame.hash IS NULL \
         AND length(result.secret) = 32",
    )
    .bind(&node.0[..])
    .fetch_all(db)?;
    for row in &rows {
        let result = Entry::read(row)?;
        open_again(db, &result, true)?;
        open_partners(db, result.lease)?;
    }
    Ok(rows.len() as u64)
}

/// Results that count only because they are like this one, which counts no longer: nobody else looked at
/// them.
fn open_partners(db: &Db, lease: LeaseId) -> Result<(), StoreError> {
    let rows = query(
        "SELECT result.* FROM result JOIN job ON job.id = result.job \
         JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.like_lease = $1 AND result.looked = 0 AND result.audit = 1 \
         AND result.stored = 1 AND job.state NOT IN (2, 3) AND frame.hash IS NULL",
    )
    .bind(&lease.0[..])
    .fetch_all(db)?;
    for row in &rows {
        open_again(db, &Entry::read(row)?, false)?;
    }
    Ok(())
}

/// A result that counted is to be looked at again, as a `whole` or by its node's record.
fn open_again(db: &Db, result: &Entry, whole: bool) -> Result<(), StoreError> {
    mark(db, result.lease, 0, 0)?;
    let job = Job::of(db, result.job)?;
    let first = result.second_of.is_none();
    let wants_second = first && job.spec.class == DeviceClass::Tolerant;
    query(
        "UPDATE result SET whole = CASE WHEN $2 = 1 THEN 1 ELSE whole END, second = $3, \
         like_lease = NULL WHERE lease = $1",
    )
    .bind(&result.lease.0[..])
    .bind(i64::from(whole))
    .bind(i64::from(wants_second))
    .execute(db)?;
    if first {
        uncount(db, &job, result)?;
    }
    uncount_of_node(db, result)
}

/// Verified units of a node are not any more.
fn uncount_of_node(db: &Db, result: &Entry) -> Result<(), StoreError> {
    query(
        "UPDATE node SET units_verified = units_verified - $2, rays_verified = rays_verified - $3, \
         worked_ms = worked_ms - $4 WHERE id = $1",
    )
    .bind(&result.node.0[..])
    .bind(sql(result.count()))
    .bind(sql(result.rays))
    .bind(result.took_ms)
    .execute(db)?;
    Ok(())
}

/// Verified units of a job become submitted ones.
fn uncount(db: &Db, job: &Job, result: &Entry) -> Result<(), StoreError> {
    let units = sql(result.count());
    in_its_chunk(db, job, result, Chunk::reopen)?;
    results::count_frame(db, job.id, result.frame, -units)?;
    let rays = job.rays.saturating_sub(result.rays);
    query(
        "UPDATE job SET submitted = submitted + $2, verified = verified - $2, rays = $3 \
         WHERE id = $1",
    )
    .bind(&job.id.0[..])
    .bind(units)
    .bind(sql(rays))
    .execute(db)?;
    let verified = job.verified.saturating_sub(result.count());
    jobs::emit(db, job.id, &JobEvent::Units { verified, total: job.units, rays })
}

fn mark(db: &Db, lease: LeaseId, audit: i64, looked: u64) -> Result<(), StoreError> {
    query("UPDATE result SET audit = $2, looked = $3, second = 0 WHERE lease = $1")
        .bind(&lease.0[..])
        .bind(audit)
        .bind(sql(looked))
        .execute(db)?;
    Ok(())
}

fn in_its_chunk(
    db: &Db,
    job: &Job,
    result: &Entry,
    change: fn(&mut Chunk, Range<u16>) -> Result<(), WrongState>,
) -> Result<(), StoreError> {
    let (number, range) = in_chunk(&result.units);
    let mut chunk = jobs::load_chunk(db, job, number)?;
    change(&mut chunk, range).map_err(corrupt)?;
    jobs::save_chunk(db, job.id, number, &chunk)
}
