//! Goal: from deposit to payout on a chain, with real transactions: nodes are paid to the last unit what
//! the books and their receipts say, the rest returns, whoever lies gets nothing, and a kill of master or
//! chain pays nobody twice and misses nobody.
#![forbid(unsafe_code)]

mod approval;
mod payout;
mod stream;
mod vouching;

use std::collections::BTreeMap;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::{JobId, NodeId, RayPrice};
use world::cheat::Cheat;
use world::process::eventually;
use world::puppet::{Puppet, paint, painter};

/// Long, for nodes here say nothing while they paint, and a machine may be slow.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Small pictures of few rays have to cost something: 10^9 of them are a thousand tokens.
pub(crate) const PRICE: &str = "1000";
pub(crate) const SMALL: [&str; 12] = [
    "--size",
    "128x128",
    "--spp",
    "4",
    "--frames",
    "0-1",
    "--max-bounces",
    "4",
    "--tile",
    "64",
    "--max-price",
    PRICE,
];

pub(crate) fn asks(tokens: u64) -> RayPrice {
    RayPrice(tokens * 1_000_000)
}

/// What a job's receipts say that each node is paid.
pub(crate) async fn receipted(client: &Client, job: JobId) -> BTreeMap<NodeId, u64> {
    let mut paid = BTreeMap::new();
    for receipt in client.receipts(job).await.unwrap() {
        receipt.check().unwrap();
        *paid.entry(receipt.commit.node).or_default() += receipt.pay.0;
    }
    paid.retain(|_, pay| *pay > 0);
    paid
}

pub(crate) async fn settled(client: &Client, job: JobId) -> JobView {
    eventually("all of the job is paid, and the rest returned", async || {
        let job = client.job(job).await.ok()?;
        job.money.is_some_and(|money| money.settled).then_some(job)
    })
    .await
}

/// Has a node do all of a job's work, rightly, for half of the most that is paid.
pub(crate) async fn render(client: &Client, node: &Puppet, job: JobId) {
    let mut painter = painter();
    let undone = async || {
        let job = client.job(job).await.unwrap();
        job.state == JobState::Active && job.units.free + job.units.leased > 0
    };
    while undone().await {
        let Some(grant) = node.lease_at(u64::MAX, asks(500)).await.unwrap() else { continue };
        let right = paint(&grant, &mut painter, Cheat::Honest, 1);
        node.send(grant.lease, node.signed(&grant, &mut painter, &right, |_| {})).await.unwrap();
    }
}
