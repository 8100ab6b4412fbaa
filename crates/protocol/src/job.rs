//! Jobs: frames of one scene.

use crate::node::DeviceClass;
use crate::settings::{RenderSettings, SettingError, check_range};
use crate::{Amount, BlobHash, FrameNumber, JobId, RayPrice, ResultHash, SceneFactor, Tier};
use serde::{Deserialize, Serialize};

/// Frames `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameSpan {
    /// The first frame.
    pub first: FrameNumber,
    /// The last frame, rendered too.
    pub last: FrameNumber,
}

impl FrameSpan {
    /// Frames in the span.
    pub fn count(self) -> u64 {
        (u64::from(self.last.0) + 1).saturating_sub(u64::from(self.first.0))
    }
}

/// What an artist submits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What people call the job; 1 to 200 characters.
    pub name: String,
    /// A `.glb` among the uploads.
    pub scene: BlobHash,
    /// Size, samples, seed, camera, light.
    pub settings: RenderSettings,
    /// Which frames.
    pub frames: FrameSpan,
    /// Frames a second; frame `f` shows the time `f / fps`. 1 to 240.
    pub fps: u32,
    /// Side of a tile in pixels, [`Self::MIN_TILE`] to [`Self::MAX_TILE`].
    pub tile: u32,
    /// Samples of one unit; a tile is done when all its ranges are.
    pub samples_per_unit: u32,
    /// Which devices may render it. A `tolerant` job may be rendered by any; its frames are not the
    /// same bits each time, and it is rendered twice.
    #[serde(default)]
    pub class: DeviceClass,
}

impl JobSpec {
    /// Smallest side of a tile.
    pub const MIN_TILE: u32 = 8;
    /// Largest side of a tile: a unit's raw sums stay within 32 MiB.
    pub const MAX_TILE: u32 = 1024;
    /// Most frames of a job.
    pub const MAX_FRAMES: u64 = 1_000_000;
    /// Most units of a job.
    pub const MAX_UNITS: u64 = 1 << 32;

    /// Checks every limit, the settings' too.
    pub fn validate(&self) -> Result<(), SettingError> {
        self.settings.validate()?;
        check_range("name's length", self.name.chars().count(), 1, 200)?;
        check_range("fps", self.fps, 1, 240)?;
        check_range("tile", self.tile, Self::MIN_TILE, Self::MAX_TILE)?;
        check_range("samples_per_unit", self.samples_per_unit, 1, self.settings.spp)?;
        check_range("number of frames", self.frames.count(), 1, Self::MAX_FRAMES)?;
        check_range("number of units", self.units(), 1, Self::MAX_UNITS)
    }

    /// Tiles × sample ranges × frames; saturating, for specs not validated yet.
    pub fn units(&self) -> u64 {
        let (tile, range) = (self.tile.max(1), self.samples_per_unit.max(1));
        let across = u64::from(self.settings.width.div_ceil(tile));
        let down = u64::from(self.settings.height.div_ceil(tile));
        let ranges = u64::from(self.settings.spp.div_ceil(range));
        across.saturating_mul(down).saturating_mul(ranges).saturating_mul(self.frames.count())
    }

    /// The time that a frame shows, in seconds.
    pub fn time_s(&self, frame: FrameNumber) -> f64 {
        f64::from(frame.0) / f64::from(self.fps)
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Units are leased as nodes ask for them.
    Active,
    /// No unit is leased; what is leased already may still be submitted.
    Paused,
    /// Every unit is verified and every frame assembled.
    Completed,
    /// Stopped by its owner, or for what is in the job's `reason`; results that arrive are refused.
    Cancelled,
    /// A unit failed too often; what failed and why is in the job's `reason`. Nobody is given work of it until
    /// its owner requeues it. It is not over: what was rendered is checked still, and kept.
    Failed,
}

/// How many units stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnitCounts {
    /// Nobody works on them.
    pub free: u64,
    /// A node holds a lease on them.
    pub leased: u64,
    /// A result arrived and is not checked yet.
    pub submitted: u64,
    /// A result was checked and counts.
    pub verified: u64,
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// What was submitted.
    pub spec: JobSpec,
    /// Where it stands.
    pub state: JobState,
    /// Why it stands there, in a sentence, where that is not plain.
    pub reason: Option<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub created_ms: i64,
    /// Its units.
    pub units: UnitCounts,
    /// Frames assembled.
    pub frames_done: u64,
    /// Frames in all.
    pub frames_total: u64,
    /// Rays of the verified units.
    pub rays: u64,
    /// Whether the film can be downloaded.
    pub movie: bool,
    /// What the scene holds and the render leaves out, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What it costs; `None` where nobody pays.
    #[serde(default)]
    pub money: Option<JobMoney>,
}

/// What a job costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobMoney {
    /// What its owner pays for 10^9 factored rays at most.
    pub max_price: RayPrice,
    /// As how many a ray of its scene counts.
    pub factor: SceneFactor,
    /// Whom it waits for.
    pub tier: Tier,
    /// What it costs its owner at most, whatever it takes.
    pub ceiling: Amount,
    /// What nodes have earned of it until now.
    pub charged: Amount,
    /// What nodes have earned beyond it, out of the operator's reserve.
    pub carried: Amount,
    /// What the operator took of it at the job's end. With this and `charged` it is what the job cost.
    pub fee: Amount,
    /// Whether all of it is paid, and the rest returned.
    pub settled: bool,
}

/// Some of the jobs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobPage {
    /// The jobs.
    pub data: Vec<JobView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// A frame as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FrameView {
    /// Its number.
    pub frame: FrameNumber,
    /// Units verified.
    pub verified: u64,
    /// Units in all.
    pub units: u64,
    /// The hash of its sums, once assembled: what `render-node render` prints.
    pub hash: Option<ResultHash>,
    /// While it waits for its owner's approval: when it is approved by itself, in milliseconds since 1970.
    #[serde(default)]
    pub approve_by_ms: Option<i64>,
    /// What its owner has against it, if anything.
    #[serde(default)]
    pub dispute: Option<Dispute>,
}

/// An objection to a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Dispute {
    /// What its owner said.
    pub reason: String,
    /// What was found; `None` while it is looked at again.
    pub answer: Option<String>,
}

/// Objects to a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectionRequest {
    /// What is wrong with it, for people; 1 to [`Self::MAX_REASON`] characters.
    pub reason: String,
}

impl ObjectionRequest {
    /// Longest reason, in characters.
    pub const MAX_REASON: usize = 1_000;
}

/// Has a job that failed go on, and units of frames given to other nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequeueRequest {
    /// Frames that are not assembled: whoever renders units of them now gives them back. At most
    /// [`Self::MAX_FRAMES`]; none for a job that failed and has only to go on.
    #[serde(default)]
    pub frames: Vec<FrameNumber>,
}

impl RequeueRequest {
    /// Most frames of one request.
    pub const MAX_FRAMES: usize = 1_000;
}

/// Some of a job's frames, by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FramePage {
    /// The frames.
    pub data: Vec<FrameView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// What happens to a job, as it happens: the events of `GET /v1/jobs/{id}/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum JobEvent {
    /// The job's state changed.
    State {
        /// The new state.
        state: JobState,
        /// Why, where that is not plain.
        reason: Option<String>,
    },
    /// Units were verified.
    Units {
        /// Verified so far.
        verified: u64,
        /// In all.
        total: u64,
        /// Rays so far.
        rays: u64,
    },
    /// A frame was assembled and can be downloaded.
    Frame {
        /// Its number.
        frame: FrameNumber,
        /// The hash of its sums.
        hash: ResultHash,
    },
}

/// Why something waits: a code for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Why {
    /// A stable code, for example `no_nodes`.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UploadView {
    /// What it is stored under.
    pub blob: BlobHash,
    /// Its size.
    pub bytes: u64,
    /// Whether whoever sent it had sent it before.
    pub known: bool,
}
