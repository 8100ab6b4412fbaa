//! What is asked of the operating system, in one place: all else of a node is the same on Linux, macOS and Windows.
//!
//! What only Linux has is apart: the service ([`crate::install`]) and a program that renews itself
//! ([`crate::update`]). Sensors and other people's use of the machine are [`crate::house`]'s.

#[cfg(target_os = "linux")]
mod memory;

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What this program is called.
#[cfg(unix)]
const NAME: &str = "render-node";

/// Ready when the process is told to end: by SIGINT or SIGTERM, on Windows by Ctrl-C, or when its console closes.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    #[cfg(windows)]
    let (mut interrupt, mut terminate) =
        (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_close()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// SIGHUPs, where there are any: "look again".
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signal: Signal,
}

impl Hangups {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// CPU time of this process so far, all threads together; 0 where safe code cannot ask for it.
pub fn cpu_seconds() -> f64 {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
    #[cfg(not(unix))]
    0.0
}

/// Bytes of main memory that a scene may take in this process, or in its helper where there is one: what is free
/// on the machine, within what the process may have of it, and what the process has already, since the next scene
/// takes the place of the one in hand. `None` where the system does not say.
///
/// That is so now: others may want it a moment later, and the process keeps a little of what it has.
pub fn free_memory(helper: &Helper) -> Option<u64> {
    let process = helper.id().map_or_else(|| "self".to_owned(), |id| id.to_string());
    #[cfg(target_os = "linux")]
    let free = memory::free(&process);
    #[cfg(not(target_os = "linux"))]
    let free = {
        let _ = process;
        None
    };
    free
}

/// What this machine is called; `None` if it does not say.
pub fn name() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    Some(name).filter(|name| !name.trim().is_empty())
}

/// What starts this program once more, even where its file was replaced by another release meanwhile, or where it
/// has none.
pub fn this_program() -> io::Result<Command> {
    let running = Path::new("/proc/self/exe");
    if !running.exists() {
        return std::env::current_exe().map(Command::new);
    }
    let mut command = Command::new(running);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, NAME);
    Ok(command)
}

/// Has a child be told nothing of what is typed at this program's terminal: it ends when this program wants it to.
pub fn keep_from_terminal(child: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(child, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(child, CREATE_NEW_PROCESS_GROUP);
    }
}

/// What this program says on its standard output from now on, and nothing else: whatever a library or a driver
/// prints goes to standard error.
pub fn take_stdout() -> io::Result<impl io::Write + Send + 'static> {
    #[cfg(unix)]
    {
        let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(std::fs::File::from(own))
    }
    #[cfg(not(unix))]
    Ok(io::stdout())
}

/// Makes this process one that can be started again: where memory runs out, it is ended before others that may be.
/// Whoever lists processes sees the program's name.
pub fn become_helper() {
    // Where that cannot be said, it is treated and called like everybody.
    #[cfg(target_os = "linux")]
    for (file, text) in [("oom_score_adj", "500"), ("comm", NAME)] {
        let _ = std::fs::write(Path::new("/proc/self").join(file), text);
    }
}

/// Ends this process here and now. What a driver has registered to be done at the end is left out: it may wait for a
/// device that hangs.
pub fn end_at_once() -> ! {
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::exit(0)
}

/// The process, if any, that works for this one: what it uses of the machine is this program's use.
#[derive(Debug, Clone, Default)]
pub struct Helper(Arc<AtomicU32>);

impl Helper {
    /// It is this one from now on.
    pub fn is(&self, id: u32) {
        self.0.store(id, Ordering::Relaxed);
    }

    /// There is none any more.
    pub fn is_gone(&self) {
        self.is(0);
    }

    /// Its process id. No process that is not the kernel's has the number 0.
    pub fn id(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }
}

/// Lets everybody read a file that is this program's own, whatever the umask was.
pub fn let_all_read(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))
    }
    #[cfg(not(unix))]
    {
        // Whoever may read the folder may read what lies in it.
        let _ = file;
        Ok(())
    }
}
