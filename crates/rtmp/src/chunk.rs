//! Messages out of RTMP's chunks, and into them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::HashMap;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is: [`VIDEO`], [`AUDIO`] and others.
    pub kind: u8,
    /// Milliseconds, as 32 bits hold them.
    pub time: u32,
    /// The stream that it belongs to; 0 is the connection itself.
    pub stream: u32,
    /// What it says.
    pub body: Bytes,
}

/// Bytes that are no chunks, or too many. The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Longer than its kind may be.
    #[error("a message of {length} bytes and kind {kind}, where {most} are allowed")]
    TooLong {
        /// What it is.
        kind: u8,
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// More chunk streams than any encoder uses.
    #[error("more than {MAX_STREAMS} chunk streams")]
    TooManyStreams,
    /// Too many unfinished messages.
    #[error("more than {0} bytes of unfinished messages")]
    TooMuchHeld(usize),
    /// Pictures or sound before they are expected.
    #[error("media before a stream key was accepted")]
    Early,
    /// A short header where nothing came before.
    #[error("a chunk refers to one before it on its stream, and there is none")]
    NoPredecessor,
    /// A message inside of another one of its chunk stream.
    #[error("a message begins within another one of its chunk stream")]
    Torn,
    /// No size that chunks can have.
    #[error("a chunk size of {0}")]
    ChunkSize(u32),
}

/// Bytes of each side's chunks until it says otherwise.
pub const FIRST_SIZE: usize = 128;
/// Chunk streams that a connection may use; encoders use four.
const MAX_STREAMS: usize = 32;
/// Longest message that is neither picture nor sound.
const MAX_COMMAND: usize = 64 << 10;
/// Longest frame of sound.
const MAX_AUDIO: usize = 64 << 10;
/// Longest picture: a frame at 50 Mbit/s has 1 MB even when a second has only six.
pub const MAX_VIDEO: usize = 8 << 20;
/// Most bytes of all unfinished messages together.
const MAX_HELD: usize = MAX_VIDEO + (1 << 20);
/// The same before pictures and sound are taken, which is before it is known who sends: what one
/// command may have.
const MAX_HELD_EARLY: usize = MAX_COMMAND;
/// A time of 24 bits that says that 32 bits follow.
const EXTENDED: u32 = 0xff_ffff;

/// The kind that says how long chunks are from now on.
pub(crate) const SET_CHUNK_SIZE: u8 = 1;
/// Sound: the body of an FLV audio tag.
pub const AUDIO: u8 = 8;
/// Pictures: the body of an FLV video tag.
pub const VIDEO: u8 = 9;

/// Takes bytes, gives messages.
#[derive(Debug)]
pub struct ChunkReader {
    buffer: BytesMut,
    chunk_size: usize,
    streams: HashMap<u32, ChunkStream>,
    /// The chunk whose bytes are arriving, and how many are still to come.
    open: Option<(u32, usize)>,
    /// Whether pictures and sound are taken yet.
    media: bool,
}

#[derive(Debug, Default, Clone)]
struct ChunkStream {
    time: u32,
    /// Added to `time` by a message without a time of its own.
    delta: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    body: BytesMut,
}

/// A chunk's header, as it stands before the chunk stream's memory completes it.
struct Header {
    /// How much of a header there is: 0 all, 3 nothing.
    form: u8,
    id: u32,
    /// Bytes of the header so far, extended time not included.
    bytes: usize,
    time: u32,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            chunk_size: FIRST_SIZE,
            streams: HashMap::new(),
            open: None,
            media: false,
        }
    }
}

impl ChunkReader {
    /// Where the next bytes are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Pictures and sound are taken from now on.
    pub fn allow_media(&mut self) {
        self.media = true;
    }

    /// The next message, if all of it is here.
    pub fn next_message(&mut self) -> Result<Option<Message>, ChunkError> {
        loop {
            let (id, left) = match self.open {
                Some(open) => open,
                None => match self.header()? {
                    Some(open) => open,
                    None => return Ok(None),
                },
            };
            let stream = self.streams.get_mut(&id).ok_or(ChunkError::NoPredecessor)?;
            let here = left.min(self.buffer.len());
            stream.body.put(self.buffer.split_to(here));
            if here < left {
                self.open = Some((id, left - here));
                return Ok(None);
            }
            self.open = None;
            if stream.body.len() < stream.length {
                continue;
            }
            let message = Message {
                kind: stream.kind,
                time: stream.time,
                stream: stream.stream,
                body: std::mem::take(&mut stream.body).freeze(),
            };
            self.control(&message)?;
            return Ok(Some(message));
        }
    }

    /// What messages say about the chunks themselves.
    fn control(&mut self, message: &Message) -> Result<(), ChunkError> {
        const ABORT: u8 = 2;
        let number = message.body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.kind, number) {
            (SET_CHUNK_SIZE, Some(size @ 1..=0x7fff_ffff)) => self.chunk_size = size as usize,
            (SET_CHUNK_SIZE, size) => return Err(ChunkError::ChunkSize(size.unwrap_or(0))),
            (ABORT, Some(id)) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    // Not merely emptied: its memory would not be counted any more.
                    stream.body = BytesMut::new();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a chunk's header: its stream, and how many bytes of body follow.
    fn header(&mut self) -> Result<Option<(u32, usize)>, ChunkError> {
        let Some(header) = peek(&self.buffer) else { return Ok(None) };
        let (known, count) = (self.streams.contains_key(&header.id), self.streams.len());
        if !known && header.form != 0 {
            return Err(ChunkError::NoPredecessor);
        }
        if !known && count == MAX_STREAMS {
            return Err(ChunkError::TooManyStreams);
        }
        let mut stream = ChunkStream::default();
        let stream = self.streams.get_mut(&header.id).unwrap_or(&mut stream);
        let begins = stream.body.is_empty();
        if !begins && header.form != 3 {
            return Err(ChunkError::Torn);
        }

        let extended = if header.form == 3 { stream.extended } else { header.time == EXTENDED };
        let mut bytes = header.bytes;
        let mut time = header.time;
        if extended {
            let Some(word) = self.buffer.get(bytes..bytes + 4) else { return Ok(None) };
            let word = u32::from_be_bytes(word.try_into().expect("4 bytes"));
            // Some encoders repeat the long time in each chunk, as the specification wants, and
            // some don't. Where it is not repeated these are bytes of the body.
            let repeated = header.form != 3 || word == stream.delta || word == stream.time;
            if repeated {
                bytes += 4;
                time = word;
            }
        }

        let fields =
            &self.buffer[header.bytes - HEADER_BYTES[usize::from(header.form)]..header.bytes];
        let mut next = ChunkStream { body: std::mem::take(&mut stream.body), ..*stream };
        next.extended = extended;
        if header.form <= 1 {
            next.length = u32::from_be_bytes([0, fields[3], fields[4], fields[5]]) as usize;
            next.kind = fields[6];
        }
        match header.form {
            0 => {
                next.stream = u32::from_le_bytes([fields[7], fields[8], fields[9], fields[10]]);
                (next.time, next.delta) = (time, time);
            }
            1 | 2 => {
                next.delta = time;
                next.time = next.time.wrapping_add(time);
            }
            _ if begins => next.time = next.time.wrapping_add(next.delta),
            _ => {}
        }
        let most = match next.kind {
            VIDEO => MAX_VIDEO,
            AUDIO => MAX_AUDIO,
            _ => MAX_COMMAND,
        };
        if next.length > most {
            return Err(ChunkError::TooLong { kind: next.kind, length: next.length, most });
        }
        if matches!(next.kind, AUDIO | VIDEO) && !self.media {
            return Err(ChunkError::Early);
        }
        let left = (next.length - next.body.len()).min(self.chunk_size);
        let held: usize = self.streams.values().map(|stream| stream.body.len()).sum();
        let most = if self.media { MAX_HELD } else { MAX_HELD_EARLY };
        if held + next.body.len() + left > most {
            return Err(ChunkError::TooMuchHeld(most));
        }
        self.buffer.advance(bytes);
        self.streams.insert(header.id, next);
        Ok(Some((header.id, left)))
    }
}

/// Bytes of a message header by form.
const HEADER_BYTES: [usize; 4] = [11, 7, 3, 0];

/// Reads the basic header, and the time behind it; `None` if not all of the header is here.
fn peek(buffer: &[u8]) -> Option<Header> {
    let &first = buffer.first()?;
    let form = first >> 6;
    let (id, basic) = match first & 63 {
        0 => (64 + u32::from(*buffer.get(1)?), 2),
        1 => (64 + u32::from(*buffer.get(1)?) + 256 * u32::from(*buffer.get(2)?), 3),
        id => (u32::from(id), 1),
    };
    let fields = buffer.get(basic..basic + HEADER_BYTES[usize::from(form)])?;
    let time = match *fields {
        [t0, t1, t2, ..] => u32::from_be_bytes([0, t0, t1, t2]),
        _ => 0,
    };
    Some(Header { form, id, bytes: basic + fields.len(), time })
}

/// Appends a message in chunks of `chunk_size`, with a full header each.
pub fn write(message: &Message, chunk_stream: u8, chunk_size: usize, out: &mut BytesMut) {
    debug_assert!((2..64).contains(&chunk_stream) && message.body.len() < 1 << 24);
    let extended = message.time >= EXTENDED;
    out.put_u8(chunk_stream);
    out.put_uint(u64::from(message.time.min(EXTENDED)), 3);
    out.put_uint(message.body.len() as u64, 3);
    out.put_u8(message.kind);
    out.put_u32_le(message.stream);
    let time = if extended { &message.time.to_be_bytes()[..] } else { &[] };
    out.put_slice(time);
    for (n, chunk) in message.body.chunks(chunk_size).enumerate() {
        if n > 0 {
            out.put_u8(0xc0 | chunk_stream);
            out.put_slice(time);
        }
        out.put_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
        let mut reader = ChunkReader { media: true, ..ChunkReader::default() };
        reader.buffer().extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(message) = reader.next_message()? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn interleaved_chunk_streams_are_kept_apart() {
        let mut bytes = vec![4, 0, 0, 10, 0, 0, 130, 8, 1, 0, 0, 0];
        bytes.extend([1; 128]);
        bytes.extend([6, 0, 0, 20, 0, 0, 129, 9, 1, 0, 0, 0]);
        bytes.extend([2; 128]);
        bytes.extend([0xc4, 1, 1, 0xc6, 2]);
        let messages = read(&bytes).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].time, &messages[0].body[..]), (10, &[1; 130][..]));
        assert_eq!((messages[1].time, &messages[1].body[..]), (20, &[2; 129][..]));
    }

    #[test]
    fn times_add_up_and_long_ones_are_read_repeated_or_not() {
        let mut bytes = vec![4, 0xff, 0xff, 0xff, 0, 0, 130, 8, 1, 0, 0, 0];
        bytes.extend(0xffff_fff0_u32.to_be_bytes());
        bytes.extend([7; 128]);
        bytes.push(0xc4);
        bytes.extend(0xffff_fff0_u32.to_be_bytes());
        bytes.extend([7; 2]);
        // A difference of 0x20 to it, past the 32 bits; then the same again.
        bytes.extend([0x44, 0, 0, 0x20, 0, 0, 1, 8, 9, 0xc4, 10]);
        let messages = read(&bytes).unwrap();
        assert_eq!(messages.iter().map(|m| m.time).collect::<Vec<_>>(), [0xffff_fff0, 0x10, 0x30]);
        assert_eq!(messages[0].body, [7; 130][..]);

        let mut bytes = vec![4, 0xff, 0xff, 0xff, 0, 0, 134, 8, 1, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend([7; 128]);
        bytes.push(0xc4);
        bytes.extend([8; 6]);
        assert_eq!(read(&bytes).unwrap()[0].body.len(), 134);
    }

    #[test]
    fn lengths_and_counts_are_bounded() {
        let long = [4, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0];
        assert!(matches!(read(&long), Err(ChunkError::TooLong { kind: 20, .. })));
        assert_eq!(read(&[0xc4]), Err(ChunkError::NoPredecessor));
        let many: Vec<u8> =
            (2..40).flat_map(|id| [id, 0, 0, 0, 0, 0, 1, 20, 0, 0, 0, 0, 0]).collect();
        assert_eq!(read(&many), Err(ChunkError::TooManyStreams));
        let zero = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&zero), Err(ChunkError::ChunkSize(0)));
        let early = [4, 0, 0, 0, 0, 0, 1, VIDEO, 1, 0, 0, 0];
        let mut reader = ChunkReader::default();
        reader.buffer().extend_from_slice(&early);
        assert_eq!(reader.next_message(), Err(ChunkError::Early));
        // Before media is allowed, unfinished messages have what one command may have.
        let mut held = vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0];
        for id in [4, 5] {
            held.extend([id, 0, 0, 0, 0, 0xff, 0, 20, 0, 0, 0, 0]);
            held.extend([0; 0xc000]);
        }
        for media in [false, true] {
            let mut reader = ChunkReader { media, ..ChunkReader::default() };
            reader.buffer().extend_from_slice(&held);
            assert!(reader.next_message().is_ok_and(|message| message.is_some()));
            let early = Err(ChunkError::TooMuchHeld(MAX_HELD_EARLY));
            assert_eq!(reader.next_message(), if media { Ok(None) } else { early });
        }
        // A shorter message announced within a longer one.
        let mut torn = vec![4, 0, 0, 0, 0, 1, 0, 20, 0, 0, 0, 0];
        torn.extend([0; 128]);
        torn.extend([0x44, 0, 0, 0, 0, 0, 1, 20]);
        assert_eq!(read(&torn), Err(ChunkError::Torn));
    }

    #[test]
    fn a_message_that_is_given_up_leaves_no_memory_behind() {
        let mut reader = ChunkReader { media: true, ..ChunkReader::default() };
        let mut bytes = vec![4, 0, 0, 0, 1, 0, 0, VIDEO, 1, 0, 0, 0];
        bytes.extend([0; FIRST_SIZE]);
        reader.buffer().extend_from_slice(&bytes);
        assert_eq!(reader.next_message(), Ok(None));
        assert!(reader.streams[&4].body.capacity() >= FIRST_SIZE);
        reader.buffer().extend_from_slice(&[2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert!(reader.next_message().is_ok_and(|message| message.is_some()));
        assert_eq!(reader.streams[&4].body.capacity(), 0);
    }

    proptest! {
        #[test]
        fn messages_survive_being_sent_in_any_pieces(
            messages in proptest::collection::vec(
                (2_u8..64, 3_u8..9, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..700)), 0..8),
            piece in 1_usize..300,
        ) {
            let sent: Vec<_> = messages
                .into_iter()
                .map(|(id, kind, time, body)| (id, Message { kind, time, stream: 1, body: body.into() }))
                .take(MAX_STREAMS)
                .collect();
            let mut bytes = BytesMut::new();
            sent.iter().for_each(|(id, message)| write(message, *id, 128, &mut bytes));
            let (mut reader, mut got) = (ChunkReader::default(), Vec::new());
            reader.allow_media();
            for piece in bytes.chunks(piece) {
                reader.buffer().extend_from_slice(piece);
                while let Some(message) = reader.next_message().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent.into_iter().map(|(_, m)| m).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
