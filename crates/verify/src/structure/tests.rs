//! One sound segment, and each way to spoil it.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use tessera_protocol::stream::Ladder;

/// 1920 × 1080, high profile, as libavformat writes it.
const CONFIG: &str = "01640028ffe1001b67640028acd940780227e5c044000003000400000300f03c60c658\
    01000668ebe3cb22c0fdf8f800";
const IDR: &[u8] = &[0x65, 0x88, 0x80, 1, 2, 3];
const SLICE: &[u8] = &[0x41, 0x9a, 0x11, 1, 2, 3];
const FRAMES: i64 = 60;
const FRAME: i64 = 3000;
/// Bytes of a unit that make a rendition about as large as asked.
const FULL: usize = 12_000;

fn config() -> Bytes {
    let byte = |n| u8::from_str_radix(&CONFIG[n..n + 2], 16).unwrap();
    (0..CONFIG.len()).step_by(2).map(byte).collect()
}

fn prefixed(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

fn padded(nal: &[u8], size: usize) -> Vec<u8> {
    let mut nal = nal.to_vec();
    nal.resize(size.max(nal.len()), 0x55);
    prefixed(&[&nal])
}

fn unit(n: i64, data: Vec<u8>) -> AccessUnit {
    let pts = Ticks(900_000 + n * FRAME);
    AccessUnit { pts, dts: pts - Ticks(2 * FRAME), keyframe: n == 0, data: data.into() }
}

/// What was asked, its source, and what came.
#[derive(Clone)]
struct Segment {
    asked: Rendition,
    source: Source,
    format: VideoFormat,
    units: Vec<AccessUnit>,
    claim: RenditionResult,
}

impl Segment {
    fn sound() -> Self {
        let ladder: Ladder = "1080p:3M".parse().unwrap();
        let config = config();
        let format = VideoFormat { codec: VideoCodec::H264, width: 1920, height: 1080, config };
        let size = |n| padded(if n == 0 { IDR } else { SLICE }, FULL);
        let units: Vec<_> = (0..FRAMES).map(|n| unit(n, size(n))).collect();
        let source = Source::of(&format, &units, Ticks(900_000 + FRAMES * FRAME));
        let asked = ladder.renditions()[0].clone();
        let mut segment = Self {
            claim: RenditionResult {
                rendition: asked.name.clone(),
                frames: 0,
                pixels: 0,
                bytes: 0,
                hash: MediaHash([0; 32]),
            },
            asked,
            source,
            format,
            units,
        };
        segment.claim_truly();
        segment
    }

    /// Claims what is there, however wrong that is.
    fn claim_truly(&mut self) {
        let mut hasher = UnitHasher::default();
        self.units.iter().for_each(|unit| hasher.unit(unit));
        let frames = self.units.len() as u32;
        let pixels = u64::from(self.format.width) * u64::from(self.format.height);
        self.claim.frames = frames;
        self.claim.pixels = pixels * u64::from(frames);
        self.claim.bytes = self.units.iter().map(|unit| unit.data.len() as u64).sum();
        self.claim.hash = MediaHash(hasher.finish());
    }

    fn check(&self) -> Result<Checked, Refusal> {
        let mut check = RenditionCheck::new(&self.asked, self.source.size, &self.format)?;
        self.units.iter().try_for_each(|unit| check.unit(unit))?;
        let checked = check.finish(&self.source)?;
        checked.agrees_with(&self.claim)?;
        Ok(checked)
    }

    /// Spoilt, and claimed truly: what is refused then is no matter of the claim.
    fn refused(spoil: impl FnOnce(&mut Self)) -> Refusal {
        let mut segment = Self::sound();
        spoil(&mut segment);
        segment.claim_truly();
        segment.refusal()
    }

    fn refusal(&self) -> Refusal {
        match self.check() {
            Err(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn at(n: i64) -> Ticks {
    Ticks(900_000 + n * FRAME)
}

#[test]
fn a_sound_segment_passes_and_is_counted() {
    let checked = Segment::sound().check().unwrap();
    assert_eq!((checked.frames, checked.pixels), (60, 60 * 1920 * 1080));
    assert_eq!(checked.bytes, 60 * (FULL as u64 + 4));
    assert!((checked.share - 0.96).abs() < 0.01 && !checked.thin);
}

#[test]
fn b_frames_are_sound() {
    let mut segment = Segment::sound();
    // Decoded 0, 2, 1, 4, 3 …
    for pair in segment.units[1..].chunks_exact_mut(2) {
        let (a, b) = (pair[0].pts, pair[1].pts);
        (pair[0].pts, pair[1].pts) = (b, a);
    }
    segment.claim_truly();
    segment.check().unwrap();
}

#[test]
fn another_codec_or_size_is_refused() {
    let refusal = Segment::refused(|s| s.asked.codec = VideoCodec::H265);
    assert_eq!(refusal, Refusal::Codec { asked: VideoCodec::H265, came: VideoCodec::H264 });
    let small = Size { width: 1280, height: 720 };
    let full = Size { width: 1920, height: 1080 };
    let refusal = Segment::refused(|s| s.asked.height = 720);
    assert_eq!(refusal, Refusal::Size { asked: small, came: full });
    // A format that says what was asked, with a configuration that does not.
    let refusal = Segment::refused(|s| {
        s.asked.height = 720;
        (s.format.width, s.format.height) = (1280, 720);
    });
    assert_eq!(refusal, Refusal::ConfigSize { config: full, format: small });
}

#[test]
fn a_configuration_that_is_none_is_refused() {
    for end in [0, 1, 5, 7, 20] {
        let refusal = Segment::refused(|s| s.format.config = config().slice(..end));
        assert_eq!(refusal, Refusal::Config(Flaw::Config), "{end}");
    }
    let refusal = Segment::refused(|s| {
        let mut config = config().to_vec();
        config[4] = 0xfd;
        s.format.config = config.into();
    });
    assert_eq!(refusal, Refusal::Config(Flaw::Config), "lengths of 2 bytes");
}

#[test]
fn units_that_are_no_picture_are_refused() {
    let flaw = |data: Vec<u8>| match Segment::refused(|s| s.units[7].data = data.into()) {
        Refusal::Unit { at: when, flaw } => {
            assert_eq!(when, at(7));
            flaw
        }
        other => panic!("{other}"),
    };
    assert_eq!(flaw(vec![]), Flaw::Empty);
    assert_eq!(flaw(prefixed(&[&[6, 1, 2]])), Flaw::Empty);
    assert_eq!(flaw(vec![0, 0, 0, 9, 0x41]), Flaw::Length { length: 9, left: 1 });
    assert_eq!(flaw(prefixed(&[SLICE, SLICE])), Flaw::Pictures);
    assert_eq!(flaw(prefixed(&[SLICE, &[12, 255, 255, 128]])), Flaw::Kind(12));
    assert_eq!(flaw(prefixed(&[&[0x67, 1, 2], SLICE])), Flaw::Kind(7));
    assert_eq!(flaw(prefixed(&[&[0xc1, 0x9a, 1]])), Flaw::Kind(0xc1));
    assert_eq!(flaw(prefixed(&[&[0x41]])), Flaw::Short);
    assert_eq!(flaw(prefixed(&[&[6; 3000], SLICE])), Flaw::Aside { bytes: 3000 });
    // The second slice begins at block 0b010 - 1 = 1, and the next one there again.
    let second: &[u8] = &[0x41, 0b0100_1101, 0x11, 0x80];
    assert_eq!(flaw(prefixed(&[SLICE, second, second])), Flaw::Slices);
    assert_eq!(flaw(prefixed(&[second])), Flaw::Slices);
    // A P slice in a keyframe.
    let refusal = Segment::refused(|s| s.units[0].data = prefixed(&[&[0x65, 0x9a, 0x11]]).into());
    assert_eq!(refusal, Refusal::Unit { at: at(0), flaw: Flaw::Slices });
}

#[test]
fn slices_and_what_an_encoder_says_of_itself_are_sound() {
    let mut segment = Segment::sound();
    let second: &[u8] = &[0x41, 0b0100_1101, 0x11, 0x80];
    segment.units[7].data = prefixed(&[&[9, 0xf0], &[6; 800], SLICE, second]).into();
    segment.claim_truly();
    segment.check().unwrap();
}

#[test]
fn the_first_unit_alone_is_a_keyframe() {
    let slice = || padded(SLICE, FULL);
    let refusal =
        Segment::refused(|s| s.units[0] = AccessUnit { keyframe: false, ..unit(0, slice()) });
    assert_eq!(refusal, Refusal::NoKeyframe { at: at(0) });
    let refusal = Segment::refused(|s| s.units[0].data = slice().into());
    assert_eq!(refusal, Refusal::Marked { at: at(0), marked: true });
    let refusal = Segment::refused(|s| s.units[9].data = padded(IDR, FULL).into());
    assert_eq!(refusal, Refusal::Marked { at: at(9), marked: false });
    let refusal = Segment::refused(|s| {
        s.units[9] = AccessUnit { keyframe: true, ..unit(9, padded(IDR, FULL)) };
    });
    assert_eq!(refusal, Refusal::Keyframe { at: at(9) });
}

#[test]
fn decoding_times_rise_and_pass_no_presentation() {
    let refusal = Segment::refused(|s| s.units[5].dts = at(6));
    assert_eq!(refusal, Refusal::DecodedLate { at: at(5), dts: at(6) });
    let refusal = Segment::refused(|s| s.units[5].dts = at(2));
    assert_eq!(refusal, Refusal::DecodingOrder { at: at(5), dts: at(2), before: at(2) });
    let refusal = Segment::refused(|s| s.units[0].dts = at(-31));
    assert_eq!(refusal, Refusal::DecodedEarly { dts: at(-31), start: at(0) });
}

#[test]
fn each_frame_comes_once_at_its_time() {
    let refusal = Segment::refused(|s| {
        s.units.remove(30);
    });
    assert_eq!(refusal, Refusal::Missing { at: at(30), more: 0 });
    let refusal = Segment::refused(|s| s.units.truncate(20));
    assert_eq!(refusal, Refusal::Missing { at: at(20), more: 39 });
    let refusal = Segment::refused(|s| s.units.clear());
    assert_eq!(refusal, Refusal::Missing { at: at(0), more: 59 });
    let refusal = Segment::refused(|s| s.units[30].pts = at(31));
    assert_eq!(refusal, Refusal::Twice { at: at(31) });
    let off = at(30) + Ticks(1);
    let refusal = Segment::refused(|s| s.units[30].pts = off);
    assert_eq!(refusal, Refusal::Extra { at: off });
    let refusal = Segment::refused(|s| s.units.push(unit(60, padded(SLICE, FULL))));
    assert_eq!(refusal, Refusal::Extra { at: at(60) });
}

#[test]
fn a_limit_of_frames_a_second_drops_every_other_one() {
    let refusal = Segment::refused(|s| s.asked.max_fps = Some(20));
    assert_eq!(refusal, Refusal::Extra { at: at(1) });
    let mut segment = Segment::sound();
    segment.asked.max_fps = Some(20);
    segment.units = segment.units.into_iter().step_by(2).collect();
    segment.claim_truly();
    assert_eq!(segment.check().unwrap().frames, 30);
    // A third of them, where half were asked, and half of them where all were.
    let mut third = segment.clone();
    third.units = (0..20).map(|n| unit(3 * n, padded(SLICE, FULL))).collect();
    third.units[0] = Segment::sound().units.remove(0);
    third.claim_truly();
    assert_eq!(third.refusal(), Refusal::Extra { at: at(3) });
    segment.asked.max_fps = None;
    assert_eq!(segment.refusal(), Refusal::Missing { at: at(1), more: 29 });
}

#[test]
fn a_rate_that_wavers_may_be_read_either_way() {
    // A source of 60 frames a second at first and 25 later, of which at most 30 are asked.
    let frames: Vec<_> = (0..60)
        .map(|n| Ticks(900_000 + if n < 30 { n * 1500 } else { n * 3600 - 63_000 }))
        .collect();
    for (every, passes) in [(1, true), (2, true), (3, false)] {
        let mut segment = Segment::sound();
        segment.asked.max_fps = Some(30);
        segment.source.frames = frames.clone();
        segment.units = segment
            .units
            .into_iter()
            .zip(&frames)
            .step_by(every)
            .map(|(unit, &pts)| AccessUnit { pts, dts: pts, ..unit })
            .collect();
        segment.claim_truly();
        assert_eq!(segment.check().is_ok(), passes, "every {every}");
    }
}

#[test]
fn too_many_bytes_are_refused_and_too_few_are_noted() {
    let sized = |size| {
        let mut segment = Segment::sound();
        for unit in &mut segment.units[1..] {
            unit.data = padded(SLICE, size).into();
        }
        segment.claim_truly();
        segment
    };
    assert!(sized(2 * FULL).check().is_ok());
    assert!(matches!(sized(4 * FULL).refusal(), Refusal::Fat { most: 1_875_000, .. }));
    let thin = sized(FULL / 4);
    assert!(thin.check().unwrap().thin);
    // A source that is as spare itself: a still picture.
    let spare = Segment { source: Source { bytes: 300_000, ..thin.source.clone() }, ..thin };
    assert!(!spare.check().unwrap().thin);
}

#[test]
fn a_claim_that_says_anything_else_is_refused() {
    type Spoil = fn(&mut RenditionResult);
    let spoil: [(&str, Spoil); 4] = [
        ("frames", |claim| claim.frames += 1),
        ("pixels", |claim| claim.pixels *= 2),
        ("bytes", |claim| claim.bytes -= 1),
        ("hash", |claim| claim.hash.0[31] ^= 1),
    ];
    for (field, spoil) in spoil {
        let mut segment = Segment::sound();
        spoil(&mut segment.claim);
        assert!(matches!(segment.refusal(), Refusal::Claim { what, .. } if what == field));
    }
    let mut segment = Segment::sound();
    segment.units[7].data = padded(SLICE, FULL - 1).into();
    assert!(matches!(segment.refusal(), Refusal::Claim { what: "bytes", .. }));
}

#[test]
fn a_segment_has_a_limited_number_of_frames() {
    let Segment { asked, source, format, units, .. } = Segment::sound();
    let mut check = RenditionCheck::new(&asked, source.size, &format).unwrap();
    check.unit(&units[0]).unwrap();
    let refused = (1..).find_map(|n| check.unit(&unit(n, prefixed(&[SLICE]))).err());
    assert_eq!(refused, Some(Refusal::TooMany { most: RenditionCheck::MOST_FRAMES }));
}

#[test]
fn refusals_read_as_sentences() {
    let said = |refusal: &Refusal| refusal.to_string();
    assert_eq!(
        said(&Refusal::Missing { at: at(30), more: 2 }),
        "the frame at 11.000 s is missing, and 2 more"
    );
    assert_eq!(
        said(&Refusal::Marked { at: at(0), marked: true }),
        "the unit at 10.000 s says of itself that it is a keyframe, and it is none"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_a_check_panic(
        data in proptest::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..60),
        codec in prop_oneof![Just(VideoCodec::H264), Just(VideoCodec::H265), Just(VideoCodec::Av1)],
    ) {
        let _ = match codec {
            VideoCodec::H264 => (h264::size(&data).is_ok(), h264::keyframe(&data)),
            VideoCodec::H265 => (h265::size(&data).is_ok(), h265::keyframe(&data)),
            VideoCodec::Av1 => (av1::size(&data).is_ok(), av1::keyframe(&data)),
        };
    }

    #[test]
    fn times_however_wild_make_no_check_panic(pts in any::<i64>(), dts in any::<i64>()) {
        let Segment { asked, source, format, units, .. } = Segment::sound();
        let mut check = RenditionCheck::new(&asked, source.size, &format).unwrap();
        let wild = AccessUnit { pts: Ticks(pts), dts: Ticks(dts), ..units[0].clone() };
        if check.unit(&wild).is_ok() {
            let _ = check.finish(&source);
        }
    }
}
