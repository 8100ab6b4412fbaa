//! `make bench`: the figures that this project claims, measured here and now.
//!
//! One row a figure, four columns: the work, the figure, the aim and whether it is met where there
//! is one, and how it was measured. A missed aim is printed and fails nothing: a busy machine is no
//! defect. The programs must be of the same build.
//!
//! Map: [`master`] (jobs of many units) → [`tiles`] (results on their way) → [`pictures`]
//! (rendering).

mod master;
mod pictures;
mod tiles;

use anyhow::Context as _;
use tessera_scenes::Scene;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    println!("work | figure | aim | how it was measured");
    master::accept_ten_million_units().await?;
    master::complete_a_million_units().await?;
    tiles::move_tiles()?;
    pictures::render_pictures()
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
