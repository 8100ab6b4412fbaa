//! A frame while it is rendered.

use super::db::{Db, Row, query};
use super::rows::{Job, bytes, corrupt, count, sql};
use super::{Sqlite, jobs, log, results};
use crate::store::mosaic::{FrameUnits, Logged, MosaicStore};
use crate::store::{Later, StoreError, StoredResult};
use std::ops::Range;
use tessera_farm_core::chunk::{Chunk, UnitState};
use tessera_farm_core::job::has_ended;
use tessera_protocol::{FrameNumber, JobId, NodeId};

impl MosaicStore for Sqlite {
    fn frame_units(&self, job: JobId, frame: FrameNumber) -> Later<'_, Option<FrameUnits>> {
        self.read(move |db| frame_units(db, job, frame))
    }
    fn log(&self, job: JobId, before: u64, limit: u32) -> Later<'_, Vec<Logged>> {
        self.read(move |db| log::log(db, job, before, limit))
    }
    fn counting(&self, job: JobId, frame: FrameNumber) -> Later<'_, Vec<StoredResult>> {
        self.read(move |db| results::counting(db, job, frame))
    }
}

fn frame_units(db: &Db, job: JobId, frame: FrameNumber) -> Result<Option<FrameUnits>, StoreError> {
    let Some(job) = Job::find(db, job)? else { return Ok(None) };
    let Some(first) = job.plan()?.first_unit(frame) else { return Ok(None) };
    let units = first.0..first.0 + job.units_per_frame;
    let done = results::is_assembled(db, job.id, frame)?;
    let states = if done {
        vec![UnitState::Verified; usize::try_from(job.units_per_frame).map_err(corrupt)?]
    } else if has_ended(job.state) {
        by_results(db, &job, frame, units.clone())?
    } else {
        by_chunks(db, &job, units.clone())?
    };
    let workers = workers(db, job.id, frame, units)?;
    Ok(Some(FrameUnits { done, states, workers }))
}

fn by_chunks(db: &Db, job: &Job, units: Range<u64>) -> Result<Vec<UnitState>, StoreError> {
    let of = u64::from(Chunk::UNITS);
    let mut states = vec![UnitState::Free; (units.end - units.start) as usize];
    let rows = query("SELECT no, held, here FROM chunk WHERE job = $1 AND no >= $2 AND no <= $3")
        .bind(&job.id.0[..])
        .bind(sql(units.start / of))
        .bind(sql((units.end - 1) / of))
        .fetch_all(db)?;
    for row in &rows {
        let number = count(row, "no")?;
        let chunk = jobs::read_chunk(job, number, row)?;
        let begin = number * of;
        for unit in units.start.max(begin)..units.end.min(begin + of) {
            states[(unit - units.start) as usize] = chunk.state((unit - begin) as u16);
        }
    }
    Ok(states)
}

/// Of a job that has ended there are no chunks, and no leases.
fn by_results(
    db: &Db,
    job: &Job,
    frame: FrameNumber,
    units: Range<u64>,
) -> Result<Vec<UnitState>, StoreError> {
    let mut states = vec![UnitState::Free; (units.end - units.start) as usize];
    let rows = query(
        "SELECT first, n, audit FROM result WHERE job = $1 AND frame = $2 AND stored = 1 \
         AND audit <> 2 AND second_of IS NULL",
    )
    .bind(&job.id.0[..])
    .bind(i64::from(frame.0))
    .fetch_all(db)?;
    for row in &rows {
        let first = count(row, "first")?;
        let verified = row.try_get::<i64>("audit")? == 1;
        let state = if verified { UnitState::Verified } else { UnitState::Submitted };
        for unit in units.start.max(first)..units.end.min(first + count(row, "n")?) {
            states[(unit - units.start) as usize] = state;
        }
    }
    Ok(states)
}

fn workers(
    db: &Db,
    job: JobId,
    frame: FrameNumber,
    units: Range<u64>,
) -> Result<Vec<(NodeId, Range<u64>)>, StoreError> {
    // A lease is of one frame, so it begins where the frame is.
    let mut rows =
        query("SELECT node, first, n FROM lease WHERE job = $1 AND first >= $2 AND first < $3")
            .bind(&job.0[..])
            .bind(sql(units.start))
            .bind(sql(units.end))
            .fetch_all(db)?;
    rows.extend(
        query(
            "SELECT node, first, n FROM result WHERE job = $1 AND frame = $2 AND stored = 1 \
             AND audit <> 2",
        )
        .bind(&job.0[..])
        .bind(i64::from(frame.0))
        .fetch_all(db)?,
    );
    let worker = |row: &Row| {
        let first = count(row, "first")?;
        Ok((NodeId(bytes(row, "node")?), first..first + count(row, "n")?))
    };
    rows.iter().map(worker).collect()
}
