//! A history: a chain, books and a model that have seen the same, and are compared after each step.

use crate::books::{Ledger, OWN};
use crate::compare::{differences, earned_in_books, in_books, on_chain};
use crate::model::Model;
use crate::world::*;
use std::collections::{BTreeMap, BTreeSet};
use tessera_ledger::{Account, Cause, Purse};
use tessera_protocol::Amount;
use tessera_settlement::epoch;

/// Steps of a history before it is brought to its end.
const STEPS: (u64, u64) = (8, 36);

/// How often each kind of step happened.
pub(crate) type Seen = BTreeMap<&'static str, u64>;

/// SplitMix64: any seed will do, and the same history follows from it everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn one_of(&mut self, end: u8) -> u8 {
        self.below(end.into()) as u8
    }

    /// One time in so many.
    pub(crate) fn rarely(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these, if there are any.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.below(all.len() as u64) as usize])
    }
}

/// A job whose deposit was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) number: u8,
    pub(crate) payer: u8,
    /// Whether its quote was accepted.
    pub(crate) quoted: bool,
    pub(crate) topped_up: u32,
    pub(crate) carry_raised: u32,
    pub(crate) ended: u32,
    /// Whether its escrow is closed on the chain.
    pub(crate) closed: bool,
}

/// A stream whose deposit was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) number: u8,
    pub(crate) payer: u8,
    /// How often some was put aside for it.
    pub(crate) funded: u32,
    pub(crate) ended: bool,
    /// Whether its escrow is closed on the chain.
    pub(crate) closed: bool,
    /// How often segments of each lease were booked, and how many pixels.
    pub(crate) lanes: [(u32, u64); LANES as usize],
}

/// A lease that was verified and not reversed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) number: u32,
    /// The last dispute; 0 is a probation.
    pub(crate) case: u32,
    pub(crate) held: bool,
}

/// An epoch that was opened in the books.
pub(crate) struct Epoch {
    /// As the chain is told of it.
    pub(crate) chain: epoch::EpochPlan,
    /// Whether it was opened on the chain.
    pub(crate) opened: bool,
    /// Whose draws were made and not returned.
    pub(crate) drawn: BTreeSet<Purse>,
    /// Whether it is payable.
    pub(crate) sealed: bool,
    /// Whether it is to be taken back.
    pub(crate) given_up: bool,
    /// Runs that were pushed.
    pub(crate) passed: BTreeSet<u32>,
}

impl Epoch {
    pub(crate) fn number(&self) -> u64 {
        self.chain.number()
    }
}

pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) model: Model,
    pub(crate) jobs: Vec<Job>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) leases: Vec<Lease>,
    /// Leases that were ever given, for work or for two commits.
    pub(crate) leased: u32,
    /// The epoch in its window, or on its way there.
    pub(crate) running: Option<Epoch>,
    /// Epochs with leaves that could not be paid.
    pub(crate) unpaid: Vec<Epoch>,
    pub(crate) opened_on_chain: u64,
    /// Epochs of the books.
    pub(crate) epochs: u64,
    /// Whose challenge is not resolved.
    pub(crate) challenger: Option<u8>,
    /// What nodes put up for challenges, ever.
    pub(crate) put_up: BTreeMap<u8, u64>,
    pub(crate) seen: Seen,
    /// Whether sides are compared; not where a test forges one.
    pub(crate) compared: bool,
    ids: u64,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps: u64 = self.seen.values().sum();
            eprintln!("history {} failed after {steps} steps: {:?}", self.seed, self.seen);
        }
    }
}

impl History {
    /// The farm of `world`, and books that know how it was prepared.
    pub(crate) fn begun(world: &World, seed: u64) -> Self {
        let mut history = Self {
            seed,
            dice: Dice(seed),
            world: world.clone(),
            ledger: Ledger::default(),
            model: Model::new(),
            jobs: vec![],
            streams: vec![],
            leases: vec![],
            leased: 0,
            running: None,
            unpaid: vec![],
            opened_on_chain: 0,
            epochs: 0,
            challenger: None,
            put_up: BTreeMap::new(),
            seen: Seen::new(),
            compared: true,
            ids: 0,
        };
        let (reserve, bond) = (format!("{OWN}first"), format!("{OWN}first"));
        history.ledger.must(Cause::ReserveFunded { id: reserve, amount: Amount(RESERVE) });
        history.ledger.must(Cause::BondFunded { id: bond, amount: Amount(BOND) });
        history.done("begun");
        history
    }

    /// Lives a whole history.
    pub(crate) fn live(mut self) -> (Seen, u64) {
        let steps = STEPS.0 + self.dice.below(STEPS.1 - STEPS.0 + 1);
        let mut taken = 0;
        while taken < steps {
            if self.step().is_some() {
                taken += 1;
            }
        }
        self.end();
        self.check_end();
        (std::mem::take(&mut self.seen), self.world.sent)
    }

    /// A step was taken: everything is as it should be.
    #[track_caller]
    pub(crate) fn done(&mut self, kind: &'static str) -> Option<()> {
        *self.seen.entry(kind).or_default() += 1;
        if self.compared {
            let differ = differences(&on_chain(self), &in_books(self));
            assert_eq!(differ, [], "chain and books, after \"{kind}\"");
            let differ = differences(&earned_in_books(self), &self.model.earned());
            assert_eq!(differ, [], "books and model, after \"{kind}\"");
        }
        Some(())
    }

    /// In the end nothing is anywhere but where it belongs.
    fn check_end(&self) {
        let chain = on_chain(self);
        let model = self.model.end();
        let known = chain.into_iter().filter(|(what, _)| model.contains_key(what)).collect();
        assert_eq!(differences(&known, &model), [], "chain and model in the end");
        let settled = |account: &Account| {
            let counts = account.is_count() || *account == Account::World;
            account.has_left() || counts || *account == Account::Bond
        };
        let left = self.ledger.books.balances().filter(|(at, sum)| *sum != 0 && !settled(at));
        assert_eq!(left.collect::<Vec<_>>(), [], "left in the books in the end");
    }

    /// A name for a movement.
    pub(crate) fn id(&mut self, before: &str) -> String {
        self.ids += 1;
        format!("{before}{}", self.ids)
    }

    /// The epochs that may have an account on the chain.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.unpaid.iter().chain(&self.running)
    }

    /// Does on the chain what must succeed there.
    #[track_caller]
    pub(crate) fn must(&mut self, what: solana_instruction::Instruction) {
        self.world.must(&[what]);
    }
}
