//! The gateway with everything around it: real processes, a real ffmpeg that sends, and ffprobe and
//! ffmpeg that read what viewers would.
#![forbid(unsafe_code)]

mod liar;
mod operator;
mod world;

use tessera_protocol::stream::view::Latency;
use world::{World, assert_seamless, decode_complaints, eventually, frame_times, get, playlist};

const FRAME: f64 = 1.0 / 30.0;

/// Asserts that a playlist has so many frames, evenly spaced but for milliseconds of rounding.
fn assert_whole(playlist: &str, frames: usize) {
    // Packets come in the order of decoding.
    let mut times = frame_times(playlist, "v:0");
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), frames, "{playlist}");
    for pair in times.windows(2) {
        let step = pair[1] - pair[0];
        assert!((step - FRAME).abs() < 0.003, "{pair:?} in {playlist}");
    }
}

#[tokio::test]
async fn a_source_becomes_a_ladder_and_nothing_is_lost() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let _worker = world.worker("worker").await;
    let stream = world.stream("whole", Latency::Short).await;
    let clip = world.clip(5, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 4_990).await;
    assert_seamless(&segments);
    assert!(segments.iter().all(|s| s.node.is_some()), "{segments:?}\n{}", world.said("gateway"));
    world.end(&stream, &doors).await;
    for rendition in ["144p", "96p"] {
        let playlist = playlist(&doors, &stream, rendition);
        assert_whole(&playlist, 150);
        assert_eq!(decode_complaints(&playlist), "");
    }
    let times = frame_times(&playlist(&doors, &stream, "sound.1"), "a:0");
    assert!((232..=237).contains(&times.len()), "{} units of sound", times.len());
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 1024.0 / 48_000.0).abs() < 0.001));
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced_and_nothing_is_lost() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let mut first = world.worker("first").await;
    let stream = world.stream("killed", Latency::Short).await;
    // Long enough for the second worker, which measures itself first, on a slow machine.
    let clip = world.clip(24, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    let begun = eventually("the first worker has made a segment", async || {
        let segments = world.client.segments(session).await.ok()?;
        segments.iter().find_map(|segment| segment.node)
    })
    .await;
    let _second = world.worker("second").await;
    eventually("the second worker has dialled in", async || {
        (world.said("gateway").matches("a worker dialled in").count() >= 2).then_some(())
    })
    .await;
    first.kill();
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 23_990).await;
    assert_seamless(&segments);
    let after: Vec<_> = segments.iter().filter_map(|s| s.node).filter(|n| *n != begun).collect();
    assert!(!after.is_empty(), "the second worker made nothing: {}", world.said("gateway"));
    world.end(&stream, &doors).await;
    let playlist = playlist(&doors, &stream, "144p");
    assert_whole(&playlist, 720);
}

#[tokio::test]
async fn without_workers_the_source_stands_in_and_the_health_says_so() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let stream = world.stream("alone", Latency::Short).await;
    let clip = world.clip(4, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    eventually("the health says that there is no worker", async || {
        let health = world.client.stream(stream.stream.id).await.ok()?.health;
        health.iter().any(|note| note.code == "no-worker").then_some(())
    })
    .await;
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 3_990).await;
    assert_seamless(&segments);
    assert!(segments.iter().all(|segment| segment.node.is_none()));
    world.end(&stream, &doors).await;
    let playlist = playlist(&doors, &stream, "96p");
    assert_whole(&playlist, 120);
}

#[tokio::test]
async fn a_gateway_killed_and_started_again_goes_on_where_it_was() {
    let world = World::new().await;
    let (mut gateway, doors) = world.gateway().await;
    let stream = world.stream("restart", Latency::Short).await;
    let clip = world.clip(4, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    world.reported(session, 1_900).await;
    gateway.kill();
    ffmpeg.kill();
    let (_gateway, doors) = world.gateway().await;
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 5_900).await;
    assert_eq!(world.session(&stream).await, session, "it is the same session");
    for pair in segments.windows(2) {
        assert!(pair[0].segment < pair[1].segment);
        let end = pair[0].start_ms + pair[0].duration_ms as i64;
        assert!(pair[1].start_ms >= end - 1, "{pair:?}");
    }
    world.end(&stream, &doors).await;
    let playlist = playlist(&doors, &stream, "96p");
    let text = get(&playlist).await;
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    let times = frame_times(&playlist, "v:0");
    assert!(times.len() >= 57 + 120, "{} frames", times.len());
}

#[tokio::test]
async fn a_rotated_key_closes_its_source_and_a_wrong_one_comes_to_nothing() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let stream = world.stream("rotated", Latency::Short).await;
    let clip = world.clip(20, 30);
    let wrong = &doors.ingest("stream-000000000000000000000000000000000000000000000000")[0].url;
    assert!(!world.send(&clip, wrong).ended_well().await);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    world.reported(session, 900).await;
    let rotated = world.client.rotate_key(stream.stream.id).await.unwrap();
    assert!(!ffmpeg.ended_well().await, "the source was closed");
    assert!(!world.send(&clip, &doors.ingest(&stream.key)[0].url).ended_well().await);
    let _ffmpeg = world.send(&clip, &doors.ingest(&rotated.key)[0].url);
    eventually("the new key is taken", async || {
        let session_now = world.client.stream(stream.stream.id).await.ok()?.session?;
        let segments = world.client.segments(session_now).await.ok()?;
        (session_now != session && !segments.is_empty()).then_some(())
    })
    .await;
    assert!(!world.said("gateway").contains(&stream.key), "a key is in the log");
}

#[tokio::test]
async fn in_low_latency_parts_come_and_nothing_is_lost() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let _worker = world.worker("worker").await;
    let stream = world.stream("low", Latency::Low).await;
    let clip = world.clip(6, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    let low = playlist(&doors, &stream, "144p");
    eventually("parts are listed", async || get(&low).await.contains("#EXT-X-PART:").then_some(()))
        .await;
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 5_990).await;
    assert_seamless(&segments);
    assert!(segments.iter().all(|s| s.node.is_some()), "{segments:?}\n{}", world.said("gateway"));
    world.end(&stream, &doors).await;
    for rendition in ["144p", "96p"] {
        let playlist = playlist(&doors, &stream, rendition);
        assert_whole(&playlist, 180);
        assert_eq!(decode_complaints(&playlist), "");
    }
}

#[tokio::test]
async fn in_low_latency_a_worker_that_dies_is_replaced_and_nothing_is_lost() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let mut first = world.worker("first").await;
    let stream = world.stream("low-killed", Latency::Low).await;
    let clip = world.clip(9, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    eventually("the first worker has made a segment", async || {
        let segments = world.client.segments(session).await.ok()?;
        segments.iter().find_map(|segment| segment.node)
    })
    .await;
    let _second = world.worker("second").await;
    eventually("the second worker has dialled in", async || {
        (world.said("gateway").matches("a worker dialled in").count() >= 2).then_some(())
    })
    .await;
    first.kill();
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 8_990).await;
    assert_seamless(&segments);
    world.end(&stream, &doors).await;
    for rendition in ["144p", "96p"] {
        let playlist = playlist(&doors, &stream, rendition);
        assert_whole(&playlist, 270);
        assert_eq!(decode_complaints(&playlist), "");
    }
}

#[tokio::test]
async fn a_source_that_comes_back_continues_its_session() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let _worker = world.worker("worker").await;
    for (name, latency) in [("back", Latency::Short), ("low-back", Latency::Low)] {
        let stream = world.stream(name, latency).await;
        let clip = world.clip(3, 30);
        let url = &doors.ingest(&stream.key)[0].url;
        assert!(world.send(&clip, url).ended_well().await);
        assert!(world.send(&clip, url).ended_well().await);
        let session = world.session(&stream).await;
        let segments = world.reported(session, 5_900).await;
        assert_seamless(&segments);
        assert!(segments.iter().all(|s| s.node.is_some()), "{}", world.said("gateway"));
        world.end(&stream, &doors).await;
        let playlist = playlist(&doors, &stream, "144p");
        let text = get(&playlist).await;
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
        assert_eq!(frame_times(&playlist, "v:0").len(), 180, "{}", world.said("gateway"));
    }
}

#[tokio::test]
async fn in_low_latency_the_source_stands_in_until_a_worker_comes() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let stream = world.stream("low-alone", Latency::Low).await;
    let clip = world.clip(14, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    world.reported(session, 1_900).await;
    let _worker = world.worker("worker").await;
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 13_990).await;
    assert_seamless(&segments);
    assert!(segments[0].node.is_none());
    assert!(segments.last().unwrap().node.is_some(), "{}", world.said("gateway"));
    world.end(&stream, &doors).await;
    assert_whole(&playlist(&doors, &stream, "144p"), 420);
}
