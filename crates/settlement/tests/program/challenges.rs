//! Challenges, and what becomes of their bonds.

use solana_signer::Signer as _;
use tessera_settlement::abi::account::EpochState;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::seeds::Vault;

use crate::world::{HOUR, JOB, PURSE, REASON, UNIT, World};

/// An open, funded epoch that the node has challenged.
fn challenged(guardians: usize, threshold: u8) -> World {
    let mut world = World::working(guardians, threshold);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10 * UNIT);
    world.fund(1, &tree);
    let challenge = world.farm.challenge(1, world.node.address(), world.node.tokens, REASON);
    world.must(&[challenge], &[&keys.node]);
    world
}

#[test]
fn a_challenge_stops_an_epoch() {
    let mut world = challenged(3, 2);
    let keys = world.keys();
    let epoch = world.epoch_now(1).head;
    assert_eq!(epoch.challenger, world.node.address().to_bytes());
    assert_eq!((epoch.state, epoch.reason), (EpochState::Challenged, REASON));
    assert_eq!(world.balance(&world.node.tokens), PURSE - 110 * UNIT);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.refused(Refusal::EpochNotOpen, seal, &[]);
    let approve = world.farm.approve_epoch(1, keys.guardians[0].pubkey());
    world.refused(Refusal::EpochNotOpen, approve, &[&keys.guardians[0]]);
    let again = world.farm.challenge(1, world.node.address(), world.node.tokens, REASON);
    world.refused(Refusal::EpochNotOpen, again, &[&keys.node]);
}

#[test]
fn a_challenge_that_is_upheld_is_rewarded_from_the_masters_bond() {
    let mut world = challenged(3, 2);
    let keys = world.keys();
    world.bond(50 * UNIT);
    let [a, b] = [&keys.guardians[0], &keys.guardians[2]];
    let resolve = world.farm.resolve(1, world.node.address(), true, &[a.pubkey(), b.pubkey()]);
    world.must(std::slice::from_ref(&resolve), &[a, b]);
    assert_eq!(world.node_now().stake, 120 * UNIT);
    assert_eq!((world.farm_now().bond, world.farm_now().challenges_held), (40 * UNIT, 0));
    assert_eq!(world.epoch_now(1).head.state, EpochState::Cancelled);
    world.refused(Refusal::EpochNotChallenged, resolve, &[a, b]);
    let back = world.farm.return_draw(1, &JOB);
    world.must(&[back], &[]);
    assert_eq!(world.farm_now().settling, 0);
}

#[test]
fn the_reward_is_what_the_bond_has() {
    let mut world = challenged(0, 0);
    let keys = world.keys();
    world.bond(3 * UNIT);
    let ask = world.farm.request_unbond(2 * UNIT);
    world.must(&[ask], &[&keys.master]);
    let resolve = world.farm.resolve(1, world.node.address(), true, &[keys.master.pubkey()]);
    world.must(&[resolve], &[&keys.master]);
    assert_eq!(world.node_now().stake, 113 * UNIT);
    assert_eq!((world.farm_now().bond, world.farm_now().unbonding), (0, 0));
}

#[test]
fn a_challenge_that_is_rejected_costs_its_bond_and_the_window_begins_anew() {
    let mut world = challenged(3, 2);
    let keys = world.keys();
    world.pass(HOUR / 2);
    let [a, b] = [&keys.guardians[0], &keys.guardians[1]];
    let resolve = world.farm.resolve(1, world.node.address(), false, &[a.pubkey(), b.pubkey()]);
    world.must(&[resolve], &[a, b]);
    assert_eq!(world.farm_now().bond, 10 * UNIT);
    assert_eq!(world.node_now().stake, 100 * UNIT);
    assert_eq!(world.epoch_now(1).head.deadline, world.time() + HOUR);
    let again = world.farm.challenge(1, world.node.address(), world.node.tokens, REASON);
    world.must(&[again], &[&keys.node]);
}

#[test]
fn guardians_resolve_together() {
    let mut world = challenged(3, 2);
    let keys = world.keys();
    let node = world.node.address();
    let [a, b] = [&keys.guardians[0], &keys.guardians[1]];
    let one = world.farm.resolve(1, node, true, &[a.pubkey()]);
    world.refused(Refusal::GuardiansMissing, one, &[a]);
    let none = world.farm.resolve(1, node, true, &[]);
    world.refused(Refusal::GuardiansMissing, none, &[]);
    let twice = world.farm.resolve(1, node, true, &[a.pubkey(), a.pubkey()]);
    world.refused(Refusal::GuardianTwice, twice, &[a]);
    let master = world.farm.resolve(1, node, true, &[a.pubkey(), keys.master.pubkey()]);
    world.refused(Refusal::NotAGuardian, master, &[a, &keys.master]);
    let mut unsigned = world.farm.resolve(1, node, true, &[a.pubkey(), b.pubkey()]);
    unsigned.accounts[7].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[a]);
}

#[test]
fn a_trusted_operator_resolves_alone() {
    let mut world = challenged(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let by_node = world.farm.resolve(1, node, true, &[node]);
    world.refused(Refusal::NotTheAuthority, by_node, &[&keys.node]);
    let nobody = world.farm.resolve(1, node, true, &[]);
    world.refused(Refusal::AccountsMissing, nobody, &[]);
    let by_master = world.farm.resolve(1, node, false, &[keys.master.pubkey()]);
    world.must(&[by_master], &[&keys.master]);
    assert_eq!(world.epoch_now(1).head.state, EpochState::Open);
}

#[test]
fn a_reward_goes_to_who_challenged() {
    let mut world = challenged(0, 0);
    let keys = world.keys();
    let other = world.person();
    let register = world.farm.register_node(world.anyone.address(), other.address(), other.tokens);
    world.must(&[register], &[&other.key]);
    let resolve = world.farm.resolve(1, other.address(), true, &[keys.master.pubkey()]);
    world.refused(Refusal::WrongChallenger, resolve, &[&keys.master]);
    let mut vaults = world.farm.resolve(1, world.node.address(), true, &[keys.master.pubkey()]);
    vaults.accounts[4].pubkey = world.farm.vault(Vault::Escrow);
    world.refused(Refusal::WrongVault, vaults, &[&keys.master]);
}

#[test]
fn a_node_without_stake_does_not_challenge() {
    let mut world = World::with_guardians(0, 0);
    let keys = world.keys();
    world.register();
    world.open_job(JOB, 500 * UNIT);
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    let challenge = world.farm.challenge(1, world.node.address(), world.node.tokens, REASON);
    world.refused(Refusal::NoStake, challenge, &[&keys.node]);
}

#[test]
fn an_epoch_is_challenged_until_its_deadline() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.tree(1, 1, 10);
    world.fund(1, &tree);
    world.pass(HOUR);
    let challenge = world.farm.challenge(1, world.node.address(), world.node.tokens, REASON);
    world.refused(Refusal::TooLate, challenge, &[&keys.node]);
}

#[test]
fn a_node_does_not_close_while_its_challenge_is_pending() {
    let mut world = challenged(0, 0);
    let keys = world.keys();
    let (node, tokens, rent) = (world.node.address(), world.node.tokens, world.anyone.address());
    let ask = world.farm.request_unstake(node, 100 * UNIT);
    world.must(&[ask], &[&keys.node]);
    world.pass(24 * HOUR);
    let withdraw = world.farm.withdraw_stake(node, tokens);
    world.must(&[withdraw], &[&keys.node]);
    let close = world.farm.close_node(node, rent);
    world.refused(Refusal::ChallengePending, close.clone(), &[&keys.node]);
    let resolve = world.farm.resolve(1, node, false, &[keys.master.pubkey()]);
    world.must(&[resolve, close], &[&keys.master, &keys.node]);
}
