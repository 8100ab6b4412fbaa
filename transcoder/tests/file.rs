//! `transcoder file`, as people run it: a real program, a real engine, and ffprobe that reads what comes
//! out.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap();
    let path = folder.join("transcoder");
    assert!(path.exists(), "{} is not built: run cargo build --release", path.display());
    path
}

fn ladder_of(input: &Path, output: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("file").arg(input).arg("-o").arg(output).args(more);
    command.output().unwrap()
}

/// Five seconds of pictures and a tone, with keyframes where they please.
fn film(folder: &Path) -> PathBuf {
    let path = folder.join("film.mkv");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=5"])
        .args(["-f", "lavfi", "-i", "sine=440:r=48000:d=5"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "77", "-c:a", "flac"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

/// The times of a track's packets, rising, and those of its keyframes.
fn packets(input: &Path, track: &str) -> (Vec<f64>, Vec<f64>) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", track, "-of", "csv=p=0"])
        .args(["-show_entries", "packet=pts_time,flags"])
        .arg(input)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let packet = |line: &str| {
        let (time, flags) = line.split_once(',').unwrap();
        (time.parse::<f64>().unwrap(), flags.starts_with('K'))
    };
    let all: Vec<_> = text.lines().map(packet).collect();
    let mut times: Vec<_> = all.iter().map(|(time, _)| *time).collect();
    times.sort_by(f64::total_cmp);
    (times, all.iter().filter(|(_, key)| *key).map(|(time, _)| *time).collect())
}

#[test]
fn a_film_becomes_a_ladder_that_plays() {
    let folder = tempfile::tempdir().unwrap();
    let ladder = folder.path().join("ladder");
    let arguments = ["--ladder", "144p:250k,96p15:120k", "--mp4", "--json"];
    let made = ladder_of(&film(folder.path()), &ladder, &arguments);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(said["source"], "320x180 h264");
    assert_eq!(said["frames"], 150);
    let above = std::fs::read_to_string(ladder.join("index.m3u8")).unwrap();
    for (name, size, fps) in [("144p", "256x144", 30), ("96p15", "170x96", 15)] {
        assert!(above.contains(&format!("RESOLUTION={size}")), "{above}");
        for file in [ladder.join(name).join("index.m3u8"), ladder.join(format!("{name}.mp4"))] {
            let (times, keys) = packets(&file, "v:0");
            assert_eq!(times.len(), 5 * fps, "{}", file.display());
            let first = times[0];
            let even =
                |(n, time): (usize, &f64)| (time - first - n as f64 / fps as f64).abs() < 0.001;
            assert!(times.iter().enumerate().all(even), "{times:?}");
            // Every two seconds in all renditions, wherever the film has its own.
            let keys: Vec<_> = keys.iter().map(|key| (key - first).round()).collect();
            assert_eq!(keys, [0.0, 2.0, 4.0], "{}", file.display());
        }
        let (sound, _) = packets(&ladder.join(format!("{name}.mp4")), "a:0");
        assert!((234..=237).contains(&sound.len()), "{} units of sound", sound.len());
    }
    let (sound, _) = packets(&ladder.join("audio/index.m3u8"), "a:0");
    assert!((234..=237).contains(&sound.len()), "{} units of sound", sound.len());
}

#[test]
fn what_makes_no_ladder_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "no film at all").unwrap();
    let refused = |input: &Path, output: &Path, because: &str| {
        let made = ladder_of(input, output, &[]);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && said.contains(because), "{said}");
        assert!(!output.join("index.m3u8").exists());
    };
    let ladder = folder.path().join("ladder");
    refused(&text, &ladder, "of no format that FFmpeg reads");
    refused(&folder.path().join("missing.mp4"), &ladder, "missing.mp4");
    refused(folder.path(), &ladder, "is not a file");
    // What lies where the ladder is to go stays.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("mine"), "mine").unwrap();
    refused(&text, &taken, "is not empty");
    assert_eq!(std::fs::read_to_string(taken.join("mine")).unwrap(), "mine");
}
