//! What is to be said of a result: its pixels are computed again, here or in an auditor's process.

use super::pairs::compare;
use crate::app::UNPACK_BYTES;
use crate::config::Recomputed;
use crate::store::proof::{Finding, Rejection, Unaudited, UnauditedFrame};
use crate::sums::SumsError;
use tessera_farm_core::plan::Plan;
use tessera_film::pack;
use tessera_protocol::lease::Unit;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::submit::{self, SubmitHeader};
use tessera_protocol::verdict::{Verdict, Wrong};
use tessera_protocol::{FrameNumber, JobId, PixelSum, tree};
use tessera_verify::audit::{self, Draws, Look, Seed, looks, record};

/// Samples that are computed without asking whether to go on.
const PORTION_SAMPLES: usize = 1 << 20;

/// Why a result was not audited; later it may be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// The program is told to stop.
    #[error("the audit is told to stop")]
    Stopped,
    #[error(transparent)]
    Sums(#[from] SumsError),
    #[error("the auditing thread panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// The scene cannot be prepared here, though it could when its job was accepted.
    #[error("frame {frame} of job {job} cannot be prepared: {reason}")]
    Scene { job: JobId, frame: FrameNumber, reason: String },
}

/// What an audit needs of the machine that it is made on.
pub(crate) trait Desk {
    /// The body of a result, as its node sent it; `None` where it is gone.
    fn body(&self, of: &Unaudited) -> Result<Option<Vec<u8>>, AuditError>;
    /// What the kernel gives for some pixels of a frame, unless the program is told to stop. Blocks.
    fn compute(&self, frame: &UnauditedFrame, looks: &[Look]) -> Result<Recomputed, AuditError>;
}

/// What was found of a result, and of the first of its pair where it has one.
pub(crate) struct Findings {
    pub(crate) first: Option<Finding>,
    pub(crate) own: Finding,
}

impl Findings {
    /// Whether all that was looked at counts.
    pub(crate) fn count(&self) -> bool {
        let counts =
            |found: &Finding| matches!(found, Finding::Verified { .. } | Finding::Alike { .. });
        counts(&self.own) && self.first.as_ref().is_none_or(counts)
    }
}

/// What there is to say of a result, and of the other of its pair. Blocks.
pub(crate) fn judge(
    desk: &impl Desk,
    frame: &UnauditedFrame,
    of: &Unaudited,
) -> Result<Findings, AuditError> {
    match frame.spec.class {
        DeviceClass::Exact => Ok(Findings { first: None, own: look_at(desk, frame, of)? }),
        DeviceClass::Tolerant => compare(desk, frame, of),
    }
}

/// Computes again what the secret and the commit draw, and compares.
fn look_at(
    desk: &impl Desk,
    frame: &UnauditedFrame,
    of: &Unaudited,
) -> Result<Finding, AuditError> {
    let Some(result) = read_result(desk, frame, of)? else { return Ok(Finding::Lost) };
    let looks = result.looks(of);
    // One wrong pixel is enough: nothing is computed behind the portion that has it.
    for looks in portions(&looks) {
        let found = desk.compute(frame, looks)?;
        let (commit, units, sums) = (&result.header.commit, &result.units, &result.sums);
        let verdict = audit::judge(commit, units, sums, found.scene, looks, &found.sums);
        if let Verdict::Rejected(wrong) = verdict {
            return Ok(result.rejected(*wrong));
        }
    }
    Ok(Finding::Verified { looked: looks.len() as u64 })
}

/// Looks in portions of some seconds at most, so that a program that is told to stop does.
pub(super) fn portions(looks: &[Look]) -> std::slice::Chunks<'_, Look> {
    let samples = looks.iter().map(|look| look.samples.count()).max().unwrap_or(1).max(1);
    looks.chunks((PORTION_SAMPLES / samples as usize).max(1))
}

/// A result with its sums.
pub(super) struct ReadResult {
    pub(super) header: SubmitHeader,
    pub(super) units: Vec<Unit>,
    pub(super) sums: Vec<Vec<PixelSum>>,
}

impl ReadResult {
    pub(super) fn seed(&self, of: &Unaudited) -> Seed {
        Seed::of(&of.secret, self.header.commit.id())
    }

    /// What the rules say to look at.
    pub(super) fn looks(&self, of: &Unaudited) -> Vec<Look> {
        let draws = if of.whole { Draws::All } else { record::draws(&of.record) };
        looks(&self.seed(of), &self.units, &self.sums, draws)
    }

    pub(super) fn rejected(self, wrong: Wrong) -> Finding {
        let SubmitHeader { commit, signature, .. } = self.header;
        Finding::Rejected(Box::new(Rejection { commit, signature, wrong }))
    }
}

/// A stored result with its sums; `None` where it is not what was entered.
pub(super) fn read_result(
    desk: &impl Desk,
    frame: &UnauditedFrame,
    of: &Unaudited,
) -> Result<Option<ReadResult>, AuditError> {
    Ok(desk.body(of)?.and_then(|body| read(frame, of, &body)))
}

/// Reads a stored result, checked again: a disk may change what was written.
fn read(frame: &UnauditedFrame, of: &Unaudited, body: &[u8]) -> Option<ReadResult> {
    let plan = Plan::new(&frame.spec).ok()?;
    let (header, packed) = submit::decode(body).ok()?;
    if header.commit.id() != of.result.commit {
        return None;
    }
    let (mut units, mut sums) = (Vec::new(), Vec::new());
    for (signed, packed) in header.commit.results.iter().zip(packed) {
        let unit = plan.unit(signed.unit)?;
        let pixels = pack::unpack(packed, unit.rect.pixels() as usize, UNPACK_BYTES).ok()?;
        if tree::root(&pixels) != signed.root {
            return None;
        }
        units.push(unit);
        sums.push(pixels);
    }
    Some(ReadResult { header, units, sums })
}
