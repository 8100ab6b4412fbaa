//! Streams, their keys and their sessions, as broadcasters see them.

use crate::studio::{code, doors, from_source, note, stream_spec};
use crate::world::{Farm, eventually, read, refused};
use reqwest::StatusCode;
use tessera_protocol::StreamId;
use tessera_protocol::stream::gateway::SessionEnd;
use tessera_protocol::stream::view::{Recording, StreamKeyView, StreamSpec, StreamState};

fn recording() -> Recording {
    Recording {
        playlist_url: "http://127.0.0.1:8080/record/1/index.m3u8".into(),
        mp4_url: "http://127.0.0.1:8080/record/1/best.mp4".into(),
        duration_ms: 4000,
    }
}

#[tokio::test]
async fn a_broadcast_from_its_key_to_its_recording() {
    let farm = Farm::steady().await;
    let broadcaster = farm.broadcaster().await;
    let gateway = farm.gateway(1).await;
    let made = broadcaster.create_stream(&stream_spec(), "k").await.unwrap();
    assert_eq!(made.stream.state, StreamState::Idle);
    assert_eq!((made.stream.session, &made.stream.playback_url), (None, &None));
    assert_eq!(made.ingest, doors(1).ingest(&made.key));
    assert_eq!(broadcaster.stream(made.stream.id).await.unwrap(), made.stream);

    let grant = gateway.open(&made.key).await.unwrap();
    assert_eq!((grant.stream, grant.playback_id), (made.stream.id, made.stream.playback_id));
    assert_eq!((grant.generation.0, grant.next_segment.0), (1, 0));
    assert_eq!((grant.ladder.clone(), grant.record), (made.stream.spec.ladder.clone(), true));
    let beaten = gateway
        .beat_with(&grant, |beat| {
            beat.source = Some("1280×720, H.264".into());
            beat.health = vec![note("keyframe-interval-long")];
        })
        .await;
    assert!(beaten.alive && beaten.workers.is_empty());
    let segments = vec![from_source(grant.generation, 0), from_source(grant.generation, 1)];
    assert!(gateway.report(grant.session, segments).await.is_empty());

    let live = broadcaster.stream(made.stream.id).await.unwrap();
    assert_eq!((live.state, live.session), (StreamState::Live, Some(grant.session)));
    assert_eq!(live.playback_url, Some(doors(1).playback_url(grant.playback_id)));
    assert_eq!(live.health, [note("keyframe-interval-long")]);
    let session = broadcaster.session(grant.session).await.unwrap();
    assert_eq!((session.segments, session.segments_from_source, session.pixels), (2, 2, 0));
    assert_eq!(session.source.as_deref(), Some("1280×720, H.264"));
    assert_eq!((session.gateway, session.ended_ms), (gateway.id(), None));

    let generation = grant.generation;
    let end = |recording| SessionEnd { generation, because: "the source left".into(), recording };
    gateway.client.end_session(grant.session, &end(None)).await.unwrap();
    assert!(broadcaster.recordings(made.stream.id).await.unwrap().is_empty());
    gateway.client.end_session(grant.session, &end(Some(recording()))).await.unwrap();
    let over = broadcaster.stream(made.stream.id).await.unwrap();
    assert_eq!((over.state, over.session), (StreamState::Idle, Some(grant.session)));
    assert!(over.health.is_empty(), "of nobody who sends");
    let ended = broadcaster.session(grant.session).await.unwrap();
    assert_eq!(ended.ended_because.as_deref(), Some("the source left"));
    assert_eq!(ended.recording, Some(recording()));
    assert_eq!(broadcaster.recordings(made.stream.id).await.unwrap(), [ended]);
    let dead = gateway.beat(&grant).await;
    assert_eq!((dead.alive, dead.because.as_deref()), (false, Some("the source left")));

    let again = gateway.open(&made.key).await.unwrap();
    assert_ne!(again.session, grant.session, "a new broadcast");
    let sessions = broadcaster.sessions(made.stream.id).await.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids, [again.session, grant.session], "newest first");
}

#[tokio::test]
async fn only_the_present_key_lets_a_source_in() {
    let farm = Farm::steady().await;
    let (gateway, operator) = (farm.gateway(1).await, farm.operator());
    let made = farm.stream().await;
    for wrong in ["", "x", &made.key[1..], &made.key.to_uppercase(), &"k".repeat(5000)] {
        assert_eq!(code(gateway.open(wrong).await), "stream-key-refused", "{wrong}");
    }
    let grant = gateway.open(&made.key).await.unwrap();
    let rotated = operator.rotate_key(made.stream.id).await.unwrap();
    assert_ne!(rotated.key, made.key);
    assert_eq!(code(gateway.open(&made.key).await), "stream-key-refused");
    let told = gateway.beat(&grant).await;
    assert!(!told.alive);
    assert!(told.because.unwrap().contains("key was rotated"));
    let next = gateway.open(&rotated.key).await.unwrap();
    assert_ne!(next.session, grant.session);

    let ended = operator.end_stream(made.stream.id).await.unwrap();
    assert_eq!(ended.state, StreamState::Ended);
    assert_eq!(code(gateway.open(&rotated.key).await), "stream-ended");
    assert_eq!(code(operator.rotate_key(made.stream.id).await), "stream-ended");
    let told = gateway.beat(&next).await;
    assert!(!told.alive && told.because.unwrap().contains("ended the stream"));
    let again = operator.end_stream(made.stream.id).await.unwrap();
    assert_eq!(again.state, StreamState::Ended, "asking twice is no error");
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_nowhere() {
    let mut farm = Farm::steady().await;
    let body = stream_spec();
    let post = async |farm: &Farm, body: &StreamSpec| {
        let request = farm.http.post(farm.at("/v1/streams")).bearer_auth(&farm.token);
        request.header("Idempotency-Key", "once").json(body).send().await.unwrap()
    };
    let made: StreamKeyView = read(post(&farm, &body).await, StatusCode::CREATED).await;
    let same: StreamKeyView = read(post(&farm, &body).await, StatusCode::OK).await;
    assert_eq!((same.stream.id, same.key.as_str(), same.ingest.len()), (made.stream.id, "", 0));
    let other = StreamSpec { name: "another".into(), ..stream_spec() };
    assert_eq!(refused(post(&farm, &other).await).await, "idempotency-key-reused");
    // Whoever lost the first answer gets a key by the same call.
    let renewed = farm.operator().create_stream(&body, "once").await.unwrap();
    assert_eq!(renewed.stream.id, made.stream.id);
    assert!(!renewed.key.is_empty() && renewed.key != made.key);
    assert_eq!(farm.operator().streams().await.unwrap().len(), 1);

    farm.stop().await;
    for file in ["farm.sqlite", "farm.sqlite-wal"] {
        let Ok(stored) = std::fs::read(farm.config.state.join(file)) else { continue };
        for key in [&made.key, &renewed.key] {
            let found = stored.windows(key.len()).any(|bytes| bytes == key.as_bytes());
            assert!(!found, "a key lies in {file}");
        }
    }
}

#[tokio::test]
async fn broadcasters_see_their_own_streams_and_the_operator_all() {
    let farm = Farm::steady().await;
    let (mine, theirs) = (farm.broadcaster().await, farm.broadcaster().await);
    let gateway = farm.gateway(1).await;
    let made = mine.create_stream(&stream_spec(), "k").await.unwrap();
    let same_key = theirs.create_stream(&stream_spec(), "k").await.unwrap();
    assert_ne!(same_key.stream.id, made.stream.id, "an idempotency key is its owner's");
    let grant = gateway.open(&made.key).await.unwrap();
    let id = made.stream.id;
    assert_eq!(code(theirs.stream(id).await), "stream-not-found");
    assert_eq!(code(theirs.rotate_key(id).await), "stream-not-found");
    assert_eq!(code(theirs.end_stream(id).await), "stream-not-found");
    assert_eq!(code(theirs.sessions(id).await), "stream-not-found");
    assert_eq!(code(theirs.recordings(id).await), "stream-not-found");
    assert_eq!(code(theirs.session(grant.session).await), "session-not-found");
    assert_eq!(code(theirs.segments(grant.session).await), "session-not-found");
    let hook = mine.create_webhook("http://127.0.0.1:9/").await.unwrap();
    assert!(theirs.webhooks().await.unwrap().is_empty());
    assert_eq!(code(theirs.ping_webhook(hook.id).await), "webhook-not-found");
    assert_eq!(code(theirs.deliveries(hook.id).await), "webhook-not-found");
    assert_eq!(code(theirs.delete_webhook(hook.id).await), "webhook-not-found");
    assert!(gateway.beat(&grant).await.alive, "nothing happened to it");

    assert_eq!(mine.streams().await.unwrap().len(), 1);
    assert_eq!(farm.operator().streams().await.unwrap().len(), 2);
    assert_eq!(farm.operator().session(grant.session).await.unwrap().stream, id);
    assert_eq!(code(mine.workers().await), "scope-too-small");
    assert_eq!(code(mine.gateways().await), "scope-too-small");
    let gateways = farm.operator().gateways().await.unwrap();
    assert_eq!((gateways[0].id, gateways[0].sessions), (gateway.id(), 1));
    assert_eq!(code(farm.operator().stream(StreamId([9; 16])).await), "stream-not-found");
}

#[tokio::test]
async fn a_stream_that_cannot_be_is_refused_without_its_secrets() {
    let farm = Farm::steady().await;
    let refuse = async |change: serde_json::Value| {
        let mut body = serde_json::to_value(stream_spec()).unwrap();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let response = farm.post("/v1/streams", &body).await;
        assert!(response.status().is_client_error());
        response.text().await.unwrap()
    };
    for (change, expected) in [
        (serde_json::json!({ "name": "" }), "stream-refused"),
        (serde_json::json!({ "name": "x".repeat(201) }), "stream-refused"),
        (serde_json::json!({ "restream": "http://host/app/topsecret" }), "stream-refused"),
        (serde_json::json!({ "restream": "rtmp:///topsecret" }), "stream-refused"),
        (serde_json::json!({ "ladder": [] }), "request-malformed"),
        (serde_json::json!({ "surprise": 1 }), "request-malformed"),
    ] {
        let answer = refuse(change.clone()).await;
        assert!(answer.contains(expected) && !answer.contains("topsecret"), "{change}: {answer}");
    }
}

#[tokio::test]
async fn segments_and_streams_come_in_pages() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let made = farm.stream().await;
    let grant = gateway.open(&made.key).await.unwrap();
    for start in [0, 250] {
        let batch = (start..start + 250).map(|number| from_source(grant.generation, number));
        assert!(gateway.report(grant.session, batch.collect()).await.is_empty());
    }
    let segments = farm.operator().segments(grant.session).await.unwrap();
    let numbers: Vec<_> = segments.iter().map(|segment| segment.segment.0).collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    let path = format!("/v1/sessions/{}/segments?limit=7&cursor=493", grant.session);
    let page: serde_json::Value = read(farm.get(&path).await, StatusCode::OK).await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["next_cursor"]),
        (7, &serde_json::Value::Null)
    );
    for number in 0..5 {
        farm.operator().create_stream(&stream_spec(), &format!("{number}")).await.unwrap();
    }
    let page: serde_json::Value = read(farm.get("/v1/streams?limit=2").await, StatusCode::OK).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(farm.operator().streams().await.unwrap().len(), 6);
}

#[tokio::test]
async fn metrics_count_what_is_live() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let worker = farm.worker(9).await;
    let made = farm.stream().await;
    let grant = gateway.open(&made.key).await.unwrap();
    let lease = worker.lease().await;
    let segments = vec![from_source(grant.generation, 0), worker.made(&gateway, &lease, 1)];
    gateway.report(grant.session, segments).await;
    let metrics = farm.get("/metrics").await.text().await.unwrap();
    for line in [
        "tessera_streams 1",
        "tessera_streams_live 1",
        "tessera_sessions_total 1",
        "tessera_segments_total 2",
        "tessera_segments_from_source_total 1",
        "tessera_segment_conflicts_total 0",
        "tessera_workers 1",
        "tessera_gateways 1",
        "tessera_stream_leases 1",
        "tessera_webhooks_pending 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_session_goes_on_over_a_restart_of_the_master() {
    let mut farm = Farm::start_with(|config| {
        config.session_lease = std::time::Duration::from_secs(2);
    })
    .await;
    let made = farm.stream().await;
    let gateway = farm.gateway(1).await;
    let grant = gateway.open(&made.key).await.unwrap();
    farm.restart().await;
    // The master listens elsewhere now, and the gateway joins again as it does after any restart.
    let (gateway, other) = (farm.gateway(1).await, farm.gateway(2).await);
    assert_eq!(code(other.open(&made.key).await), "stream-is-live", "within a lease of the start");
    assert!(gateway.beat(&grant).await.alive);
    let taken = eventually(async || other.open(&made.key).await.ok()).await;
    assert_eq!(taken.session, grant.session);
    assert_eq!(taken.generation.0, 2);
}
