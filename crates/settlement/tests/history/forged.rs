//! Each comparison finds and names what is off by one unit.

use crate::compare::{
    Figure, Side, What, differences, earned_in_books, in_books, of_purse, on_chain,
};
use crate::epochs::told;
use crate::history::{Epoch, History};
use crate::world::*;
use solana_address::Address;
use std::collections::BTreeSet;
use tessera_ledger::{Account, Cause};
use tessera_protocol::Amount;
use tessera_settlement::abi::account::{Epoch as Head, Farm, Job, Node};
use tessera_settlement::abi::seeds::Vault;

/// A history that has gone on until something is so.
fn until(is: impl Fn(&History) -> bool) -> History {
    let mut history = History::begun(&World::prepared(), 1);
    for _ in 0..10_000 {
        if is(&history) {
            history.compared = false;
            return history;
        }
        history.step();
    }
    panic!("it never came to that");
}

/// What chain and books differ in.
fn named(history: &History) -> BTreeSet<What> {
    let differ = differences(&on_chain(history), &in_books(history));
    differ.into_iter().map(|(what, ..)| what).collect()
}

fn amount(side: &Side, what: What) -> i128 {
    match side[&what] {
        Figure::Units(amount) => amount,
        Figure::Root(_) => panic!("{what:?} is a root"),
    }
}

fn is_open(history: &History) -> bool {
    history.running.as_ref().is_some_and(|epoch| epoch.opened && epoch.drawn.is_empty())
}

/// An epoch that is payable, with nothing paid.
fn is_sealed(history: &History) -> bool {
    let running = history.running.as_ref();
    running.is_some_and(|epoch| epoch.sealed && epoch.passed.is_empty() && !epoch.given_up)
}

// --- one side is written over ---------------------------------------------------------------------

fn one_more(at: usize) -> impl Fn(&mut Vec<u8>) {
    move |data| {
        let field = &mut data[at..at + 8];
        let amount = u64::from_le_bytes(field.try_into().expect("eight bytes")) + 1;
        field.copy_from_slice(&amount.to_le_bytes());
    }
}

/// The same record with a change, whatever follows it.
macro_rules! changed {
    ($record:ident, $field:ident) => {
        |data: &mut Vec<u8>| {
            let mut record = $record::decode(&data[..$record::LEN]).expect("a record");
            record.$field += 1;
            data[..$record::LEN].copy_from_slice(&record.encode());
        }
    };
}

#[test]
fn one_unit_more_in_any_account_of_the_chain_is_named() {
    let history = until(|history| {
        let open = history.streams.iter().any(|stream| !stream.closed);
        is_sealed(history) && history.jobs.len() > 1 && open
    });
    let number = history.running.as_ref().expect("an epoch").number();
    assert_eq!(named(&history), [].into());
    let check = |at: Address, change: &dyn Fn(&mut Vec<u8>), wanted: &[What]| {
        let mut world = history.world.clone();
        world.forge(&at, change);
        let chain = crate::compare::read(&world, &history);
        let differ = differences(&chain, &in_books(&history));
        let names: BTreeSet<What> = differ.into_iter().map(|(what, ..)| what).collect();
        assert_eq!(names, wanted.iter().copied().collect());
    };
    for who in Who::all().filter(|who| !who.is_homeless()) {
        check(who.tokens(), &one_more(64), &[What::Tokens(who)]);
    }
    for of in history.jobs.iter().filter(|job| !job.closed) {
        let at = PLACES.job(of.number);
        check(at, &changed!(Job, deposited), &[What::Job(job(of.number))]);
    }
    for of in history.streams.iter().filter(|stream| !stream.closed) {
        let at = PLACES.stream(of.number);
        check(at, &changed!(Job, deposited), &[What::Stream(stream(of.number))]);
    }
    check(PLACES.reserve, &changed!(Job, deposited), &[What::Reserve]);
    for n in 0..STAKING {
        let wanted = [What::Stake(Who::Node(n))];
        check(PLACES.node(n), &changed!(Node, stake), &wanted);
        check(PLACES.node(n), &changed!(Node, unlocking), &wanted);
    }
    check(PLACES.vault(Vault::Escrow), &one_more(64), &[What::EscrowVault]);
    check(PLACES.vault(Vault::Stake), &one_more(64), &[What::StakeVault]);
    check(PLACES.vault(Vault::Bond), &one_more(64), &[What::BondVault]);
    let the_farm = farm().farm;
    check(the_farm, &changed!(Farm, escrow_total), &[What::EscrowTotal]);
    check(the_farm, &changed!(Farm, stake_total), &[What::StakeTotal]);
    check(the_farm, &changed!(Farm, bond), &[What::BondTotal, What::Bond]);
    check(the_farm, &changed!(Farm, challenges_held), &[What::BondTotal]);
    check(the_farm, &changed!(Farm, next_epoch), &[What::Epochs]);
    check(PLACES.mint, &one_more(36), &[What::Supply]);
    let epoch = PLACES.epoch(number);
    check(epoch, &changed!(Head, total), &[What::Leaves(number), What::Draws(number)]);
    check(epoch, &changed!(Head, funded), &[What::Funded(number)]);
    check(epoch, &|data| data[Head::LEN] |= 1, &[What::Unpaid(number, 0)]);
    let other_root = |data: &mut Vec<u8>| {
        let mut head = Head::decode(&data[..Head::LEN]).expect("an epoch");
        head.root[31] ^= 1;
        data[..Head::LEN].copy_from_slice(&head.encode());
    };
    check(epoch, &other_root, &[What::Root(number)]);
}

#[test]
fn one_unit_in_any_figure_of_the_model_is_named() {
    let history = until(is_sealed);
    for right in [history.model.earned(), history.model.end()] {
        for what in right.keys() {
            let mut off = right.clone();
            off.insert(*what, Figure::Units(amount(&right, *what) + 1));
            let names: Vec<What> =
                differences(&right, &off).into_iter().map(|(what, ..)| what).collect();
            assert_eq!(names, [*what]);
            off.remove(what);
            assert_eq!(differences(&right, &off).len(), 1, "{what:?} is not there");
        }
    }
}

// --- something is done on one side only -----------------------------------------------------------

#[test]
fn a_payout_of_one_unit_more_than_its_leaf_is_named() {
    // Before the chain hears of the epoch.
    let mut history = until(|history| {
        history.running.as_ref().is_some_and(|epoch| !epoch.opened && !epoch.given_up)
            && history.ledger.has(Account::Reserve) > 0
    });
    let number = history.epochs;
    let plan = history.ledger.plan(number).clone();
    let (mut draws, mut payouts) = told(&plan);
    let at = plan.leaves.iter().position(|leaf| !Who::of(leaf.node).is_homeless());
    let at = at.expect("somebody with an account");
    payouts[at].amount += 1;
    // Out of a purse that has it.
    let has = |draw: &tessera_ledger::epoch::Draw| {
        let left = amount(&on_chain(&history), of_purse(draw.purse));
        left > i128::from(draw.amount.0)
    };
    let from = plan.draws.iter().position(has).expect("a purse with more than is drawn");
    draws[from].amount += 1;
    history.running = Some(Epoch::new(number, draws, payouts));
    while history.running.as_ref().is_some_and(|epoch| epoch.passed.is_empty()) {
        history.advance();
    }
    let wanted = [
        of_purse(plan.draws[from].purse),
        What::EscrowVault,
        What::EscrowTotal,
        What::Tokens(Who::of(plan.leaves[at].node)),
        What::Root(number),
        What::Leaves(number),
        What::Draws(number),
        What::Funded(number),
    ];
    assert_eq!(named(&history), wanted.into());
}

#[test]
fn a_draw_that_was_forgotten_is_named() {
    let mut history = until(is_open);
    let number = history.epochs;
    let purse = history.ledger.plan(number).draws[0].purse;
    history.running.as_mut().expect("an epoch").drawn.insert(purse);
    assert_eq!(named(&history), [of_purse(purse), What::Funded(number)].into());
}

#[test]
fn a_leaf_that_was_paid_and_not_booked_is_named() {
    let mut history = until(is_sealed);
    let (number, epoch) = (history.epochs, history.running.as_ref().expect("an epoch"));
    let run = epoch.chain.tree().run(0).expect("a run");
    history.must(farm().push(number, &run));
    let mut wanted = BTreeSet::from([What::EscrowVault, What::EscrowTotal]);
    for (index, leaf) in (0..).zip(&history.ledger.plan(number).leaves[..run.payouts.len()]) {
        if history.world.has_account(&Who::of(leaf.node).tokens()) {
            wanted.extend([What::Unpaid(number, index), What::Tokens(Who::of(leaf.node))]);
        }
    }
    assert_eq!(named(&history), wanted);
}

#[test]
fn a_leaf_that_was_booked_and_not_paid_is_named() {
    let mut history = until(is_sealed);
    let number = history.epochs;
    let node = history.ledger.plan(number).leaves[0].node;
    history.ledger.must(Cause::LeafPaid { epoch: number, node });
    let wanted = [
        What::EscrowVault,
        What::EscrowTotal,
        What::Unpaid(number, 0),
        What::Tokens(Who::of(node)),
    ];
    assert_eq!(named(&history), wanted.into());
}

/// A job whose payer is owed something back by now.
fn refundable(history: &History) -> Option<(u8, u8, u64)> {
    let of = history.jobs.iter().find(|job| !job.closed && !job.quoted)?;
    let left = history.world.job_now(&PLACES.job(of.number))?;
    Some((of.number, of.payer, left.deposited - left.drawn))
}

fn of_a_refund(number: u8, payer: u8) -> BTreeSet<What> {
    let payer = What::Tokens(Who::Payer(payer));
    [What::Job(job(number)), What::EscrowVault, What::EscrowTotal, payer].into()
}

#[test]
fn a_refund_that_was_booked_and_not_made_is_named() {
    let mut history = until(|history| refundable(history).is_some());
    let (number, of, rest) = refundable(&history).expect("a job");
    let (id, amount) = (format!("{}/refund/0", job(number)), Amount(rest));
    history.ledger.must(Cause::Withdrawn { id, payer: payer(of), amount });
    assert_eq!(named(&history), of_a_refund(number, of));
}

#[test]
fn a_refund_that_was_made_and_not_booked_is_named() {
    let mut history = until(|history| refundable(history).is_some());
    let (number, of, _) = refundable(&history).expect("a job");
    let refund = Who::Payer(of).tokens();
    history.must(farm().end_job(&job(number).0, refund, Who::Anyone.address()));
    assert_eq!(named(&history), of_a_refund(number, of));
}

#[test]
fn a_stake_that_was_not_booked_is_named() {
    let mut history = until(|history| !history.jobs.is_empty());
    let who = Who::Node(0);
    history.must(farm().stake(who.source(), who.address(), 1));
    let wanted = [What::Stake(who), What::StakeVault, What::StakeTotal, What::Tokens(who)];
    assert_eq!(named(&history), wanted.into());
}

#[test]
fn a_lease_that_the_model_did_not_count_is_named() {
    let mut history = until(|history| history.leases.iter().any(|lease| lease.held));
    let held = history.leases.iter().find(|lease| lease.held).expect("a lease").number;
    history.model.reversed(held);
    let differ = differences(&earned_in_books(&history), &history.model.earned());
    assert!(matches!(differ[..], [(What::Earned(_), ..)]), "{differ:?}");
}
