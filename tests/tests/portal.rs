//! Three people find their way on the portal, with accounts of their own, in a real browser: an artist
//! from a scene to its film, the owner of a node from a pasted line to a payout, a broadcaster from a key
//! to a picture that plays. A fourth does all of it without a pointer. What they do is in `web/e2e/journeys`.
#![forbid(unsafe_code)]

use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::Amount;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::stream::view::{Latency, StreamSpec};
use tessera_scenes::Scene;
use tokio::sync::Mutex;
use world::bank::Bank;
use world::farm::{Device, Farm};
use world::process::{Process, eventually};
use world::studio::{GatewayOptions, Studio};
use world::walk::Walk;

/// Long, for a slow machine that renders, transcodes and draws pages at once.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Small pictures of few rays have to cost something: 10^9 of them are a thousand tokens.
const PRICE: &str = "1000";
/// What a page would run that takes a name for its own words.
const MARKUP: &str = r#"<img src="x" onerror="document.body.id = 9">"#;
/// Nobody's frames are approved but by their owner.
const APPROVE_AFTER_S: &str = "3600";

/// One walk at a time: each has a browser and a farm, and pages on a busy machine are waited for.
static MACHINE: Mutex<()> = Mutex::const_new(());

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

/// Leaves a scene and its sky where a walk finds them.
fn leave(farm: &Farm, glb: &[u8], sky: Option<Vec<u8>>) {
    std::fs::write(farm.path().join("scene.glb"), glb).unwrap();
    std::fs::write(farm.path().join("sky.hdr"), sky.expect("it has a sky")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artist_a_node_owner_and_a_broadcaster_find_their_way() {
    let Some(walk) = Walk::possible() else { return };
    let _machine = MACHINE.lock().await;
    let world = World::new().await;
    let film = tessera_scenes::sample_animation();
    leave(&world.studio.farm, &film.glb, film.environment);
    tokio::select! {
        said = walk.take("journeys/main.js", &world.studio.farm) => println!("{said}"),
        // It has been made long before the journeys end.
        never = async { world.open_account().await; std::future::pending().await } => never,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_done_by_keyboard() {
    let Some(walk) = Walk::possible() else { return };
    let _machine = MACHINE.lock().await;
    // Nobody pays here, and the node comes when its owner starts it.
    let studio = Studio { farm: Farm::new(HEARTBEAT) };
    let _master = studio.farm.start_master();
    studio.farm.client().await;
    let _gateway = studio.start_gateway("gateway", &GatewayOptions::default());
    studio.doors("gateway").await;
    // It moves, and has so few parts that a page draws it at once.
    let scenes = tessera_scenes::conformance();
    let scene = scenes.into_iter().find(|scene| scene.name == "motion-between-keys").unwrap();
    leave(&studio.farm, &scene.glb, scene.environment);
    println!("{}", walk.take("journeys/keyboard.js", &studio.farm).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_text_wherever_it_is_shown() {
    let Some(walk) = Walk::possible() else { return };
    let _machine = MACHINE.lock().await;
    let farm = Farm::new(HEARTBEAT);
    let _master = farm.start_master();
    let client = farm.client().await;
    let _node = farm.start_node_called("node", MARKUP, Device::Cpu);
    farm.joined(&client, 1).await;
    let scene = Scene { name: MARKUP, ..tessera_scenes::conformance().swap_remove(0) };
    let settings = RenderSettings { width: 16, height: 16, spp: 1, ..RenderSettings::default() };
    let job = farm.submit(&client, &scene, settings, 1, (16, 1)).await;
    let spec = StreamSpec {
        name: MARKUP.to_owned(),
        ladder: "240p:400k".parse().unwrap(),
        latency: Latency::default(),
        record: false,
        restream: None,
        max_price: None,
    };
    let stream = client.create_stream(&spec, "once").await.unwrap().stream.id;
    let token = std::fs::read_to_string(farm.token_file()).unwrap();
    let walk = walk.with("TESSERA_NAME", MARKUP).with("TESSERA_TOKEN", token.trim());
    let walk = walk.with("TESSERA_JOB", &job.id.to_string());
    let walk = walk.with("TESSERA_STREAM", &stream.to_string());
    walk.take("journeys/names.js", &farm).await;
}
