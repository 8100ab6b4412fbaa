//! Farms, nodes and jobs.

use solana_signer::Signer as _;
use tessera_settlement::abi::account::Rules;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::abi::{JOB_S_MAX, WINDOW_S_MAX};
use tessera_settlement::instruction::{FarmAddresses, Source};

use crate::world::{HOUR, JOB, PURSE, START, UNIT, World};

// --- farms ----------------------------------------------------------------------------------------

#[test]
fn a_farm_begins_empty_with_its_rules() {
    let world = World::with_guardians(3, 2);
    let farm = world.farm_now();
    assert_eq!(farm.rules, world.rules(2));
    assert_eq!(farm.authority, world.master.address().to_bytes());
    assert_eq!((farm.next_epoch, farm.settling), (1, 0));
    assert_eq!((farm.escrow_total, farm.stake_total, farm.bond), (0, 0, 0));
}

#[test]
fn a_farm_is_made_once() {
    let mut world = World::trusting();
    let again = world.farm.init_farm(world.anyone.address(), world.rules(0));
    let keys = world.keys();
    world.refused(Refusal::AlreadyExists, again, &[&keys.master]);
}

#[test]
fn a_farm_needs_its_authority_to_sign() {
    let mut world = World::trusting();
    let other = world.person();
    let farm = FarmAddresses::new(world.program, other.address(), world.farm.mint);
    let mut what = farm.init_farm(world.anyone.address(), world.rules(0));
    what.accounts[1].is_signer = false;
    world.refused(Refusal::NotSigned, what, &[]);
}

#[test]
fn lamports_sent_before_do_not_hinder_a_farm() {
    let mut world = World::trusting();
    let other = world.person();
    let farm = FarmAddresses::new(world.program, other.address(), world.farm.mint);
    world.svm.airdrop(&farm.farm, 1_000_000).unwrap();
    world.svm.airdrop(&farm.vault(Vault::Stake), 50_000_000).unwrap();
    let what = farm.init_farm(world.anyone.address(), world.rules(0));
    world.must(&[what], &[&other.key]);
}

#[test]
fn a_mint_of_other_decimals_is_refused() {
    let mut world = World::trusting();
    let other = world.person();
    let mint = solana_keypair::Keypair::new().pubkey();
    world.put_mint(mint, 9);
    let farm = FarmAddresses::new(world.program, other.address(), mint);
    let what = farm.init_farm(world.anyone.address(), world.rules(0));
    world.refused(Refusal::WrongDecimals, what, &[&other.key]);
}

#[test]
fn what_is_no_mint_is_refused() {
    let mut world = World::trusting();
    let other = world.person();
    let farm = FarmAddresses::new(world.program, other.address(), other.tokens);
    let what = farm.init_farm(world.anyone.address(), world.rules(0));
    world.refused(Refusal::WrongMint, what, &[&other.key]);
}

#[test]
fn vaults_in_another_order_are_refused() {
    let mut world = World::trusting();
    let other = world.person();
    let farm = FarmAddresses::new(world.program, other.address(), world.farm.mint);
    let mut what = farm.init_farm(world.anyone.address(), world.rules(0));
    what.accounts.swap(4, 5);
    world.refused(Refusal::WrongAddress, what, &[&other.key]);
}

#[test]
fn rules_under_which_money_could_be_lost_are_refused() {
    let mut world = World::with_guardians(3, 2);
    let good = world.rules(2);
    let [a, b, ..] = good.guardians;
    let master = world.master.address().to_bytes();
    let with = |change: fn(&mut Rules)| {
        let mut rules = good;
        change(&mut rules);
        rules
    };
    let cases = [
        (Refusal::TooManyGuardians, with(|it| it.guardian_count = 6)),
        (Refusal::ThresholdTooHigh, with(|it| it.threshold = 4)),
        (Refusal::GuardiansRepeat, Rules { guardians: [a, b, a, [0; 32], [0; 32]], ..good }),
        (Refusal::GuardiansRepeat, Rules { guardians: [a, b, master, [0; 32], [0; 32]], ..good }),
        (Refusal::GuardiansRepeat, Rules { guardian_count: 4, ..good }),
        (Refusal::WindowTooLong, with(|it| it.cooldown_s = WINDOW_S_MAX + 1)),
        (Refusal::CooldownTooShort, with(|it| it.cooldown_s = it.evidence_window_s - 1)),
        (Refusal::ShareTooHigh, with(|it| it.reporter_share_bps = 5_001)),
        (Refusal::ShareTooHigh, with(|it| it.equivocation_slash_bps = 10_001)),
        (Refusal::ShareTooHigh, with(|it| it.evidence_cap_bps = 10_001)),
        (Refusal::ZeroAmount, with(|it| it.challenge_bond = 0)),
    ];
    let keys = world.keys();
    let agreeing: Vec<_> = keys.guardians[..2].iter().map(|key| key.pubkey()).collect();
    for (why, rules) in cases {
        let what = world.farm.set_farm(rules, &agreeing);
        let signing = [&keys.master, &keys.guardians[0], &keys.guardians[1]];
        world.refused(why, what, &signing);
    }
}

#[test]
fn rules_change_by_authority_and_guardians_together() {
    let mut world = World::with_guardians(3, 2);
    let keys = world.keys();
    let [a, b] = [&keys.guardians[0], &keys.guardians[1]];
    let rules = Rules { answer_window_s: 60, ..world.rules(2) };
    let one = world.farm.set_farm(rules, &[a.pubkey()]);
    world.refused(Refusal::GuardiansMissing, one, &[&keys.master, a]);
    let twice = world.farm.set_farm(rules, &[a.pubkey(), a.pubkey()]);
    world.refused(Refusal::GuardianTwice, twice, &[&keys.master, a]);
    let stranger = world.farm.set_farm(rules, &[a.pubkey(), world.artist.address()]);
    world.refused(Refusal::NotAGuardian, stranger, &[&keys.master, a, &keys.artist]);
    let mut unsigned = world.farm.set_farm(rules, &[a.pubkey(), b.pubkey()]);
    unsigned.accounts[3].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[&keys.master, a]);
    let mut other = world.farm.set_farm(rules, &[a.pubkey(), b.pubkey()]);
    other.accounts[0].pubkey = world.artist.address();
    world.refused(Refusal::NotTheAuthority, other, &[&keys.artist, a, b]);

    let both = world.farm.set_farm(rules, &[a.pubkey(), b.pubkey()]);
    world.must(&[both], &[&keys.master, a, b]);
    let farm = world.farm_now();
    assert_eq!((farm.rules, farm.guardian_set), (rules, 0));

    let fewer = Rules { threshold: 1, ..rules };
    let both = world.farm.set_farm(fewer, &[a.pubkey(), b.pubkey()]);
    world.must(&[both], &[&keys.master, a, b]);
    assert_eq!(world.farm_now().guardian_set, 1);
}

#[test]
fn rules_do_not_change_while_an_epoch_is_in_its_window() {
    let mut world = World::working(0, 0);
    let tree = world.tree(1, 1, 5);
    world.fund(1, &tree);
    let keys = world.keys();
    let what = world.farm.set_farm(world.rules(0), &[]);
    world.refused(Refusal::EpochInWindow, what, &[&keys.master]);
}

// --- nodes ----------------------------------------------------------------------------------------

#[test]
fn a_node_stakes_and_gets_it_back_after_the_cooldown() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (node, tokens) = (world.node.address(), world.node.tokens);
    let ask = world.farm.request_unstake(node, 40 * UNIT);
    world.must(&[ask], &[&keys.node]);
    let withdraw = world.farm.withdraw_stake(node, tokens);
    world.pass(24 * HOUR - 1);
    world.refused(Refusal::StillLocked, withdraw.clone(), &[&keys.node]);
    world.pass(1);
    world.must(std::slice::from_ref(&withdraw), &[&keys.node]);
    assert_eq!(world.balance(&tokens), PURSE - 60 * UNIT);
    assert_eq!((world.node_now().stake, world.node_now().unlocking), (60 * UNIT, 0));
    world.refused(Refusal::NothingThere, withdraw, &[&keys.node]);
}

#[test]
fn a_second_request_makes_all_wait_anew() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (node, tokens) = (world.node.address(), world.node.tokens);
    let ask = world.farm.request_unstake(node, 40 * UNIT);
    world.must(&[ask], &[&keys.node]);
    world.pass(23 * HOUR);
    let more = world.farm.request_unstake(node, UNIT);
    world.must(&[more], &[&keys.node]);
    world.pass(2 * HOUR);
    let withdraw = world.farm.withdraw_stake(node, tokens);
    world.refused(Refusal::StillLocked, withdraw, &[&keys.node]);
}

#[test]
fn only_the_node_itself_asks_for_its_stake() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let mut what = world.farm.request_unstake(node, UNIT);
    what.accounts[0].pubkey = world.master.address();
    world.refused(Refusal::NotTheNode, what, &[&keys.master]);
    let mut unsigned = world.farm.request_unstake(node, UNIT);
    unsigned.accounts[0].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[]);
    let more = world.farm.request_unstake(node, 100 * UNIT + 1);
    world.refused(Refusal::AboveStake, more, &[&keys.node]);
    let none = world.farm.request_unstake(node, 0);
    world.refused(Refusal::ZeroAmount, none, &[&keys.node]);
}

#[test]
fn a_stake_that_overflows_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let node = world.node.address();
    let rich = world.token_account(&node, u64::MAX);
    let source = Source { owner: node, account: rich };
    let what = world.farm.stake(source, node, u64::MAX);
    world.refused(Refusal::Overflow, what, &[&keys.node]);
    let none = world.farm.stake(source, node, 0);
    world.refused(Refusal::ZeroAmount, none, &[&keys.node]);
}

#[test]
fn stake_does_not_go_into_another_vault() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let mut what = world.farm.stake(world.node.source(), world.node.address(), UNIT);
    what.accounts[4].pubkey = world.farm.vault(Vault::Escrow);
    world.refused(Refusal::WrongVault, what, &[&keys.node]);
}

#[test]
fn a_node_is_registered_once_by_itself_for_its_own_mint() {
    let mut world = World::trusting();
    let keys = world.keys();
    let (rent, node, tokens) = (world.anyone.address(), world.node.address(), world.node.tokens);
    let mut unsigned = world.farm.register_node(rent, node, tokens);
    unsigned.accounts[1].is_signer = false;
    world.refused(Refusal::NotSigned, unsigned, &[]);
    let vault = world.farm.register_node(rent, node, world.farm.vault(Vault::Escrow));
    world.refused(Refusal::FarmOwned, vault, &[&keys.node]);
    let no_tokens = world.farm.register_node(rent, node, world.farm.mint);
    world.refused(Refusal::NotATokenAccount, no_tokens, &[&keys.node]);
    let foreign = solana_keypair::Keypair::new().pubkey();
    world.put_tokens(foreign, &rent, &node, 0);
    let other_mint = world.farm.register_node(rent, node, foreign);
    world.refused(Refusal::WrongMint, other_mint, &[&keys.node]);

    world.register();
    let again = world.farm.register_node(rent, node, tokens);
    world.refused(Refusal::AlreadyExists, again, &[&keys.node]);
}

#[test]
fn a_node_changes_where_it_is_paid() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let other = world.token_account(&world.node.address(), 0);
    let what = world.farm.set_payout(world.node.address(), other);
    world.must(std::slice::from_ref(&what), &[&keys.node]);
    assert_eq!(world.node_now().payout, other.to_bytes());
    let mut by_master = what;
    by_master.accounts[0].pubkey = world.master.address();
    world.refused(Refusal::NotTheNode, by_master, &[&keys.master]);
}

#[test]
fn a_node_closes_without_stake_and_its_rent_goes_back() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (node, rent) = (world.node.address(), world.anyone.address());
    let close = world.farm.close_node(node, rent);
    world.refused(Refusal::StakeLeft, close.clone(), &[&keys.node]);
    let ask = world.farm.request_unstake(node, 100 * UNIT);
    world.must(&[ask], &[&keys.node]);
    world.refused(Refusal::StakeLeft, close.clone(), &[&keys.node]);
    world.pass(24 * HOUR);
    let withdraw = world.farm.withdraw_stake(node, world.node.tokens);
    world.must(&[withdraw], &[&keys.node]);
    let thief = world.farm.close_node(node, world.artist.address());
    world.refused(Refusal::WrongRentPayer, thief, &[&keys.node]);
    world.must(std::slice::from_ref(&close), &[&keys.node]);
    assert!(!world.exists(&world.farm.node(&node)));
    world.refused(Refusal::WrongOwner, close, &[&keys.node]);
    world.register();
}

// --- jobs -----------------------------------------------------------------------------------------

#[test]
fn a_job_is_refunded_whole_when_nothing_was_drawn() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (tokens, rent) = (world.artist.tokens, world.anyone.address());
    let more = world.farm.top_up(world.artist.source(), &JOB, 7 * UNIT);
    world.must(&[more], &[&keys.artist]);
    assert_eq!(world.balance(&tokens), PURSE - 507 * UNIT);
    assert_eq!(world.job_now(JOB).deposited, 507 * UNIT);
    let end = world.farm.end_job(&JOB, tokens, rent);
    world.must(std::slice::from_ref(&end), &[&keys.master]);
    assert_eq!(world.balance(&tokens), PURSE);
    assert!(!world.exists(&world.farm.job(&JOB)));
    world.refused(Refusal::WrongOwner, end, &[&keys.master]);
}

#[test]
fn only_the_authority_ends_a_job_and_only_to_its_artist() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (tokens, rent) = (world.artist.tokens, world.anyone.address());
    let mut by_node = world.farm.end_job(&JOB, tokens, rent);
    by_node.accounts[0].pubkey = world.node.address();
    world.refused(Refusal::NotTheAuthority, by_node, &[&keys.node]);
    let thief = world.farm.end_job(&JOB, world.master.tokens, rent);
    world.refused(Refusal::WrongRefund, thief, &[&keys.master]);
    let rent_thief = world.farm.end_job(&JOB, tokens, world.master.address());
    world.refused(Refusal::WrongRentPayer, rent_thief, &[&keys.master]);
    let mut other_vault = world.farm.end_job(&JOB, tokens, rent);
    other_vault.accounts[3].pubkey = world.farm.vault(Vault::Stake);
    world.refused(Refusal::WrongVault, other_vault, &[&keys.master]);
}

#[test]
fn a_job_id_is_used_once_at_a_time() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let again = world.opening(JOB, UNIT);
    world.refused(Refusal::AlreadyExists, again, &[&keys.artist]);
}

#[test]
fn a_deposit_that_overflows_is_refused() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let rich = world.token_account(&world.artist.address(), u64::MAX);
    let source = Source { owner: world.artist.address(), account: rich };
    let what = world.farm.top_up(source, &JOB, u64::MAX);
    world.refused(Refusal::Overflow, what, &[&keys.artist]);
    let deposit = OpenJob { job: [2; 16], amount: u64::MAX, expires_at: START + HOUR };
    let open = world.farm.open_job(world.anyone.address(), source, rich, deposit);
    world.refused(Refusal::Overflow, open, &[&keys.artist]);
}

#[test]
fn a_job_expires_in_the_future_but_not_in_years() {
    let mut world = World::trusting();
    let keys = world.keys();
    for expires_at in [i64::MIN, START, START + JOB_S_MAX + 1, i64::MAX] {
        let deposit = OpenJob { job: JOB, amount: UNIT, expires_at };
        let (rent, artist) = (world.anyone.address(), &world.artist);
        let what = world.farm.open_job(rent, artist.source(), artist.tokens, deposit);
        world.refused(Refusal::BadExpiry, what, &[&keys.artist]);
    }
}

#[test]
fn anyone_refunds_an_expired_job_to_its_artist() {
    let mut world = World::working(0, 0);
    let (artist, tokens, rent) =
        (world.artist.address(), world.artist.tokens, world.anyone.address());
    let reclaim = world.farm.reclaim_job(&JOB, (artist, false), tokens, rent);
    world.pass(24 * HOUR - 1);
    world.refused(Refusal::NotExpired, reclaim.clone(), &[]);
    world.pass(1);
    let thief = world.farm.reclaim_job(&JOB, (artist, false), world.node.tokens, rent);
    world.refused(Refusal::WrongRefund, thief, &[]);
    world.must(&[reclaim], &[]);
    assert_eq!(world.balance(&tokens), PURSE);
}

#[test]
fn an_artist_whose_account_is_gone_names_another() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let (artist, rent) = (world.artist.address(), world.anyone.address());
    let closed = world.artist.tokens;
    world.freeze(&closed);
    world.pass(24 * HOUR);
    let there = world.farm.reclaim_job(&JOB, (artist, false), closed, rent);
    world.refused(Refusal::PayeeUnpayable, there, &[]);
    let other = world.token_account(&artist, 0);
    let signed_by_other = world.farm.reclaim_job(&JOB, (world.node.address(), true), other, rent);
    world.refused(Refusal::WrongRefund, signed_by_other, &[&keys.node]);
    let elsewhere = world.farm.reclaim_job(&JOB, (artist, true), other, rent);
    world.must(&[elsewhere], &[&keys.artist]);
    assert_eq!(world.balance(&other), 500 * UNIT);
}

#[test]
fn lamports_sent_before_do_not_hinder_a_job() {
    let mut world = World::trusting();
    let address = world.farm.job(&JOB);
    world.svm.airdrop(&address, 1_000_000).unwrap();
    world.open_job(JOB, UNIT);
    assert_eq!(world.job_now(JOB).deposited, UNIT);
}

#[test]
fn a_job_that_was_closed_begins_anew() {
    let mut world = World::working(0, 0);
    let keys = world.keys();
    let tree = world.sealed(1, 2, 50 * UNIT);
    let (tokens, rent) = (world.artist.tokens, world.anyone.address());
    let end = world.farm.end_job(&JOB, tokens, rent);
    // Lamports in the same transaction must not keep the old account alive.
    let address = world.farm.job(&JOB);
    world.must(&[end], &[&keys.master]);
    assert!(!world.exists(&address));
    world.open_job(JOB, 10 * UNIT);
    let job = world.job_now(JOB);
    assert_eq!((job.deposited, job.drawn, job.last_epoch), (10 * UNIT, 0, 0));
    for index in 0..2 {
        let claim = world.claiming(1, &tree, index);
        world.must(&[claim], &[]);
    }
}
