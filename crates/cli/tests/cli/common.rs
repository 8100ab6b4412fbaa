//! A master and a node in this process, and the program `farm` as people start it.

use render_node::agent::{self, AgentError};
use render_node::house::House;
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend, conformance};
use render_node::renderer::Renderer;
use render_node::renderer::line::Launch;
use serde_json::Value;
use std::process::Output;
use tessera_client::{MasterAddress, PlainHttp};
use tessera_farm_master::referee::referee;
use tessera_farm_master::{Config, Server, scene::inspect};
use tessera_protocol::node::DeviceView;
use tessera_reference::kernel_id;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A master and a node in this process, and a folder for everything.
pub(crate) struct Farm {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: String,
    pub(crate) token: String,
    stop: watch::Sender<bool>,
    master: JoinHandle<anyhow::Result<()>>,
    node: JoinHandle<Result<(), AgentError>>,
}

impl Farm {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut backend = CpuBackend::new(None);
        // The hashes are this build's own: that they are the right ones is not what is tested here.
        let conformance = conformance::render_all(&mut backend).unwrap();
        let state = folder.path().join("master");
        let config = Config::new(
            state,
            kernel_id(),
            conformance.clone(),
            std::sync::Arc::new(inspect),
            referee(1),
        );
        let server = Server::start(config).await.unwrap();
        let address = format!("http://{}", server.address());
        let token = server.new_token().unwrap().to_owned();
        let (stop, stopped) = watch::channel(false);
        let config = agent::Config {
            master: MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap(),
            token: token.clone(),
            state: folder.path().join("node"),
            name: "the node".into(),
            device: DeviceView {
                backend: "cpu".into(),
                device: backend.describe().device,
                kernel: kernel_id(),
                conformance,
            },
            cache_bytes: 1 << 30,
            ask: None,
            house: House::free(),
            updates: None,
        };
        let launch = Launch::threads(|| CpuBackend::new(None));
        let renderer = Renderer::start(launch).await.unwrap();
        Self {
            folder,
            address,
            token,
            stop,
            master: tokio::spawn(server.run(told(stopped.clone()))),
            node: tokio::spawn(agent::run(config, renderer, told(stopped))),
        }
    }

    pub(crate) async fn farm(&self, arguments: &[&str]) -> Output {
        self.farm_with(&self.address, &self.token, arguments).await
    }

    pub(crate) async fn farm_with(&self, master: &str, token: &str, arguments: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_farm"))
            .args(arguments)
            .env("TESSERA_MASTER", master)
            .env("TESSERA_TOKEN", token)
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap()
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.farm(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.node.await.unwrap().unwrap();
        self.master.await.unwrap().unwrap();
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone is a sign to stop, too.
    let _ = stopped.wait_for(|&stopped| stopped).await;
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
