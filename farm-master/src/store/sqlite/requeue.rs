//! What becomes of jobs that failed: they go on when their owners say so, or end in time. Frames that do not
//! get on are given to other nodes in the same way.

use super::db::{Db, query};
use super::rows::{Job, bytes, corrupt};
use super::{jobs, leases, results};
use crate::store::{Changed, Requeued, StoreError};
use tessera_farm_core::job::{JobChange, step};
use tessera_protocol::{FrameNumber, JobId};

/// What the log says of a lease that was taken back.
const TAKEN_BACK: &str = "requeued by the job's owner";
/// Jobs that are ended at once.
const JOBS: u32 = 16;

pub(super) fn requeue(
    db: &Db,
    id: JobId,
    frames: &[FrameNumber],
    now_ms: i64,
) -> Result<Requeued, StoreError> {
    let Some(job) = Job::find(db, id)? else { return Ok(Requeued::Unknown) };
    match step(job.state, JobChange::Requeue) {
        Err(refused) => return Ok(Requeued::Refused(refused)),
        Ok(state) if state == job.state && frames.is_empty() => return Ok(Requeued::NotFailed),
        Ok(_) => {}
    }
    for frame in frames {
        if results::is_assembled(db, id, *frame)? {
            return Ok(Requeued::FrameDone(*frame));
        }
    }
    let plan = job.plan()?;
    let mut taken_back = Vec::new();
    for frame in frames {
        let first = plan.first_unit(*frame);
        let first = first.ok_or_else(|| corrupt(format!("job {id} has no frame {frame}")))?.0;
        let units = first..first + job.units_per_frame;
        for lease in leases::take_back(db, &job, &units)? {
            // It is told, and counts against nobody.
            leases::note_failure(db, &lease, TAKEN_BACK, true, now_ms)?;
            taken_back.push(lease.id);
        }
        leases::forget_failures(db, id, &units)?;
    }
    Ok(match jobs::change(db, id, JobChange::Requeue, None, now_ms)? {
        Changed::Done(job) => Requeued::Done { job, taken_back },
        Changed::Refused(refused) => Requeued::Refused(refused),
        Changed::Unknown => Requeued::Unknown,
    })
}

pub(super) fn end_failed(
    db: &Db,
    until_ms: i64,
    because: &str,
    now_ms: i64,
) -> Result<Vec<JobId>, StoreError> {
    let rows = query(
        "SELECT id, reason FROM job WHERE state = 4 AND failed_ms <= $1 ORDER BY failed_ms LIMIT $2",
    )
    .bind(until_ms)
    .bind(JOBS)
    .fetch_all(db)?;
    let mut ended = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = JobId(bytes(row, "id")?);
        let failed_of: Option<String> = row.try_get("reason")?;
        let told = match failed_of {
            Some(failed_of) => format!("{because}: {failed_of}"),
            None => because.to_owned(),
        };
        jobs::change(db, id, JobChange::Cancel, Some(told), now_ms)?;
        ended.push(id);
    }
    Ok(ended)
}
