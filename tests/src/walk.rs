//! People on the portal: a script of `web/e2e`, which Node runs and a real browser follows.

use crate::browser::{chromium, web};
use crate::farm::Farm;
use crate::process::{PATIENCE, program};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a whole script may take: its steps have limits of their own.
const MOST: Duration = PATIENCE.saturating_mul(2);
/// How often it is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What such a script needs of this machine.
#[derive(Debug)]
pub struct Walk {
    chromium: PathBuf,
    packages: PathBuf,
    told: Vec<(&'static str, String)>,
}

impl Walk {
    /// `None`, with a word why, where a browser or what drives it cannot be had.
    pub fn possible() -> Option<Self> {
        let packages = web("node_modules/playwright-core");
        let found = chromium().and_then(|chromium| {
            if packages.exists() {
                Ok(Self { chromium, packages: web(""), told: Vec::new() })
            } else {
                Err(why())
            }
        });
        found.map_err(|why| println!("skipped: {why}")).ok()
    }

    /// The same walk, whose script reads this in its environment.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.told.push((name, value.to_owned()));
        self
    }

    /// Runs a script of `web/e2e` against a farm to its end, and says what it said.
    ///
    /// # Panics
    /// When it fails, with all it said.
    pub async fn take(&self, script: &str, farm: &Farm) -> String {
        self.take_over(&farm.url(), script, farm).await
    }

    /// The same, where the farm answers at another address than its own.
    ///
    /// # Panics
    /// As [`Self::take`].
    pub async fn take_over(&self, url: &str, script: &str, farm: &Farm) -> String {
        let log = farm.log("walk");
        let mut process = self.start(url, script, farm, &log);
        let begun = Instant::now();
        let ended = loop {
            if let Some(status) = process.0.try_wait().expect("it can be asked") {
                break Some(status);
            }
            if begun.elapsed() > MOST {
                break None;
            }
            sleep(LOOK_EVERY).await;
        };
        drop(process);
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(
            ended.is_some_and(|status| status.success()),
            "{script} ended with {ended:?}:\n{said}"
        );
        said
    }

    fn start(&self, url: &str, script: &str, farm: &Farm, log: &Path) -> Group {
        use std::os::unix::process::CommandExt as _;
        let log = fs::File::create(log).expect("a log");
        let programs = program("farm");
        let child = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/e2e").join(script))
            .env("TESSERA_PORTAL", url)
            .env("TESSERA_PROGRAMS", programs.parent().expect("it lies in a folder"))
            .env("TESSERA_FOLDER", farm.path())
            .env("TESSERA_CHROMIUM", &self.chromium)
            .env("TESSERA_PACKAGES", &self.packages)
            .envs(self.told.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("node starts");
        Group(child)
    }
}

fn why() -> String {
    let left = fs::read_to_string(web("walk.missing"));
    left.unwrap_or_else(|_| "playwright-core is not here: run scripts/deps test".to_owned())
        .trim()
        .to_owned()
}

/// A process and all that it started, which are killed when this is dropped, unless it has ended: a script
/// that ends has stopped what it started. Chromium, in a group of its own, ends when its pipe does.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
