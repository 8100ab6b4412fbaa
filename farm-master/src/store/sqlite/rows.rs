//! What a row means. SQL knows signed 64-bit integers and bytes; here they become what they stand
//! for, and what cannot stand for anything is [`StoreError::Corrupt`], not a panic.

use super::db::{Db, Row, query};
use super::money::escrows::CLOSED;
use crate::auth::TokenId;
use crate::store::{LeaseAsk, StoreError};
use tessera_farm_core::plan::Plan;
use tessera_market::{Bidder, Order, Reason, Room, Unqualified, may_take};
use tessera_protocol::job::{JobMoney, JobSpec, JobState, JobView, UnitCounts};
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::money::pay;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{Amount, JobId, KernelId, RayPrice, SceneFactor, Tier};
use tessera_quote::{Decision, Reserve, Standing, decide};

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

pub(super) fn bytes<const N: usize>(row: &Row, column: &str) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| corrupt(format!("{column} has {} bytes", bytes.len())))
}

/// A count: stored signed, never negative.
pub(super) fn count(row: &Row, column: &str) -> Result<u64, StoreError> {
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

/// In SQL, a column that grows and stops at the largest number. SQLite would go on in floating
/// point, and nobody could read the row any more.
macro_rules! grown {
    ($column:literal, $by:literal) => {
        concat!(
            $column,
            " = CASE WHEN ",
            $column,
            " > 9223372036854775807 - ",
            $by,
            " THEN 9223372036854775807 ELSE ",
            $column,
            " + ",
            $by,
            " END"
        )
    };
}

/// In SQL, a sum that stops at the largest number, where one of integers fails. Exact up to 2^53.
macro_rules! sum {
    ($column:literal) => {
        concat!("CAST(COALESCE(SUM(CAST(", $column, " AS DOUBLE PRECISION)), 0) AS BIGINT)")
    };
}

/// In SQL, whether a job's scene fits into the room that is bound to these parameters: see [`Room::lacks`].
macro_rules! fits {
    ($host:literal, $device:literal, $both:literal) => {
        concat!(
            "job.host_bytes <= ",
            $host,
            " AND job.device_bytes <= ",
            $device,
            " AND job.host_bytes + job.device_bytes <= ",
            $both
        )
    };
}

pub(super) use {fits, grown, sum};

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

/// As how many a ray of a job's scene counts.
pub(super) fn factor(row: &Row) -> Result<SceneFactor, StoreError> {
    Ok(SceneFactor(u32::try_from(count(row, "factor")?).map_err(corrupt)?))
}

pub(super) fn tier_to_sql(tier: Tier) -> i64 {
    match tier {
        Tier::Economy => 0,
        Tier::Standard => 1,
        Tier::Priority => 2,
    }
}

pub(super) fn tier_from_sql(value: i64) -> Result<Tier, StoreError> {
    let tiers = [Tier::Economy, Tier::Standard, Tier::Priority];
    let tier = usize::try_from(value).ok().and_then(|at| tiers.get(at));
    tier.copied().ok_or_else(|| corrupt(format!("tier {value}")))
}

/// What a scene takes of a node.
pub(super) fn memory(row: &Row) -> Result<SceneMemory, StoreError> {
    Ok(SceneMemory {
        host_bytes: count(row, "host_bytes")?,
        device_bytes: count(row, "device_bytes")?,
    })
}

/// A job's row.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) seq: i64,
    pub(super) owner: TokenId,
    pub(super) spec: JobSpec,
    pub(super) kernel: KernelId,
    /// As JSON.
    pub(super) warnings: String,
    pub(super) state: JobState,
    pub(super) reason: Option<String>,
    /// When it failed; `None` in any other state.
    pub(super) failed_ms: Option<i64>,
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
    pub(super) memory: SceneMemory,
    /// What its owner pays for 10^9 factored rays at most; 0 where nobody pays.
    pub(super) max_price: RayPrice,
    pub(super) factor: SceneFactor,
    pub(super) tier: Tier,
    pub(super) ceiling: Amount,
    /// What the operator's reserve carries beyond it.
    pub(super) carry: Amount,
    pub(super) charged: Amount,
    /// What the reserve paid of it.
    pub(super) carried: Amount,
    /// What the operator took at its end.
    pub(super) fee: Amount,
    /// Whether its escrow is closed.
    pub(super) settled: bool,
}

impl Job {
    pub(super) fn read(db: &Db, row: &Row) -> Result<Self, StoreError> {
        let id = JobId(bytes(row, "id")?);
        Ok(Self {
            id,
            seq: row.try_get("seq")?,
            owner: TokenId(bytes(row, "owner")?),
            spec: db.spec(id, || json(row.try_get("spec")?))?,
            kernel: KernelId(bytes(row, "kernel")?),
            warnings: row.try_get("warnings")?,
            state: state_from_sql(row.try_get("state")?)?,
            reason: row.try_get("reason")?,
            failed_ms: row.try_get("failed_ms")?,
            created_ms: row.try_get("created_ms")?,
            units: count(row, "units")?,
            units_per_frame: count(row, "units_per_frame")?,
            frames: count(row, "frames")?,
            leased: count(row, "leased")?,
            submitted: count(row, "submitted")?,
            verified: count(row, "verified")?,
            rays: count(row, "rays")?,
            frames_done: count(row, "frames_done")?,
            movie: row.try_get::<i64>("movie")? != 0,
            generation: count(row, "generation")?,
            next_chunk: count(row, "next_chunk")?,
            memory: memory(row)?,
            max_price: RayPrice(count(row, "max_price")?),
            factor: factor(row)?,
            tier: tier_from_sql(row.try_get("tier")?)?,
            ceiling: Amount(count(row, "ceiling")?),
            carry: Amount(count(row, "carry")?),
            charged: Amount(count(row, "charged")?),
            carried: Amount(count(row, "carried")?),
            fee: Amount(count(row, "fee")?),
            settled: row.try_get::<i64>("escrow")? == CLOSED,
        })
    }

    pub(super) fn find(db: &Db, id: JobId) -> Result<Option<Self>, StoreError> {
        let row = query("SELECT * FROM job WHERE id = $1").bind(&id.0[..]).fetch_optional(db)?;
        row.as_ref().map(|row| Self::read(db, row)).transpose()
    }

    /// A job that must be there, since another row names it.
    pub(super) fn of(db: &Db, id: JobId) -> Result<Self, StoreError> {
        Self::find(db, id)?.ok_or_else(|| corrupt(format!("job {id} is named and missing")))
    }

    /// The spec of a job that must be there.
    pub(super) fn spec_of(db: &Db, id: JobId) -> Result<JobSpec, StoreError> {
        db.spec(id, || {
            let row = query("SELECT spec FROM job WHERE id = $1").bind(&id.0[..]).fetch_one(db)?;
            json(row.try_get("spec")?)
        })
    }

    /// What a node that takes part of it is paid: what it asks, or nothing where nobody pays.
    pub(super) fn price_for(&self, ask: &LeaseAsk) -> RayPrice {
        if self.max_price == RayPrice(0) { RayPrice(0) } else { ask.bidder.asks }
    }

    /// Whether `more` units may be leased, by what those took that are verified, each at the highest price
    /// and as often as it is rendered. `None` where nobody pays, or nothing is known yet.
    pub(super) fn overrun(&self, more: u64) -> Option<Decision> {
        if self.max_price == RayPrice(0) || self.verified == 0 {
            return None;
        }
        let renders = if self.spec.class == DeviceClass::Tolerant { 2 } else { 1 };
        let cost = |units: u64| {
            let rays = u128::from(self.rays) * u128::from(units) * renders;
            let rays = u64::try_from(rays / u128::from(self.verified)).ok();
            let cost = rays.and_then(|rays| pay(rays, self.factor, self.max_price));
            cost.unwrap_or(Amount::MAX)
        };
        // What was set aside for this job already heeds what its owner's others have.
        let carried = u128::from(self.carry.0) * 1000 / u128::from(self.ceiling.0.max(1));
        let reserve = Reserve {
            most_permille: u32::try_from(1000 + carried).unwrap_or(u32::MAX),
            most_per_account: self.carry,
        };
        let standing = Standing {
            ceiling: self.ceiling,
            charged: cost(self.verified),
            in_flight: cost(self.leased + self.submitted),
            reserve_of_others: Amount::ZERO,
        };
        Some(decide(&reserve, &standing, cost(more)))
    }

    /// What is auctioned of it; `None` where nobody pays.
    pub(super) fn order(&self) -> Option<Order> {
        (self.max_price > RayPrice(0)).then_some(Order {
            max_price: self.max_price,
            tier: self.tier,
            class: self.spec.class,
            kernel: self.kernel,
            min_stake: Amount::ZERO,
            memory: self.memory,
        })
    }

    /// Whether a node may take part of it now. Where nobody pays, nobody is outbid, and only its scene's
    /// memory counts.
    pub(super) fn may_take(&self, ask: &LeaseAsk) -> Result<(), Reason> {
        match self.order() {
            Some(order) => {
                let scene = self.spec.scene;
                let asker = Bidder { has_scene: ask.rivals.asker_has(scene), ..ask.bidder };
                may_take(&asker, &order, &ask.rivals.with_scene(scene)).map(|_| ())
            }
            None => match Room::of(ask.bidder.memory).lacks(&self.memory) {
                Some(lack) => Err(Unqualified::Memory(lack).into()),
                None => Ok(()),
            },
        }
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
            warnings: json(&self.warnings)?,
            money: (self.max_price > RayPrice(0)).then_some(JobMoney {
                max_price: self.max_price,
                factor: self.factor,
                tier: self.tier,
                ceiling: self.ceiling,
                charged: self.charged,
                carried: self.carried,
                fee: self.fee,
                settled: self.settled,
            }),
        })
    }
}
