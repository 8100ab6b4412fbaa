//! From deposit to payout on a chain, with real transactions.

use crate::{HEARTBEAT, PRICE, SMALL, asks, receipted, settled};
use std::collections::BTreeMap;
use std::time::Duration;
use tessera_protocol::finance::{PayoutState, SettlementView};
use tessera_protocol::job::JobState;
use tessera_protocol::{Amount, JobId, NodeId};
use world::bank::{Bank, Patron};
use world::cheat::Cheat;
use world::farm::Farm;
use world::process::eventually;
use world::puppet::{Puppet, bait, paint, painter};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_paid_what_the_books_say_and_the_rest_returns() {
    let farm = Farm::new(HEARTBEAT);
    let bank = Bank::open(&farm).await;
    all_is_paid_and_returned(&farm, &bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_are_on_a_chain_that_others_wrote() {
    let farm = Farm::new(HEARTBEAT);
    let Some(bank) = Bank::open_public().await else { return };
    all_is_paid_and_returned(&farm, &bank).await;
}

async fn all_is_paid_and_returned(farm: &Farm, bank: &Bank) {
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    bank.ready(&view).await;
    bait(&client, farm.path()).await;
    let patron = Patron::funded(farm, &client, bank, Amount(100_000_000)).await;

    // Whoever brings no money starts nothing, and is told how.
    let refused = patron.submit(farm, &SMALL).unwrap_err();
    assert!(refused.contains("quote"), "{refused}");
    let too_little = [&SMALL[..], &["--max-cost", "0.000001"]].concat();
    let refused = patron.submit(farm, &too_little).unwrap_err();
    assert!(refused.contains("may cost"), "{refused}");
    assert_eq!(patron.holds(), Amount(100_000_000), "nothing was paid");

    let paying = [&SMALL[..], &["--max-cost", "100"]].concat();
    let job = patron.submit(farm, &paying).unwrap();
    let money = job.money.unwrap();
    assert_eq!(patron.holds(), Amount(100_000_000 - money.ceiling.0), "the ceiling lies in escrow");

    let mut nodes = Vec::new();
    for (name, price) in [("seven", 700), ("eight", 800), ("nine", 900)] {
        let node = Puppet::join(farm, &client, name).await;
        bank.give(node.key.node().0, Amount::ZERO).await;
        nodes.push((node, asks(price)));
    }
    let liar = Puppet::join(farm, &client, "liar").await;
    bank.give(liar.key.node().0, Amount::ZERO).await;
    let dear = Puppet::join(farm, &client, "dear").await;
    assert!(dear.lease_at(1, asks(1001)).await.unwrap().is_none(), "it asks more than is paid");
    let why = client.why_node(dear.key.node()).await.unwrap();
    assert_eq!(why[0].code, "price_above_maximum", "{why:?}");

    let mut painter = painter();
    let bad = liar.lease_at(1, asks(600)).await.unwrap().expect("work");
    let black = paint(&bad, &mut painter, Cheat::Flat, 1);
    liar.send(bad.lease, liar.signed(&bad, &mut painter, &black, |_| {})).await.unwrap();
    eventually("the liar is caught", async || {
        (liar.view(&client).await.record.rejections > 0).then_some(())
    })
    .await;
    while client.job(job.id).await.unwrap().state == JobState::Active {
        for (node, price) in &nodes {
            let Some(grant) = node.lease_at(1, *price).await.unwrap() else { continue };
            assert_eq!(grant.terms.price, *price, "it is paid what it asks");
            let right = paint(&grant, &mut painter, Cheat::Honest, 1);
            let body = node.signed(&grant, &mut painter, &right, |_| {});
            let answer = node.send(grant.lease, body).await.unwrap();
            let word = answer.acknowledgement.expect("the master's word");
            assert!(word.pay.0 > 0);
        }
    }
    let job = settled(&client, job.id).await;
    assert_eq!(job.state, JobState::Completed);

    let receipted = receipted(&client, job.id).await;
    assert_eq!(receipted.len(), 3, "each of the three has done some");
    let mut all = 0;
    for (node, _) in &nodes {
        let id = node.key.node();
        assert_eq!(bank.holds(&view, id).await, Amount(receipted[&id]), "to the last unit");
        all += receipted[&id];
    }
    assert_eq!(bank.holds(&view, liar.key.node()).await, Amount::ZERO);
    let money = job.money.unwrap();
    assert_eq!(money.charged, Amount(all));
    assert!(money.charged <= money.ceiling);
    assert_eq!(patron.holds(), Amount(100_000_000 - all), "what was not used has returned");
    let payouts = client.payouts().await.unwrap();
    assert!(payouts.iter().all(|payout| payout.state == PayoutState::Paid), "{payouts:?}");
    assert_eq!(payouts.iter().map(|payout| payout.amount.0).sum::<u64>(), all);
    let books = client.ledger().await.unwrap();
    assert_eq!(books.violations, Vec::<String>::new());
    assert_eq!(books.balances.iter().map(|account| account.balance).sum::<i64>(), 0);
    anybody_checks_the_sums(farm, &patron, job.id);
}

/// Offline: what the receipts say was earned is what was charged, and what each node was paid.
fn anybody_checks_the_sums(farm: &Farm, patron: &Patron, job: JobId) {
    let folder = farm.path().join("receipts");
    let named = folder.to_str().unwrap();
    patron.farm(&["receipt", &job.to_string(), "-o", named]).unwrap();
    let verify = || patron.farm(&["verify", named, "--pixels", "4"]);
    let report = verify().unwrap();
    assert!(report["paid"].as_u64().unwrap() > 0, "{report}");
    let file = folder.join("settlement.json");
    let right = std::fs::read(&file).unwrap();
    let changed = |change: fn(&mut SettlementView)| {
        let mut view: SettlementView = serde_json::from_slice(&right).unwrap();
        change(&mut view);
        std::fs::write(&file, serde_json::to_vec(&view).unwrap()).unwrap();
        verify().unwrap_err()
    };
    for (change, things) in [
        ((|view| view.payouts[0].amount.0 -= 1) as fn(&mut SettlementView), 1),
        (|view| view.payouts[0].amount.0 += 1, 1),
        (|view| view.money.charged.0 += 1, 1),
        (|view| view.money.ceiling.0 = 0, 1),
        (|view| view.payouts[0].node.0[0] ^= 1, 2),
    ] {
        let told = changed(change);
        assert!(told.contains(&format!("{things} thing")), "{told}");
    }
    std::fs::write(&file, &right).unwrap();
    verify().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_two_commits_for_one_lease_loses_its_stake_and_the_reporter_is_rewarded() {
    let farm = Farm::new(HEARTBEAT);
    let bank = Bank::open(&farm).await;
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    let operator = NodeId(view.master.0);
    bank.ready(&view).await;
    let spec = bait(&client, farm.path()).await;
    // The operator's own job, which nobody pays: it is the lie that costs.
    client.submit(&spec, "bait").await.unwrap();
    let node = Puppet::join(&farm, &client, "two-faced").await;
    bank.give(node.key.node().0, Amount(80_000_000)).await;
    bank.vouch(&view, &node.key, Amount(50_000_000)).await;
    assert_eq!(bank.stake(&view, node.key.node()).await, Amount(50_000_000));

    let mut painter = painter();
    let grant = node.lease(1).await.unwrap().expect("work");
    let right = paint(&grant, &mut painter, Cheat::Honest, 1);
    node.send(grant.lease, node.signed(&grant, &mut painter, &right, |_| {})).await.unwrap();
    let other = paint(&grant, &mut painter, Cheat::OtherSeed, 1);
    let second = node.signed(&grant, &mut painter, &other, |_| {});
    assert!(node.send(grant.lease, second).await.is_err(), "the first one counts");
    eventually("the stake is slashed", async || {
        (bank.stake(&view, node.key.node()).await == Amount::ZERO).then_some(())
    })
    .await;
    assert_eq!(
        bank.holds(&view, node.key.node()).await,
        Amount(30_000_000),
        "no more than its stake"
    );
    assert_eq!(
        bank.holds(&view, operator).await,
        Amount(12_500_000),
        "a quarter goes to who reported"
    );
    let books = eventually("the books say so", async || {
        let books = client.ledger().await.ok()?;
        books.balances.iter().any(|account| account.account == "slashed").then_some(books)
    })
    .await;
    let of =
        |name: &str| books.balances.iter().find(|b| b.account.starts_with(name)).map(|b| b.balance);
    assert_eq!((of("slashed"), of("rewarded")), (Some(37_500_000), Some(12_500_000)));
    assert_eq!(books.violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_wait_the_lowest_ask_gets_the_work_and_the_others_read_why() {
    // Whoever gets it keeps it while the others wait.
    let farm = Farm::new(Duration::from_secs(60));
    let bank = Bank::open(&farm).await;
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    bank.ready(&view).await;
    bait(&client, farm.path()).await;
    let patron = Patron::with(&farm, &client, "100").await;
    let mut waiting = Vec::new();
    for price in [900, 700, 1100] {
        let node = Puppet::join(&farm, &client, &price.to_string()).await;
        waiting.push((
            price,
            node.key.node(),
            tokio::spawn(async move { node.wait_at(asks(price)).await }),
        ));
    }
    // One unit in all.
    let one = [
        "--size",
        "64x64",
        "--spp",
        "4",
        "--frames",
        "0",
        "--tile",
        "64",
        "--max-price",
        PRICE,
        "--max-cost",
        "100",
    ];
    patron.submit(&farm, &one).unwrap();
    let mut given = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for (price, id, task) in waiting {
        given.insert(price, task.await.unwrap().map(|grant| grant.terms.price));
        ids.insert(price, id);
    }
    assert_eq!(given, BTreeMap::from([(700, Some(asks(700))), (900, None), (1100, None)]));
    for (price, code) in [(900, "outbid"), (1100, "price_above_maximum")] {
        let why = client.why_node(ids[&price]).await.unwrap();
        assert_eq!(why[0].code, code, "{why:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_master_and_chain_pay_each_once() {
    let farm = Farm::new(HEARTBEAT);
    let mut bank = Bank::open(&farm).await;
    let arguments: Vec<String> = bank.arguments().iter().map(|text| (*text).to_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut master = farm.start_master_with(&arguments);
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    bank.ready(&view).await;
    bait(&client, farm.path()).await;
    let patron = Patron::with(&farm, &client, "100").await;
    let node = Puppet::join(&farm, &client, "node").await;
    bank.give(node.key.node().0, Amount::ZERO).await;
    let mut painter = painter();
    let (mut all, mut kills) = (0, 0u32);
    for round in 0..3 {
        let paying = [&SMALL[..], &["--max-cost", "100"]].concat();
        let job = patron.submit(&farm, &paying).unwrap();
        while let Some(grant) = node.lease_at(u64::MAX, asks(500)).await.unwrap() {
            let right = paint(&grant, &mut painter, Cheat::Honest, 1);
            let body = node.signed(&grant, &mut painter, &right, |_| {});
            node.send(grant.lease, body).await.unwrap();
        }
        // Kills come at other moments of the settlement each time: it has some ten steps, of which each
        // takes longer than the waits differ by.
        let mut wait_ms = 20 + 130 * round;
        loop {
            let settled =
                client.job(job.id).await.unwrap().money.is_some_and(|money| money.settled);
            if settled {
                break;
            }
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms += 170;
            master.kill();
            if kills.is_multiple_of(2) {
                bank.kill_and_start_again();
            }
            master = farm.start_master_with(&arguments);
            farm.client().await;
            kills += 1;
        }
        all += receipted(&client, job.id).await.values().sum::<u64>();
    }
    println!("{kills} kills of the master, of which half took the chain along");
    assert!(kills >= 6, "only {kills} kills");
    assert_eq!(bank.holds(&view, node.key.node()).await, Amount(all), "paid once, and not missed");
    assert_eq!(patron.holds(), Amount(100_000_000 - all));
    assert_eq!(client.ledger().await.unwrap().violations, Vec::<String>::new());
}
