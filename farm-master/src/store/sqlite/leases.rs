//! Leases: given, looked up, ended.

use super::jobs;
use super::rows::{Job, bytes, corrupt, count, sql};
use crate::store::{CommitId, Freed, Granted, LeaseAsk, LeaseEnd, LeaseState, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_farm_core::chunk::Chunk;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::lease::{Lease, take};
use tessera_farm_core::retry::{Failure, exhausted};
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{BlobHash, Generation, JobId, KernelId, LeaseId, NodeId};

/// Leases with their jobs' kernels.
const STANDING: &str = "SELECT lease.*, job.kernel FROM lease JOIN job ON job.id = lease.job";
const STANDING_BY_ID: &str =
    "SELECT lease.*, job.kernel FROM lease JOIN job ON job.id = lease.job WHERE lease.id = $1";

pub(super) async fn grant(
    db: &mut SqliteConnection,
    ask: &LeaseAsk,
) -> Result<Option<Granted>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM job WHERE state = 0 AND leased + submitted + verified < units \
         AND kernel = $1 ORDER BY seq LIMIT 1",
    )
    .bind(&ask.kernel.0[..])
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let job = Job::read(&row)?;
    let (number, mut chunk) = chunk_with_work(db, &job).await?;
    let units = take(&job.plan()?, &mut chunk, number, ask.samples_wanted)
        .ok_or_else(|| corrupt(format!("chunk {number} of job {} has no free unit", job.id)))?;
    jobs::save_chunk(db, job.id, number, &chunk).await?;

    let first = units[0].index.0;
    let lease = Lease {
        id: ask.id,
        generation: Generation(job.generation + 1),
        job: job.id,
        kernel: job.kernel,
        node: ask.node,
        units: first..first + units.len() as u64,
    };
    sqlx::query(
        "UPDATE job SET leased = leased + $2, generation = $3, next_chunk = $4 WHERE id = $1",
    )
    .bind(&job.id.0[..])
    .bind(sql(units.len() as u64))
    .bind(sql(lease.generation.0))
    .bind(sql(job.next_chunk.max(number + 1)))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO lease (id, job, generation, node, first, n, granted_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&lease.id.0[..])
    .bind(&lease.job.0[..])
    .bind(sql(lease.generation.0))
    .bind(&lease.node.0[..])
    .bind(sql(first))
    .bind(sql(units.len() as u64))
    .bind(ask.now_ms)
    .execute(&mut *db)
    .await?;
    seen(db, ask.node, ask.now_ms).await?;
    Ok(Some(Granted { lease, spec: job.spec, units }))
}

/// The first chunk with a free unit: one that was begun, else the next.
async fn chunk_with_work(db: &mut SqliteConnection, job: &Job) -> Result<(u64, Chunk), StoreError> {
    let row = sqlx::query("SELECT no FROM chunk WHERE job = $1 AND free > 0 ORDER BY no LIMIT 1")
        .bind(&job.id.0[..])
        .fetch_optional(&mut *db)
        .await?;
    let number = row.map_or(Ok(job.next_chunk), |row| count(&row, "no"))?;
    Ok((number, jobs::load_chunk(db, job, number).await?))
}

pub(super) async fn seen(
    db: &mut SqliteConnection,
    node: NodeId,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE node SET last_seen_ms = $2 WHERE id = $1 AND last_seen_ms < $2")
        .bind(&node.0[..])
        .bind(now_ms)
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Lease, StoreError> {
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
        units: first..first + n,
    })
}

pub(super) async fn find(
    db: &mut SqliteConnection,
    id: LeaseId,
) -> Result<Option<Lease>, StoreError> {
    let row = sqlx::query(STANDING_BY_ID).bind(&id.0[..]).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn standing(db: &mut SqliteConnection) -> Result<Vec<(Lease, i64)>, StoreError> {
    let rows = sqlx::query(STANDING).fetch_all(db).await?;
    rows.iter().map(|row| Ok((read(row)?, row.try_get("granted_ms")?))).collect()
}

pub(super) async fn state(
    db: &mut SqliteConnection,
    id: LeaseId,
) -> Result<LeaseState, StoreError> {
    if let Some(lease) = find(db, id).await? {
        let job = Job::of(db, lease.job).await?;
        return Ok(LeaseState::Standing(Box::new((lease, job.spec))));
    }
    let row = sqlx::query("SELECT node, commit_id, accepted, n FROM result WHERE lease = $1")
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(LeaseState::Ended) };
    Ok(LeaseState::Submitted {
        node: NodeId(bytes(&row, "node")?),
        commit: CommitId(bytes(&row, "commit_id")?),
        answer: answer(&row)?,
    })
}

/// The answer that a result's row records.
pub(super) fn answer(row: &SqliteRow) -> Result<SubmitView, StoreError> {
    let accepted = count(row, "accepted")?;
    Ok(SubmitView { accepted, already_done: count(row, "n")?.saturating_sub(accepted) })
}

pub(super) async fn end(
    db: &mut SqliteConnection,
    id: LeaseId,
    of: Option<NodeId>,
    end: LeaseEnd,
    failures_allowed: usize,
    now_ms: i64,
) -> Result<Freed, StoreError> {
    let not_his = Freed { ended: false, failed_job: None };
    let Some(lease) = find(db, id).await? else { return Ok(not_his) };
    if of.is_some_and(|node| node != lease.node) {
        return Ok(not_his);
    }
    let job = Job::of(db, lease.job).await?;
    let (number, range) = lease.in_chunk();
    let mut chunk = jobs::load_chunk(db, &job, number).await?;
    chunk.release(range).map_err(corrupt)?;
    jobs::save_chunk(db, job.id, number, &chunk).await?;
    remove(db, &lease).await?;
    let reason = match end {
        LeaseEnd::Returned => return Ok(Freed { ended: true, failed_job: None }),
        LeaseEnd::Expired => "its node fell silent".to_owned(),
        LeaseEnd::Failed(reason) => reason,
    };
    sqlx::query(
        "INSERT INTO failure (lease, job, node, first, n, reason, at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&id.0[..])
    .bind(&lease.job.0[..])
    .bind(&lease.node.0[..])
    .bind(sql(lease.units.start))
    .bind(sql(lease.units.end - lease.units.start))
    .bind(&reason)
    .bind(now_ms)
    .execute(&mut *db)
    .await?;
    let failures = failures_around(db, &lease).await?;
    let Some(unit) = exhausted(&failures, failures_allowed) else {
        return Ok(Freed { ended: true, failed_job: None });
    };
    let frame =
        job.plan()?.frame_of(unit).map_or_else(String::new, |frame| format!(" of frame {frame}"));
    let told = format!(
        "unit {unit}{frame} failed {failures_allowed} times on several nodes; the last time: {reason}"
    );
    jobs::change(db, job.id, JobChange::Exhausted, Some(told)).await?;
    Ok(Freed { ended: true, failed_job: Some(job.id) })
}

/// Takes a lease's row away, and its units from the job's count of leased ones.
pub(super) async fn remove(db: &mut SqliteConnection, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM lease WHERE id = $1").bind(&lease.id.0[..]).execute(&mut *db).await?;
    sqlx::query("UPDATE job SET leased = leased - $2 WHERE id = $1")
        .bind(&lease.job.0[..])
        .bind(sql(lease.units.end - lease.units.start))
        .execute(db)
        .await?;
    Ok(())
}

/// Failures that share a unit with this lease.
async fn failures_around(
    db: &mut SqliteConnection,
    lease: &Lease,
) -> Result<Vec<Failure>, StoreError> {
    let rows = sqlx::query(
        "SELECT node, first, n FROM failure \
         WHERE job = $1 AND first > $2 AND first < $3 AND first + n > $4",
    )
    .bind(&lease.job.0[..])
    .bind(sql(lease.units.start) - LeaseGrant::MAX_UNITS as i64)
    .bind(sql(lease.units.end))
    .bind(sql(lease.units.start))
    .fetch_all(db)
    .await?;
    let failure = |row: &SqliteRow| {
        let (first, n) = (count(row, "first")?, count(row, "n")?);
        Ok(Failure { node: NodeId(bytes(row, "node")?), units: first..first + n })
    };
    rows.iter().map(failure).collect()
}

pub(super) async fn may_read(
    db: &mut SqliteConnection,
    node: NodeId,
    blob: BlobHash,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM lease JOIN job ON job.id = lease.job \
         WHERE lease.node = $1 AND (job.scene = $2 OR job.environment = $2) LIMIT 1",
    )
    .bind(&node.0[..])
    .bind(&blob.0[..])
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}
