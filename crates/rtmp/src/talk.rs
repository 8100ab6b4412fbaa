//! What both sides say.

use crate::amf::{self, Value};
use crate::chunk::{self, ChunkError, ChunkReader, Message};
use bytes::{BufMut, Bytes, BytesMut};

/// A connection that is of no more use: why, for the log and, where the other side understands, for
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The first byte is another one.
    #[error("this is not RTMP: the first byte is {0} where 3 is expected")]
    Version(u8),
    /// What came are no chunks, or too many.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A command that cannot be read.
    #[error("a command that cannot be read")]
    Command,
    /// What is asked for is not done here.
    #[error("{0}")]
    Refused(&'static str),
}

/// Bytes of each of a handshake's parts.
pub(crate) const HANDSHAKE: usize = 1536;
/// Bytes of the chunks that are sent, once the other side was told.
const CHUNK: usize = 4096;
/// Where messages go: about the connection, commands, and media.
const CONTROL_CHUNKS: u8 = 2;
const COMMAND_CHUNKS: u8 = 3;
const MEDIA_CHUNKS: u8 = 4;

pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_SIZE: u8 = 5;
pub(crate) const BANDWIDTH: u8 = 6;
pub(crate) const COMMAND_AMF3: u8 = 17;
pub(crate) const DATA: u8 = 18;
pub(crate) const COMMAND: u8 = 20;

/// A connection's bytes, both ways.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) chunks: ChunkReader,
    out: BytesMut,
    /// Whether the other side was told of [`CHUNK`].
    large_chunks: bool,
    received: u64,
    acknowledged: u64,
    /// After so many bytes the other side wants an acknowledgement.
    window: u64,
}

/// A command.
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) transaction: f64,
    arguments: Vec<Value>,
}

impl Command {
    pub(crate) fn argument(&self, n: usize) -> Option<&Value> {
        self.arguments.get(n)
    }
}

impl Talk {
    /// Says that `count` bytes were put into the buffer.
    pub(crate) fn received(&mut self, count: usize) {
        self.received += count as u64;
        if self.window > 0 && self.received - self.acknowledged >= self.window {
            self.acknowledged = self.received;
            self.control(ACKNOWLEDGEMENT, self.received as u32);
        }
    }

    /// What is to be sent.
    pub(crate) fn output(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// The first words of a handshake: a version, a time of 0, a version of 0 (so: no digests), and
    /// what is as good as random.
    pub(crate) fn hello(&mut self) {
        self.out.put_u8(3);
        self.out.put_bytes(0, 8);
        self.out.put_bytes(0x55, HANDSHAKE - 8);
    }

    /// The other side's first words, if all of them are here.
    pub(crate) fn heard_hello(&mut self) -> Result<Option<Bytes>, SessionError> {
        let buffer = self.chunks.buffer();
        match buffer.first() {
            Some(3) if buffer.len() > HANDSHAKE => {}
            Some(3) | None => return Ok(None),
            Some(&other) => return Err(SessionError::Version(other)),
        }
        Ok(Some(buffer.split_to(1 + HANDSHAKE).split_off(1).freeze()))
    }

    /// Passes over the other side's echo; false if it is not all here.
    pub(crate) fn heard_echo(&mut self) -> bool {
        let buffer = self.chunks.buffer();
        let here = buffer.len() >= HANDSHAKE;
        if here {
            drop(buffer.split_to(HANDSHAKE));
        }
        here
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// The next message that is not about the connection itself.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, SessionError> {
        while let Some(message) = self.chunks.next_message()? {
            match message.kind {
                WINDOW_SIZE => {
                    let size = message.body.first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
                    // Half of it, so that the other side never waits; never so little that
                    // acknowledgements outweigh the media.
                    self.window = u64::from(size / 2).max(64 << 10);
                }
                USER_CONTROL => {
                    // A ping is answered with what it carried.
                    if let Some([0, 6, time @ ..]) = message.body.first_chunk::<6>() {
                        let body = [&[0, 7], &time[..]].concat().into();
                        self.say(CONTROL_CHUNKS, USER_CONTROL, 0, 0, body);
                    }
                }
                _ => return Ok(Some(message)),
            }
        }
        Ok(None)
    }

    /// Tells the other side to send larger chunks, and sends them.
    pub(crate) fn enlarge_chunks(&mut self) {
        self.control(chunk::SET_CHUNK_SIZE, CHUNK as u32);
        self.large_chunks = true;
    }

    pub(crate) fn control(&mut self, kind: u8, number: u32) {
        self.control_with(kind, &number.to_be_bytes());
    }

    pub(crate) fn control_with(&mut self, kind: u8, body: &[u8]) {
        self.say(CONTROL_CHUNKS, kind, 0, 0, Bytes::copy_from_slice(body));
    }

    pub(crate) fn command(&mut self, stream: u32, name: &str, transaction: f64, more: &[Value]) {
        let mut values = vec![Value::Text(name.to_owned()), Value::Number(transaction)];
        values.extend_from_slice(more);
        self.values(COMMAND, stream, &values);
    }

    pub(crate) fn values(&mut self, kind: u8, stream: u32, values: &[Value]) {
        let mut body = BytesMut::new();
        values.iter().for_each(|value| amf::write(value, &mut body));
        self.say(COMMAND_CHUNKS, kind, stream, 0, body.freeze());
    }

    pub(crate) fn media(&mut self, kind: u8, stream: u32, time: u32, body: Bytes) {
        self.say(MEDIA_CHUNKS, kind, stream, time, body);
    }

    fn say(&mut self, chunk_stream: u8, kind: u8, stream: u32, time: u32, body: Bytes) {
        let message = Message { kind, time, stream, body };
        let chunk_size = if self.large_chunks { CHUNK } else { chunk::FIRST_SIZE };
        chunk::write(&message, chunk_stream, chunk_size, &mut self.out);
    }
}

/// Reads a command's message; `None` if it is another kind of message.
pub(crate) fn command(message: &Message) -> Result<Option<Command>, SessionError> {
    let body = match message.kind {
        COMMAND => &message.body[..],
        // A byte for the version; what follows is AMF0 all the same.
        COMMAND_AMF3 => message.body.get(1..).unwrap_or_default(),
        _ => return Ok(None),
    };
    let mut values = amf::read(body).ok_or(SessionError::Command)?.into_iter();
    let Some(Value::Text(name)) = values.next() else { return Err(SessionError::Command) };
    let transaction = values.next().and_then(|value| value.number()).unwrap_or(0.0);
    Ok(Some(Command { name, transaction, arguments: values.collect() }))
}

/// An object of texts.
pub(crate) fn object(members: &[(&str, &str)]) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
}
