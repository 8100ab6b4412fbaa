//! The queue of audits: which results wait for one.

use super::audits::read_record;
use super::db::{Db, Row, query};
use super::rows::{Job, bytes, count};
use super::{results, seconds};
use crate::store::proof::{Unaudited, UnauditedFrame};
use crate::store::{StoreError, StoredResult};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::{FrameNumber, JobId, KernelId, LeaseId, NodeId};

/// Those of one frame, in their order.
const OF_FRAME: &str = "SELECT result.*, node.verified_since, node.proven, node.rejections, node.abandoned \
    FROM result JOIN node ON node.id = result.node \
    WHERE result.job = $1 AND result.frame = $2 AND result.audit = 0 AND result.second = 0 \
    AND result.retry_ms <= $3 ORDER BY result.whole, result.at_ms LIMIT $4";

pub(super) fn unaudited(
    db: &Db,
    kernel: KernelId,
    (now_ms, due_ms): (i64, i64),
    limit: u32,
    taken: &[(JobId, FrameNumber)],
) -> Result<Option<UnauditedFrame>, StoreError> {
    // What is looked at as a whole takes long, and waits behind the rest. What came later than now came before the
    // clock was set back.
    let mut text = String::from(
        "SELECT result.job, result.frame FROM result JOIN job ON job.id = result.job \
         WHERE result.audit = 0 AND result.second = 0 AND job.kernel = $1 AND result.retry_ms <= $2 \
         AND (result.at_ms <= $3 OR result.at_ms > $2)",
    );
    for at in 0..taken.len() {
        let (job, frame) = (2 * at + 4, 2 * at + 5);
        text += &format!(" AND NOT (result.job = ${job} AND result.frame = ${frame})");
    }
    text += " ORDER BY result.whole, result.at_ms LIMIT 1";
    let mut oldest = query(&text).bind(&kernel.0[..]).bind(now_ms).bind(due_ms);
    for (job, frame) in taken {
        oldest = oldest.bind(&job.0[..]).bind(i64::from(frame.0));
    }
    let oldest = oldest.fetch_optional(db)?;
    let Some(oldest) = oldest else { return Ok(None) };
    let job = Job::of(db, JobId(bytes(&oldest, "job")?))?;
    let frame = results::frame_number(&oldest)?;
    let rows = query(OF_FRAME)
        .bind(&job.id.0[..])
        .bind(i64::from(frame.0))
        .bind(now_ms)
        .bind(limit)
        .fetch_all(db)?;
    let mut results = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut result = read_unaudited(row)?;
        if let Some(first) = seconds::second_of(row)? {
            result.first = first_of_pair(db, first)?.map(Box::new);
        }
        results.push(result);
    }
    Ok(Some(UnauditedFrame { job: job.id, spec: job.spec, frame, results }))
}

fn read_unaudited(row: &Row) -> Result<Unaudited, StoreError> {
    Ok(Unaudited {
        result: results::stored(row)?,
        node: NodeId(bytes(row, "node")?),
        record: read_record(row)?,
        whole: row.try_get::<i64>("whole")? != 0,
        secret: AuditSecret(bytes(row, "secret")?),
        first: None,
    })
}

pub(super) fn waiting_result(db: &Db, lease: LeaseId) -> Result<Option<StoredResult>, StoreError> {
    let row = query("SELECT * FROM result WHERE lease = $1 AND audit = 0 AND stored = 1")
        .bind(&lease.0[..])
        .fetch_optional(db)?;
    row.as_ref().map(results::stored).transpose()
}

/// The first result of a pair, while it waits for its second.
fn first_of_pair(db: &Db, first: LeaseId) -> Result<Option<Unaudited>, StoreError> {
    let row = query(
        "SELECT result.*, node.verified_since, node.proven, node.rejections, node.abandoned \
         FROM result JOIN node ON node.id = result.node \
         WHERE result.lease = $1 AND result.audit = 0",
    )
    .bind(&first.0[..])
    .fetch_optional(db)?;
    row.as_ref().map(read_unaudited).transpose()
}

/// Puts an audit off that could not be made; answers how often it was tried by now.
pub(super) fn postpone(db: &Db, lease: LeaseId, retry_ms: i64) -> Result<u64, StoreError> {
    let row = query(
        "UPDATE result SET retry_ms = $2, tries = tries + 1 WHERE lease = $1 RETURNING tries",
    )
    .bind(&lease.0[..])
    .bind(retry_ms)
    .fetch_one(db)?;
    count(&row, "tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_walked_in_their_order_and_not_all_read_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("farm.sqlite")).unwrap();
        let steps = db.steps(OF_FRAME).join("\n");
        assert!(steps.contains("result_unaudited_of_frame"), "{steps}");
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
    }
}
