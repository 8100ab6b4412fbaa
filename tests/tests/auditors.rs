//! Audits in processes of their own: a master that makes none, an auditor that is killed at work, and
//! another that takes its place.
#![forbid(unsafe_code)]

use std::time::Duration;
use tessera_protocol::settings::RenderSettings;
use world::farm::{Device, Farm};
use world::process::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auditors_take_their_masters_place_and_each_others() {
    let mut scenes = tessera_scenes::conformance().into_iter();
    let scene = scenes.find(|scene| scene.name == "room").expect("the scene `room`");
    let settings = RenderSettings {
        width: 128,
        height: 96,
        spp: 8,
        max_bounces: scene.max_bounces,
        ..RenderSettings::default()
    };
    // Who falls silent for three heartbeats is given up.
    let farm = Farm::new(Duration::from_millis(500));
    let _master = farm.start_master_with(&["--audit-threads", "0"]);
    let client = farm.client().await;
    let _cpu = farm.start_node("cpu", Device::Cpu);
    farm.joined(&client, 1).await;
    let frames = 6;
    let job = farm.submit(&client, &scene, settings.clone(), frames, (16, 8)).await;
    let waiting = eventually("results wait for an auditor", async || {
        let now = client.job(job.id).await.ok()?;
        (now.units.submitted > 0).then_some(now)
    })
    .await;
    assert_eq!(waiting.units.verified, 0, "the master makes no audits");

    let mut first = farm.start_auditor("first auditor");
    eventually("it has verified something", async || {
        (client.job(job.id).await.ok()?.units.verified > 0).then_some(())
    })
    .await;
    first.kill();
    let _second = farm.start_auditor("second auditor");
    let job = farm.completed(&client, job.id).await;
    for frame in client.frames(job.id).await.unwrap() {
        let alone = farm.render_alone(&scene, &settings, frame.frame.0);
        assert_eq!(frame.hash.expect("assembled").to_string(), alone, "frame {}", frame.frame);
    }
    let nodes = client.nodes().await.unwrap();
    assert_eq!((nodes[0].units_verified, nodes[0].record.rejections), (job.spec.units(), 0));
}
