//! Frames that were paid for: approved by their owner or in time, objected to, answered.

use super::db::{Db, Row, query};
use super::rows::{Job, bytes, corrupt, count};
use super::{audits, results};
use crate::store::StoreError;
use crate::store::approval::{Answer, Objection, OpenDispute};
use crate::store::proof::{Settled, Unaudited};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::node::NodeRecord;
use tessera_protocol::{FrameNumber, JobId, KernelId, NodeId};

/// Objections to a frame, ever.
const CASES: u64 = 3;

pub(super) fn approve_due(db: &Db, now_ms: i64) -> Result<u64, StoreError> {
    let done = query(
        "UPDATE frame SET approved = 1 WHERE approved = 0 AND approve_by_ms <= $1 \
         AND NOT EXISTS (SELECT 1 FROM dispute WHERE dispute.job = frame.job \
         AND dispute.frame = frame.frame AND dispute.answer IS NULL)",
    )
    .bind(now_ms)
    .execute(db)?;
    Ok(done)
}

pub(super) fn approve(db: &Db, job: JobId, frame: Option<FrameNumber>) -> Result<u64, StoreError> {
    let done = query(
        "UPDATE frame SET approved = 1 WHERE job = $1 AND approved = 0 \
         AND ($2 IS NULL OR frame = $2)",
    )
    .bind(&job.0[..])
    .bind(frame.map(|frame| i64::from(frame.0)))
    .execute(db)?;
    Ok(done)
}

pub(super) fn unapproved(db: &Db, job: JobId) -> Result<(u64, i64), StoreError> {
    let row = query(
        "SELECT COUNT(*) AS frames, COALESCE(MAX(approve_by_ms), 0) AS until_ms FROM frame \
         WHERE job = $1 AND approved = 0",
    )
    .bind(&job.0[..])
    .fetch_one(db)?;
    Ok((count(&row, "frames")?, row.try_get("until_ms")?))
}

pub(super) fn object(
    db: &Db,
    job: JobId,
    frame: FrameNumber,
    reason: &str,
    seed: &[u8; 32],
    now_ms: i64,
) -> Result<Objection, StoreError> {
    let row = query(
        "SELECT frame.approved, frame.hash IS NOT NULL AS ready, \
         (SELECT COUNT(*) FROM dispute WHERE dispute.job = $1 AND dispute.frame = $2) AS cases, \
         (SELECT COUNT(*) FROM dispute WHERE dispute.job = $1 AND dispute.frame = $2 \
         AND answer IS NULL) AS pending FROM frame WHERE job = $1 AND frame = $2",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(Objection::NotReady) };
    let cases = count(&row, "cases")?;
    match () {
        () if row.try_get::<i64>("ready")? == 0 => return Ok(Objection::NotReady),
        () if row.try_get::<i64>("approved")? != 0 => return Ok(Objection::Approved),
        () if count(&row, "pending")? > 0 => return Ok(Objection::Pending),
        () if cases >= CASES => return Ok(Objection::TooOften),
        () => {}
    }
    query(
        "INSERT INTO dispute (job, frame, case_no, reason, seed, opened_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .bind(cases as i64 + 1)
    .bind(reason)
    .bind(&seed[..])
    .bind(now_ms)
    .execute(db)?;
    Ok(Objection::Noted)
}

pub(super) fn open_dispute(db: &Db, kernel: KernelId) -> Result<Option<OpenDispute>, StoreError> {
    let row = query(
        "SELECT dispute.job, dispute.frame, dispute.case_no, dispute.seed FROM dispute \
         JOIN job ON job.id = dispute.job \
         WHERE dispute.answer IS NULL AND job.kernel = $1 ORDER BY dispute.opened_ms LIMIT 1",
    )
    .bind(&kernel.0[..])
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let (job, frame) = (JobId(bytes(&row, "job")?), results::frame_number(&row)?);
    let seed = AuditSecret(bytes(&row, "seed")?);
    let rows = query(
        "SELECT job, lease, commit_id, first, n, beside, node FROM result \
         WHERE job = $1 AND frame = $2 AND stored = 1 AND audit = 1 AND second_of IS NULL ORDER BY first",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .fetch_all(db)?;
    let unaudited = |row: &Row| {
        Ok::<_, StoreError>(Unaudited {
            result: results::stored(row)?,
            node: NodeId(bytes(row, "node")?),
            // As the work of somebody of whom nothing is known.
            record: NodeRecord::default(),
            whole: false,
            secret: seed,
            first: None,
        })
    };
    let job = Job::of(db, job)?;
    Ok(Some(OpenDispute {
        job: job.id,
        kernel: job.kernel,
        frame,
        case: u32::try_from(count(&row, "case_no")?).map_err(corrupt)?,
        results: rows.iter().map(unaudited).collect::<Result<_, _>>()?,
        spec: job.spec,
    }))
}

pub(super) fn answer(
    db: &Db,
    (job, frame, case): (JobId, FrameNumber, u32),
    answer: &Answer,
    now_ms: i64,
) -> Result<Settled, StoreError> {
    let (Answer::Denied(words) | Answer::Upheld { answer: words, .. }) = answer;
    let kept = query(
        "UPDATE dispute SET answer = $4 WHERE job = $1 AND frame = $2 AND case_no = $3 \
         AND answer IS NULL",
    )
    .bind(&job.0[..])
    .bind(i64::from(frame.0))
    .bind(case)
    .bind(words)
    .execute(db)?;
    if kept == 0 {
        return Ok(Settled::default());
    }
    match answer {
        Answer::Denied(_) => {
            approve(db, job, Some(frame))?;
            Ok(Settled::default())
        }
        Answer::Upheld { result, rejection, .. } => {
            audits::overturned(db, (job, frame), result.lease, rejection.as_deref(), now_ms)
        }
    }
}
