//! How smooth the portal stays while a job of a hundred thousand tiles comes in: `web/e2e/smooth.js` in a
//! real Chromium.

use crate::master::many_units;
use crate::{NO_AIM, row};
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::time::Duration;
use world::farm::{Device, Farm};
use world::process::eventually;
use world::walk::Walk;

const HEARTBEAT: Duration = Duration::from_secs(10);
/// Ten frames of ten thousand tiles.
const FRAMES: u32 = 10;
const SIDE: u32 = 800;
/// What keeps a person from acting at once (W3C, Long Tasks API).
const LONG_MS: f64 = 50.0;

/// What the page was like while it was looked at.
#[derive(Deserialize)]
struct Seen {
    seconds: f64,
    tiles: u64,
    long_tasks: u64,
    longest_ms: f64,
    memory_mb: f64,
}

pub(crate) async fn watch_a_large_job() -> anyhow::Result<()> {
    let Some(walk) = Walk::possible() else { return Ok(()) };
    let farm = Farm::new(HEARTBEAT);
    let _master = farm.start_master();
    let client = farm.client().await;
    let spec = many_units(&farm, &client, FRAMES, SIDE, 1).await?;
    if spec.units() != 100_000 {
        bail!("the job has {} units", spec.units());
    }
    let job = client.submit(&spec, "bench").await?.id;
    let token = std::fs::read_to_string(farm.token_file())?;
    let said = walk.with("TESSERA_TOKEN", token.trim()).with("TESSERA_JOB", &job.to_string());
    let begins = farm.path().join("begins");
    let node = async {
        eventually("the page shows the job", async || begins.exists().then_some(())).await;
        farm.start_node("node", Device::Cpu)
    };
    let (said, _node) = tokio::join!(said.take("smooth.js", &farm), node);
    let seen = said.lines().find_map(|line| serde_json::from_str::<Seen>(line).ok());
    let Seen { seconds, tiles, long_tasks, longest_ms, memory_mb } =
        seen.with_context(|| format!("the page said nothing of it:\n{said}"))?;
    let work = "watch a job of 10^5 tiles come in";
    let how = format!(
        "Chromium on the job's page for {seconds:.0} s, scrolling and going from frame to frame, while {tiles} \
         tiles of it were verified by a master and a node on the same cores"
    );
    row(work, &format!("{long_tasks} tasks of more than {LONG_MS} ms"), NO_AIM, &how);
    row(work, &format!("{longest_ms:.0} ms the longest task"), NO_AIM, "Long Tasks API");
    row(
        work,
        &format!("{memory_mb:.0} MB of script's memory"),
        NO_AIM,
        "usedJSHeapSize, at its end",
    );
    Ok(())
}
