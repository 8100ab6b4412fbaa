//! Workers die; the stream does not.

use crate::Broadcast;
use std::time::Duration;
use tessera_protocol::stream::view::{Latency, StreamKeyView};
use tokio::time::Instant;
use world::player::{Options, Player};
use world::proxy::{Line, Proxy};
use world::publisher::Publisher;
use world::studio::{GatewayOptions, assert_seamless};
use world::test_picture::FPS;

/// How long workers are killed, and how many streams run meanwhile.
const KILLING: Duration = Duration::from_secs(if cfg!(feature = "soak") { 60 } else { 15 });
const STREAMS: usize = if cfg!(feature = "soak") { 3 } else { 1 };
/// How often one is killed.
const KILL_EVERY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_a_frame_is_missing_while_workers_are_killed() {
    let on = Broadcast::set_up(3, &GatewayOptions::default()).await;
    survives(on, Latency::Standard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_a_frame_is_missing_while_workers_far_away_are_killed() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let link = socket.local_addr().unwrap();
    drop(socket);
    let proxy = Proxy::start(link, Line::HOME).await;
    let options = GatewayOptions {
        link: Some(link),
        link_as: Some(proxy.address().to_string()),
        ..GatewayOptions::default()
    };
    let on = Broadcast::set_up(3, &options).await;
    survives(on, Latency::Standard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_a_frame_is_missing_in_low_latency_while_workers_are_killed() {
    let on = Broadcast::set_up(3, &GatewayOptions::default()).await;
    survives(on, Latency::Low).await;
}

/// Kills the worker that has the most to do, again and again, and lets it come back.
async fn survives(mut on: Broadcast, latency: Latency) {
    let mut streams: Vec<(StreamKeyView, Publisher)> = vec![];
    for n in 0..STREAMS {
        let stream = on.stream(&format!("stream-{n}"), latency, false).await;
        let source = on.send(&stream, "rtmp", Duration::ZERO);
        streams.push((stream, source));
    }
    // One is watched; the others' segments are looked at in the end.
    let view = on.on_the_air(&streams[0].0).await;
    let options = Options { start_level: Some(0), low_latency: latency == Latency::Low };
    let player = Player::open(&view.playback_url.expect("it plays"), options).await;
    player.has_played(1.0).await;
    let begun = Instant::now();
    let mut kills = 0;
    while begun.elapsed() < KILLING {
        tokio::time::sleep_until(begun + KILL_EVERY * (kills + 1)).await;
        on.replace_worker(kills as usize % on.workers.len());
        kills += 1;
    }
    let played = (begun.elapsed() + Duration::from_secs(4)).as_secs_f64();
    player.has_played(played).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    println!("{kills} workers killed; stalls: {:?}", report.stalls);
    assert_eq!(report.stalls, [], "{}", on.said());
    for (stream, source) in &mut streams {
        source.kill();
        let session = on.client.stream(stream.stream.id).await.unwrap().session.unwrap();
        on.client.end_stream(stream.stream.id).await.unwrap();
        let session = on.studio.ended(&on.client, session).await;
        let segments = on.client.segments(session.id).await.unwrap();
        assert_seamless(&segments);
        // In low latency what is published of the segment that a worker died in is its own segment,
        // and claimed by nobody.
        let unclaimed = if latency == Latency::Low { u64::from(kills) } else { 0 };
        assert!(
            session.segments_from_source <= unclaimed,
            "the source stood in {} times though a worker was always there\n{}",
            session.segments_from_source,
            on.said()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_itself_keeps_the_stream_alive_when_the_only_worker_dies() {
    let mut on = Broadcast::set_up(1, &GatewayOptions::default()).await;
    let stream = on.stream("alone", Latency::Standard, false).await;
    let mut source = on.send(&stream, "rtmp", Duration::ZERO);
    let view = on.on_the_air(&stream).await;
    let options = Options { start_level: Some(0), ..Options::default() };
    let player = Player::open(&view.playback_url.expect("it plays"), options).await;
    player.has_played(2.0).await;
    on.workers[0].kill();
    player.until("the source's own pictures are shown", |now| now.height == 720).await;
    let health = on.client.stream(stream.stream.id).await.unwrap().health;
    assert!(health.iter().any(|note| note.code.contains("worker")), "{health:?}");
    on.replace_worker(0);
    player.until("the worker's pictures are shown again", |now| now.height == 240).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert_eq!(report.heights(), [240, 720, 240]);
    assert_eq!(report.stalls, [], "{}", on.said());
    source.kill();
    let session = view.session.expect("it has one");
    on.client.end_stream(stream.stream.id).await.unwrap();
    let session = on.studio.ended(&on.client, session).await;
    assert!(session.segments_from_source > 0);
    assert_seamless(&on.client.segments(session.id).await.unwrap());
}
