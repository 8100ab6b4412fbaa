//! Results: entered once, then frames.

use super::rows::{Job, bytes, corrupt, count, sql};
use super::{jobs, leases};
use crate::store::{CheckedResult, CommitId, Entered, StoreError, StoredResult, WholeFrame};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_farm_core::lease::Lease;
use tessera_protocol::job::{FrameView, JobEvent};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{FrameNumber, JobId, LeaseId, ResultHash, UnitIndex};

pub(super) async fn enter(
    db: &mut SqliteConnection,
    result: &CheckedResult,
) -> Result<Entered, StoreError> {
    let Some(lease) = leases::find(db, result.lease).await? else {
        return entered_before(db, result).await;
    };
    let job = Job::of(db, lease.job).await?;
    let units = lease.units.end - lease.units.start;
    let frame = job
        .plan()?
        .frame_of(UnitIndex(lease.units.start))
        .ok_or_else(|| corrupt(format!("lease {} lies beyond its job", lease.id)))?;

    // Structure is the only step of verification there is: the caller made it, so what is
    // submitted is verified in the same transaction.
    let (number, range) = lease.in_chunk();
    let mut chunk = jobs::load_chunk(db, &job, number).await?;
    chunk.submit(range.clone()).map_err(corrupt)?;
    chunk.verify(range).map_err(corrupt)?;
    jobs::save_chunk(db, job.id, number, &chunk).await?;
    leases::remove(db, &lease).await?;
    let verified_of_frame = count_frame(db, &lease, frame).await?;
    let rays = job.rays.saturating_add(result.rays);
    let verified = job.verified + units;
    sqlx::query("UPDATE job SET verified = $2, rays = $3 WHERE id = $1")
        .bind(&job.id.0[..])
        .bind(sql(verified))
        .bind(sql(rays))
        .execute(&mut *db)
        .await?;
    keep(db, &lease, frame, result).await?;
    sqlx::query("DELETE FROM failure WHERE job = $1 AND first >= $2 AND first + n <= $3")
        .bind(&job.id.0[..])
        .bind(sql(lease.units.start))
        .bind(sql(lease.units.end))
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE node SET units_verified = units_verified + $2, \
         rays_verified = rays_verified + $3, last_seen_ms = CASE WHEN last_seen_ms < $4 THEN $4 ELSE last_seen_ms END WHERE id = $1",
    )
    .bind(&lease.node.0[..])
    .bind(sql(units))
    .bind(sql(result.rays))
    .bind(result.now_ms)
    .execute(&mut *db)
    .await?;
    jobs::emit(db, job.id, &JobEvent::Units { verified, total: job.units, rays }).await?;
    Ok(Entered::Now {
        answer: SubmitView { accepted: units, already_done: 0 },
        frame_complete: verified_of_frame == job.units_per_frame,
    })
}

async fn entered_before(
    db: &mut SqliteConnection,
    result: &CheckedResult,
) -> Result<Entered, StoreError> {
    let row = sqlx::query("SELECT commit_id, accepted, n FROM result WHERE lease = $1")
        .bind(&result.lease.0[..])
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(Entered::LeaseEnded) };
    if CommitId(bytes(&row, "commit_id")?) != result.commit {
        return Ok(Entered::AnotherCommit);
    }
    Ok(Entered::Before(leases::answer(&row)?))
}

/// Adds a lease's units to its frame, and answers how many of the frame are verified.
async fn count_frame(
    db: &mut SqliteConnection,
    lease: &Lease,
    frame: FrameNumber,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO frame (job, frame, verified) VALUES ($1, $2, $3) \
         ON CONFLICT (job, frame) DO UPDATE SET verified = frame.verified + excluded.verified \
         RETURNING verified",
    )
    .bind(&lease.job.0[..])
    .bind(i64::from(frame.0))
    .bind(sql(lease.units.end - lease.units.start))
    .fetch_one(db)
    .await?;
    count(&row, "verified")
}

async fn keep(
    db: &mut SqliteConnection,
    lease: &Lease,
    frame: FrameNumber,
    result: &CheckedResult,
) -> Result<(), StoreError> {
    let units = sql(lease.units.end - lease.units.start);
    sqlx::query(
        "INSERT INTO result (lease, job, frame, generation, node, first, n, commit_id, rays, \
         accepted, stored, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)",
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
    .execute(db)
    .await?;
    Ok(())
}

fn frame_number(row: &SqliteRow) -> Result<FrameNumber, StoreError> {
    Ok(FrameNumber(u32::try_from(count(row, "frame")?).map_err(corrupt)?))
}

pub(super) async fn frames(
    db: &mut SqliteConnection,
    job: JobId,
    from: FrameNumber,
    limit: u32,
) -> Result<Vec<FrameView>, StoreError> {
    let rows = sqlx::query(
        "SELECT frame.frame, frame.verified, frame.hash, job.units_per_frame \
         FROM frame JOIN job ON job.id = frame.job \
         WHERE frame.job = $1 AND frame.frame >= $2 ORDER BY frame.frame LIMIT $3",
    )
    .bind(&job.0[..])
    .bind(i64::from(from.0))
    .bind(limit)
    .fetch_all(db)
    .await?;
    let view = |row: &SqliteRow| {
        let assembled = row.try_get::<Option<&[u8]>, _>("hash")?.is_some();
        Ok(FrameView {
            frame: frame_number(row)?,
            verified: count(row, "verified")?,
            units: count(row, "units_per_frame")?,
            hash: assembled.then(|| bytes(row, "hash").map(ResultHash)).transpose()?,
        })
    };
    rows.iter().map(view).collect()
}

pub(super) async fn whole_frames(
    db: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<WholeFrame>, StoreError> {
    let rows = sqlx::query(
        "SELECT frame.job AS job, frame.frame AS frame FROM frame JOIN job ON job.id = frame.job \
         WHERE frame.hash IS NULL AND job.state < 2 AND frame.verified = job.units_per_frame \
         ORDER BY job.seq, frame.frame LIMIT $1",
    )
    .bind(limit)
    .fetch_all(&mut *db)
    .await?;
    let mut whole = Vec::with_capacity(rows.len());
    for row in &rows {
        let frame = frame_number(row)?;
        let job = Job::of(db, JobId(bytes(row, "job")?)).await?;
        let results = sqlx::query(
            "SELECT job, lease, commit_id, first, n FROM result \
             WHERE job = $1 AND frame = $2 AND stored = 1 ORDER BY first",
        )
        .bind(&job.id.0[..])
        .bind(i64::from(frame.0))
        .fetch_all(&mut *db)
        .await?;
        whole.push(WholeFrame {
            job: job.id,
            frame,
            spec: job.spec,
            kernel: job.kernel,
            results: results.iter().map(stored).collect::<Result<_, _>>()?,
        });
    }
    Ok(whole)
}

fn stored(row: &SqliteRow) -> Result<StoredResult, StoreError> {
    let first = count(row, "first")?;
    Ok(StoredResult {
        job: JobId(bytes(row, "job")?),
        lease: LeaseId(bytes(row, "lease")?),
        commit: CommitId(bytes(row, "commit_id")?),
        units: first..first + count(row, "n")?,
    })
}

pub(super) async fn frame_done(
    db: &mut SqliteConnection,
    job: JobId,
    frame: FrameNumber,
    hash: ResultHash,
) -> Result<(), StoreError> {
    let marked =
        sqlx::query("UPDATE frame SET hash = $3 WHERE job = $1 AND frame = $2 AND hash IS NULL")
            .bind(&job.0[..])
            .bind(i64::from(frame.0))
            .bind(&hash.0[..])
            .execute(&mut *db)
            .await?;
    if marked.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("UPDATE job SET frames_done = frames_done + 1 WHERE id = $1")
        .bind(&job.0[..])
        .execute(&mut *db)
        .await?;
    jobs::emit(db, job, &JobEvent::Frame { frame, hash }).await
}

pub(super) async fn spent(
    db: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<StoredResult>, StoreError> {
    let rows = sqlx::query(
        "SELECT result.job, result.lease, result.commit_id, result.first, result.n FROM result \
         JOIN job ON job.id = result.job \
         JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.stored = 1 AND (job.state >= 2 OR frame.hash IS NOT NULL) LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(stored).collect()
}

pub(super) async fn forget(
    db: &mut SqliteConnection,
    leases: &[LeaseId],
) -> Result<(), StoreError> {
    for lease in leases {
        sqlx::query("UPDATE result SET stored = 0 WHERE lease = $1")
            .bind(&lease.0[..])
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub(super) async fn is_kept(
    db: &mut SqliteConnection,
    lease: LeaseId,
    commit: CommitId,
) -> Result<bool, StoreError> {
    let row =
        sqlx::query("SELECT 1 FROM result WHERE lease = $1 AND commit_id = $2 AND stored = 1")
            .bind(&lease.0[..])
            .bind(&commit.0[..])
            .fetch_optional(db)
            .await?;
    Ok(row.is_some())
}
