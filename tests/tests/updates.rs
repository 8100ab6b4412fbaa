//! A node's program renews itself, and comes back to the one before if the new one does not join: with a real
//! master and real nodes, which something starts again whenever they end, as systemd would.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use world::farm::Farm;
use world::process::{eventually, program};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// A service that ends more often than any test wants is broken.
const ENDS_MOST: usize = 12;
/// How a node ends that wants to be started again, as the unit's `RestartForceExitStatus=` has it.
const AGAIN: Option<i32> = Some(75);

/// A node, and what starts it again.
struct Service {
    log: PathBuf,
    now: Arc<Mutex<Now>>,
    keeper: JoinHandle<()>,
}

#[derive(Default)]
struct Now {
    process: Option<u32>,
    /// With which status it ended each time; none where it was killed.
    ended: Vec<Option<i32>>,
}

impl Service {
    fn start(farm: &Farm, key: &Path) -> Self {
        let log = farm.log("node");
        let (url, token, state) = (farm.url(), farm.token_file(), farm.path().join("node"));
        let (key, said) = (key.to_owned(), log.clone());
        let now = Arc::new(Mutex::new(Now::default()));
        let seen = now.clone();
        let keeper = tokio::spawn(async move {
            while seen.lock().unwrap().ended.len() < ENDS_MOST {
                let said = std::fs::OpenOptions::new().create(true).append(true).open(&said);
                let mut child = tokio::process::Command::new(program("render-node"))
                    .args(["run", "--master", &url, "--name", "a node", "--threads", "2"])
                    .args(["--token-file".as_ref(), token.as_os_str()])
                    .args(["--update-key".as_ref(), key.as_os_str()])
                    .args(["--state".as_ref(), state.as_os_str()])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(said.unwrap())
                    .kill_on_drop(true)
                    .spawn()
                    .unwrap();
                seen.lock().unwrap().process = child.id();
                let status = child.wait().await.unwrap();
                seen.lock().unwrap().ended.push(status.code());
            }
        });
        Self { log, now, keeper }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the node has said this, that often.
    async fn says(&self, words: &str, times: usize) {
        eventually(words, async || {
            if self.now.lock().unwrap().ended.len() >= ENDS_MOST {
                panic!("it ends again and again, and never said {words:?}:\n{}", self.text());
            }
            (self.text().matches(words).count() >= times).then_some(())
        })
        .await;
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let process = self.now.lock().unwrap().process.unwrap();
        let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Has it ask for releases; it has to have asked once before.
    fn asks(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn ended(&self) -> Vec<Option<i32>> {
        self.now.lock().unwrap().ended.clone()
    }

    /// Which file runs; one in memory has a name as well.
    fn runs(&self) -> String {
        let process = self.now.lock().unwrap().process.unwrap();
        std::fs::read_link(format!("/proc/{process}/exe")).unwrap().display().to_string()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // With the task goes the child, which is killed.
        self.keeper.abort();
    }
}

/// What an operator does: a key, and signatures.
struct Operator {
    folder: PathBuf,
}

impl Operator {
    fn new(folder: &Path) -> Self {
        let operator = Self { folder: folder.to_owned() };
        let public = operator.render_node(&["release", "keygen", "release.key"]);
        std::fs::write(operator.folder.join("update-key"), public).unwrap();
        std::fs::copy(program("render-node"), operator.offered()).unwrap();
        operator
    }

    fn render_node(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("render-node"));
        let output = command.args(arguments).current_dir(&self.folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn offered(&self) -> PathBuf {
        self.folder.join("offered")
    }

    fn signs(&self, version: &str) {
        let order = ["release", "sign", "--key", "release.key", "--version", version, "offered"];
        self.render_node(&order);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_joins_is_kept_and_one_that_dies_is_rolled_back() {
    let farm = Farm::new(HEARTBEAT);
    let operator = Operator::new(farm.path());
    let _master = farm.start_master_with(&["--node-program", operator.offered().to_str().unwrap()]);
    let client = farm.client().await;
    let node = Service::start(&farm, &farm.path().join("update-key"));
    node.says("the farm offers none", 1).await;
    assert_eq!(node.runs(), program("render-node").display().to_string());

    operator.signs("0.2.0");
    node.asks();
    node.says("release 0.2.0 has joined, and is kept", 1).await;
    node.says("this node is release 0.2.0, and the farm offers 0.2.0", 1).await;
    assert_eq!(node.ended(), [AGAIN]);
    assert!(node.runs().starts_with("/memfd:render-node"), "{}", node.runs());

    // As well signed as any, and good for nothing.
    std::fs::copy("/bin/false", farm.path().join("next")).unwrap();
    std::fs::rename(farm.path().join("next"), operator.offered()).unwrap();
    operator.signs("0.3.0");
    node.asks();
    node.says("release 0.3.0 was started 3 times and never joined: rolled back", 1).await;
    node.says("0.3.0, which did not join here: not taken again", 1).await;
    assert_eq!(node.ended(), [AGAIN, AGAIN, Some(1), Some(1), Some(1)]);
    assert!(node.runs().starts_with("/memfd:render-node"), "{}", node.runs());
    node.asks();
    node.says("0.3.0, which did not join here: not taken again", 2).await;
    let text = node.text();
    assert_eq!(text.matches("fetching release 0.3.0").count(), 1, "{text}");
    assert_eq!(text.matches("running release 0.2.0 out of slot a").count(), 2, "{text}");

    // Whoever writes into the state folder does not thereby decide what runs.
    std::fs::copy("/bin/false", farm.path().join("node/program/a")).unwrap();
    node.signal(rustix::process::Signal::KILL);
    node.says("release 0.2.0 cannot be run", 1).await;
    node.says("0.3.0, which did not join here: not taken again", 3).await;
    assert_eq!(node.runs(), program("render-node").display().to_string());
    let nodes = client.nodes().await.unwrap();
    assert_eq!(nodes.len(), 1, "it was the same node all the time: {nodes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_offers_no_signature_that_is_of_another_program() {
    let farm = Farm::new(HEARTBEAT);
    let operator = Operator::new(farm.path());
    let _master = farm.start_master_with(&["--node-program", operator.offered().to_str().unwrap()]);
    farm.client().await;
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("{}/{path}", farm.url())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, script) = ask("install.sh").await;
    assert_eq!(status, 200);
    assert!(script.contains("\nupdate_key=''\n"), "{script}");
    assert_eq!(ask("downloads/render-node.sig").await.0, 404);

    operator.signs("0.2.0");
    let key = std::fs::read_to_string(farm.path().join("update-key")).unwrap();
    let (_, script) = ask("install.sh").await;
    assert!(script.contains(&format!("\nupdate_key='{}'\n", key.trim())), "{script}");
    let (status, release) = ask("downloads/render-node.sig").await;
    let release: serde_json::Value = serde_json::from_str(&release).unwrap();
    assert_eq!((status, release["version"].as_str()), (200, Some("0.2.0")));

    std::fs::copy("/bin/false", operator.offered()).unwrap();
    for path in ["install.sh", "downloads/render-node.sig"] {
        let (status, said) = ask(path).await;
        assert!(status == 404 && said.contains("sign it again"), "{path}: {status} {said}");
    }
}
