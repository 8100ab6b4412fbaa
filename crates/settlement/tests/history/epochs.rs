//! Epochs: opened in the books, taken step by step on the chain as the master's planner says, and noted in
//! the books as the chain says.

use crate::history::{Epoch, History};
use crate::world::*;
use std::collections::BTreeSet;
use tessera_ledger::{Account, Cause, EpochPlan, Purse, epoch_leaves};
use tessera_protocol::{Amount, JobId};
use tessera_settlement::abi::PUSH_LEAVES;
use tessera_settlement::abi::account::EpochState;
use tessera_settlement::abi::instruction::OpenEpoch;
use tessera_settlement::epoch::plan::{abandon, next};
use tessera_settlement::epoch::{self, Action, ChainView, Draw, End, Next, Wait};
use tessera_settlement::tokens;
use tessera_settlement::tree::Payout;

/// Hash of a challenger's reasons.
const REASON: [u8; 32] = [9; 32];

fn escrow(purse: Purse) -> [u8; 16] {
    match purse {
        Purse::Job(job) => job.0,
        Purse::Reserve => RESERVE_ID,
        Purse::Stream(stream) => stream.0,
    }
}

fn purse(escrow: [u8; 16]) -> Purse {
    let stream = (0..STREAMS).map(stream).find(|stream| stream.0 == escrow);
    match stream {
        Some(stream) => Purse::Stream(stream),
        None if escrow == RESERVE_ID => Purse::Reserve,
        None => Purse::Job(JobId(escrow)),
    }
}

/// What the chain is told of a plan of the books, in the order of the books.
pub(crate) fn told(plan: &EpochPlan) -> (Vec<Draw>, Vec<Payout>) {
    let draw = |draw: &tessera_ledger::epoch::Draw| Draw {
        job: escrow(draw.purse),
        amount: draw.amount.0,
    };
    let payout = |leaf: &tessera_ledger::Leaf| Payout {
        payee: Who::of(leaf.node).tokens(),
        amount: leaf.amount.0,
    };
    (plan.draws.iter().map(draw).collect(), plan.leaves.iter().map(payout).collect())
}

impl Epoch {
    pub(crate) fn new(number: u64, draws: Vec<Draw>, payouts: Vec<Payout>) -> Self {
        let chain = epoch::EpochPlan::new(&farm(), number, draws, payouts).expect("a plan");
        let (opened, drawn, sealed, given_up) = (false, BTreeSet::new(), false, false);
        Self { chain, opened, drawn, sealed, given_up, passed: BTreeSet::new() }
    }
}

impl History {
    /// Opens the next epoch in the books.
    pub(crate) fn open_epoch(&mut self) -> Option<()> {
        let floor = Amount(self.dice.below(3) * 100);
        self.open_epoch_above(floor)
    }

    pub(crate) fn open_epoch_above(&mut self, floor: Amount) -> Option<()> {
        if self.running.is_some() {
            return None;
        }
        let (number, plan) = (self.epochs + 1, epoch_leaves(self.ledger.books.balances(), floor)?);
        let (draws, payouts) = told(&plan);
        self.ledger.must(Cause::EpochOpened { epoch: number, plan });
        self.epochs = number;
        self.running = Some(Epoch::new(number, draws, payouts));
        self.done("epoch opened in the books")
    }

    /// Mostly the master goes on with it; sometimes somebody interferes.
    pub(crate) fn of_the_epoch(&mut self) -> Option<()> {
        match self.dice.below(24) {
            0..=2 => self.challenge(),
            3 => self.give_up(),
            4 => self.leave_alone(),
            5 => self.close_job(),
            _ => self.advance(),
        }
    }

    /// Does the next thing that the planner says.
    pub(crate) fn advance(&mut self) -> Option<()> {
        let mut epoch = self.running.take()?;
        let next = self.next(&epoch);
        let kind = match next {
            Next::Do(actions) => {
                let at = self.dice.below(actions.len() as u64) as usize;
                self.act(&mut epoch, &actions[at])
            }
            Next::Wait(Wait::Until(time)) => {
                self.world.pass(time - self.world.time());
                "window passed"
            }
            Next::Wait(Wait::Resolution) => self.resolve(epoch.number()),
            Next::Wait(wait) => panic!("nobody else is waited for: {wait:?}"),
            Next::End(End::Unpayable(_)) => {
                self.unpaid.push(epoch);
                return self.done("epoch left with leaves unpaid");
            }
            Next::End(End::Cancelled) => {
                self.ledger.must(Cause::EpochCancelled { epoch: epoch.number() });
                self.must(farm().close_epoch(epoch.number(), Who::Anyone.address()));
                return self.done("epoch cancelled");
            }
            Next::End(End::Closed) => panic!("nobody else closes it"),
        };
        if kind != "epoch closed" {
            self.running = Some(epoch);
        }
        self.done(kind)
    }

    fn next(&self, epoch: &Epoch) -> Next {
        let jobs = epoch.chain.draws().iter().map(|draw| match purse(draw.job) {
            Purse::Job(job) => self.world.job_now(&PLACES.job(job.0[0] - 1)),
            Purse::Stream(stream) => self.world.job_now(&PLACES.stream(stream.0[0] - 0x80)),
            Purse::Reserve => self.world.job_now(&PLACES.reserve),
        });
        let view = ChainView {
            now_s: self.world.time(),
            farm: self.world.farm_now(),
            epoch: self.world.epoch_now(epoch.number()),
            jobs: jobs.collect(),
        };
        let next = match epoch.given_up {
            true => abandon(&epoch.chain, &view, &epoch.passed),
            false => next(&epoch.chain, &view, &[], &epoch.passed),
        };
        next.unwrap_or_else(|error| panic!("epoch {}: {error}", epoch.number()))
    }

    fn act(&mut self, epoch: &mut Epoch, action: &Action) -> &'static str {
        let (number, rent) = (epoch.number(), Who::Anyone.address());
        match action {
            Action::Open => {
                let tree = epoch.chain.tree();
                let (root, total, leaf_count) = (tree.root(), tree.total(), tree.leaf_count());
                self.must(farm().open_epoch(rent, OpenEpoch { number, root, total, leaf_count }));
                epoch.opened = true;
                self.opened_on_chain += 1;
                "epoch opened on the chain"
            }
            Action::Draw { draws, .. } => self.draw(epoch, draws),
            Action::Return { jobs, .. } => {
                let some = self.some_of(jobs);
                let returns: Vec<_> =
                    some.iter().map(|job| farm().return_draw(number, job)).collect();
                self.world.must(&returns);
                for job in some {
                    epoch.drawn.remove(&purse(*job));
                }
                "draws returned"
            }
            Action::Seal => {
                self.must(farm().seal(number));
                epoch.sealed = true;
                "sealed"
            }
            Action::Cancel => {
                self.must(farm().cancel_epoch(number));
                "cancelled by the master"
            }
            Action::Push { start, .. } => self.push(epoch, *start),
            Action::Close { rent } => {
                self.must(farm().close_epoch(number, *rent));
                "epoch closed"
            }
            Action::Approve(guardian) => panic!("there is no guardian {guardian}"),
        }
    }

    /// All of them, or only the first so many: what is left is done the next time.
    fn some_of<'a, T>(&mut self, all: &'a [T]) -> &'a [T] {
        let whole = all.len() as u64;
        let count = if self.dice.rarely(3) { 1 + self.dice.below(whole) } else { whole };
        &all[..count as usize]
    }

    fn draw(&mut self, epoch: &mut Epoch, draws: &[Draw]) -> &'static str {
        let some = self.some_of(draws);
        let draw = |draw: &Draw| farm().draw(epoch.number(), &draw.job, draw.amount);
        self.world.must(&some.iter().map(draw).collect::<Vec<_>>());
        epoch.drawn.extend(some.iter().map(|draw| purse(draw.job)));
        if some.len() == draws.len() { "drawn" } else { "drawn in part" }
    }

    fn push(&mut self, epoch: &mut Epoch, start: u32) -> &'static str {
        let run = epoch.chain.tree().run(start).expect("a run");
        self.must(farm().push(epoch.number(), &run));
        epoch.passed.insert(start);
        let skipped = self.book_leaves(epoch, start..start + PUSH_LEAVES as u32);
        match (start, skipped) {
            (0, 0) => "pushed",
            (0, _) => "pushed, with leaves skipped",
            _ => "another run pushed",
        }
    }

    /// Books what became of these leaves: how many were skipped.
    fn book_leaves(&mut self, epoch: &Epoch, leaves: std::ops::Range<u32>) -> u32 {
        let number = epoch.number();
        let account = self.world.epoch_now(number).expect("it is not closed");
        let nodes = self.ledger.plan(number).leaves.iter().map(|leaf| leaf.node);
        let nodes: Vec<_> = (0..).zip(nodes).filter(|(index, _)| leaves.contains(index)).collect();
        let mut skipped = 0;
        for (index, node) in nodes {
            let in_epoch = self.ledger.has(Account::InEpoch { epoch: number, node });
            let waits = in_epoch + self.ledger.has(Account::Claimable { epoch: number, node });
            if account.is_paid(index) && waits > 0 {
                self.ledger.must(Cause::LeafPaid { epoch: number, node });
            } else if in_epoch > 0 {
                self.ledger.must(Cause::LeafSkipped { epoch: number, node });
                skipped += 1;
            }
        }
        skipped
    }

    // --- who interferes ---------------------------------------------------------------------------

    fn is_open(&self) -> Option<u64> {
        let number = self.running.as_ref()?.number();
        let head = self.world.epoch_now(number)?.head;
        (head.state == EpochState::Open).then_some(number)
    }

    fn challenge(&mut self) -> Option<()> {
        let number = self.is_open()?;
        let deadline = self.world.epoch_now(number)?.head.deadline;
        let n = self.dice.one_of(STAKING);
        if self.world.time() >= deadline || self.world.node_now(n).stake == 0 {
            return None;
        }
        let who = Who::Node(n);
        self.must(farm().challenge(number, who.address(), who.tokens(), REASON));
        self.challenger = Some(n);
        *self.put_up.entry(n).or_default() += CHALLENGE_BOND;
        self.done("challenged")
    }

    /// The books hear of a challenger's bond when it is known whose it is.
    fn resolve(&mut self, number: u64) -> &'static str {
        let n = self.challenger.take().expect("a challenger");
        let (who, upheld) = (Who::Node(n), self.dice.rarely(2));
        let deciding = [Who::Operator.address()];
        self.must(farm().resolve(number, who.address(), upheld, &deciding));
        if upheld {
            self.give_bond_to(n, true);
            return "challenge upheld";
        }
        let (id, amount) = (self.id("challenge/"), Amount(CHALLENGE_BOND));
        self.ledger.must(Cause::BondFunded { id, amount });
        self.model.challenge_rejected(n);
        "challenge rejected"
    }

    /// A challenger's bond becomes stake of it, with a reward out of the operator's.
    fn give_bond_to(&mut self, n: u8, rewarded: bool) {
        let most = if rewarded { CHALLENGE_BOND } else { 0 };
        let reward = self.ledger.has(Account::Bond).min(most);
        if reward > 0 {
            let (id, amount) = (self.id("challenge/"), Amount(reward));
            self.ledger.must(Cause::BondWithdrawn { id, amount });
        }
        let (id, amount) = (self.id("challenge/"), Amount(CHALLENGE_BOND + reward));
        self.ledger.must(Cause::StakeAdded { id, node: Who::Node(n).id(), amount });
        self.model.challenge_upheld(n, rewarded);
    }

    /// The master takes an epoch back, which it may not have opened yet.
    fn give_up(&mut self) -> Option<()> {
        let epoch = self.running.as_mut().filter(|epoch| !epoch.sealed && !epoch.given_up)?;
        epoch.given_up = true;
        self.done("epoch given up")
    }

    /// Nobody does anything for so long that anybody may cancel it.
    fn leave_alone(&mut self) -> Option<()> {
        let number = self.running.as_ref()?.number();
        let state = self.world.epoch_now(number)?.head.state;
        if !matches!(state, EpochState::Open | EpochState::Challenged) {
            return None;
        }
        let challenger = self.challenger.take();
        self.world.pass(ABANDONED);
        self.must(farm().cancel_abandoned(number, challenger.map(|n| Who::Node(n).address())));
        if let Some(n) = challenger {
            self.give_bond_to(n, false);
        }
        self.done("cancelled by anybody")
    }

    // --- leaves that could not be paid ------------------------------------------------------------

    pub(crate) fn of_unpaid_leaves(&mut self) -> Option<()> {
        let at = self.dice.below(self.unpaid.len().max(1) as u64) as usize;
        let epoch = self.unpaid.get(at)?;
        let number = epoch.number();
        let waits: Vec<(u32, Who)> = (0..)
            .zip(&self.ledger.plan(number).leaves)
            .filter(|(_, leaf)| {
                self.ledger.has(Account::Claimable { epoch: number, node: leaf.node }) > 0
            })
            .map(|(index, leaf)| (index, Who::of(leaf.node)))
            .collect();
        let Some((index, who)) = self.dice.pick(&waits) else {
            self.unpaid.remove(at);
            self.must(farm().close_epoch(number, Who::Anyone.address()));
            return self.done("epoch closed after claims");
        };
        if !self.world.has_account(&who.tokens()) {
            let payer = Who::Anyone.address();
            self.must(tokens::make_associated(payer, &who.address(), &farm().mint));
            return self.done("token account made");
        }
        let epoch = self.unpaid.remove(at);
        let kind = if self.dice.rarely(2) {
            let tree = epoch.chain.tree();
            let proof = tree.proof(index).expect("a leaf");
            self.must(farm().claim(number, index, tree.payouts()[index as usize], &proof));
            "claimed"
        } else {
            let start = index / PUSH_LEAVES as u32 * PUSH_LEAVES as u32;
            let run = epoch.chain.tree().run(start).expect("a run");
            self.must(farm().push(number, &run));
            "pushed again"
        };
        self.book_leaves(&epoch, 0..u32::MAX);
        self.unpaid.push(epoch);
        self.done(kind)
    }
}
