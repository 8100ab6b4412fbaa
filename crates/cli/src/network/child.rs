//! One process of the farm: started, watched, started again when it dies, stopped.

use crate::show::{Voice, numbers};
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tessera_client::Backoff;
use tokio::process::{Child, Command};

/// How long a process may take to stop by itself: a node drops its work within a second, the master
/// ends its writes.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A process that lived this long was well; its next end begins a new series of waits.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// How much of a log is searched for the last thing a process said.
const LOG_TAIL_BYTES: u64 = 4096;

/// How to start a process.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// What people call it.
    pub name: String,
    /// The program, and what it is told.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A process that is kept running.
pub(crate) struct Supervised {
    recipe: Recipe,
    child: Child,
    started: Instant,
    backoff: Backoff,
}

impl Supervised {
    pub(crate) fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let child = spawn(&recipe)?;
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        Ok(Self { recipe, child, started: Instant::now(), backoff })
    }

    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    /// Replaces what the process is told from its next start on.
    pub(crate) fn set_arguments(&mut self, arguments: Vec<OsString>) {
        self.recipe.arguments = arguments;
    }

    /// Fails if the process has ended already: for the time in which it has yet to prove itself.
    pub(crate) fn expect_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{}", self.obituary(status)),
            None => Ok(()),
        }
    }

    /// Keeps the process running for ever: says when it ends, waits, starts it again. Dropping the
    /// future leaves the process as it is.
    pub(crate) async fn keep_running(&mut self, voice: Voice) -> Infallible {
        loop {
            let status = match self.child.wait().await {
                Ok(status) => status,
                Err(error) => {
                    voice.remark(&format!("cannot watch {}: {error}", self.recipe.name));
                    return std::future::pending().await;
                }
            };
            if self.started.elapsed() >= WELL_AFTER {
                self.backoff.reset();
            }
            let wait = self.backoff.next_wait();
            voice.remark(&format!(
                "{}; starting it again in {}",
                self.obituary(status),
                numbers::duration(wait)
            ));
            tokio::time::sleep(wait).await;
            match spawn(&self.recipe) {
                Ok(child) => {
                    self.child = child;
                    self.started = Instant::now();
                }
                // The ended process is waited for once more, which returns at once, and the wait
                // before the next try is longer.
                Err(error) => voice.remark(&format!("{error:#}")),
            }
        }
    }

    /// Asks the process to stop, and stops it where it does not.
    pub(crate) async fn stop(&mut self, voice: Voice) {
        let Some(id) = self.child.id() else { return };
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // An error means that it has just ended, which is what is wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            voice.remark(&format!(
                "{} did not stop within {}; it is killed, which loses nothing that was acknowledged",
                self.recipe.name,
                numbers::duration(STOP_WITHIN)
            ));
            let _ = self.child.kill().await;
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let (name, log) = (&self.recipe.name, self.recipe.log.display());
        // Who was killed had no time to say why.
        match self.last_words().filter(|_| status.code().is_some()) {
            Some(words) => format!("{name} ended ({status}): {words} (more in {log})"),
            None => format!("{name} ended ({status}); its log is {log}"),
        }
    }

    /// The last line that the process wrote.
    fn last_words(&self) -> Option<String> {
        let mut file = std::fs::File::open(&self.recipe.log).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES))).ok()?;
        let mut tail = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut tail).ok()?;
        let tail = String::from_utf8_lossy(&tail);
        tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_string)
    }
}

fn spawn(recipe: &Recipe) -> anyhow::Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        // The master's first words in it are the operator's token.
        .mode(0o600)
        .open(&recipe.log)
        .with_context(|| format!("cannot write {}", recipe.log.display()))?;
    let errors = log.try_clone()?;
    let mut command = Command::new(&recipe.program);
    command
        .args(&recipe.arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Of its own group, so that Ctrl-C reaches `farm up` alone, which stops all in order.
        .process_group(0)
        .kill_on_drop(true);
    die_with_parent(&mut command);
    command.spawn().with_context(|| format!("cannot start {}", recipe.program.display()))
}

/// Has the system end the process when this one ends in whatever way, SIGKILL included.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let in_the_child = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        // The parent may have died before the line above; then nothing would tell the child.
        match rustix::process::getppid() {
            Some(now) if now == parent => Ok(()),
            _ => Err(std::io::ErrorKind::NotConnected.into()),
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls and touches no memory of
    // other threads: it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(in_the_child);
    }
}

/// Only Linux can be told; elsewhere a farm whose `farm up` was killed is stopped by hand.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(folder: &std::path::Path, script: &str) -> Recipe {
        Recipe {
            name: "the test's process".into(),
            program: "/bin/sh".into(),
            arguments: ["-c", script].map(OsString::from).to_vec(),
            log: folder.join("log"),
        }
    }

    #[tokio::test]
    async fn a_process_that_ends_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let starts = folder.path().join("starts");
        let script =
            format!("echo x >> {}; [ $(wc -l < {0}) -lt 2 ] || sleep 600", starts.display());
        let mut child = Supervised::start(recipe(folder.path(), &script)).unwrap();
        let twice = async {
            while std::fs::read_to_string(&starts).unwrap_or_default().lines().count() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = child.keep_running(Voice::new(true)) => match never {},
            () = twice => {}
        }
        child.expect_running().unwrap();
        child.stop(Voice::new(true)).await;
        assert!(child.expect_running().is_err());
    }

    #[tokio::test]
    async fn nobody_else_reads_what_a_process_says() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut child = Supervised::start(recipe(folder.path(), "echo a token")).unwrap();
        child.child.wait().await.unwrap();
        let mode = folder.path().join("log").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_told_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Supervised::start(recipe(
            folder.path(),
            "echo first; echo no such adapter >&2; exit 3",
        ))
        .unwrap();
        child.child.wait().await.unwrap();
        let told = child.expect_running().unwrap_err().to_string();
        assert!(told.contains("no such adapter") && told.contains("exit status: 3"), "{told}");
    }
}
