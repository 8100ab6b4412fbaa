//! A farm of real processes in a folder of its own: a master and nodes, killed and started at will.

use crate::process::{PATIENCE, Process, eventually, program};
use crate::vulkan::Driver;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tessera_client::{Artefact, Client, MasterAddress, PlainHttp, no_progress};
use tessera_protocol::job::{FrameSpan, JobSpec, JobState, JobView};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber, JobId};
use tessera_scenes::Scene;

/// What a node renders on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A Vulkan driver.
    Vulkan(Driver),
    /// The same, with arithmetic as it likes it.
    Fast(Driver),
}

/// A farm.
#[derive(Debug)]
pub struct Farm {
    folder: TempDir,
    port: u16,
    heartbeat: Duration,
}

impl Farm {
    /// An empty folder, and a port that is free now. `heartbeat` decides how soon the work of the
    /// dead is given to others.
    pub fn new(heartbeat: Duration) -> Self {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = socket.local_addr().expect("its number").port();
        Self { folder: tempfile::tempdir().expect("a folder"), port, heartbeat }
    }

    /// The folder of everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where `name` says what it does.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.log"))
    }

    /// The log of `name`, for messages.
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn state(&self) -> PathBuf {
        self.path().join("master")
    }

    /// Starts the master on the state that is there; always at the same address.
    pub fn start_master(&self) -> Process {
        self.start_master_with(&[])
    }

    /// The same, told more.
    pub fn start_master_with(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(program("farm-master"));
        command
            .arg("serve")
            .args(["--state".as_ref(), self.state().as_os_str()])
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--heartbeat-ms", &self.heartbeat.as_millis().to_string()])
            .args(["--failures-allowed", "1000"])
            .args(arguments);
        Process::start(&mut command, &self.log("master"))
    }

    /// Starts a node with the state of its name. It waits for a master that is not there yet.
    pub fn start_node(&self, name: &str, device: Device) -> Process {
        self.start_node_called(name, name, device)
    }

    /// The same, where people call it otherwise than its state.
    pub fn start_node_called(&self, state: &str, name: &str, device: Device) -> Process {
        Process::start(&mut self.node(state, name, device), &self.log(state))
    }

    /// What starts a node.
    pub fn node(&self, state: &str, name: &str, device: Device) -> Command {
        let mut command = Command::new(program("render-node"));
        command
            .arg("run")
            .args(["--master", &self.url()])
            .args(["--token-file".as_ref(), self.token_file().as_os_str()])
            .args(["--state".as_ref(), self.path().join(state).as_os_str()])
            .args(["--name", name]);
        match device {
            Device::Cpu => command.args(["--backend", "cpu", "--threads", "2"]),
            Device::Vulkan(driver) | Device::Fast(driver) => command
                .args(["--backend", "wgpu", "--device", driver.device()])
                .env("VK_DRIVER_FILES", driver.manifest().expect("the driver is here")),
        };
        if matches!(device, Device::Fast(_)) {
            command.args(["--arithmetic", "fast"]);
        }
        command
    }

    /// Starts an auditor with the state of its name.
    pub fn start_auditor(&self, name: &str) -> Process {
        let mut command = Command::new(program("farm-master"));
        command
            .arg("audit")
            .args(["--master", &self.url()])
            .args(["--token-file".as_ref(), self.token_file().as_os_str()])
            .args(["--state".as_ref(), self.path().join(name).as_os_str()]);
        Process::start(&mut command, &self.log(name))
    }

    /// The master's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The operator's token, once the master has started.
    pub fn token_file(&self) -> PathBuf {
        self.state().join("operator-token")
    }

    /// A client of the master, as its operator, once the master is up.
    pub async fn client(&self) -> Client {
        eventually("the master is up", async || {
            let token = std::fs::read_to_string(self.token_file()).ok()?;
            let master = MasterAddress::parse(&self.url(), PlainHttp::LoopbackOnly).ok()?;
            let client = Client::new(master, Some(token.trim().to_owned())).ok()?;
            client.health().await.ok()?;
            Some(client.with_patience(PATIENCE))
        })
        .await
    }

    /// Waits until `count` nodes have joined.
    ///
    /// # Panics
    /// When one may not have exact work: then the programs are not of one build.
    pub async fn joined(&self, client: &Client, count: usize) {
        let nodes = eventually("the nodes have joined", async || {
            let nodes = client.nodes().await.ok()?;
            (nodes.len() >= count).then_some(nodes)
        })
        .await;
        for node in nodes {
            let name = &node.name;
            assert_eq!(
                node.class,
                DeviceClass::Exact,
                "{name} is not exact: are all programs built anew? {}",
                self.said(name)
            );
        }
    }

    /// Uploads the scene and submits `frames` of it.
    pub async fn submit(
        &self,
        client: &Client,
        scene: &Scene,
        settings: RenderSettings,
        frames: u32,
        cut: (u32, u32),
    ) -> JobView {
        self.submit_as(DeviceClass::Exact, client, scene, settings, frames, cut).await
    }

    /// The same for devices of this class.
    pub async fn submit_as(
        &self,
        class: DeviceClass,
        client: &Client,
        scene: &Scene,
        settings: RenderSettings,
        frames: u32,
        (tile, samples_per_unit): (u32, u32),
    ) -> JobView {
        let upload = async |name: &str, bytes: &[u8]| -> BlobHash {
            let file = self.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            client.upload(&file, no_progress()).await.unwrap().blob
        };
        let glb = upload("scene.glb", &scene.glb).await;
        let mut settings = settings;
        if let Some(hdr) = &scene.environment {
            let blob = upload("sky.hdr", hdr).await;
            settings.environment = Some(Environment {
                blob,
                strength: scene.environment_strength,
                rotation_deg: scene.environment_rotation_deg,
            });
        }
        let spec = JobSpec {
            name: scene.name.to_owned(),
            scene: glb,
            settings,
            frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(frames - 1) },
            fps: FPS,
            tile,
            samples_per_unit,
            class,
        };
        let once = format!("{}, seed {}", spec.name, spec.settings.seed);
        client.submit(&spec, &once).await.unwrap()
    }

    /// Waits for the end of a job.
    ///
    /// # Panics
    /// When it ends otherwise than completed.
    pub async fn completed(&self, client: &Client, job: JobId) -> JobView {
        let job = eventually("the job ends", async || {
            let job = client.job(job).await.ok()?;
            (!matches!(job.state, JobState::Active | JobState::Paused)).then_some(job)
        })
        .await;
        assert_eq!(job.state, JobState::Completed, "{:?}\n{}", job.reason, self.said("master"));
        job
    }

    /// Fetches an artefact.
    pub async fn download(&self, client: &Client, job: JobId, artefact: Artefact) -> Vec<u8> {
        let file = self.path().join("download");
        // What is there already would be taken for the file asked for.
        let _ = std::fs::remove_file(&file);
        client.download(job, artefact, &file, no_progress()).await.unwrap();
        std::fs::read(file).unwrap()
    }

    /// What `render-node render` makes of one frame with the same settings: its hash.
    pub fn render_alone(&self, scene: &Scene, settings: &RenderSettings, frame: u32) -> String {
        let glb = self.path().join("alone.glb");
        std::fs::write(&glb, &scene.glb).unwrap();
        let mut command = Command::new(program("render-node"));
        command
            .arg("render")
            .arg(&glb)
            .args(["--frame", &frame.to_string(), "--fps", &FPS.to_string()])
            .args(["--size", &format!("{}x{}", settings.width, settings.height)])
            .args(["--spp", &settings.spp.to_string(), "--seed", &settings.seed.to_string()])
            .args(["--max-bounces", &settings.max_bounces.to_string()])
            .args(["-o".as_ref(), self.path().join("alone.exr").as_os_str()])
            .arg("--json");
        if let Some(hdr) = &scene.environment {
            let file = self.path().join("alone.hdr");
            std::fs::write(&file, hdr).unwrap();
            command
                .arg("--environment")
                .arg(file)
                .args(["--environment-strength", &scene.environment_strength.to_string()])
                .args(["--environment-rotation", &scene.environment_rotation_deg.to_string()]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "frame {frame}: {said}");
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        line["hash"].as_str().unwrap().to_owned()
    }
}

/// Frames a second of every test's job.
pub const FPS: u32 = 24;
