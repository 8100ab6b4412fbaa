//! Promise 3: any process may be killed at any moment. Master and nodes are killed at random
//! moments of one job; it completes, each unit enters once, and no pixel changes.

use std::time::Duration;
use tessera_protocol::settings::RenderSettings;
use world::farm::{Device, Farm};
use world::process::Process;

/// How often something is killed; each time the master, a node or both.
const KILLS: usize = if cfg!(feature = "soak") { 400 } else { 20 };

/// Numbers that repeat with the seed (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_twenty_kills_unchanged() {
    let seed = std::env::var("TESSERA_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    println!("seed {seed}: TESSERA_TEST_SEED={seed} repeats the kills");
    let mut random = Random(seed);
    let scene = tessera_scenes::conformance()
        .into_iter()
        .find(|scene| scene.name == "room")
        .expect("a scene called room");
    let frames = if cfg!(feature = "soak") { 400 } else { 4 };
    let settings = RenderSettings {
        width: 96,
        height: 96,
        spp: 96,
        seed: 3,
        max_bounces: 4,
        ..RenderSettings::default()
    };
    let farm = Farm::new(Duration::from_millis(300));
    let mut master = farm.start_master();
    let client = farm.client().await;
    let start = |name: &str| -> Process { farm.start_node(name, Device::Cpu) };
    let mut nodes = [start("a"), start("b")];
    farm.joined(&client, 2).await;
    let job = farm.submit(&client, &scene, settings.clone(), frames, (16, 8)).await;

    let mut counts = [0; 3];
    for kill in 0..KILLS {
        // The moment is random in what the farm has got done by then, and in time.
        let before = client.job(job.id).await.unwrap().units.verified;
        let further = before + random.below(200);
        let moment = Duration::from_millis(random.below(2500));
        let until = tokio::time::Instant::now() + moment;
        let reached = async {
            while client.job(job.id).await.is_ok_and(|job| job.units.verified < further) {}
        };
        tokio::select! {
            () = reached => {}
            () = tokio::time::sleep_until(until) => {}
        }
        let what = random.below(3);
        counts[what as usize] += 1;
        if what != 1 {
            master.kill();
        }
        if what != 0 {
            let victim = random.below(2) as usize;
            nodes[victim].kill();
            nodes[victim] = start(["a", "b"][victim]);
        }
        if what != 1 {
            master = farm.start_master();
        }
        let done = client.job(job.id).await.unwrap();
        assert!(done.units.verified >= before, "kill {kill} lost units");
        let units = done.units;
        let sum = units.free + units.leased + units.submitted + units.verified;
        assert_eq!(sum, job.spec.units(), "kill {kill}: {units:?}");
    }
    let [masters, a_node, both] = counts;
    println!("killed: {masters} times the master, {a_node} a node, {both} both");
    let before_the_end = client.job(job.id).await.unwrap();
    println!("{:?} after the last kill", before_the_end.units);

    let done = farm.completed(&client, job.id).await;
    let units: u64 = client.nodes().await.unwrap().iter().map(|node| node.units_verified).sum();
    assert_eq!(units, done.spec.units(), "each unit counts once");
    for frame in client.frames(job.id).await.unwrap() {
        let alone = farm.render_alone(&scene, &settings, frame.frame.0);
        assert_eq!(frame.hash.expect("assembled").to_string(), alone, "frame {}", frame.frame);
    }
}
