//! Books that somebody has tampered with: each kind of violation is seen, and named.

use crate::world::*;
use tessera_ledger::epoch::Draw;
use tessera_ledger::{
    Account, Books, Cause, Entry, EpochPlan, Leaf, LedgerError, Once, Payer, Posting, Purse,
    ReplayError, Violation, check, epoch_leaves,
};
use tessera_protocol::Amount;

fn truth() -> Vec<Entry> {
    let mut books = books([
        deposited(1, 1, 1_000),
        reserve(1, 100),
        quote(1, 1, 300),
        earned(1, job(1), node(2), 200, 1),
        earned(2, job(1), node(3), 120, 1),
    ]);
    let plan = epoch_leaves(books.balances(), Amount(1)).unwrap();
    books.post(Cause::EpochOpened { epoch: 1, plan }).unwrap();
    books.post(Cause::LeafPaid { epoch: 1, node: node(2) }).unwrap();
    books.post(Cause::JobEnded { job: job(1), part: 0 }).unwrap();
    books.entries().to_vec()
}

const LEASE: usize = 3;

fn look(entries: &[Entry]) -> Vec<Violation> {
    check(entries, |_| true)
}

fn post(cause: Cause, postings: &[(Account, i64)]) -> Entry {
    let posting =
        |(account, amount): &(Account, i64)| Posting { account: *account, amount: *amount };
    Entry { number: 9, cause, postings: postings.iter().map(posting).collect() }
}

fn after_truth(entry: Entry) -> Vec<Violation> {
    look(&[truth(), vec![entry]].concat())
}

fn withdrawn(amount: u64) -> Cause {
    Cause::Withdrawn { id: "1".into(), payer: payer(1), amount: Amount(amount) }
}

#[test]
fn true_books_have_no_violation_and_survive_their_own_text() {
    let entries = truth();
    assert_eq!(look(&entries), []);
    let text = serde_json::to_string(&entries).unwrap();
    let read: Vec<Entry> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, entries);
    let books = Books::replay(read).unwrap();
    assert_eq!(books.entries(), entries);
    assert_eq!(in_account(&books, Account::Paid(node(2))), 200);
}

#[test]
fn replay_refuses_what_the_rules_would_not_have_written() {
    let mut entries = truth();
    entries[LEASE].postings[0].amount += 1;
    assert_eq!(Books::replay(entries).unwrap_err(), ReplayError::Differs { number: 4 });
    let mut entries = truth();
    entries.remove(2);
    let error = LedgerError::UnknownJob(job(1));
    assert_eq!(Books::replay(entries).unwrap_err(), ReplayError::Refused { number: 4, error });
}

#[test]
fn money_from_nowhere() {
    let mut entries = truth();
    entries[LEASE].postings[1].amount += 1;
    let seen = look(&entries);
    assert!(seen.contains(&Violation::Unbalanced { entry: 4, sum: 1 }), "{seen:?}");
    assert!(seen.contains(&Violation::Differs { entry: 4 }), "{seen:?}");
}

#[test]
fn an_overdrawn_account() {
    let (wallet, refunded) = (Account::Wallet(payer(1)), Account::Refunded(payer(1)));
    let seen = after_truth(post(withdrawn(701), &[(wallet, -701), (refunded, 701)]));
    let negative = Violation::Negative { entry: 9, account: wallet, balance: -1 };
    assert!(seen.contains(&negative), "{seen:?}");
    let error = LedgerError::NotEnough { account: wallet, has: Amount(700), wants: Amount(701) };
    assert!(seen.contains(&Violation::Refused { entry: 9, error }), "{seen:?}");
}

#[test]
fn a_second_time() {
    let again = Entry { number: 9, ..truth().remove(LEASE) };
    let seen = after_truth(again);
    let twice = Violation::Twice { entry: 9, once: Once::lease(lease(1)) };
    assert!(seen.contains(&twice), "{seen:?}");
}

#[test]
fn work_without_its_proof() {
    let entries = truth();
    let only_the_first = |cause: &Cause| {
        matches!(cause, Cause::LeaseVerified { verified, .. }
            if *verified == self::verified(1, job(1), node(2), 200))
    };
    let once = Once::lease(lease(2));
    assert_eq!(check(&entries, only_the_first), [Violation::Unproven { entry: 5, once }]);
}

#[test]
fn a_lease_paid_with_another_sum() {
    let mut entries = truth();
    let [from, to] = entries[LEASE].postings.as_mut_slice() else { panic!() };
    from.amount -= 1;
    to.amount += 1;
    let wrong =
        Violation::WrongPay { entry: 4, lease: lease(1), paid: Amount(201), right: Amount(200) };
    let seen = look(&entries);
    assert!(seen.contains(&wrong), "{seen:?}");
}

#[test]
fn epochs_that_draw_more_than_was_put_in() {
    let purse = Purse::Job(job(1));
    let draw = Draw { purse, amount: Amount(400) };
    let leaf = Leaf { node: node(2), amount: Amount(400), parts: vec![draw] };
    let plan = EpochPlan { draws: vec![draw], leaves: vec![leaf] };
    assert_eq!(plan.check(), Ok(()), "whole by itself");
    let owed = Account::Owed { node: node(2), purse };
    let in_epoch = Account::InEpoch { epoch: 2, node: node(2) };
    let cause = Cause::EpochOpened { epoch: 2, plan };
    let seen = after_truth(post(cause, &[(owed, -400), (in_epoch, 400)]));
    let over = Violation::Overdrawn { entry: 9, purse, drawn: 700, deposited: 300 };
    assert!(seen.contains(&over), "{seen:?}");
}

#[test]
fn money_that_leaves_unseen() {
    let wallet = Account::Wallet(payer(1));
    let seen = after_truth(post(withdrawn(5), &[(Account::World, 5), (wallet, -5)]));
    let lost = Violation::Lost { entry: 9, came_in: 1_100, found: 1_095 };
    assert!(seen.contains(&lost), "{seen:?}");
}

#[test]
fn money_that_goes_to_somebody_else() {
    let mut entries = truth();
    entries[0].postings[1].account = Account::Wallet(Payer([2; 8]));
    let seen = look(&entries);
    assert!(seen.contains(&Violation::Differs { entry: 1 }), "{seen:?}");
}
