//! Short clips made by ffmpeg, and what ffprobe says of them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tessera_media::AccessUnit;
use tokio::process::{Child, Command};

/// A clip in a folder of its own.
pub(crate) struct Clip {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
}

/// A packet as ffprobe has it: times in ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) key: bool,
}

pub(crate) fn ffmpeg(arguments: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs ffmpeg to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let output = ffmpeg(arguments).output();
    tokio::time::timeout(crate::broker::PATIENCE, output).await.expect("ffmpeg ends").unwrap()
}

/// Starts ffmpeg; it is killed when dropped.
pub(crate) fn start(arguments: &[&str]) -> Child {
    ffmpeg(arguments).spawn().expect("ffmpeg is installed")
}

impl Clip {
    /// Three seconds of pictures with B-frames and a keyframe a second, and sound.
    pub(crate) async fn new() -> Self {
        Self::with(&[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x180:rate=30:duration=3",
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440:sample_rate=48000:duration=3",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-bf",
            "2",
            "-g",
            "30",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-b:a",
            "64k",
            "-ac",
            "2",
        ])
        .await
    }

    /// What ffmpeg makes of these arguments, as Matroska.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mkv");
        let output = run(&[arguments, &[path.to_str().unwrap()]].concat()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder, path }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// The same, wrapped otherwise, beside it.
    pub(crate) async fn wrapped(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.folder.path().join(name);
        let whole =
            [&["-i", self.as_str(), "-c", "copy"], arguments, &[path.to_str().unwrap()]].concat();
        let output = run(&whole).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }
}

/// What ffprobe finds in a file's first track of a kind (`v` or `a`).
pub(crate) async fn packets(path: &Path, kind: &str) -> Vec<Packet> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", kind, "-show_entries"])
        .args(["packet=pts_time,dts_time,flags", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let ticks = |seconds: &str| (seconds.parse::<f64>().unwrap() * 90_000.0).round() as i64;
    // A packet with side data has an empty line of its own.
    text.lines()
        .filter(|line| !line.trim_matches(',').is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            Packet { pts: ticks(fields[0]), dts: ticks(fields[1]), key: fields[2].starts_with('K') }
        })
        .collect()
}

/// Units as ffprobe would say them.
pub(crate) fn as_packets(units: &[AccessUnit]) -> Vec<Packet> {
    units.iter().map(|u| Packet { pts: u.pts.0, dts: u.dts.0, key: u.keyframe }).collect()
}
