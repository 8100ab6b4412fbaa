//! What people do: payers, nodes, and the master with their jobs and leases.

use crate::books::{OWN, Work, lease, receipt, two_commits};
use crate::history::{History, Job, Lease};
use crate::model::{FEE_BPS, pay};
use crate::world::*;
use solana_address::Address;
use tessera_ledger::{Account, CarryTerms, Cause, FeeTerms, LedgerError, Purse, Share};
use tessera_protocol::{Amount, Generation, RayPrice, SceneFactor};
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::share;
use tessera_settlement::instruction::{LeaseOf, signature_check};

/// How far the reserve carries a job.
const CARRY: CarryTerms = CarryTerms { job_permille: 200, payer_most: Amount(800) };

/// What becomes of a refund too early.
const IN_WINDOW: &str = "refused: refund in the window";

/// Nodes that do most of the work.
const WORKERS: u8 = 6;

impl History {
    /// Something that somebody tries; `None` where it could not be.
    pub(crate) fn step(&mut self) -> Option<()> {
        if self.running.is_some() && self.dice.below(100) < 50 {
            return self.of_the_epoch();
        }
        match self.dice.below(56) {
            0..=4 => self.open_job(),
            5..=6 => self.top_up(),
            7 => self.raise_carry(),
            8 => self.fund_reserve(),
            9..=19 => {
                let (node, rays) = (self.dice.one_of(WORKERS), self.dice.below(200));
                self.verify(node, rays)
            }
            20 => self.crowd(),
            21..=24 => self.of_a_lease(),
            25..=26 => self.end_job(),
            27..=28 => self.close_job(),
            29..=36 => self.open_epoch(),
            37..=38 => self.stake(),
            39 => self.unstake(),
            40 => self.slash(),
            41..=52 => self.of_a_stream(),
            _ => self.of_unpaid_leaves(),
        }
    }

    // --- jobs -------------------------------------------------------------------------------------

    /// A deposit, and mostly a quote that is accepted.
    fn open_job(&mut self) -> Option<()> {
        let number = u8::try_from(self.jobs.len()).ok().filter(|number| *number < JOBS)?;
        let (payer, ceiling) = (self.dice.one_of(PAYERS), 100 + self.dice.below(2_000));
        let more = if self.dice.rarely(4) { self.dice.below(50) } else { 0 };
        let quoted = !self.dice.rarely(10);
        self.deposit_first(number, payer, ceiling + more);
        if quoted {
            self.ledger.must(Cause::QuoteAccepted {
                job: job(number),
                payer: crate::world::payer(payer),
                ceiling: Amount(ceiling),
                carry: CARRY,
                fee: FeeTerms { bps: FEE_BPS, to: Who::Operator.id() },
            });
            self.model.quoted(number, payer, ceiling);
        }
        let (topped_up, carry_raised, ended, closed) = (0, 0, 0, false);
        self.jobs.push(Job { number, payer, quoted, topped_up, carry_raised, ended, closed });
        self.done(if quoted { "job opened" } else { "deposit without a quote" })
    }

    fn deposit_first(&mut self, number: u8, payer: u8, amount: u64) {
        let open = self.world.opening(job(number).0, Who::Payer(payer), amount);
        self.must(open);
        self.book_deposit(number, payer, amount);
    }

    fn book_deposit(&mut self, number: u8, payer: u8, amount: u64) {
        let id = self.id(&format!("{}/", job(number)));
        let payer = crate::world::payer(payer);
        self.ledger.must(Cause::Deposited { id, payer, amount: Amount(amount) });
    }

    /// One of the jobs that are as asked.
    fn some_job(&mut self, is: impl Fn(&Job) -> bool) -> Option<usize> {
        let those: Vec<usize> = (0..self.jobs.len()).filter(|at| is(&self.jobs[*at])).collect();
        self.dice.pick(&those)
    }

    /// More money for a job: for its ceiling, or for nothing.
    fn top_up(&mut self) -> Option<()> {
        let at = self.some_job(|job| !job.closed)?;
        let Job { number, payer, quoted, topped_up: part, ended, .. } = self.jobs[at];
        let amount = 1 + self.dice.below(400);
        let add = farm().top_up(Who::Payer(payer).source(), &job(number).0, amount);
        self.must(add);
        self.book_deposit(number, payer, amount);
        if !quoted || ended > 0 || self.dice.rarely(4) {
            return self.done("deposit beyond the ceiling");
        }
        self.ledger.must(Cause::ToppedUp { job: job(number), part, amount: Amount(amount) });
        self.model.topped_up(number, amount);
        self.jobs[at].topped_up += 1;
        self.done("topped up")
    }

    fn raise_carry(&mut self) -> Option<()> {
        let at = self.some_job(|job| job.quoted && job.ended == 0)?;
        let Job { number, carry_raised: part, .. } = self.jobs[at];
        let amount = Amount((1 + self.dice.below(300)).min(self.ledger.has(Account::Reserve)));
        if amount.is_zero() {
            return None;
        }
        self.ledger.must(Cause::CarryRaised { job: job(number), part, amount });
        self.jobs[at].carry_raised += 1;
        self.done("carry raised")
    }

    fn fund_reserve(&mut self) -> Option<()> {
        let (id, amount) = (self.id(OWN), 1 + self.dice.below(1_000));
        let add = farm().top_up(Who::Operator.source(), &RESERVE_ID, amount);
        self.must(add);
        self.ledger.must(Cause::ReserveFunded { id, amount: Amount(amount) });
        self.done("reserve funded")
    }

    fn end_job(&mut self) -> Option<()> {
        let at = self.some_job(|job| job.quoted && !job.closed)?;
        let Job { number, ended, .. } = self.jobs[at];
        let brought_back = self.ledger.has(Account::Escrow(job(number)))
            + self.ledger.has(Account::Carry(job(number)));
        if ended > 0 && brought_back == 0 {
            return None;
        }
        self.end_job_at(at)
    }

    pub(crate) fn end_job_at(&mut self, at: usize) -> Option<()> {
        let Job { number, ended: part, .. } = self.jobs[at];
        self.ledger.must(Cause::JobEnded { job: job(number), part });
        self.model.ended(number, part);
        self.jobs[at].ended += 1;
        self.done(if part == 0 { "job ended" } else { "job ended again" })
    }

    pub(crate) fn close_job(&mut self) -> Option<()> {
        let at = self.some_job(|job| !job.closed && (job.ended > 0 || !job.quoted))?;
        self.close_job_at(at)
    }

    /// Refunds what a job has left, once nothing is owed out of it. The chain itself refuses while an
    /// epoch that drew from it is in its window.
    pub(crate) fn close_job_at(&mut self, at: usize) -> Option<()> {
        let Job { number, payer, .. } = self.jobs[at];
        let purse = Purse::Job(job(number));
        let escrow = (job(number).0, PLACES.job(number));
        let closed = self.close_escrow(purse, escrow, payer, &job(number).to_string())?;
        self.jobs[at].closed = closed != IN_WINDOW;
        self.done(closed)
    }

    /// Refunds what an escrow has left, once nothing is owed out of it: what became of that.
    pub(crate) fn close_escrow(
        &mut self,
        purse: Purse,
        (escrow, at): ([u8; 16], Address),
        payer: u8,
        name: &str,
    ) -> Option<&'static str> {
        let who = Who::Payer(payer);
        let close = farm().end_job(&escrow, who.tokens(), Who::Anyone.address());
        if let Some(running) = self.running.as_ref().filter(|running| !running.sealed) {
            if running.drawn.contains(&purse) {
                self.world.refused(Refusal::JobInWindow, close);
                return Some(IN_WINDOW);
            }
            if running.chain.draws().iter().any(|draw| draw.job == escrow) {
                return None;
            }
        }
        let waits = |account: &Account| match *account {
            Account::Owed { purse: of, .. } | Account::Held { purse: of, .. } => of == purse,
            Account::Escrow(job) => Purse::Job(job) == purse,
            Account::Stream(stream) => Purse::Stream(stream) == purse,
            _ => false,
        };
        if self.ledger.any(waits) {
            return None;
        }
        let left = self.world.job_now(&at).expect("it is not closed");
        let rest = left.deposited - left.drawn;
        self.must(close);
        if rest == 0 {
            return Some("escrow closed with nothing left");
        }
        let (id, amount) = (self.id(&format!("{name}/refund/")), Amount(rest));
        self.ledger.must(Cause::Withdrawn { id, payer: crate::world::payer(payer), amount });
        Some("refunded")
    }

    // --- leases -----------------------------------------------------------------------------------

    /// A node's work counts.
    fn verify(&mut self, node: u8, rays: u64) -> Option<()> {
        let at = self.some_job(|job| job.quoted && job.ended == 0)?;
        let number = self.jobs[at].number;
        let work = Work {
            lease: lease(self.leased),
            job: job(number),
            node: Who::Node(node),
            rays,
            factor: SceneFactor(500 + self.dice.below(2_500) as u32),
            price: RayPrice(700_000_000 + self.dice.below(600_000_000)),
        };
        let held = self.dice.rarely(6);
        let taken = self.leased;
        self.leased += 1;
        match self.ledger.verify(&receipt(&work, pay(&work)), held, self.epochs + 1) {
            Ok(()) => {
                self.model.verified(taken, number, &work);
                self.leases.push(Lease { number: taken, case: 0, held });
                self.done(if held { "lease verified, held" } else { "lease verified" })
            }
            Err(LedgerError::OverrunRefused { .. }) => self.done("refused: overrun"),
            Err(error) => panic!("{work:?}: {error}"),
        }
    }

    /// Every node has work verified, so that an epoch has several runs of leaves.
    fn crowd(&mut self) -> Option<()> {
        self.some_job(|job| job.quoted && job.ended == 0)?;
        for node in 0..NODES {
            let rays = self.dice.below(20);
            self.verify(node, rays);
        }
        self.done("work of all nodes")
    }

    fn of_a_lease(&mut self) -> Option<()> {
        let at = self.dice.below(self.leases.len().max(1) as u64) as usize;
        let Lease { number, held, .. } = *self.leases.get(at)?;
        match (held, self.dice.rarely(3)) {
            (_, true) => {
                let posted = self.ledger.post(Cause::LeaseReversed { lease: lease(number) });
                if posted.is_ok() {
                    self.model.reversed(number);
                    self.leases.remove(at);
                }
                self.unless_settled(posted, "lease reversed")
            }
            (true, _) => self.release(at),
            (false, _) => {
                let case = self.leases[at].case + 1;
                let posted = self.ledger.post(Cause::LeaseHeld { lease: lease(number), case });
                if posted.is_ok() {
                    self.leases[at].case = case;
                    self.leases[at].held = true;
                }
                self.unless_settled(posted, "lease held")
            }
        }
    }

    pub(crate) fn release(&mut self, at: usize) -> Option<()> {
        let Lease { number, case, .. } = self.leases[at];
        let epoch = self.epochs + 1;
        self.ledger.must(Cause::LeaseReleased { lease: lease(number), case, epoch });
        self.leases[at].held = false;
        self.done("lease released")
    }

    /// What an epoch took is neither held nor reversed.
    fn unless_settled(
        &mut self,
        posted: Result<(), LedgerError>,
        kind: &'static str,
    ) -> Option<()> {
        match posted {
            Ok(()) => self.done(kind),
            Err(LedgerError::Misplaced { .. }) => self.done("refused: taken by an epoch"),
            Err(error) => panic!("{kind}: {error}"),
        }
    }

    // --- stakes -----------------------------------------------------------------------------------

    pub(crate) fn stake(&mut self) -> Option<()> {
        let (n, amount) = (self.dice.one_of(STAKING), 1 + self.dice.below(100));
        let (who, id) = (Who::Node(n), self.id(OWN));
        self.must(farm().stake(who.source(), who.address(), amount));
        self.ledger.must(Cause::StakeAdded { id, node: who.id(), amount: Amount(amount) });
        self.model.staked(n, amount);
        self.done("stake added")
    }

    fn unstake(&mut self) -> Option<()> {
        let n = self.dice.one_of(STAKING);
        let stake = self.world.node_now(n).stake;
        if stake == 0 {
            return None;
        }
        let amount = 1 + self.dice.below(stake);
        self.unstake_of(n, amount)
    }

    /// A node asks for stake, and takes it with all that it asked for before.
    pub(crate) fn unstake_of(&mut self, n: u8, amount: u64) -> Option<()> {
        let who = Who::Node(n);
        if amount > 0 {
            self.must(farm().request_unstake(who.address(), amount));
            self.done("stake asked back")?;
            // Not always is it fetched, so that what waits is slashed too.
            if self.dice.rarely(3) {
                return Some(());
            }
        }
        let (id, unlocking) = (self.id(OWN), self.world.node_now(n).unlocking);
        self.world.pass(COOLDOWN);
        self.must(farm().withdraw_stake(who.address(), who.tokens()));
        self.ledger.must(Cause::StakeWithdrawn { id, node: who.id(), amount: Amount(unlocking) });
        self.model.unstaked(n, unlocking);
        self.done("stake withdrawn")
    }

    /// A node signed two commits for one lease, and somebody shows both.
    fn slash(&mut self) -> Option<()> {
        let n = self.dice.one_of(STAKING);
        let before = self.world.node_now(n);
        let amount = share(before.stake + before.unlocking, SLASH_BPS);
        if amount == 0 {
            return None;
        }
        let reporter = if self.dice.rarely(2) { Who::Operator } else { Who::Node(NODES - 1) };
        let (lease, node) = (lease(self.leased), Who::Node(n));
        self.leased += 1;
        let (factor, price) = (SceneFactor::ONE, RayPrice(1));
        let work = Work { lease, job: job(0), node, rays: 1, factor, price };
        let of = LeaseOf { node: node.address(), lease: lease.0, generation: 1 };
        let check = signature_check(&two_commits(&work));
        let slash = farm().slash_equivocation(Who::Anyone.address(), reporter.tokens(), &of, 0);
        self.world.must(&[check, slash]);
        let part = Share { node: reporter.id(), amount: Amount(share(amount, REPORTER_BPS)) };
        self.ledger.must(Cause::Slashed {
            lease,
            generation: Generation(1),
            node: node.id(),
            amount: Amount(amount),
            reporter: Some(part),
        });
        self.model.slashed(n, reporter);
        self.done("slashed")
    }
}
