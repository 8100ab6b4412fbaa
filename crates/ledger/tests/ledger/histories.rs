//! Random histories of a farm's money: after each step everything that always holds does.
//!
//! What the rules refuse is part of a history: the books are then as before. Beside the checker, a
//! plain model counts what each node and each payer is due; and each step is decided a second time by
//! rules that are told only what they ask for.

use crate::world::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tessera_ledger::{
    Account, Balances, Books, Cause, Checker, Delivered, Known, LedgerError, Need, Purse, Share,
    Verified, epoch_leaves, post,
};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::{Amount, Generation, LeaseId, PixelPrice};

const HISTORIES: u32 = 10_000;
const PAYERS: u8 = 3;
const NODES: u8 = 4;

/// Signing takes longer than a whole history: all of them share these.
static SEGMENTS: LazyLock<Vec<Delivered>> = LazyLock::new(|| {
    let worker = NodeKey::from_secret(&[5; 32]);
    (0..8).map(|n| delivered(&worker, n % 3, u64::from(n) + 1)).collect()
});

type Step = (u8, u8, u8, u16);

/// Numbers that make a step of what is there.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..34u8, any::<u8>(), any::<u8>(), any::<u16>()), 20..80)
}

#[derive(Default)]
struct History {
    books: Books,
    checker: Checker,
    jobs: u8,
    leases: u32,
    epochs: u64,
    ids: u32,
    /// What each lease that counts is paid with.
    due: BTreeMap<u32, (u8, u64)>,
    /// How often, and how many pixels, each stream's lease was paid for.
    delivered: BTreeMap<LeaseId, (u32, u64)>,
    deposits: i64,
    ceilings: i64,
}

impl History {
    /// Three payers with a job each, and what the operator puts in.
    fn begun() -> Self {
        let mut history = Self::default();
        for n in 0..PAYERS {
            history.take(&deposited(1_000_000 + u32::from(n), n, 20_000)).unwrap();
            history.take(&quote(n, n, 2_000)).unwrap();
        }
        history.take(&reserve(1_000_000, 5_000)).unwrap();
        history.take(&funded(1, 1, 0, 500)).unwrap();
        history
    }

    fn cause(&mut self, (kind, a, b, n): Step) -> Option<Cause> {
        self.ids += 1;
        let id = self.ids.to_string();
        let amount = Amount(u64::from(n) + 1);
        let (of, worker) = (payer(a % PAYERS), node(b % NODES));
        let some_job = job(a % self.jobs.max(1));
        let some_lease = lease(u32::from(n) % self.leases.max(1));
        let next = self.epochs + 1;
        let epoch = self.epochs.saturating_sub(u64::from(a % 2));
        let (case, part) = (u32::from(b % 3), u32::from(b % 2));
        Some(match kind {
            0 | 1 => Cause::Deposited { id, payer: of, amount: Amount(amount.0 * 10) },
            2 => Cause::ReserveFunded { id, amount },
            3 | 4 => quote(self.jobs, a % PAYERS, amount.0 % 8_000),
            5 => Cause::ToppedUp { job: some_job, part, amount: Amount(amount.0 % 500) },
            6..=12 => {
                let work = verified(self.leases, some_job, worker, amount.0 % 700);
                Cause::LeaseVerified { verified: work, held: n % 5 == 0, epoch: next }
            }
            13 => {
                let rejected = receipt(self.leases, some_job, worker, amount.0, wrong());
                assert_eq!(Verified::from_receipt(&rejected), None);
                return None;
            }
            14 => Cause::LeaseHeld { lease: some_lease, case },
            15 | 16 => Cause::LeaseReleased { lease: some_lease, case, epoch: next },
            17 => Cause::LeaseReversed { lease: some_lease },
            18 => Cause::JobEnded { job: some_job, part },
            19 | 20 => {
                let plan = epoch_leaves(self.books.balances(), Amount(u64::from(b)))?;
                Cause::EpochOpened { epoch: next, plan }
            }
            21 => Cause::EpochCancelled { epoch: self.epochs },
            22 | 23 => Cause::LeafPaid { epoch, node: worker },
            24 => Cause::LeafSkipped { epoch, node: worker },
            25 if n % 7 == 0 => {
                Cause::StakeWithdrawn { id, node: worker, amount: Amount(1 + amount.0 / 9) }
            }
            25 => Cause::StakeAdded { id, node: worker, amount },
            26 => Cause::Slashed {
                lease: some_lease,
                generation: Generation(1),
                node: worker,
                amount,
                reporter: (n % 2 == 0)
                    .then_some(Share { node: node(a % NODES), amount: Amount(u64::from(b)) }),
            },
            27 => match b % 4 {
                0 => Cause::BondFunded { id, amount },
                1 => Cause::BondWithdrawn { id, amount },
                2 => Cause::ReserveWithdrawn { id, amount },
                _ => {
                    Cause::Compensated { lease: lease(10_000 + u32::from(n)), node: worker, amount }
                }
            },
            28 => funded(1 + a % 2, 1, part, amount.0),
            // Late: what is delivered afterwards is refused.
            29 if n % 8 == 0 => Cause::StreamEnded { stream: stream(1 + a % 2) },
            29..=32 => {
                let delivered = SEGMENTS[usize::from(a) % SEGMENTS.len()];
                let sums = self.delivered.get(&delivered.lease()).copied();
                let (part, before) = sums.unwrap_or_default();
                let before = if n % 9 == 0 { before + 1 } else { before };
                let price = PixelPrice(15_000_001);
                Cause::SegmentsDelivered { delivered, stream: stream(1), part, before, price }
            }
            _ if n % 3 == 0 => {
                Cause::CarryRaised { job: some_job, part, amount: Amount(amount.0 % 300) }
            }
            _ => Cause::Withdrawn { id, payer: of, amount },
        })
    }

    fn step(&mut self, step: Step) -> Option<Result<&'static str, LedgerError>> {
        let cause = self.cause(step)?;
        Some(self.take(&cause))
    }

    fn take(&mut self, cause: &Cause) -> Result<&'static str, LedgerError> {
        let told = told(cause, &self.books);
        let posted = self.books.post(cause.clone()).map(|entry| entry.postings.clone());
        assert_eq!(told, posted, "decided from what was asked for");
        posted?;
        let again = self.books.post(cause.clone()).unwrap_err();
        assert_eq!(again, LedgerError::AlreadyPosted(cause.once()));
        self.note(cause);
        let entry = self.books.entries().last().unwrap();
        assert_eq!(self.checker.next(entry, |_| true), []);
        self.model();
        Ok(name(cause))
    }

    fn note(&mut self, cause: &Cause) {
        match cause {
            Cause::Deposited { amount, .. } => self.deposits += amount.0 as i64,
            Cause::QuoteAccepted { ceiling, .. } => {
                self.jobs += 1;
                self.ceilings += ceiling.0 as i64;
            }
            Cause::ToppedUp { amount, .. } => self.ceilings += amount.0 as i64,
            Cause::LeaseVerified { verified, .. } => {
                self.due.insert(self.leases, (verified.node().0[0], verified.pay().0));
                self.leases += 1;
            }
            Cause::LeaseReversed { lease } => {
                let number = u32::from_be_bytes(lease.0[..4].try_into().unwrap());
                self.due.remove(&number).expect("reversed once");
            }
            Cause::EpochOpened { epoch, .. } => self.epochs = *epoch,
            Cause::SegmentsDelivered { delivered, part, before, .. } => {
                let sum = (part + 1, before + delivered.pixels());
                self.delivered.insert(delivered.lease(), sum);
            }
            _ => {}
        }
    }

    /// Each node has what its leases are paid with, wherever it is, and a stream's worker what its
    /// pixels cost together; and no payer has less than what was deposited and not put under a ceiling.
    fn model(&self) {
        for n in 0..NODES {
            let is_pay = |account: &Account| match account {
                Account::Owed { node, .. }
                | Account::Held { node, .. }
                | Account::InEpoch { node, .. }
                | Account::Claimable { node, .. }
                | Account::Paid(node) => node.0[0] == n,
                _ => false,
            };
            let has: i64 =
                self.books.balances().filter(|(a, _)| is_pay(a)).map(|(_, sum)| sum).sum();
            let due: u64 = self.due.values().filter(|(of, _)| *of == n).map(|(_, pay)| pay).sum();
            assert_eq!(has, due as i64, "node {n}");
        }
        let worker = SEGMENTS[0].node();
        let has = self.sum_of(|account| match account {
            Account::Owed { node, .. }
            | Account::InEpoch { node, .. }
            | Account::Claimable { node, .. }
            | Account::Paid(node) => *node == worker,
            _ => false,
        });
        let price = |(_, pixels): &(u32, u64)| u128::from(*pixels) * 15_000_001 / 1_000_000_000_000;
        let due: u128 = self.delivered.values().map(price).sum();
        assert_eq!(has as u128, due, "the worker");
        let has = self.sum_of(|account| {
            matches!(account, Account::Wallet(_) | Account::Refunded(_) | Account::Stream(_))
        });
        let streamed = self.sum_of(|account| {
            matches!(account, Account::Owed { purse: Purse::Stream(_), .. })
                || matches!(account, Account::InEpoch { node, .. } if *node == worker)
                || matches!(account, Account::Claimable { node, .. } if *node == worker)
                || matches!(account, Account::Paid(node) if *node == worker)
        });
        // The operator's share of a stream may be in an epoch with its share of jobs.
        let fees = due as i64 / 10 + 1;
        assert!(has + streamed + fees >= self.deposits - self.ceilings, "a payer paid too much");
    }

    fn sum_of(&self, counts: impl Fn(&Account) -> bool) -> i64 {
        self.books.balances().filter(|(account, _)| counts(account)).map(|(_, sum)| sum).sum()
    }
}

/// Decides as a store does: looking up only what the rule asks for.
fn told(cause: &Cause, books: &Books) -> Result<Vec<tessera_ledger::Posting>, LedgerError> {
    let mut known = Known::default();
    for _ in 0..100 {
        let needs = match post(cause, &known) {
            Err(LedgerError::Needs(needs)) => needs,
            decided => return decided,
        };
        for need in needs {
            match need {
                Need::Balance(account) => {
                    let balance = books.balance(&account).unwrap();
                    assert_eq!(known.balances.insert(account, balance), None, "asked twice");
                }
                Need::Posted(once) => {
                    let posted = books.is_posted(&once).unwrap();
                    assert_eq!(known.posted.insert(once, posted), None, "asked twice");
                }
                Need::Entry(once) => {
                    let entry = books.entry(&once).unwrap().cloned();
                    assert_eq!(known.entries.insert(once, entry), None, "asked twice");
                }
            }
        }
    }
    panic!("{cause:?} asks for ever")
}

fn name(cause: &Cause) -> &'static str {
    match cause {
        Cause::Deposited { .. } => "deposited",
        Cause::Withdrawn { .. } => "withdrawn",
        Cause::ReserveFunded { .. } => "reserve funded",
        Cause::ReserveWithdrawn { .. } => "reserve withdrawn",
        Cause::QuoteAccepted { .. } => "quote accepted",
        Cause::ToppedUp { .. } => "topped up",
        Cause::CarryRaised { .. } => "carry raised",
        Cause::LeaseVerified { .. } => "lease verified",
        Cause::LeaseHeld { .. } => "lease held",
        Cause::LeaseReleased { .. } => "lease released",
        Cause::LeaseReversed { .. } => "lease reversed",
        Cause::JobEnded { .. } => "job ended",
        Cause::EpochOpened { .. } => "epoch opened",
        Cause::EpochCancelled { .. } => "epoch cancelled",
        Cause::LeafPaid { .. } => "leaf paid",
        Cause::LeafSkipped { .. } => "leaf skipped",
        Cause::StakeAdded { .. } => "stake added",
        Cause::StakeWithdrawn { .. } => "stake withdrawn",
        Cause::Slashed { .. } => "slashed",
        Cause::BondFunded { .. } => "bond funded",
        Cause::BondWithdrawn { .. } => "bond withdrawn",
        Cause::Compensated { .. } => "compensated",
        Cause::StreamFunded { .. } => "stream funded",
        Cause::SegmentsDelivered { .. } => "segments delivered",
        Cause::StreamEnded { .. } => "stream ended",
    }
}

#[test]
fn whatever_happens_all_that_always_holds_does() {
    let seen: RefCell<BTreeMap<String, u64>> = RefCell::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: HISTORIES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ran = runner.run(&steps(), |steps| {
        let mut history = History::begun();
        for step in steps {
            let counted = match history.step(step) {
                None => continue,
                Some(Ok(posted)) => posted.to_owned(),
                Some(Err(error)) => format!("refused: {}", error.code()),
            };
            *seen.borrow_mut().entry(counted).or_default() += 1;
        }
        let replayed = Books::replay(history.books.entries().to_vec()).unwrap();
        prop_assert!(replayed.balances().eq(history.books.balances()));
        Ok(())
    });
    ran.unwrap();
    let seen = seen.into_inner();
    println!("{seen:#?}");
    // A kind that hardly ever happened would not have been tested.
    for wanted in [
        "deposited",
        "withdrawn",
        "reserve funded",
        "reserve withdrawn",
        "quote accepted",
        "topped up",
        "carry raised",
        "lease verified",
        "lease held",
        "lease released",
        "lease reversed",
        "job ended",
        "epoch opened",
        "epoch cancelled",
        "leaf paid",
        "leaf skipped",
        "stake added",
        "stake withdrawn",
        "slashed",
        "bond funded",
        "bond withdrawn",
        "compensated",
        "stream funded",
        "segments delivered",
        "stream ended",
        "refused: stream_ended",
        "refused: overrun_refused",
        "refused: not_enough",
        "refused: misplaced",
        "refused: epoch_paid",
        "refused: no_leaf",
        "refused: job_ended",
    ] {
        let times = seen.get(wanted).copied().unwrap_or(0);
        assert!(times >= 50, "{wanted}: {times} times");
    }
}
