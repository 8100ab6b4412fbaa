//! `render-node render FILE`: one frame, no master. The reference for everything else.

use super::BackendArguments;
use crate::machine::cpu_seconds;
use crate::render::Brake;
use anyhow::{Context, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tessera_client::scene_file::pack_gltf;
use tessera_film::Frame;
use tessera_protocol::settings::{Background, Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber, PixelSum, SampleRange, TileRect, sums};
use tessera_reference::kernel_id;
use tessera_reference::{NO_LIGHT, PreparedFrame, Source};

/// What to render and how.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The scene: a .glb, a .gltf with its files beside it, or a .zip of them.
    file: PathBuf,
    /// The camera, counted from 0 in the order of the scene's nodes.
    #[arg(long, value_name = "N")]
    camera: Option<u32>,
    /// The frame; it shows the time F / fps.
    #[arg(long, value_name = "F", conflicts_with = "time")]
    frame: Option<u32>,
    /// Frames a second, for --frame.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// The time in seconds, instead of a frame.
    #[arg(long, value_name = "S")]
    time: Option<f64>,
    /// The size of the frame in pixels.
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = parse_size)]
    size: (u32, u32),
    /// Samples of each pixel.
    #[arg(long, value_name = "N", default_value_t = 64)]
    spp: u32,
    /// Chooses the random numbers.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u32,
    /// Bounces, not counting the camera's edge.
    #[arg(long, value_name = "D", default_value_t = 7)]
    max_bounces: u32,
    /// An equirectangular .hdr or .exr that lights the scene from around.
    #[arg(long, value_name = "FILE")]
    environment: Option<PathBuf>,
    /// Multiplies the environment's radiance.
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "environment")]
    environment_strength: f32,
    /// Turns the environment about +Y.
    #[arg(
        long,
        value_name = "DEG",
        default_value_t = 0.0,
        requires = "environment",
        allow_negative_numbers = true
    )]
    environment_rotation: f32,
    /// What the camera sees where it sees nothing.
    #[arg(long, value_enum, default_value_t = BackgroundKind::Environment)]
    background: BackgroundKind,
    /// Render only these pixels of the frame.
    #[arg(long, value_name = "X,Y,W,H", value_parser = parse_tile)]
    tile: Option<TileRect>,
    /// Render only these samples, B not included.
    #[arg(long, value_name = "A..B", value_parser = parse_samples)]
    samples: Option<SampleRange>,
    #[command(flatten)]
    backend: BackendArguments,
    /// Where the picture goes: .exr (linear) or .png.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print one line of JSON about what was done.
    #[arg(long)]
    json: bool,
}

/// See [`Background`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BackgroundKind {
    /// The environment.
    Environment,
    /// Black.
    Black,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parse = || {
        let (width, height) = text.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    parse().ok_or_else(|| "expected a size such as 1280x720".to_owned())
}

fn parse_tile(text: &str) -> Result<TileRect, String> {
    let numbers: Option<Vec<u32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[x, y, width, height]) => Ok(TileRect { x, y, width, height }),
        _ => Err("expected a tile such as 64,0,32,32: x, y, width, height".to_owned()),
    }
}

fn parse_samples(text: &str) -> Result<SampleRange, String> {
    let parse = || {
        let (start, end) = text.split_once("..")?;
        Some(SampleRange { start: start.parse().ok()?, end: end.parse().ok()? })
    };
    parse()
        .filter(|range| range.start < range.end)
        .ok_or_else(|| "expected a range such as 0..16".to_owned())
}

/// The line that `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    hash: String,
    rays: u64,
    setup_cpu_s: f64,
    render_cpu_s: f64,
    render_wall_s: f64,
    peak_mb: f64,
    backend: &'static str,
    device: String,
    kernel: String,
    scene: String,
}

/// Renders and writes the picture.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let is_png = match arguments.output.extension().and_then(|e| e.to_str()) {
        Some("exr") => false,
        Some("png") => true,
        _ => bail!("{}: the picture's name must end in .exr or .png", arguments.output.display()),
    };
    let cpu_at_start = cpu_seconds();
    let (prepared, settings) = prepare(arguments)?;
    let rect = arguments.tile.unwrap_or_else(|| settings.frame_rect());
    let samples = arguments.samples.unwrap_or(SampleRange { start: 0, end: settings.spp });
    let mut backend = arguments.backend.open()?;
    let device = backend.describe();
    let scene = prepared.hash;
    backend.load(Arc::new(prepared))?;
    let setup_cpu_s = cpu_seconds() - cpu_at_start;

    let started = Instant::now();
    let cpu_before = cpu_seconds();
    let pixels = backend.render(rect, samples, &Brake::default())?;
    let summary = Summary {
        hash: sums::hash(&pixels).to_string(),
        rays: sums::rays(&pixels),
        setup_cpu_s,
        render_cpu_s: cpu_seconds() - cpu_before,
        render_wall_s: started.elapsed().as_secs_f64(),
        peak_mb: peak_megabytes(),
        backend: device.backend,
        device: device.device,
        kernel: kernel_id().to_string(),
        scene: scene.to_string(),
    };
    write(arguments, is_png, rect, samples, &pixels, &summary)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        println!(
            "{}: {:.1} million rays in {:.2} s on {}; hash {}",
            arguments.output.display(),
            summary.rays as f64 / 1e6,
            summary.render_wall_s,
            summary.device,
            summary.hash
        );
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn prepare(arguments: &Arguments) -> anyhow::Result<(PreparedFrame, RenderSettings)> {
    let file = match pack_gltf(&arguments.file)? {
        Some(packed) => packed,
        None => read(&arguments.file)?,
    };
    let environment = arguments.environment.as_deref().map(read).transpose()?;
    let (width, height) = arguments.size;
    let settings = RenderSettings {
        width,
        height,
        spp: arguments.spp,
        seed: arguments.seed,
        max_bounces: arguments.max_bounces,
        camera: arguments.camera,
        environment: environment.as_deref().map(|bytes| Environment {
            blob: BlobHash::of(bytes),
            strength: arguments.environment_strength,
            rotation_deg: arguments.environment_rotation,
        }),
        background: match arguments.background {
            BackgroundKind::Environment => Background::Environment,
            BackgroundKind::Black => Background::Black,
        },
    };
    let mut source = Source::load(&file, environment.as_deref())
        .with_context(|| format!("{} cannot be rendered", arguments.file.display()))?;
    for note in &source.report().warnings {
        eprintln!("render-node: {note}");
    }
    let number = arguments.frame.unwrap_or(0);
    let time_s = arguments.time.unwrap_or_else(|| f64::from(number) / f64::from(arguments.fps));
    let prepared = source.frame(&settings, FrameNumber(number), time_s)?;
    if !prepared.has_light() {
        eprintln!("render-node: {NO_LIGHT}; --environment puts a sky around it");
    }
    Ok((prepared, settings))
}

fn write(
    arguments: &Arguments,
    is_png: bool,
    rect: TileRect,
    samples: SampleRange,
    pixels: &[PixelSum],
    summary: &Summary,
) -> anyhow::Result<()> {
    let picture = Frame::new(rect.width, rect.height, samples.count(), pixels.to_vec())?.picture();
    let bytes = if is_png {
        tessera_film::png::encode(&picture)?
    } else {
        let header = BTreeMap::from([
            ("kernel".to_owned(), summary.kernel.clone()),
            ("scene".to_owned(), summary.scene.clone()),
            ("hash".to_owned(), summary.hash.clone()),
            ("samples".to_owned(), format!("{}..{}", samples.start, samples.end)),
            ("seed".to_owned(), arguments.seed.to_string()),
            ("max_bounces".to_owned(), arguments.max_bounces.to_string()),
            ("tile".to_owned(), format!("{},{},{},{}", rect.x, rect.y, rect.width, rect.height)),
        ]);
        tessera_film::exr::encode(&picture, &header)?
    };
    std::fs::write(&arguments.output, bytes)
        .with_context(|| format!("{} cannot be written", arguments.output.display()))
}

/// The most memory that this process held, in MiB; 0 where the system doesn't tell.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_tiles_and_ranges_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_size("64x48"), Ok((64, 48)));
        assert_eq!(parse_tile("1,2,3,4"), Ok(TileRect { x: 1, y: 2, width: 3, height: 4 }));
        assert_eq!(parse_samples("3..8"), Ok(SampleRange { start: 3, end: 8 }));
        for text in ["", "64", "64x", "-1x2", "axb"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x"] {
            assert!(parse_tile(text).is_err(), "{text}");
        }
        for text in ["", "3", "8..3", "3..3", "a..b"] {
            assert!(parse_samples(text).is_err(), "{text}");
        }
    }
}
