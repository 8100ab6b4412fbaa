//! Results: entered once, to be audited, then frames of those that were verified.

use super::db::{Db, Row, query};
use super::rows::{Job, bytes, corrupt, count, sql};
use super::{jobs, leases, spares, sums};
use crate::store::{CheckedResult, Entered, StoreError, StoredResult, WholeFrame};
use tessera_farm_core::lease::Lease;
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::job::{Dispute, FrameView, JobEvent};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{CommitId, FrameNumber, JobId, LeaseId, ResultHash, UnitIndex};

pub(super) fn enter(db: &Db, result: &CheckedResult) -> Result<Entered, StoreError> {
    let Some((mut lease, secret, granted_ms)) = leases::find_with_secret(db, result.lease)? else {
        return entered_before(db, result);
    };
    let job = Job::of(db, lease.job)?;
    let units = lease.units.end - lease.units.start;
    let frame = job
        .plan()?
        .frame_of(UnitIndex(lease.units.start))
        .ok_or_else(|| corrupt(format!("lease {} lies beyond its job", lease.id)))?;

    spares::come_first(db, &mut lease)?;
    leases::remove(db, &lease, true)?;
    if lease.second_of.is_none() {
        let (number, range) = lease.in_chunk();
        let mut chunk = jobs::load_chunk(db, &job, number)?;
        chunk.submit(range).map_err(corrupt)?;
        jobs::save_chunk(db, job.id, number, &chunk)?;
    }
    let wants_second = job.spec.class == DeviceClass::Tolerant && lease.second_of.is_none();
    keep(db, &lease, frame, (&secret, granted_ms), wants_second, result)?;
    leases::seen(db, lease.node, result.now_ms)?;
    Ok(Entered::Now(SubmitView { accepted: units, already_done: 0, acknowledgement: None }))
}

fn entered_before(db: &Db, result: &CheckedResult) -> Result<Entered, StoreError> {
    let row = query("SELECT commit_id, accepted, n FROM result WHERE lease = $1")
        .bind(&result.lease.0[..])
        .fetch_optional(db)?;
    let Some(row) = row else { return Ok(Entered::LeaseEnded) };
    if CommitId(bytes(&row, "commit_id")?) != result.commit {
        return Ok(Entered::AnotherCommit);
    }
    Ok(Entered::Before(leases::answer(&row)?))
}

/// Adds units to a frame's verified ones, or takes them away, and answers how many there are.
pub(super) fn count_frame(
    db: &Db,
    job: JobId,
    frame: FrameNumber,
    units: i64,
) -> Result<u64, StoreError> {
    let row = query(
        "INSERT INTO frame (job, frame, verified) VALUES ($1, $2, $3) \
         ON CONFLICT (job, frame) DO UPDATE SET verified = frame.verified + excluded.verified \
         RETURNING verified",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .bind(units)
    .fetch_one(db)?;
    count(&row, "verified")
}

fn keep(
    db: &Db,
    lease: &Lease,
    frame: FrameNumber,
    (secret, granted_ms): (&AuditSecret, i64),
    wants_second: bool,
    result: &CheckedResult,
) -> Result<(), StoreError> {
    let units = sql(lease.units.end - lease.units.start);
    query(
        "INSERT INTO result (lease, job, frame, generation, node, first, n, commit_id, rays, \
         accepted, stored, at_ms, secret, audit, second_of, second, price, took_ms, beside) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, 0, $13, $14, $15, $16, $17)",
    )
    .bind(&lease.id.0[..])
    .bind(&lease.job.0[..])
    .bind(i64::from(frame.0))
    .bind(sql(lease.generation.0))
    .bind(&lease.node.0[..])
    .bind(sql(lease.units.start))
    .bind(units)
    .bind(&result.commit.0[..])
    .bind(sql(result.rays))
    .bind(units)
    .bind(result.now_ms)
    .bind(&secret.0[..])
    .bind(lease.second_of.map(|first| first.0.to_vec()))
    .bind(i64::from(wants_second))
    .bind(sql(lease.price.0))
    .bind(result.now_ms.saturating_sub(granted_ms).max(1))
    .bind(i64::from(result.sums.is_some()))
    .execute(db)?;
    match &result.sums {
        Some(body) => sums::keep(db, lease, body),
        None => Ok(()),
    }
}

pub(super) fn frame_number(row: &Row) -> Result<FrameNumber, StoreError> {
    Ok(FrameNumber(u32::try_from(count(row, "frame")?).map_err(corrupt)?))
}

pub(super) fn frames(
    db: &Db,
    job: JobId,
    from: FrameNumber,
    limit: u32,
) -> Result<Vec<FrameView>, StoreError> {
    let rows = query(
        "SELECT frame.frame, frame.verified, frame.hash, frame.approved, frame.approve_by_ms, \
         job.units_per_frame, dispute.reason, dispute.answer \
         FROM frame JOIN job ON job.id = frame.job \
         LEFT JOIN dispute ON dispute.job = frame.job AND dispute.frame = frame.frame \
         AND dispute.case_no = (SELECT MAX(case_no) FROM dispute AS other \
         WHERE other.job = frame.job AND other.frame = frame.frame) \
         WHERE frame.job = $1 AND frame.frame >= $2 ORDER BY frame.frame LIMIT $3",
    )
    .bind(&job.0[..])
    .bind(i64::from(from.0))
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        let assembled = row.try_get::<Option<&[u8]>>("hash")?.is_some();
        let approved = row.try_get::<i64>("approved")? != 0;
        let approve_by_ms: i64 = row.try_get("approve_by_ms")?;
        let reason: Option<String> = row.try_get("reason")?;
        let answer = row.try_get("answer")?;
        Ok(FrameView {
            frame: frame_number(row)?,
            verified: count(row, "verified")?,
            units: count(row, "units_per_frame")?,
            hash: assembled.then(|| bytes(row, "hash").map(ResultHash)).transpose()?,
            approve_by_ms: (!approved).then_some(approve_by_ms),
            dispute: reason.map(|reason| Dispute { reason, answer }),
        })
    };
    rows.iter().map(view).collect()
}

/// Whether a frame's pictures are durable.
pub(super) fn is_assembled(db: &Db, job: JobId, frame: FrameNumber) -> Result<bool, StoreError> {
    let row = query("SELECT 1 FROM frame WHERE job = $1 AND frame = $2 AND hash IS NOT NULL")
        .bind(&job.0[..])
        .bind(i64::from(frame.0))
        .fetch_optional(db)?;
    Ok(row.is_some())
}

pub(super) fn whole_frames(db: &Db, limit: u32) -> Result<Vec<WholeFrame>, StoreError> {
    let rows = query(
        "SELECT frame.job AS job, frame.frame AS frame FROM frame JOIN job ON job.id = frame.job \
         WHERE frame.hash IS NULL AND job.state NOT IN (2, 3) AND frame.verified = job.units_per_frame \
         ORDER BY job.seq, frame.frame LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)?;
    let mut whole = Vec::with_capacity(rows.len());
    for row in &rows {
        let frame = frame_number(row)?;
        let job = Job::of(db, JobId(bytes(row, "job")?))?;
        let results = counting(db, job.id, frame)?;
        whole.push(WholeFrame { job: job.id, frame, spec: job.spec, kernel: job.kernel, results });
    }
    Ok(whole)
}

/// The results of a frame that count, in the order of their units.
pub(super) fn counting(
    db: &Db,
    job: JobId,
    frame: FrameNumber,
) -> Result<Vec<StoredResult>, StoreError> {
    let rows = query(
        "SELECT job, lease, commit_id, first, n, beside FROM result \
         WHERE job = $1 AND frame = $2 AND stored = 1 AND audit = 1 AND second_of IS NULL \
         ORDER BY first",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .fetch_all(db)?;
    rows.iter().map(stored).collect()
}

pub(super) fn stored(row: &Row) -> Result<StoredResult, StoreError> {
    let first = count(row, "first")?;
    Ok(StoredResult {
        job: JobId(bytes(row, "job")?),
        lease: LeaseId(bytes(row, "lease")?),
        commit: CommitId(bytes(row, "commit_id")?),
        units: first..first + count(row, "n")?,
        beside: row.try_get::<i64>("beside")? != 0,
    })
}

pub(super) fn frame_done(
    db: &Db,
    job: JobId,
    frame: FrameNumber,
    hash: ResultHash,
    made_of: &[LeaseId],
    approve_by_ms: Option<i64>,
) -> Result<(), StoreError> {
    let counting = counting(db, job, frame)?;
    if !counting.iter().map(|result| result.lease).eq(made_of.iter().copied()) {
        return Ok(());
    }
    // Only who pays has to approve.
    let marked = query(
        "UPDATE frame SET hash = $3, approve_by_ms = COALESCE($4, 0), approved = CASE WHEN $4 IS NULL \
         OR (SELECT escrow FROM job WHERE id = $1) = 0 THEN 1 ELSE 0 END \
         WHERE job = $1 AND frame = $2 AND hash IS NULL",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .bind(&hash.0[..])
    .bind(approve_by_ms)
    .execute(db)?;
    if marked == 0 {
        return Ok(());
    }
    query("UPDATE job SET frames_done = frames_done + 1 WHERE id = $1")
        .bind(&job.0[..])
        .execute(db)?;
    jobs::emit(db, job, &JobEvent::Frame { frame, hash })
}

/// Jobs whose sums are looked for at once.
const JOBS: u32 = 16;

pub(super) fn spent(db: &Db, until_ms: i64, limit: u32) -> Result<Vec<StoredResult>, StoreError> {
    let jobs = query(
        "SELECT id FROM job WHERE keeps = 1 AND ended_ms <= $1 AND EXISTS (SELECT 1 FROM result \
         WHERE result.job = job.id AND result.stored = 1 AND result.audit <> 0 \
         AND (result.audit = 2 OR result.price = 0 OR result.posted <> 0)) \
         ORDER BY ended_ms LIMIT $2",
    )
    .bind(until_ms)
    .bind(JOBS)
    .fetch_all(db)?;
    let mut spent = Vec::new();
    for job in &jobs {
        let rows = query(
            "SELECT job, lease, commit_id, first, n, beside FROM result \
             WHERE job = $1 AND stored = 1 AND audit <> 0 \
             AND (audit = 2 OR price = 0 OR posted <> 0) LIMIT $2",
        )
        .bind(job.try_get::<&[u8]>("id")?)
        .bind(i64::from(limit) - spent.len() as i64)
        .fetch_all(db)?;
        for row in &rows {
            spent.push(stored(row)?);
        }
    }
    Ok(spent)
}

pub(super) fn forget(db: &Db, leases: &[LeaseId]) -> Result<(), StoreError> {
    for lease in leases {
        sums::forget(db, *lease)?;
    }
    // A job that keeps nothing any more is looked at no more.
    query(
        "UPDATE job SET keeps = 0 WHERE keeps = 1 AND NOT EXISTS \
         (SELECT 1 FROM result WHERE result.job = job.id AND result.stored = 1)",
    )
    .execute(db)?;
    Ok(())
}

pub(super) fn is_file_kept(db: &Db, lease: LeaseId, commit: CommitId) -> Result<bool, StoreError> {
    let row = query(
        "SELECT 1 FROM result WHERE lease = $1 AND commit_id = $2 AND stored = 1 AND beside = 0",
    )
    .bind(&lease.0[..])
    .bind(&commit.0[..])
    .fetch_optional(db)?;
    Ok(row.is_some())
}
