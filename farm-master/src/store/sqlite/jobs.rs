//! Jobs, their states and the outbox.

use super::db::{Db, Row, query};
use super::rows::{Job, bytes, corrupt, count, json, sql, state_to_sql, tier_to_sql, to_json};
use super::webhooks::{self, About};
use super::{leases, seconds, turns};
use crate::auth::TokenId;
use crate::store::{Changed, Creation, NewJob, StoreError, Waiting};
use tessera_farm_core::chunk::{Chunk, UnitState};
use tessera_farm_core::job::{JobChange, step};
use tessera_protocol::JobId;
use tessera_protocol::job::{JobEvent, JobState, JobView};
use tessera_protocol::webhook::Happening;

/// How long an idempotency key is remembered.
const KEY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) fn create(db: &Db, new: &NewJob) -> Result<Creation, StoreError> {
    if let Some((key, body)) = &new.idempotency {
        if let Some((known, job)) = known_key(db, new, key)? {
            return Ok(if known == *body {
                Creation::Known(Job::of(db, job)?.view()?)
            } else {
                Creation::KeyReused
            });
        }
        query("INSERT INTO idempotency (owner, key, body, job, created_ms) VALUES ($1, $2, $3, $4, $5)")
            .bind(&new.owner.0[..])
            .bind(key)
            .bind(&body[..])
            .bind(&new.id.0[..])
            .bind(new.now_ms)
            .execute(db)?;
    }
    let spec = &new.spec;
    let units = spec.units();
    let environment = spec.settings.environment.map(|environment| environment.blob.0.to_vec());
    let seq = next(db, "job")?;
    query(
        "INSERT INTO job (id, seq, owner, spec, scene, environment, kernel, warnings, state, \
         created_ms, units, units_per_frame, frames, class, host_bytes, device_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(&new.id.0[..])
    .bind(seq)
    .bind(&new.owner.0[..])
    .bind(to_json(spec))
    .bind(&spec.scene.0[..])
    .bind(environment)
    .bind(&new.kernel.0[..])
    .bind(to_json(&new.warnings))
    .bind(new.now_ms)
    .bind(sql(units))
    .bind(sql(units / spec.frames.count()))
    .bind(sql(spec.frames.count()))
    .bind(seconds::class_to_sql(spec.class))
    .bind(sql(new.memory.host_bytes))
    .bind(sql(new.memory.device_bytes))
    .execute(db)?;
    turns::enter(db, new.owner)?;
    let job = Job::of(db, new.id)?;
    tell(db, &job, None, new.now_ms)?;
    Ok(Creation::Created(job.view()?))
}

fn known_key(db: &Db, new: &NewJob, key: &str) -> Result<Option<([u8; 32], JobId)>, StoreError> {
    query("DELETE FROM idempotency WHERE owner = $1 AND created_ms < $2")
        .bind(&new.owner.0[..])
        .bind(new.now_ms - KEY_MS)
        .execute(db)?;
    let row = query("SELECT body, job FROM idempotency WHERE owner = $1 AND key = $2")
        .bind(&new.owner.0[..])
        .bind(key)
        .fetch_optional(db)?;
    row.map(|row| Ok((bytes(&row, "body")?, JobId(bytes(&row, "job")?)))).transpose()
}

pub(super) fn find(db: &Db, id: JobId) -> Result<Option<(JobView, TokenId)>, StoreError> {
    let Some(job) = Job::find(db, id)? else { return Ok(None) };
    let owner = job.owner;
    Ok(Some((job.view()?, owner)))
}

pub(super) fn list(
    db: &Db,
    owner: Option<TokenId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, JobView)>, StoreError> {
    let rows = query(
        "SELECT * FROM job WHERE ($1 IS NULL OR owner = $1) AND seq < $2 ORDER BY seq DESC LIMIT $3",
    )
    .bind(owner.map(|owner| owner.0.to_vec()))
    .bind(before.unwrap_or(i64::MAX))
    .bind(limit)
    .fetch_all(db)?;
    let view = |row| {
        let job = Job::read(db, row)?;
        Ok((job.seq, job.view()?))
    };
    rows.iter().map(view).collect()
}

pub(super) fn change(
    db: &Db,
    id: JobId,
    change: JobChange,
    reason: Option<String>,
    now_ms: i64,
) -> Result<Changed, StoreError> {
    let Some(job) = Job::find(db, id)? else { return Ok(Changed::Unknown) };
    let state = match step(job.state, change) {
        Ok(state) => state,
        Err(refused) => return Ok(Changed::Refused(refused)),
    };
    if state == job.state {
        return Ok(Changed::Done(Box::new(job.view()?)));
    }
    query("UPDATE job SET state = $2, reason = $3, failed_ms = $4 WHERE id = $1")
        .bind(&id.0[..])
        .bind(state_to_sql(state))
        .bind(&reason)
        .bind((state == JobState::Failed).then_some(now_ms))
        .execute(db)?;
    match state {
        JobState::Completed | JobState::Cancelled => {
            clear(db, id, now_ms)?;
            turns::leave(db, job.owner)?;
        }
        JobState::Failed => {
            leases::take_back(db, &job, &(0..job.units))?;
            turns::leave(db, job.owner)?;
        }
        JobState::Active if job.state == JobState::Failed => {
            // Each unit may fail as often as before.
            leases::forget_failures(db, id, &(0..job.units))?;
            turns::enter(db, job.owner)?;
        }
        JobState::Active | JobState::Paused => {}
    }
    let job = Job::of(db, id)?;
    tell(db, &job, reason, now_ms)?;
    Ok(Changed::Done(Box::new(job.view()?)))
}

/// Drops what only a job that is not over needs. Its leases end with it.
fn clear(db: &Db, id: JobId, now_ms: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM lease WHERE job = $1",
        "DELETE FROM chunk WHERE job = $1",
        "UPDATE failure SET past = 1 WHERE job = $1 AND past = 0",
        // Nobody renders for it any more: what waits for a second render is looked at by itself.
        "UPDATE result SET second = 0 WHERE job = $1 AND second <> 0",
    ] {
        query(sql).bind(&id.0[..]).execute(db)?;
    }
    // From now on and not from its last result on, which may be days old: some of it is final only now, and
    // its receipts are to be fetched and checked.
    query(
        "UPDATE job SET leased = 0, ended_ms = $2, keeps = EXISTS \
         (SELECT 1 FROM result WHERE result.job = job.id AND result.stored = 1) WHERE id = $1",
    )
    .bind(&id.0[..])
    .bind(now_ms)
    .execute(db)?;
    Ok(())
}

pub(super) fn finish(
    db: &Db,
    id: JobId,
    movie: bool,
    reason: Option<String>,
    now_ms: i64,
) -> Result<Changed, StoreError> {
    query("UPDATE job SET movie = $2 WHERE id = $1 AND state NOT IN (2, 3)")
        .bind(&id.0[..])
        .bind(i64::from(movie))
        .execute(db)?;
    change(db, id, JobChange::Finished, reason, now_ms)
}

pub(super) fn unfinished(db: &Db) -> Result<Vec<JobView>, StoreError> {
    let rows = query(
        "SELECT * FROM job WHERE state NOT IN (2, 3) AND frames_done = frames AND NOT EXISTS \
         (SELECT 1 FROM frame WHERE frame.job = job.id AND frame.approved = 0) \
         ORDER BY seq LIMIT 64",
    )
    .fetch_all(db)?;
    rows.iter().map(|row| Job::read(db, row)?.view()).collect()
}

pub(super) fn waiting(db: &Db, id: JobId) -> Result<Waiting, StoreError> {
    let job = Job::of(db, id)?;
    let row = query(
        "SELECT COUNT(CASE WHEN owner = $2 AND (tier > $3 OR tier = $3 AND seq < $4) THEN 1 END) AS ahead, \
         COUNT(DISTINCT CASE WHEN owner <> $2 THEN owner END) AS beside FROM job \
         WHERE state = 0 AND kernel = $1 AND units > leased + submitted + verified",
    )
    .bind(&job.kernel.0[..])
    .bind(&job.owner.0[..])
    .bind(tier_to_sql(job.tier))
    .bind(job.seq)
    .fetch_one(db)?;
    let (jobs_ahead, accounts_beside) = (count(&row, "ahead")?, count(&row, "beside")?);
    let rows = query(
        "SELECT first, n, reason FROM failure WHERE job = $1 AND past = 0 ORDER BY at_ms DESC LIMIT 1000",
    )
    .bind(&id.0[..])
    .fetch_all(db)?;
    let mut units = std::collections::BTreeSet::new();
    for row in &rows {
        let first = count(row, "first")?;
        units.extend(first..first + count(row, "n")?);
    }
    let mut failing = 0;
    let mut chunk: Option<(u64, Chunk)> = None;
    for unit in units {
        let number = unit / u64::from(Chunk::UNITS);
        if chunk.as_ref().is_none_or(|(loaded, _)| *loaded != number) {
            chunk = Some((number, load_chunk(db, &job, number)?));
        }
        let (_, chunk) = chunk.as_ref().expect("it was just loaded");
        let at = (unit % u64::from(Chunk::UNITS)) as u16;
        failing += u64::from(chunk.state(at) != UnitState::Verified);
    }
    let last_failure = rows.first().map(|row| row.try_get("reason")).transpose()?;
    let wanting_second = seconds::wanting(db, id)?;
    Ok(Waiting {
        kernel: job.kernel,
        memory: job.memory,
        failing,
        last_failure,
        failed_ms: job.failed_ms,
        jobs_ahead,
        accounts_beside,
        wanting_second,
    })
}

/// A chunk as it is stored, or all free where it has no row.
pub(super) fn load_chunk(db: &Db, job: &Job, number: u64) -> Result<Chunk, StoreError> {
    let row = query("SELECT held, here FROM chunk WHERE job = $1 AND no = $2")
        .bind(&job.id.0[..])
        .bind(sql(number))
        .fetch_optional(db)?;
    row.map_or_else(|| new_chunk(job, number), |row| read_chunk(job, number, &row))
}

/// A chunk by its row.
pub(super) fn read_chunk(job: &Job, number: u64, row: &Row) -> Result<Chunk, StoreError> {
    let fresh = new_chunk(job, number)?;
    fresh.restore(row.try_get("held")?, row.try_get("here")?).map_err(corrupt)
}

fn new_chunk(job: &Job, number: u64) -> Result<Chunk, StoreError> {
    Chunk::new(job.units, number)
        .ok_or_else(|| corrupt(format!("job {} has no chunk {number}", job.id)))
}

pub(super) fn save_chunk(
    db: &Db,
    job: JobId,
    number: u64,
    chunk: &Chunk,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO chunk (job, no, free, held, here) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (job, no) DO UPDATE \
         SET free = excluded.free, held = excluded.held, here = excluded.here",
    )
    .bind(&job.0[..])
    .bind(sql(number))
    .bind(sql(chunk.counts().free))
    .bind(chunk.held_bytes())
    .bind(chunk.here_bytes())
    .execute(db)?;
    Ok(())
}

/// Tells whoever follows a job how it stands now, and the webhooks of its owner.
fn tell(db: &Db, job: &Job, reason: Option<String>, now_ms: i64) -> Result<(), StoreError> {
    let state = job.state;
    emit(db, job.id, &JobEvent::State { state, reason: reason.clone() })?;
    let event = Happening::JobChanged { name: job.spec.name.clone(), state, reason };
    webhooks::emit(db, job.owner, About::Job(job.id), &event, now_ms)
}

/// Puts an event into the outbox. Of counts only the newest stays.
pub(super) fn emit(db: &Db, job: JobId, event: &JobEvent) -> Result<(), StoreError> {
    let counts = matches!(event, JobEvent::Units { .. });
    let id = next(db, "event")?;
    query(
        "INSERT INTO event (job, id, counts, body) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (job) WHERE counts = 1 DO UPDATE SET id = excluded.id, body = excluded.body",
    )
    .bind(&job.0[..])
    .bind(id)
    .bind(i64::from(counts))
    .bind(to_json(event))
    .execute(db)?;
    Ok(())
}

/// The next number of a counter, never given out before.
pub(super) fn next(db: &Db, counter: &str) -> Result<i64, StoreError> {
    let row = query("UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value")
        .bind(counter)
        .fetch_one(db)?;
    row.try_get("value")
}

pub(super) fn last_event(db: &Db) -> Result<i64, StoreError> {
    let row = query("SELECT value FROM counter WHERE name = 'event'").fetch_one(db)?;
    row.try_get("value")
}

pub(super) fn events(
    db: &Db,
    job: JobId,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, JobEvent)>, StoreError> {
    let rows = query("SELECT id, body FROM event WHERE job = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(&job.0[..])
        .bind(after)
        .bind(limit)
        .fetch_all(db)?;
    rows.iter().map(|row| Ok((row.try_get("id")?, json(row.try_get("body")?)?))).collect()
}
