//! One gateway at a time publishes a session, and what it published stays its own.

use crate::studio::{Gateway, code, from_source};
use crate::world::{Farm, eventually};
use std::time::{Duration, Instant};
use tessera_client::ClientError;
use tessera_protocol::Generation;
use tessera_protocol::stream::gateway::{SegmentReports, SessionEnd, TAKEOVER_GAP};
use tessera_protocol::stream::view::StreamState;

/// Long enough that no machine stands still for so long between two requests.
const LEASE: Duration = Duration::from_secs(2);

async fn short_leases() -> Farm {
    Farm::start_with(|config| config.session_lease = LEASE).await
}

#[tokio::test]
async fn another_gateway_is_let_in_after_the_lease_and_not_before() {
    let farm = short_leases().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let grant = first.open(&made.key).await.unwrap();
    let asked = Instant::now();
    match second.open(&made.key).await.unwrap_err() {
        refusal @ ClientError::Refused { .. } => {
            assert_eq!(refusal.retry_after(), Some(LEASE), "{refusal}");
        }
        other => panic!("{other}"),
    }
    // However often the second asks, it waits while the first beats.
    while asked.elapsed() < LEASE + LEASE / 2 {
        assert!(first.beat(&grant).await.alive);
        assert_eq!(code(second.open(&made.key).await), "stream-is-live");
    }
    let last_beat = Instant::now();
    assert!(first.beat(&grant).await.alive);
    let taken = eventually(async || second.open(&made.key).await.ok()).await;
    assert!(last_beat.elapsed() >= LEASE, "after {:?}", last_beat.elapsed());
    assert_eq!((taken.session, taken.generation.0), (grant.session, 2));
    assert_eq!(taken.next_segment.0, TAKEOVER_GAP);
    let told = first.beat(&grant).await;
    assert!(!told.alive && told.passed_on && told.because.unwrap().contains("another gateway"));
    assert!(second.beat(&taken).await.alive);
}

#[tokio::test]
async fn late_reports_count_below_the_successors_first_segment_only() {
    let farm = short_leases().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let old = first.open(&made.key).await.unwrap();
    let id = old.session;
    assert!(first.report(id, vec![from_source(old.generation, 0)]).await.is_empty());
    let new = eventually(async || second.open(&made.key).await.ok()).await;
    assert_eq!(new.next_segment.0, 1 + TAKEOVER_GAP);
    let report = async |gateway: &Gateway, generation, numbers: &[u64]| {
        let segments = numbers.iter().map(|number| from_source(generation, *number)).collect();
        gateway.report(id, segments).await
    };
    let border = new.next_segment.0;
    let refused = report(&first, old.generation, &[1, 2, border - 1, border, border + 1]).await;
    assert_eq!(refused, [border, border + 1]);
    let refused = report(&second, new.generation, &[border - 1, border, border + 1]).await;
    assert_eq!(refused, [border - 1]);
    // Nobody speaks for a generation that he never had.
    assert_eq!(report(&first, new.generation, &[3]).await, [3]);
    assert_eq!(report(&second, old.generation, &[3]).await, [3]);
    let stranger = farm.gateway(3).await;
    let reports = SegmentReports { segments: vec![from_source(old.generation, 3)] };
    let answer = stranger.client.report_segments(id, &reports).await;
    assert_eq!(code(answer), "session-not-found");
    let session = farm.operator().session(id).await.unwrap();
    assert_eq!(session.segments, 6);
    // A third one begins above all of them.
    let third = eventually(async || stranger.open(&made.key).await.ok()).await;
    assert_eq!(third.next_segment.0, border + 2 + TAKEOVER_GAP);
}

#[tokio::test]
async fn a_source_that_comes_back_goes_on_with_its_session() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let made = farm.stream().await;
    let first = gateway.open(&made.key).await.unwrap();
    let segments = vec![from_source(first.generation, 0), from_source(first.generation, 1)];
    assert!(gateway.report(first.session, segments).await.is_empty());
    let back = gateway.open(&made.key).await.unwrap();
    assert_eq!((back.session, back.generation), (first.session, Generation(2)));
    assert_eq!(back.next_segment.0, 2, "no gap");
    let told = gateway.beat(&first).await;
    assert!(!told.alive && told.passed_on);
    assert!(told.because.unwrap().contains("another generation"));
    assert!(gateway.beat(&back).await.alive);
    // What was published before it left, and reported after it came back.
    assert!(gateway.report(first.session, vec![from_source(first.generation, 2)]).await.is_empty());
    let end = |generation| SessionEnd { generation, because: "it left".into(), recording: None };
    let late = gateway.client.end_session(first.session, &end(first.generation)).await;
    assert_eq!(code(late), "generation-differs");
    assert!(gateway.beat(&back).await.alive, "it was not ended");
    gateway.client.end_session(first.session, &end(back.generation)).await.unwrap();
}

#[tokio::test]
async fn a_session_that_nobody_takes_up_ends_by_itself() {
    let farm = Farm::start_with(|config| {
        config.session_lease = Duration::from_millis(50);
        config.reconnect = Duration::from_millis(50);
    })
    .await;
    let gateway = farm.gateway(1).await;
    let made = farm.stream().await;
    let grant = gateway.open(&made.key).await.unwrap();
    let operator = farm.operator();
    let ended =
        eventually(async || operator.session(grant.session).await.unwrap().ended_because).await;
    assert!(ended.contains("fell silent"), "{ended}");
    assert_eq!(operator.stream(made.stream.id).await.unwrap().state, StreamState::Idle);
    let told = gateway.beat(&grant).await;
    assert_eq!((told.alive, told.because), (false, Some(ended)));
    // Its journal still counts: it was published while the lease lived.
    assert!(gateway.report(grant.session, vec![from_source(grant.generation, 0)]).await.is_empty());
    let next = gateway.open(&made.key).await.unwrap();
    assert_ne!(next.session, grant.session);
}

#[tokio::test]
async fn a_rotated_key_frees_the_stream_when_its_gateway_says_so_or_falls_silent() {
    let farm = short_leases().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let operator = farm.operator();
    let made = farm.stream().await;
    let grant = first.open(&made.key).await.unwrap();
    let rotated = operator.rotate_key(made.stream.id).await.unwrap();
    // The first one has not heard and may still publish, beats or not.
    assert_eq!(code(second.open(&rotated.key).await), "stream-is-live");
    let told = first.beat(&grant).await;
    assert!(!told.alive && !told.passed_on, "nobody goes on with it");
    let because = told.because.unwrap();
    let generation = grant.generation;
    let end = SessionEnd { generation, because, recording: None };
    first.client.end_session(grant.session, &end).await.unwrap();
    let next = second.open(&rotated.key).await.unwrap();
    assert_ne!(next.session, grant.session);

    let again = operator.rotate_key(made.stream.id).await.unwrap();
    assert_eq!(code(first.open(&again.key).await), "stream-is-live");
    let third = eventually(async || {
        assert!(!second.beat(&next).await.alive, "beats do not keep an ended session");
        first.open(&again.key).await.ok()
    })
    .await;
    assert_ne!(third.session, next.session);
}

#[tokio::test]
async fn a_gateway_without_its_source_makes_way() {
    let farm = short_leases().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let grant = first.open(&made.key).await.unwrap();
    assert!(first.beat_with(&grant, |beat| beat.connected = false).await.alive, "it may come back");
    assert_eq!(code(second.open(&made.key).await), "stream-is-live");
    let told = first.beat_with(&grant, |beat| beat.connected = false).await;
    assert!(!told.alive && told.because.unwrap().contains("came back to another gateway"));
    let taken = eventually(async || {
        assert!(!first.beat_with(&grant, |beat| beat.connected = false).await.alive);
        second.open(&made.key).await.ok()
    })
    .await;
    assert_eq!((taken.session, taken.generation), (grant.session, Generation(2)));
}

#[tokio::test]
async fn a_gateway_that_makes_way_cannot_end_the_session() {
    let farm = short_leases().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let grant = first.open(&made.key).await.unwrap();
    let end = async || {
        let because = "the source left".into();
        let end = SessionEnd { generation: grant.generation, because, recording: None };
        first.client.end_session(grant.session, &end).await
    };
    assert!(first.beat_with(&grant, |beat| beat.connected = false).await.alive);
    assert_eq!(code(second.open(&made.key).await), "stream-is-live");
    let told = first.beat_with(&grant, |beat| beat.connected = false).await;
    assert!(!told.alive && told.passed_on);
    // Whether it heard that or not.
    assert_eq!(code(end().await), "generation-differs");
    let taken = eventually(async || {
        assert_eq!(code(end().await), "generation-differs", "the other one still asks");
        second.open(&made.key).await.ok()
    })
    .await;
    assert_eq!(taken.session, grant.session);
    assert_eq!(code(end().await), "generation-differs");
    assert!(second.beat(&taken).await.alive);
    assert_eq!(farm.operator().session(grant.session).await.unwrap().ended_ms, None);
}

#[tokio::test]
async fn a_gateway_may_end_its_session_once_nobody_else_asks_for_it() {
    let farm = Farm::steady().await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let grant = first.open(&made.key).await.unwrap();
    assert!(first.beat_with(&grant, |beat| beat.connected = false).await.alive);
    assert_eq!(code(second.open(&made.key).await), "stream-is-live");
    // The source came back to the first one after all.
    assert!(first.beat(&grant).await.alive);
    let because = "the source left".into();
    let end = SessionEnd { generation: grant.generation, because, recording: None };
    first.client.end_session(grant.session, &end).await.unwrap();
    assert!(farm.operator().session(grant.session).await.unwrap().ended_ms.is_some());
}
