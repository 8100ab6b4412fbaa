//! How fast pictures are rendered, by each backend: the same picture in turns, so that whatever else the machine
//! does meets all of them.

use crate::{NO_AIM, room, row};
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use world::process::program;
use world::vulkan::Driver;

/// A picture to render: what it is called, and what `render-node render` is told.
struct Picture {
    name: &'static str,
    arguments: Vec<String>,
}

/// A way to render: what it is called, and what `render-node render` is told.
struct Way {
    name: &'static str,
    arguments: Vec<&'static str>,
    driver: Option<PathBuf>,
}

/// What one rendering came to.
#[derive(Clone, Copy)]
struct Run {
    mrays_per_second: f64,
    seconds: f64,
    setup_cpu_seconds: f64,
    peak_mib: f64,
}

/// Turns, of which the median counts: odd.
const TURNS: usize = 3;

pub(crate) fn render_pictures() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ways = ways();
    for picture in pictures(folder.path())? {
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let runs = ways.iter().map(|way| render(&picture, way, folder.path()));
            turns.push(runs.collect::<anyhow::Result<Vec<_>>>()?);
        }
        for (i, way) in ways.iter().enumerate() {
            let of = |what: &dyn Fn(&[Run]) -> f64| median(turns.iter().map(|turn| what(turn)));
            let figure = format!(
                "{}: {:.2} Mrays/s, {:.2} × one thread's, {:.1} s, set-up {:.2} CPU s, peak {:.0} MiB",
                way.name,
                of(&|turn| turn[i].mrays_per_second),
                of(&|turn| turn[i].mrays_per_second / turn[0].mrays_per_second),
                of(&|turn| turn[i].seconds),
                of(&|turn| turn[i].setup_cpu_seconds),
                of(&|turn| turn[i].peak_mib),
            );
            let how = "render-node render --json, medians of three turns: rays of all paths, shadow rays too / wall time";
            row(picture.name, &figure, NO_AIM, how);
        }
    }
    Ok(())
}

/// The processor with one thread comes first: the others are compared with it.
fn ways() -> Vec<Way> {
    let cpu = |name, threads| Way {
        name,
        arguments: vec!["--backend", "cpu", "--threads", threads],
        driver: None,
    };
    let mut ways = vec![cpu("cpu, 1 thread", "1"), cpu("cpu, 2 threads", "2")];
    match Driver::Lavapipe.manifest() {
        Ok(manifest) => {
            let gpu = |name, backend| Way {
                name,
                arguments: vec!["--backend", backend, "--device", Driver::Lavapipe.device()],
                driver: Some(manifest.clone()),
            };
            ways.extend([gpu("wgpu, lavapipe", "wgpu"), gpu("vulkan, lavapipe", "vulkan")]);
        }
        Err(reason) => row("pictures", "wgpu, vulkan: not measured", NO_AIM, &reason),
    }
    ways
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pictures(folder: &Path) -> anyhow::Result<Vec<Picture>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let path = |path: &Path| path.display().to_string();

    let file = folder.join("room.glb");
    std::fs::write(&file, room()?.glb)?;
    let mut arguments = words("--size 256x256 --spp 32");
    arguments.push(path(&file));
    let room = Picture { name: "room, 256², 32 spp", arguments };

    let film = tessera_scenes::sample_animation();
    let (file, sky) = (folder.join("film.glb"), folder.join("sky.hdr"));
    std::fs::write(&file, film.glb)?;
    std::fs::write(&sky, film.environment.context("the film has a sky")?)?;
    let mut arguments = words("--size 640x360 --spp 8 --frame 24 --fps");
    arguments.extend([film.fps.to_string(), "--max-bounces".into(), film.max_bounces.to_string()]);
    arguments.extend(["--environment".into(), path(&sky), path(&file)]);
    let film = Picture { name: "sample film, frame 24, 640×360, 8 spp", arguments };

    let mut pictures = vec![room, film];
    if let Some(peers) = std::env::var_os("PEERS").filter(|peers| !peers.is_empty()) {
        let scenes = PathBuf::from(peers).join("scenes");
        let mut arguments = words("--size 320x320 --spp 16 --environment");
        arguments.push(path(&scenes.join("studio_small_05_1k.hdr")));
        arguments.push(path(&scenes.join("flight_helmet.glb")));
        pictures.push(Picture { name: "flight_helmet, 320², 16 spp", arguments });
        let mut arguments = words("--size 256x256 --spp 32");
        arguments.push(path(&scenes.join("cornell.glb")));
        pictures.push(Picture { name: "cornell, 256², 32 spp", arguments });
    }
    Ok(pictures)
}

fn render(picture: &Picture, way: &Way, folder: &Path) -> anyhow::Result<Run> {
    let mut command = Command::new(program("render-node"));
    command.args(["render", "--json"]).args(&picture.arguments).args(&way.arguments);
    command.arg("-o").arg(folder.join("picture.exr"));
    if let Some(driver) = &way.driver {
        command.env("VK_DRIVER_FILES", driver);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} on {}: {said}", picture.name, way.name);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number =
        |field: &str| line[field].as_f64().with_context(|| format!("no {field} in {line}"));
    let seconds = number("render_wall_s")?;
    Ok(Run {
        mrays_per_second: number("rays")? / seconds / 1e6,
        seconds,
        setup_cpu_seconds: number("setup_cpu_s")?,
        peak_mib: number("peak_mb")?,
    })
}
