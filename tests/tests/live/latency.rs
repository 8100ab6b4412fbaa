//! Low latency: parts, blocking reload, and a viewer close behind.

use crate::Broadcast;
use std::time::Duration;
use tessera_protocol::stream::view::Latency;
use world::player::{Options, Player};
use world::studio::GatewayOptions;
use world::test_picture::FPS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn low_latency_plays_parts_whole_and_close_behind() {
    let on = Broadcast::set_up(1, &GatewayOptions::default()).await;
    let stream = on.stream("low", Latency::Low, false).await;
    let source = on.send(&stream, "rtmp", Duration::ZERO);
    let view = on.on_the_air(&stream).await;
    let url = view.playback_url.expect("it is on the air");
    let options = Options { low_latency: true, start_level: Some(1) };
    let player = Player::open(&url, options).await;
    player.has_played(6.0).await;
    player.switch_level(0).await;
    player.has_played(14.0).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert_eq!(report.heights(), [360, 240], "{:?}", report.levels);
    assert!(report.segments.iter().any(|arrival| arrival.part.is_some()), "parts were fetched");
    let origin = source.origin().expect("it sends");
    let behind = report.glass_to_glass(origin, FPS).expect("frames were shown");
    println!("glass to player: {behind:?}");
    // A segment alone lasts two seconds: whoever waits for whole ones is further behind.
    assert!(behind.median < Duration::from_secs(4), "{behind:?}");
}
