//! One engine: its process, and the lane under way on it.

mod death;
mod lane;
mod process;
mod spawn;

pub use lane::{Lane, LaneReceiver, LaneSender};

use crate::Limits;
use process::Process;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use tessera_media::task::Task;

/// How engines are started and watched.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The program: `transcode-engine`.
    pub program: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// CPU time, of all threads together, that it may take without a byte going in or out.
    pub cpu: Duration,
    /// Time that it may take without a byte going in or out while it has something to do.
    pub patience: Duration,
    /// What follows the limits on its command line: nothing, but for tests.
    pub arguments: Vec<String>,
}

impl EngineConfig {
    /// This program under usual limits.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            limits: Limits::default(),
            cpu: Duration::from_secs(60),
            patience: Duration::from_secs(20),
            arguments: vec![],
        }
    }
}

/// Why a lane, or a whole engine, is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no such program.
    #[error(
        "there is no transcode-engine beside this program ({0}): install it there, or build it by \
         cargo build --release -p tessera-engine"
    )]
    Missing(PathBuf),
    /// It did not start.
    #[error("cannot start the engine {program}: {because}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        because: String,
    },
    /// Its process ended in the middle.
    #[error("the engine {how}{}", and_said(.last_words))]
    Died {
        /// How, as the end of a sentence.
        how: String,
        /// The last line on its standard error; empty if it said nothing.
        last_words: String,
    },
    /// It had something to do, and did nothing. Its process was killed.
    #[error("the engine neither read nor wrote for {} s, and was killed", .0.as_secs())]
    Stalled(Duration),
    /// It said what an engine never says. Its process was killed.
    #[error("the engine sent what is not allowed, and was killed: {0}")]
    Nonsense(String),
    /// It could not do the task, and says why.
    #[error("{0}")]
    Failed(String),
    /// A message longer than [`tessera_media::wire`] allows was to be sent; it was not.
    #[error("a message is too long for the engine")]
    TooLong,
    /// The lane is over already: its receiver says how it ended.
    #[error("the engine's lane is over")]
    Over,
}

fn and_said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(", and said last: {words}") }
}

/// A running engine without a task. Dropping it ends its process.
#[derive(Debug)]
pub struct Engine {
    process: Process,
    next_lane: u32,
}

impl Engine {
    /// Starts one. It is jailed some milliseconds later; nothing needs to wait for that.
    pub async fn start(config: &EngineConfig) -> Result<Self, EngineError> {
        Ok(Self { process: Process::start(config, None).await?, next_lane: 1 })
    }

    /// Starts one that finds `input` open: the only file it will ever read.
    pub async fn start_with(config: &EngineConfig, input: &File) -> Result<Self, EngineError> {
        Ok(Self { process: Process::start(config, Some(input)).await?, next_lane: 1 })
    }

    /// Gives it a task.
    pub fn lane(self, task: Task) -> Lane {
        Lane::begin(self, task, None, Box::new(drop))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether its process has not ended yet.
    pub(crate) fn lives(&mut self) -> bool {
        self.process.lives()
    }
}

/// Where the engine lies: in the folder of the running program, or, for a test or an example, in the
/// one above.
pub fn program_beside_this_one() -> Result<PathBuf, EngineError> {
    const NAME: &str = "transcode-engine";
    let here = std::env::current_exe().unwrap_or_default();
    let built_below =
        |folder: &&std::path::Path| !folder.ends_with("deps") && !folder.ends_with("examples");
    let folder = here.ancestors().skip(1).find(built_below).unwrap_or(&here);
    let program = folder.join(NAME);
    if program.is_file() { Ok(program) } else { Err(EngineError::Missing(folder.to_owned())) }
}
