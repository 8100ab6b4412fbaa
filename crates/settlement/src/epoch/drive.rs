//! Doing what the plan says, until there is something to wait for.

use super::plan::{Action, ChainView, End, EpochPlan, Next, PlanError, Wait, abandon, next};
use crate::abi::account::Job;
use crate::abi::instruction::OpenEpoch;
use crate::accounts::{self, Account, DecodeError};
use crate::chain::{CLOCK, time_in};
use crate::chain::{Chain, ChainError, Outbox, Outcome, Receipt, Refused, SendError, Sender, Step};
use crate::instruction::FarmAddresses;
use futures::{StreamExt, stream};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeSet;

/// Transactions under way at the same time: on a public chain each takes some 15 s to be final.
const AT_ONCE: usize = 8;

/// Who signs.
#[derive(Debug, Clone)]
pub struct Keys<'a> {
    /// Pays fees, and the epoch account's rent, which comes back.
    pub payer: &'a Keypair,
    /// The farm's authority.
    pub authority: &'a Keypair,
    /// Guardians whose keys are at hand.
    pub guardians: Vec<&'a Keypair>,
}

/// Takes a farm's epochs through their steps.
pub struct Driver<'a, O> {
    /// Where.
    pub chain: &'a Chain,
    /// Through which outbox.
    pub sender: &'a Sender<O>,
    /// Which farm.
    pub farm: FarmAddresses,
    /// Who signs.
    pub keys: Keys<'a>,
    /// Which try to pay what could not be paid: a run whose accounts could not be paid is pushed
    /// again only under another number.
    pub round: u32,
}

/// A step that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its name.
    pub name: String,
    /// Its transaction.
    pub receipt: Receipt,
}

/// Where an epoch stands when there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It waits.
    Waits(Wait),
    /// It has ended.
    Ended(End),
}

/// What was done, and where that led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The steps that ended in this call, those begun by earlier ones too.
    pub done: Vec<Done>,
    /// Pushes that the chain refused; their runs stay claimable.
    pub refused: Vec<(String, Refused)>,
    /// Where it stands now.
    pub stand: Stand,
}

/// Why an epoch cannot go on. Whatever was sent is found again by the next call.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It is not known how a step ended.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The plan does not fit what is on the chain.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An account is none of the program's.
    #[error("the account {address} of {what} cannot be read: {why}")]
    Account {
        /// Of what.
        what: &'static str,
        /// Where.
        address: Address,
        /// Why not.
        why: String,
    },
    /// The chain refuses a step.
    #[error("the chain refuses step {step}: {refused}")]
    Refused {
        /// The step.
        step: String,
        /// Why.
        refused: Refused,
    },
    /// A step is done, by the outbox, and the chain does not show it.
    #[error(
        "step {step} was done before, but this chain knows nothing of it: is it another chain than \
         the one that was settled on?"
    )]
    NoEffect {
        /// The step.
        step: String,
    },
    /// The chain does not execute a step.
    #[error("step {step} was sent again and again and not executed; the network may be full")]
    Expired {
        /// The step.
        step: String,
    },
}

impl DriveError {
    /// Whether a job does not pay what the epoch needs of it: the epoch will never be funded, and is to be
    /// [abandoned](Driver::abandon).
    #[must_use]
    pub fn is_unfunded(&self) -> bool {
        match self {
            Self::Plan(error) => error.is_unfunded(),
            Self::Refused { step, .. } => step.contains("/draw/"),
            _ => false,
        }
    }
}

impl<O: Outbox> Driver<'_, O> {
    /// Takes the epoch as far as it goes now. Call it again when what it waits for has happened;
    /// one caller at a time for each farm.
    pub async fn advance(&self, plan: &EpochPlan) -> Result<Progress, DriveError> {
        let guardians: Vec<Address> = self.keys.guardians.iter().map(|key| key.pubkey()).collect();
        self.follow(plan, |view, passed| next(plan, view, &guardians, passed)).await
    }

    /// Takes an epoch off the chain that will never be funded ([`DriveError::is_unfunded`]): a job's escrow
    /// is gone. Its draws return to their jobs, and it ends as [`End::Cancelled`].
    pub async fn abandon(&self, plan: &EpochPlan) -> Result<Progress, DriveError> {
        self.follow(plan, |view, passed| abandon(plan, view, passed)).await
    }

    /// Does what `decide` says until there is nothing to do.
    async fn follow(
        &self,
        plan: &EpochPlan,
        decide: impl Fn(&ChainView, &BTreeSet<u32>) -> Result<Next, PlanError>,
    ) -> Result<Progress, DriveError> {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        let mut passed = BTreeSet::new();
        let mut refused_before = BTreeSet::new();
        // What was done must be seen before more is planned.
        let mut since_slot = 0;
        loop {
            let view = self.view(plan, since_slot).await?;
            let actions = match decide(&view, &passed)? {
                Next::Wait(wait) => return Ok(progress(done, refused, Stand::Waits(wait))),
                Next::End(end) => return Ok(progress(done, refused, Stand::Ended(end))),
                Next::Do(actions) => actions,
            };
            // Nobody would ever come out of here.
            let names = actions.iter().map(|action| self.name(plan, action));
            let mut again = names.filter(|name| done.iter().any(|done: &Done| done.name == *name));
            if let Some(step) = again.next() {
                return Err(DriveError::NoEffect { step });
            }
            // Made beforehand: a stream that makes them one by one cannot be sent between threads.
            let steps: Vec<_> = actions
                .iter()
                .map(|action| async move { (action, self.act(plan, action).await) })
                .collect();
            let mut under_way = stream::iter(steps).buffer_unordered(AT_ONCE);
            while let Some((action, outcome)) = under_way.next().await {
                let name = self.name(plan, action);
                let push =
                    if let Action::Push { start, .. } = action { Some(*start) } else { None };
                passed.extend(push);
                match outcome? {
                    Outcome::Finalised(receipt) => {
                        since_slot = since_slot.max(receipt.slot);
                        done.push(Done { name, receipt });
                    }
                    Outcome::Refused(words) if push.is_some() => refused.push((name, words)),
                    // Somebody else may have done it; then it is not asked for again.
                    Outcome::Refused(_) if refused_before.insert(name.clone()) => {}
                    Outcome::Refused(refused) => {
                        return Err(DriveError::Refused { step: name, refused });
                    }
                    Outcome::Expired => return Err(DriveError::Expired { step: name }),
                }
            }
        }
    }

    /// Closes a cancelled epoch's account, once its end is noted; the rent comes back. `None` where
    /// it is closed.
    pub async fn close_cancelled(&self, plan: &EpochPlan) -> Result<Option<Done>, DriveError> {
        let Some(epoch) = self.view(plan, 0).await?.epoch else { return Ok(None) };
        let close = Action::Close { rent: Address::new_from_array(epoch.head.rent_payer) };
        let name = self.name(plan, &close);
        match self.act(plan, &close).await? {
            Outcome::Finalised(receipt) => Ok(Some(Done { name, receipt })),
            Outcome::Refused(refused) => Err(DriveError::Refused { step: name, refused }),
            Outcome::Expired => Err(DriveError::Expired { step: name }),
        }
    }

    /// What the chain says of the epoch, in this slot or later.
    pub async fn view(&self, plan: &EpochPlan, since_slot: u64) -> Result<ChainView, DriveError> {
        let jobs = plan.draws().iter().map(|draw| self.farm.job(&draw.job));
        let addresses: Vec<Address> = [CLOCK, self.farm.farm, self.farm.epoch(plan.number())]
            .into_iter()
            .chain(jobs)
            .collect();
        let mut told = self.chain.accounts_since(&addresses, since_slot).await?.into_iter();
        let now_s = time_in(told.next().flatten().as_ref())?.unix_s;
        let mut read = addresses[1..].iter().zip(told).map(|(address, account)| {
            let account = account.filter(|account| !account.data.is_empty());
            let ours = account.filter(|account| account.owner == self.farm.program);
            match ours.map(|account| accounts::decode(&account.data)) {
                None | Some(Err(DecodeError::Absent)) => Ok((address, None)),
                Some(Ok(account)) => Ok((address, Some(account))),
                Some(Err(error)) => Err(unreadable("this epoch", address, &error.to_string())),
            }
        });
        let (address, farm) = read.next().unwrap_or(Ok((&self.farm.farm, None)))?;
        let Some(Account::Farm(farm)) = farm else {
            return Err(unreadable("the farm", address, "there is no farm; make it first"));
        };
        let epoch = match read.next().transpose()? {
            None | Some((_, None)) => None,
            Some((_, Some(Account::Epoch(epoch)))) => Some(epoch),
            Some((address, Some(_))) => {
                return Err(unreadable("the epoch", address, "it is something else"));
            }
        };
        let jobs = read
            .map(|job| match job? {
                (_, None) => Ok(None),
                (_, Some(Account::Job(job))) => Ok(Some(job)),
                (address, Some(_)) => Err(unreadable("a job", address, "it is something else")),
            })
            .collect::<Result<Vec<Option<Job>>, DriveError>>()?;
        Ok(ChainView { now_s, farm, epoch, jobs })
    }

    fn name(&self, plan: &EpochPlan, action: &Action) -> String {
        let name = action.name(plan.number());
        match (action, self.round) {
            (Action::Push { .. }, 1..) => format!("{name}/{}", self.round),
            _ => name,
        }
    }

    async fn act(&self, plan: &EpochPlan, action: &Action) -> Result<Outcome, SendError> {
        let Keys { payer, authority, guardians } = &self.keys;
        let signer = match action {
            Action::Open | Action::Draw { .. } | Action::Cancel => Some(*authority),
            Action::Approve(guardian) => {
                guardians.iter().copied().find(|key| key.pubkey() == *guardian)
            }
            Action::Seal | Action::Push { .. } | Action::Close { .. } | Action::Return { .. } => {
                None
            }
        };
        let mut signers = vec![*payer];
        signers.extend(signer.filter(|signer| signer.pubkey() != payer.pubkey()));
        let instructions = self.instructions(plan, action);
        let step = Step { name: self.name(plan, action), instructions, signers };
        self.sender.send(self.chain, &step).await
    }

    fn instructions(&self, plan: &EpochPlan, action: &Action) -> Vec<Instruction> {
        let (farm, number, tree) = (&self.farm, plan.number(), plan.tree());
        let payer = self.keys.payer.pubkey();
        match action {
            Action::Open => {
                let (root, total, leaf_count) = (tree.root(), tree.total(), tree.leaf_count());
                vec![farm.open_epoch(payer, OpenEpoch { number, root, total, leaf_count })]
            }
            Action::Draw { draws, .. } => {
                draws.iter().map(|draw| farm.draw(number, &draw.job, draw.amount)).collect()
            }
            Action::Approve(guardian) => vec![farm.approve_epoch(number, *guardian)],
            Action::Cancel => vec![farm.cancel_epoch(number)],
            Action::Seal => vec![farm.seal(number)],
            // No run, no instruction: the chain refuses an empty transaction.
            Action::Push { start, .. } => {
                tree.run(*start).map(|run| farm.push(number, &run)).into_iter().collect()
            }
            Action::Close { rent } => vec![farm.close_epoch(number, *rent)],
            Action::Return { jobs, .. } => {
                jobs.iter().map(|job| farm.return_draw(number, job)).collect()
            }
        }
    }
}

fn progress(done: Vec<Done>, refused: Vec<(String, Refused)>, stand: Stand) -> Progress {
    Progress { done, refused, stand }
}

fn unreadable(what: &'static str, address: &Address, why: &str) -> DriveError {
    DriveError::Account { what, address: *address, why: why.to_string() }
}
