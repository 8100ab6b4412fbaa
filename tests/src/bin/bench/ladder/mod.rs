//! A ladder of a film by `transcoder file`, beside the ffmpeg program doing the same: what it costs,
//! how near it comes to the bit rates, how good it looks.
//!
//! Map: this page (who makes it, what that costs) → [`command_line`] (what ffmpeg is told) →
//! [`quality`] (VMAF).

mod command_line;
mod quality;

use crate::{NO_AIM, row, samples};
use anyhow::{Context as _, ensure};
use command_line::Recipe;
use quality::Vmaf;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use world::process::program;
use world::usage::cpu_of_ended_children_s;

/// A rendition of the ladder.
#[derive(Debug, Clone, Copy)]
struct Rung {
    name: &'static str,
    width: u32,
    height: u32,
    kbits_per_s: u32,
}

const fn rung(name: &'static str, width: u32, height: u32, kbits_per_s: u32) -> Rung {
    Rung { name, width, height, kbits_per_s }
}

const RUNGS: [Rung; 4] = [
    rung("720p", 1280, 720, 2800),
    rung("480p", 854, 480, 1400),
    rung("360p", 640, 360, 800),
    rung("240p", 426, 240, 400),
];
/// How often each makes it, in turns.
const ROUNDS: usize = 3;

/// A program that makes the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Tessera,
    Ffmpeg(Recipe),
}

const MAKERS: [Maker; 3] =
    [Maker::Tessera, Maker::Ffmpeg(Recipe::Plain), Maker::Ffmpeg(Recipe::Alike)];

impl Maker {
    const fn name(self) -> &'static str {
        match self {
            Self::Tessera => "transcoder file",
            Self::Ffmpeg(Recipe::Plain) => "ffmpeg, plain",
            Self::Ffmpeg(Recipe::Alike) => "ffmpeg, tuned alike",
        }
    }

    /// CPU time of all processes. `transcoder file` does not wait for its engine to be gone, so that the
    /// engine's time is what it says itself: all of it up to its last segment.
    fn cpu_s(self, film: &Path, folder: &Path) -> anyhow::Result<f64> {
        let (own_s, output) = cpu_of(&mut self.command(film, folder)?)?;
        if self != Self::Tessera {
            return Ok(own_s);
        }
        let said: serde_json::Value = serde_json::from_slice(&output)?;
        Ok(own_s + said["cpu_s"].as_f64().context("the engine's time")?)
    }

    fn command(self, film: &Path, folder: &Path) -> anyhow::Result<Command> {
        let Self::Ffmpeg(recipe) = self else {
            let ladder = RUNGS.map(|rung| format!("{}:{}k", rung.name, rung.kbits_per_s)).join(",");
            let mut command = Command::new(program("transcoder"));
            command.arg("file").arg(film).arg("-o").arg(folder);
            command.args(["--ladder", &ladder, "--mp4", "--json"]);
            return Ok(command);
        };
        std::fs::create_dir(folder)?;
        let mut command = Command::new("ffmpeg");
        command.args(command_line::ladder(recipe, film, folder));
        Ok(command)
    }
}

/// Prints the rows.
pub(crate) fn transcode_a_film() -> anyhow::Result<()> {
    let film = match samples::film() {
        Ok(film) => film,
        Err(why) => {
            row("a ladder of a film", "not measured", NO_AIM, &why);
            return Ok(());
        }
    };
    let folder = tempfile::tempdir()?;
    let mut cpu_s = [[0.0; ROUNDS]; MAKERS.len()];
    for round in 0..ROUNDS {
        for (n, (maker, times)) in MAKERS.into_iter().zip(&mut cpu_s).enumerate() {
            let made = folder.path().join(n.to_string());
            if round > 0 {
                std::fs::remove_dir_all(&made)?;
            }
            times[round] = maker.cpu_s(&film, &made)?;
        }
    }
    print_cost(&cpu_s, &floor(&film, folder.path())?);
    for rung in RUNGS {
        print_rung(rung, &film, folder.path())?;
    }
    Ok(())
}

/// CPU time of a program and of all that it started and waited for, and what it printed.
fn cpu_of(command: &mut Command) -> anyhow::Result<(f64, Vec<u8>)> {
    let before = cpu_of_ended_children_s();
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok((cpu_of_ended_children_s() - before, output.stdout))
}

fn print_cost(cpu_s: &[[f64; ROUNDS]; MAKERS.len()], floor: &[f64; 2]) {
    let median = |mut times: [f64; ROUNDS]| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    };
    let how = format!(
        "Big Buck Bunny 1080p24, 30 s, to 720/480/360/240p H.264 and AAC once; user and system time \
         of all processes, median of {ROUNDS} rounds in turns"
    );
    for (maker, times) in MAKERS.into_iter().zip(cpu_s) {
        let all = times.map(|time| format!("{time:.1}")).join(", ");
        let figure = format!("{:.2} CPU s ({all})", median(*times));
        row(&format!("ladder of a film: {}", maker.name()), &figure, NO_AIM, &how);
    }
    for (n, most) in [(1, 0.65), (2, 0.95)] {
        let mut ratios = [0.0; ROUNDS];
        for (round, ratio) in ratios.iter_mut().enumerate() {
            *ratio = cpu_s[0][round] / cpu_s[n][round];
        }
        let ratio = median(ratios);
        let aim = format!("≤ {most}: {}", if ratio <= most { "met" } else { "missed" });
        row(
            &format!("ladder of a film: CPU beside {}", MAKERS[n].name()),
            &format!("{ratio:.3} ×"),
            &aim,
            "median of the rounds' ratios",
        );
    }
    let figure =
        format!("{:.2} CPU s: decoding {:.2}, x264 {:.2}", floor[0] + floor[1], floor[0], floor[1]);
    row(
        "ladder of a film: floor",
        &figure,
        NO_AIM,
        "ffmpeg decoding alone on one thread; ffmpeg encoding each rung alone, tuned alike, out of \
         raw pictures",
    );
}

/// What decoding alone and encoding alone take.
fn floor(film: &Path, folder: &Path) -> anyhow::Result<[f64; 2]> {
    let ffmpeg = |arguments: Vec<String>| {
        cpu_of(Command::new("ffmpeg").args(arguments)).map(|(cpu_s, _)| cpu_s)
    };
    let decoding = ffmpeg(command_line::decoding(film))?;
    let mut encoding = 0.0;
    for rung in RUNGS {
        let raw = folder.join("raw.yuv");
        ffmpeg(command_line::raw(film, rung, &raw))?;
        encoding += ffmpeg(command_line::encoding(&raw, rung))?;
        std::fs::remove_file(raw)?;
    }
    Ok([decoding, encoding])
}

fn made(folder: &Path, maker: usize, rung: Rung) -> PathBuf {
    folder.join(maker.to_string()).join(format!("{}.mp4", rung.name))
}

fn print_rung(rung: Rung, film: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut best = None;
    for (n, maker) in MAKERS.into_iter().enumerate() {
        let file = made(folder, n, rung);
        let kbits_per_s = quality::kbits_per_s(&file)?;
        let off = 100.0 * (kbits_per_s / f64::from(rung.kbits_per_s) - 1.0);
        let rate = format!("{kbits_per_s:.0} kbit/s of {} ({off:+.1} %)", rung.kbits_per_s);
        let work = format!("ladder of a film: {} by {}", rung.name, maker.name());
        let vmaf = match samples::vmaf() {
            Ok(program) => Some(quality::vmaf(&program, &file, film, folder)?),
            Err(_) => None,
        };
        let seen = vmaf.map_or_else(
            || "VMAF not measured".to_owned(),
            |Vmaf { mean, p5 }| format!("VMAF {mean:.2}, 5th percentile {p5:.2}"),
        );
        let aim = if n == 0 {
            best = vmaf;
            format!("within 2 %: {}", if off.abs() <= 2.0 { "met" } else { "missed" })
        } else if let (1, Some(ours), Some(plain)) = (n, best, vmaf) {
            let met = ours.mean >= plain.mean && ours.p5 >= plain.p5;
            format!("ours not below: {}", if met { "met" } else { "missed" })
        } else {
            NO_AIM.to_owned()
        };
        let how = "bits of the pictures alone; VMAF at 1080p, bicubic, every second frame";
        row(&work, &format!("{rate}; {seen}"), &aim, how);
    }
    Ok(())
}
