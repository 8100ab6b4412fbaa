//! What is to be done next: a pure function of the plan and of what the chain says.

use crate::abi::account::{Epoch, EpochState, Farm, Job};
use crate::abi::{Id, PUSH_LEAVES};
use crate::accounts::EpochAccount;
use crate::instruction::FarmAddresses;
use crate::tree::{Payout, PayoutTree, TreeError};
use solana_address::Address;
use std::collections::BTreeSet;
use std::fmt;

/// Draws, and returns of draws, in one transaction: more jobs do not fit into it.
pub const DRAWS_AT_ONCE: usize = 16;
/// The most leaves of one epoch. The program takes more, but then the accounts and the proof of a
/// push leave no room in a transaction for what offers a price for priority.
pub const LEAVES_MAX: usize = 1_024;

/// What one job pays to an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The job or stream.
    pub job: Id,
    /// In base units, not 0.
    pub amount: u64,
}

/// An epoch as it shall be. It must not change once it is open: the chain has its root.
#[derive(Debug, Clone)]
pub struct EpochPlan {
    number: u64,
    draws: Vec<Draw>,
    tree: PayoutTree,
}

/// Why something is no plan, or not that of the epoch on the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The leaves make no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Too many leaves for one epoch.
    #[error(
        "an epoch pays at most {LEAVES_MAX} payees, and these are {0}: leave some for the next"
    )]
    TooManyLeaves(usize),
    /// A draw of nothing, or two from one job.
    #[error("job {} is to be drawn from twice, or for nothing", Hex(.0))]
    BadDraw(Id),
    /// Draws and leaves do not match.
    #[error("the draws add up to {drawn} base units, and the payouts to {paid}")]
    Unbalanced {
        /// Sum of the draws.
        drawn: u128,
        /// Sum of the leaves.
        paid: u64,
    },
    /// The chain's epoch of this number is another.
    #[error("epoch {number} on the chain is not this plan's: its {what} differs")]
    OtherEpoch {
        /// Its number.
        number: u64,
        /// What differs.
        what: &'static str,
    },
    /// An epoch before this one was never opened.
    #[error("epoch {number} cannot be opened: the farm's next is {next}")]
    NotNext {
        /// The plan's number.
        number: u64,
        /// The farm's next.
        next: u64,
    },
    /// A job that must pay has no account.
    #[error("job {} has no escrow, so epoch {number} cannot draw from it", Hex(.job))]
    NoJob {
        /// The epoch.
        number: u64,
        /// The job.
        job: Id,
    },
    /// A job has less than it must pay.
    #[error(
        "job {} has {left} base units in escrow, and epoch {number} needs {amount} of it",
        Hex(.job)
    )]
    TooLittle {
        /// The epoch.
        number: u64,
        /// The job.
        job: Id,
        /// What is left in its escrow.
        left: u64,
        /// What it must pay.
        amount: u64,
    },
    /// The epoch has another draw of a job than planned.
    #[error("epoch {number} has drawn {drawn} base units from job {}, not {amount}", Hex(.job))]
    OtherDraw {
        /// The epoch.
        number: u64,
        /// The job.
        job: Id,
        /// What was drawn.
        drawn: u64,
        /// What was planned.
        amount: u64,
    },
}

struct Hex<'a>(&'a Id);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl EpochPlan {
    /// Plans epoch `number` of a farm: what its jobs pay, and who gets it. Both keep their order.
    pub fn new(
        farm: &FarmAddresses,
        number: u64,
        draws: Vec<Draw>,
        payouts: Vec<Payout>,
    ) -> Result<Self, PlanError> {
        if payouts.len() > LEAVES_MAX {
            return Err(PlanError::TooManyLeaves(payouts.len()));
        }
        let mut jobs = BTreeSet::new();
        for draw in &draws {
            if draw.amount == 0 || !jobs.insert(draw.job) {
                return Err(PlanError::BadDraw(draw.job));
            }
        }
        let tree = PayoutTree::new(&farm.epoch(number), payouts)?;
        let drawn = draws.iter().map(|draw| u128::from(draw.amount)).sum::<u128>();
        if drawn != u128::from(tree.total()) {
            return Err(PlanError::Unbalanced { drawn, paid: tree.total() });
        }
        Ok(Self { number, draws, tree })
    }

    /// The epoch's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What its jobs pay.
    #[must_use]
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// Who gets it.
    #[must_use]
    pub fn tree(&self) -> &PayoutTree {
        &self.tree
    }
}

/// What the chain says, as far as an epoch goes.
#[derive(Debug, Clone)]
pub struct ChainView {
    /// The chain's time, in seconds since 1970.
    pub now_s: i64,
    /// The farm.
    pub farm: Farm,
    /// The epoch; `None` where it has no account.
    pub epoch: Option<EpochAccount>,
    /// The jobs of the plan's draws, in their order.
    pub jobs: Vec<Option<Job>>,
}

/// One transaction to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the epoch.
    Open,
    /// Draw from jobs, the `chunk`th [`DRAWS_AT_ONCE`] of the plan.
    Draw {
        /// Counted from 0.
        chunk: usize,
        /// Those of them that are not drawn yet.
        draws: Vec<Draw>,
    },
    /// Have a guardian approve.
    Approve(Address),
    /// Take it back: it cannot be funded.
    Cancel,
    /// Make it payable.
    Seal,
    /// Pay a run of leaves.
    Push {
        /// The first of them.
        start: u32,
        /// Those not paid: bit `i` for the `i`th of the run.
        unpaid: u16,
    },
    /// Close what is paid.
    Close {
        /// Who paid the account's rent, and gets it back.
        rent: Address,
    },
    /// Give a cancelled epoch's draws back, of the `chunk`th [`DRAWS_AT_ONCE`] of the plan.
    Return {
        /// Counted from 0.
        chunk: usize,
        /// Those of them that are not given back yet.
        jobs: Vec<Id>,
    },
}

impl Action {
    /// The action's name in this epoch: the same for the same thing, whoever plans it.
    #[must_use]
    pub fn name(&self, epoch: u64) -> String {
        match self {
            Self::Open => format!("epoch/{epoch}/open"),
            Self::Draw { chunk, .. } => format!("epoch/{epoch}/draw/{chunk}"),
            Self::Approve(guardian) => format!("epoch/{epoch}/approve/{guardian}"),
            Self::Cancel => format!("epoch/{epoch}/cancel"),
            Self::Seal => format!("epoch/{epoch}/seal"),
            Self::Push { start, unpaid } => format!("epoch/{epoch}/push/{start}/{unpaid:04x}"),
            Self::Close { .. } => format!("epoch/{epoch}/close"),
            Self::Return { chunk, .. } => format!("epoch/{epoch}/return/{chunk}"),
        }
    }
}

/// What an epoch waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Another epoch of this farm must settle first.
    OtherEpoch(u64),
    /// The chain's time must reach this, in seconds since 1970.
    Until(i64),
    /// So many guardians more must approve.
    Guardians(u32),
    /// Its challenge must be resolved.
    Resolution,
}

/// How an epoch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All is paid, and its account closed; or it was closed before this look.
    Closed,
    /// Some leaves cannot be paid now: their accounts are closed, frozen or of another mint. Their
    /// money stays claimable.
    Unpayable(Vec<u32>),
    /// It is cancelled and all draws are back with their jobs. Its account is still there, so that
    /// this can be told from [`End::Closed`]; close it once that is noted.
    Cancelled,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These, in any order and at the same time.
    Do(Vec<Action>),
    /// Nothing before something happens.
    Wait(Wait),
    /// Nothing any more.
    End(End),
}

impl PlanError {
    /// Whether the money of a draw is not there: the epoch will never be funded.
    #[must_use]
    pub fn is_unfunded(&self) -> bool {
        matches!(self, Self::NoJob { .. } | Self::TooLittle { .. })
    }
}

/// What is to be done next. `guardians` are those whose keys are at hand; `passed` are the starts of
/// runs that were pushed since the caller began, and are not worth another try.
pub fn next(
    plan: &EpochPlan,
    view: &ChainView,
    guardians: &[Address],
    passed: &BTreeSet<u32>,
) -> Result<Next, PlanError> {
    let Some(epoch) = &view.epoch else {
        let absent = absent(plan, &view.farm)?;
        if absent == Next::Do(vec![Action::Open]) {
            covered(plan, view)?;
        }
        return Ok(absent);
    };
    same(plan, &epoch.head)?;
    match epoch.head.state {
        EpochState::Open => open(plan, view, &epoch.head, guardians),
        EpochState::Challenged => Ok(Next::Wait(Wait::Resolution)),
        EpochState::Payable => Ok(payable(epoch, passed)),
        EpochState::Cancelled => Ok(cancelled(plan, view)),
    }
}

/// What is to be done next with an epoch that will never be funded: it is opened where it was not, so that
/// its number is used on the chain as in the books, taken back, and its draws are returned. One that is
/// payable by now is paid.
pub fn abandon(
    plan: &EpochPlan,
    view: &ChainView,
    passed: &BTreeSet<u32>,
) -> Result<Next, PlanError> {
    let Some(epoch) = &view.epoch else { return absent(plan, &view.farm) };
    same(plan, &epoch.head)?;
    Ok(match epoch.head.state {
        EpochState::Open => Next::Do(vec![Action::Cancel]),
        EpochState::Challenged => Next::Wait(Wait::Resolution),
        EpochState::Payable => payable(epoch, passed),
        EpochState::Cancelled => cancelled(plan, view),
    })
}

/// What is to be done with an epoch that has no account.
fn absent(plan: &EpochPlan, farm: &Farm) -> Result<Next, PlanError> {
    let number = plan.number;
    match farm.next_epoch {
        next if next > number => Ok(Next::End(End::Closed)),
        next if next < number => Err(PlanError::NotNext { number, next }),
        _ if farm.settling != 0 => Ok(Next::Wait(Wait::OtherEpoch(farm.settling))),
        _ => Ok(Next::Do(vec![Action::Open])),
    }
}

/// That the epoch on the chain is the plan's.
fn same(plan: &EpochPlan, head: &Epoch) -> Result<(), PlanError> {
    let (number, tree) = (plan.number, &plan.tree);
    let other = |what| Err(PlanError::OtherEpoch { number, what });
    match () {
        () if head.number != number => other("number"),
        () if head.root != tree.root() => other("root"),
        () if head.total != tree.total() => other("total"),
        () if head.leaf_count != tree.leaf_count() => other("number of leaves"),
        () => Ok(()),
    }
}

/// That every job can pay, before an epoch is opened that would never be funded.
fn covered(plan: &EpochPlan, view: &ChainView) -> Result<(), PlanError> {
    let number = plan.number;
    for (draw, job) in plan.draws.iter().zip(&view.jobs) {
        let Draw { job: id, amount } = *draw;
        let job = job.as_ref().ok_or(PlanError::NoJob { number, job: id })?;
        let left = job.deposited.saturating_sub(job.drawn);
        if left < amount {
            return Err(PlanError::TooLittle { number, job: id, left, amount });
        }
    }
    Ok(())
}

fn open(
    plan: &EpochPlan,
    view: &ChainView,
    head: &Epoch,
    guardians: &[Address],
) -> Result<Next, PlanError> {
    let mut actions = draws_missing(plan, view)?;
    let rules = &view.farm.rules;
    let approved = head.approvals.count_ones();
    let missing = u32::from(rules.threshold).saturating_sub(approved);
    let known = rules.guardians.iter().take(usize::from(rules.guardian_count));
    let at_hand = known
        .enumerate()
        .filter(|(place, _)| head.approvals & (1 << place) == 0)
        .map(|(_, key)| Address::new_from_array(*key))
        .filter(|guardian| guardians.contains(guardian))
        .take(missing as usize);
    actions.extend(at_hand.map(Action::Approve));
    Ok(match (actions.is_empty(), view.now_s < head.deadline) {
        (false, _) => Next::Do(actions),
        (true, true) => Next::Wait(Wait::Until(head.deadline)),
        (true, false) if missing > 0 => Next::Wait(Wait::Guardians(missing)),
        (true, false) => Next::Do(vec![Action::Seal]),
    })
}

fn draws_missing(plan: &EpochPlan, view: &ChainView) -> Result<Vec<Action>, PlanError> {
    let number = plan.number;
    let mut actions = Vec::new();
    let chunks = plan.draws.chunks(DRAWS_AT_ONCE).zip(view.jobs.chunks(DRAWS_AT_ONCE));
    for (chunk, (planned, jobs)) in chunks.enumerate() {
        let mut draws = Vec::new();
        for (draw, job) in planned.iter().zip(jobs) {
            let Draw { job: id, amount } = *draw;
            let job = job.as_ref().ok_or(PlanError::NoJob { number, job: id })?;
            if job.last_epoch != number {
                draws.push(*draw);
            } else if job.last_draw != amount {
                let drawn = job.last_draw;
                return Err(PlanError::OtherDraw { number, job: id, drawn, amount });
            }
        }
        if !draws.is_empty() {
            actions.push(Action::Draw { chunk, draws });
        }
    }
    Ok(actions)
}

fn payable(epoch: &EpochAccount, passed: &BTreeSet<u32>) -> Next {
    let (mut actions, mut unpaid_leaves) = (Vec::new(), Vec::new());
    for start in (0..epoch.head.leaf_count).step_by(PUSH_LEAVES) {
        let end = epoch.head.leaf_count.min(start + PUSH_LEAVES as u32);
        let unpaid: Vec<u32> = (start..end).filter(|&index| !epoch.is_paid(index)).collect();
        if !unpaid.is_empty() && !passed.contains(&start) {
            let unpaid = unpaid.iter().fold(0, |mask, index| mask | 1 << (index - start));
            actions.push(Action::Push { start, unpaid });
        }
        unpaid_leaves.extend(unpaid);
    }
    match (actions.is_empty(), unpaid_leaves.is_empty()) {
        (false, _) => Next::Do(actions),
        (true, true) => {
            let rent = Address::new_from_array(epoch.head.rent_payer);
            Next::Do(vec![Action::Close { rent }])
        }
        (true, false) => Next::End(End::Unpayable(unpaid_leaves)),
    }
}

fn cancelled(plan: &EpochPlan, view: &ChainView) -> Next {
    let mut actions = Vec::new();
    let chunks = plan.draws.chunks(DRAWS_AT_ONCE).zip(view.jobs.chunks(DRAWS_AT_ONCE));
    for (chunk, (planned, jobs)) in chunks.enumerate() {
        let held = |job: &&Option<Job>| {
            job.as_ref().is_some_and(|job| job.last_epoch == plan.number && job.last_draw > 0)
        };
        let jobs: Vec<Id> = planned
            .iter()
            .zip(jobs)
            .filter(|(_, job)| held(job))
            .map(|(draw, _)| draw.job)
            .collect();
        if !jobs.is_empty() {
            actions.push(Action::Return { chunk, jobs });
        }
    }
    if actions.is_empty() { Next::End(End::Cancelled) } else { Next::Do(actions) }
}
