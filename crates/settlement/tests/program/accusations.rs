//! Accusations that rest on signed statements, and the bond of the master.

use solana_address::Address;
use solana_instruction::Instruction;
use tessera_settlement::abi::account::OmissionState;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::signed::{AckHeader, Class, CommitHeader, VerdictHeader};
use tessera_settlement::accounts::{Account, decode};
use tessera_settlement::instruction::{LeaseOf, signature_check};

use crate::world::{Failure, HOUR, PURSE, Person, UNIT, World};

const LEASE: [u8; 16] = [4; 16];

fn of(world: &World) -> LeaseOf {
    LeaseOf { node: world.node.address(), lease: LEASE, generation: 2 }
}

fn commit(world: &World, body: u8) -> CommitHeader {
    CommitHeader {
        master: world.master.address().to_bytes(),
        node: world.node.address().to_bytes(),
        job: [3; 16],
        lease: LEASE,
        generation: 2,
        class: Class::Exact,
        body: [body; 32],
    }
}

fn verdict(world: &World, body: u8) -> VerdictHeader {
    VerdictHeader {
        master: world.master.address().to_bytes(),
        node: world.node.address().to_bytes(),
        lease: LEASE,
        generation: 2,
        counts: true,
        pay: UNIT,
        body: [body; 32],
    }
}

fn ack(world: &World) -> AckHeader {
    AckHeader {
        master: world.master.address().to_bytes(),
        node: world.node.address().to_bytes(),
        lease: LEASE,
        generation: 2,
        pay: 5 * UNIT,
        due_at: world.time() + HOUR,
        commit: [7; 32],
    }
}

/// The signature check of two messages of one person's.
fn both(by: &Person, one: &[u8], other: &[u8]) -> Instruction {
    signature_check(&[by.signs(one), by.signs(other)])
}

/// Two commits by the node, and the accusation that rests on them.
fn equivocation(world: &World, one: &CommitHeader, other: &CommitHeader) -> [Instruction; 2] {
    [both(&world.node, &one.encode(), &other.encode()), slash(world)]
}

fn slash(world: &World) -> Instruction {
    let (rent, reporter) = (world.anyone.address(), world.artist.tokens);
    world.farm.slash_equivocation(rent, reporter, &of(world), 0)
}

// --- two commits ----------------------------------------------------------------------------------

#[test]
fn two_commits_cost_a_share_of_the_stake_once() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let ask = world.farm.request_unstake(world.node.address(), 80 * UNIT);
    world.must(&[ask], &[&keys.node]);
    let before = world.supply();
    let what = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    world.must(&what, &[]);
    let node = world.node_now();
    assert_eq!((node.stake, node.unlocking, node.slashed_total), (0, 50 * UNIT, 50 * UNIT));
    assert_eq!(world.balance(&world.artist.tokens), PURSE - 500 * UNIT + 5 * UNIT);
    assert_eq!(before - world.supply(), 45 * UNIT);
    world.all_refused(Refusal::AlreadyExists, &what, &[]);
    let turned = equivocation(&world, &commit(&world, 2), &commit(&world, 1));
    world.all_refused(Refusal::AlreadyExists, &turned, &[]);
}

#[test]
fn commits_that_prove_nothing_do_not_slash() {
    let mut world = World::working(0, 0);
    let good = commit(&world, 1);
    let other = commit(&world, 2);
    let tolerant = Class::Tolerant;
    let stranger = world.artist.address().to_bytes();
    let cases = [
        (Refusal::SameStatement, good, good),
        (Refusal::SameStatement, good, CommitHeader { job: [8; 16], ..good }),
        (Refusal::TolerantClass, good, CommitHeader { class: tolerant, ..other }),
        (Refusal::TolerantClass, CommitHeader { class: tolerant, ..good }, other),
        (Refusal::OtherLease, good, CommitHeader { lease: [5; 16], ..other }),
        (Refusal::OtherGeneration, good, CommitHeader { generation: 3, ..other }),
        (Refusal::OtherMaster, good, CommitHeader { master: stranger, ..other }),
        (Refusal::WrongSigner, good, CommitHeader { node: stranger, ..other }),
    ];
    for (why, one, other) in cases {
        let what = equivocation(&world, &one, &other);
        world.all_refused(why, &what, &[]);
    }
    assert_eq!(world.node_now().stake, 100 * UNIT);
}

#[test]
fn commits_signed_by_another_key_do_not_slash() {
    let mut world = World::working(0, 0);
    let (one, other) = (commit(&world, 1).encode(), commit(&world, 2).encode());
    let forged = signature_check(&[world.node.signs(&one), world.artist.signs(&other)]);
    let slash = slash(&world);
    world.all_refused(Refusal::WrongSigner, &[forged, slash], &[]);
}

#[test]
fn another_nodes_commits_do_not_slash_this_one() {
    let mut world = World::working(0, 0);
    let node = world.artist.address().to_bytes();
    let theirs = |body| CommitHeader { node, ..commit(&world, body) }.encode();
    let check = both(&world.artist, &theirs(1), &theirs(2));
    let slash = slash(&world);
    world.all_refused(Refusal::OtherStatementNode, &[check, slash], &[]);
}

#[test]
fn another_nodes_mark_does_not_protect_this_one() {
    let mut world = World::working(0, 0);
    let friend = world.person();
    let rent = world.anyone.address();
    let register = world.farm.register_node(rent, friend.address(), friend.tokens);
    let stake = world.farm.stake(friend.source(), friend.address(), UNIT);
    world.must(&[register, stake], &[&friend.key]);
    let node = friend.address().to_bytes();
    let theirs = |body| CommitHeader { node, ..commit(&world, body) }.encode();
    let check = both(&friend, &theirs(1), &theirs(2));
    let lease = LeaseOf { node: friend.address(), ..of(&world) };
    let first = world.farm.slash_equivocation(rent, friend.tokens, &lease, 0);
    world.must(&[check, first], &[]);
    let what = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    world.must(&what, &[]);
    assert_eq!(world.node_now().stake, 50 * UNIT);
}

#[test]
fn a_signature_that_is_wrong_fails_before_the_program_is_asked() {
    let mut world = World::working(0, 0);
    let mut one = world.node.signs(&commit(&world, 1).encode());
    one.signature[0] ^= 1;
    let check = signature_check(&[one, world.node.signs(&commit(&world, 2).encode())]);
    let slash = slash(&world);
    let failure = world.send(&[check, slash], &[]);
    assert!(matches!(failure, Err(Failure::Other(_))), "{failure:?}");
}

/// Place of the `number`th u16 of a signature's offsets in an Ed25519 instruction's bytes.
fn offset(signature: usize, number: usize) -> usize {
    2 + 14 * signature + 2 * number
}

#[test]
fn a_signature_check_that_points_into_another_instruction_is_refused() {
    let mut world = World::working(0, 0);
    let [good, slash] = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    // The check verifies bytes of the instruction at place 1, a copy, and holds others itself.
    for number in [1, 3, 6] {
        let mut foreign = good.clone();
        foreign.data[offset(1, number)..][..2].copy_from_slice(&1_u16.to_le_bytes());
        let what = [foreign, good.clone(), slash.clone()];
        world.all_refused(Refusal::ForeignOffsets, &what, &[]);
    }
    // Even when it names its own place by number.
    let mut by_number = good;
    by_number.data[offset(0, 6)..][..2].copy_from_slice(&0_u16.to_le_bytes());
    world.all_refused(Refusal::ForeignOffsets, &[by_number, slash], &[]);
}

#[test]
fn what_is_no_signature_check_is_refused() {
    let mut world = World::working(0, 0);
    let [check, _] = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    let (rent, reporter) = (world.anyone.address(), world.artist.tokens);
    let at = |place| world.farm.slash_equivocation(rent, reporter, &of(&world), place);
    let (itself, beyond, after) = (at(1), at(9), at(0));
    world.all_refused(Refusal::NotAnEd25519, &[check.clone(), itself], &[]);
    world.all_refused(Refusal::NotAnEd25519, &[check.clone(), beyond], &[]);
    let mut no_sysvar = after.clone();
    no_sysvar.accounts[7].pubkey = world.farm.farm;
    world.all_refused(Refusal::WrongProgram, &[check, no_sysvar], &[]);
    let single = signature_check(&[world.node.signs(&commit(&world, 1).encode())]);
    world.all_refused(Refusal::WrongSignatureCount, &[single, after.clone()], &[]);
    let verdicts = both(&world.node, &verdict(&world, 1).encode(), &verdict(&world, 2).encode());
    world.all_refused(Refusal::NotAStatement, &[verdicts, after], &[]);
}

#[test]
fn a_node_with_nothing_left_is_not_slashed() {
    let mut world = World::with_guardians(0, 0);
    world.register();
    let what = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    world.all_refused(Refusal::NothingThere, &what, &[]);
}

#[test]
fn the_reward_does_not_go_into_the_farms_own_vault() {
    let mut world = World::working(0, 0);
    let [check, mut slash] = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    slash.accounts[1].pubkey = slash.accounts[4].pubkey;
    world.all_refused(Refusal::PayeeUnpayable, &[check, slash], &[]);
}

#[test]
fn a_slash_burns_the_farms_mint_and_no_other() {
    let mut world = World::working(0, 0);
    let other = Address::new_from_array([99; 32]);
    world.put_mint(other, 6);
    let [check, mut slash] = equivocation(&world, &commit(&world, 1), &commit(&world, 2));
    slash.accounts[5].pubkey = other;
    world.all_refused(Refusal::WrongMint, &[check, slash], &[]);
}

// --- the master's bond ----------------------------------------------------------------------------

#[test]
fn a_bond_comes_back_after_the_cooldown_to_the_authority_alone() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.bond(50 * UNIT);
    let tokens = world.master.tokens;
    let mut by_node = world.farm.request_unbond(UNIT);
    by_node.accounts[0].pubkey = world.node.address();
    world.refused(Refusal::NotTheAuthority, by_node, &[&keys.node]);
    let more = world.farm.request_unbond(50 * UNIT + 1);
    world.refused(Refusal::AboveBond, more, &[&keys.master]);
    let withdraw = world.farm.withdraw_bond(tokens);
    world.refused(Refusal::NothingThere, withdraw.clone(), &[&keys.master]);
    let ask = world.farm.request_unbond(30 * UNIT);
    world.must(&[ask], &[&keys.master]);
    world.pass(24 * HOUR - 1);
    world.refused(Refusal::StillLocked, withdraw.clone(), &[&keys.master]);
    world.pass(1);
    world.must(&[withdraw], &[&keys.master]);
    assert_eq!(world.balance(&tokens), PURSE - 20 * UNIT);
}

fn double(world: &World, one: &VerdictHeader, other: &VerdictHeader) -> [Instruction; 2] {
    let check = both(&world.master, &one.encode(), &other.encode());
    let rent = world.anyone.address();
    [check, world.farm.claim_double_verdict(rent, world.node.tokens, &of(world), 0)]
}

#[test]
fn two_verdicts_pay_the_node_from_the_bond_once() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.bond(50 * UNIT);
    let ask = world.farm.request_unbond(45 * UNIT);
    world.must(&[ask], &[&keys.master]);
    let what = double(&world, &verdict(&world, 1), &verdict(&world, 2));
    world.must(&what, &[]);
    assert_eq!(world.balance(&world.node.tokens), PURSE - 100 * UNIT + 20 * UNIT);
    assert_eq!((world.farm_now().bond, world.farm_now().unbonding), (0, 30 * UNIT));
    world.all_refused(Refusal::AlreadyExists, &what, &[]);
}

#[test]
fn a_verdict_that_differs_in_pay_alone_is_another() {
    let mut world = World::working(0, 0);
    world.bond(5 * UNIT);
    let one = verdict(&world, 1);
    let what = double(&world, &one, &VerdictHeader { pay: 0, ..one });
    world.must(&what, &[]);
    assert_eq!(world.farm_now().bond, 0);
}

#[test]
fn verdicts_that_prove_nothing_pay_nothing() {
    let mut world = World::working(0, 0);
    world.bond(50 * UNIT);
    let good = verdict(&world, 1);
    let other = verdict(&world, 2);
    let stranger = world.artist.address().to_bytes();
    let cases = [
        (Refusal::SameStatement, good, good),
        (Refusal::OtherLease, good, VerdictHeader { lease: [5; 16], ..other }),
        (Refusal::OtherGeneration, good, VerdictHeader { generation: 3, ..other }),
        (Refusal::OtherStatementNode, good, VerdictHeader { node: stranger, ..other }),
        (Refusal::WrongSigner, good, VerdictHeader { master: stranger, ..other }),
    ];
    for (why, one, other) in cases {
        let what = double(&world, &one, &other);
        world.all_refused(why, &what, &[]);
    }
    let master = world.node.address().to_bytes();
    let own = |body| VerdictHeader { master, ..verdict(&world, body) }.encode();
    let check = both(&world.node, &own(1), &own(2));
    let [_, claim] = double(&world, &good, &other);
    world.all_refused(Refusal::OtherMaster, &[check, claim], &[]);
}

#[test]
fn two_verdicts_pay_nobody_else_and_nothing_from_nothing() {
    let mut world = World::working(0, 0);
    let [check, claim] = double(&world, &verdict(&world, 1), &verdict(&world, 2));
    world.all_refused(Refusal::NothingThere, &[check.clone(), claim.clone()], &[]);
    world.bond(50 * UNIT);
    let mut thief = claim.clone();
    thief.accounts[4].pubkey = world.artist.tokens;
    world.all_refused(Refusal::WrongPayout, &[check.clone(), thief], &[]);
    let tokens = world.node.tokens;
    world.freeze(&tokens);
    world.all_refused(Refusal::PayeeUnpayable, &[check, claim], &[]);
}

// --- overdue verdicts -----------------------------------------------------------------------------

fn omitted(world: &World, ack: &AckHeader) -> [Instruction; 2] {
    let check = signature_check(&[world.master.signs(&ack.encode())]);
    [check, world.farm.claim_omitted(world.anyone.address(), &of(world), 0)]
}

fn state(world: &World) -> OmissionState {
    let LeaseOf { node, lease, generation } = of(world);
    let claim = world.farm.omitted(&node, &lease, generation);
    let data = world.svm.get_account(&claim).unwrap().data;
    let Ok(Account::Omission(claim)) = decode(&data) else { panic!("no claim") };
    claim.state
}

#[test]
fn an_overdue_verdict_is_paid_from_the_bond_when_nobody_answers() {
    let mut world = World::working(0, 0);
    world.bond(50 * UNIT);
    let what = omitted(&world, &ack(&world));
    world.all_refused(Refusal::NotYetDue, &what, &[]);
    world.pass(HOUR);
    world.all_refused(Refusal::NotYetDue, &what, &[]);
    world.pass(1);
    world.must(&what, &[]);
    world.all_refused(Refusal::AlreadyExists, &what, &[]);
    let settle = world.farm.settle_omitted(world.node.tokens, &of(&world));
    world.pass(2 * HOUR);
    world.refused(Refusal::AnswerPending, settle.clone(), &[]);
    world.pass(1);
    let thief = world.farm.settle_omitted(world.artist.tokens, &of(&world));
    world.refused(Refusal::WrongPayout, thief, &[]);
    world.must(std::slice::from_ref(&settle), &[]);
    assert_eq!(world.balance(&world.node.tokens), PURSE - 95 * UNIT);
    assert_eq!(state(&world), OmissionState::Paid);
    world.refused(Refusal::AnsweredAlready, settle, &[]);
    let answer = answer(&world, &verdict(&world, 1));
    world.all_refused(Refusal::AnsweredAlready, &answer, &[]);
    world.all_refused(Refusal::AlreadyExists, &what, &[]);
}

fn answer(world: &World, verdict: &VerdictHeader) -> [Instruction; 2] {
    let check = signature_check(&[world.master.signs(&verdict.encode())]);
    [check, world.farm.answer_omitted(&of(world), 0)]
}

#[test]
fn the_verdict_answers_a_claim() {
    let mut world = World::working(0, 0);
    world.bond(50 * UNIT);
    let acknowledged = AckHeader { due_at: world.time() - 1, ..ack(&world) };
    let what = omitted(&world, &acknowledged);
    world.must(&what, &[]);
    let good = verdict(&world, 1);
    let stranger = world.artist.address().to_bytes();
    let cases = [
        (Refusal::OtherLease, VerdictHeader { lease: [5; 16], ..good }),
        (Refusal::OtherGeneration, VerdictHeader { generation: 1, ..good }),
        (Refusal::OtherStatementNode, VerdictHeader { node: stranger, ..good }),
        (Refusal::WrongSigner, VerdictHeader { master: stranger, ..good }),
    ];
    for (why, verdict) in cases {
        let what = answer(&world, &verdict);
        world.all_refused(why, &what, &[]);
    }
    let own = VerdictHeader { master: world.node.address().to_bytes(), ..good };
    let self_made = signature_check(&[world.node.signs(&own.encode())]);
    let accept = world.farm.answer_omitted(&of(&world), 0);
    world.all_refused(Refusal::OtherMaster, &[self_made, accept], &[]);
    let again_ack = signature_check(&[world.master.signs(&acknowledged.encode())]);
    let wrong_kind = world.farm.answer_omitted(&of(&world), 0);
    world.all_refused(Refusal::NotAStatement, &[again_ack, wrong_kind], &[]);

    let what = answer(&world, &good);
    world.must(&what, &[]);
    assert_eq!(state(&world), OmissionState::Answered);
    world.pass(3 * HOUR);
    let settle = world.farm.settle_omitted(world.node.tokens, &of(&world));
    world.refused(Refusal::AnsweredAlready, settle, &[]);
}

#[test]
fn an_acknowledgement_of_another_master_or_node_claims_nothing() {
    let mut world = World::working(0, 0);
    let node = world.node.address().to_bytes();
    let due_at = world.time() - 1;
    let own = AckHeader { master: node, due_at, ..ack(&world) };
    let check = signature_check(&[world.node.signs(&own.encode())]);
    let [_, claim] = omitted(&world, &own);
    world.all_refused(Refusal::OtherMaster, &[check, claim], &[]);
    let stranger = world.artist.address().to_bytes();
    let what = omitted(&world, &AckHeader { node: stranger, due_at, ..ack(&world) });
    world.all_refused(Refusal::OtherStatementNode, &what, &[]);
}

#[test]
fn one_claim_takes_no_more_than_the_cap() {
    let mut world = World::working(0, 0);
    world.bond(50 * UNIT);
    let due_at = world.time() - 1;
    let what = omitted(&world, &AckHeader { pay: u64::MAX, due_at, ..ack(&world) });
    world.must(&what, &[]);
    world.pass(2 * HOUR + 1);
    let settle = world.farm.settle_omitted(world.node.tokens, &of(&world));
    world.must(&[settle], &[]);
    assert_eq!(world.farm_now().bond, 30 * UNIT);
}

#[test]
fn a_claim_is_settled_for_the_node_that_it_names() {
    let mut world = World::working(0, 0);
    world.bond(50 * UNIT);
    let other = world.person();
    let rent = world.anyone.address();
    let register = world.farm.register_node(rent, other.address(), other.tokens);
    world.must(&[register], &[&other.key]);
    let due_at = world.time() - 1;
    let what = omitted(&world, &AckHeader { due_at, ..ack(&world) });
    world.must(&what, &[]);
    world.pass(2 * HOUR + 1);
    let mut settle = world.farm.settle_omitted(other.tokens, &of(&world));
    settle.accounts[1].pubkey = world.farm.node(&other.address());
    world.refused(Refusal::OtherNode, settle, &[]);
}
