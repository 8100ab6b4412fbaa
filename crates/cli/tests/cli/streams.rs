//! Streams and webhooks by the command line, with a real master and no gateway.

use serde_json::Value;
use std::process::Output;
use tessera_farm_master::referee::referee;
use tessera_farm_master::{Config, Server, scene::inspect};
use tessera_protocol::stream::Ladder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Master {
    folder: tempfile::TempDir,
    address: String,
    token: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Master {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kernel = tessera_reference::kernel_id();
        let config = Config::new(
            folder.path().join("master"),
            kernel,
            Vec::new(),
            std::sync::Arc::new(inspect),
            referee(1),
        );
        let server = Server::start(config).await.unwrap();
        let address = format!("http://{}", server.address());
        let token = server.new_token().unwrap().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { folder, address, token, stop, running }
    }

    async fn farm(&self, arguments: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_farm"))
            .args(arguments)
            .env("TESSERA_MASTER", &self.address)
            .env("TESSERA_TOKEN", &self.token)
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap()
    }

    async fn text(&self, arguments: &[&str]) -> String {
        let output = self.farm(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat()).await;
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_found_and_ended() {
    let master = Master::start().await;
    assert!(master.text(&["stream", "list"]).await.contains("stream create"));
    let create = "stream create concert --ladder 360p:800k,240p30:400k --latency low --record \
                  --restream rtmp://127.0.0.1/live/their-key";
    let made = master.json(&create.split_whitespace().collect::<Vec<_>>()).await;
    let id = made["stream"]["id"].as_str().unwrap();
    let key = made["key"].as_str().unwrap();
    let spec = &made["stream"]["spec"];
    assert_eq!(spec["latency"], "low");
    assert_eq!(spec["record"], true);
    let ladder: Ladder = serde_json::from_value(spec["ladder"].clone()).unwrap();
    assert_eq!(ladder, "360p:800k,240p30:400k".parse().unwrap());

    // By its name or its id; its key is shown no more.
    for meant in ["concert", id] {
        let shown = master.text(&["stream", "show", meant]).await;
        assert!(shown.contains("idle") && shown.contains(id), "{shown}");
        assert!(!shown.contains(key) && !shown.contains("their-key"), "{shown}");
    }
    assert!(master.text(&["stream", "segments", "concert"]).await.contains("no segments yet"));
    let rotated = master.json(&["stream", "rotate-key", "concert"]).await;
    assert_ne!(rotated["key"], made["key"]);

    let other = master.text(&["stream", "create", "concert", "--preset", "mobile"]).await;
    assert!(other.contains("shown this once"), "{other}");
    let ambiguous = master.farm(&["stream", "show", "concert"]).await;
    assert!(said(&ambiguous).contains("several streams"), "{}", said(&ambiguous));
    let unknown = master.farm(&["stream", "show", "nothing"]).await;
    assert!(said(&unknown).contains("no stream is called"), "{}", said(&unknown));

    assert_eq!(master.json(&["stream", "stop", id]).await["state"], "ended");
    // What has ended is watched to its end at once.
    let watched = master.text(&["stream", "watch", id]).await;
    assert!(watched.contains("ended"), "{watched}");
    assert_eq!(master.json(&["stream", "list"]).await.as_array().unwrap().len(), 2);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_made_tried_and_removed() {
    let master = Master::start().await;
    // Nobody listens there, which the delivery's answer says.
    let made = master.json(&["webhook", "add", "http://127.0.0.1:1/hook"]).await;
    let id = made["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    let listed = master.text(&["webhook", "list"]).await;
    assert!(listed.contains(id) && !listed.contains(secret), "{listed}");
    let ping = master.json(&["webhook", "ping", id]).await;
    let delivery = ping["id"].as_str().unwrap();
    let deliveries = master.text(&["webhook", "deliveries", id]).await;
    assert!(deliveries.contains(delivery) && deliveries.contains("ping"), "{deliveries}");
    let resent = master.json(&["webhook", "resend", id, delivery]).await;
    assert_eq!(resent["id"], ping["id"]);
    master.json(&["webhook", "remove", id]).await;
    assert!(master.text(&["webhook", "list"]).await.contains("webhook add"));
    let gone = master.farm(&["webhook", "ping", id]).await;
    assert_eq!(gone.status.code(), Some(3), "{}", said(&gone));
    master.stop().await;
}
