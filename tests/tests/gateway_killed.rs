//! Goal: a gateway may die at any step between publishing a segment and reporting it, and may be cut
//! off from its master: what was published stays, each segment is accounted once, the stream goes
//! on with a discontinuity, and two gateways never publish at once.
//!
//! Method: a real gateway ends itself at a named step (`tessera_publish::stop`), is started again on
//! the state that is there, and a source comes back; a viewer remembers all it ever saw. And: one
//! gateway's line to the master is cut while its source and its viewers stay.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::stream::view::{Latency, StreamKeyView, StreamSpec};
use tessera_protocol::{PlaybackId, SessionId};
use tokio::sync::Mutex;
use world::process::{Process, eventually};
use world::proxy::{Line, Proxy};
use world::publisher::{Door, Publisher};
use world::studio::{GatewayOptions, Studio};
use world::test_picture::{ClipSpec, clip};

/// One test at a time: each keeps two cores busy in real time.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// Every step between publishing and reporting, in order.
const STEPS: [&str; 7] = [
    "before-media",
    "after-media",
    "after-journal",
    "after-listing",
    "before-report",
    "after-report",
    "after-mark",
];

fn picture() -> PathBuf {
    clip(ClipSpec { seconds: 90, b_frames: true })
}

/// A segment as a playlist lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    number: u64,
    discontinuity: bool,
    path: String,
}

/// What a viewer of one gateway sees.
struct Viewer {
    playlist: String,
    /// All that was ever listed, with its media where that was fetched.
    seen: BTreeMap<u64, Option<Vec<u8>>>,
}

impl Viewer {
    fn of(http: &str, playback_id: PlaybackId) -> Self {
        Self {
            playlist: format!("{http}/live/{playback_id}/240p/index.m3u8"),
            seen: BTreeMap::new(),
        }
    }

    /// The playlist now; `None` while there is none.
    async fn look(&self) -> Option<Vec<Listed>> {
        // Without waiting for what comes: a stream that has nothing yet would hold the answer.
        let asked = tokio::time::timeout(Duration::from_secs(1), reqwest::get(&self.playlist));
        let text = asked.await.ok()?.ok()?.error_for_status().ok()?.text().await.ok()?;
        let (mut listed, mut discontinuity) = (vec![], false);
        for line in text.lines() {
            if line == "#EXT-X-DISCONTINUITY" {
                discontinuity = true;
            } else if !line.starts_with('#') {
                let name = line.rsplit('/').next()?.strip_suffix(".m4s")?;
                let (number, path) = (name.parse().ok()?, line.to_owned());
                listed.push(Listed { number, discontinuity, path });
                discontinuity = false;
            }
        }
        Some(listed)
    }

    async fn media(&self, listed: &Listed) -> Option<Vec<u8>> {
        let folder = self.playlist.strip_suffix("index.m3u8")?;
        let answer = reqwest::get(format!("{folder}{}", listed.path)).await.ok()?;
        Some(answer.error_for_status().ok()?.bytes().await.ok()?.to_vec())
    }

    /// Looks once, and remembers.
    async fn watch(&mut self) {
        for listed in self.look().await.unwrap_or_default() {
            if !matches!(self.seen.get(&listed.number), Some(Some(_))) {
                let media = self.media(&listed).await;
                self.seen.insert(listed.number, media);
            }
        }
    }

    fn last(&self) -> Option<u64> {
        self.seen.keys().next_back().copied()
    }
}

async fn studio_stream(studio: &Studio, client: &Client, latency: Latency) -> StreamKeyView {
    let spec = StreamSpec {
        name: "killed".to_owned(),
        ladder: "240p:400k".parse().expect("a ladder"),
        latency,
        record: false,
        restream: None,
        max_price: None,
    };
    studio.create(client, &spec).await
}

/// Starts a source at a gateway's RTMP door.
fn send(studio: &Studio, rtmp: &str, key: &str, from_s: u64) -> Publisher {
    let door = Door::Rtmp(format!("{rtmp}/live/{key}"));
    Publisher::start(&picture(), Duration::from_secs(from_s), &door, &studio.farm.log("ffmpeg"))
}

/// The master's numbers of a session, in its order.
async fn accounted(client: &Client, session: SessionId) -> Vec<u64> {
    client.segments(session).await.expect("segments").iter().map(|s| s.segment.0).collect()
}

fn stop_at(step: &str) -> GatewayOptions {
    let stop = ("TESSERA_STOP_AT".to_owned(), format!("{step}@2"));
    GatewayOptions { environment: vec![stop], ..GatewayOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_at_each_step_loses_nothing() {
    survives_each_step(Latency::Short).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_at_each_step_in_low_latency_loses_nothing() {
    survives_each_step(Latency::Low).await;
}

async fn survives_each_step(latency: Latency) {
    let _machine = MACHINE.lock().await;
    let studio = Studio::default();
    let _master = studio.farm.start_master();
    let client = studio.farm.client().await;
    let _worker = studio.start_worker("worker");
    let stream = studio_stream(&studio, &client, latency).await;
    let playback_id = stream.stream.playback_id;
    let said = || format!("--- gateway\n{}", studio.farm.said("gateway"));

    let mut seen: BTreeMap<u64, Option<Vec<u8>>> = BTreeMap::new();
    let (mut died_at, mut resumed_after) = (None, None);
    for (round, step) in (0..).zip(STEPS.map(Some).into_iter().chain([None])) {
        let options = step.map_or_else(GatewayOptions::default, stop_at);
        let mut gateway: Process = studio.start_gateway("gateway", &options);
        let doors = studio.doors("gateway").await;
        let mut viewer = Viewer { seen, ..Viewer::of(&doors.http, playback_id) };
        if let Some(step) = died_at {
            assert_still_there(&viewer, step, &said()).await;
        }
        // Remembers what the journal had and nobody saw: from listing to death may be a millisecond.
        viewer.watch().await;
        let resumed_before = std::mem::replace(&mut resumed_after, viewer.last());
        if let Some(step) = died_at {
            let went_on = resumed_after > resumed_before;
            assert!(went_on, "nothing was published before {step}\n{}", said());
        }

        let mut source =
            send(&studio, doors.rtmp.as_ref().expect("a door"), &stream.key, round * 9);
        let last_step = step.is_none();
        eventually("the gateway gets to its step, or the viewer has enough", async || {
            viewer.watch().await;
            let enough = last_step && viewer.last() >= resumed_after.map(|last| last + 3);
            (gateway.ended() || enough).then_some(())
        })
        .await;
        assert!(!last_step || !gateway.ended(), "{}", said());
        if let Some(last) = resumed_after
            && let Some(listed) = viewer.look().await
        {
            let next = listed.iter().find(|listed| listed.number > last).expect("it went on");
            assert!(next.discontinuity, "{next:?} does not say that it does not continue {last}");
        }
        source.kill();
        seen = std::mem::take(&mut viewer.seen);
        died_at = step;
        if last_step {
            finish(&client, &studio, &stream, &seen, &said()).await;
        }
    }
}

/// What a viewer saw before the gateway died at `step` is there again.
async fn assert_still_there(viewer: &Viewer, step: &str, said: &str) {
    let listed = viewer.look().await.expect("a playlist, before any source is back");
    let first = listed.first().expect("segments").number;
    for (number, media) in viewer.seen.range(first..) {
        let again = listed.iter().find(|listed| listed.number == *number);
        let again = again.unwrap_or_else(|| panic!("{number} is gone after {step}\n{said}"));
        let found = viewer.media(again).await.expect("its media");
        assert!(media.as_ref().is_none_or(|media| *media == found), "{number} has changed");
    }
    let last = listed.last().expect("segments").number;
    let known = viewer.last().expect("it saw some");
    match step {
        // Never in the journal: its number is free. What came in parts was seen in parts.
        "before-media" | "after-media" => assert!(last <= known + 1, "{last} after {known}"),
        "after-journal" => assert_eq!(last, known + 1, "it was in the journal\n{said}"),
        _ => assert!(last == known || last == known + 1, "{last} after {known}"),
    }
}

/// The end: everything that was ever listed is accounted, once, and nothing else is.
async fn finish(
    client: &Client,
    studio: &Studio,
    stream: &StreamKeyView,
    seen: &BTreeMap<u64, Option<Vec<u8>>>,
    said: &str,
) {
    let session = client.stream(stream.stream.id).await.unwrap().session.expect("it has one");
    client.end_stream(stream.stream.id).await.expect("it ends");
    studio.ended(client, session).await;
    // The last may be reported after the end, and between two of these questions.
    let numbers =
        eventually("all segments are reported, and the session counts each", async || {
            let numbers = accounted(client, session).await;
            let counted = client.session(session).await.ok()?.segments;
            let all = seen.keys().all(|number| numbers.contains(number));
            (all && counted == numbers.len() as u64).then_some(numbers)
        })
        .await;
    let mut once = numbers.clone();
    once.dedup();
    assert_eq!(numbers, once, "a segment is accounted twice\n{said}");
    // The viewer looks often; a segment or two at a death or the end it may have missed.
    let missed: Vec<_> = numbers.iter().filter(|number| !seen.contains_key(number)).collect();
    assert!(missed.len() <= 2, "{missed:?} are accounted, and no viewer saw them\n{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_cut_off_and_its_successor_never_both_publish() {
    let _machine = MACHINE.lock().await;
    let studio = Studio::default();
    let _master = studio.farm.start_master();
    let client = studio.farm.client().await;
    let _worker = studio.start_worker("worker");
    let stream = studio_stream(&studio, &client, Latency::Short).await;
    let playback_id = stream.stream.playback_id;
    let master = studio.farm.url().rsplit('/').next().unwrap().parse().unwrap();
    let line = Proxy::start(master, Line::PLAIN).await;
    let through = format!("http://{}", line.address());
    let cut_off = GatewayOptions { master: Some(through), ..GatewayOptions::default() };
    let _first = studio.start_gateway("first", &cut_off);
    let _second = studio.start_gateway("second", &GatewayOptions::default());
    let (doors, others) = (studio.doors("first").await, studio.doors("second").await);
    let said = || {
        format!(
            "--- first\n{}\n--- second\n{}",
            studio.farm.said("first"),
            studio.farm.said("second")
        )
    };

    let _source = send(&studio, doors.rtmp.as_ref().unwrap(), &stream.key, 0);
    let mut viewer = Viewer::of(&doors.http, playback_id);
    eventually("the first gateway publishes", async || {
        viewer.watch().await;
        (viewer.seen.len() >= 3).then_some(())
    })
    .await;
    let session = client.stream(stream.stream.id).await.unwrap().session.expect("it has one");

    line.cut();
    // The broadcaster's second encoder tries the other gateway until it is let in.
    let mut other = Viewer::of(&others.http, playback_id);
    let mut encoder = send(&studio, others.rtmp.as_ref().unwrap(), &stream.key, 30);
    let frozen = eventually("the second gateway publishes", async || {
        if encoder.ended() {
            encoder = send(&studio, others.rtmp.as_ref().unwrap(), &stream.key, 30);
        }
        // First whether the first goes on, then whether the second has begun: whatever the first
        // lists from now on, it lists after the second began.
        viewer.watch().await;
        let frozen = viewer.last();
        other.watch().await;
        (!other.seen.is_empty()).then_some(frozen)
    })
    .await;
    let first_of_second = *other.seen.keys().next().unwrap();
    assert!(Some(first_of_second) > frozen, "{first_of_second} is used twice\n{}", said());

    // The line is mended while the first one's source still sends.
    line.mend();
    eventually("the second gateway goes on, and the first one's segments are known", async || {
        viewer.watch().await;
        other.watch().await;
        let numbers = accounted(&client, session).await;
        let known = viewer.seen.keys().all(|number| numbers.contains(number));
        (known && other.seen.len() >= 5).then_some(())
    })
    .await;
    assert_eq!(viewer.last(), frozen, "the first one published after the second\n{}", said());
    let numbers = accounted(&client, session).await;
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let shared: Vec<_> = viewer.seen.keys().filter(|n| other.seen.contains_key(n)).collect();
    assert!(shared.is_empty(), "{shared:?} were published by both\n{}", said());
}
