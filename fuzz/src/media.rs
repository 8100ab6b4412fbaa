//! What gateway, worker and engine say to each other, and coded media as bytes.

use crate::{Memory, Target, joined, pieces};
use bytes::{Bytes, BytesMut};
use tessera_link::Control;
use tessera_media::wire::{Body, Decoder, Lane, Message, RenditionIndex, TrackKind, encode};
use tessera_media::{AccessUnit, Ticks, TrackFormat, VideoFormat};
use tessera_packaging::fmp4::{self, AudioClock, FragmentSpec, FragmentTrack};
use tessera_packaging::h264::{self, DecoderConfig, Picture, Sps};
use tessera_packaging::{aac, codec_string};
use tessera_protocol::stream::SegmentNumber;

const MEMORY: Memory = Memory { bytes: 1 << 20, times: 256 };

/// Messages on a line, in pieces, with what two ends of one say of themselves.
pub static MESSAGES: Target = Target {
    run: |input| {
        messages(input);
    },
    seeds: || {
        let mut seeds: Vec<Vec<u8>> = bodies()
            .into_iter()
            .map(|body| {
                let mut bytes = BytesMut::new();
                encode(&Message { lane: Lane(7), body }, &mut bytes);
                joined(bytes.chunks(255))
            })
            .collect();
        assert!(seeds.iter().all(|seed| messages(seed) == 1), "each is a message");
        seeds.push(seeds.concat());
        seeds
    },
    words: &[
        "\"claim\"",
        "\"receipt\"",
        "\"refused\"",
        "\"ladder\"",
        "\"file\"",
        "\"demux\"",
        "\"compare\"",
    ],
    // The longest message that may be announced is reserved.
    memory: Memory { bytes: 40 << 20, times: 256 },
};

/// H.264: the first byte says what the others are.
pub static H264: Target = Target {
    run: |input| {
        let Some((&kind, bytes)) = input.split_first() else { return };
        match kind % 6 {
            0 => drop(Picture::from_annex_b(bytes)),
            1 => drop(Sps::parse(bytes)),
            2 => {
                if let Ok(config) = DecoderConfig::parse(bytes)
                    && let Ok(format) = config.video_format()
                {
                    let again =
                        DecoderConfig::parse(&format.config).expect("a record of ours is read");
                    assert_eq!((&again.sps, &again.pps), (&config.sps, &config.pps));
                    let _ = codec_string(&TrackFormat::Video(format));
                }
            }
            3 => drop(h264::to_annex_b(bytes, &[])),
            size => drop(Picture::from_length_prefixed(bytes, if size == 4 { 1 } else { 4 })),
        }
    },
    seeds: || {
        let format = h264();
        let config = DecoderConfig::parse(&format.config).expect("a record");
        let annex_b =
            h264::to_annex_b(&[0, 0, 0, 2, 0x65, 1], &config.parameter_sets()).expect("units");
        let units = [&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 5][..], &config.pps[0]].concat();
        let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
        vec![
            with(0, &annex_b),
            with(1, &config.sps[0]),
            with(1, HIGH),
            with(2, &format.config),
            with(3, &units),
            with(5, &units),
        ]
    },
    words: &[],
    memory: MEMORY,
};

/// AAC: configurations and frames of ADTS.
pub static AAC: Target = Target {
    run: |input| {
        if let Ok(config) = aac::AudioSpecificConfig::parse(input)
            && let Ok(bytes) = config.build()
        {
            let again = aac::AudioSpecificConfig::parse(&bytes).expect("what was built is read");
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
        }
        let _ = aac::audio_format(Bytes::copy_from_slice(input));
        // It ends at the first frame that is none.
        let held: usize =
            aac::adts_frames(input).map(|frame| frame.map_or(0, |f| f.data.len())).sum();
        assert!(held <= input.len());
    },
    seeds: || {
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x5f, 0xfc, 1, 2, 3];
        vec![vec![0x12, 0x10], vec![0x2b, 0x92, 0x08, 0], frame.repeat(3)]
    },
    words: &[],
    memory: MEMORY,
};

/// Fragmented MP4: initialization sections and segments, as they are read back.
pub static FMP4: Target = Target {
    run: |input| {
        if let Ok(format) = fmp4::read_init(input) {
            let _ = codec_string(&format);
            let _ = fmp4::init_segment(&format);
        }
        for fragment in fmp4::read_segment(input).unwrap_or_default() {
            let bytes: u64 = fragment.samples.iter().map(|sample| u64::from(sample.size)).sum();
            assert!(bytes <= input.len() as u64);
            fragment.end();
        }
    },
    seeds: || {
        let (video, sound) = (TrackFormat::Video(h264()), TrackFormat::Audio(sound()));
        let units: Vec<_> = (0..3).map(|n| unit(90_000 + 3600 * n, n == 0)).collect();
        let end = Ticks(90_000 + 3 * 3600);
        let start = AudioClock::new(44_100).place(&units).expect("sound").start;
        let tracks = [
            FragmentTrack::Segment { end },
            FragmentTrack::Part { start: units[0].pts, end },
            FragmentTrack::Audio { start },
        ];
        let fragments = tracks.map(|track| {
            let spec = FragmentSpec { sequence: 1, track, units: &units };
            let bytes = fmp4::fragment(&spec).expect("a fragment").to_vec();
            assert_eq!(fmp4::read_segment(&bytes).expect("it is read").len(), 1);
            bytes
        });
        let inits =
            [video, sound].map(|format| fmp4::init_segment(&format).expect("a section").to_vec());
        inits.into_iter().chain(fragments).collect()
    },
    words: &[
        "moof", "mfhd", "traf", "tfhd", "tfdt", "trun", "mdat", "moov", "trak", "stsd", "avc1",
        "hvc1", "av01", "mp4a", "esds", "styp", "sidx",
    ],
    memory: MEMORY,
};

/// How many messages there are.
fn messages(input: &[u8]) -> usize {
    let (mut decoder, mut count) = (Decoder::default(), 0);
    for piece in pieces(input) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    count += 1;
                    survives(message);
                }
                Ok(None) => break,
                Err(_) => return count,
            }
        }
    }
    count
}

/// What was read is written and read again.
fn survives(message: Message) {
    if let Body::Control(json) = &message.body
        && let Ok(control) = serde_json::from_slice::<Control>(json)
    {
        let text = serde_json::to_string(&control).expect("plain data is JSON");
        assert_eq!(serde_json::from_str::<Control>(&text).expect("it is read"), control);
    }
    assert!(message.body.fits());
    let mut decoder = Decoder::default();
    encode(&message, decoder.buffer());
    assert_eq!(decoder.next_message(), Ok(Some(message)));
}

fn bodies() -> Vec<Body> {
    let tasks = [
        r#"{"demux":{"container":"mpeg_ts"}}"#,
        r#"{"file":{"renditions":[{"name":"720p","height":720,"bits_per_s":2800000,"codec":"h264","max_fps":30}],"segment":180000,"sound":"copy"}}"#,
    ];
    let mut bodies: Vec<Body> =
        tasks.iter().map(|task| Body::Begin(serde_json::from_str(task).expect("a task"))).collect();
    let refused = Control::Refused { lane: 7, segment: SegmentNumber(3), because: "no".to_owned() };
    bodies.extend([
        Body::Source(TrackKind::Video, unit(9, true)),
        Body::Cut(SegmentNumber(5)),
        Body::End,
        Body::Cancel,
        Body::Bytes(Bytes::from_static(b"bytes")),
        Body::Track(tessera_media::task::Track { format: TrackFormat::Audio(sound()) }),
        Body::Format(RenditionIndex(1), h264()),
        Body::Coded(RenditionIndex(1), unit(9, false)),
        Body::Done(tessera_media::task::SegmentDone {
            segment: SegmentNumber(5),
            frames_in: 60,
            cpu_ms: 9,
        }),
        Body::Report(Bytes::from_static(b"{}")),
        Body::Failed("it failed".to_owned()),
        Body::Finished,
        Body::Control(serde_json::to_vec(&refused).expect("plain data is JSON").into()),
    ]);
    bodies
}

/// High profile at level 4, with all that such a parameter set may say of its colours and times.
const HIGH: &[u8] = b"\x67\x64\0\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x44\0\0\x03\0\x04\0\0\x03\0\xf0\x3c\x60\xc6\x58";

fn h264() -> VideoFormat {
    let sps =
        b"\x67\x42\xc0\x1e\xd9\0\xa0\x2f\xf9\x30\x11\0\0\x03\x03\xe9\0\0\xea\x60\x0f\x16\x2e\x48";
    let (sps, pps) = (Bytes::from_static(sps), Bytes::from_static(b"\x68\xcb\x83\xcb\x20"));
    let config = DecoderConfig { sps: vec![sps], pps: vec![pps], length_size: 4 };
    config.video_format().expect("a format")
}

fn sound() -> tessera_media::AudioFormat {
    aac::audio_format(Bytes::from_static(&[0x12, 0x10])).expect("AAC-LC in stereo")
}

fn unit(at: i64, keyframe: bool) -> AccessUnit {
    let at = Ticks(at);
    AccessUnit { pts: at, dts: at, keyframe, data: Bytes::from_static(&[0, 0, 0, 2, 0x65, 1]) }
}
