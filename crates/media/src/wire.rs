//! How media travels between gateway, worker and engine, over pipes and connections alike.
//!
//! A message is `length: u32` (of what follows), `kind: u8`, `lane: u32`, and a body; integers are
//! big-endian. A lane is one [`Task`] under way, numbered by who gave it; messages of a lane keep
//! their order, lanes are independent. Bodies that are said once are JSON; units are binary.
//!
//! This is sans-IO: [`encode`] appends bytes, [`Decoder`] takes bytes in any pieces.

use crate::task::{SegmentDone, Task, Track};
use crate::{AccessUnit, Ticks, VideoFormat};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_protocol::stream::SegmentNumber;

/// Longest body of a message that carries media, in bytes.
pub const MAX_MEDIA: usize = 16 << 20;
/// Longest body of any other message, in bytes.
pub const MAX_JSON: usize = 256 << 10;

/// One of the tasks under way between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub u32);

/// A rendition's place in its task's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RenditionIndex(pub u8);

/// Which of a source's tracks a unit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Opens the lane.
    Begin(Task),
    /// A unit of the source.
    Source(TrackKind, AccessUnit),
    /// The next unit of video begins this segment.
    Cut(SegmentNumber),
    /// Nothing more comes; what is held back is given out.
    End,
    /// Drop the lane's work; nothing more is said on it.
    Cancel,
    /// Raw bytes: a container's, or a picture's.
    Bytes(Bytes),
    /// A demuxer found a track.
    Track(Track),
    /// A rendition's format, before its first unit and whenever it changes.
    Format(RenditionIndex, VideoFormat),
    /// A unit of a rendition.
    Coded(RenditionIndex, AccessUnit),
    /// A segment is complete.
    Done(SegmentDone),
    /// Some JSON, as the lane's task says.
    Report(Bytes),
    /// The lane is over: why, for a person. Nothing more is said on it.
    Failed(String),
    /// The lane is over, and all is well.
    Finished,
    /// What two ends of a connection say of themselves; on pipes there is none.
    Control(Bytes),
}

impl Body {
    /// Bytes that it holds, roughly: what a bounded queue counts.
    pub fn weight(&self) -> usize {
        let own = match self {
            Self::Source(_, unit) | Self::Coded(_, unit) => UNIT_HEAD + unit.data.len(),
            Self::Bytes(bytes) | Self::Report(bytes) | Self::Control(bytes) => bytes.len(),
            Self::Failed(reason) => reason.len(),
            _ => 0,
        };
        own + 64
    }

    /// Whether [`encode`] takes it. What is short by its nature always fits.
    pub fn fits(&self) -> bool {
        match self {
            Self::Source(_, unit) | Self::Coded(_, unit) => {
                UNIT_HEAD + unit.data.len() <= MAX_MEDIA
            }
            Self::Bytes(bytes) => bytes.len() <= MAX_MEDIA,
            Self::Report(bytes) | Self::Control(bytes) => bytes.len() <= MAX_JSON,
            Self::Failed(reason) => reason.len() <= MAX_JSON,
            _ => true,
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Whose.
    pub lane: Lane,
    /// What.
    pub body: Body,
}

/// Bytes that are no message. The connection they came by is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A kind that this version does not know.
    #[error("a message of kind {0}, which is not known")]
    Kind(u8),
    /// Longer than its kind may be.
    #[error("a message of {length} bytes, where {most} are allowed")]
    Length {
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// A body that its kind does not have.
    #[error("a message of kind {kind} whose body cannot be read: {reason}")]
    Body {
        /// The kind.
        kind: u8,
        /// Why.
        reason: String,
    },
}

mod kind {
    pub(super) const BEGIN: u8 = 1;
    pub(super) const SOURCE: u8 = 2;
    pub(super) const CUT: u8 = 3;
    pub(super) const END: u8 = 4;
    pub(super) const CANCEL: u8 = 5;
    pub(super) const BYTES: u8 = 6;
    pub(super) const TRACK: u8 = 7;
    pub(super) const FORMAT: u8 = 8;
    pub(super) const CODED: u8 = 9;
    pub(super) const DONE: u8 = 10;
    pub(super) const REPORT: u8 = 11;
    pub(super) const FAILED: u8 = 12;
    pub(super) const FINISHED: u8 = 13;
    pub(super) const CONTROL: u8 = 14;
}

/// Bytes of `kind` and `lane`.
const HEAD: usize = 5;
/// Bytes of a unit before its data: track or rendition, keyframe, pts, dts.
const UNIT_HEAD: usize = 1 + 1 + 8 + 8;

/// Longest body of a kind.
fn most(kind: u8) -> Option<usize> {
    match kind {
        kind::SOURCE | kind::CODED | kind::BYTES => Some(MAX_MEDIA),
        kind::BEGIN
        | kind::TRACK
        | kind::FORMAT
        | kind::DONE
        | kind::REPORT
        | kind::FAILED
        | kind::CONTROL => Some(MAX_JSON),
        kind::CUT => Some(8),
        kind::END | kind::CANCEL | kind::FINISHED => Some(0),
        _ => None,
    }
}

/// Appends `message` to `out`.
///
/// # Panics
/// If a body is longer than its kind may be: senders bound what they send.
pub fn encode(message: &Message, out: &mut BytesMut) {
    let start = out.len();
    out.put_u32(0);
    let kind_at = out.len();
    out.put_u8(0);
    out.put_u32(message.lane.0);
    let kind = match &message.body {
        Body::Begin(task) => put_json(kind::BEGIN, task, out),
        Body::Source(track, unit) => {
            put_unit(u8::from(*track == TrackKind::Audio), unit, out);
            kind::SOURCE
        }
        Body::Cut(segment) => {
            out.put_u64(segment.0);
            kind::CUT
        }
        Body::End => kind::END,
        Body::Cancel => kind::CANCEL,
        Body::Bytes(bytes) => put_bytes(kind::BYTES, bytes, out),
        Body::Track(track) => put_json(kind::TRACK, track, out),
        Body::Format(rendition, format) => {
            out.put_u8(rendition.0);
            put_json(kind::FORMAT, format, out)
        }
        Body::Coded(rendition, unit) => {
            put_unit(rendition.0, unit, out);
            kind::CODED
        }
        Body::Done(done) => put_json(kind::DONE, done, out),
        Body::Report(bytes) => put_bytes(kind::REPORT, bytes, out),
        Body::Failed(reason) => put_bytes(kind::FAILED, reason.as_bytes(), out),
        Body::Finished => kind::FINISHED,
        Body::Control(bytes) => put_bytes(kind::CONTROL, bytes, out),
    };
    let length = out.len() - start - 4;
    assert!(length - HEAD <= most(kind).expect("a kind of ours"), "a body too long to send");
    out[kind_at] = kind;
    out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
}

fn put_json(kind: u8, value: &impl Serialize, out: &mut BytesMut) -> u8 {
    serde_json::to_writer(out.writer(), value).expect("plain data is JSON");
    kind
}

fn put_bytes(kind: u8, bytes: &[u8], out: &mut BytesMut) -> u8 {
    out.put_slice(bytes);
    kind
}

fn put_unit(whose: u8, unit: &AccessUnit, out: &mut BytesMut) {
    out.reserve(UNIT_HEAD + unit.data.len());
    out.put_u8(whose);
    out.put_u8(u8::from(unit.keyframe));
    out.put_i64(unit.pts.0);
    out.put_i64(unit.dts.0);
    out.put_slice(&unit.data);
}

/// Takes bytes, gives messages.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: BytesMut,
}

impl Decoder {
    /// Where the next bytes are to be put; at most one message and what was read with it is held.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// The next message, if all of it is here. After an error there is no telling where the next
    /// one begins.
    pub fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        if self.bytes.len() < 4 + HEAD {
            return Ok(None);
        }
        let length = u32::from_be_bytes(self.bytes[..4].try_into().expect("4 bytes")) as usize;
        let kind = self.bytes[4];
        let most = most(kind).ok_or(WireError::Kind(kind))?;
        let body = length
            .checked_sub(HEAD)
            .filter(|&body| body <= most)
            .ok_or(WireError::Length { length: length.saturating_sub(HEAD), most })?;
        if self.bytes.len() < 4 + length {
            self.bytes.reserve(4 + length - self.bytes.len());
            return Ok(None);
        }
        self.bytes.advance(4 + 1);
        let lane = Lane(self.bytes.get_u32());
        let body = read(kind, self.bytes.split_to(body).freeze())
            .map_err(|reason| WireError::Body { kind, reason })?;
        Ok(Some(Message { lane, body }))
    }
}

fn read(kind: u8, mut bytes: Bytes) -> Result<Body, String> {
    Ok(match kind {
        kind::BEGIN => Body::Begin(json(&bytes)?),
        kind::SOURCE => {
            let (track, unit) = unit(bytes)?;
            let track = match track {
                0 => TrackKind::Video,
                1 => TrackKind::Audio,
                other => return Err(format!("there is no track {other}")),
            };
            Body::Source(track, unit)
        }
        kind::CUT => Body::Cut(SegmentNumber(
            bytes.try_get_u64().map_err(|_| "a segment's number is 8 bytes".to_owned())?,
        )),
        kind::END => Body::End,
        kind::CANCEL => Body::Cancel,
        kind::BYTES => Body::Bytes(bytes),
        kind::TRACK => Body::Track(json(&bytes)?),
        kind::FORMAT => {
            let rendition = bytes.try_get_u8().map_err(|_| "it is empty".to_owned())?;
            Body::Format(RenditionIndex(rendition), json(&bytes)?)
        }
        kind::CODED => {
            let (rendition, unit) = unit(bytes)?;
            Body::Coded(RenditionIndex(rendition), unit)
        }
        kind::DONE => Body::Done(json(&bytes)?),
        kind::REPORT => Body::Report(bytes),
        kind::FAILED => Body::Failed(
            String::from_utf8(bytes.into()).map_err(|_| "the reason is no text".to_owned())?,
        ),
        kind::FINISHED => Body::Finished,
        kind::CONTROL => Body::Control(bytes),
        _ => unreachable!("kinds without a limit were refused"),
    })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn unit(mut bytes: Bytes) -> Result<(u8, AccessUnit), String> {
    if bytes.len() < UNIT_HEAD {
        return Err(format!("a unit has at least {UNIT_HEAD} bytes, and this one {}", bytes.len()));
    }
    let whose = bytes.get_u8();
    let keyframe = match bytes.get_u8() {
        0 => false,
        1 => true,
        other => return Err(format!("a unit is a keyframe (1) or not (0), and this one {other}")),
    };
    let (pts, dts) = (Ticks(bytes.get_i64()), Ticks(bytes.get_i64()));
    Ok((whose, AccessUnit { pts, dts, keyframe, data: bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Container;
    use proptest::prelude::*;

    fn unit_of(data: Vec<u8>, pts: i64, dts: i64, keyframe: bool) -> AccessUnit {
        AccessUnit { pts: Ticks(pts), dts: Ticks(dts), keyframe, data: data.into() }
    }

    fn any_unit() -> impl Strategy<Value = AccessUnit> {
        (proptest::collection::vec(any::<u8>(), 0..300), any::<i64>(), any::<i64>(), any::<bool>())
            .prop_map(|(data, pts, dts, keyframe)| unit_of(data, pts, dts, keyframe))
    }

    fn any_body() -> impl Strategy<Value = Body> {
        prop_oneof![
            Just(Body::Begin(Task::Demux { container: Container::MpegTs })),
            any_unit().prop_map(|unit| Body::Source(TrackKind::Audio, unit)),
            any_unit().prop_map(|unit| Body::Source(TrackKind::Video, unit)),
            any::<u64>().prop_map(|n| Body::Cut(SegmentNumber(n))),
            Just(Body::End),
            Just(Body::Cancel),
            Just(Body::Finished),
            (any::<u8>(), any_unit()).prop_map(|(n, unit)| Body::Coded(RenditionIndex(n), unit)),
            "\\PC{0,40}".prop_map(Body::Failed),
            proptest::collection::vec(any::<u8>(), 0..50).prop_map(|b| Body::Control(b.into())),
        ]
    }

    proptest! {
        #[test]
        fn messages_survive_being_sent_in_any_pieces(
            bodies in proptest::collection::vec((any::<u32>(), any_body()), 0..12),
            piece in 1_usize..40,
        ) {
            let sent: Vec<_> =
                bodies.into_iter().map(|(lane, body)| Message { lane: Lane(lane), body }).collect();
            let mut bytes = BytesMut::new();
            for message in &sent {
                encode(message, &mut bytes);
            }
            let (mut decoder, mut got) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                decoder.buffer().extend_from_slice(piece);
                while let Some(message) = decoder.next_message().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.buffer().extend_from_slice(&bytes);
            while let Ok(Some(_)) = decoder.next_message() {}
        }
    }

    #[test]
    fn a_length_that_lies_is_refused_before_memory_is_taken() {
        let mut decoder = Decoder::default();
        let lie = [&u32::MAX.to_be_bytes()[..], &[kind::BYTES], &[0; 4]].concat();
        decoder.buffer().extend_from_slice(&lie);
        assert!(matches!(decoder.next_message(), Err(WireError::Length { .. })));
        assert!(decoder.buffer().capacity() < 4096);
    }

    #[test]
    fn a_length_shorter_than_its_own_head_is_refused() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&[0, 0, 0, 1, kind::END, 0, 0, 0, 0]);
        assert!(matches!(decoder.next_message(), Err(WireError::Length { .. })));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&[0, 0, 0, 5, 200, 0, 0, 0, 0]);
        assert_eq!(decoder.next_message(), Err(WireError::Kind(200)));
    }
}
