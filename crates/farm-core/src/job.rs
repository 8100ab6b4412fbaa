//! The states of a job.
//!
//! | from | pause | resume | cancel | exhausted | finished |
//! |---|---|---|---|---|---|
//! | active | paused | active | cancelled | failed | completed |
//! | paused | paused | active | cancelled | failed | completed |
//! | completed | refused | refused | refused | refused | refused |
//! | cancelled | refused | refused | cancelled | refused | refused |
//! | failed | refused | refused | refused | refused | refused |

use tessera_protocol::job::JobState;

/// What may happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobChange {
    /// Its owner lets it rest: no new leases.
    Pause,
    /// Its owner lets it go on.
    Resume,
    /// Its owner stops it for good.
    Cancel,
    /// A unit failed too often.
    Exhausted,
    /// Every frame, and the film where there is one, is durable.
    Finished,
}

/// A change that comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job is {state:?} already; nothing can change that")]
pub struct JobEnded {
    /// How it ended.
    pub state: JobState,
}

/// Where a job stands after a change.
pub fn step(state: JobState, change: JobChange) -> Result<JobState, JobEnded> {
    match (state, change) {
        (JobState::Cancelled, JobChange::Cancel) => Ok(JobState::Cancelled),
        (JobState::Completed | JobState::Cancelled | JobState::Failed, _) => {
            Err(JobEnded { state })
        }
        (JobState::Active | JobState::Paused, change) => Ok(match change {
            JobChange::Pause => JobState::Paused,
            JobChange::Resume => JobState::Active,
            JobChange::Cancel => JobState::Cancelled,
            JobChange::Exhausted => JobState::Failed,
            JobChange::Finished => JobState::Completed,
        }),
    }
}

/// Whether nothing can happen to the job any more.
pub fn has_ended(state: JobState) -> bool {
    matches!(state, JobState::Completed | JobState::Cancelled | JobState::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        use JobChange::{Cancel, Exhausted, Finished, Pause, Resume};
        use JobState::{Active, Cancelled, Completed, Failed, Paused};
        let changes = [Pause, Resume, Cancel, Exhausted, Finished];
        let open = [Some(Paused), Some(Active), Some(Cancelled), Some(Failed), Some(Completed)];
        for (from, to) in [
            (Active, open),
            (Paused, open),
            (Completed, [None; 5]),
            (Cancelled, [None, None, Some(Cancelled), None, None]),
            (Failed, [None; 5]),
        ] {
            for (change, to) in changes.into_iter().zip(to) {
                assert_eq!(step(from, change).ok(), to, "{from:?} {change:?}");
            }
        }
    }
}
