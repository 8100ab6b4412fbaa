//! Streams: how far behind viewers are, what a stream costs.

use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tessera_protocol::stream::view::{Latency, StreamSpec};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use world::player::{Options, Player};
use world::process::{Process, eventually};
use world::publisher::{Door, Publisher};
use world::spread::Spread;
use world::studio::{GatewayOptions, Studio};
use world::test_picture::{ClipSpec, FPS, clip};
use world::usage::Usage;

/// How long each stream is watched.
const WATCHED: Duration = Duration::from_secs(50);
const LADDER: &str = "480p:1400k,360p:800k,240p:400k";

/// All rows about streams.
pub(crate) async fn stream() -> anyhow::Result<()> {
    let of_segments = "720p30 by RTMP with a keyframe a second to 480/360/240p, one worker on the \
                       same two cores; from a segment's first frame at the gateway to its being \
                       listed, looked at every 10 ms";
    for (latency, segment_s) in [(Latency::Standard, 2.0), (Latency::Short, 1.0)] {
        let on = OnTheAir::start(latency).await?;
        let spread = on.listed(WATCHED).await?;
        let aim = format!("p95 ≤ {:.1} s", segment_s + 1.5);
        let work = format!("ingest to playable, {segment_s:.0} s segments");
        row(
            &work,
            &said(spread),
            &judged(&aim, spread.p95.as_secs_f64() <= segment_s + 1.5),
            of_segments,
        );
        if latency == Latency::Standard {
            on.dispatch().await?;
            on.cost().await?;
        }
    }
    low_latency().await
}

async fn low_latency() -> anyhow::Result<()> {
    let on = OnTheAir::start(Latency::Low).await?;
    let options = Options { low_latency: true, start_level: Some(1) };
    let player = Player::open(&on.playback_url, options).await;
    player.has_played(WATCHED.as_secs_f64()).await;
    let report = player.report().await;
    let origin = on.source.origin().context("ffmpeg said nothing of its progress")?;
    let spread = report.glass_to_glass(origin, FPS).context("nothing was shown")?;
    let faults = report.faults(FPS);
    ensure!(faults.is_empty(), "the stream did not come as it was sent: {faults:?}");
    let figure = format!("{}, {} stalls", said(spread), report.stalls.len());
    let how = "720p30 by RTMP to 480/360/240p; from a frame's being sent to its being shown at 360p \
               in Chromium by hls.js, which reads its number; source, gateway, worker and browser on \
               two cores";
    row(
        "glass to player, low latency",
        &figure,
        &judged("p95 ≤ 3 s", spread.p95.as_secs_f64() <= 3.0),
        how,
    );
    Ok(())
}

fn said(spread: Spread) -> String {
    let s = |time: Duration| time.as_secs_f64();
    let Spread { median, p95, p99 } = spread;
    format!("median {:.2} s, p95 {:.2} s, p99 {:.2} s", s(median), s(p95), s(p99))
}

fn judged(aim: &str, met: bool) -> String {
    format!("{aim}: {}", if met { "met" } else { "missed" })
}

/// One stream, and all that it needs.
struct OnTheAir {
    playback_url: String,
    gateway_url: String,
    source: Publisher,
    worker: Process,
    gateway: Process,
    _master: Process,
    _studio: Studio,
}

impl OnTheAir {
    async fn start(latency: Latency) -> anyhow::Result<Self> {
        let studio = Studio::default();
        let master = studio.farm.start_master();
        let client = studio.farm.client().await;
        let gateway = studio.start_gateway("gateway", &GatewayOptions::default());
        let worker = studio.start_worker("worker");
        let gateway_url = studio.doors("gateway").await.http;
        studio.joined(&client, 1).await;
        let spec = StreamSpec {
            name: "bench".to_owned(),
            ladder: LADDER.parse()?,
            latency,
            record: false,
            restream: None,
            max_price: None,
        };
        let stream = studio.create(&client, &spec).await;
        let rtmp = stream.ingest.iter().find(|door| door.protocol == "rtmp");
        let door = Door::Rtmp(rtmp.context("a door for RTMP")?.url.clone());
        let picture = clip(ClipSpec { seconds: 90, b_frames: false });
        let source = Publisher::start(&picture, Duration::ZERO, &door, &studio.farm.log("ffmpeg"));
        let id = stream.stream.id;
        // As viewers mostly come: into a stream that has what players keep between themselves and its
        // end. Whoever is there from its first second is led to that end a second later.
        let playback_url = eventually("the stream plays", async || {
            let url = client.stream(id).await.ok()?.playback_url?;
            let playlist = url.replace("index.m3u8", "240p/index.m3u8");
            let text = reqwest::get(&playlist).await.ok()?.error_for_status().ok()?.text().await;
            let segments = text.ok()?.lines().filter(|line| line.ends_with(".m4s")).count();
            (segments >= 3).then_some(url)
        })
        .await;
        Ok(Self {
            playback_url,
            gateway_url,
            source,
            worker,
            gateway,
            _master: master,
            _studio: studio,
        })
    }

    /// How long each segment takes to be listed, from its first frame's arrival.
    async fn listed(&self, during: Duration) -> anyhow::Result<Spread> {
        let url = self.playback_url.replace("index.m3u8", "240p/index.m3u8");
        let (mut seen, mut times) = (HashSet::new(), vec![]);
        let begun = tokio::time::Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while begun.elapsed() < during {
            looks.tick().await;
            let playlist = reqwest::get(&url).await?.error_for_status()?.text().await?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let first_look = seen.is_empty();
            for (address, began) in segments(&playlist)? {
                // What was there at the first look was listed at an unknown time.
                if seen.insert(address) && !first_look {
                    times.push(now.saturating_sub(began));
                }
            }
        }
        Spread::of(times).context("no segment was listed")
    }

    async fn dispatch(&self) -> anyhow::Result<()> {
        let metrics = reqwest::get(format!("{}/metrics", self.gateway_url)).await?.text().await?;
        let name = "tessera_gateway_dispatch_seconds";
        let p99 = hundredth(&metrics, name, 0.99).context("the gateway counts dispatches")?;
        let figure = format!("p99 ≤ {:.0} ms", p99 * 1000.0);
        let how =
            "from a unit's arrival to its being sent to the worker; the gateway's own histogram";
        row("dispatch", &figure, &judged("p99 < 50 ms", p99 < 0.05), how);
        Ok(())
    }

    /// CPU and memory while the stream runs.
    async fn cost(&self) -> anyhow::Result<()> {
        let usage = || [Usage::of(self.worker.id()), Usage::of(self.gateway.id())];
        let (before, begun) = (usage(), tokio::time::Instant::now());
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (after, elapsed) = (usage(), begun.elapsed().as_secs_f64());
        let share = |n: usize| (after[n].cpu_s - before[n].cpu_s) / elapsed;
        let how = "720p30 to 480/360/240p, standard latency, over 20 s of the stream";
        let figure = format!("{:.2} streams ({:.3} CPU s a second)", 1.0 / share(0), share(0));
        row("streams a core carries, worker and engines", &figure, NO_AIM, how);
        let figure = format!("{:.1} streams ({:.4} CPU s a second)", 1.0 / share(1), share(1));
        row("streams a core carries, gateway", &figure, NO_AIM, how);
        let figure = format!(
            "{:.0} MB worker and engines, {:.0} MB gateway",
            after[0].memory_mb, after[1].memory_mb
        );
        row(
            "memory of a stream",
            &figure,
            NO_AIM,
            "resident, all of both processes and their children",
        );
        Ok(())
    }
}

/// The addresses of a playlist's segments, and when their first frames came.
fn segments(playlist: &str) -> anyhow::Result<Vec<(String, Duration)>> {
    let (mut began, mut found) = (None, vec![]);
    for line in playlist.lines() {
        if let Some(time) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            began = Some(since_1970(time)?);
        } else if !line.starts_with('#') {
            found.push((line.to_owned(), began.take().context("a segment without its date")?));
        }
    }
    Ok(found)
}

/// `2026-11-20T12:58:40.865Z`, as playlists have it, since 1970.
fn since_1970(text: &str) -> anyhow::Result<Duration> {
    let time = OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("the date {text}"))?;
    Ok(Duration::from_nanos(time.unix_timestamp_nanos().try_into()?))
}

/// The upper bound of the bucket in which `share` of a histogram's counts is reached.
fn hundredth(metrics: &str, name: &str, share: f64) -> Option<f64> {
    let prefix = format!("{name}_bucket{{le=\"");
    let buckets: Vec<(f64, f64)> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "))
        .filter_map(|(bound, count)| {
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            Some((bound, count.parse().ok()?))
        })
        .collect();
    let all = buckets.last()?.1;
    buckets.iter().find(|(_, count)| *count >= share * all).map(|&(bound, _)| bound)
}
