//! Scenes are strangers' files: they are read first by a process of their own, that has so much memory and so much
//! of the processor and no more, and that the master outlives whatever it does.
//!
//! The child is this program, called [`COMMAND`]. It gets its limits before it opens a file, reads the job from its
//! standard input, and says what it found in one line of JSON. Its environment is empty, so that none of the
//! master's secrets is in it, and it ends with the master.
//!
//! What was read well once is read again in the master, for quotes and audits: the same bytes, of the same length,
//! by the same code, so it takes what it took here.

use crate::config::{InspectScene, Inspected};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use tessera_protocol::job::JobSpec;

/// What the child is called.
pub const COMMAND: &str = "inspect-scene";
/// Longest answer that is read: warnings are sentences.
const ANSWER_BYTES: u64 = 1 << 20;

/// What reading a scene may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneLimits {
    /// Memory, in megabytes of 2^20 bytes: address space, so a little more than what is used.
    pub memory_mb: u64,
    /// Seconds of one core.
    pub cpu_s: u64,
}

impl Default for SceneLimits {
    fn default() -> Self {
        Self { memory_mb: 8 << 10, cpu_s: 120 }
    }
}

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
enum Found {
    /// The scene can be rendered.
    Seen(Inspected),
    /// It cannot, and why.
    Refused(String),
}

/// Has scenes read by children of `program`, which is this one.
pub fn inspector(program: PathBuf, limits: SceneLimits) -> InspectScene {
    Arc::new(move |scene, environment, spec| {
        let cannot =
            |what: &str, error: std::io::Error| format!("the scene could not be {what}: {error}");
        let mut child = start(&program, limits, scene, environment)
            .map_err(|error| cannot("given to a process that reads it", error))?;
        let answer = converse(&mut child, spec);
        let status = child.wait().map_err(|error| cannot("read", error))?;
        match answer {
            Ok(Found::Seen(seen)) => Ok(seen),
            Ok(Found::Refused(reason)) => Err(reason),
            Err(error) => Err(why_it_ended(status, limits, &error)),
        }
    })
}

fn start(
    program: &Path,
    limits: SceneLimits,
    scene: &Path,
    environment: Option<&Path>,
) -> std::io::Result<Child> {
    Command::new(program)
        .arg(COMMAND)
        .args(["--memory-mb", &limits.memory_mb.to_string()])
        .args(["--cpu-s", &limits.cpu_s.to_string()])
        .arg(scene)
        .args(environment)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

fn converse(child: &mut Child, spec: &JobSpec) -> std::io::Result<Found> {
    let question = serde_json::to_vec(spec)?;
    // Taken, so that it is closed behind the question; a child that is gone already is told by its silence.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(&question);
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn why_it_ended(status: ExitStatus, limits: SceneLimits, error: &std::io::Error) -> String {
    let SceneLimits { memory_mb, cpu_s } = limits;
    let signal = status.signal();
    if signal == Some(Signal::XCPU.as_raw()) || signal == Some(Signal::KILL.as_raw()) {
        return format!(
            "reading the scene takes more than the {cpu_s} s of processor time that this farm gives it; make it \
             simpler: fewer triangles, smaller pictures"
        );
    }
    // Whoever asks for memory that there is none of is ended by itself.
    if signal == Some(Signal::ABORT.as_raw()) {
        return format!(
            "reading the scene takes more than the {memory_mb} MiB of memory that this farm gives it; make it \
             simpler: fewer triangles, smaller pictures"
        );
    }
    format!("the process that reads the scene ended ({status}) and said nothing of use: {error}")
}

/// The child's side.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Memory, in megabytes of 2^20 bytes
    #[arg(long)]
    memory_mb: u64,
    /// Seconds of one core
    #[arg(long)]
    cpu_s: u64,
    /// The scene
    scene: PathBuf,
    /// The environment around it
    environment: Option<PathBuf>,
}

/// Reads a scene as the child, under its limits, and says what it found on standard output.
pub fn answer(arguments: &Arguments) -> anyhow::Result<()> {
    let limit =
        |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::As, arguments.memory_mb.saturating_mul(1 << 20))?;
    // The kernel warns a second before it kills.
    let cpu_s = arguments.cpu_s;
    setrlimit(
        Resource::Cpu,
        Rlimit { current: Some(cpu_s), maximum: Some(cpu_s.saturating_add(1)) },
    )?;
    limit(Resource::Core, 0)?;
    let spec: JobSpec = serde_json::from_reader(std::io::stdin().lock())?;
    let found = match super::inspect(&arguments.scene, arguments.environment.as_deref(), &spec) {
        Ok(seen) => Found::Seen(seen),
        Err(reason) => Found::Refused(reason),
    };
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}
