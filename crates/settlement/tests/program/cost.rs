//! What it costs: compute units of each instruction, and the size of a push.

use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer as _;
use tessera_settlement::abi::LEAVES_MAX;
use tessera_settlement::abi::instruction::OpenChannel;
use tessera_settlement::abi::signed::{
    AckHeader, Class, CommitHeader, VerdictHeader, VoucherHeader,
};
use tessera_settlement::instruction::{Ends, LeaseOf, signature_check};
use tessera_settlement::tree::{Payout, PayoutTree};

use crate::world::{HOUR, JOB, REASON, UNIT, World};

/// Bytes of a legacy transaction at most.
const TRANSACTION_LEN_MAX: usize = 1_232;

/// Bytes that two instructions of the compute budget program take, with which a transaction says
/// what it needs and what it offers for it.
const PRIORITY_FEE_LEN: usize = 32 + (3 + 5) + (3 + 9);

/// Compute units that an instruction may use when nobody asks for more.
const UNITS: u64 = 200_000;

/// Bytes of a transaction with all its signatures.
fn transaction_len(what: &[Instruction], payer: &Keypair) -> usize {
    let message = Message::new(what, Some(&payer.pubkey()));
    let signatures = usize::from(message.header.num_required_signatures);
    1 + 64 * signatures + message.serialize().len()
}

fn costs(world: &mut World, name: &str, what: Instruction, signing: &[&Keypair]) {
    all_cost(world, name, &[what], signing);
}

fn all_cost(world: &mut World, name: &str, what: &[Instruction], signing: &[&Keypair]) {
    world.must(what, signing);
    let len = transaction_len(what, &world.anyone.key);
    println!("{name:>20} {:>7} CU {len:>5} bytes", world.units);
    assert!(world.units < UNITS, "{name}");
    assert!(len <= TRANSACTION_LEN_MAX, "{name}");
}

/// The largest tree, whose first 16 leaves pay accounts that exist, so much each.
fn largest_tree(world: &mut World, amount: u64) -> PayoutTree {
    let owner = world.node.address();
    let payouts = (0..LEAVES_MAX).map(|at| {
        let mut payee = [0; 32];
        payee[..4].copy_from_slice(&at.to_le_bytes());
        let first = at < 16;
        let payee = if first { world.token_account(&owner, 0) } else { payee.into() };
        Payout { payee, amount: if first { amount } else { 1 } }
    });
    let payouts = payouts.collect();
    PayoutTree::new(&world.farm.epoch(1), payouts).unwrap()
}

#[test]
fn a_push_of_sixteen_fits_one_transaction_even_in_the_largest_tree() {
    let mut world = World::working(0, 0);
    let tree = largest_tree(&mut world, 20 * UNIT);
    world.fund(1, &tree);
    world.pass(HOUR);
    let seal = world.farm.seal(1);
    world.must(&[seal], &[]);

    let run = tree.run(0).unwrap();
    let push = world.farm.push(1, &run);
    let len = transaction_len(std::slice::from_ref(&push), &world.anyone.key);
    println!("a push of 16 times 20 units out of {LEAVES_MAX} leaves: {len} bytes");
    assert!(len + PRIORITY_FEE_LEN <= TRANSACTION_LEN_MAX);
    costs(&mut world, "push of 16", push, &[]);
    for payout in &tree.payouts()[..16] {
        assert_eq!(world.balance(&payout.payee), 20 * UNIT);
    }

    let much = largest_tree(&mut world, u64::MAX / 20).run(0).unwrap();
    let len = transaction_len(&[world.farm.push(1, &much)], &world.anyone.key);
    println!("the same with amounts of 8 bytes: {len} bytes");
    assert!(len <= TRANSACTION_LEN_MAX);
}

#[test]
fn the_common_instructions_are_cheap() {
    let mut world = World::with_guardians(3, 1);
    let keys = world.keys();
    println!("{:>20} {:>7} CU", "init_farm", world.units);
    let node = world.node.address();
    let (rent, tokens) = (world.anyone.address(), world.node.tokens);
    let what = world.farm.register_node(rent, node, tokens);
    costs(&mut world, "register_node", what, &[&keys.node]);
    let what = world.farm.stake(world.node.source(), node, 100 * UNIT);
    costs(&mut world, "stake", what, &[&keys.node]);
    let what = world.farm.deposit_bond(world.master.source(), 50 * UNIT);
    costs(&mut world, "deposit_bond", what, &[&keys.master]);
    let what = world.opening(JOB, 500 * UNIT);
    costs(&mut world, "open_job", what, &[&keys.artist]);
    let what = world.farm.top_up(world.artist.source(), &JOB, UNIT);
    costs(&mut world, "top_up", what, &[&keys.artist]);
    let tree = world.tree(1, 20, UNIT);
    let what = world.opening_epoch(1, &tree);
    costs(&mut world, "open_epoch", what, &[&keys.master]);
    let what = world.farm.draw(1, &JOB, tree.total());
    costs(&mut world, "draw", what, &[&keys.master]);
    let what = world.farm.approve_epoch(1, keys.guardians[0].pubkey());
    costs(&mut world, "approve_epoch", what, &[&keys.guardians[0]]);
    let what = world.farm.challenge(1, node, tokens, REASON);
    costs(&mut world, "challenge", what, &[&keys.node]);
    let guardian = keys.guardians[1].pubkey();
    let what = world.farm.resolve(1, node, false, &[guardian]);
    costs(&mut world, "resolve", what, &[&keys.guardians[1]]);
    world.pass(HOUR);
    let what = world.farm.seal(1);
    costs(&mut world, "seal", what, &[]);
    let what = world.claiming(1, &tree, 17);
    costs(&mut world, "claim", what, &[]);
    for (name, start) in [("push of 16 (of 20)", 0), ("push of 3", 16)] {
        let what = world.farm.push(1, &tree.run(start).unwrap());
        costs(&mut world, name, what, &[]);
    }
    let what = world.farm.close_epoch(1, rent);
    costs(&mut world, "close_epoch", what, &[]);
    let what = world.farm.end_job(&JOB, world.artist.tokens, rent);
    costs(&mut world, "end_job", what, &[&keys.master]);
    let what = world.farm.request_unstake(node, 100 * UNIT);
    costs(&mut world, "request_unstake", what, &[&keys.node]);
    world.pass(24 * HOUR);
    let what = world.farm.withdraw_stake(node, tokens);
    costs(&mut world, "withdraw_stake", what, &[&keys.node]);
    let what = world.farm.close_node(node, rent);
    costs(&mut world, "close_node", what, &[&keys.node]);
}

#[test]
fn accusations_and_vouchers_fit_one_transaction() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    world.bond(100 * UNIT);
    let (node, master) = (world.node.address(), world.master.address());
    let (rent, tokens) = (world.anyone.address(), world.node.tokens);
    let of = LeaseOf { node, lease: [4; 16], generation: 1 };
    let (lease, generation) = (of.lease, of.generation);

    let commit = |body| CommitHeader {
        master: master.to_bytes(),
        node: node.to_bytes(),
        job: JOB,
        lease,
        generation,
        class: Class::Exact,
        body,
    };
    let signed = [REASON, OTHER].map(|body| world.node.signs(&commit(body).encode()));
    let slash = world.farm.slash_equivocation(rent, tokens, &of, 0);
    all_cost(&mut world, "slash_equivocation", &[signature_check(&signed), slash], &[]);

    let verdict = |body| VerdictHeader {
        master: master.to_bytes(),
        node: node.to_bytes(),
        lease,
        generation,
        counts: true,
        pay: UNIT,
        body,
    };
    let signed = [REASON, OTHER].map(|body| world.master.signs(&verdict(body).encode()));
    let claim = world.farm.claim_double_verdict(rent, tokens, &of, 0);
    all_cost(&mut world, "claim_double_verdict", &[signature_check(&signed), claim], &[]);

    let ack = AckHeader {
        master: master.to_bytes(),
        node: node.to_bytes(),
        lease,
        generation,
        pay: UNIT,
        due_at: world.time() - 1,
        commit: REASON,
    };
    let check = signature_check(&[world.master.signs(&ack.encode())]);
    let claim = world.farm.claim_omitted(rent, &of, 0);
    all_cost(&mut world, "claim_omitted", &[check, claim], &[]);
    let check = signature_check(&[world.master.signs(&verdict(REASON).encode())]);
    let answer = world.farm.answer_omitted(&of, 0);
    all_cost(&mut world, "answer_omitted", &[check, answer], &[]);

    let [a, b, _] = &keys.guardians[..] else { panic!("three guardians") };
    let what = world.farm.propose_slash(rent, a.pubkey(), &node, REASON, UNIT);
    costs(&mut world, "propose_slash", what, &[a]);
    let what = world.farm.approve_slash(b.pubkey(), &node, &REASON);
    costs(&mut world, "approve_slash", what, &[b]);
    world.pass(12 * HOUR);
    let what = world.farm.execute_slash(&node, &REASON);
    costs(&mut world, "execute_slash", what, &[]);
    let what = world.farm.set_farm(world.rules(2), &[a.pubkey(), b.pubkey()]);
    costs(&mut world, "set_farm", what, &[&keys.master, a, b]);

    let artist = &world.artist;
    let (payer, source) = (artist.address(), artist.source());
    let terms = OpenChannel {
        nonce: 1,
        voucher_key: payer.to_bytes(),
        amount: 50 * UNIT,
        grace_s: HOUR as u32,
    };
    let channel = world.farm.channel(&payer, &node, 1);
    let what = world.farm.open_channel(rent, source, source.account, &node, terms);
    costs(&mut world, "open_channel", what, &[&keys.artist]);
    let voucher = VoucherHeader { channel: channel.to_bytes(), cumulative: UNIT };
    let check = signature_check(&[world.artist.signs(&voucher.encode())]);
    let redeem = world.farm.redeem(&node, tokens, channel, 0);
    all_cost(&mut world, "redeem", &[check, redeem], &[]);
    let ends = Ends { payer, payee: node };
    let what = world.farm.close_channel(ends, channel, source.account, &[node]);
    costs(&mut world, "close_channel", what, &[&keys.node]);
}

/// Another hash than [`REASON`].
const OTHER: [u8; 32] = [8; 32];
