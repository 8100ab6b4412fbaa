//! The queue of audits: which results wait for one.

use super::audits::read_record;
use super::rows::{Job, bytes, count};
use super::{results, seconds};
use crate::store::proof::{Unaudited, UnauditedFrame};
use crate::store::{StoreError, StoredResult};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::{FrameNumber, JobId, KernelId, LeaseId, NodeId};

pub(super) async fn unaudited(
    db: &mut SqliteConnection,
    kernel: KernelId,
    now_ms: i64,
    limit: u32,
    taken: &[(JobId, FrameNumber)],
) -> Result<Option<UnauditedFrame>, StoreError> {
    // What is looked at as a whole takes long, and waits behind the rest.
    let mut query = sqlx::QueryBuilder::new(
        "SELECT result.job, result.frame FROM result JOIN job ON job.id = result.job \
         WHERE result.audit = 0 AND result.second = 0 AND job.kernel = ",
    );
    query.push_bind(kernel.0.to_vec()).push(" AND result.retry_ms <= ").push_bind(now_ms);
    for (job, frame) in taken {
        query.push(" AND NOT (result.job = ").push_bind(job.0.to_vec());
        query.push(" AND result.frame = ").push_bind(i64::from(frame.0)).push(")");
    }
    query.push(" ORDER BY result.whole, result.at_ms LIMIT 1");
    let oldest: Option<SqliteRow> = query.build().fetch_optional(&mut *db).await?;
    let Some(oldest) = oldest else { return Ok(None) };
    let job = Job::of(db, JobId(bytes(&oldest, "job")?)).await?;
    let frame = results::frame_number(&oldest)?;
    let rows = sqlx::query(
        "SELECT result.*, node.verified_since, node.proven, node.rejections, node.abandoned \
         FROM result JOIN node ON node.id = result.node \
         WHERE result.job = $1 AND result.frame = $2 AND result.audit = 0 AND result.second = 0 \
         AND result.retry_ms <= $3 ORDER BY result.whole, result.at_ms LIMIT $4",
    )
    .bind(&job.id.0[..])
    .bind(i64::from(frame.0))
    .bind(now_ms)
    .bind(limit)
    .fetch_all(&mut *db)
    .await?;
    let mut results = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut result = read_unaudited(row)?;
        if let Some(first) = seconds::second_of(row)? {
            result.first = first_of_pair(db, first).await?.map(Box::new);
        }
        results.push(result);
    }
    Ok(Some(UnauditedFrame { job: job.id, spec: job.spec, frame, results }))
}

fn read_unaudited(row: &SqliteRow) -> Result<Unaudited, StoreError> {
    Ok(Unaudited {
        result: results::stored(row)?,
        node: NodeId(bytes(row, "node")?),
        record: read_record(row)?,
        whole: row.try_get::<i64, _>("whole")? != 0,
        secret: AuditSecret(bytes(row, "secret")?),
        first: None,
    })
}

pub(super) async fn waiting_result(
    db: &mut SqliteConnection,
    lease: LeaseId,
) -> Result<Option<StoredResult>, StoreError> {
    let row = sqlx::query("SELECT * FROM result WHERE lease = $1 AND audit = 0 AND stored = 1")
        .bind(&lease.0[..])
        .fetch_optional(db)
        .await?;
    row.as_ref().map(results::stored).transpose()
}

/// The first result of a pair, while it waits for its second.
async fn first_of_pair(
    db: &mut SqliteConnection,
    first: LeaseId,
) -> Result<Option<Unaudited>, StoreError> {
    let row = sqlx::query(
        "SELECT result.*, node.verified_since, node.proven, node.rejections, node.abandoned \
         FROM result JOIN node ON node.id = result.node \
         WHERE result.lease = $1 AND result.audit = 0",
    )
    .bind(&first.0[..])
    .fetch_optional(db)
    .await?;
    row.as_ref().map(read_unaudited).transpose()
}

/// Puts an audit off that could not be made; answers how often it was tried by now.
pub(super) async fn postpone(
    db: &mut SqliteConnection,
    lease: LeaseId,
    retry_ms: i64,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "UPDATE result SET retry_ms = $2, tries = tries + 1 WHERE lease = $1 RETURNING tries",
    )
    .bind(&lease.0[..])
    .bind(retry_ms)
    .fetch_one(db)
    .await?;
    count(&row, "tries")
}
