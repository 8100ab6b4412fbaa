//! A farm that takes streams: a master, a gateway and workers as processes, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tessera_client::{Client, MasterAddress, PlainHttp};
use tessera_protocol::SessionId;
use tessera_protocol::stream::gateway::GatewayDoors;
use tessera_protocol::stream::view::{Latency, SegmentView, StreamKeyView, StreamSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Only something that is broken takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it ended well; waits for that.
    pub(crate) async fn ended_well(&mut self) -> bool {
        eventually("a process ends", async || self.0.try_wait().unwrap()).await.success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Streams run in real time, and two cores carry those of one test.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) struct World {
    folder: TempDir,
    port: u16,
    _master: Process,
    pub(crate) client: Client,
    // Last, so that it is free when all the rest has ended.
    _machine: tokio::sync::MutexGuard<'static, ()>,
}

pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap();
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: run cargo build --release", path.display());
    path
}

impl World {
    /// A master with nobody else. A source that left may come back for `reconnect`.
    pub(crate) async fn new() -> Self {
        let machine = MACHINE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let state = folder.path().join("master");
        let mut command = Command::new(program("farm-master"));
        command.arg("serve").args(["--state".as_ref(), state.as_os_str()]).args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--heartbeat-ms",
            "500",
        ]);
        let master = start(&mut command, &folder.path().join("master.log"));
        let client = eventually("the master is up", async || {
            let token = std::fs::read_to_string(state.join("operator-token")).ok()?;
            let address = format!("http://127.0.0.1:{port}");
            let address = MasterAddress::parse(&address, PlainHttp::LoopbackOnly).ok()?;
            let client = Client::new(address, Some(token.trim().to_owned())).ok()?;
            client.health().await.ok()?;
            Some(client)
        })
        .await;
        Self { folder, port, _master: master, client, _machine: machine }
    }

    pub(crate) fn master(&self) -> MasterAddress {
        let address = format!("http://127.0.0.1:{}", self.port);
        MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap()
    }

    pub(crate) fn token(&self) -> String {
        let file = self.folder.path().join("master/operator-token");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    fn transcoder(&self, role: &str, name: &str) -> Command {
        let mut command = Command::new(program("transcoder"));
        command
            .arg(role)
            .args(["--master", &format!("http://127.0.0.1:{}", self.port)])
            .arg("--token-file")
            .arg(self.folder.path().join("master/operator-token"))
            .arg("--state")
            .arg(self.folder.path().join(name))
            .args(["--name", name])
            .env("RUST_LOG", "info,tessera_transcoder=debug");
        command
    }

    /// Starts the gateway on the state that is there, and waits until its doors are open.
    pub(crate) async fn gateway(&self) -> (Process, GatewayDoors) {
        self.gateway_with(&[]).await
    }

    pub(crate) async fn gateway_with(&self, arguments: &[&str]) -> (Process, GatewayDoors) {
        let doors = self.folder.path().join("gateway/doors.json");
        let _ = std::fs::remove_file(&doors);
        let mut command = self.transcoder("gateway", "gateway");
        for door in ["--rtmp", "--srt", "--http", "--link"] {
            command.args([door, "127.0.0.1:0"]);
        }
        command.args(arguments);
        let process = start(&mut command, &self.log("gateway"));
        let doors = eventually("the gateway's doors are open", async || {
            serde_json::from_slice(&std::fs::read(&doors).ok()?).ok()
        })
        .await;
        (process, doors)
    }

    /// Starts a worker, and waits until it has joined.
    pub(crate) async fn worker(&self, name: &str) -> Process {
        let process = start(&mut self.transcoder("work", name), &self.log(name));
        eventually("the worker has joined", async || {
            let workers = self.client.workers().await.ok()?;
            workers.iter().any(|worker| worker.name == name).then_some(())
        })
        .await;
        process
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    pub(crate) fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn stream(&self, name: &str, latency: Latency) -> StreamKeyView {
        self.make(&spec(name, latency)).await
    }

    pub(crate) async fn make(&self, spec: &StreamSpec) -> StreamKeyView {
        self.client.create_stream(spec, &spec.name).await.unwrap()
    }

    /// A clip with a frame number in each picture, sound, and a keyframe every `gop` frames of 30 a
    /// second.
    pub(crate) fn clip(&self, seconds: u32, gop: u32) -> PathBuf {
        let path = self.path(&format!("clip-{seconds}-{gop}.mp4"));
        let picture = format!("testsrc2=s=256x144:r=30:d={seconds}");
        let sound = format!("sine=440:r=48000:d={seconds}");
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &picture])
            .args(["-f", "lavfi", "-i", &sound, "-c:v", "libx264", "-preset", "ultrafast"])
            .args(["-g", &gop.to_string(), "-sc_threshold", "0", "-bf", "0"])
            .args(["-c:a", "aac", "-b:a", "64k"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        path
    }

    /// Sends a clip at its own pace.
    pub(crate) fn send(&self, clip: &Path, url: &str) -> Process {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "warning", "-re", "-i"]).arg(clip).args([
            "-c",
            "copy",
            "-f",
            "flv",
            "-flvflags",
            "no_duration_filesize",
            url,
        ]);
        start(&mut command, &self.log("ffmpeg"))
    }

    /// The stream's session, once it has one.
    pub(crate) async fn session(&self, stream: &StreamKeyView) -> SessionId {
        eventually("the session has begun", async || {
            self.client.stream(stream.stream.id).await.ok()?.session
        })
        .await
    }

    /// Waits until the master knows of so many milliseconds of a session.
    pub(crate) async fn reported(&self, session: SessionId, ms: u64) -> Vec<SegmentView> {
        let begun = Instant::now();
        loop {
            let segments = self.client.segments(session).await.unwrap_or_default();
            let known = segments.iter().map(|segment| segment.duration_ms).sum::<u64>();
            if known >= ms {
                return segments;
            }
            let said =
                if begun.elapsed() < PATIENCE { String::new() } else { self.said("gateway") };
            assert!(said.is_empty(), "only {known} of {ms} ms were reported: {segments:?}\n{said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the stream, and waits until its playlists say so.
    pub(crate) async fn end(&self, stream: &StreamKeyView, doors: &GatewayDoors) {
        self.client.end_stream(stream.stream.id).await.unwrap();
        let playlist = playlist(doors, stream, "144p");
        eventually("the playlist ends", async || {
            get(&playlist).await.contains("#EXT-X-ENDLIST").then_some(())
        })
        .await;
    }
}

pub(crate) fn spec(name: &str, latency: Latency) -> StreamSpec {
    StreamSpec {
        name: name.to_owned(),
        ladder: "144p:250k,96p:120k".parse().unwrap(),
        latency,
        record: false,
        restream: None,
        max_price: None,
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// Where a rendition of a stream plays.
pub(crate) fn playlist(doors: &GatewayDoors, stream: &StreamKeyView, rendition: &str) -> String {
    format!("{}/live/{}/{rendition}/index.m3u8", doors.http, stream.stream.playback_id)
}

/// What an address answers.
pub(crate) async fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn start(command: &mut Command, log: &Path) -> Process {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    Process(child)
}

/// What ffprobe reads from a playlist, line by line: each frame's time in seconds.
pub(crate) fn frame_times(playlist: &str, kind: &str) -> Vec<f64> {
    let output: Output = Command::new("ffprobe")
        .args(["-v", "error", "-live_start_index", "0", "-select_streams", kind])
        .args(["-show_entries", "packet=pts_time", "-of", "csv=p=0", playlist])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// Decodes a playlist whole; what the decoder complains of.
pub(crate) fn decode_complaints(playlist: &str) -> String {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-live_start_index", "0", "-i", playlist])
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that segments follow each other, none missing, none twice.
pub(crate) fn assert_seamless(segments: &[SegmentView]) {
    for pair in segments.windows(2) {
        assert_eq!(pair[1].segment.0, pair[0].segment.0 + 1, "{pair:?}");
        let end = pair[0].start_ms + pair[0].duration_ms as i64;
        assert!((pair[1].start_ms - end).abs() <= 1, "{pair:?}");
    }
}
