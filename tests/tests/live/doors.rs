//! Every way in, as broadcasters use it, watched by a real browser.

use crate::Broadcast;
use std::time::Duration;
use tessera_protocol::stream::view::Latency;
use world::player::{Options, Player};
use world::process::eventually;
use world::studio::{GatewayOptions, assert_seamless};
use world::test_picture::FPS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtmp_plays_whole_in_two_sizes_and_its_recording_plays_and_seeks() {
    let on = Broadcast::set_up(1, &GatewayOptions::default()).await;
    let session = plays_whole(&on, "rtmp", true).await;

    let session = on.studio.ended(&on.client, session).await;
    assert_eq!(session.segments_from_source, 0, "{}", on.said());
    assert_seamless(&on.client.segments(session.id).await.unwrap());
    let recording = eventually("the recording is complete", async || {
        on.client.session(session.id).await.ok()?.recording
    })
    .await;
    let player = Player::open(&recording.playlist_url, Options::default()).await;
    player.has_played(2.0).await;
    player.seek(9.0).await;
    player.until("it plays after the seek", |now| now.media_s > 10.0).await;
    player.report().await.assert_unbroken(FPS);
    // The film, too, begins where it is told to.
    let numbers = world::test_picture::numbers_shown(&["-ss", "5", "-t", "1"], &recording.mp4_url);
    let first = numbers[0].expect("a number");
    let expected: Vec<_> = (first..).take(numbers.len()).map(Some).collect();
    assert_eq!(numbers, expected);
    assert!((29..=31).contains(&numbers.len()), "{} frames in a second", numbers.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn srt_plays_whole_in_two_sizes() {
    let on = Broadcast::set_up(1, &GatewayOptions::default()).await;
    plays_whole(&on, "srt", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_segments_play_whole_in_two_sizes() {
    let on = Broadcast::set_up(1, &GatewayOptions::default()).await;
    plays_whole(&on, "http", false).await;
}

/// Sends by `protocol`, watches for a while, switches levels, ends the stream.
async fn plays_whole(on: &Broadcast, protocol: &str, record: bool) -> tessera_protocol::SessionId {
    let stream = on.stream(protocol, Latency::Standard, record).await;
    let mut source = on.send(&stream, protocol, Duration::ZERO);
    let view = on.on_the_air(&stream).await;
    let url = view.playback_url.expect("it is on the air");
    let player = Player::open(&url, Options { start_level: Some(0), ..Options::default() }).await;
    player.has_played(4.0).await;
    player.switch_level(1).await;
    player.has_played(12.0).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert_eq!(report.heights(), [240, 360], "{:?}", report.levels);
    assert_eq!(report.stalls, [], "{}", on.said());
    source.kill();
    on.client.end_stream(stream.stream.id).await.expect("it ends");
    view.session.expect("it has a session")
}
