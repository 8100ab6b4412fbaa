//! A viewer: hls.js in a real Chromium, which writes down every frame it shows.
//!
//! A test opens a [`Player`] on a stream of [`test_picture`](crate::test_picture)'s clips, waits
//! until it [has played](Player::has_played) for a while, switches levels, and asks for the
//! [`Report`], whose [`assert_unbroken`](Report::assert_unbroken) is the strong statement: not one
//! frame's time is missing, and none came twice.
//!
//! Reading order: `page.html` (what runs in the browser) → [`report`] → `driver.rs`.

mod driver;
pub mod report;

pub use report::Report;

use crate::browser::web;
use crate::process::{PATIENCE, eventually};
use driver::Browser;
use serde::Deserialize;
use std::fs;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How often a player is asked how far it is: seldom enough to leave it its time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a player plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether it plays parts as they come, close to the stream's end.
    pub low_latency: bool,
    /// The level it begins with, and keeps until it is told another: in hls.js's order, lowest
    /// bandwidth first. `None`: it decides for itself, and goes on doing so.
    pub start_level: Option<usize>,
}

/// A browser that plays a stream. It ends when this is dropped.
pub struct Player {
    browser: Browser,
    page: JoinHandle<()>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Progress {
    /// Frames seen.
    pub frames: usize,
    /// Seconds from the first frame's time to the last one's.
    pub played_s: f64,
    /// Where it is now.
    pub media_s: f64,
    /// Pixels down of what is shown.
    pub height: u32,
    /// Whether the stream is over, and all of it was shown.
    pub ended: bool,
    /// Why hls.js gave up, if it did.
    pub fatal: Option<String>,
}

impl Player {
    /// Opens a multivariant playlist's address, or a media playlist's, and begins to play. Whatever
    /// serves it must let other sites' pages read it (CORS).
    ///
    /// # Panics
    /// If browser or hls.js are not there: `scripts/deps test` brings them.
    pub async fn open(stream: &str, options: Options) -> Self {
        let (address, page) = serve_page().await;
        let browser = Browser::start().await;
        let low = u8::from(options.low_latency);
        let level = options.start_level.map_or(-1, |level| level as i64);
        let stream = escaped(stream);
        browser.open(&format!("http://{address}/?low={low}&level={level}&stream={stream}")).await;
        let player = Self { browser, page };
        if let Some(level) = options.start_level {
            eventually("the player knows the levels", async || {
                let known = player.browser.evaluate("report.level_heights.length").await;
                let fatal = player.progress().await.fatal;
                assert_eq!(fatal, None, "hls.js gave up");
                (known.as_u64()? > level as u64).then_some(())
            })
            .await;
            player.switch_level(level).await;
        }
        player
    }

    /// Takes another level, as by a viewer's choice: what lies further ahead than the next segment is
    /// fetched anew.
    pub async fn switch_level(&self, level: usize) {
        self.browser.evaluate(&format!("switchLevel({level})")).await;
    }

    /// Goes to another time, as by a viewer's hand. The report's frames begin anew there.
    pub async fn seek(&self, media_s: f64) {
        self.browser.evaluate(&format!("seek({media_s})")).await;
    }

    /// How far it is.
    pub async fn progress(&self) -> Progress {
        let progress = self.browser.evaluate("progress()").await;
        serde_json::from_value(progress).expect("what the page says")
    }

    /// Waits until `done` says so.
    ///
    /// # Panics
    /// If hls.js gives up before, or the tests' patience ends; with what the player saw.
    pub async fn until(&self, what: &str, done: impl Fn(&Progress) -> bool) -> Progress {
        let begun = Instant::now();
        loop {
            let progress = self.progress().await;
            if done(&progress) {
                return progress;
            }
            if progress.fatal.is_some() || begun.elapsed() > PATIENCE {
                let Report { errors, stalls, segments, whole, .. } = self.report().await;
                let arrived = segments.iter().rev().take(4).collect::<Vec<_>>();
                panic!(
                    "waited in vain until {what}: {progress:?}\n  hls.js said: {errors:?}\n  \
                     it stood still: {stalls:?}\n  it had: {whole:?}\n  the last that came: \
                     {arrived:?}"
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until it has shown so many seconds of the stream, or all of it.
    pub async fn has_played(&self, seconds: f64) {
        let what = format!("{seconds} s are played");
        self.until(&what, |progress| progress.ended || progress.played_s >= seconds).await;
    }

    /// What it saw so far.
    pub async fn report(&self) -> Report {
        let report = self.browser.evaluate("wholeReport()").await;
        serde_json::from_value(report).expect("what the page says")
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.page.abort();
    }
}

/// Serves the page at an address of its own.
async fn serve_page() -> (std::net::SocketAddr, JoinHandle<()>) {
    use axum::{Router, http::header::CONTENT_TYPE, response::Html, routing::get};
    let hls =
        fs::read_to_string(web("hls.min.js")).expect("hls.js is there: run scripts/deps test");
    let script = ([(CONTENT_TYPE, "text/javascript")], hls);
    let pages = Router::new()
        .route("/", get(async || Html(include_str!("player/page.html"))))
        .route("/hls.min.js", get(async move || script.clone()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("its number");
    let page = tokio::spawn(async move { axum::serve(listener, pages).await.expect("it serves") });
    (address, page)
}

/// An address as a part of another one's query.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}
