//! `make bench`: the figures that this project claims, measured here and now.
//!
//! One row a figure, four columns: the work, the figure, the aim and whether it is met where there
//! is one, and how it was measured. A missed aim is printed and fails nothing: a busy machine is no
//! defect. The programs must be of the same build.
//!
//! Map: [`master`] (jobs of many units) → [`nodes`] (a thousand nodes) → [`faults`] (bad ones) → [`tiles`] (results on their way) → [`portal`] (a page that shows them) → [`pictures`]
//! (rendering) → [`attacks`] (what cheating brings, and finding it costs) → [`alike`] (what devices that are not exact make) →
//! [`ladder`] (a file to a ladder) → [`live`] (streams) → [`hour`] (a long one) →
//! [`segments`] (telling false renditions from true). `bench attacks`, `bench alike`, `bench faults`, `bench ladder`, `bench live`, `bench hour`, `bench nodes`, `bench pictures`, `bench portal` and
//! `bench segments` print one part alone.

mod alike;
mod attacks;
mod faults;
mod hour;
mod ladder;
mod live;
mod master;
mod nodes;
mod pictures;
mod portal;
mod samples;
mod segments;
mod tiles;

use anyhow::Context as _;
use tessera_scenes::Scene;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    println!("work | figure | aim | how it was measured");
    match std::env::args().nth(1).as_deref() {
        Some("segments") => return segments::compare_segments(segments::Set::Judging),
        Some("segments-tuning") => return segments::compare_segments(segments::Set::Tuning),
        Some("attacks") => {
            attacks::cost()?;
            return attacks::attack();
        }
        Some("alike") => return alike::compare(),
        Some("ladder") => return ladder::transcode_a_film(),
        Some("hour") => return hour::accelerate().await,
        Some("faults") => return faults::endure().await,
        Some("nodes") => return nodes::crowd().await,
        Some("pictures") => return pictures::render_pictures(),
        Some("portal") => return portal::watch_a_large_job().await,
        Some("live") => return live::stream().await,
        _ => {}
    }
    master::accept_ten_million_units().await?;
    master::complete_a_million_units().await?;
    nodes::crowd().await?;
    faults::endure().await?;
    tiles::move_tiles()?;
    portal::watch_a_large_job().await?;
    pictures::render_pictures()?;
    attacks::cost()?;
    attacks::attack()?;
    alike::compare()?;
    ladder::transcode_a_film()?;
    live::stream().await?;
    hour::accelerate().await?;
    segments::compare_segments(segments::Set::Judging)
}

fn row(work: &str, figure: &str, aim: &str, how: &str) {
    println!("{work} | {figure} | {aim} | {how}");
}

const NO_AIM: &str = "-";

/// The scene that most rows are about.
fn room() -> anyhow::Result<Scene> {
    let mut scenes = tessera_scenes::conformance().into_iter();
    scenes.find(|scene| scene.name == "room").context("the scene `room` is gone")
}
