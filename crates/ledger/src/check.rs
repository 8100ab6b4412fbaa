//! What always holds of the books, each with a name for when it does not.
//!
//! [`check`] trusts nobody who wrote the entries: it adds up for itself, asks the rules what each cause
//! should have given, and asks its caller for the proof of all that was paid for work.

use crate::account::{Account, Purse};
use crate::books::Books;
use crate::cause::{Cause, Entry, Once};
use crate::error::LedgerError;
use crate::proof::delivered_pay;
use crate::rule::post;
use std::collections::{BTreeMap, BTreeSet};
use tessera_protocol::{Amount, LeaseId};

/// Something that never holds of true books, and the entry that it was seen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Money came from nowhere, or went there.
    #[error("entry {entry} adds up to {sum} and not to 0")]
    Unbalanced {
        /// The entry.
        entry: u64,
        /// What its postings add up to.
        sum: i128,
    },
    /// An account was overdrawn.
    #[error("after entry {entry} there are {balance} base units in {account}")]
    Negative {
        /// The entry.
        entry: u64,
        /// Which account.
        account: Account,
        /// What is in it.
        balance: i64,
    },
    /// Something was posted twice.
    #[error("entry {entry} posts {once} a second time")]
    Twice {
        /// The entry.
        entry: u64,
        /// What.
        once: Once,
    },
    /// Work was paid that was not proven.
    #[error("entry {entry} pays for {once}, and there is no proof that it was done")]
    Unproven {
        /// The entry.
        entry: u64,
        /// What.
        once: Once,
    },
    /// A lease was paid with another sum than follows from its rays or pixels and its price.
    #[error("entry {entry} pays lease {lease} with {paid}, and {right} is right")]
    WrongPay {
        /// The entry.
        entry: u64,
        /// The lease.
        lease: LeaseId,
        /// What was posted.
        paid: Amount,
        /// What follows.
        right: Amount,
    },
    /// Epochs drew more from a purse than was put into it.
    #[error(
        "after entry {entry} epochs have drawn {drawn} from {purse}, and {deposited} was put in"
    )]
    Overdrawn {
        /// The entry.
        entry: u64,
        /// From where.
        purse: Purse,
        /// What was drawn.
        drawn: i128,
        /// What was put in.
        deposited: i128,
    },
    /// What came in is not what was paid, returned and is still there.
    #[error("after entry {entry} {came_in} came in, and {found} was paid, returned or is there")]
    Lost {
        /// The entry.
        entry: u64,
        /// What the causes say that came in and did not go back to where it came from.
        came_in: i128,
        /// What all accounts hold, those of what has left with them.
        found: i128,
    },
    /// The rules would not have posted it.
    #[error("entry {entry} would have been refused: {error}")]
    Refused {
        /// The entry.
        entry: u64,
        /// Why.
        error: LedgerError,
    },
    /// The rules would have posted something else.
    #[error("entry {entry} is not what follows from its cause")]
    Differs {
        /// The entry.
        entry: u64,
    },
}

/// All violations of these entries, in their order. `proven` says of a cause that pays for work
/// whether there is a receipt, checked, that says just that: it is asked for each
/// [`Cause::LeaseVerified`] and [`Cause::SegmentsDelivered`].
pub fn check(entries: &[Entry], proven: impl Fn(&Cause) -> bool) -> Vec<Violation> {
    let mut checker = Checker::default();
    entries.iter().flat_map(|entry| checker.next(entry, &proven)).collect()
}

/// Checks entries as they come, and whether the rules would have posted them: all of them are kept.
#[derive(Debug, Clone, Default)]
pub struct Checker {
    books: Books,
    once: BTreeSet<Once>,
    watch: Watch,
}

impl Checker {
    /// Checks the next entry, and what holds after it.
    pub fn next(&mut self, entry: &Entry, proven: impl Fn(&Cause) -> bool) -> Vec<Violation> {
        let mut violations = self.watch.next(entry, proven);
        let behind_the_sum =
            usize::from(matches!(violations.first(), Some(Violation::Unbalanced { .. })));
        if let Some(violation) = self.by_the_rules(entry) {
            violations.insert(behind_the_sum, violation);
        }
        self.books.record(entry.clone());
        violations
    }

    fn by_the_rules(&mut self, entry: &Entry) -> Option<Violation> {
        let (number, once) = (entry.number, entry.cause.once());
        if !self.once.insert(once.clone()) {
            return Some(Violation::Twice { entry: number, once });
        }
        match post(&entry.cause, &self.books) {
            Err(error) => Some(Violation::Refused { entry: number, error }),
            Ok(postings) if postings != entry.postings => {
                Some(Violation::Differs { entry: number })
            }
            Ok(_) => None,
        }
    }

    /// The books so far.
    pub fn books(&self) -> &Books {
        &self.books
    }
}

/// Checks entries as they come, by their sums alone. It keeps balances and no entry, so that a farm that
/// runs for years can have it beside its books, which see to it that nothing is posted twice.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Those that are not 0.
    balances: BTreeMap<Account, i128>,
    came_in: i128,
    found: i128,
    deposited: BTreeMap<Purse, i128>,
    drawn: BTreeMap<Purse, i128>,
}

impl Watch {
    /// Checks the next entry, and what holds after it.
    pub fn next(&mut self, entry: &Entry, proven: impl Fn(&Cause) -> bool) -> Vec<Violation> {
        let number = entry.number;
        let mut violations = vec![];
        let sum: i128 = entry.postings.iter().map(|posting| i128::from(posting.amount)).sum();
        if sum != 0 {
            violations.push(Violation::Unbalanced { entry: number, sum });
        }
        violations.extend(work(entry, proven));
        let purses = self.note_draws(entry);
        violations.extend(self.negative(entry));
        violations.extend(self.overdrawn(number, &purses));
        violations.extend(self.lost(entry));
        violations
    }

    /// Notes what moves; accounts that are below 0 by it.
    fn negative(&mut self, entry: &Entry) -> Vec<Violation> {
        for posting in &entry.postings {
            let balance = self.balances.entry(posting.account).or_default();
            *balance += i128::from(posting.amount);
            if *balance == 0 {
                self.balances.remove(&posting.account);
            }
        }
        let accounts: BTreeSet<Account> =
            entry.postings.iter().map(|posting| posting.account).collect();
        let below = accounts.into_iter().filter(|account| !account.may_be_negative());
        let negative = |account| {
            let balance = *self.balances.get(&account).unwrap_or(&0);
            let balance = i64::try_from(balance).unwrap_or(i64::MIN);
            (balance < 0).then_some(Violation::Negative { entry: entry.number, account, balance })
        };
        below.filter_map(negative).collect()
    }

    fn overdrawn(&self, entry: u64, purses: &BTreeSet<Purse>) -> Vec<Violation> {
        let over = |purse: &Purse| {
            let drawn = self.drawn.get(purse).copied().unwrap_or(0);
            let deposited = self.deposited.get(purse).copied().unwrap_or(0);
            let purse = *purse;
            (drawn > deposited).then_some(Violation::Overdrawn { entry, purse, drawn, deposited })
        };
        purses.iter().filter_map(over).collect()
    }

    fn lost(&mut self, entry: &Entry) -> Option<Violation> {
        self.came_in += came_in(&entry.cause);
        let holds = |account: &Account| *account != Account::World && !account.is_count();
        let postings = entry.postings.iter().filter(|posting| holds(&posting.account));
        self.found += postings.map(|posting| i128::from(posting.amount)).sum::<i128>();
        let (came_in, found) = (self.came_in, self.found);
        (came_in != found).then_some(Violation::Lost { entry: entry.number, came_in, found })
    }

    /// Notes what was put into purses, and what epochs took of them and gave back: the purses.
    fn note_draws(&mut self, entry: &Entry) -> BTreeSet<Purse> {
        let (purse, amount) = match &entry.cause {
            Cause::QuoteAccepted { job, ceiling, .. } => (Purse::Job(*job), i128::from(ceiling.0)),
            Cause::ToppedUp { job, amount, .. } => (Purse::Job(*job), i128::from(amount.0)),
            Cause::StreamFunded { stream, amount, .. } => {
                (Purse::Stream(*stream), i128::from(amount.0))
            }
            Cause::ReserveFunded { amount, .. } => (Purse::Reserve, i128::from(amount.0)),
            Cause::ReserveWithdrawn { amount, .. } => (Purse::Reserve, -i128::from(amount.0)),
            Cause::EpochOpened { .. } | Cause::EpochCancelled { .. } => {
                let mut purses = BTreeSet::new();
                for posting in &entry.postings {
                    if let Account::Owed { purse, .. } = posting.account {
                        *self.drawn.entry(purse).or_default() -= i128::from(posting.amount);
                        purses.insert(purse);
                    }
                }
                return purses;
            }
            _ => return BTreeSet::new(),
        };
        *self.deposited.entry(purse).or_default() += amount;
        BTreeSet::from([purse])
    }
}

/// What an entry pays for work: proven, and the right sum.
fn work(entry: &Entry, proven: impl Fn(&Cause) -> bool) -> Vec<Violation> {
    let number = entry.number;
    let mut violations = vec![];
    let pays_for_work =
        matches!(entry.cause, Cause::LeaseVerified { .. } | Cause::SegmentsDelivered { .. });
    if pays_for_work && !proven(&entry.cause) {
        violations.push(Violation::Unproven { entry: number, once: entry.cause.once() });
    }
    let (lease, worker, right) = match &entry.cause {
        Cause::LeaseVerified { verified, .. } => {
            (verified.lease(), verified.node(), verified.right_pay())
        }
        Cause::SegmentsDelivered { delivered, before, price, .. } => {
            let right = delivered_pay(*before, delivered.pixels(), *price);
            (delivered.lease(), delivered.node(), right)
        }
        _ => return violations,
    };
    let earned = entry.postings.iter().filter(|posting| {
        matches!(posting.account, Account::Owed { node, .. } | Account::Held { node, .. }
            if node == worker)
    });
    let paid = earned.map(|posting| i128::from(posting.amount)).sum::<i128>();
    let paid = Amount(u64::try_from(paid).unwrap_or(0));
    let right = right.unwrap_or(Amount::MAX);
    if paid != right {
        violations.push(Violation::WrongPay { entry: number, lease, paid, right });
    }
    violations
}

/// What a cause brings into the farm from outside, less what it gives back.
fn came_in(cause: &Cause) -> i128 {
    match cause {
        Cause::Deposited { amount, .. }
        | Cause::ReserveFunded { amount, .. }
        | Cause::StakeAdded { amount, .. }
        | Cause::BondFunded { amount, .. } => i128::from(amount.0),
        Cause::ReserveWithdrawn { amount, .. }
        | Cause::StakeWithdrawn { amount, .. }
        | Cause::BondWithdrawn { amount, .. } => -i128::from(amount.0),
        _ => 0,
    }
}
