//! Lists the scenes and writes their files, for anybody who wants to render or look into them.

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use tessera_protocol::settings::Background;
use tessera_scenes::{Sample, Scene, conformance, known_answers, sample_animation};

#[derive(Parser)]
#[command(about = "Lists and writes Tessera's own scenes")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print each scene's name, its settings and what it proves
    List,
    /// Write scenes as NAME.glb, with NAME.hdr where there is a sky
    Write {
        /// The folder; it is made if need be
        folder: PathBuf,
        /// Which scenes; all of them if none is named
        names: Vec<String>,
    },
}

/// What the two kinds of scene have in common here.
struct Entry {
    name: &'static str,
    settings: String,
    note: &'static str,
    glb: Vec<u8>,
    hdr: Option<Vec<u8>>,
}

impl From<Scene> for Entry {
    fn from(scene: Scene) -> Self {
        let Scene { name, note, width, height, spp, max_bounces, time_s, .. } = scene;
        let mut settings =
            format!("--size {width}x{height} --spp {spp} --max-bounces {max_bounces}");
        if time_s != 0.0 {
            settings += &format!(" --time {time_s}");
        }
        if scene.environment.is_some() {
            settings +=
                &sky_settings(name, scene.environment_strength, scene.environment_rotation_deg);
        }
        if scene.background == Background::Black {
            settings += " --background black";
        }
        Self { name, settings, note, glb: scene.glb, hdr: scene.environment }
    }
}

impl From<Sample> for Entry {
    fn from(sample: Sample) -> Self {
        let Sample { name, note, width, height, spp, max_bounces, frames, fps, .. } = sample;
        let mut settings =
            format!("--size {width}x{height} --spp {spp} --max-bounces {max_bounces}");
        settings +=
            &sky_settings(name, sample.environment_strength, sample.environment_rotation_deg);
        settings += &format!("; {frames} frames at {fps} a second");
        Self { name, settings, note, glb: sample.glb, hdr: sample.environment }
    }
}

fn sky_settings(name: &str, strength: f32, rotation_deg: f32) -> String {
    format!(
        " --environment {name}.hdr --environment-strength {strength} --environment-rotation {rotation_deg}"
    )
}

fn entries() -> Vec<Entry> {
    let known = known_answers().into_iter().map(|known| known.scene);
    let stills = conformance().into_iter().chain(known).map(Entry::from);
    stills.chain([Entry::from(sample_animation())]).collect()
}

fn main() -> anyhow::Result<()> {
    let entries = entries();
    match Arguments::parse().command {
        Command::List => {
            for Entry { name, settings, note, .. } in entries {
                println!("{name}\n    {note}\n    {settings}");
            }
        }
        Command::Write { folder, names } => {
            if let Some(unknown) =
                names.iter().find(|name| entries.iter().all(|e| e.name != **name))
            {
                bail!("there is no scene {unknown:?}; `scenes list` shows all of them");
            }
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            for entry in entries {
                if names.is_empty() || names.iter().any(|name| name == entry.name) {
                    write(&folder, &entry)?;
                }
            }
        }
    }
    Ok(())
}

fn write(folder: &Path, entry: &Entry) -> anyhow::Result<()> {
    let files = [("glb", Some(&entry.glb)), ("hdr", entry.hdr.as_ref())];
    for (extension, bytes) in files {
        if let Some(bytes) = bytes {
            let path = folder.join(format!("{}.{extension}", entry.name));
            std::fs::write(&path, bytes)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
