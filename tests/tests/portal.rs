//! Three people find their way on the portal, with accounts of their own, in a real browser: an artist
//! from a scene to its film, the owner of a node from a pasted line to a payout, a broadcaster from a key
//! to a picture that plays. What they do is in `web/e2e/journeys`.
#![forbid(unsafe_code)]

use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::Amount;
use world::bank::Bank;
use world::farm::Farm;
use world::process::{Process, eventually};
use world::studio::{GatewayOptions, Studio};
use world::walk::Walk;

/// Long, for a slow machine that renders, transcodes and draws pages at once.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Small pictures of few rays have to cost something: 10^9 of them are a thousand tokens.
const PRICE: &str = "1000";
/// Nobody's frames are approved but by their owner.
const APPROVE_AFTER_S: &str = "3600";

/// A farm with money and streams, and without a node.
struct World {
    studio: Studio,
    bank: Bank,
    client: Client,
    _processes: [Process; 3],
}

impl World {
    async fn new() -> Self {
        let studio = Studio { farm: Farm::new(HEARTBEAT) };
        let bank = Bank::open(&studio.farm).await;
        let master = studio.farm.start_master_with(&told(&bank));
        let client = studio.farm.client().await;
        bank.ready(&client.farm().await.unwrap()).await;
        let gateway = studio.start_gateway("gateway", &GatewayOptions::default());
        studio.doors("gateway").await;
        let worker = studio.start_worker("worker");
        studio.joined(&client, 1).await;
        Self { studio, bank, client, _processes: [master, gateway, worker] }
    }

    /// Makes an account on the chain for the first node that joins: without one, what it earns waits.
    async fn open_account(&self) {
        let node = eventually("a node has joined", async || {
            self.client.nodes().await.ok()?.first().map(|node| node.id)
        })
        .await;
        self.bank.give(node.0, Amount::ZERO).await;
    }
}

/// What the master is told: of a chain whose epochs follow each other in seconds, and of prices.
fn told(bank: &Bank) -> Vec<&str> {
    let mut arguments = bank.arguments();
    let at = arguments.iter().position(|argument| *argument == "--approve-after-s").unwrap();
    arguments[at + 1] = APPROVE_AFTER_S;
    arguments.extend(["--suggested-price", PRICE]);
    arguments
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artist_a_node_owner_and_a_broadcaster_find_their_way() {
    let Some(walk) = Walk::possible() else { return };
    let world = World::new().await;
    let film = tessera_scenes::sample_animation();
    let file = |name: &str| world.studio.farm.path().join(name);
    std::fs::write(file("scene.glb"), &film.glb).unwrap();
    std::fs::write(file("sky.hdr"), film.environment.expect("it has a sky")).unwrap();
    tokio::select! {
        () = walk.take("journeys/main.js", &world.studio.farm) => {}
        // It has been made long before the journeys end.
        never = async { world.open_account().await; std::future::pending().await } => never,
    }
}
