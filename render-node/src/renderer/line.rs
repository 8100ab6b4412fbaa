//! How a renderer is started, and the line to it.

use super::serve::{Opened, serve};
use super::wire::{self, Said, Told};
use crate::machine::{self, Helper};
use crate::render::Backend;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc as later;

/// What the program is called with to be a renderer.
pub const COMMAND: &str = "renderer";
/// The node's own secrets and settings are in variables that begin with this. A renderer gets none of them.
const OWN_VARIABLES: &str = "TESSERA_";
/// Messages that wait to be looked at: the rendering waits, too, while they do.
const WAITING: usize = 4;
/// How long an ended process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// Starts renderers, one after the other.
pub struct Launch(Box<dyn FnMut() -> io::Result<Ends> + Send>);

/// Both ends of a line, and what is at the other end.
struct Ends {
    told: Box<dyn Write + Send>,
    said: Box<dyn Read + Send>,
    process: Option<Process>,
}

impl Launch {
    /// Starts this program again, with `words` that say which device. Its process is always `helper`'s.
    pub fn processes(words: Vec<OsString>, helper: Helper) -> Self {
        Self(Box::new(move || {
            let mut command = machine::this_program()?;
            command.arg(COMMAND).args(&words).stdin(Stdio::piped()).stdout(Stdio::piped());
            let own = std::env::vars_os().map(|(name, _)| name);
            for name in own.filter(|name| name.to_string_lossy().starts_with(OWN_VARIABLES)) {
                command.env_remove(name);
            }
            machine::keep_from_terminal(&mut command);
            let mut child = command.spawn()?;
            helper.is(child.id());
            let ends = child.stdin.take().zip(child.stdout.take());
            let process = Process { child: Some(child), helper: helper.clone() };
            let (told, said) = ends.ok_or_else(|| io::Error::other("it has no pipes"))?;
            let (told, said) = (Box::new(told), Box::new(said));
            Ok(Ends { told, said, process: Some(process) })
        }))
    }

    /// Renders on a thread of this process, each time with another backend: for tests. What hangs there is not got
    /// rid of.
    pub fn threads<B: Backend + 'static>(mut make: impl FnMut() -> B + Send + 'static) -> Self {
        Self(Box::new(move || {
            let (told_here, told) = io::pipe()?;
            let (said, said_here) = io::pipe()?;
            let backend: Box<dyn Backend> = Box::new(make());
            let opened = Opened { backend, conformance: vec![] };
            std::thread::spawn(move || serve(|| Ok(opened), told_here, said_here, || ()));
            Ok(Ends { told: Box::new(told), said: Box::new(said), process: None })
        }))
    }

    pub(super) fn launch(&mut self) -> io::Result<Line> {
        let Ends { mut told, mut said, process } = self.0()?;
        let (tell, to_tell) = mpsc::channel::<Told>();
        std::thread::spawn(move || {
            // Ends with the line, or when the renderer has ended.
            to_tell.into_iter().try_for_each(|message| wire::write(&mut told, &message, &[]))
        });
        let (hear, heard) = later::channel(WAITING);
        std::thread::spawn(move || {
            loop {
                let message = match wire::read(&mut said) {
                    Ok(Some(message)) => message,
                    Ok(None) => return,
                    Err(error) => {
                        let _ = hear.blocking_send(Err(error));
                        return;
                    }
                };
                if hear.blocking_send(Ok(message)).is_err() {
                    return;
                }
            }
        });
        Ok(Line { tell, heard, device_memory: None, process })
    }
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Launch")
    }
}

/// The line to a renderer that runs. When it is dropped, the renderer ends.
#[derive(Debug)]
pub(super) struct Line {
    tell: mpsc::Sender<Told>,
    heard: later::Receiver<io::Result<(Said, Vec<u8>)>>,
    device_memory: Option<u64>,
    process: Option<Process>,
}

impl Line {
    /// Tells it something. That it has ended is learnt by [`Line::hear`].
    pub(super) fn tell(&self, message: Told) {
        let _ = self.tell.send(message);
    }

    /// To tell it something later.
    pub(super) fn teller(&self) -> mpsc::Sender<Told> {
        self.tell.clone()
    }

    /// What it said last of [`Said::Memory`].
    pub(super) fn device_memory(&self) -> Option<u64> {
        self.device_memory
    }

    /// What it says next, or how it ended. Nothing is lost when the future is dropped.
    pub(super) async fn hear(&mut self) -> Result<(Said, Vec<u8>), String> {
        loop {
            match self.heard.recv().await {
                Some(Ok((Said::Memory(memory), _))) => self.device_memory = memory,
                Some(Ok(message)) => return Ok(message),
                Some(Err(error)) => return Err(format!("what it said is no message: {error}")),
                None => break,
            }
        }
        Err(match &mut self.process {
            Some(process) => process.how_it_ended().await,
            None => "it ended".to_owned(),
        })
    }
}

/// A renderer's process, which ends with this.
#[derive(Debug)]
struct Process {
    /// Nothing only while it is dropped.
    child: Option<Child>,
    helper: Helper,
}

impl Process {
    async fn how_it_ended(&mut self) -> String {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < GONE_WITHIN {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return format!("its process ended ({status})");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        "it fell silent".to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.helper.is_gone();
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        // A process that hangs in its driver may take long to be gone.
        std::thread::spawn(move || child.wait());
    }
}
