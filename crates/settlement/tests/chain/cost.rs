//! What payouts cost, measured: fees and compute units by kind of step, and what of the rent comes
//! back.

use crate::world::{SOL, World};
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tessera_settlement::abi::account::Epoch;
use tessera_settlement::epoch::cost::{KindCost, by_kind};
use tessera_settlement::epoch::{Done, EpochPlan};

/// One epoch that pays so many nodes out of so many jobs.
pub(crate) struct Measured {
    pub(crate) kinds: BTreeMap<String, KindCost>,
    /// What its payer lost for good, by the chain's account of it.
    pub(crate) lost_lamports: u64,
    /// Rent of the epoch's account while it lives.
    pub(crate) rent_lamports: u64,
    /// Planning it: leaves, hashes and root.
    pub(crate) planned_in: Duration,
    /// All of it, on this machine's local chain, waiting for the window left out.
    pub(crate) settled_in: Duration,
}

pub(crate) async fn measure(nodes: usize, jobs: u8) -> Measured {
    let mut world = World::new(0, 0).await;
    // As the master has it: one key decides and pays, and signs once.
    world.payer = world.authority.insecure_clone();
    world.local.airdrop(&world.payer.pubkey(), 1_000 * SOL).unwrap();
    let payouts: Vec<_> = (0..nodes).map(|_| (world.payee(), u64::from(jobs) * 1_000)).collect();
    let each = nodes as u64 * 1_000;
    let mut artists = Vec::new();
    for number in 0..jobs {
        artists.push(world.artist(number, each).await);
    }
    let draws: Vec<_> = artists.iter().map(|artist| (artist, each)).collect();
    let begun = Instant::now();
    let plan: EpochPlan = world.plan(1, &draws, &payouts);
    let planned_in = begun.elapsed();
    let payer = world.payer.pubkey();
    let before = world.chain.lamports(&payer).await.unwrap();
    let begun = Instant::now();
    let progress = world.settle(&plan).await;
    let settled_in = begun.elapsed();
    let lost_lamports = before - world.chain.lamports(&payer).await.unwrap();
    for (account, amount) in payouts {
        assert_eq!(world.tokens(&account).await, amount);
    }
    let done: Vec<Done> = progress.into_iter().flat_map(|progress| progress.done).collect();
    let rent = world.chain.rent(Epoch::account_len(nodes as u32)).await;
    let rent_lamports = rent.unwrap();
    let kinds = by_kind(&done);
    Measured { kinds, lost_lamports, rent_lamports, planned_in, settled_in }
}

pub(crate) fn print(nodes: usize, measured: &Measured) {
    let Measured { kinds, lost_lamports, rent_lamports, planned_in, settled_in } = measured;
    let units: u64 = kinds.values().map(|kind| kind.compute_units).sum();
    let count = nodes as u64;
    let a_minute = 60.0 / settled_in.as_secs_f64();
    println!(
        "\n{nodes} nodes, planned in {planned_in:?}, settled in {settled_in:?}: {a_minute:.0} epochs a \
         minute, windows left out"
    );
    for (name, kind) in kinds {
        println!(
            "  {name:6} {:4} transactions {:9} lamports {:9} compute units, at most {}",
            kind.transactions, kind.fee_lamports, kind.compute_units, kind.compute_units_max
        );
    }
    println!(
        "  in all {lost_lamports} lamports and {units} units: {} lamports and {} units a payout, \
         rounded up; {rent_lamports} lamports of rent came back",
        lost_lamports.div_ceil(count),
        units.div_ceil(count)
    );
}

#[tokio::test(start_paused = true)]
async fn an_epoch_costs_its_signatures_and_all_rent_comes_back() {
    for (nodes, jobs) in [(1, 1), (16, 4), (1_000, 20)] {
        let measured = measure(nodes, jobs).await;
        print(nodes, &measured);
        let count = |kind: &str| measured.kinds[kind].transactions;
        let (pushes, draws) = (nodes.div_ceil(16) as u64, u64::from(jobs).div_ceil(16));
        assert_eq!((count("push"), count("draw")), (pushes, draws));
        // Opened, drawn, ended, pushed, closed: one signature each.
        let signatures = 1 + draws + 1 + pushes + 1;
        assert_eq!(measured.lost_lamports, 5_000 * signatures);
        assert!(nodes < 1_000 || measured.lost_lamports <= 350 * nodes as u64, "the aim");
        // A transaction may use 1.4 million.
        assert!(measured.kinds.values().all(|kind| kind.compute_units_max < 200_000));
    }
}
