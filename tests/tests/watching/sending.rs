//! The broadcaster that other tests rely on sends what it says, when it says.

use crate::site::Site;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::put;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use world::process::eventually;
use world::publisher::{Door, Publisher};
use world::test_picture::{ClipSpec, FPS, clip, numbers_shown};

/// What was put where.
type Taken = Arc<Mutex<BTreeMap<String, Bytes>>>;

async fn take(State(taken): State<Taken>, Path(name): Path<String>, body: Bytes) {
    taken.lock().unwrap().insert(name, body);
}

/// Sends from `from` on until two segments have come, kills it, and gives the numbers of their
/// frames.
async fn sent(from: Duration) -> Vec<Option<u32>> {
    let taken = Taken::default();
    let routes = Router::new().route("/live/key/{name}", put(take)).with_state(Arc::clone(&taken));
    let site = Site::route(routes).await;
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(ClipSpec { seconds: 7, b_frames: true });
    let begun = SystemTime::now();
    let door = Door::Http(site.url("live/key"));
    let mut publisher = Publisher::start(&clip, from, &door, &folder.path().join("log"));
    let both = eventually("two segments came", async || {
        assert!(!publisher.ended(), "ffmpeg ended");
        let taken = taken.lock().unwrap();
        Some([taken.get("0.ts")?.clone(), taken.get("1.ts")?.clone()].concat())
    })
    .await;
    let arrived = SystemTime::now();
    let origin = eventually("it says when it began", async || publisher.origin()).await;
    // Not before it was started; and a second's segment is there only after that second.
    assert!(origin + from >= begun && origin + from + Duration::from_secs(1) <= arrived);
    publisher.kill();
    assert!(publisher.ended());
    let file = folder.path().join("both.ts");
    std::fs::write(&file, both).unwrap();
    numbers_shown(&[], file.to_str().unwrap())
}

#[tokio::test]
async fn a_broadcaster_sends_every_frame_and_comes_back_where_it_is_told() {
    let numbers = |from: u32| (from..from + 2 * FPS).map(Some).collect::<Vec<_>>();
    assert_eq!(sent(Duration::ZERO).await, numbers(0));
    assert_eq!(sent(Duration::from_secs(3)).await, numbers(3 * FPS));
}
