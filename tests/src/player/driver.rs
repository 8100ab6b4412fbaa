//! A headless Chromium, driven through ChromeDriver by the few calls of WebDriver that a player
//! needs.

use crate::browser;
use crate::process::Process;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(60);

/// A browser with one page. It ends when this is dropped.
pub(super) struct Browser {
    http: reqwest::Client,
    session: String,
    /// Chromium's own process, which ChromeDriver does not take with it when it is killed.
    chromium: Option<rustix::process::Pid>,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts ChromeDriver and Chromium.
    ///
    /// # Panics
    /// If either is not there, with what to do about it.
    pub(super) async fn start() -> Self {
        let (chromium, driver) = programs();
        let (driver, port) = start_driver(&driver);
        // No proxy of the environment's: the driver is here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(CALL).no_proxy().build().expect("a client");
        let profile = tempfile::tempdir().expect("a folder");
        let base = format!("http://127.0.0.1:{port}/session");
        let answer =
            call(&http, http.post(&base).json(&capabilities(&chromium, profile.path()))).await;
        let id = answer["sessionId"].as_str().expect("a session has an id");
        let process = answer["capabilities"]["goog:processID"].as_i64();
        let process = process.and_then(|id| i32::try_from(id).ok());
        Self {
            session: format!("{base}/{id}"),
            chromium: process.and_then(rustix::process::Pid::from_raw),
            http,
            _driver: driver,
            _profile: profile,
        }
    }

    /// Opens a page.
    pub(super) async fn open(&self, url: &str) {
        let request = self.http.post(format!("{}/url", self.session)).json(&json!({ "url": url }));
        call(&self.http, request).await;
    }

    /// What a line of script gives.
    pub(super) async fn evaluate(&self, script: &str) -> Value {
        let body = json!({ "script": format!("return {script}"), "args": [] });
        let request = self.http.post(format!("{}/execute/sync", self.session)).json(&body);
        call(&self.http, request).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(chromium) = self.chromium {
            // Its other processes end with it.
            let _ = rustix::process::kill_process(chromium, rustix::process::Signal::KILL);
        }
    }
}

/// Chromium and ChromeDriver.
fn programs() -> (PathBuf, PathBuf) {
    let driver = browser::found("TESSERA_CHROMEDRIVER", "/usr/bin/chromedriver", "browser");
    let here = |program: Result<PathBuf, String>| program.unwrap_or_else(|why| panic!("{why}"));
    (here(browser::chromium()), here(driver))
}

/// Starts it on a port of its own choice, which it says.
fn start_driver(program: &Path) -> (Process, u16) {
    let mut child = Command::new(program)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ChromeDriver starts");
    let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
    let process = Process::from(child);
    let mut line = String::new();
    let port = loop {
        line.clear();
        let read = said.read_line(&mut line).expect("ChromeDriver speaks");
        assert!(read > 0, "ChromeDriver ended without saying its port");
        let port = line
            .rsplit_once("successfully on port ")
            .and_then(|(_, port)| port.trim_end().trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            break port;
        }
    };
    // Else it would die of a closed pipe when it speaks again. Ends when ChromeDriver does.
    thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (process, port)
}

fn capabilities(chromium: &Path, profile: &Path) -> Value {
    let flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
    ];
    let profile = format!("--user-data-dir={}", profile.display());
    let flags: Vec<_> = flags.into_iter().chain([profile.as_str()]).collect();
    let options = json!({ "binary": chromium, "args": flags });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": options,
    } } })
}

async fn call(http: &reqwest::Client, request: reqwest::RequestBuilder) -> Value {
    let request = request.build().expect("a request");
    let asked = format!("{} {}", request.method(), request.url());
    let answer = http.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error}"));
    let status = answer.status();
    let mut body: Value = answer.json().await.unwrap_or_else(|error| panic!("{asked}: {error}"));
    let value = body["value"].take();
    assert!(status.is_success(), "{asked}: {status}: {}", value["message"]);
    value
}
