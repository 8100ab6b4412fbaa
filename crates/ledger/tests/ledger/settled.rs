//! Epochs: what they take, whom they pay, and what comes back.

use crate::world::*;
use tessera_ledger::epoch::{Draw, MAX_LEAVES, PlanFault};
use tessera_ledger::{
    Account, Books, Cause, EpochPlan, Known, Leaf, LedgerError, Need, Place, Purse, epoch_leaves,
    post,
};
use tessera_protocol::{Amount, JobId, NodeId};

fn plan(books: &Books, floor: u64) -> Option<EpochPlan> {
    epoch_leaves(books.balances(), Amount(floor))
}

/// Two jobs, one of which the reserve carries, two nodes, and a third below a floor of 10.
fn earned_by_three() -> Books {
    books([
        deposited(1, 1, 1_000),
        reserve(1, 1_000),
        quote(1, 1, 300),
        quote(2, 1, 100),
        earned(1, job(1), node(3), 200, 1),
        earned(2, job(2), node(2), 60, 1),
        earned(3, job(2), node(3), 50, 1),
        earned(4, job(1), node(4), 9, 1),
    ])
}

fn opened(books: &mut Books, epoch: u64) -> EpochPlan {
    let plan = plan(books, 10).unwrap();
    books.post(Cause::EpochOpened { epoch, plan: plan.clone() }).unwrap();
    plan
}

#[test]
fn draws_and_leaves_are_the_same_money() {
    let mut books = earned_by_three();
    let draw = |purse, amount| Draw { purse, amount: Amount(amount) };
    let (one, two) = (Purse::Job(job(1)), Purse::Job(job(2)));
    let plan = opened(&mut books, 1);
    assert_eq!(plan.draws, [draw(one, 200), draw(two, 100), draw(Purse::Reserve, 10)]);
    let leaf = |n, amount, parts| Leaf { node: node(n), amount: Amount(amount), parts };
    assert_eq!(
        plan.leaves,
        [
            leaf(2, 60, vec![draw(two, 60)]),
            leaf(3, 250, vec![draw(one, 200), draw(two, 40), draw(Purse::Reserve, 10)]),
        ]
    );
    assert_eq!(plan.total(), Some(Amount(310)));
    assert_eq!(in_account(&books, Account::InEpoch { epoch: 1, node: node(3) }), 250);
    assert_eq!(in_account(&books, Account::Owed { node: node(4), purse: one }), 9, "stays owed");
}

#[test]
fn a_leaf_is_paid_once_and_a_skipped_one_stays_claimable() {
    let mut books = earned_by_three();
    opened(&mut books, 1);
    let paid = |n| Cause::LeafPaid { epoch: 1, node: node(n) };
    let skipped = |n| Cause::LeafSkipped { epoch: 1, node: node(n) };
    books.post(paid(3)).unwrap();
    assert_eq!(books.post(paid(3)).unwrap_err().code(), "already_posted");
    assert_eq!(books.post(skipped(3)).unwrap_err().code(), "no_leaf");
    assert_eq!(books.post(paid(4)).unwrap_err().code(), "no_leaf");
    books.post(skipped(2)).unwrap();
    assert_eq!(in_account(&books, Account::Claimable { epoch: 1, node: node(2) }), 60);
    let cancel = Cause::EpochCancelled { epoch: 1 };
    assert_eq!(books.post(cancel).unwrap_err().code(), "epoch_paid");
    books.post(paid(2)).unwrap();
    assert_eq!(in_account(&books, Account::Paid(node(2))), 60);
    assert_eq!(in_account(&books, Account::Paid(node(3))), 250);
}

#[test]
fn what_an_epoch_took_is_no_longer_reversed_and_what_it_left_is() {
    let mut books = earned_by_three();
    opened(&mut books, 1);
    let in_epoch = |n| LedgerError::Misplaced { lease: lease(n), place: Place::InEpoch(1) };
    for cause in
        [Cause::LeaseReversed { lease: lease(1) }, Cause::LeaseHeld { lease: lease(1), case: 1 }]
    {
        assert_eq!(books.post(cause).unwrap_err(), in_epoch(1));
    }
    // Later work of the same node and job is its own.
    books.post(earned(5, job(1), node(3), 20, 2)).unwrap();
    assert_eq!(books.post(Cause::LeaseReversed { lease: lease(1) }).unwrap_err(), in_epoch(1));
    books.post(Cause::LeaseReversed { lease: lease(5) }).unwrap();
    books.post(Cause::LeaseReversed { lease: lease(4) }).unwrap();
    assert_eq!(in_account(&books, Account::Escrow(job(1))), 100);
}

#[test]
fn a_cancelled_epoch_gives_all_back_and_the_next_one_takes_it() {
    let mut books = earned_by_three();
    let first = opened(&mut books, 1);
    books.post(Cause::EpochCancelled { epoch: 1 }).unwrap();
    assert_eq!(plan(&books, 10), Some(first.clone()));
    books.post(Cause::LeaseHeld { lease: lease(2), case: 1 }).unwrap();
    let second = opened(&mut books, 2);
    assert_eq!(second.leaves.len(), 1, "what is held is not paid");
    let released = |epoch| Cause::LeaseReleased { lease: lease(2), case: 1, epoch };
    assert_eq!(books.post(released(2)).unwrap_err().code(), "epoch_out_of_turn");
    books.post(released(3)).unwrap();
    books.post(Cause::LeaseHeld { lease: lease(2), case: 2 }).unwrap();
    books.post(Cause::LeaseReleased { lease: lease(2), case: 2, epoch: 3 }).unwrap();
    opened(&mut books, 3);
    let place = Place::InEpoch(3);
    let taken = LedgerError::Misplaced { lease: lease(2), place };
    assert_eq!(books.post(Cause::LeaseReversed { lease: lease(2) }).unwrap_err(), taken);
    let again = Cause::EpochOpened { epoch: 3, plan: first.clone() };
    assert_eq!(books.post(again).unwrap_err().code(), "already_posted");
    let gap = Cause::EpochOpened { epoch: 5, plan: first };
    assert_eq!(books.post(gap).unwrap_err().code(), "epoch_out_of_turn");
    let unknown = Cause::EpochCancelled { epoch: 9 };
    assert_eq!(books.post(unknown).unwrap_err().code(), "no_epoch");
}

#[test]
fn an_epoch_that_passed_while_a_lease_was_held_did_not_take_it() {
    let mut books = earned_by_three();
    books.post(Cause::LeaseHeld { lease: lease(1), case: 1 }).unwrap();
    books.post(earned(5, job(1), node(3), 30, 1)).unwrap();
    opened(&mut books, 1);
    books.post(Cause::LeaseReleased { lease: lease(1), case: 1, epoch: 2 }).unwrap();
    books.post(Cause::LeaseReversed { lease: lease(1) }).unwrap();
    assert_eq!(in_account(&books, Account::InEpoch { epoch: 1, node: node(3) }), 80);
    let settled = books.post(Cause::LeaseReversed { lease: lease(5) }).unwrap_err();
    assert_eq!(settled.code(), "misplaced");
}

#[test]
fn a_plan_that_is_not_whole_or_not_of_now_is_refused() {
    let mut books = earned_by_three();
    let good = plan(&books, 10).unwrap();
    let fault = |change: &dyn Fn(&mut EpochPlan)| {
        let mut plan = good.clone();
        change(&mut plan);
        plan.check().unwrap_err()
    };
    assert_eq!(good.check(), Ok(()));
    assert_eq!(fault(&|plan| plan.leaves.clear()), PlanFault::Empty);
    assert_eq!(fault(&|plan| plan.leaves.swap(0, 1)), PlanFault::Order);
    assert_eq!(fault(&|plan| plan.leaves[1].parts.swap(0, 1)), PlanFault::Order);
    assert_eq!(fault(&|plan| plan.draws.swap(0, 1)), PlanFault::Order);
    assert_eq!(fault(&|plan| plan.leaves[1] = plan.leaves[0].clone()), PlanFault::Order);
    assert_eq!(fault(&|plan| plan.leaves[0].amount.0 += 1), PlanFault::Leaf(node(2)));
    assert_eq!(fault(&|plan| plan.draws[0].amount.0 += 1), PlanFault::Draws);
    assert_eq!(fault(&|plan| plan.draws.truncate(1)), PlanFault::Draws);
    assert_eq!(fault(&|plan| plan.draws[0].amount.0 = 0), PlanFault::Nothing);
    assert_eq!(
        fault(&|plan| {
            for leaf in &mut plan.leaves {
                leaf.amount = Amount::MAX;
                leaf.parts = vec![Draw { purse: Purse::Reserve, amount: Amount::MAX }];
            }
        }),
        PlanFault::TooLarge
    );
    books.post(earned(7, job(1), node(3), 1, 1)).unwrap();
    let stale = books.post(Cause::EpochOpened { epoch: 1, plan: good.clone() }).unwrap_err();
    assert_eq!(stale, LedgerError::PlanStale(node(3)));
    let empty = EpochPlan::default();
    let refused = books.post(Cause::EpochOpened { epoch: 1, plan: empty }).unwrap_err();
    assert_eq!(refused, LedgerError::Plan(PlanFault::Empty));
}

fn numbered(n: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    NodeId(bytes)
}

#[test]
fn a_tree_holds_so_many_leaves_and_who_waits_is_owed_least() {
    let owed = |n: usize, amount: i64| {
        (Account::Owed { node: numbered(n), purse: Purse::Job(JobId([1; 16])) }, amount)
    };
    let mut balances: Vec<_> = (0..MAX_LEAVES + 2).map(|n| owed(n, 100)).collect();
    balances[5].1 = 99;
    balances[MAX_LEAVES + 1].1 = 101;
    let plan =
        epoch_leaves(balances.iter().map(|(account, sum)| (account, *sum)), Amount(1)).unwrap();
    assert_eq!(plan.check(), Ok(()));
    assert_eq!(plan.leaves.len(), MAX_LEAVES);
    assert!(plan.leaf(numbered(5)).is_none(), "who is owed least");
    assert!(plan.leaf(numbered(MAX_LEAVES)).is_none(), "and of equals the last key");
    assert!(plan.leaf(numbered(MAX_LEAVES + 1)).is_some());
    balances.reverse();
    let again = epoch_leaves(balances.iter().map(|(account, sum)| (account, *sum)), Amount(1));
    assert_eq!(again.as_ref(), Some(&plan));
    let too_many = EpochPlan {
        leaves: [plan.leaves.clone(), plan.leaves[..1].to_vec()].concat(),
        draws: plan.draws,
    };
    assert_eq!(too_many.check(), Err(PlanFault::Leaves(MAX_LEAVES + 1)));
    let nobody = epoch_leaves(balances.iter().map(|(account, sum)| (account, *sum)), Amount(102));
    assert_eq!(nobody, None);
}

#[test]
fn a_rule_asks_for_all_that_it_was_not_told() {
    let books = earned_by_three();
    let plan = plan(&books, 10).unwrap();
    let parts: usize = plan.leaves.iter().map(|leaf| leaf.parts.len()).sum();
    let open = Cause::EpochOpened { epoch: 1, plan };
    let Err(LedgerError::Needs(needs)) = post(&open, &Known::default()) else { panic!() };
    let balances = needs.iter().filter(|need| matches!(need, Need::Balance(_))).count();
    assert_eq!(balances, parts, "all of them at once");
}
