//! An open line: lanes in, lanes out.

use crate::Control;
use crate::handshake::Line;
use crate::outbox::{Outbox, Whose};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tessera_media::wire::{Body, Decoder, Lane, Message, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

/// Each side says something at least this often.
pub const BEAT: Duration = Duration::from_millis(400);
/// A line on which nothing was heard for so long is dead.
pub const SILENCE: Duration = Duration::from_millis(1_800);
/// Bytes of one lane that wait to be sent, and as many that are of no lane.
pub const LANE_QUEUE: usize = 8 << 20;
/// Bytes that were received and not read.
pub const RECEIVE_QUEUE: usize = 8 << 20;

/// Bytes asked of the line at once.
const READ: usize = 64 << 10;
/// Bytes that small messages are gathered up to before they are written.
const WRITE: usize = 16 << 10;

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This side closed it, or dropped both halves.
    #[error("it was closed here")]
    Here,
    /// The other side closed it.
    #[error("the other side closed it")]
    There,
    /// Nothing was heard for [`SILENCE`].
    #[error("nothing was heard for {} ms", SILENCE.as_millis())]
    Silent,
    /// The other side was told more than it read; see [`Sender::tell`].
    #[error("the other side does not read what it is told")]
    Deaf,
    /// The line broke.
    #[error("the line broke: {0}")]
    Broken(String),
    /// What was said makes no sense.
    #[error("the other side sent what is not allowed: {0}")]
    Nonsense(String),
    /// A message was to be sent that is longer than [`tessera_media::wire`] allows. Only this
    /// message is lost; the line stays open.
    #[error("the message is too long to be sent")]
    TooLong,
}

/// What arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Of a lane; never a `Control` body.
    Media(Message),
    /// Beside the lanes.
    Control(Control),
}

/// An open line. Dropping it, or both of its halves, closes it.
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
}

/// Sends. Clones share one line.
#[derive(Clone)]
pub struct Sender(Arc<Ends>);

/// Receives.
pub struct Receiver {
    events: mpsc::UnboundedReceiver<(Event, OwnedSemaphorePermit)>,
    ends: Arc<Ends>,
}

/// Closes the line when nobody holds a half of it.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.close(Closed::Here);
    }
}

/// What the halves share with the tasks that read and write.
struct Shared {
    outbox: Mutex<Outbox>,
    /// Something waits to be sent.
    filled: Notify,
    /// Something was sent, so that there may be room.
    emptied: Notify,
    closed: watch::Sender<Option<Closed>>,
}

impl Connection {
    /// Starts the conversation on a line whose handshake is done.
    pub(crate) fn open(line: Line) -> Self {
        let (read, write) = tokio::io::split(line);
        let shared = Arc::new(Shared {
            outbox: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            closed: watch::Sender::new(None),
        });
        let (inbox, events) = mpsc::unbounded_channel();
        tokio::spawn(keep(write_all(write, Arc::clone(&shared)), Arc::clone(&shared)));
        tokio::spawn(keep(read_all(read, inbox), Arc::clone(&shared)));
        let ends = Arc::new(Ends(shared));
        Self { sender: Sender(Arc::clone(&ends)), receiver: Receiver { events, ends } }
    }

    /// Both directions.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Sender {
    /// Puts a message on its lane's queue, waiting while that is full. Messages of one lane leave
    /// in the order of their sends; a lane is to have one task that sends. Dropped while it waits,
    /// it has sent nothing.
    pub async fn send(&self, message: Message) -> Result<(), Closed> {
        self.0.0.put(Whose::Lane(message.lane), message).await
    }

    /// Puts a control message on its queue, waiting while that is full: a claim behind its lane's
    /// units, the others before all lanes.
    pub async fn say(&self, control: Control) -> Result<(), Closed> {
        let Addressed { whose, message } = control.into();
        self.0.0.put(whose, message).await
    }

    /// The same without waiting, for a caller that others wait for. Where the queue is full, the
    /// other side has not read for long, and the line is closed.
    pub fn tell(&self, control: Control) {
        let Addressed { whose, message } = control.into();
        // As with `say`, one that is too long is lost alone.
        if message.body.fits() && !self.0.0.put_now(whose, &mut Some(message)) {
            self.0.0.close(Closed::Deaf);
        }
    }

    /// Drops what waits on this lane unsent, for a lane that is given up.
    pub fn forget(&self, lane: Lane) {
        self.0.0.outbox().forget(lane);
        self.0.0.emptied.notify_waiters();
    }

    /// Closes the line for both halves, dropping what was not sent.
    pub fn close(&self) {
        self.0.0.close(Closed::Here);
    }
}

/// A control message, and on whose queue it belongs.
struct Addressed {
    whose: Whose,
    message: Message,
}

impl From<Control> for Addressed {
    fn from(control: Control) -> Self {
        let json = serde_json::to_vec(&control).expect("plain data is JSON");
        let (whose, lane) = match control {
            Control::Claim { lane, .. } => (Whose::Lane(Lane(lane)), Lane(lane)),
            Control::Receipt(_) | Control::Refused { .. } => (Whose::Nobody, Lane(0)),
        };
        Self { whose, message: Message { lane, body: Body::Control(json.into()) } }
    }
}

impl Receiver {
    /// The next event. After an error there are no more. May be dropped and called again. What
    /// arrived before a close is given out first.
    pub async fn recv(&mut self) -> Result<Event, Closed> {
        match self.events.recv().await {
            Some((event, _room)) => Ok(event),
            // The reading task has ended, and that closes the line.
            None => Err(self.ends.0.ended().await),
        }
    }
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first reason stays.
    fn close(&self, because: Closed) {
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            closed.get_or_insert(because);
            first
        });
        self.emptied.notify_waiters();
    }

    async fn ended(&self) -> Closed {
        let mut closed = self.closed.subscribe();
        let ended = closed.wait_for(Option::is_some).await;
        // The sender lives in `self`.
        ended.ok().and_then(|closed| closed.clone()).unwrap_or(Closed::Here)
    }

    async fn put(&self, whose: Whose, message: Message) -> Result<(), Closed> {
        if !message.body.fits() {
            return Err(Closed::TooLong);
        }
        let mut message = Some(message);
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // From here on no emptying is missed, whatever is found meanwhile.
            emptied.as_mut().enable();
            if let Some(closed) = self.closed.borrow().clone() {
                return Err(closed);
            }
            if self.put_now(whose, &mut message) {
                return Ok(());
            }
            emptied.await;
        }
    }

    /// Whether there was room, and the message is taken.
    fn put_now(&self, whose: Whose, message: &mut Option<Message>) -> bool {
        let mut outbox = self.outbox();
        if let Some(message) =
            message.take_if(|message| outbox.has_room(whose, message.body.weight(), LANE_QUEUE))
        {
            outbox.push(whose, message);
            self.filled.notify_one();
        }
        message.is_none()
    }
}

/// Runs one direction until it or the line ends, and closes the line with it.
async fn keep(direction: impl Future<Output = Closed>, shared: Arc<Shared>) {
    let because = tokio::select! {
        because = direction => because,
        because = shared.ended() => because,
    };
    shared.close(because);
}

async fn write_all(mut line: WriteHalf<Line>, shared: Arc<Shared>) -> Closed {
    let mut bytes = BytesMut::new();
    loop {
        bytes.clear();
        while bytes.len() < WRITE
            && let Some(message) = shared.outbox().pop()
        {
            encode(&message, &mut bytes);
        }
        if bytes.is_empty() {
            if timeout(BEAT, shared.filled.notified()).await.is_ok() {
                continue;
            }
            // An empty control message says that one is there.
            encode(&Message { lane: Lane(0), body: Body::Control(Bytes::new()) }, &mut bytes);
        }
        shared.emptied.notify_waiters();
        if let Err(error) = line.write_all(&bytes).await {
            return broken(&error);
        }
        if let Err(error) = line.flush().await {
            return broken(&error);
        }
        // What a burst took is given back.
        if bytes.capacity() > 1 << 20 {
            bytes = BytesMut::new();
        }
    }
}

async fn read_all(
    mut line: ReadHalf<Line>,
    inbox: mpsc::UnboundedSender<(Event, OwnedSemaphorePermit)>,
) -> Closed {
    let room = Arc::new(Semaphore::new(RECEIVE_QUEUE));
    let mut decoder = Decoder::default();
    loop {
        loop {
            let message = match decoder.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return Closed::Nonsense(error.to_string()),
            };
            let weight = message.body.weight().min(RECEIVE_QUEUE) as u32;
            let event = match event(message) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(because) => return Closed::Nonsense(because),
            };
            // While nobody takes what is here, nothing is read and no silence counts.
            let Ok(room) = Arc::clone(&room).acquire_many_owned(weight).await else {
                return Closed::Here;
            };
            if inbox.send((event, room)).is_err() {
                // Who dropped the receiving half may go on sending.
                continue;
            }
        }
        decoder.buffer().reserve(READ);
        match timeout(SILENCE, line.read_buf(decoder.buffer())).await {
            Ok(Ok(0)) => return Closed::There,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return broken(&error),
            Err(_) => return Closed::Silent,
        }
    }
}

/// `None` for a beat.
fn event(message: Message) -> Result<Option<Event>, String> {
    match message.body {
        Body::Control(json) if json.is_empty() => Ok(None),
        Body::Control(json) => match serde_json::from_slice(&json) {
            Ok(control) => Ok(Some(Event::Control(control))),
            Err(error) => Err(format!("a control message: {error}")),
        },
        _ => Ok(Some(Event::Media(message))),
    }
}

fn broken(error: &io::Error) -> Closed {
    match error.kind() {
        // TLS without its last word, or a side that closed while something was on its way.
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Closed::There,
        _ => Closed::Broken(error.to_string()),
    }
}
