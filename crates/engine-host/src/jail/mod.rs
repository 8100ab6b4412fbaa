//! What the engine does before it reads its first byte: it gives up all that it will not need.
//!
//! Two fences, since each has gaps that the other closes. Seccomp allows the few system calls that
//! computing on threads and talking through open pipes take, and refuses the rest with `EPERM`:
//! libraries that would like to read `/proc/cpuinfo` cope with a refusal, while being killed for it
//! would end a lane. Landlock refuses every path and port to whatever call might slip through.

mod limits;
mod syscalls;

pub use limits::{Limits, LimitsError};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};

/// Bytes of the first thread's stack: what systems give it unless told otherwise.
const STACK: u64 = 8 << 20;

/// What shuts this process in.
#[derive(Debug)]
pub struct Jail {
    /// Whether Landlock refuses all paths and ports: kernels from 5.13 on, unless built without.
    pub landlock: bool,
    /// Whether seccomp refuses all system calls but those on the list.
    pub seccomp: bool,
    /// The file that the parent opened for this process, where there is one.
    pub input: Option<File>,
}

/// Why a process is not shut in. It must read nothing then.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The kernel said no to a step that must not fail.
    #[error("the engine cannot {step}: {source}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// No seccomp, and nobody said that this is all right.
    #[error(
        "the engine cannot shut itself in, since this kernel refuses seccomp filters ({0}): it would \
         read strangers' video with all rights of its user; {flag} allows that",
        flag = Limits::WITHOUT_SECCOMP
    )]
    NoSeccomp(String),
}

/// Shuts this process in for good. To be called before any other thread exists and before anything
/// that a stranger sent is read.
///
/// Every open file but standard input, output, error and `limits.input` is closed.
pub fn enter(limits: &Limits) -> Result<Jail, JailError> {
    close_all_but(limits.input)?;
    // SAFETY: the parent passes the number of a file that it opened for this process alone, and
    // `enter` runs once, so nobody else owns it.
    let input = limits.input.map(|fd| unsafe { File::from_raw_fd(fd) });

    // Where memory runs out, an engine is to go, and not who started it or anybody else. A kernel
    // that does not let it say so decides for itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(step("tie its life to its parent's"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(step("close its memory to others"))?;
    rustix::thread::set_no_new_privs(true).map_err(step("give up gaining rights"))?;
    limit(limits)?;

    let landlock = refuse_paths_and_ports();
    let seccomp = match syscalls::refuse_all_but_the_list() {
        Ok(()) => true,
        Err(_) if limits.without_seccomp => false,
        Err(because) => return Err(JailError::NoSeccomp(because)),
    };
    Ok(Jail { landlock, seccomp, input })
}

fn step<E: Into<std::io::Error>>(step: &'static str) -> impl FnOnce(E) -> JailError {
    move |source| JailError::Step { step, source: source.into() }
}

/// Closes what was inherited: a parent of the parent may have left something open.
fn close_all_but(input: Option<RawFd>) -> Result<(), JailError> {
    let close = |first: u32, last: u32| {
        if first > last {
            return Ok(());
        }
        // SAFETY: the process has only begun, so no file above standard error has an owner yet.
        let failed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0;
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    let closed = match input.and_then(|fd| u32::try_from(fd).ok()) {
        Some(fd) if fd > 2 => close(3, fd - 1).and_then(|()| close(fd + 1, u32::MAX)),
        _ => close(3, u32::MAX),
    };
    closed.map_err(step("close what it inherited"))
}

fn limit(limits: &Limits) -> Result<(), JailError> {
    let at_most = |resource, most: u64, what| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(step(what))
    };
    // Private writable memory. Not the address space: that counts what allocators and threads
    // merely reserve, several times what they use. Shared memory, which this would miss, cannot be
    // mapped, nor can memory that grows as a stack does. The one stack that does, the first
    // thread's, has its own limit. The number of threads has none: the kernel counts them by user,
    // those of all programs together, and root's not at all. That is for the container or unit in
    // which all engines run (pids.max, TasksMax).
    let stack = getrlimit(Resource::Stack).maximum.map_or(STACK, |most| most.min(STACK));
    at_most(Resource::Stack, stack, "limit its stack")?;
    at_most(Resource::Data, limits.memory, "limit its memory")?;
    at_most(Resource::Fsize, 0, "give up writing files")?;
    at_most(Resource::Core, 0, "give up dumping core")?;
    at_most(Resource::Nofile, 16, "limit its open files")?;
    if limits.nice > 0 {
        nice(i32::from(limits.nice)).map_err(step("lower its priority"))?;
    }
    Ok(())
}

/// Whether Landlock now refuses everything it can.
fn refuse_paths_and_ports() -> bool {
    let newest = ABI::V7;
    let refused = Ruleset::default()
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    refused.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}
