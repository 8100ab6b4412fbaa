//! What live sources send, and the places that a stream is passed on to answer.

use crate::{Memory, Target, joined, pieces};
use bytes::{Bytes, BytesMut};
use tessera_ingest::fuzzing;
use tessera_media::wire::TrackKind;
use tessera_rtmp::client::{self, Destination};
use tessera_rtmp::{amf, server};

const MEMORY: Memory = Memory { bytes: 4 << 20, times: 1024 };

/// A source that speaks RTMP, from behind the handshake on. The first byte says whether it is let in.
pub static RTMP_SERVER: Target = Target {
    run: |input| {
        let Some((&first, input)) = input.split_first() else { return };
        let mut session = server::Session::default();
        hear(&mut session, &handshake(), first);
        for piece in pieces(input) {
            if !hear(&mut session, piece, first) {
                return;
            }
        }
    },
    seeds: || {
        let dialogue = Dialogue::spoken();
        vec![[&[1], &joined(dialogue.from_source.chunks(255))[..]].concat()]
    },
    words: &["connect", "publish", "createStream", "FCPublish", "deleteStream", "play", "live"],
    memory: MEMORY,
};

/// A server that a stream is passed on to, from behind the handshake on.
pub static RTMP_CLIENT: Target = Target {
    run: |input| {
        let mut session = client::Session::new(destination());
        let hello = handshake();
        for piece in [&hello[..]].into_iter().chain(pieces(input)) {
            session.buffer().extend_from_slice(piece);
            session.received(piece.len());
            loop {
                match session.step() {
                    Ok(Some(client::Step::Publishing)) => {
                        session.metadata(vec![("width".to_owned(), amf::Value::Number(640.0))]);
                        session.video(0, Bytes::from_static(CONFIGURATION));
                    }
                    Ok(Some(client::Step::Refused(_))) | Err(_) => return,
                    Ok(None) => break,
                }
            }
            session.output();
        }
    },
    seeds: || vec![joined(Dialogue::spoken().from_server.chunks(255))],
    words: &["_result", "_error", "onStatus", "NetStream.Publish.Start", "code", "level"],
    memory: MEMORY,
};

/// Values of AMF0, as commands have them.
pub static AMF: Target = Target {
    run: |input| {
        if let Some(values) = amf::read(input) {
            let mut bytes = BytesMut::new();
            values.iter().for_each(|value| amf::write(value, &mut bytes));
            // As texts, since NaN is not equal to itself.
            let again = amf::read(&bytes).expect("what was written is read");
            assert_eq!(format!("{again:?}"), format!("{values:?}"));
        }
    },
    seeds: || {
        use amf::Value::{Bool, List, Nothing, Number, Object, Text};
        let text = |text: &str| Text(text.to_owned());
        let object = Object(vec![
            ("app".to_owned(), text("live")),
            ("list".to_owned(), List(vec![Bool(true), Nothing, Number(0.5)])),
        ]);
        let mut bytes = BytesMut::new();
        [text("connect"), Number(1.0), object]
            .iter()
            .for_each(|value| amf::write(value, &mut bytes));
        vec![bytes.to_vec(), b"\x08\0\0\0\x01\0\x01a\x05\0\0\x09\x0c\0\0\0\x01b\x0b".to_vec()]
    },
    words: &[],
    memory: MEMORY,
};

/// The bodies of RTMP's messages of media. Of each piece the first byte says whose it is, the next two
/// how many milliseconds later it comes.
pub static FLV: Target = Target {
    run: |input| {
        flv(input);
    },
    seeds: || {
        let aac = [&[0xaf, 0, 0x12, 0x10][..]].concat();
        let picture = [&[0x17, 1, 0, 0, 40, 0, 0, 0, 5][..], &[0x65, 1, 2, 3, 4]].concat();
        let later = [&[0x27, 1, 0, 0, 0, 0, 0, 0, 3][..], &[0x41, 1, 2]].concat();
        let messages = [
            [&[0, 0, 0], CONFIGURATION].concat(),
            [&[1, 0, 0], &aac[..]].concat(),
            [&[0, 0, 40], &picture[..]].concat(),
            [&[1, 0, 20], &[0xaf, 1, 9, 9, 9][..]].concat(),
            [&[0, 0, 40], &later[..]].concat(),
        ];
        let seed = joined(messages.iter().map(Vec::as_slice));
        assert_eq!(flv(&seed), 3, "two pictures and a sound");
        vec![seed]
    },
    words: &["hvc1", "av01"],
    memory: MEMORY,
};

/// A transport stream, in pieces that end anywhere.
pub static TRANSPORT_STREAM: Target = Target {
    run: |input| {
        fuzzing::transport_stream(pieces(input));
    },
    seeds: || {
        let seed = joined(transport_stream().chunks(188));
        assert_eq!(fuzzing::transport_stream(pieces(&seed)), 4, "two pictures and two sounds");
        vec![seed]
    },
    words: &[],
    memory: MEMORY,
};

/// SRT's datagrams.
pub static SRT: Target = Target {
    run: |input| {
        fuzzing::srt(pieces(input));
    },
    seeds: || {
        let handshake = srt_conclusion();
        let data = |n: u8| {
            let head = [0, 0, 0, n, 0xc0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
            [&head[..], &[0x47; 188]].concat()
        };
        let mut encrypted = data(3);
        encrypted[4] |= 1 << 3;
        let control = |kind: [u8; 2], body: &[u8]| {
            [&[0x80 | kind[0], kind[1], 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], body]
                .concat()
        };
        let keys = control([0x7f, 0xff], &fuzzing::KEY_MESSAGE);
        let packets = [
            handshake,
            data(0),
            data(2),
            keys,
            encrypted,
            control([0, 6], &[]),
            control([0, 7], &[0, 0, 0, 4, 0, 0, 0, 6]),
            data(7),
            control([0, 5], &[0; 4]),
        ];
        let seed = joined(packets.iter().map(Vec::as_slice));
        assert!(fuzzing::srt(pieces(&seed)) >= 4, "four packets of media are handed on");
        vec![seed]
    },
    words: &["#!::r=", "m=publish"],
    memory: Memory { bytes: 16 << 20, ..MEMORY },
};

/// An H.264 configuration as a video tag: baseline, 640 × 362.
const CONFIGURATION: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1e\xff\xe1\0\x18\
    \x67\x42\xc0\x1e\xd9\0\xa0\x2f\xf9\x30\x11\0\0\x03\x03\xe9\0\0\xea\x60\x0f\x16\x2e\x48\
    \x01\0\x05\x68\xcb\x83\xcb\x20";
/// Its two parameter sets.
const SPS: &[u8] =
    b"\x67\x42\xc0\x1e\xd9\0\xa0\x2f\xf9\x30\x11\0\0\x03\x03\xe9\0\0\xea\x60\x0f\x16\x2e\x48";
const PPS: &[u8] = b"\x68\xcb\x83\xcb\x20";

fn flv(input: &[u8]) -> usize {
    let mut ms = 0u32;
    fuzzing::flv(pieces(input).filter_map(|piece| {
        let ([whose, later @ ..], body) = piece.split_first_chunk::<3>()?;
        ms = ms.wrapping_add(u16::from_be_bytes(*later).into());
        let kind = if whose % 2 == 0 { TrackKind::Video } else { TrackKind::Audio };
        Some((kind, ms, Bytes::copy_from_slice(body)))
    }))
}

/// What both sides of RTMP begin with.
fn handshake() -> Vec<u8> {
    [&[3][..], &[0; 1536], &[0; 1536]].concat()
}

/// Gives a server bytes; whether it is of use still.
fn hear(session: &mut server::Session, bytes: &[u8], first: u8) -> bool {
    session.buffer().extend_from_slice(bytes);
    session.received(bytes.len());
    loop {
        match session.step() {
            Ok(Some(server::Step::Publish { .. })) if first % 2 == 1 => session.accept(),
            Ok(Some(server::Step::Publish { .. })) => {
                session.refuse("no");
                return false;
            }
            Ok(Some(server::Step::End)) | Err(_) => return false,
            Ok(Some(_)) => {}
            Ok(None) => break,
        }
    }
    session.output();
    true
}

fn destination() -> Destination {
    let text = |text: &str| text.to_owned();
    Destination { app: text("live"), url: text("rtmp://here/live"), key: text("secret") }
}

/// What a source and a server of ours say to each other, without the handshakes.
struct Dialogue {
    from_source: Vec<u8>,
    from_server: Vec<u8>,
}

impl Dialogue {
    fn spoken() -> Self {
        let (mut source, mut server) =
            (client::Session::new(destination()), server::Session::default());
        let (mut from_source, mut from_server) = (Vec::new(), Vec::new());
        let mut media = 0;
        // Each turn takes what the other side said; a connection takes fewer than these.
        for _ in 0..20 {
            let said = source.output();
            from_source.extend_from_slice(&said);
            server.buffer().extend_from_slice(&said);
            server.received(said.len());
            while let Some(step) = server.step().expect("a source of ours") {
                match step {
                    server::Step::Publish { .. } => server.accept(),
                    server::Step::Video(..) | server::Step::Audio(..) => media += 1,
                    server::Step::End => {}
                }
            }
            let said = server.output();
            from_server.extend_from_slice(&said);
            source.buffer().extend_from_slice(&said);
            source.received(said.len());
            while let Some(step) = source.step().expect("a server of ours") {
                assert_eq!(step, client::Step::Publishing);
                source.video(0, Bytes::from_static(CONFIGURATION));
                source.audio(20, Bytes::from_static(&[0xaf, 0, 0x12, 0x10]));
                source.video(0x0100_0000, Bytes::from(vec![0x27; 5000]));
            }
        }
        assert_eq!(media, 3, "all that was sent was heard");
        let hello = 1 + 2 * 1536;
        Self {
            from_source: from_source.split_off(hello),
            from_server: from_server.split_off(hello),
        }
    }
}

/// A program with two pictures and two frames of sound.
fn transport_stream() -> Vec<u8> {
    let directory = section(vec![0, 0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
    let streams = [0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0];
    let map = section([&[2, 0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0], &streams[..]].concat());
    let start = [0, 0, 0, 1];
    let keyframe = [&start, SPS, &start, PPS, &start, &[0x65, 1, 2, 3, 4]].concat();
    let picture = [&start[..], &[0x41, 1, 2, 3, 4]].concat();
    // AAC-LC, 44.1 kHz, two channels, three bytes.
    let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x5f, 0xfc, 1, 2, 3];
    let mut stream = [packet(0, 0, &directory), packet(0x1000, 0, &map)].concat();
    stream.extend(packet(0x100, 0, &pes(0xe0, 90_000, &keyframe)));
    stream.extend(packet(0x101, 0, &pes(0xc0, 90_000, &frame.repeat(2))));
    stream.extend(packet(0x100, 1, &pes(0xe0, 93_600, &picture)));
    stream
}

/// A table behind its pointer, with its length and checksum.
fn section(mut table: Vec<u8>) -> Vec<u8> {
    table[1] = 0xb0;
    table[2] = (table.len() + 1) as u8;
    let sum = table.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    });
    [&[0], &table[..], &sum.to_be_bytes(), &[0xff; 4]].concat()
}

/// A packet of an elementary stream, shown and decoded at a time.
fn pes(stream: u8, time: u64, data: &[u8]) -> Vec<u8> {
    let bits = |shift: u32, most: u64| ((time >> shift & most) << 1 | 1) as u8;
    let stamp =
        [0x20 | bits(30, 7), (time >> 22) as u8, bits(15, 0x7f), (time >> 7) as u8, bits(0, 0x7f)];
    let length = (8 + data.len()) as u16;
    [&[0, 0, 1, stream], &length.to_be_bytes()[..], &[0x80, 0x80, 5], &stamp, data].concat()
}

/// A transport packet, filled up by an adaptation field.
fn packet(pid: u16, counter: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let room = 188 - 4 - payload.len();
    let mut filling = vec![0xff; room];
    let control = if room > 0 { 0x30 } else { 0x10 };
    if let Some(length) = filling.first_mut() {
        *length = (room - 1) as u8;
    }
    if let Some(flags) = filling.get_mut(1) {
        *flags = 0;
    }
    [&[0x47, 0x40 | high, low, control | counter][..], &filling, payload].concat()
}

/// A caller's second handshake, for the stream "secret".
fn srt_conclusion() -> Vec<u8> {
    let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for word in [5, 0x0000_0005, 0, 1500, 8192, u32::MAX, 77, 99] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend([0; 16]);
    bytes.extend([0, 1, 0, 3, 0, 1, 5, 0, 0, 0, 0, 0x3f, 0, 120, 0, 120]);
    bytes.extend([0, 5, 0, 2]);
    bytes.extend(b"rces\0\0te");
    bytes
}
