//! Whole epochs.

use crate::endpoint::Fate;
use crate::world::{Artist, World};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use tessera_local_chain::SETTLEMENT_PROGRAM;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::chain::{MemoryOutbox, Outcome, Point, SendError, Sender, Step};
use tessera_settlement::epoch::{DriveError, End, EpochPlan, PlanError, Progress, Stand, Wait};
use tessera_settlement::instruction::Source;

fn names(progress: &Progress) -> Vec<&str> {
    progress.done.iter().map(|done| done.name.as_str()).collect()
}

/// Three nodes earn 30, 20 and 10 of the 100 that two artists deposited.
struct Three {
    world: World,
    artists: [Artist; 2],
    payees: Vec<(Keypair, Address)>,
    plan: EpochPlan,
}

const EARNED: [u64; 3] = [30_000_000, 20_000_000, 10_000_001];

impl Three {
    async fn new(guardians: u8, threshold: u8) -> Self {
        let world = World::new(guardians, threshold).await;
        let artists = [world.artist(1, 70_000_000).await, world.artist(2, 30_000_000).await];
        let payees = world.payees(3);
        let plan = Self::plan(&world, &artists, &payees, 1);
        Self { world, artists, payees, plan }
    }

    fn plan(
        world: &World,
        artists: &[Artist; 2],
        payees: &[(Keypair, Address)],
        number: u64,
    ) -> EpochPlan {
        let draws = [(&artists[0], 40_000_000), (&artists[1], 20_000_001)];
        let payouts: Vec<_> =
            payees.iter().zip(EARNED).map(|(payee, due)| (payee.1, due)).collect();
        world.plan(number, &draws, &payouts)
    }

    async fn paid(&self) -> Vec<u64> {
        let mut paid = Vec::new();
        for (_, account) in &self.payees {
            paid.push(self.world.tokens(account).await);
        }
        paid
    }

    /// That everybody has exactly what is theirs, and nothing is left anywhere.
    async fn all_is_right(&self) {
        assert_eq!(self.paid().await, EARNED);
        for (artist, rest) in self.artists.iter().zip([30_000_000, 9_999_999]) {
            self.world.end(artist).await;
            assert_eq!(self.world.tokens(&artist.account).await, rest);
        }
        assert_eq!(self.world.escrow().await, 0);
        let epoch = self.world.farm.epoch(1);
        assert_eq!(self.world.chain.account(&epoch).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn three_nodes_are_paid_exactly_and_the_rest_is_refunded() {
    let three = Three::new(0, 0).await;
    let progress = three.world.settle(&three.plan).await;
    assert_eq!(names(&progress[0]), ["epoch/1/open", "epoch/1/draw/0"]);
    assert_eq!(names(&progress[1]), ["epoch/1/seal", "epoch/1/push/0/0007", "epoch/1/close"]);
    three.all_is_right().await;
    // What is over is over.
    let again = three.world.advance(&three.plan).await;
    assert_eq!((again.done.len(), again.stand), (0, Stand::Ended(End::Closed)));
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_a_job_does_not_fund_is_taken_back_and_the_next_one_pays() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.end(&three.artists[1]).await;
    let sender = world.sender();
    let driver = world.driver(&sender, 0);
    let unfunded = driver.advance(&three.plan).await.unwrap_err();
    assert!(unfunded.is_unfunded(), "{unfunded}");
    let progress = driver.abandon(&three.plan).await.unwrap();
    assert_eq!(names(&progress), ["epoch/1/open", "epoch/1/cancel"]);
    assert_eq!(progress.stand, Stand::Ended(End::Cancelled));
    driver.close_cancelled(&three.plan).await.unwrap().expect("its account was there");
    let all = [(three.payees[0].1, 40_000_000)];
    world.settle(&world.plan(2, &[(&three.artists[0], 40_000_000)], &all)).await;
    assert_eq!(three.paid().await, [40_000_000, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_is_taken_back_returns_what_it_drew() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    let sender = world.sender();
    let driver = world.driver(&sender, 0);
    driver.advance(&three.plan).await.unwrap();
    let progress = driver.abandon(&three.plan).await.unwrap();
    assert_eq!(names(&progress), ["epoch/1/cancel", "epoch/1/return/0"]);
    assert_eq!(progress.stand, Stand::Ended(End::Cancelled));
    for (artist, deposit) in three.artists.iter().zip([70_000_000, 30_000_000]) {
        world.end(artist).await;
        assert_eq!(world.tokens(&artist.account).await, deposit);
    }
}

/// Every step and every point of it, found by watching one undisturbed run.
async fn places() -> Vec<(String, Point)> {
    let three = Three::new(2, 2).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let sender = three.world.sender().with_watch(move |name, point| {
        notes.lock().unwrap().push((name.to_string(), point));
        ControlFlow::Continue(())
    });
    let driver = three.world.driver(&sender, 2);
    driver.advance(&three.plan).await.unwrap();
    three.world.window().await;
    driver.advance(&three.plan).await.unwrap();
    three.all_is_right().await;
    let seen = seen.lock().unwrap();
    let steps: BTreeSet<_> = seen.iter().map(|(name, _)| name).collect();
    assert_eq!((steps.len(), seen.len()), (7, 35));
    seen.clone()
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_killed_anywhere_is_followed_by_one_that_pays_everybody_once() {
    for (name, stop) in places().await {
        for outbox_is_lost in [false, true] {
            let three = Three::new(2, 2).await;
            let world = &three.world;
            let place = name.clone();
            let sender = world.sender().with_watch(move |name, point| {
                let here = name == place && point == stop;
                if here { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let killed = world.driver(&sender, 2);
            let mut ended = killed.advance(&three.plan).await;
            if ended.is_ok() {
                world.window().await;
                ended = killed.advance(&three.plan).await;
            }
            let error = ended.unwrap_err();
            assert!(matches!(error, DriveError::Send(SendError::Stopped { .. })), "{error}");

            // What was written down is found again. If even that is gone, the chain knows enough.
            let empty = MemoryOutbox::default();
            let outbox = if outbox_is_lost { &empty } else { &world.outbox };
            let sender = Sender::new(outbox, SETTLEMENT_PROGRAM);
            let driver = world.driver(&sender, 2);
            let mut progress = driver.advance(&three.plan).await.unwrap();
            if matches!(progress.stand, Stand::Waits(_)) {
                world.window().await;
                progress = driver.advance(&three.plan).await.unwrap();
            }
            assert_eq!(progress.stand, Stand::Ended(End::Closed), "{name} {stop:?}");
            three.all_is_right().await;
        }
    }
}

/// Behind one endpoint there are several machines, and every second answer is of the one that knows
/// least.
#[tokio::test(start_paused = true)]
async fn a_machine_that_lags_behind_is_not_believed() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.endpoint.far();
    let mut accounts = 0;
    world.endpoint.fail(move |method, _| {
        accounts += u64::from(method == "getMultipleAccounts");
        let late = method == "getMultipleAccounts" && accounts % 2 == 0;
        if late { Fate::Stale } else { Fate::Served }
    });
    let opened = world.advance(&three.plan).await;
    assert!(matches!(opened.stand, Stand::Waits(Wait::Until(_))), "{opened:?}");
    world.window().await;
    // The first look may be an old one, at which its window is not over.
    let early = world.advance(&three.plan).await;
    assert_eq!((early.done.len(), early.stand), (0, opened.stand.clone()));
    let paid = world.advance(&three.plan).await;
    assert_eq!(paid.stand, Stand::Ended(End::Closed), "{paid:?}");
    let mut done = [names(&opened), names(&paid)].concat();
    done.sort_unstable();
    let once: BTreeSet<_> = done.iter().collect();
    assert_eq!((done.len(), once.len()), (5, 5));
    world.endpoint.heal();
    three.all_is_right().await;
}

#[tokio::test(start_paused = true)]
async fn many_jobs_and_nodes_go_in_several_transactions() {
    let world = World::new(0, 0).await;
    let mut artists = Vec::new();
    for number in 0..20 {
        artists.push(world.artist(number, 1_000).await);
    }
    let payees = world.payees(40);
    let draws: Vec<_> = artists.iter().map(|artist| (artist, 820)).collect();
    // 1 + 2 + … + 40 = 820, twenty times.
    let payouts: Vec<_> = (1..).zip(&payees).map(|(share, payee)| (payee.1, share * 20)).collect();
    let plan = world.plan(1, &draws, &payouts);
    let progress = world.settle(&plan).await;
    let mut opened = names(&progress[0]);
    opened.sort_unstable();
    assert_eq!(opened, ["epoch/1/draw/0", "epoch/1/draw/1", "epoch/1/open"]);
    let mut paid = names(&progress[1]);
    paid.sort_unstable();
    let pushes = ["epoch/1/push/0/ffff", "epoch/1/push/16/ffff", "epoch/1/push/32/00ff"];
    assert_eq!(paid[1..4], pushes);
    for (account, amount) in payouts {
        assert_eq!(world.tokens(&account).await, amount);
    }
    assert_eq!(world.escrow().await, 20 * 180);
}

#[tokio::test(start_paused = true)]
async fn strangers_may_do_what_anybody_may_and_nobody_is_paid_twice() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.advance(&three.plan).await;
    world.window().await;
    let farm = world.farm;
    let tree = three.plan.tree();
    let proof = tree.proof(1).unwrap();
    let claim = farm.claim(1, 1, tree.payouts()[1], &proof);
    world.run(vec![farm.seal(1), claim], &[&three.payees[1].0]).await;
    assert_eq!(three.paid().await, [0, EARNED[1], 0]);
    let progress = world.advance(&three.plan).await;
    assert_eq!(names(&progress), ["epoch/1/push/0/0005", "epoch/1/close"]);
    three.all_is_right().await;
}

fn close_token_account(owner: &Keypair, account: Address) -> Instruction {
    let owner = owner.pubkey();
    let accounts = vec![
        AccountMeta::new(account, false),
        AccountMeta::new(owner, false),
        AccountMeta::new_readonly(owner, true),
    ];
    Instruction { program_id: spl_token_interface::ID, accounts, data: vec![9] }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_paid_holds_nobody_up_and_is_paid_later() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    let (owner, account) = &three.payees[1];
    world.run(vec![close_token_account(owner, *account)], &[owner]).await;
    world.advance(&three.plan).await;
    world.window().await;
    let progress = world.advance(&three.plan).await;
    assert_eq!(progress.stand, Stand::Ended(End::Unpayable(vec![1])));
    assert_eq!(three.paid().await, [EARNED[0], 0, EARNED[2]]);

    let sender = world.sender();
    let mut driver = world.driver(&sender, 0);
    // Under its name a try is made once.
    let lamports = async || world.chain.lamports(&world.payer.pubkey()).await.unwrap();
    driver.advance(&three.plan).await.unwrap();
    let before = lamports().await;
    let again = driver.advance(&three.plan).await.unwrap();
    assert_eq!(again.stand, Stand::Ended(End::Unpayable(vec![1])));
    assert_eq!(lamports().await, before);
    world.local.hand_out(&owner.pubkey(), 0).unwrap();
    driver.round = 1;
    let progress = driver.advance(&three.plan).await.unwrap();
    assert_eq!(names(&progress), ["epoch/1/push/0/0002/1", "epoch/1/close"]);
    three.all_is_right().await;
}

#[tokio::test(start_paused = true)]
async fn guardians_whose_keys_are_elsewhere_are_waited_for() {
    let three = Three::new(3, 2).await;
    let world = &three.world;
    let sender = world.sender();
    let driver = world.driver(&sender, 1);
    driver.advance(&three.plan).await.unwrap();
    world.window().await;
    let waits = driver.advance(&three.plan).await.unwrap();
    assert_eq!(waits.stand, Stand::Waits(Wait::Guardians(1)));
    let guardian = &world.guardians[2];
    let approve = world.farm.approve_epoch(1, guardian.pubkey());
    world.run(vec![approve], &[&world.payer, guardian]).await;
    let paid = driver.advance(&three.plan).await.unwrap();
    assert_eq!(paid.stand, Stand::Ended(End::Closed));
    three.all_is_right().await;
}

/// A registered node with enough stake, which challenges the first epoch.
async fn challenge(world: &World) -> Keypair {
    let (node, account) = world.wallet(5_000_000);
    let farm = world.farm;
    let source = Source { owner: node.pubkey(), account };
    let steps = vec![
        farm.register_node(node.pubkey(), node.pubkey(), account),
        farm.stake(source, node.pubkey(), 2_000_000),
        farm.challenge(1, node.pubkey(), account, [7; 32]),
    ];
    world.run(steps, &[&node]).await;
    node
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_is_upheld_cancels_the_epoch_and_every_draw_goes_back() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.advance(&three.plan).await;
    let node = challenge(world).await;
    world.window().await;
    let waits = world.advance(&three.plan).await;
    assert_eq!(waits.stand, Stand::Waits(Wait::Resolution));
    let resolve = |upheld| {
        let authority = world.authority.pubkey();
        vec![world.farm.resolve(1, node.pubkey(), upheld, &[authority])]
    };
    world.run(resolve(true), &[&world.payer, &world.authority]).await;
    let ended = world.advance(&three.plan).await;
    assert_eq!(names(&ended), ["epoch/1/return/0"]);
    assert_eq!(ended.stand, Stand::Ended(End::Cancelled));
    // It says so again until it is closed.
    assert_eq!(world.advance(&three.plan).await.stand, Stand::Ended(End::Cancelled));
    let sender = world.sender();
    let driver = world.driver(&sender, 0);
    assert!(driver.close_cancelled(&three.plan).await.unwrap().is_some());
    assert_eq!(driver.close_cancelled(&three.plan).await.unwrap(), None);
    assert_eq!(three.paid().await, [0, 0, 0]);

    // The next epoch pays the same work.
    let plan = Three::plan(world, &three.artists, &three.payees, 2);
    world.settle(&plan).await;
    three.all_is_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_is_rejected_delays_the_epoch_by_a_window() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.advance(&three.plan).await;
    let node = challenge(world).await;
    world.window().await;
    let resolve = world.farm.resolve(1, node.pubkey(), false, &[world.authority.pubkey()]);
    world.run(vec![resolve], &[&world.payer, &world.authority]).await;
    world.settle(&three.plan).await;
    three.all_is_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_not_the_chains_is_refused() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    let sender = world.sender();
    let driver = world.driver(&sender, 0);
    let refused = async |plan: EpochPlan| match driver.advance(&plan).await {
        Err(DriveError::Plan(error)) => error,
        other => panic!("{other:?}"),
    };
    let (artists, payees) = (&three.artists, &three.payees);
    let payout = |amount| [(payees[0].1, amount)];
    let poor = world.plan(1, &[(&artists[0], 70_000_001)], &payout(70_000_001));
    assert!(matches!(refused(poor).await, PlanError::TooLittle { left: 70_000_000, .. }));
    let early = world.plan(2, &[(&artists[0], 1)], &payout(1));
    assert!(matches!(refused(early).await, PlanError::NotNext { number: 2, next: 1 }));
    let stranger = Artist { account: payees[0].1, job: [9; 16] };
    let nobody = world.plan(1, &[(&stranger, 1)], &payout(1));
    assert!(matches!(refused(nobody).await, PlanError::NoJob { job: [9, ..], .. }));

    driver.advance(&three.plan).await.unwrap();
    let other = world.plan(1, &[(&artists[0], 60_000_001)], &payout(60_000_001));
    assert!(matches!(refused(other).await, PlanError::OtherEpoch { what: "root", .. }));
    let next = world.plan(2, &[(&artists[0], 1)], &payout(1));
    let waits = driver.advance(&next).await.unwrap();
    assert_eq!(waits.stand, Stand::Waits(Wait::OtherEpoch(1)));
}

/// What was written down of another chain does not keep anybody busy on this one.
#[tokio::test(start_paused = true)]
async fn an_outbox_of_another_chain_is_noticed() {
    let elsewhere = Three::new(0, 0).await;
    elsewhere.world.advance(&elsewhere.plan).await;
    let three = Three::new(0, 0).await;
    let sender = Sender::new(&elsewhere.world.outbox, SETTLEMENT_PROGRAM);
    let error = three.world.driver(&sender, 0).advance(&three.plan).await.unwrap_err();
    let DriveError::NoEffect { step } = &error else { panic!("{error}") };
    assert_eq!(step, "epoch/1/open");
    assert!(error.to_string().contains("another chain"), "{error}");
    assert_eq!(three.world.escrow().await, 100_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_chain_refuses_is_told_in_its_words() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    let sender = world.sender();
    let mut driver = world.driver(&sender, 0);
    let impostor = Keypair::new();
    driver.keys.authority = &impostor;
    let error = driver.advance(&three.plan).await.unwrap_err();
    let DriveError::Send(SendError::Sign { step, .. }) = &error else { panic!("{error}") };
    assert_eq!(step, "epoch/1/open");
    // Paid by somebody without money.
    driver.keys.authority = &world.authority;
    driver.keys.payer = &impostor;
    let error = driver.advance(&three.plan).await.unwrap_err();
    assert!(matches!(error, DriveError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("epoch/1/open"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_program_itself_refuses_a_second_time() {
    let three = Three::new(0, 0).await;
    let world = &three.world;
    world.advance(&three.plan).await;
    world.window().await;
    let refused = async |instruction| {
        let step = Step {
            name: "again".into(),
            instructions: vec![instruction],
            signers: vec![&world.payer, &world.authority],
        };
        match world.sender().send(&world.chain, &step).await {
            Ok(Outcome::Refused(refused)) => refused.refusal,
            other => panic!("{other:?}"),
        }
    };
    let draw = world.farm.draw(1, &three.artists[0].job, 1);
    assert_eq!(refused(draw).await, Some(Refusal::DrawnAlready));
    world.run(vec![world.farm.seal(1)], &[&world.payer]).await;
    let tree = three.plan.tree();
    let payout = tree.payouts()[0];
    let claim = || world.farm.claim(1, 0, payout, &tree.proof(0).unwrap());
    world.run(vec![claim()], &[&world.payer]).await;
    let step =
        Step { name: "twice".into(), instructions: vec![claim()], signers: vec![&world.payer] };
    let Ok(Outcome::Refused(again)) = world.sender().send(&world.chain, &step).await else {
        panic!()
    };
    assert_eq!(again.refusal, Some(Refusal::PaidAlready));
    world.advance(&three.plan).await;
    three.all_is_right().await;
}
