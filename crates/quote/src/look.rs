//! Looks at a job: its rays and its scene's factor, in one pass over the frames.

use crate::factor::{Counted, factor};
use crate::frames::frames_to_probe;
use crate::probe::{Probe, ROUNDS};
use crate::reference::steps::Steps;
use tessera_protocol::job::JobSpec;
use tessera_protocol::settings::SettingError;
use tessera_protocol::{FrameNumber, QuoteSeed, SceneFactor};
use tessera_reference::{Source, SourceError};

/// All that a quote says of a job's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its rays.
    pub probe: Probe,
    /// As how many each counts.
    pub factor: SceneFactor,
    /// What the factor comes from.
    pub steps: Steps,
}

/// Why a job can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// What is asked for can't be.
    #[error(transparent)]
    Spec(#[from] SettingError),
    /// Its scene can't be prepared.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its rays take more steps than any factor stands for.
    #[error(
        "frame {0} can't be quoted: its rays take more than 40 times the steps of usual ones. Long thin \
         triangles that cross the whole scene do that, and thousands of objects in one place"
    )]
    TooDear(FrameNumber),
}

/// Looks at the job that `spec` makes of the files in `source`, on as many threads. The same look
/// for the same seed, on every machine.
///
/// Frames are prepared one after another, at most [`crate::frames::MOST_FRAMES`] in each of two
/// rounds, and never two at a time.
///
/// # Errors
/// `spec` is outside its limits, a frame can't be prepared, or is dearer than any factor.
pub fn look(
    source: &mut Source,
    spec: &JobSpec,
    seed: &QuoteSeed,
    threads: usize,
) -> Result<Look, LookError> {
    spec.validate()?;
    let frames = frames_to_probe(spec.frames, seed);
    let mut counted = Counted::default();
    let mut pass = |draws, mut counted: Option<&mut Counted>| {
        let mut round = Probe::begin(spec, frames.len(), draws);
        for &number in &frames {
            let frame = source.frame(&spec.settings, number, spec.time_s(number))?;
            // Steps first: they end where a scene is beyond all measure, and paths don't.
            if let Some(counted) = &mut counted {
                counted.look(&frame.scene, frames.len(), seed);
                if counted.is_beyond() {
                    return Err(LookError::TooDear(number));
                }
            }
            round.look(number, &frame, seed, threads);
        }
        Ok(round.end())
    };
    let mut probe = pass(ROUNDS[0], Some(&mut counted))?;
    if probe.is_wide() {
        probe = pass(ROUNDS[1], None)?;
    }
    Ok(Look { probe, factor: factor(&counted.steps()), steps: counted.steps() })
}
