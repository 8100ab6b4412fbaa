//! A job of 48 frames on two nodes, one on the processor and one on a Vulkan device: whoever
//! rendered which tile, every frame is the one that `render-node render` makes alone.

use std::collections::BTreeMap;
use std::time::Duration;
use tessera_client::Artefact;
use tessera_protocol::settings::RenderSettings;
use tessera_scenes::Scene;
use world::farm::{Device, Farm};
use world::vulkan::Driver;

/// The sample animation, as a scene of the tests.
fn animation() -> (Scene, u32) {
    let sample = tessera_scenes::sample_animation();
    let frames = sample.frames;
    let scene = Scene {
        name: "animation",
        note: "",
        glb: sample.glb,
        environment: sample.environment,
        environment_strength: sample.environment_strength,
        environment_rotation_deg: sample.environment_rotation_deg,
        background: tessera_protocol::settings::Background::Environment,
        width: 72,
        height: 40,
        spp: 6,
        max_bounces: 3,
        time_s: 0.0,
    };
    (scene, frames)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_eight_frames_on_two_nodes_are_those_of_one_program() {
    let (scene, frames) = animation();
    assert_eq!(frames, 48);
    let settings = RenderSettings {
        width: scene.width,
        height: scene.height,
        spp: scene.spp,
        seed: 11,
        max_bounces: scene.max_bounces,
        ..RenderSettings::default()
    };
    let farm = Farm::new(Duration::from_secs(2));
    let _master = farm.start_master();
    let client = farm.client().await;
    let _gpu = farm.start_node("gpu", Device::Vulkan(Driver::Lavapipe));
    let _cpu = farm.start_node("cpu", Device::Cpu);
    farm.joined(&client, 2).await;

    // Tiles and ranges that divide neither the frame nor the samples.
    let job = farm.submit(&client, &scene, settings.clone(), frames, (17, 4)).await;
    let job = farm.completed(&client, job.id).await;
    assert_eq!(job.frames_done, 48);

    let nodes = client.nodes().await.unwrap();
    for node in &nodes {
        println!("{}: {} units, {} rays", node.name, node.units_verified, node.rays_verified);
        assert!(node.units_verified > 0, "{} did nothing: {}", node.name, farm.said(&node.name));
    }
    let units: u64 = nodes.iter().map(|node| node.units_verified).sum();
    assert_eq!(units, job.spec.units(), "each unit counts once");
    assert_eq!(nodes.iter().map(|node| node.rays_verified).sum::<u64>(), job.rays);

    let found: BTreeMap<u32, String> = client
        .frames(job.id)
        .await
        .unwrap()
        .iter()
        .map(|frame| (frame.frame.0, frame.hash.expect("assembled").to_string()))
        .collect();
    assert_eq!(found.len(), 48);
    for (&number, hash) in &found {
        assert_eq!(*hash, farm.render_alone(&scene, &settings, number), "frame {number}");
    }
    let distinct: std::collections::BTreeSet<_> = found.values().collect();
    assert_eq!(distinct.len(), 48, "the animation moves");

    let film = farm.download(&client, job.id, Artefact::Movie).await;
    assert_eq!(&film[4..8], b"ftyp", "the film is an MP4");
}
