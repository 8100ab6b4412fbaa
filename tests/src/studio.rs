//! Streams through real processes: a farm's master, gateways and workers.

use crate::farm::Farm;
use crate::process::{Process, eventually, program};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::SessionId;
use tessera_protocol::stream::gateway::GatewayDoors;
use tessera_protocol::stream::view::{SegmentView, SessionView, StreamKeyView, StreamSpec};

/// A farm that takes streams.
#[derive(Debug)]
pub struct Studio {
    /// Its master, its folder and its logs.
    pub farm: Farm,
}

/// How a gateway differs from one that simply runs.
#[derive(Debug, Clone, Default)]
pub struct GatewayOptions {
    /// Where it finds the master, where that is not the master's own address.
    pub master: Option<String>,
    /// Where workers dial in, where that is not a port of its own choice.
    pub link: Option<SocketAddr>,
    /// Where workers are told to dial, where that is not its own address.
    pub link_as: Option<String>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// The environment's additions.
    pub environment: Vec<(String, String)>,
}

impl Default for Studio {
    fn default() -> Self {
        Self { farm: Farm::new(Duration::from_millis(500)) }
    }
}

impl Studio {
    /// Starts a gateway with the state of its name, on ports of its own choice.
    pub fn start_gateway(&self, name: &str, options: &GatewayOptions) -> Process {
        // Left by an earlier run; the new one appears when all doors are open.
        let _ = std::fs::remove_file(self.doors_file(name));
        let mut command = Command::new(program("transcoder"));
        command
            .arg("gateway")
            .args(["--master", &options.master.clone().unwrap_or_else(|| self.farm.url())])
            .args(["--token-file".as_ref(), self.farm.token_file().as_os_str()])
            .args(["--state".as_ref(), self.farm.path().join(name).as_os_str()])
            .args(["--name", name]);
        for door in ["--rtmp", "--srt", "--http"] {
            command.args([door, "127.0.0.1:0"]);
        }
        let link = options.link.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        command.args(["--link", &link.to_string()]);
        if let Some(address) = &options.link_as {
            command.args(["--link-as", address]);
        }
        command.args(&options.arguments).envs(options.environment.iter().cloned());
        Process::start(&mut command, &self.farm.log(name))
    }

    fn doors_file(&self, name: &str) -> PathBuf {
        self.farm.path().join(name).join("doors.json")
    }

    /// Where a gateway is reached, once it is.
    pub async fn doors(&self, name: &str) -> GatewayDoors {
        eventually("the gateway's doors are open", async || {
            let text = std::fs::read(self.doors_file(name)).ok()?;
            serde_json::from_slice(&text).ok()
        })
        .await
    }

    /// Starts a worker with the state of its name.
    pub fn start_worker(&self, name: &str) -> Process {
        self.start_worker_with(name, &[])
    }

    /// The same, with more arguments.
    pub fn start_worker_with(&self, name: &str, more: &[&str]) -> Process {
        let mut command = Command::new(program("transcoder"));
        command
            .arg("work")
            .args(["--master", &self.farm.url()])
            .args(["--token-file".as_ref(), self.farm.token_file().as_os_str()])
            .args(["--state".as_ref(), self.farm.path().join(name).as_os_str()])
            .args(["--name", name])
            .args(more);
        Process::start(&mut command, &self.farm.log(name))
    }

    /// Waits until `count` workers have joined.
    pub async fn joined(&self, client: &Client, count: usize) {
        eventually("the workers have joined", async || {
            (client.workers().await.ok()?.len() >= count).then_some(())
        })
        .await;
    }

    /// Makes a stream.
    pub async fn create(&self, client: &Client, spec: &StreamSpec) -> StreamKeyView {
        client.create_stream(spec, &spec.name).await.expect("a stream is made")
    }

    /// Waits until a session ends.
    pub async fn ended(&self, client: &Client, session: SessionId) -> SessionView {
        eventually("the session ends", async || {
            let session = client.session(session).await.ok()?;
            session.ended_ms.is_some().then_some(session)
        })
        .await
    }
}

/// Asserts that the segments of a session follow each other: none missing, none twice, no time
/// between two.
///
/// # Panics
/// Where one does not follow.
pub fn assert_seamless(segments: &[SegmentView]) {
    for pair in segments.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        assert_eq!(next.segment.0, one.segment.0 + 1, "segment {} is missing", one.segment.0 + 1);
        let end = one.start_ms + one.duration_ms as i64;
        assert!((next.start_ms - end).abs() <= 1, "{end} ms is not where {next:?} begins");
    }
}
