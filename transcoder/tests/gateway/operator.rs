//! What is the operator's to decide: where sources may be sent on to, and who sees metrics.

use crate::world::{World, eventually, free_port, get, spec};
use tessera_protocol::stream::gateway::GatewayDoors;
use tessera_protocol::stream::view::{Latency, StreamKeyView, StreamSpec};

/// A stream, and another whose source is sent on to it.
async fn sent_on(world: &World, doors: &GatewayDoors) -> (StreamKeyView, StreamKeyView) {
    let there = world.stream("there", Latency::Short).await;
    let restream = Some(doors.ingest(&there.key)[0].url.clone());
    let here = StreamSpec { restream, ..spec("here", Latency::Short) };
    (there, world.make(&here).await)
}

#[tokio::test]
async fn a_source_is_sent_on_to_where_the_operator_lets_it() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway_with(&["--restream-to-private"]).await;
    let (there, here) = sent_on(&world, &doors).await;
    let clip = world.clip(6, 30);
    let mut ffmpeg = world.send(&clip, &doors.ingest(&here.key)[0].url);
    let session = world.session(&there).await;
    assert!(ffmpeg.ended_well().await);
    // What came before the connection was made is not sent on.
    let segments = world.reported(session, 3_000).await;
    assert!(!segments.is_empty());
}

#[tokio::test]
async fn a_private_address_is_not_sent_to_and_viewers_do_not_read_of_it() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let (there, here) = sent_on(&world, &doors).await;
    let clip = world.clip(8, 30);
    let _ffmpeg = world.send(&clip, &doors.ingest(&here.key)[0].url);
    let note = eventually("the owner is told", async || {
        let health = world.client.stream(here.stream.id).await.ok()?.health;
        health.into_iter().find(|note| note.code == "restream-failing")
    })
    .await;
    assert!(note.text.ends_with("127.0.0.1 cannot be reached"), "{}", note.text);
    let page = get(&format!("{}/watch/{}", doors.http, here.stream.playback_id)).await;
    assert!(page.contains("No worker is connected"), "viewers are told of the stream:\n{page}");
    assert!(!page.contains("cannot be reached"), "{page}");
    assert_eq!(world.client.stream(there.stream.id).await.unwrap().session, None);
    assert!(!world.said("gateway").contains(&there.key), "a key is in the log");
}

#[tokio::test]
async fn metrics_have_a_door_of_their_own_behind_a_proxy() {
    let world = World::new().await;
    let metrics = format!("127.0.0.1:{}", free_port());
    let arguments = ["--behind-tls-proxy", "--metrics", &metrics];
    let (_gateway, doors) = world.gateway_with(&arguments).await;
    // As the proxy asks: without TLS, and from this machine.
    let viewers = doors.http.replace("https://", "http://");
    assert!(get(&format!("{viewers}/healthz")).await.starts_with("HTTP/1.1 200"));
    assert!(get(&format!("{viewers}/metrics")).await.starts_with("HTTP/1.1 404"));
    let answer = get(&format!("http://{metrics}/metrics")).await;
    assert!(answer.contains("tessera_gateway_sessions 0"), "{answer}");
}
