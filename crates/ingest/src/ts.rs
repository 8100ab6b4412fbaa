//! MPEG transport streams (ISO/IEC 13818-1), as sources send them: one program, of which the first
//! H.264 and the first AAC track are taken.
//!
//! A PES packet is taken for one access unit of video, as every live encoder makes them; frames of
//! sound may lie anywhere.

mod pes;
mod psi;

use crate::parameter_sets::ParameterSets;
use crate::tracks::{NotTaken, Tracks, Unwrapped};
use bytes::{Buf, Bytes, BytesMut};
use pes::{Assembly, Pes};
use psi::{Program, Sections};
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, AudioFormat, Ticks, TrackFormat};
use tessera_packaging::aac::{self, AacError, AudioSpecificConfig};
use tessera_packaging::h264::Picture;

/// Bytes of a packet.
pub(crate) const PACKET: usize = 188;
/// So many bytes without a packet among them are no transport stream.
const MAX_GARBAGE: usize = 64 << 10;
/// Longest packet of sound: only pictures may have more than a PES packet's length says. Frames of
/// sound are so short that a longer one would become a hundred times its size in units at once.
const MAX_SOUND: usize = 65_535;

/// Reads bytes of one visit into its tracks.
#[derive(Debug, Default)]
pub(crate) struct TsReader {
    bytes: BytesMut,
    garbage: usize,
    directory: Sections,
    /// Where the program is described.
    map_pid: Option<u16>,
    map: Sections,
    program: Option<Program>,
    video: Elementary,
    audio: Elementary,
    /// One for both tracks, so that they wrap together.
    clock: Unwrapped<33>,
    sets: ParameterSets,
    sound: Sound,
}

/// One elementary stream's packets.
#[derive(Debug, Default)]
struct Elementary {
    assembly: Assembly,
    /// The last packet's counter.
    counter: Option<u8>,
}

/// Frames of sound across PES packets.
#[derive(Debug, Default)]
struct Sound {
    bytes: BytesMut,
    /// The time of the first frame that begins at or after this place.
    stamped: Option<(usize, i64)>,
    /// The time that was stamped last, and frames since.
    base: Option<(i64, i64)>,
    config: Option<AudioSpecificConfig>,
    format: Option<AudioFormat>,
}

/// A packet's head, decoded.
struct Head {
    pid: u16,
    begins: bool,
    counter: u8,
    /// Where the payload begins; `None` if there is none.
    payload: Option<usize>,
    /// Whether the counter is allowed to jump here.
    discontinuity: bool,
}

impl TsReader {
    /// Takes bytes, in any pieces.
    pub(crate) fn read(&mut self, bytes: &[u8], tracks: &mut Tracks) -> Result<(), NotTaken> {
        self.bytes.extend_from_slice(bytes);
        loop {
            let skip = self.bytes.iter().take_while(|&&byte| byte != 0x47).count();
            self.bytes.advance(skip);
            self.garbage += skip;
            if self.garbage > MAX_GARBAGE {
                return Err(NotTaken(
                    "this is no MPEG transport stream: send H.264 and AAC in MPEG-TS".to_owned(),
                ));
            }
            if self.bytes.len() < PACKET {
                return Ok(());
            }
            let Some(head) = head(&self.bytes) else {
                self.bytes.advance(1);
                self.garbage += 1;
                continue;
            };
            let packet = self.bytes.split_to(PACKET).freeze();
            self.packet(&head, &packet, tracks)?;
        }
    }

    /// A file is complete; what comes next is another one of the same stream.
    pub(crate) fn boundary(&mut self, tracks: &mut Tracks) {
        self.bytes.clear();
        if let Some(pes) = self.video.assembly.finish() {
            self.picture(&pes, tracks);
        }
        if let Some(pes) = self.audio.assembly.finish() {
            self.sound(&pes, tracks);
        }
        (self.video.counter, self.audio.counter) = (None, None);
    }

    /// A file may have broken off; what comes next is another one of the same stream, or the same.
    pub(crate) fn abandon(&mut self) {
        self.bytes.clear();
        (self.video, self.audio) = (Elementary::default(), Elementary::default());
        self.sound.abandon();
    }

    fn packet(&mut self, head: &Head, packet: &Bytes, tracks: &mut Tracks) -> Result<(), NotTaken> {
        let Some(payload) = head.payload.map(|start| packet.slice(start..)) else { return Ok(()) };
        if head.pid == 0 {
            if let Some(section) = self.directory.take(head.begins, &payload) {
                self.map_pid = psi::map_pid(&section).or(self.map_pid);
                self.garbage = 0;
            }
        } else if Some(head.pid) == self.map_pid {
            if let Some(program) =
                self.map.take(head.begins, &payload).and_then(|section| psi::program(&section))
            {
                self.program(program)?;
            }
        } else if let Some(program) = self.program {
            if program.video == Some(head.pid) {
                for pes in self.video.take(head, &payload, tracks) {
                    self.picture(&pes, tracks);
                }
            } else if program.audio == Some(head.pid) {
                for pes in self.audio.take(head, &payload, tracks) {
                    self.sound(&pes, tracks);
                }
            }
        }
        Ok(())
    }

    fn program(&mut self, program: Program) -> Result<(), NotTaken> {
        if let (None, Some(codec)) = (program.video, program.other_video) {
            return Err(NotTaken(format!(
                "the pictures are coded as {codec}, and only H.264 is taken: set the encoder to H.264"
            )));
        }
        if let (None, Some(codec)) = (program.audio, program.other_audio) {
            return Err(NotTaken(format!(
                "the sound is coded as {codec}, and only AAC is taken: set the encoder to AAC"
            )));
        }
        let before = self.program.replace(program);
        if before.is_some_and(|before| before.video != program.video) {
            self.video = Elementary::default();
        }
        if before.is_some_and(|before| before.audio != program.audio) {
            self.audio = Elementary::default();
            self.sound.abandon();
        }
        Ok(())
    }

    fn picture(&mut self, pes: &Pes, tracks: &mut Tracks) {
        let Some((pts, dts)) = pes.times else {
            return tracks.skipped("pictures without a time were left out");
        };
        let dts = self.clock.time(dts);
        let pts = nearest(pts, dts);
        let mut picture = Picture::from_annex_b(&pes.data);
        tracks.picture(&mut picture, &mut self.sets, [Ticks(pts), Ticks(dts)]);
    }

    fn sound(&mut self, pes: &Pes, tracks: &mut Tracks) {
        if pes.data.len() > MAX_SOUND {
            self.sound.abandon();
            return tracks.skipped("sound in packets of more than 65,535 bytes was left out");
        }
        let sound = &mut self.sound;
        if let Some((pts, _)) = pes.times {
            sound.stamped = Some((sound.bytes.len(), self.clock.time(pts)));
        }
        sound.bytes.extend_from_slice(&pes.data);
        sound.frames(tracks);
    }
}

impl Elementary {
    /// Takes a packet's payload; gives what is complete.
    fn take(&mut self, head: &Head, payload: &Bytes, tracks: &mut Tracks) -> Vec<Pes> {
        let before = self.counter.replace(head.counter);
        match before {
            // Sent twice, which is allowed once.
            Some(before) if before == head.counter && !head.discontinuity => return Vec::new(),
            Some(before) if (before + 1) & 15 != head.counter && !head.discontinuity => {
                tracks.skipped(
                    "packets were lost on the way, and what they belonged to was left out",
                );
                self.assembly.abandon();
            }
            _ => {}
        }
        self.assembly.take(head.begins, payload)
    }
}

impl Sound {
    /// Part of a frame may be missing.
    fn abandon(&mut self) {
        self.bytes.clear();
        (self.stamped, self.base) = (None, None);
    }

    /// Gives all whole frames.
    fn frames(&mut self, tracks: &mut Tracks) {
        loop {
            match front(&self.bytes) {
                Front::Partial => return,
                Front::Garbage(count) => {
                    self.advance(count);
                    tracks.skipped("malformed sound was left out");
                }
                Front::Frame { config, length, data } => {
                    if !data.is_empty() {
                        self.frame(config, data, tracks);
                    }
                    self.advance(length);
                }
            }
        }
    }

    fn frame(&mut self, config: AudioSpecificConfig, data: Bytes, tracks: &mut Tracks) {
        if self.config != Some(config) {
            self.config = Some(config);
            self.format = match config.build().and_then(aac::audio_format) {
                Ok(format) => Some(format),
                Err(why) => {
                    tracks.skipped(&format!("sound was left out: {why}"));
                    None
                }
            };
        }
        let Some(format) = self.format.clone() else { return };
        if let Some((_, time)) = self.stamped.take_if(|(place, _)| *place == 0) {
            self.base = Some((time, 0));
        }
        // Sound from before the first time that was said.
        let Some((base, count)) = &mut self.base else { return };
        let samples = *count * i64::from(AudioFormat::SAMPLES_PER_UNIT);
        let at = Ticks(*base + samples * Ticks::PER_SECOND / i64::from(format.sample_rate));
        *count += 1;
        tracks.format(TrackFormat::Audio(format));
        tracks.unit(TrackKind::Audio, AccessUnit { pts: at, dts: at, keyframe: true, data });
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some((place, _)) = &mut self.stamped {
            *place = place.saturating_sub(count);
        }
    }
}

/// What stands at the front of some sound.
enum Front {
    Frame {
        config: AudioSpecificConfig,
        length: usize,
        data: Bytes,
    },
    /// A frame that is not all here.
    Partial,
    /// Bytes in which no frame begins.
    Garbage(usize),
}

fn front(bytes: &[u8]) -> Front {
    let first = aac::adts_frames(bytes).next();
    match first {
        None | Some(Err(AacError::Short)) => Front::Partial,
        Some(Err(AacError::Length { length, left })) if length > left => Front::Partial,
        Some(Err(_)) => {
            let next = bytes.iter().skip(1).position(|&byte| byte == 0xff);
            Front::Garbage(next.map_or(bytes.len(), |next| next + 1))
        }
        Some(Ok(frame)) => {
            // Headers without a checksum are two bytes shorter.
            let header = if bytes[1] & 1 == 1 { 7 } else { 9 };
            let data = Bytes::copy_from_slice(frame.data);
            Front::Frame { config: frame.config, length: header + data.len(), data }
        }
    }
}

/// The time nearest to `to` that has these lowest 33 bits.
fn nearest(raw: u64, to: i64) -> i64 {
    let (whole, half) = (1_i64 << 33, 1_i64 << 32);
    to + (raw as i64 - to + half).rem_euclid(whole) - half
}

/// Reads the head of a packet; `None` if it is damaged.
fn head(packet: &[u8]) -> Option<Head> {
    let [_, b1, b2, b3] = *packet.first_chunk::<4>()?;
    let (damaged, scrambled) = (b1 & 0x80 != 0, b3 & 0xc0 != 0);
    if damaged || scrambled {
        return None;
    }
    let (mut start, mut discontinuity) = (4, false);
    if b3 & 0x20 != 0 {
        let length = usize::from(packet[4]);
        discontinuity = length > 0 && packet[5] & 0x80 != 0;
        start += 1 + length;
    }
    let has_payload = b3 & 0x10 != 0;
    if start > PACKET || (has_payload && start == PACKET) {
        return None;
    }
    Some(Head {
        pid: u16::from_be_bytes([b1 & 0x1f, b2]),
        begins: b1 & 0x40 != 0,
        counter: b3 & 15,
        payload: has_payload.then_some(start),
        discontinuity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_transport_stream_is_refused() {
        let (mut reader, mut tracks) = (TsReader::default(), Tracks::default());
        let read = (0..100).try_for_each(|_| reader.read(&[0; 1000], &mut tracks));
        assert!(read.unwrap_err().0.contains("MPEG-TS"));
    }

    #[test]
    fn sound_in_packets_that_are_too_long_is_left_out() {
        // A frame of one byte, over and over.
        let frame = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 7];
        let units = |count| {
            let (mut reader, mut tracks) = (TsReader::default(), Tracks::default());
            let pes = Pes { times: Some((0, 0)), data: frame.repeat(count).into() };
            reader.sound(&pes, &mut tracks);
            tracks.take().len()
        };
        // The format, or a sentence.
        assert_eq!(units(1000), 1001);
        assert_eq!(units(10_000), 1);
    }

    #[test]
    fn times_wrap_together() {
        assert_eq!(nearest(5, (1 << 33) - 3), (1 << 33) + 5);
        assert_eq!(nearest((1 << 33) - 1, 2), -1);
    }

    proptest! {
        #[test]
        fn no_packets_make_it_panic(
            packets in proptest::collection::vec(
                (0_u8..3, any::<[u8; 3]>(), proptest::collection::vec(any::<u8>(), 184)), 0..20),
        ) {
            let (mut reader, mut tracks) = (TsReader::default(), Tracks::default());
            reader.program = Some(Program { video: Some(1), audio: Some(2), ..Program::default() });
            for (pid, [b1, b3, _], body) in packets {
                let mut packet = vec![0x47, b1 & 0x40, pid, b3 & 0x3f];
                packet.extend(body);
                let _ = reader.read(&packet, &mut tracks);
            }
            reader.boundary(&mut tracks);
        }
    }
}
