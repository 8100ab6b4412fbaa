//! A whole Debian to install things on: this machine below a layer of its own, which is thrown away, and of
//! which every changed file is seen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Said after each command's output.
const END: &str = "this command has ended with";

/// A shell in a mount namespace of its own, where `m` is this machine below a layer of its own, `t/u`.
#[derive(Debug)]
pub struct Machine {
    shell: Child,
    told: ChildStdin,
    said: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Machine {
    /// `None`, with a word why, where this user or kernel makes no such thing.
    pub fn possible() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("unshare")
            .args(["--mount", "--fork", "--kill-child", "sh", "-s"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (told, said) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut machine = Self { shell, told, said: BufReader::new(said), folder };
        let made = machine.run(
            "mkdir t m && mount -t tmpfs t t && mkdir t/u t/w && \
             mount -t overlay overlay -o lowerdir=/,upperdir=t/u,workdir=t/w m && \
             mount --rbind /proc m/proc && mount --rbind /dev m/dev && mount --bind . m/mnt && \
             chroot m sh -c 'command -v curl || command -v wget'",
        );
        match made {
            Some((fetcher, 0)) => {
                println!("fetching by {}", fetcher.trim());
                Some(machine)
            }
            _ => {
                println!(
                    "skipped: no overlay of this machine can be made here, or nothing fetches"
                );
                None
            }
        }
    }

    /// `/mnt` of the machine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a command says, and its status; `None` if the shell is gone.
    pub fn run(&mut self, command: &str) -> Option<(String, i32)> {
        writeln!(
            self.told,
            "{{ {command}\n}} 2>&1 </dev/null; status=$?; echo; echo \"{END} $status\""
        )
        .ok()?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(status) = line.strip_prefix(END) {
                return Some((said, status.trim().parse().unwrap()));
            }
            said.push_str(&line);
        }
    }

    /// The same on the machine, where it must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn succeeds(&mut self, command: &str) -> String {
        let quoted = command.replace('\'', r"'\''");
        let (said, status) = self.run(&format!("chroot m sh -c '{quoted}'")).unwrap();
        assert_eq!(status, 0, "{command} said\n{said}");
        said
    }

    /// What is there now and was not, or is otherwise than it was; but for `/run`, which is in memory.
    pub fn changed(&mut self) -> Vec<String> {
        let (said, _) = self
            .run(
                "(cd t/u && find . -mindepth 1 ! -path './run/*' | sort) | while read -r path; do \
                 [ -d \"t/u/$path\" ] && [ -d \"/$path\" ] || echo \"${path#.}\"; done",
            )
            .unwrap();
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
