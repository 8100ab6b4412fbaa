//! How good a rendition looks, as VMAF sees it, and how many bits it takes.

use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::Command;

/// Of all frames that were looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vmaf {
    pub(super) mean: f64,
    /// Five in a hundred frames look worse.
    pub(super) p5: f64,
}

/// Compares a rendition, scaled up to the film's size, with the film.
pub(super) fn vmaf(
    program: &Path,
    rendition: &Path,
    film: &Path,
    folder: &Path,
) -> anyhow::Result<Vmaf> {
    const LOG: &str = "vmaf.json";
    // Frame beside frame, whatever the files say of their times, and however finely.
    let graph = format!(
        "[0:v]settb=1/24,setpts=N,scale=1920:1080:flags=bicubic[a];[1:v]settb=1/24,setpts=N[b];\
         [a][b]libvmaf=log_fmt=json:log_path={LOG}:n_threads=2:n_subsample=2:shortest=1"
    );
    let output = Command::new(program)
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(rendition)
        .arg("-i")
        .arg(film)
        .args(["-lavfi", &graph, "-f", "null", "-"])
        .current_dir(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "VMAF of {}: {said}", rendition.display());
    let log: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join(LOG))?)?;
    let frames = log["frames"].as_array().context("VMAF names its frames")?;
    let scores = frames.iter().filter_map(|frame| frame["metrics"]["vmaf"].as_f64());
    let mut scores: Vec<f64> = scores.collect();
    scores.sort_by(f64::total_cmp);
    ensure!(scores.len() >= 300, "VMAF saw {} frames only", scores.len());
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    Ok(Vmaf { mean, p5: scores[scores.len() / 20] })
}

/// Of the pictures alone.
pub(super) fn kbits_per_s(file: &Path) -> anyhow::Result<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "packet=pts_time,size"])
        .arg(file)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let (mut bytes, mut times) = (0.0, Vec::new());
    for line in text.lines() {
        let (time, size) = line.trim_end_matches(',').split_once(',').context("two numbers")?;
        times.push(time.parse::<f64>().with_context(|| format!("the time in {line:?}"))?);
        bytes += size.parse::<f64>().with_context(|| format!("the size in {line:?}"))?;
    }
    ensure!(times.len() > 1, "{} has no pictures", file.display());
    times.sort_by(f64::total_cmp);
    // Not every file says how long its last picture is shown: as long as the others.
    let n = times.len() as f64;
    let seconds = (times[times.len() - 1] - times[0]) * n / (n - 1.0);
    Ok(bytes * 8.0 / 1000.0 / seconds)
}
