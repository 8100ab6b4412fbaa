//! The bodies of FLV's video and audio tags, which RTMP carries as its messages.

use crate::parameter_sets::ParameterSets;
use crate::tracks::{NotTaken, Tracks, Unwrapped};
use bytes::Bytes;
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, Ticks, TrackFormat};
use tessera_packaging::aac;
use tessera_packaging::h264::{DecoderConfig, Picture};

/// Reads tags of one visit into its tracks.
#[derive(Debug, Default)]
pub(crate) struct FlvReader {
    /// One for both tracks, so that they wrap together.
    clock: Unwrapped<32>,
    sets: ParameterSets,
    /// Bytes of each length; `None` before a configuration came.
    length_size: Option<u8>,
}

impl FlvReader {
    /// Takes a video tag's body, with its time in milliseconds.
    pub(crate) fn video(
        &mut self,
        ms: u32,
        body: &Bytes,
        tracks: &mut Tracks,
    ) -> Result<(), NotTaken> {
        let Some(&first) = body.first() else { return Ok(()) };
        let codec = match (first & 0x80 != 0, first & 15) {
            (true, _) => four_letters(body),
            // Commands to a player, not pictures.
            _ if first >> 4 == 5 => return Ok(()),
            (false, 7) => None,
            (false, 2) => Some("Sorenson H.263".to_owned()),
            (false, 4 | 5) => Some("VP6".to_owned()),
            (false, other) => Some(format!("FLV's codec {other}")),
        };
        if let Some(codec) = codec {
            return Err(NotTaken(format!(
                "the pictures are coded as {codec}, and only H.264 is taken: set the encoder to H.264"
            )));
        }
        let Some((head, payload)) = body.split_first_chunk::<5>() else {
            tracks.skipped("a video message was too short to be one");
            return Ok(());
        };
        let [_, kind, c0, c1, c2] = *head;
        match kind {
            0 => self.configuration(payload, tracks),
            1 => {
                // 24 bits with a sign.
                let offset = i64::from(i32::from_be_bytes([c0, c1, c2, 0]) >> 8);
                let dts = self.clock.time(u64::from(ms));
                self.picture(dts, dts + offset, payload, tracks);
            }
            // The end of a sequence.
            _ => {}
        }
        Ok(())
    }

    /// Takes an audio tag's body, with its time in milliseconds.
    pub(crate) fn audio(
        &mut self,
        ms: u32,
        body: &Bytes,
        tracks: &mut Tracks,
    ) -> Result<(), NotTaken> {
        let Some(&first) = body.first() else { return Ok(()) };
        let codec = match first >> 4 {
            10 => None,
            0 | 3 => Some("PCM".to_owned()),
            1 => Some("ADPCM".to_owned()),
            2 | 14 => Some("MP3".to_owned()),
            4..=6 => Some("Nellymoser".to_owned()),
            9 => four_letters(body),
            11 => Some("Speex".to_owned()),
            other => Some(format!("FLV's codec {other}")),
        };
        if let Some(codec) = codec {
            return Err(NotTaken(format!(
                "the sound is coded as {codec}, and only AAC is taken: set the encoder to AAC"
            )));
        }
        match body.get(1) {
            Some(0) => {
                let format = aac::audio_format(body.slice(2..))
                    .map_err(|why| NotTaken(format!("{why}: set the encoder to AAC-LC")))?;
                tracks.format(TrackFormat::Audio(format));
            }
            Some(1) if body.len() > 2 => {
                let at = Ticks::from_millis(self.clock.time(u64::from(ms)));
                let data = body.slice(2..);
                tracks
                    .unit(TrackKind::Audio, AccessUnit { pts: at, dts: at, keyframe: true, data });
            }
            _ => {}
        }
        Ok(())
    }

    fn configuration(&mut self, record: &[u8], tracks: &mut Tracks) {
        let read = DecoderConfig::parse(record).and_then(|config| {
            let (length_size, sets) = (config.length_size, ParameterSets::of(config));
            Ok((sets.format()?, sets, length_size))
        });
        match read {
            Ok((format, sets, length_size)) => {
                (self.sets, self.length_size) = (sets, Some(length_size));
                tracks.format(TrackFormat::Video(format));
            }
            Err(why) => tracks.skipped(&format!("a configuration of the pictures: {why}")),
        }
    }

    /// Times in milliseconds.
    fn picture(&mut self, dts: i64, pts: i64, payload: &[u8], tracks: &mut Tracks) {
        let Some(length_size) = self.length_size else {
            return tracks.skipped("pictures came before their configuration and were left out");
        };
        match Picture::from_length_prefixed(payload, length_size) {
            Ok(mut picture) => {
                tracks.picture(&mut picture, &mut self.sets, [pts, dts].map(Ticks::from_millis));
            }
            Err(_) => tracks.skipped("malformed pictures were left out"),
        }
    }
}

/// The codec's name in enhanced RTMP, as people know it.
fn four_letters(body: &[u8]) -> Option<String> {
    Some(match body.get(1..5) {
        Some(b"hvc1") => "H.265".to_owned(),
        Some(b"av01") => "AV1".to_owned(),
        Some(b"vp09") => "VP9".to_owned(),
        Some(b"Opus") => "Opus".to_owned(),
        Some(name) if name.is_ascii() => {
            format!("“{}” (enhanced RTMP)", String::from_utf8_lossy(name).escape_debug())
        }
        _ => "something unknown (enhanced RTMP)".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceEvent;
    use crate::tracks::Output;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_tag_makes_it_panic(
            tags in proptest::collection::vec(
                (any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..60)),
                0..10,
            ),
        ) {
            let (mut reader, mut tracks) = (FlvReader::default(), Tracks::default());
            for (video, ms, body) in tags {
                let body = Bytes::from(body);
                let _ = if video {
                    reader.video(ms, &body, &mut tracks)
                } else {
                    reader.audio(ms, &body, &mut tracks)
                };
            }
        }
    }

    #[test]
    fn messages_full_of_parameter_sets_leave_no_more_than_a_record_holds() {
        let (mut reader, mut tracks) = (FlvReader::default(), Tracks::default());
        // Lengths of one byte, so that most sets fit.
        let configuration = b"\x17\0\0\0\0\x01\x64\0\x28\xfc\xe1\0\x1b\x67\x64\0\x28\xac\xd9\x40\
            \x78\x02\x27\xe5\xc0\x44\0\0\x03\0\x04\0\0\x03\0\xf0\x3c\x60\xc6\x58\x01\0\x04\x68\xeb\xe3\xcb";
        reader.video(0, &Bytes::from_static(configuration), &mut tracks).unwrap();
        assert_eq!((reader.length_size, tracks.take()), (Some(1), vec![]));
        for message in 0..2_u8 {
            let mut body = b"\x27\x01\0\0\0".to_vec();
            (0..200_000_u32).for_each(|n| {
                let [_, a, b, c] = n.to_be_bytes();
                body.extend([5, 0x68, message, a, b, c]);
            });
            reader.video(0, &body.into(), &mut tracks).unwrap();
        }
        let config = DecoderConfig::parse(&reader.sets.format().unwrap().config).unwrap();
        assert_eq!((config.sps.len(), config.pps.len()), (1, 255));
        let Some(Output::Event(SourceEvent::Skipped(why))) = tracks.take().pop() else {
            panic!("it is said");
        };
        assert!(why.contains("parameter sets"), "{why}");
    }

    #[test]
    fn codecs_that_are_not_taken_are_named() {
        let (mut reader, mut tracks) = (FlvReader::default(), Tracks::default());
        let mut video = |body: &'static [u8]| {
            reader.video(0, &Bytes::from_static(body), &mut tracks).unwrap_err().0
        };
        assert!(video(b"\x90hvc1").contains("H.265"));
        assert!(video(b"\x14\0\0\0\0").contains("VP6"));
        assert!(video(b"\x90\xff\xff\xff\xff").contains("unknown"));
        let mut audio = |body: &'static [u8]| {
            reader.audio(0, &Bytes::from_static(body), &mut Tracks::default()).unwrap_err().0
        };
        assert!(audio(b"\x2f\0\0").contains("MP3"));
        assert!(audio(b"\xaf\0\x0a").contains("ends too early"));
    }
}
