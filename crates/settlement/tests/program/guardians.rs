//! Slashing by evidence: guardians propose, approve and execute.

use solana_instruction::Instruction;
use solana_signer::Signer as _;
use tessera_settlement::abi::account::Rules;
use tessera_settlement::abi::error::Refusal;

use crate::world::{HOUR, PURSE, REASON, UNIT, World};

fn propose(world: &World, guardian: usize, amount: u64) -> Instruction {
    let rent = world.anyone.address();
    let guardian = world.guardians[guardian].address();
    world.farm.propose_slash(rent, guardian, &world.node.address(), REASON, amount)
}

#[test]
fn guardians_slash_together_after_the_evidence_window() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let node = world.node.address();
    let [a, b, _] = &keys.guardians[..] else { panic!("three guardians") };
    let before = world.supply();
    let what = propose(&world, 0, 25 * UNIT);
    world.must(std::slice::from_ref(&what), &[a]);
    world.refused(Refusal::AlreadyExists, what, &[a]);
    let execute = world.farm.execute_slash(&node, &REASON);
    world.pass(12 * HOUR);
    world.refused(Refusal::GuardiansMissing, execute.clone(), &[]);
    let twice = world.farm.approve_slash(a.pubkey(), &node, &REASON);
    world.refused(Refusal::GuardianTwice, twice, &[a]);
    let stranger = world.farm.approve_slash(keys.artist.pubkey(), &node, &REASON);
    world.refused(Refusal::NotAGuardian, stranger, &[&keys.artist]);
    let mut unsigned = world.farm.approve_slash(b.pubkey(), &node, &REASON);
    unsigned.accounts[0].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[]);
    let approve = world.farm.approve_slash(b.pubkey(), &node, &REASON);
    world.must(&[approve.clone(), execute.clone()], &[b]);
    assert_eq!(world.node_now().stake, 75 * UNIT);
    assert_eq!(before - world.supply(), 25 * UNIT);
    world.refused(Refusal::ExecutedAlready, execute, &[]);
    world.refused(Refusal::ExecutedAlready, approve, &[b]);
}

#[test]
fn evidence_lies_open_before_it_slashes() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let node = world.node.address();
    let what = propose(&world, 0, UNIT);
    let approve = world.farm.approve_slash(keys.guardians[1].pubkey(), &node, &REASON);
    world.must(&[what, approve], &[&keys.guardians[0], &keys.guardians[1]]);
    world.pass(12 * HOUR - 1);
    let execute = world.farm.execute_slash(&node, &REASON);
    world.refused(Refusal::EvidencePending, execute, &[]);
}

#[test]
fn a_quorum_of_one_does_not_slash_by_evidence() {
    let mut world = World::working(3, 1);
    let keys = world.keys();
    let what = propose(&world, 0, UNIT);
    world.refused(Refusal::QuorumOfOne, what, &[&keys.guardians[0]]);
    let mut trusting = World::working(0, 0);
    let master = trusting.keys().master;
    let (rent, node) = (trusting.anyone.address(), trusting.node.address());
    let by_master = trusting.farm.propose_slash(rent, master.pubkey(), &node, REASON, UNIT);
    trusting.refused(Refusal::QuorumOfOne, by_master, &[&master]);
}

#[test]
fn guardians_slash_no_more_than_the_cap() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let more = propose(&world, 0, 25 * UNIT + 1);
    world.refused(Refusal::AboveCap, more, &[&keys.guardians[0]]);
    let none = propose(&world, 0, 0);
    world.refused(Refusal::ZeroAmount, none, &[&keys.guardians[0]]);
    let all = propose(&world, 0, u64::MAX);
    world.refused(Refusal::AboveCap, all, &[&keys.guardians[0]]);
}

#[test]
fn stake_does_not_leave_before_guardians_can_slash_it() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let (node, tokens) = (world.node.address(), world.node.tokens);
    let what = propose(&world, 0, 25 * UNIT);
    let approve = world.farm.approve_slash(keys.guardians[1].pubkey(), &node, &REASON);
    let ask = world.farm.request_unstake(node, 100 * UNIT);
    let signing = [&keys.guardians[0], &keys.guardians[1], &keys.node];
    world.must(&[what, approve, ask], &signing);
    world.pass(12 * HOUR);
    let withdraw = world.farm.withdraw_stake(node, tokens);
    world.refused(Refusal::StillLocked, withdraw.clone(), &[&keys.node]);
    let execute = world.farm.execute_slash(&node, &REASON);
    world.must(&[execute], &[]);
    world.pass(12 * HOUR);
    world.must(&[withdraw], &[&keys.node]);
    assert_eq!(world.balance(&tokens), PURSE - 25 * UNIT);
}

#[test]
fn what_earlier_guardians_approved_is_void() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let node = world.node.address();
    let [a, b, _] = &keys.guardians[..] else { panic!("three guardians") };
    let what = propose(&world, 0, UNIT);
    let approve = world.farm.approve_slash(b.pubkey(), &node, &REASON);
    world.must(&[what, approve.clone()], &[a, b]);
    let rules = world.rules(2);
    let [x, y, ..] = rules.guardians;
    let fewer = Rules { guardian_count: 2, guardians: [y, x, [0; 32], [0; 32], [0; 32]], ..rules };
    let set = world.farm.set_farm(fewer, &[a.pubkey(), b.pubkey()]);
    world.must(&[set], &[&keys.master, a, b]);
    world.pass(12 * HOUR);
    let execute = world.farm.execute_slash(&node, &REASON);
    world.refused(Refusal::GuardiansChanged, execute, &[]);
    world.refused(Refusal::GuardiansChanged, approve, &[b]);
}

#[test]
fn a_proposal_slashes_the_node_that_it_names() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let node = world.node.address();
    let other = world.person();
    let register = world.farm.register_node(world.anyone.address(), other.address(), other.tokens);
    let what = propose(&world, 0, UNIT);
    let approve = world.farm.approve_slash(keys.guardians[1].pubkey(), &node, &REASON);
    let signing = [&other.key, &keys.guardians[0], &keys.guardians[1]];
    world.must(&[register, what, approve], &signing);
    world.pass(12 * HOUR);
    let mut execute = world.farm.execute_slash(&node, &REASON);
    execute.accounts[1].pubkey = world.farm.node(&other.address());
    world.refused(Refusal::OtherNode, execute, &[]);
}
