//! An hour of a stream in a few minutes: whether memory and disk stay what they are.

use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tessera_protocol::stream::view::{Latency, StreamSpec};
use world::process::{Process, eventually};
use world::studio::{GatewayOptions, Studio};
use world::usage::Usage;

const SECONDS: usize = 3600;
const SEGMENT_S: usize = 2;
/// Segments that may be under way at once.
const AHEAD: usize = 4;
/// Segments after which things should have settled: ten minutes of the stream.
const SETTLED: usize = SECONDS / SEGMENT_S / 6;
/// Segments from one look at the memory to the next.
const LOOK_EVERY: usize = 10;
/// What may be more in the last ten minutes than in the second ten.
const SLACK_MB: f64 = 4.0;

/// Prints the rows.
pub(crate) async fn accelerate() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    make_source(folder.path())?;
    let studio = Studio::default();
    let master = studio.farm.start_master();
    let client = studio.farm.client().await;
    let gateway = studio.start_gateway("gateway", &GatewayOptions::default());
    let worker = studio.start_worker("worker");
    studio.doors("gateway").await;
    studio.joined(&client, 1).await;
    let spec = StreamSpec {
        name: "hour".to_owned(),
        ladder: "144p:100k,96p:50k".parse()?,
        latency: Latency::Standard,
        record: false,
        restream: None,
        max_price: None,
    };
    let stream = studio.create(&client, &spec).await;
    let door = stream.ingest.iter().find(|door| door.protocol == "http");
    let door = door.context("a door for HTTP")?.url.trim_end_matches('/').to_owned();

    let parts = [Part::new("gateway", &gateway, &studio), Part::new("worker", &worker, &studio)];
    let master = Part::new("master", &master, &studio);
    let (http, begun) = (reqwest::Client::new(), Instant::now());
    let (mut playlist, mut settled) = (None, vec![]);
    let (mut looks, mut highest) = (vec![vec![]; 2], [0.0_f64; 2]);
    let all = SECONDS / SEGMENT_S;
    for n in 0..all {
        let segment = std::fs::read(folder.path().join(format!("{n}.ts")))?;
        let put = http.put(format!("{door}/{n}.ts")).body(segment).send().await?;
        ensure!(put.status().is_success(), "segment {n}: {}", put.text().await?);
        if playlist.is_none() {
            let id = stream.stream.id;
            let view = eventually("the stream has an address", async || {
                client.stream(id).await.ok()?.playback_url
            });
            playlist = Some(view.await.replace("index.m3u8", "96p/index.m3u8"));
        }
        let url = playlist.as_deref().context("it was just found")?;
        if let Some(due) = n.checked_sub(AHEAD) {
            eventually("segments are listed", async || {
                (listed(&http, url).await.ok()? > due).then_some(())
            })
            .await;
        }
        if n + 1 == SETTLED {
            settled = parts.iter().chain([&master]).map(Part::measure).collect();
        }
        if n % LOOK_EVERY == 0 {
            for ((part, looks), highest) in parts.iter().zip(&mut looks).zip(&mut highest) {
                looks.push(Usage::of_itself(part.process).memory_mb);
                *highest = highest.max(Usage::of(part.process).memory_mb);
            }
        }
    }
    let speed = SECONDS as f64 / begun.elapsed().as_secs_f64();
    let how = format!(
        "160×90 at 10 frames a second to 144p and 96p, 2 s segments pushed by HTTP, {speed:.0} times \
         as fast as they play; memory: of the process itself, median of the second ten minutes of \
         the stream → of the last ten; its engines live for a segment each; disk: after ten minutes → after sixty"
    );
    for (((part, before), looks), highest) in parts.iter().zip(&settled).zip(&looks).zip(&highest) {
        let ten_minutes = SETTLED / LOOK_EVERY;
        let median = |looks: &[f64]| {
            let mut sorted = looks.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        let early = median(&looks[ten_minutes..2 * ten_minutes]);
        let late = median(&looks[looks.len() - ten_minutes..]);
        let flat = late <= early + SLACK_MB;
        let figure = format!("{early:.1} → {late:.1} MB, at most {highest:.1} with all engines");
        row(&format!("an hour: memory of the {}", part.name), &figure, &judged(flat), &how);
        let now = part.measure();
        let flat = now.disk_mb <= before.disk_mb + SLACK_MB;
        let figure = format!("{:.2} → {:.2} MB", before.disk_mb, now.disk_mb);
        row(&format!("an hour: disk of the {}", part.name), &figure, &judged(flat), &how);
    }
    let (before, now) = (settled[2], master.measure());
    let per_segment = (now.disk_mb - before.disk_mb) * 1e6 / (all - SETTLED) as f64;
    let figure = format!(
        "memory {:.1} → {:.1} MB, disk {per_segment:.0} bytes a segment",
        before.memory_mb, now.memory_mb
    );
    row(
        "an hour: the master's accounts",
        &figure,
        NO_AIM,
        "receipts are kept: that grows by design",
    );
    Ok(())
}

fn judged(flat: bool) -> String {
    format!("≤ {SLACK_MB} MB more: {}", if flat { "met" } else { "missed" })
}

/// Segments that were ever listed.
async fn listed(http: &reqwest::Client, url: &str) -> anyhow::Result<usize> {
    let text = http.get(url).send().await?.error_for_status()?.text().await?;
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    let first: usize = first.context("a media sequence")?.parse()?;
    Ok(first + text.lines().filter(|line| line.ends_with(".m4s")).count())
}

/// `0.ts` and so on, two seconds each.
fn make_source(folder: &Path) -> anyhow::Result<()> {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size=160x90:rate=10:duration={SECONDS}"))
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-b:v", "60k"])
        .args(["-f", "segment", "-segment_format", "mpegts"])
        .args(["-segment_time", &SEGMENT_S.to_string()])
        .arg(folder.join("%d.ts"))
        .status()?;
    ensure!(status.success(), "ffmpeg makes an hour");
    Ok(())
}

/// A process and its folder.
struct Part {
    name: &'static str,
    process: u32,
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    memory_mb: f64,
    disk_mb: f64,
}

impl Part {
    fn new(name: &'static str, process: &Process, studio: &Studio) -> Self {
        Self { name, process: process.id(), folder: studio.farm.path().join(name) }
    }

    fn measure(&self) -> Measured {
        let memory_mb = Usage::of(self.process).memory_mb;
        Measured { memory_mb, disk_mb: bytes_below(&self.folder) as f64 / 1e6 }
    }
}

/// Files that vanish meanwhile count nothing.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
