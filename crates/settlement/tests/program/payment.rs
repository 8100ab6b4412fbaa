//! Paying leaves: pushed in runs, or claimed one by one.

use solana_signer::Signer as _;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenEpoch;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::abi::tree::EMPTY;
use tessera_settlement::tree::{Payout, PayoutTree};

use crate::world::{HOUR, JOB, UNIT, World};

#[test]
fn a_leaf_is_claimed_once() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 3, 100);
    let claim = world.claiming(1, &tree, 1);
    world.must(std::slice::from_ref(&claim), &[]);
    assert_eq!(world.balance(&tree.payouts()[1].payee), 101);
    assert!(world.epoch_now(1).is_paid(1));
    world.refused(Refusal::PaidAlready, claim, &[]);
    let epoch = world.epoch_now(1).head;
    assert_eq!((epoch.paid, epoch.paid_leaves), (101, 1));
}

#[test]
fn a_push_passes_over_what_was_claimed() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 3, 100);
    let claim = world.claiming(1, &tree, 1);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    world.must(&[claim, push.clone()], &[]);
    world.must(&[push], &[]);
    for payout in tree.payouts() {
        assert_eq!(world.balance(&payout.payee), payout.amount);
    }
    let after = world.claiming(1, &tree, 0);
    world.refused(Refusal::PaidAlready, after, &[]);
}

#[test]
fn nothing_is_paid_before_the_epoch_is_sealed() {
    let mut world = World::working(0, 0);
    let tree = world.tree(1, 3, 100);
    world.fund(1, &tree);
    let claim = world.claiming(1, &tree, 0);
    world.refused(Refusal::EpochNotPayable, claim, &[]);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    world.refused(Refusal::EpochNotPayable, push, &[]);
    let close = world.farm.close_epoch(1, world.anyone.address());
    world.refused(Refusal::EpochNotPayable, close, &[]);
}

#[test]
fn a_forged_claim_is_refused() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 20, 100);
    let proof = tree.proof(1).unwrap();
    let payout = tree.payouts()[1];
    let thief = world.artist.tokens;
    let forged = [
        world.farm.claim(1, 1, Payout { amount: 102, ..payout }, &proof),
        world.farm.claim(1, 1, Payout { payee: thief, ..payout }, &proof),
        world.farm.claim(1, 0, payout, &proof),
        world.farm.claim(1, 1, payout, &proof[1..]),
        world.farm.claim(1, 1, payout, &[proof.as_slice(), &[EMPTY]].concat()),
        world.farm.claim(1, 1, payout, &[]),
    ];
    for claim in forged {
        world.refused(Refusal::BadProof, claim, &[]);
    }
    let beyond = world.farm.claim(1, 20, payout, &proof);
    world.refused(Refusal::BadIndex, beyond, &[]);
    let mut odd = world.farm.claim(1, 1, payout, &proof);
    odd.data.push(0);
    world.refused(Refusal::BadProof, odd, &[]);
}

#[test]
fn a_proof_of_another_epoch_is_refused() {
    let mut world = World::working(0, 0);
    let first = world.sealed(1, 20, 100);
    let second = PayoutTree::new(&world.farm.epoch(2), first.payouts().to_vec()).unwrap();
    world.fund(2, &second);
    world.pass(HOUR);
    let seal = world.farm.seal(2);
    world.must(&[seal], &[]);
    let claim = world.claiming(2, &first, 0);
    world.refused(Refusal::BadProof, claim, &[]);
    let push = world.farm.push(2, &first.run(0).unwrap());
    world.refused(Refusal::BadProof, push, &[]);
}

#[test]
fn a_forged_push_is_refused() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 40, 100);
    let run = tree.run(16).unwrap();
    let mut more = run.clone();
    more.payouts[3].amount += 1;
    let mut stolen = run.clone();
    stolen.payouts[3].payee = world.artist.tokens;
    let mut swapped = run.clone();
    swapped.payouts.swap(2, 3);
    let mut elsewhere = run.clone();
    elsewhere.start = 0;
    let mut shorter = run.clone();
    shorter.proof.pop();
    for forged in [more, stolen, swapped, elsewhere, shorter] {
        let push = world.farm.push(1, &forged);
        world.refused(Refusal::BadProof, push, &[]);
    }
    let push = world.farm.push(1, &run);
    world.must(&[push], &[]);
}

#[test]
fn a_push_starts_at_a_run_and_takes_exactly_its_accounts() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 40, 100);
    let run = tree.run(16).unwrap();
    for start in [1, 8, 48, 1 << 31, u32::MAX] {
        let mut unaligned = run.clone();
        unaligned.start = start;
        let push = world.farm.push(1, &unaligned);
        world.refused(Refusal::BadIndex, push, &[]);
    }
    let mut few = world.farm.push(1, &run);
    few.accounts.pop();
    world.refused(Refusal::AccountsMissing, few, &[]);
    let mut many = world.farm.push(1, &run);
    many.accounts.push(many.accounts[4].clone());
    world.refused(Refusal::AccountsLeftOver, many, &[]);
    let mut none = world.farm.push(1, &run);
    none.accounts.truncate(3);
    world.refused(Refusal::AccountsMissing, none, &[]);
    let mut cut = world.farm.push(1, &run);
    cut.data.truncate(20);
    world.refused(Refusal::MalformedInstruction, cut, &[]);
    for width in [0, 9, 255] {
        let mut wide = world.farm.push(1, &run);
        wide.data[5] = width;
        world.refused(Refusal::MalformedInstruction, wide, &[]);
    }
}

#[test]
fn leaves_that_cannot_be_paid_are_passed_over_and_stay_claimable() {
    let mut world = World::working(0, 0);
    let owner = world.node.address();
    let closed = solana_keypair::Keypair::new().pubkey();
    let frozen = world.token_account(&owner, 0);
    world.freeze(&frozen);
    let other_mint = solana_keypair::Keypair::new().pubkey();
    world.put_tokens(other_mint, &owner, &owner, 0);
    let vault = world.farm.vault(Vault::Escrow);
    let wallet = world.artist.address();
    let good = world.token_account(&owner, 0);
    let payees = [closed, frozen, other_mint, vault, wallet, good];
    let payouts = payees.iter().map(|&payee| Payout { payee, amount: UNIT }).collect();
    let tree = PayoutTree::new(&world.farm.epoch(1), payouts).unwrap();
    world.fund(1, &tree);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    world.must(&[seal, push.clone()], &[]);
    let paid: Vec<u32> = (0..6).filter(|&index| world.epoch_now(1).is_paid(index)).collect();
    assert_eq!(paid, [5]);
    assert_eq!(world.balance(&good), UNIT);
    for index in 0..5 {
        let claim = world.claiming(1, &tree, index);
        world.refused(Refusal::PayeeUnpayable, claim, &[]);
    }

    let mint = world.farm.mint;
    world.put_tokens(closed, &mint, &owner, 0);
    let claim = world.claiming(1, &tree, 0);
    world.must(&[claim], &[]);
    world.put_tokens(frozen, &mint, &owner, 0);
    world.must(&[push], &[]);
    assert_eq!((world.balance(&closed), world.balance(&frozen)), (UNIT, UNIT));
    assert_eq!(world.epoch_now(1).head.paid, 3 * UNIT);
}

#[test]
fn one_payee_may_have_many_leaves() {
    let mut world = World::working(0, 0);
    let payee = world.token_account(&world.node.address(), 0);
    let payouts = (0..16).map(|_| Payout { payee, amount: UNIT }).collect();
    let tree = PayoutTree::new(&world.farm.epoch(1), payouts).unwrap();
    world.fund(1, &tree);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    world.must(&[seal, push], &[]);
    assert_eq!(world.balance(&payee), 16 * UNIT);
}

#[test]
fn leaves_that_add_up_to_more_than_the_total_are_not_paid_beyond_it() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 2, 100);
    let epoch = OpenEpoch { number: 1, root: tree.root(), total: 150, leaf_count: 2 };
    let open = world.farm.open_epoch(world.anyone.address(), epoch);
    let draw = world.farm.draw(1, &JOB, 150);
    world.must(&[open, draw], &[&keys.master]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    let first = world.claiming(1, &tree, 0);
    world.must(&[seal, first], &[]);
    let second = world.claiming(1, &tree, 1);
    world.refused(Refusal::AboveTotal, second, &[]);
    let push = world.farm.push(1, &tree.run(0).unwrap());
    world.refused(Refusal::AboveTotal, push, &[]);
}

#[test]
fn leaves_that_add_up_to_less_leave_the_epoch_open() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 100);
    let epoch = OpenEpoch { number: 1, root: tree.root(), total: 150, leaf_count: 1 };
    let open = world.farm.open_epoch(world.anyone.address(), epoch);
    let draw = world.farm.draw(1, &JOB, 150);
    world.must(&[open, draw], &[&keys.master]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    let claim = world.claiming(1, &tree, 0);
    world.must(&[seal, claim], &[]);
    let close = world.farm.close_epoch(1, world.anyone.address());
    world.refused(Refusal::LeftOver, close, &[]);
}

#[test]
fn a_leaf_of_all_there_is_does_not_overflow() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let payees = [world.node.tokens, world.artist.tokens];
    let leaf = |payee, amount| Payout { payee, amount };
    let payouts = vec![leaf(payees[0], UNIT), leaf(payees[1], u64::MAX - UNIT)];
    let tree = PayoutTree::new(&world.farm.epoch(1), payouts).unwrap();
    let epoch = OpenEpoch { number: 1, root: tree.root(), total: UNIT, leaf_count: 2 };
    let open = world.farm.open_epoch(world.anyone.address(), epoch);
    let draw = world.farm.draw(1, &JOB, UNIT);
    world.must(&[open, draw], &[&keys.master]);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.must(&[seal], &[]);
    let claim = world.claiming(1, &tree, 1);
    world.refused(Refusal::AboveTotal, claim, &[]);
}

#[test]
fn the_rent_of_an_epoch_goes_back_to_who_paid_it() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 1, 100);
    let claim = world.claiming(1, &tree, 0);
    world.must(&[claim], &[]);
    let thief = world.farm.close_epoch(1, world.artist.address());
    world.refused(Refusal::WrongRentPayer, thief, &[]);
}

#[test]
fn money_does_not_come_out_of_another_vault() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 1, 100);
    let mut claim = world.claiming(1, &tree, 0);
    claim.accounts[2].pubkey = world.farm.vault(Vault::Stake);
    world.refused(Refusal::WrongVault, claim, &[]);
    let mut push = world.farm.push(1, &tree.run(0).unwrap());
    push.accounts[2].pubkey = world.farm.vault(Vault::Channels);
    world.refused(Refusal::WrongVault, push, &[]);
}
