//! What the store knows of frames that were paid for and wait for their owner's word.

use super::{Later, StoredResult, Unaudited};
use tessera_protocol::job::JobSpec;
use tessera_protocol::{FrameNumber, JobId, KernelId};

use super::proof::Rejection;

/// What became of an objection to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// It will be answered.
    Noted,
    /// An earlier one is not answered yet.
    Pending,
    /// The frame is not assembled.
    NotReady,
    /// The frame was approved.
    Approved,
    /// It was objected to too often.
    TooOften,
}

/// An objection that waits for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenDispute {
    /// The frame's job.
    pub job: JobId,
    /// What is rendered.
    pub spec: JobSpec,
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// The frame.
    pub frame: FrameNumber,
    /// Which objection to it, counted from 1.
    pub case: u32,
    /// The results that the frame is made of. Their secrets are drawn for this case: so are the pixels that
    /// are looked at.
    pub results: Vec<Unaudited>,
}

/// How an objection ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The frame is what was asked for; it is approved.
    Denied(String),
    /// A result of it is not: its units are rendered again. The rejection, where its node is to blame.
    Upheld {
        /// In words.
        answer: String,
        /// The result.
        result: StoredResult,
        /// What is wrong with it, and who signed it.
        rejection: Option<Box<Rejection>>,
    },
}

/// See the module.
pub trait ApprovalStore: Send + Sync {
    /// Approves frames whose time has come; how many.
    fn approve_due(&self, now_ms: i64) -> Later<'_, u64>;
    /// Approves a frame that is assembled, or all of a job's; how many.
    fn approve(&self, job: JobId, frame: Option<FrameNumber>) -> Later<'_, u64>;
    /// How many frames of a job wait to be approved, and when the last of them is by itself.
    fn unapproved(&self, job: JobId) -> Later<'_, (u64, i64)>;
    /// Notes that a frame's owner objects to it. The seed draws what is looked at again.
    fn object(
        &self,
        job: JobId,
        frame: FrameNumber,
        reason: String,
        seed: [u8; 32],
        now_ms: i64,
    ) -> Later<'_, Objection>;
    /// The objection that waits longest, of jobs of this kernel.
    fn open_dispute(&self, kernel: KernelId) -> Later<'_, Option<OpenDispute>>;
    /// Keeps an answer, and lets it follow what follows from it. A second one changes nothing.
    fn answer(
        &self,
        job: JobId,
        frame: FrameNumber,
        case: u32,
        answer: Answer,
        now_ms: i64,
    ) -> Later<'_, super::proof::Settled>;
}
