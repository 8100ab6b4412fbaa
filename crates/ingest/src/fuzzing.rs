//! Doors without sockets, for the fuzz targets in `fuzz/`: what a source sends goes in as bytes, and what
//! the crate promises of a visit is checked of what comes out. Built only where they are.

use crate::SourceEvent;
use crate::flv::FlvReader;
use crate::srt::crypto::Keys;
use crate::srt::handshake;
use crate::srt::receive::Receiver;
use crate::srt::wire::{self, Kind};
use crate::tracks::{NotTaken, Output, Tracks};
use crate::ts::TsReader;
use bytes::Bytes;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tessera_media::wire::TrackKind;
use tessera_media::{Ticks, TrackFormat};

/// What wraps the keys of [`KEY_MESSAGE`].
pub const PASSPHRASE: &str = "a passphrase";
/// A key message: an even key of sixteen ones.
pub const KEY_MESSAGE: [u8; 56] = [
    0x12, 0x20, 0x29, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x00, 0x00, 0x04, 0x04,
    0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05,
    0xb7, 0x52, 0xac, 0xf9, 0xb8, 0x30, 0x9d, 0xc3, 0x41, 0x0b, 0xf0, 0x1b, 0x25, 0x24, 0xa2, 0x4b,
    0x5b, 0x7d, 0xa0, 0x05, 0x9b, 0x31, 0x6b, 0xe4,
];

/// Reads a transport stream that comes in these pieces, as one file; gives the units that came of it.
pub fn transport_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let (mut reader, mut tracks, mut seen) =
        (TsReader::default(), Tracks::default(), Seen::default());
    for piece in pieces {
        let read = reader.read(piece, &mut tracks);
        seen.check(tracks.take());
        if read.is_err() {
            return seen.units;
        }
    }
    reader.boundary(&mut tracks);
    seen.check(tracks.take());
    seen.units
}

/// Reads RTMP's messages of media: whose, milliseconds, and a tag's body. Gives the units that came of
/// them.
pub fn flv(messages: impl IntoIterator<Item = (TrackKind, u32, Bytes)>) -> usize {
    let (mut reader, mut tracks, mut seen) =
        (FlvReader::default(), Tracks::default(), Seen::default());
    for (kind, ms, body) in messages {
        let read: Result<(), NotTaken> = match kind {
            TrackKind::Video => reader.video(ms, &body, &mut tracks),
            TrackKind::Audio => reader.audio(ms, &body, &mut tracks),
        };
        seen.check(tracks.take());
        if read.is_err() {
            break;
        }
    }
    seen.units
}

/// Takes datagrams of one caller, ten milliseconds apart, as a door does that let it in; gives the
/// payloads that were handed on.
pub fn srt<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> usize {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Keys::unwrap(&KEY_MESSAGE, PASSPHRASE).expect("a key message"));
    let mut keys = keys.clone();
    let mut now = Instant::now();
    let mut receiver = Receiver::new(wire::Sequence::new(0), Duration::from_millis(120), now);
    let mut given = 0;
    for datagram in datagrams {
        let Some(packet) = wire::parse(Bytes::copy_from_slice(datagram)) else { continue };
        match packet.kind {
            Kind::Handshake(said) => {
                let reply = match handshake::request(&said) {
                    Ok(request) => {
                        receiver = Receiver::new(request.first(), request.latency, now);
                        request.accept(1)
                    }
                    Err(rejection) => handshake::reject(&said, &rejection),
                };
                wire::write(&reply, said.socket, 0);
            }
            Kind::Data { sequence, whole: true, key, payload } => {
                let plain = match key {
                    0 => Some(payload),
                    key => keys.decrypt(key, sequence.get(), &payload),
                };
                if let Some(plain) = plain {
                    receiver.take(sequence, plain, now);
                }
            }
            Kind::AckAck(number) => receiver.answered(number, now),
            Kind::Drop(first, last) => receiver.drop_range(first, last),
            Kind::KeyMaterial(message) => {
                keys.renew(&message);
            }
            Kind::Data { .. } | Kind::KeepAlive | Kind::Shutdown | Kind::Other => {}
        }
        now += Duration::from_millis(10);
        for reply in receiver.tick(now) {
            wire::write(&reply, 1, 0);
        }
        given += receiver.ready().len();
    }
    receiver.finish();
    given + receiver.ready().len()
}

/// What came of a source so far.
#[derive(Default)]
struct Seen {
    units: usize,
    /// The last time of each track, once its format was told.
    video: Option<Option<Ticks>>,
    audio: Option<Option<Ticks>>,
}

impl Seen {
    /// Formats come first, and times rise.
    fn check(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Restart => (self.video, self.audio) = (None, None),
                Output::Event(SourceEvent::Format(format)) => {
                    let track = match format {
                        TrackFormat::Video(_) => &mut self.video,
                        TrackFormat::Audio(_) => &mut self.audio,
                    };
                    track.get_or_insert(None);
                }
                Output::Event(SourceEvent::Unit(kind, unit)) => {
                    let track = match kind {
                        TrackKind::Video => &mut self.video,
                        TrackKind::Audio => &mut self.audio,
                    };
                    let last = track.as_mut().expect("a format comes before its units");
                    assert!(last.is_none_or(|last| last < unit.dts), "times rise");
                    assert!(unit.dts <= unit.pts, "nothing is shown before it is decoded");
                    *last = Some(unit.dts);
                    self.units += 1;
                }
                Output::Event(SourceEvent::Skipped(_)) => {}
            }
        }
    }
}
