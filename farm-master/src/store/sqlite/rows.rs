//! What a row means. SQL knows signed 64-bit integers and bytes; here they become what they stand
//! for, and what cannot stand for anything is [`StoreError::Corrupt`], not a panic.

use crate::auth::TokenId;
use crate::store::StoreError;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_farm_core::plan::Plan;
use tessera_protocol::job::{JobSpec, JobState, JobView, UnitCounts};
use tessera_protocol::{JobId, KernelId};

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &str) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| corrupt(format!("{column} has {} bytes", bytes.len())))
}

/// A count: stored signed, never negative.
pub(super) fn count(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| corrupt(format!("{column} is {value}")))
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("{error} in {text}")))
}

pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the vocabulary's types have string keys only")
}

/// A count, for SQL. Counts that grow without a limit, such as rays, stop at the largest.
pub(super) fn sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const STATES: [JobState; 5] = [
    JobState::Active,
    JobState::Paused,
    JobState::Completed,
    JobState::Cancelled,
    JobState::Failed,
];

pub(super) fn state_to_sql(state: JobState) -> i64 {
    match state {
        JobState::Active => 0,
        JobState::Paused => 1,
        JobState::Completed => 2,
        JobState::Cancelled => 3,
        JobState::Failed => 4,
    }
}

pub(super) fn state_from_sql(value: i64) -> Result<JobState, StoreError> {
    let state = usize::try_from(value).ok().and_then(|at| STATES.get(at));
    state.copied().ok_or_else(|| corrupt(format!("job state {value}")))
}

/// A job's row.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) seq: i64,
    pub(super) owner: TokenId,
    pub(super) spec: JobSpec,
    pub(super) kernel: KernelId,
    pub(super) warnings: Vec<String>,
    pub(super) state: JobState,
    pub(super) reason: Option<String>,
    pub(super) created_ms: i64,
    pub(super) units: u64,
    pub(super) units_per_frame: u64,
    pub(super) frames: u64,
    pub(super) leased: u64,
    pub(super) submitted: u64,
    pub(super) verified: u64,
    pub(super) rays: u64,
    pub(super) frames_done: u64,
    pub(super) movie: bool,
    pub(super) generation: u64,
    pub(super) next_chunk: u64,
}

impl Job {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId(bytes(row, "id")?),
            seq: row.try_get("seq")?,
            owner: TokenId(bytes(row, "owner")?),
            spec: json(row.try_get("spec")?)?,
            kernel: KernelId(bytes(row, "kernel")?),
            warnings: json(row.try_get("warnings")?)?,
            state: state_from_sql(row.try_get("state")?)?,
            reason: row.try_get("reason")?,
            created_ms: row.try_get("created_ms")?,
            units: count(row, "units")?,
            units_per_frame: count(row, "units_per_frame")?,
            frames: count(row, "frames")?,
            leased: count(row, "leased")?,
            submitted: count(row, "submitted")?,
            verified: count(row, "verified")?,
            rays: count(row, "rays")?,
            frames_done: count(row, "frames_done")?,
            movie: row.try_get::<i64, _>("movie")? != 0,
            generation: count(row, "generation")?,
            next_chunk: count(row, "next_chunk")?,
        })
    }

    pub(super) async fn find(
        db: &mut SqliteConnection,
        id: JobId,
    ) -> Result<Option<Self>, StoreError> {
        let row = sqlx::query("SELECT * FROM job WHERE id = $1")
            .bind(&id.0[..])
            .fetch_optional(db)
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// A job that must be there, since another row names it.
    pub(super) async fn of(db: &mut SqliteConnection, id: JobId) -> Result<Self, StoreError> {
        Self::find(db, id).await?.ok_or_else(|| corrupt(format!("job {id} is named and missing")))
    }

    pub(super) fn plan(&self) -> Result<Plan, StoreError> {
        Plan::new(&self.spec).map_err(|error| corrupt(format!("job {}: {error}", self.id)))
    }

    pub(super) fn counts(&self) -> Result<UnitCounts, StoreError> {
        let busy = self.leased + self.submitted + self.verified;
        let free = self.units.checked_sub(busy);
        Ok(UnitCounts {
            free: free.ok_or_else(|| corrupt(format!("job {} counts {busy} units", self.id)))?,
            leased: self.leased,
            submitted: self.submitted,
            verified: self.verified,
        })
    }

    pub(super) fn view(self) -> Result<JobView, StoreError> {
        Ok(JobView {
            units: self.counts()?,
            id: self.id,
            spec: self.spec,
            state: self.state,
            reason: self.reason,
            created_ms: self.created_ms,
            frames_done: self.frames_done,
            frames_total: self.frames,
            rays: self.rays,
            movie: self.movie,
            warnings: self.warnings,
        })
    }
}
