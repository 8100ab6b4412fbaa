//! Epochs until they are payable: opening, funding, approving, sealing, cancelling.

use solana_signer::Signer as _;
use tessera_settlement::abi::account::EpochState;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenEpoch;
use tessera_settlement::abi::{ABANDONED_S, LEAVES_MAX};

use crate::world::{HOUR, JOB, PURSE, REASON, UNIT, World};

#[test]
fn an_epoch_is_opened_funded_sealed_paid_and_closed() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 20, 100);
    let epoch = world.epoch_now(1).head;
    assert_eq!((epoch.state, epoch.funded), (EpochState::Payable, tree.total()));
    assert_eq!(world.farm_now().settling, 0);
    for run in tree.runs() {
        let push = world.farm.push(1, &run);
        world.must(&[push], &[]);
    }
    for payout in tree.payouts() {
        assert_eq!(world.balance(&payout.payee), payout.amount);
    }
    let rent = world.anyone.address();
    let close = world.farm.close_epoch(1, rent);
    world.must(std::slice::from_ref(&close), &[]);
    assert!(!world.exists(&world.farm.epoch(1)));
    world.refused(Refusal::WrongOwner, close, &[]);
    assert_eq!(world.farm_now().escrow_total, 500 * UNIT - tree.total());
}

#[test]
fn epochs_are_numbered_without_gaps_and_never_twice() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    for number in [0, 2, u64::MAX] {
        let tree = world.tree(number, 1, 5);
        let open = world.opening_epoch(number, &tree);
        world.refused(Refusal::WrongEpochNumber, open, &[&keys.master]);
    }
    let tree = world.sealed(1, 1, 5);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    let close = world.farm.close_epoch(1, world.anyone.address());
    world.must(&[push, close], &[]);
    let again = world.opening_epoch(1, &tree);
    world.refused(Refusal::WrongEpochNumber, again, &[&keys.master]);
}

#[test]
fn only_the_authority_opens_an_epoch() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 5);
    let mut by_node = world.opening_epoch(1, &tree);
    by_node.accounts[1].pubkey = world.node.address();
    world.refused(Refusal::NotTheAuthority, by_node, &[&keys.node]);
    let mut unsigned = world.opening_epoch(1, &tree);
    unsigned.accounts[1].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[]);
}

#[test]
fn an_epoch_of_no_leaves_or_too_many_or_nothing_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let rent = world.anyone.address();
    let epoch = OpenEpoch { number: 1, root: [1; 32], total: 5, leaf_count: 1 };
    for leaf_count in [0, LEAVES_MAX + 1, u32::MAX] {
        let what = world.farm.open_epoch(rent, OpenEpoch { leaf_count, ..epoch });
        world.refused(Refusal::BadLeafCount, what, &[&keys.master]);
    }
    let nothing = world.farm.open_epoch(rent, OpenEpoch { total: 0, ..epoch });
    world.refused(Refusal::ZeroAmount, nothing, &[&keys.master]);
}

#[test]
fn one_epoch_at_a_time_is_in_its_window() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 5);
    world.fund(1, &tree);
    let next = world.tree(2, 1, 5);
    let open = world.opening_epoch(2, &next);
    world.refused(Refusal::EpochInWindow, open.clone(), &[&keys.master]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.must(&[seal, open], &[&keys.master]);
}

#[test]
fn lamports_sent_before_do_not_hinder_an_epoch() {
    let mut world = World::working(0, 0);
    let address = world.farm.epoch(1);
    world.svm.airdrop(&address, 890_880).unwrap();
    let tree = world.tree(1, 1, 5);
    world.fund(1, &tree);
    assert_eq!(world.epoch_now(1).head.funded, 5);
}

// --- draws ----------------------------------------------------------------------------------------

#[test]
fn a_draw_is_bounded_by_the_deposit_and_by_the_total() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 501 * UNIT);
    let open = world.opening_epoch(1, &tree);
    world.must(&[open], &[&keys.master]);
    let refusals = [
        (0, Refusal::ZeroAmount),
        (500 * UNIT + 1, Refusal::AboveDeposit),
        (u64::MAX, Refusal::AboveDeposit),
    ];
    for (amount, why) in refusals {
        let draw = world.farm.draw(1, &JOB, amount);
        world.refused(why, draw, &[&keys.master]);
    }
    world.open_job([2; 16], 400 * UNIT);
    let all = world.farm.draw(1, &JOB, 500 * UNIT);
    world.must(&[all], &[&keys.master]);
    let above = world.farm.draw(1, &[2; 16], UNIT + 1);
    world.refused(Refusal::AboveTotal, above, &[&keys.master]);
    let rest = world.farm.draw(1, &[2; 16], UNIT);
    world.must(&[rest], &[&keys.master]);
}

#[test]
fn what_was_drawn_before_is_not_there_again() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.sealed(1, 1, 300 * UNIT);
    let tree = world.tree(2, 1, 201 * UNIT);
    let open = world.opening_epoch(2, &tree);
    let draw = world.farm.draw(2, &JOB, 201 * UNIT);
    world.all_refused(Refusal::AboveDeposit, &[open, draw], &[&keys.master]);
}

#[test]
fn a_draw_whose_sum_overflows_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.sealed(1, 1, 300 * UNIT);
    let tree = world.tree(2, 1, 1);
    let open = world.opening_epoch(2, &tree);
    let draw = world.farm.draw(2, &JOB, u64::MAX);
    world.all_refused(Refusal::Overflow, &[open, draw], &[&keys.master]);
}

#[test]
fn an_epoch_draws_from_a_job_once() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10);
    let open = world.opening_epoch(1, &tree);
    let draw = world.farm.draw(1, &JOB, 4);
    world.must(&[open, draw], &[&keys.master]);
    let again = world.farm.draw(1, &JOB, 6);
    world.refused(Refusal::DrawnAlready, again, &[&keys.master]);
}

#[test]
fn only_the_authority_draws_and_only_while_the_epoch_is_open() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.open_job([2; 16], UNIT);
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    let mut by_artist = world.farm.draw(1, &[2; 16], 1);
    by_artist.accounts[0].pubkey = world.artist.address();
    world.refused(Refusal::NotTheAuthority, by_artist, &[&keys.artist]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.must(&[seal], &[]);
    let late = world.farm.draw(1, &[2; 16], 1);
    world.refused(Refusal::EpochNotOpen, late, &[&keys.master]);
}

#[test]
fn a_job_neither_ends_nor_is_reclaimed_while_an_epoch_may_still_return_its_draw() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (artist, tokens, rent) =
        (world.artist.address(), world.artist.tokens, world.anyone.address());
    let tree = world.tree(1, 1, 10 * UNIT);
    world.fund(1, &tree);
    let end = world.farm.end_job(&JOB, tokens, rent);
    world.refused(Refusal::JobInWindow, end.clone(), &[&keys.master]);
    world.pass(24 * HOUR);
    let reclaim = world.farm.reclaim_job(&JOB, (artist, true), tokens, rent);
    world.refused(Refusal::JobInWindow, reclaim, &[&keys.artist]);
    let seal = world.farm.seal(1);
    world.must(&[seal, end], &[&keys.master]);
    assert_eq!(world.balance(&tokens), PURSE - 10 * UNIT);
}

#[test]
fn nothing_is_drawn_from_an_expired_job() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.pass(24 * HOUR);
    let tree = world.tree(1, 1, 10);
    let open = world.opening_epoch(1, &tree);
    let draw = world.farm.draw(1, &JOB, 10);
    world.all_refused(Refusal::Expired, &[open, draw], &[&keys.master]);
}

// --- sealing --------------------------------------------------------------------------------------

#[test]
fn an_epoch_is_not_sealed_before_its_deadline() {
    let mut world = World::working(0, 0);
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    world.pass(HOUR - 1);
    let seal = world.farm.seal(1);
    world.refused(Refusal::TooEarly, seal.clone(), &[]);
    world.pass(1);
    world.must(std::slice::from_ref(&seal), &[]);
    world.refused(Refusal::EpochNotOpen, seal, &[]);
}

#[test]
fn an_epoch_is_not_sealed_before_it_is_funded() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10);
    let open = world.opening_epoch(1, &tree);
    let draw = world.farm.draw(1, &JOB, 9);
    world.must(&[open, draw], &[&keys.master]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.refused(Refusal::NotFunded, seal, &[]);
}

#[test]
fn an_epoch_is_sealed_when_enough_guardians_approved() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.refused(Refusal::GuardiansMissing, seal.clone(), &[]);
    let approve = |at: usize| world.farm.approve_epoch(1, keys.guardians[at].pubkey());
    let (first, third) = (approve(0), approve(2));
    let stranger = world.farm.approve_epoch(1, world.artist.address());
    world.must(std::slice::from_ref(&first), &[&keys.guardians[0]]);
    world.refused(Refusal::GuardianTwice, first.clone(), &[&keys.guardians[0]]);
    world.refused(Refusal::NotAGuardian, stranger, &[&keys.artist]);
    let mut unsigned = first;
    unsigned.accounts[0].pubkey = keys.guardians[1].pubkey();
    unsigned.accounts[0].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[]);
    world.refused(Refusal::GuardiansMissing, seal.clone(), &[]);
    world.must(&[third, seal], &[&keys.guardians[2]]);
    assert_eq!(world.epoch_now(1).head.approvals, 0b101);
}

// --- cancelling -----------------------------------------------------------------------------------

#[test]
fn a_cancelled_epoch_gives_its_draws_back_before_the_next_opens() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (tokens, rent) = (world.artist.tokens, world.anyone.address());
    world.open_job([2; 16], 5 * UNIT);
    let tree = world.tree(1, 2, 10 * UNIT);
    let open = world.opening_epoch(1, &tree);
    let (one, other) = (world.farm.draw(1, &JOB, 16 * UNIT), world.farm.draw(1, &[2; 16], UNIT));
    world.must(&[open, one, other], &[&keys.master]);
    let cancel = world.farm.cancel_epoch(1);
    world.must(std::slice::from_ref(&cancel), &[&keys.master]);
    world.refused(Refusal::EpochNotOpen, cancel, &[&keys.master]);

    let next = world.tree(2, 1, 5);
    let open = world.opening_epoch(2, &next);
    world.refused(Refusal::EpochInWindow, open.clone(), &[&keys.master]);
    let close = world.farm.close_epoch(1, rent);
    world.refused(Refusal::DrawsNotReturned, close.clone(), &[]);
    let end = world.farm.end_job(&JOB, tokens, rent);
    world.refused(Refusal::JobInWindow, end.clone(), &[&keys.master]);

    let back = world.farm.return_draw(1, &JOB);
    world.must(std::slice::from_ref(&back), &[]);
    world.refused(Refusal::NotDrawn, back, &[]);
    world.refused(Refusal::EpochInWindow, open.clone(), &[&keys.master]);
    assert_eq!((world.job_now(JOB).drawn, world.job_now(JOB).last_draw), (0, 0));
    let other = world.farm.return_draw(1, &[2; 16]);
    world.must(&[other, close, end, open], &[&keys.master]);
    assert_eq!(world.balance(&tokens), PURSE - 5 * UNIT);
}

#[test]
fn draws_come_back_from_cancelled_epochs_only() {
    let mut world = World::working(0, 0);
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    let back = world.farm.return_draw(1, &JOB);
    world.refused(Refusal::EpochNotCancelled, back.clone(), &[]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.must(&[seal], &[]);
    world.refused(Refusal::EpochNotCancelled, back, &[]);
    let close = world.farm.close_epoch(1, world.anyone.address());
    world.refused(Refusal::LeavesUnpaid, close, &[]);
}

#[test]
fn a_sealed_epoch_is_not_cancelled() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.sealed(1, 1, 10);
    let cancel = world.farm.cancel_epoch(1);
    world.refused(Refusal::EpochNotOpen, cancel, &[&keys.master]);
}

#[test]
fn an_abandoned_epoch_is_cancelled_by_anyone_so_that_artists_get_their_money() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10 * UNIT);
    let open = world.opening_epoch(1, &tree);
    let draw = world.farm.draw(1, &JOB, 9 * UNIT);
    world.must(&[open, draw], &[&keys.master]);
    let cancel = world.farm.cancel_abandoned(1, None);
    world.pass(2 * HOUR + ABANDONED_S - 1);
    world.refused(Refusal::NotSigned, cancel.clone(), &[]);
    let mut by_artist = world.farm.cancel_epoch(1);
    by_artist.accounts[0].pubkey = world.artist.address();
    world.refused(Refusal::NotTheAuthority, by_artist, &[&keys.artist]);
    world.pass(1);
    let (artist, tokens, rent) =
        (world.artist.address(), world.artist.tokens, world.anyone.address());
    let back = world.farm.return_draw(1, &JOB);
    let reclaim = world.farm.reclaim_job(&JOB, (artist, false), tokens, rent);
    world.must(&[cancel, back, reclaim], &[]);
    assert_eq!(world.balance(&tokens), PURSE);
}

#[test]
fn rejected_challenges_do_not_put_the_end_off() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (node, tokens) = (world.node.address(), world.node.tokens);
    let tree = world.tree(1, 1, 10 * UNIT);
    let begun = world.time();
    world.fund(1, &tree);
    while world.time() < begun + 2 * HOUR + ABANDONED_S {
        let challenge = world.farm.challenge(1, node, tokens, REASON);
        let resolve = world.farm.resolve(1, node, false, &[keys.master.pubkey()]);
        world.must(&[challenge], &[&keys.node]);
        world.pass(24 * HOUR);
        world.must(&[resolve], &[&keys.master]);
    }
    let cancel = world.farm.cancel_abandoned(1, None);
    world.must(&[cancel], &[]);
}

#[test]
fn an_abandoned_challenge_gives_the_bond_back() {
    let mut world = World::working(2, 2);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10 * UNIT);
    world.fund(1, &tree);
    let (node, tokens) = (world.node.address(), world.node.tokens);
    let challenge = world.farm.challenge(1, node, tokens, REASON);
    world.must(&[challenge], &[&keys.node]);
    let by_master = world.farm.cancel_epoch(1);
    world.refused(Refusal::EpochNotOpen, by_master, &[&keys.master]);
    world.pass(2 * HOUR + ABANDONED_S);
    let cancel = world.farm.cancel_abandoned(1, Some(node));
    world.must(&[cancel], &[]);
    assert_eq!(world.node_now().stake, 110 * UNIT);
    assert_eq!(world.epoch_now(1).head.state, EpochState::Cancelled);
}
