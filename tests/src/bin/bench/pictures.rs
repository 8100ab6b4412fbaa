//! How fast pictures are rendered.

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

pub(crate) fn render_pictures() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for picture in pictures(folder.path())? {
        for (on, threads) in [("cpu, 1 thread", "1"), ("cpu, 2 threads", "2")] {
            let device = ["--backend", "cpu", "--threads", threads];
            render(&picture, on, &device, None, folder.path())?;
        }
        match Driver::Lavapipe.manifest() {
            Ok(manifest) => {
                let device = ["--backend", "wgpu", "--device", Driver::Lavapipe.device()];
                render(&picture, "wgpu, lavapipe", &device, Some(&manifest), folder.path())?;
            }
            Err(reason) => row(picture.name, "wgpu: not measured", NO_AIM, &reason),
        }
    }
    Ok(())
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
    }
    Ok(pictures)
}

fn render(
    picture: &Picture,
    on: &str,
    device: &[&str],
    driver: Option<&Path>,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut command = Command::new(program("render-node"));
    command.args(["render", "--json"]).args(&picture.arguments).args(device);
    command.arg("-o").arg(folder.join("picture.exr"));
    if let Some(driver) = driver {
        command.env("VK_DRIVER_FILES", driver);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} on {on}: {said}", picture.name);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number =
        |field: &str| line[field].as_f64().with_context(|| format!("no {field} in {line}"));
    let figure = format!(
        "{on}: {:.2} Mrays/s, {:.1} s, set-up {:.2} CPU s, peak {:.0} MiB",
        number("rays")? / number("render_wall_s")? / 1e6,
        number("render_wall_s")?,
        number("setup_cpu_s")?,
        number("peak_mb")?,
    );
    let how = "render-node render --json, one run: rays of all paths, shadow rays too / wall time";
    row(picture.name, &figure, NO_AIM, how);
    Ok(())
}
