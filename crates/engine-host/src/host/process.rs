//! The child process: its pipes, its last words, what it may still use.

use super::{EngineConfig, EngineError, death, spawn};
use crate::Limits;
use bytes::BytesMut;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tessera_media::wire::{Body, Decoder, Message, encode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

/// Bytes on their way to a child, besides what its pipe holds.
const QUEUE: usize = 4 << 20;
/// Bytes asked of a child's pipe at once.
const READ: usize = 64 << 10;
/// How long a process that closed its output may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);
/// Longest line of a child's that is kept, in bytes.
const LONGEST_LINE: u64 = 1000;
/// Lines of a child's that are passed on; a flood says nothing new.
const MOST_LINES: usize = 1000;

/// A child with its pipes.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: Pid,
    stdout: ChildStdout,
    decoder: Decoder,
    queue: Queue,
    progress: Arc<Progress>,
    last_words: Arc<Mutex<String>>,
    stderr: JoinHandle<()>,
    patience: Duration,
}

/// The way to a child; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    messages: mpsc::UnboundedSender<(Message, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// When a byte went in or out last, and whether the child owes one.
#[derive(Debug)]
struct Progress {
    pid: Pid,
    cpu: Duration,
    last: Mutex<Instant>,
    renewed: Mutex<Option<Instant>>,
    /// A write to it waits.
    full: AtomicBool,
    /// It was told that nothing more comes.
    ended: AtomicBool,
}

impl Process {
    pub(super) async fn start(
        config: &EngineConfig,
        input: Option<&File>,
    ) -> Result<Self, EngineError> {
        let refused = |because: std::io::Error| EngineError::Start {
            program: config.program.clone(),
            because: because.to_string(),
        };
        let input = input.map(inheritable).transpose().map_err(refused)?;
        let limits =
            Limits { input: input.as_ref().map(AsRawFd::as_raw_fd), ..config.limits.clone() };
        let mut command = Command::new(&config.program);
        command
            .args(limits.to_args())
            .args(&config.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the parent, which ends its work in good order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = spawn::spawn(command).await.map_err(refused)?;
        drop(input);

        let dead = || refused(std::io::Error::other("it ended at once"));
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or_else(dead)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(refused(std::io::Error::other("its pipes are missing")));
        };
        let progress = Arc::new(Progress::new(pid, config.cpu));
        let last_words = Arc::new(Mutex::new(String::new()));
        let (messages, queued) = mpsc::unbounded_channel();
        tokio::spawn(write(stdin, queued, Arc::clone(&progress)));
        Ok(Self {
            pid,
            stdout,
            decoder: Decoder::default(),
            queue: Queue { messages, room: Arc::new(Semaphore::new(QUEUE)) },
            stderr: tokio::spawn(listen(stderr, pid, Arc::clone(&last_words))),
            progress,
            last_words,
            patience: config.patience,
            child,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The clock of progress starts anew: a lane begins.
    pub(super) fn begin(&self) {
        self.progress.ended.store(false, Relaxed);
        self.progress.made();
    }

    /// The next message. After an error the process is of no more use. May be dropped and called
    /// again.
    pub(super) async fn receive(&mut self) -> Result<Message, EngineError> {
        loop {
            match self.decoder.next_message() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(nonsense) => return Err(self.nonsense(nonsense.to_string())),
            }
            self.decoder.buffer().reserve(READ);
            let due = self.progress.last() + self.patience;
            let read = self.stdout.read_buf(self.decoder.buffer());
            match timeout_at(due.max(Instant::now() + Duration::from_millis(50)).into(), read).await
            {
                Ok(Ok(0) | Err(_)) => return Err(self.obituary().await),
                Ok(Ok(_)) => self.progress.made(),
                Err(_) if self.progress.owes_since() > Some(self.patience) => {
                    let _ = self.child.start_kill();
                    return Err(EngineError::Stalled(self.patience));
                }
                Err(_) => self.progress.waited(),
            }
        }
    }

    /// Ends it for what it said.
    pub(super) fn nonsense(&mut self, what: String) -> EngineError {
        let _ = self.child.start_kill();
        EngineError::Nonsense(what)
    }

    /// How it ended, once its output is closed.
    async fn obituary(&mut self) -> EngineError {
        let how = match timeout(END_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) => death::words(status),
            Ok(Err(error)) => format!("is lost: {error}"),
            Err(_) => {
                let _ = self.child.start_kill();
                "closed its output, and was killed".to_owned()
            }
        };
        // Its last line may still be on the way here.
        let _ = timeout(END_WITHIN, &mut self.stderr).await;
        let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        EngineError::Died { how, last_words }
    }
}

/// A second handle on `file` that a child inherits. A child of somebody else's that is started in
/// this moment would inherit it too; an engine closes what is not its own.
fn inheritable(file: &File) -> std::io::Result<File> {
    let file = file.try_clone()?;
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

impl Queue {
    /// The first message of a lane: it waits for nothing, and an engine that is gone is found by
    /// whoever receives.
    pub(super) fn begin(&self, message: Message) {
        if let Ok(nothing) = Arc::clone(&self.room).try_acquire_many_owned(0) {
            let _ = self.messages.send((message, nothing));
        }
    }

    /// Waits for room. Messages arrive in the order in which their sends began.
    pub(super) async fn send(&self, message: Message) -> Result<(), EngineError> {
        if !message.body.fits() {
            return Err(EngineError::TooLong);
        }
        let weight = message.body.weight().min(QUEUE) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await;
        let room = room.map_err(|_| EngineError::Over)?;
        self.messages.send((message, room)).map_err(|_| EngineError::Over)
    }
}

/// Writes what is queued until the child no longer reads.
async fn write(
    mut stdin: ChildStdin,
    mut queued: mpsc::UnboundedReceiver<(Message, OwnedSemaphorePermit)>,
    progress: Arc<Progress>,
) {
    let mut bytes = BytesMut::new();
    while let Some((message, room)) = queued.recv().await {
        bytes.clear();
        encode(&message, &mut bytes);
        let mut rest = &bytes[..];
        progress.full.store(true, Relaxed);
        while !rest.is_empty() {
            match stdin.write(rest).await {
                Ok(n) if n > 0 => rest = &rest[n..],
                _ => return,
            }
            progress.made();
        }
        progress.full.store(false, Relaxed);
        if message.body == Body::End {
            progress.ended.store(true, Relaxed);
        }
        drop(room);
    }
}

/// Passes a child's lines on and remembers the last.
async fn listen(stderr: ChildStderr, pid: Pid, last_words: Arc<Mutex<String>>) {
    let mut stderr = BufReader::new(stderr);
    for said in 0.. {
        let mut line = vec![];
        match (&mut stderr).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line).trim().replace(char::is_control, " ");
        if line.is_empty() {
            continue;
        }
        if said < MOST_LINES {
            tracing::debug!(engine = pid.as_raw_nonzero(), "{line}");
        }
        // How to see more of a panic is the last line of each, and not what happened.
        if !line.starts_with("note: ") {
            *last_words.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}

impl Progress {
    fn new(pid: Pid, cpu: Duration) -> Self {
        let progress = Self {
            pid,
            cpu,
            last: Mutex::new(Instant::now()),
            renewed: Mutex::new(None),
            full: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        };
        progress.made();
        progress
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A byte went in or out. The kernel is told how much CPU time the child may have used when the
    /// next one must: it keeps to that even if this process is dead.
    fn made(&self) {
        let now = Instant::now();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.is_none_or(|before| now - before > Duration::from_secs(1)) {
            *renewed = Some(now);
            if let Some(used) = cpu_used(self.pid) {
                let current = Some((used + self.cpu).as_secs().max(1));
                let maximum = getrlimit(Resource::Cpu).maximum;
                // A process that has just ended has no limits.
                let _ = prlimit(Some(self.pid), Resource::Cpu, Rlimit { current, maximum });
            }
        }
    }

    /// Somebody waits for it in vain; that counts only while it has something to do.
    fn waited(&self) {
        if self.owes_since().is_none() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// How long it has not done what it has to.
    fn owes_since(&self) -> Option<Duration> {
        let owes = self.full.load(Relaxed) || self.ended.load(Relaxed);
        owes.then(|| self.last().elapsed())
    }
}

/// CPU time of all threads of a process.
fn cpu_used(pid: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, in parentheses, may contain anything; the 14th and 15th field follow it.
    let fields = stat.rsplit_once(')')?.1;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>().ok()?.iter().sum();
    // The kernel counts in hundredths for user space, whatever its own clock.
    Some(Duration::from_millis(ticks * 10))
}
