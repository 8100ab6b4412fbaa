//! Messages in, messages out: the pipes, and the loop that hands out lanes.
//!
//! Three threads: one reads and takes messages apart, one does the lanes, one writes. Between them
//! are short queues, so an engine that works slowly makes its parent wait. A parent must therefore
//! read what comes back while it writes.

use crate::error::Trouble;
use crate::{compare, demux, ladder, thumbnail};
use bytes::BytesMut;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tessera_media::task::Task;
use tessera_media::wire::{self, Body, Lane, Message, WireError};

/// Messages that wait to be worked on. Each may take [`wire::MAX_MEDIA`], so few.
const WAITING_IN: usize = 8;
/// Messages that wait to be written.
const WAITING_OUT: usize = 64;
/// Bytes that are read at once.
const READ: usize = 64 << 10;
/// Bytes after which a write is due even if more is ready.
const WRITE: usize = 256 << 10;

/// Does what `input` asks until it ends. Messages that nobody asked for, as what still arrives for
/// a lane that has failed, are passed over.
///
/// # Errors
/// If what arrives is no message, or the pipes break. A lane that fails says so on `output` and is
/// no error here.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    file: Option<&File>,
) -> anyhow::Result<()> {
    let (give, take) = sync_channel(WAITING_IN);
    thread::spawn(move || read_all(input, &give));
    let (say, said) = sync_channel(WAITING_OUT);
    let writer = thread::spawn(move || write_all(output, &said));

    let messages = Arc::new(Mutex::new(take));
    let outcome = serve_lanes(&messages, &say, file);
    drop(say);
    let written = writer.join().map_err(|_| anyhow::anyhow!("the writing thread panicked"))?;
    outcome?;
    Ok(written?)
}

type Arrived = Result<Message, WireError>;

fn read_all(mut input: impl Read, give: &SyncSender<Arrived>) {
    let mut decoder = wire::Decoder::default();
    let mut piece = vec![0; READ];
    loop {
        match decoder.next_message() {
            Ok(Some(message)) => {
                if give.send(Ok(message)).is_err() {
                    return;
                }
            }
            Ok(None) => match input.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(n) => decoder.buffer().extend_from_slice(&piece[..n]),
            },
            Err(error) => {
                // Nobody is left to hear it if this fails.
                let _ = give.send(Err(error));
                return;
            }
        }
    }
}

/// Writes whenever nothing more is ready, so that nothing waits for what may never come.
fn write_all(mut output: impl Write, said: &Receiver<Message>) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    while let Ok(message) = said.recv() {
        wire::encode(&message, &mut bytes);
        while bytes.len() < WRITE
            && let Ok(message) = said.try_recv()
        {
            wire::encode(&message, &mut bytes);
        }
        output.write_all(&bytes)?;
        output.flush()?;
        bytes.clear();
    }
    Ok(())
}

fn serve_lanes(
    messages: &Arc<Mutex<Receiver<Arrived>>>,
    say: &SyncSender<Message>,
    file: Option<&File>,
) -> Result<(), WireError> {
    loop {
        let next = messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let (lane, task) = match next {
            Ok(Ok(Message { lane, body: Body::Begin(task) })) => (lane, task),
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let outbox = Outbox { lane, say: say.clone() };
        let inbox = Inbox { lane, messages: Arc::clone(messages), outbox: outbox.clone() };
        let last = match run(task, file, &inbox, &outbox) {
            Ok(()) => Body::Finished,
            Err(Trouble::Cancelled) => continue,
            Err(Trouble::Gone) => return Ok(()),
            Err(trouble) => Body::Failed(trouble.to_string()),
        };
        if outbox.send(last).is_err() {
            return Ok(());
        }
    }
}

fn run(task: Task, file: Option<&File>, inbox: &Inbox, outbox: &Outbox) -> Result<(), Trouble> {
    match task {
        Task::File(task) => crate::file::run(&task, file, inbox, outbox),
        Task::Ladder(task) => ladder::run(&task, inbox, outbox),
        Task::Demux { container } => demux::run(container, inbox, outbox),
        Task::Compare { source, rendition, seed } => {
            compare::run(&source, &rendition, seed, inbox, outbox)
        }
        Task::Thumbnail { source, width } => thumbnail::run(&source, width, inbox, outbox),
    }
}

/// What comes in on one lane.
#[derive(Clone)]
pub struct Inbox {
    lane: Lane,
    messages: Arc<Mutex<Receiver<Arrived>>>,
    outbox: Outbox,
}

impl Inbox {
    /// Takes what came for a task that nothing follows.
    ///
    /// # Errors
    /// As [`Self::next`], and if anything else came.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        use std::sync::mpsc::TryRecvError;
        let next = self.messages.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
        match next {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(Ok(message)) if message.lane == self.lane && message.body == Body::Cancel => {
                Err(Trouble::Cancelled)
            }
            Ok(Ok(message)) if message.lane == self.lane => {
                Err(Trouble::refused("nothing more was to be said on the lane"))
            }
            Ok(Ok(message)) => self.refuse(&message),
            Ok(Err(_)) | Err(TryRecvError::Disconnected) => Err(Trouble::Gone),
        }
    }

    /// Waits for the lane's next message.
    ///
    /// # Errors
    /// [`Trouble::Cancelled`] and [`Trouble::Gone`].
    pub fn next(&self) -> Result<Body, Trouble> {
        loop {
            let next = self.messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
            // After bytes that are no message nothing can be told apart any more.
            let Ok(Ok(message)) = next else { return Err(Trouble::Gone) };
            if message.lane == self.lane {
                return match message.body {
                    Body::Cancel => Err(Trouble::Cancelled),
                    body => Ok(body),
                };
            }
            self.refuse(&message)?;
        }
    }

    /// Says that there is one lane at a time.
    fn refuse(&self, message: &Message) -> Result<(), Trouble> {
        if let Body::Begin(_) = message.body {
            let reason = format!("this engine has lane {} to finish first", self.lane.0);
            self.outbox.on(message.lane).send(Body::Failed(reason))?;
        }
        Ok(())
    }
}

/// What goes out on one lane, from any thread.
#[derive(Clone)]
pub struct Outbox {
    lane: Lane,
    say: SyncSender<Message>,
}

impl Outbox {
    /// Says `body` on the lane.
    ///
    /// # Errors
    /// [`Trouble::Gone`].
    pub fn send(&self, body: Body) -> Result<(), Trouble> {
        self.say.send(Message { lane: self.lane, body }).map_err(|_| Trouble::Gone)
    }

    fn on(&self, lane: Lane) -> Self {
        Self { lane, say: self.say.clone() }
    }
}
