//! Why money moves.

use crate::account::{Payer, Posting};
use crate::epoch::EpochPlan;
use crate::proof::{Delivered, Verified, stored};
use serde::{Deserialize, Serialize};
use std::fmt;
use tessera_protocol::{Amount, Generation, JobId, LeaseId, NodeId, PixelPrice, StreamId};

/// How far the operator's reserve stands in where a job costs more than its ceiling. Part of what is
/// signed with the quote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarryTerms {
    /// Most for one job, in thousandths of its ceiling; at most 1000, which doubles it.
    pub job_permille: u32,
    /// Most for all jobs of a payer, ever.
    pub payer_most: Amount,
}

/// What the operator takes when a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeTerms {
    /// Its share of what the job cost, in hundredths of a per cent; rounded down, and never more than
    /// is left under the ceiling.
    pub bps: u16,
    /// The operator's own key: it is paid as nodes are.
    pub to: NodeId,
}

/// A reporter's part of a slashed stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Who reported it.
    pub node: NodeId,
    /// Its part.
    pub amount: Amount,
}

/// Why money moves. An `id` is the chain's or the operator's own name of a movement, at most
/// [`Cause::MAX_ID`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "fields are named for what they are; the variants say what happens")]
pub enum Cause {
    /// A payer's money came in.
    Deposited { id: String, payer: Payer, amount: Amount },
    /// A payer's money left again.
    Withdrawn { id: String, payer: Payer, amount: Amount },
    /// The operator's reserve grew.
    ReserveFunded { id: String, amount: Amount },
    /// The operator took of its reserve what is not set aside.
    ReserveWithdrawn { id: String, amount: Amount },
    /// A payer accepted a job's quote: its ceiling is set aside, and the reserve's part with it.
    QuoteAccepted { job: JobId, payer: Payer, ceiling: Amount, carry: CarryTerms, fee: FeeTerms },
    /// The payer raised the ceiling by `amount`. Parts count from 0.
    ToppedUp { job: JobId, part: u32, amount: Amount },
    /// The operator adds to what its reserve carries of a job, so that verified work is paid that costs
    /// more. Parts count from 0.
    CarryRaised { job: JobId, part: u32, amount: Amount },
    /// A lease's result counts. `epoch` is the number of the next one to be opened; with `held` the
    /// pay is kept from it, as for a node on probation.
    LeaseVerified {
        #[serde(deserialize_with = "stored::verified")]
        verified: Verified,
        held: bool,
        epoch: u64,
    },
    /// A lease's pay is disputed. Cases of a lease count from 1.
    LeaseHeld { lease: LeaseId, case: u32 },
    /// A dispute, or a probation (case 0), ended in the node's favour. `epoch` as above.
    LeaseReleased { lease: LeaseId, case: u32, epoch: u64 },
    /// A lease's result does not count after all: its pay goes back to where it came from.
    LeaseReversed { lease: LeaseId },
    /// A job is over, and no lease of it is out: the rest returns. Part 0 at its end, the next ones
    /// for what reversals bring back later.
    JobEnded { job: JobId, part: u32 },
    /// An epoch takes what is owed.
    EpochOpened { epoch: u64, plan: EpochPlan },
    /// An epoch was cancelled before it paid anybody: all is owed again.
    EpochCancelled { epoch: u64 },
    /// An epoch paid a node, or the node claimed it.
    LeafPaid { epoch: u64, node: NodeId },
    /// An epoch could not pay a node.
    LeafSkipped { epoch: u64, node: NodeId },
    /// A node's stake grew.
    StakeAdded { id: String, node: NodeId, amount: Amount },
    /// A node took of its stake.
    StakeWithdrawn { id: String, node: NodeId, amount: Amount },
    /// A node's stake was slashed for what it did under a lease: once for each generation.
    Slashed {
        lease: LeaseId,
        generation: Generation,
        node: NodeId,
        amount: Amount,
        reporter: Option<Share>,
    },
    /// The operator's bond grew.
    BondFunded { id: String, amount: Amount },
    /// The operator took of its bond.
    BondWithdrawn { id: String, amount: Amount },
    /// A node was paid from the operator's bond for a lease that the operator wronged it in. The
    /// lease is not paid beside it.
    Compensated { lease: LeaseId, node: NodeId, amount: Amount },
    /// A broadcaster put money aside for a stream. Parts count from 0; the fee is that of the first.
    StreamFunded { stream: StreamId, payer: Payer, part: u32, amount: Amount, fee: FeeTerms },
    /// Segments that a lease's worker delivered count. Parts of a lease count from 0, and `before` are the
    /// pixels of all earlier ones: only their sum is rounded, however they are cut.
    SegmentsDelivered {
        #[serde(deserialize_with = "stored::delivered")]
        delivered: Delivered,
        stream: StreamId,
        part: u32,
        before: u64,
        price: PixelPrice,
    },
    /// A stream is over, and all that was delivered is booked: the rest returns.
    StreamEnded { stream: StreamId },
}

impl Cause {
    /// Longest `id`, in characters: the text of a chain's signature, with room to spare.
    pub const MAX_ID: usize = 128;

    /// What no two entries share.
    pub fn once(&self) -> Once {
        Once(match self {
            Self::Deposited { id, .. } => format!("deposited/{id}"),
            Self::Withdrawn { id, .. } => format!("withdrawn/{id}"),
            Self::ReserveFunded { id, .. } => format!("reserve_funded/{id}"),
            Self::ReserveWithdrawn { id, .. } => format!("reserve_withdrawn/{id}"),
            Self::QuoteAccepted { job, .. } => return Once::job(*job),
            Self::ToppedUp { job, part, .. } => return Once::topped_up(*job, *part),
            Self::CarryRaised { job, part, .. } => return Once::carry_raised(*job, *part),
            Self::LeaseVerified { verified, .. } => return Once::lease(verified.lease()),
            Self::LeaseHeld { lease, case } => return Once::held(*lease, *case),
            Self::LeaseReleased { lease, case, .. } => return Once::released(*lease, *case),
            Self::LeaseReversed { lease } => return Once::reversed(*lease),
            Self::JobEnded { job, part } => return Once::ended(*job, *part),
            Self::EpochOpened { epoch, .. } => return Once::epoch(*epoch),
            Self::EpochCancelled { epoch } => return Once::cancelled(*epoch),
            Self::LeafPaid { epoch, node } => format!("leaf_paid/{epoch}/{node}"),
            Self::LeafSkipped { epoch, node } => format!("leaf_skipped/{epoch}/{node}"),
            Self::StakeAdded { id, .. } => format!("stake_added/{id}"),
            Self::StakeWithdrawn { id, .. } => format!("stake_withdrawn/{id}"),
            Self::Slashed { lease, generation, .. } => format!("slashed/{lease}/{}", generation.0),
            Self::BondFunded { id, .. } => format!("bond_funded/{id}"),
            Self::BondWithdrawn { id, .. } => format!("bond_withdrawn/{id}"),
            Self::Compensated { lease, .. } => return Once::compensated(*lease),
            Self::StreamFunded { stream, part, .. } => return Once::funded(*stream, *part),
            Self::SegmentsDelivered { delivered, part, .. } => {
                return Once::delivered(delivered.lease(), *part);
            }
            Self::StreamEnded { stream } => return Once::stream_ended(*stream),
        })
    }
}

/// A cause in short: a store keeps it unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Once(String);

impl Once {
    /// Its text: printable, and at most 256 bytes where the `id` was within its limit.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// That a job's quote was accepted.
    pub fn job(job: JobId) -> Self {
        Self(format!("job/{job}"))
    }

    /// That a lease was verified.
    pub fn lease(lease: LeaseId) -> Self {
        Self(format!("lease/{lease}"))
    }

    /// That an epoch was opened.
    pub fn epoch(epoch: u64) -> Self {
        Self(format!("epoch/{epoch}"))
    }

    /// That a job ended, and how often the rest was returned before.
    pub fn ended(job: JobId, part: u32) -> Self {
        Self(format!("ended/{job}/{part}"))
    }

    pub(crate) fn topped_up(job: JobId, part: u32) -> Self {
        Self(format!("topped_up/{job}/{part}"))
    }

    pub(crate) fn carry_raised(job: JobId, part: u32) -> Self {
        Self(format!("carry_raised/{job}/{part}"))
    }

    pub(crate) fn held(lease: LeaseId, case: u32) -> Self {
        Self(format!("held/{lease}/{case}"))
    }

    pub(crate) fn released(lease: LeaseId, case: u32) -> Self {
        Self(format!("released/{lease}/{case}"))
    }

    pub(crate) fn reversed(lease: LeaseId) -> Self {
        Self(format!("reversed/{lease}"))
    }

    pub(crate) fn compensated(lease: LeaseId) -> Self {
        Self(format!("compensated/{lease}"))
    }

    pub(crate) fn cancelled(epoch: u64) -> Self {
        Self(format!("cancelled/{epoch}"))
    }

    /// That a stream is over.
    pub fn stream_ended(stream: StreamId) -> Self {
        Self(format!("stream_ended/{stream}"))
    }

    pub(crate) fn funded(stream: StreamId, part: u32) -> Self {
        Self(format!("stream_funded/{stream}/{part}"))
    }

    pub(crate) fn delivered(lease: LeaseId, part: u32) -> Self {
        Self(format!("delivered/{lease}/{part}"))
    }
}

impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, counted from 1.
    pub number: u64,
    /// Why.
    pub cause: Cause,
    /// What followed.
    pub postings: Vec<Posting>,
}
