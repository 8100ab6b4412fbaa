//! Why something is not posted.

use crate::account::Account;
use crate::cause::{Cause, Once};
use crate::epoch::PlanFault;
use tessera_protocol::{Amount, JobId, LeaseId, NodeId, StreamId};

/// What a rule has to know of the books, and was not told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// An account's balance.
    Balance(Account),
    /// Whether something was posted.
    Posted(Once),
    /// The entry of something, if it was posted.
    Entry(Once),
}

/// Where a lease's pay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is owed, at least since the epoch of this number was the next; `case` is its next dispute's.
    Owed {
        /// The epoch.
        epoch: u64,
        /// The next dispute.
        case: u32,
    },
    /// It is kept from epochs by this case.
    Held {
        /// The dispute, or 0 for a probation.
        case: u32,
    },
    /// It went back.
    Reversed,
    /// This epoch took it.
    InEpoch(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owed { case, .. } => write!(f, "is owed, and its next case is {case}"),
            Self::Held { case } => write!(f, "is held by case {case}"),
            Self::Reversed => f.write_str("was reversed"),
            Self::InEpoch(epoch) => write!(f, "was taken by epoch {epoch}"),
        }
    }
}

/// Why something is not posted. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The rule was not told all it has to know: find it out and ask again.
    #[error("the rule has to know more of the books: {0:?}")]
    Needs(Vec<Need>),
    /// It is in the books already.
    #[error("{0} is in the books already, and nothing is posted twice")]
    AlreadyPosted(Once),
    /// An account has less than would be taken.
    #[error("{account} has {has} and {wants} would be taken")]
    NotEnough {
        /// Which.
        account: Account,
        /// What it has.
        has: Amount,
        /// What would be taken.
        wants: Amount,
    },
    /// A job costs more than its ceiling and what the reserve carries. Its result stays proven: once
    /// the ceiling is raised it is posted.
    #[error(
        "job {job} has {escrow} left of its ceiling and {carry} that the reserve carries, and {pay} is \
         to be paid: pause it, and ask its payer to raise the ceiling by {missing}"
    )]
    OverrunRefused {
        /// The job.
        job: JobId,
        /// What is to be paid.
        pay: Amount,
        /// What is left of its ceiling.
        escrow: Amount,
        /// What is left of what the reserve carries.
        carry: Amount,
        /// What is missing.
        missing: Amount,
    },
    /// Nobody accepted a quote for it.
    #[error("no quote of job {0} was accepted, so nobody pays for it")]
    UnknownJob(JobId),
    /// It ended.
    #[error("job {0} has ended, and its ceiling cannot be raised")]
    JobEnded(JobId),
    /// It was not verified.
    #[error("lease {0} is not in the books: only a verified one is")]
    UnknownLease(LeaseId),
    /// Its pay is elsewhere.
    #[error("the pay of lease {lease} {place}")]
    Misplaced {
        /// The lease.
        lease: LeaseId,
        /// Where its pay is.
        place: Place,
    },
    /// It was paid from the operator's bond.
    #[error("lease {0} was paid from the operator's bond already")]
    Compensated(LeaseId),
    /// Epochs follow each other without a gap.
    #[error("epoch {0} is not the next one to be opened")]
    EpochOutOfTurn(u64),
    /// It was not opened, or is over.
    #[error("epoch {0} was not opened, or was cancelled")]
    NoEpoch(u64),
    /// An epoch has paid somebody.
    #[error("epoch {0} has paid somebody, or found that it cannot: it is not cancelled any more")]
    EpochPaid(u64),
    /// An epoch's plan is not whole.
    #[error("the plan of the epoch is refused: {0}")]
    Plan(#[from] PlanFault),
    /// What is owed changed since the plan was made.
    #[error("node {0} is owed another sum than the plan says: make it again")]
    PlanStale(NodeId),
    /// The epoch owes it nothing, or no more.
    #[error("epoch {epoch} has nothing for node {node}, or has paid it")]
    NoLeaf {
        /// The epoch.
        epoch: u64,
        /// The node.
        node: NodeId,
    },
    /// Parts count up from 0.
    #[error("{0} would be posted before the one that it follows")]
    PartOutOfTurn(Once),
    /// Nothing was put aside for the stream.
    #[error("nothing was ever put aside for stream {0}")]
    UnknownStream(StreamId),
    /// The stream is over.
    #[error("stream {0} is over, and its rest has returned")]
    StreamEnded(StreamId),
    /// A term is out of its bounds.
    #[error("{0}")]
    Terms(&'static str),
    /// No money would move.
    #[error("no money would move")]
    Nothing,
    /// Sums do not fit.
    #[error("the sum does not fit: an account holds at most 9223372036854.775807")]
    TooLarge,
}

impl LedgerError {
    /// A short name that does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Needs(_) => "needs",
            Self::AlreadyPosted(_) => "already_posted",
            Self::NotEnough { .. } => "not_enough",
            Self::OverrunRefused { .. } => "overrun_refused",
            Self::UnknownJob(_) => "unknown_job",
            Self::JobEnded(_) => "job_ended",
            Self::UnknownLease(_) => "unknown_lease",
            Self::Misplaced { .. } => "misplaced",
            Self::Compensated(_) => "compensated",
            Self::EpochOutOfTurn(_) => "epoch_out_of_turn",
            Self::NoEpoch(_) => "no_epoch",
            Self::EpochPaid(_) => "epoch_paid",
            Self::Plan(_) => "plan_refused",
            Self::PlanStale(_) => "plan_stale",
            Self::NoLeaf { .. } => "no_leaf",
            Self::PartOutOfTurn(_) => "part_out_of_turn",
            Self::UnknownStream(_) => "unknown_stream",
            Self::StreamEnded(_) => "stream_ended",
            Self::Terms(_) => "terms",
            Self::Nothing => "nothing",
            Self::TooLarge => "too_large",
        }
    }
}

/// Checks what a cause says by itself.
pub(crate) fn check_id(cause: &Cause) -> Result<(), LedgerError> {
    match cause {
        Cause::Deposited { id, .. }
        | Cause::Withdrawn { id, .. }
        | Cause::ReserveFunded { id, .. }
        | Cause::ReserveWithdrawn { id, .. }
        | Cause::StakeAdded { id, .. }
        | Cause::StakeWithdrawn { id, .. }
        | Cause::BondFunded { id, .. }
        | Cause::BondWithdrawn { id, .. }
            if id.is_empty()
                || id.len() > Cause::MAX_ID
                || !id.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Err(LedgerError::Terms("an id has 1 to 128 printable ASCII characters and no space"))
        }
        _ => Ok(()),
    }
}
