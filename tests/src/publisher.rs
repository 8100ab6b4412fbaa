//! A broadcaster: a real ffmpeg that sends a clip at its own pace, and can be killed.

use crate::process::Process;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

/// Where it is sent, with the stream's key in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// `rtmp://host:port/live/KEY`.
    Rtmp(String),
    /// `srt://host:port?streamid=KEY`.
    Srt(String),
    /// `http://host:port/live/KEY`, to which segments of a second are sent by PUT.
    Http(String),
}

impl Door {
    fn arguments(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Self::Rtmp(url) => words(&["-f", "flv", "-flvflags", "no_duration_filesize", url]),
            Self::Srt(url) => words(&["-f", "mpegts", url]),
            Self::Http(base) => {
                let (segments, playlist) = (format!("{base}/%d.ts"), format!("{base}/index.m3u8"));
                let head =
                    ["-f", "hls", "-method", "PUT", "-hls_time", "1", "-http_persistent", "1"];
                words(&[&head[..], &["-hls_segment_filename", &segments, &playlist]].concat())
            }
        }
    }
}

/// ffmpeg, sending. It is killed when it is dropped.
#[derive(Debug)]
pub struct Publisher {
    process: Process,
    origin: Arc<Mutex<Option<SystemTime>>>,
}

impl Publisher {
    /// Sends `clip` from `from` on, whole seconds, without coding it again. What ffmpeg has to say
    /// goes to the end of `log`, addresses and keys included.
    ///
    /// # Panics
    /// If ffmpeg cannot be started.
    pub fn start(clip: &Path, from: Duration, door: &Door, log: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "warning", "-re", "-ss", &from.as_secs().to_string(), "-i"])
            .arg(clip)
            .args(["-c", "copy", "-progress", "pipe:1", "-stats_period", "0.1"])
            .args(door.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("ffmpeg is installed");
        let progress = BufReader::new(child.stdout.take().expect("a pipe"));
        let origin = Arc::new(Mutex::new(None));
        let found = Arc::clone(&origin);
        // Ends when ffmpeg does, and its pipe with it.
        thread::spawn(move || {
            for line in progress.lines().map_while(Result::ok) {
                let sent = line.strip_prefix("out_time_us=").and_then(|us| us.parse().ok());
                let Some(sent) = sent.map(Duration::from_micros) else { continue };
                if let Some(origin) = SystemTime::now().checked_sub(from + sent) {
                    // Each is late by as long as it took to be said; the earliest is nearest.
                    let mut found = found.lock().expect("nobody panics with it");
                    *found = Some(found.map_or(origin, |known: SystemTime| known.min(origin)));
                }
            }
        });
        Self { process: Process::from(child), origin }
    }

    /// When the clip's frame 0 was sent, or would have been: frame `n` was sent `n / FPS` later. As
    /// near as a tenth of a second; `None` before anything was sent.
    pub fn origin(&self) -> Option<SystemTime> {
        *self.origin.lock().expect("nobody panics with it")
    }

    /// Whether it has ended by itself: the clip is over, or nobody takes it any more.
    pub fn ended(&mut self) -> bool {
        self.process.ended()
    }

    /// SIGKILL, in the middle of whatever it sends.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
