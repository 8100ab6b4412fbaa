//! The states of a job.
//!
//! | from | pause | resume | cancel | exhausted | finished | requeue |
//! |---|---|---|---|---|---|---|
//! | active | paused | active | cancelled | failed | completed | active |
//! | paused | paused | active | cancelled | failed | completed | paused |
//! | failed | refused | refused | cancelled | failed | completed | active |
//! | completed | refused | refused | refused | refused | refused | refused |
//! | cancelled | refused | refused | cancelled | refused | refused | refused |
//!
//! A failed job is not over: nobody is given work of it until its owner requeues it. What was rendered before
//! is checked all the same, and may be all that it lacked.

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
    /// Its owner has it go on after it failed.
    Requeue,
}

/// Why a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It comes too late.
    #[error("the job is {state:?} already; nothing can change that")]
    Ended {
        /// How it ended.
        state: JobState,
    },
    /// The job neither rests nor works.
    #[error("the job failed; requeue it to have it go on, or cancel it")]
    Failed,
}

/// Where a job stands after a change.
pub fn step(state: JobState, change: JobChange) -> Result<JobState, Refused> {
    if has_ended(state) && (state, change) != (JobState::Cancelled, JobChange::Cancel) {
        return Err(Refused::Ended { state });
    }
    match (state, change) {
        (JobState::Failed, JobChange::Pause | JobChange::Resume) => Err(Refused::Failed),
        (_, JobChange::Cancel) => Ok(JobState::Cancelled),
        (_, JobChange::Exhausted) => Ok(JobState::Failed),
        (_, JobChange::Finished) => Ok(JobState::Completed),
        (_, JobChange::Pause) | (JobState::Paused, JobChange::Requeue) => Ok(JobState::Paused),
        (_, JobChange::Resume | JobChange::Requeue) => Ok(JobState::Active),
    }
}

/// Whether nothing can happen to the job any more.
pub fn has_ended(state: JobState) -> bool {
    matches!(state, JobState::Completed | JobState::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        use JobChange::{Cancel, Exhausted, Finished, Pause, Requeue, Resume};
        use JobState::{Active, Cancelled, Completed, Failed, Paused};
        let changes = [Pause, Resume, Cancel, Exhausted, Finished, Requeue];
        let open = |requeued| {
            [Some(Paused), Some(Active), Some(Cancelled), Some(Failed), Some(Completed), requeued]
        };
        for (from, to) in [
            (Active, open(Some(Active))),
            (Paused, open(Some(Paused))),
            (Failed, [None, None, Some(Cancelled), Some(Failed), Some(Completed), Some(Active)]),
            (Completed, [None; 6]),
            (Cancelled, [None, None, Some(Cancelled), None, None, None]),
        ] {
            for (change, to) in changes.into_iter().zip(to) {
                assert_eq!(step(from, change).ok(), to, "{from:?} {change:?}");
            }
            assert_eq!(has_ended(from), step(from, Finished).is_err(), "{from:?}");
        }
    }

    #[test]
    fn whoever_is_refused_reads_what_to_do() {
        let refused = step(JobState::Failed, JobChange::Resume).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the job failed; requeue it to have it go on, or cancel it"
        );
        let over = step(JobState::Completed, JobChange::Requeue).unwrap_err();
        assert_eq!(over, Refused::Ended { state: JobState::Completed });
    }
}
