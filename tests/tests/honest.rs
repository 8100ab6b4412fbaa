//! Goal: no honest unit is ever rejected, whatever the scene and whatever it was rendered on.
//!
//! Method: a real master that audits, and real nodes on the processor and on two Vulkan drivers, all
//! new, so that they are looked at hard; every conformance scene as a job of small units, so that all
//! of them share it. `make soak` goes on with other seeds until 10^7 pixels were computed again.
#![forbid(unsafe_code)]

use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::settings::RenderSettings;
use world::farm::{Device, Farm};
use world::vulkan::Driver;

/// Pixels to compute again at least.
const PIXELS: u64 = if cfg!(feature = "soak") { 10_000_000 } else { 20_000 };
/// Samples of a pixel: enough for paths of every kind.
const SPP: u32 = 4;

/// The master's count of pixels that audits computed again.
async fn audited(farm: &Farm) -> u64 {
    let token = std::fs::read_to_string(farm.token_file()).expect("the operator's token");
    let asked = reqwest::Client::new().get(format!("{}/metrics", farm.url()));
    let answer = asked.bearer_auth(token.trim()).send().await.expect("metrics");
    let text = answer.text().await.expect("metrics");
    let line = text.lines().find_map(|line| line.strip_prefix("tessera_audit_pixels_total "));
    line.expect("the master counts them").parse().expect("a number")
}

/// All scenes with one seed, by all nodes.
async fn round(farm: &Farm, client: &Client, seed: u32) {
    let mut jobs = Vec::new();
    for scene in tessera_scenes::conformance() {
        let settings = RenderSettings {
            width: scene.width,
            height: scene.height,
            spp: SPP,
            seed,
            max_bounces: scene.max_bounces,
            background: scene.background,
            ..RenderSettings::default()
        };
        let frames = (scene.time_s * f64::from(world::farm::FPS)) as u32 + 1;
        jobs.push(farm.submit(client, &scene, settings, frames.min(4), (16, 2)).await.id);
    }
    for job in jobs {
        farm.completed(client, job).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_honest_unit_is_rejected_on_any_device() {
    let farm = Farm::new(Duration::from_secs(5));
    let _master = farm.start_master();
    let client = farm.client().await;
    let _cpu = farm.start_node("cpu", Device::Cpu);
    let _lavapipe = farm.start_node("lavapipe", Device::Vulkan(Driver::Lavapipe));
    let _swift = farm.start_node("swiftshader", Device::Vulkan(Driver::SwiftShader));
    farm.joined(&client, 3).await;
    let mut seed = 0;
    while audited(&farm).await < PIXELS {
        seed += 1;
        round(&farm, &client, seed).await;
    }
    for node in client.nodes().await.expect("nodes") {
        println!("{}: {} units verified", node.name, node.units_verified);
        assert!(node.units_verified > 0, "{} did nothing: {}", node.name, farm.said(&node.name));
        assert_eq!(
            node.record.rejections,
            0,
            "{} was rejected\n{}",
            node.name,
            farm.said("master")
        );
    }
    println!("{} pixels computed again, {seed} seeds, none was wrong", audited(&farm).await);
}
