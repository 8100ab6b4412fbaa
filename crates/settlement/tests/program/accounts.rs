//! Accounts that are not what an instruction expects: forged, of another farm, of another kind,
//! unsigned, read-only; and instructions that mean nothing.

use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::{OpenChannel, Tag};
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::instruction::{FarmAddresses, LeaseOf, SYSTEM};

use crate::world::{HOUR, JOB, Person, REASON, UNIT, World};

/// A second farm of the same program and mint, with a node and a job of the same names.
fn second_farm(world: &mut World) -> (FarmAddresses, Person) {
    let master = world.person();
    let farm = FarmAddresses::new(world.program, master.address(), world.farm.mint);
    let init = farm.init_farm(world.anyone.address(), world.rules(0));
    world.must(&[init], &[&master.key]);
    let first = std::mem::replace(&mut world.farm, farm);
    world.register();
    world.stake(UNIT);
    world.open_job(JOB, UNIT);
    world.farm = first;
    (farm, master)
}

#[test]
fn accounts_of_another_farm_are_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (other, _) = second_farm(&mut world);
    let tree = world.tree(1, 1, 10);
    let open = world.opening_epoch(1, &tree);
    world.must(&[open], &[&keys.master]);
    let node = world.node.address();
    let (rent, refund) = (world.anyone.address(), world.artist.tokens);

    let mut draw = world.farm.draw(1, &JOB, 10);
    draw.accounts[2].pubkey = other.job(&JOB);
    let mut end = world.farm.end_job(&JOB, refund, rent);
    end.accounts[2].pubkey = other.job(&JOB);
    world.refused(Refusal::OtherFarm, draw, &[&keys.master]);
    world.refused(Refusal::OtherFarm, end, &[&keys.master]);
    let mut stake = world.farm.stake(world.node.source(), node, UNIT);
    stake.accounts[3].pubkey = other.node(&node);
    world.refused(Refusal::OtherFarm, stake, &[&keys.node]);
    let mut unstake = world.farm.request_unstake(node, UNIT);
    unstake.accounts[2].pubkey = other.node(&node);
    world.refused(Refusal::OtherFarm, unstake, &[&keys.node]);
    let mut seal = world.farm.seal(1);
    seal.accounts[0].pubkey = other.farm;
    world.refused(Refusal::OtherFarm, seal, &[]);
    let mut challenge = world.farm.challenge(1, node, world.node.tokens, REASON);
    challenge.accounts[3].pubkey = other.node(&node);
    world.refused(Refusal::OtherFarm, challenge, &[&keys.node]);
}

#[test]
fn another_farms_authority_and_vaults_are_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (other, master) = second_farm(&mut world);
    let (rent, refund) = (world.anyone.address(), world.artist.tokens);
    let mut end = world.farm.end_job(&JOB, refund, rent);
    end.accounts[0].pubkey = master.address();
    world.refused(Refusal::NotTheAuthority, end, &[&master.key]);
    let mut theirs = world.farm.end_job(&JOB, refund, rent);
    theirs.accounts[3].pubkey = other.vault(Vault::Escrow);
    world.refused(Refusal::WrongVault, theirs, &[&keys.master]);
}

#[test]
fn another_epochs_draw_is_not_returned_here() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    world.open_job([2; 16], 5 * UNIT);
    world.sealed(1, 1, 10);
    let tree = world.tree(2, 1, 10);
    let open = world.opening_epoch(2, &tree);
    let draw = world.farm.draw(2, &[2; 16], 10);
    let cancel = world.farm.cancel_epoch(2);
    world.must(&[open, draw, cancel], &[&keys.master]);
    let never = world.farm.return_draw(2, &JOB);
    world.refused(Refusal::NotDrawn, never, &[]);
}

#[test]
fn an_account_of_another_kind_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let mut as_node = world.farm.request_unstake(node, UNIT);
    as_node.accounts[2].pubkey = world.farm.job(&JOB);
    world.refused(Refusal::WrongKind, as_node, &[&keys.node]);
    let mut as_farm = world.farm.request_unbond(UNIT);
    as_farm.accounts[1].pubkey = world.farm.node(&node);
    world.refused(Refusal::WrongKind, as_farm, &[&keys.master]);
    let mut twice = world.farm.request_unstake(node, UNIT);
    twice.accounts[2].pubkey = world.farm.farm;
    world.refused(Refusal::WrongKind, twice, &[&keys.node]);
}

#[test]
fn a_forged_account_of_another_owner_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let mut data = world.svm.get_account(&world.farm.farm).unwrap().data;
    let forged = Address::new_from_array([55; 32]);
    let thief = Address::new_from_array([54; 32]);
    data[11..43].copy_from_slice(keys.artist.pubkey().as_array());
    world.put(forged, thief, data);
    let mut end = world.farm.end_job(&JOB, world.artist.tokens, world.anyone.address());
    end.accounts[0].pubkey = keys.artist.pubkey();
    end.accounts[1].pubkey = forged;
    world.refused(Refusal::WrongOwner, end, &[&keys.artist]);
}

#[test]
fn an_account_that_is_not_where_its_seeds_say_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let mut account = world.svm.get_account(&world.farm.node(&node)).unwrap();
    // Elsewhere, with the same bytes.
    let copy = Address::new_from_array([55; 32]);
    world.svm.set_account(copy, account.clone()).unwrap();
    let mut unstake = world.farm.request_unstake(node, UNIT);
    unstake.accounts[2].pubkey = copy;
    world.refused(Refusal::WrongAddress, unstake, &[&keys.node]);
    // There, with another bump.
    account.data[2] = account.data[2].wrapping_sub(1);
    world.svm.set_account(world.farm.node(&node), account).unwrap();
    let unstake = world.farm.request_unstake(node, UNIT);
    world.refused(Refusal::WrongAddress, unstake, &[&keys.node]);
}

#[test]
fn a_new_account_at_another_address_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let mut open = world.opening([2; 16], UNIT);
    open.accounts[5].pubkey = world.farm.job(&[3; 16]);
    world.refused(Refusal::WrongAddress, open, &[&keys.artist]);
    // A bump that works, but is not the first.
    let seeds: [&[u8]; 3] = [b"job", world.farm.farm.as_array(), &[2; 16]];
    let (_, first) = Address::find_program_address(&seeds, &world.program);
    let [a, b, c] = seeds;
    let other = (0..first)
        .rev()
        .find_map(|bump| Address::create_program_address(&[a, b, c, &[bump]], &world.program).ok())
        .unwrap();
    let mut open = world.opening([2; 16], UNIT);
    open.accounts[5].pubkey = other;
    world.refused(Refusal::WrongAddress, open, &[&keys.artist]);
}

#[test]
fn another_program_in_place_of_system_or_token_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let mut open = world.opening([2; 16], UNIT);
    open.accounts[7].pubkey = world.program;
    world.refused(Refusal::WrongProgram, open, &[&keys.artist]);
    let mut open = world.opening([2; 16], UNIT);
    open.accounts[8].pubkey = world.program;
    world.refused(Refusal::WrongProgram, open, &[&keys.artist]);
    let mut end = world.farm.end_job(&JOB, world.artist.tokens, world.anyone.address());
    end.accounts[6].pubkey = world.program;
    world.refused(Refusal::WrongProgram, end, &[&keys.master]);
}

#[test]
fn whatever_makes_an_account_asks_for_the_system_program() {
    let mut world = World::working(3, 2);
    let keys = world.keys();
    let farm = world.farm;
    let (rent, node, master) =
        (world.anyone.address(), world.node.address(), world.master.address());
    let (tokens, guardian) = (world.node.tokens, world.guardians[0].address());
    let of = LeaseOf { node, lease: [4; 16], generation: 1 };
    let terms = OpenChannel { nonce: 1, voucher_key: [1; 32], amount: 1, grace_s: 60 };
    let tree = world.tree(1, 1, 10);
    let making = [
        farm.init_farm(rent, world.rules(2)),
        farm.register_node(rent, node, tokens),
        world.opening([2; 16], UNIT),
        world.opening_epoch(1, &tree),
        farm.slash_equivocation(rent, tokens, &of, 0),
        farm.claim_double_verdict(rent, tokens, &of, 0),
        farm.claim_omitted(rent, &of, 0),
        farm.propose_slash(rent, guardian, &node, REASON, UNIT),
        farm.open_channel(rent, world.artist.source(), tokens, &node, terms),
    ];
    let all = [&keys.master, &keys.node, &keys.artist, &keys.guardians[0]];
    for mut what in making {
        let system = what.accounts.iter().position(|meta| meta.pubkey == SYSTEM).unwrap();
        what.accounts[system].pubkey = master;
        let signs = |key: &&&Keypair| {
            what.accounts.iter().any(|meta| meta.is_signer && meta.pubkey == key.pubkey())
        };
        let signing: Vec<&Keypair> = all.iter().filter(signs).copied().collect();
        world.refused(Refusal::WrongProgram, what, &signing);
    }
}

#[test]
fn an_account_that_changes_must_be_writable() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let mut unstake = world.farm.request_unstake(node, UNIT);
    unstake.accounts[2].is_writable = false;
    world.refused(Refusal::NotWritable, unstake, &[&keys.node]);
    let mut stake = world.farm.stake(world.node.source(), node, UNIT);
    stake.accounts[4].is_writable = false;
    world.refused(Refusal::NotWritable, stake, &[&keys.node]);
}

#[test]
fn money_is_not_taken_from_who_did_not_sign() {
    let mut world = World::working(0, 0);
    let mut top_up = world.farm.top_up(world.artist.source(), &JOB, UNIT);
    top_up.accounts[0].is_signer = false;
    world.refused(Refusal::NotSigned, top_up, &[]);
    let keys = world.keys();
    let foreign = Address::new_from_array([55; 32]);
    let mint = Address::new_from_array([56; 32]);
    world.put_tokens(foreign, &mint, &keys.artist.pubkey(), UNIT);
    let mut other_mint = world.farm.top_up(world.artist.source(), &JOB, UNIT);
    other_mint.accounts[1].pubkey = foreign;
    world.refused(Refusal::WrongMint, other_mint, &[&keys.artist]);
}

#[test]
fn every_instruction_wants_exactly_its_accounts_and_bytes() {
    let mut world = World::working(0, 0);
    let account = |at: u8| AccountMeta::new(Address::new_from_array([at; 32]), false);
    for tag in Tag::ALL {
        let bare = Instruction {
            program_id: world.program,
            accounts: Vec::new(),
            data: vec![*tag as u8, 1, 2],
        };
        world.refused(Refusal::MalformedInstruction, bare, &[]);
    }
    let none = Instruction { program_id: world.program, accounts: Vec::new(), data: Vec::new() };
    world.refused(Refusal::MalformedInstruction, none, &[]);
    let unknown =
        Instruction { program_id: world.program, accounts: vec![account(1)], data: vec![200] };
    world.refused(Refusal::UnknownInstruction, unknown, &[]);

    let mut few = world.farm.seal(1);
    few.accounts.pop();
    world.refused(Refusal::AccountsMissing, few, &[]);
    let mut many = world.farm.seal(1);
    many.accounts.push(account(1));
    world.refused(Refusal::AccountsLeftOver, many, &[]);
}

#[test]
fn a_vault_that_does_not_cover_what_it_owes_pays_nothing() {
    let mut world = World::working(0, 0);
    let tree = world.sealed(1, 1, 10 * UNIT);
    // No transaction can do this: it stands for a fault of this program or of the token program.
    let (vault, mint, farm) = (world.farm.vault(Vault::Escrow), world.farm.mint, world.farm.farm);
    world.put_tokens(vault, &mint, &farm, 500 * UNIT - 1);
    let claim = world.claiming(1, &tree, 0);
    world.refused(Refusal::Uncovered, claim, &[]);
    world.put_tokens(vault, &mint, &farm, 500 * UNIT);
    let claim = world.claiming(1, &tree, 0);
    world.must(&[claim], &[]);
}

#[test]
fn a_closed_account_is_not_kept_alive_by_lamports() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (tokens, rent) = (world.artist.tokens, world.anyone.address());
    let address = world.farm.job(&JOB);
    let end = world.farm.end_job(&JOB, tokens, rent);
    let mut data = 2_u32.to_le_bytes().to_vec();
    data.extend_from_slice(&2_000_000_u64.to_le_bytes());
    let transfer = Instruction {
        program_id: Address::new_from_array([0; 32]),
        accounts: vec![AccountMeta::new(rent, true), AccountMeta::new(address, false)],
        data,
    };
    let top_up = world.farm.top_up(world.artist.source(), &JOB, UNIT);
    let again = world.farm.end_job(&JOB, tokens, rent);
    let revive = [end.clone(), transfer.clone(), again];
    world.all_refused(Refusal::WrongOwner, &revive, &[&keys.master]);
    let refill = [end.clone(), transfer.clone(), top_up];
    world.all_refused(Refusal::WrongOwner, &refill, &[&keys.master, &keys.artist]);
    world.must(&[end, transfer], &[&keys.master]);
    let left = world.svm.get_account(&address).unwrap();
    assert_eq!((left.owner, left.data.len()), (Address::new_from_array([0; 32]), 0));
    world.pass(HOUR);
    world.open_job(JOB, UNIT);
}
