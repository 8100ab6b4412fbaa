//! One stream on the air: a studio with a gateway and workers, a source, and where it is watched.

use std::path::PathBuf;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::stream::view::{Latency, StreamKeyView, StreamSpec, StreamView};
use tokio::sync::MutexGuard;
use world::process::{Process, eventually};
use world::publisher::{Door, Publisher};
use world::studio::{GatewayOptions, Studio};
use world::test_picture::{ClipSpec, clip};

/// Everything that one stream needs.
pub(crate) struct Broadcast {
    pub(crate) studio: Studio,
    pub(crate) client: Client,
    _gateway: Process,
    pub(crate) workers: Vec<Process>,
    _master: Process,
    _machine: MutexGuard<'static, ()>,
}

/// Segments that players keep between themselves and a stream's end.
const HELD_BACK: usize = 3;

/// The ladder of all tests: lowest first in hls.js's order, 240, 360, 480.
pub(crate) const LADDER: &str = "480p:1400k,360p:800k,240p:400k";

impl Broadcast {
    /// A master, a gateway and so many workers.
    pub(crate) async fn set_up(workers: usize, options: &GatewayOptions) -> Self {
        let machine = crate::MACHINE.lock().await;
        let studio = Studio::default();
        let master = studio.farm.start_master();
        let client = studio.farm.client().await;
        let gateway = studio.start_gateway("gateway", options);
        studio.doors("gateway").await;
        let mut workers_started = vec![];
        for n in 0..workers {
            // One after the other: each measures how fast the machine is, and keeps that.
            workers_started.push(studio.start_worker(&worker_name(n)));
            studio.joined(&client, n + 1).await;
        }
        Self {
            studio,
            client,
            _gateway: gateway,
            workers: workers_started,
            _master: master,
            _machine: machine,
        }
    }

    /// Kills a worker and starts it again at once.
    pub(crate) fn replace_worker(&mut self, n: usize) {
        self.workers[n].kill();
        self.workers[n] = self.studio.start_worker(&worker_name(n));
    }

    pub(crate) async fn stream(&self, name: &str, latency: Latency, record: bool) -> StreamKeyView {
        let spec = StreamSpec {
            name: name.to_owned(),
            ladder: LADDER.parse().expect("a ladder"),
            latency,
            record,
            restream: None,
            max_price: None,
        };
        self.studio.create(&self.client, &spec).await
    }

    /// Sends a clip of so many seconds from `from` on.
    pub(crate) fn send(&self, stream: &StreamKeyView, protocol: &str, from: Duration) -> Publisher {
        let log = self.studio.farm.log(&format!("ffmpeg-{protocol}"));
        Publisher::start(&picture(), from, &door(stream, protocol), &log)
    }

    /// The stream, once a viewer who comes finds as much of it as players keep between themselves and
    /// its end: whoever comes earlier plays at the very end, and stands still whenever the machine is
    /// a little late.
    pub(crate) async fn on_the_air(&self, stream: &StreamKeyView) -> StreamView {
        eventually("the stream plays", async || {
            let stream = self.client.stream(stream.stream.id).await.ok()?;
            let url = stream.playback_url.as_ref()?.replace("index.m3u8", "240p/index.m3u8");
            let playlist = reqwest::get(url).await.ok()?.error_for_status().ok()?.text().await;
            let segments = playlist.ok()?.lines().filter(|line| line.ends_with(".m4s")).count();
            (segments >= HELD_BACK).then_some(stream)
        })
        .await
    }

    /// What everybody said, for a test that fails.
    pub(crate) fn said(&self) -> String {
        let names =
            ["gateway".to_owned()].into_iter().chain((0..self.workers.len()).map(worker_name));
        names.map(|name| format!("--- {name}\n{}", self.studio.farm.said(&name))).collect()
    }
}

fn worker_name(n: usize) -> String {
    format!("worker-{n}")
}

/// A minute and a half, with a keyframe every second and B-frames as OBS sends them.
fn picture() -> PathBuf {
    clip(ClipSpec { seconds: 90, b_frames: true })
}

fn door(stream: &StreamKeyView, protocol: &str) -> Door {
    let found = stream.ingest.iter().find(|door| door.protocol == protocol);
    let url = found.expect("a door of that protocol").url.clone();
    match protocol {
        "rtmp" => Door::Rtmp(url),
        "srt" => Door::Srt(url),
        _ => Door::Http(url.trim_end_matches('/').to_owned()),
    }
}
