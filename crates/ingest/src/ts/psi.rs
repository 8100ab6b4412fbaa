//! The tables that say which packets belong to what.

use bytes::{BufMut, Bytes, BytesMut};

/// Longest section of a table.
const MAX_SECTION: usize = 3 + 1021;

/// What a program consists of, by packet id.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    /// The first H.264.
    pub(crate) video: Option<u16>,
    /// The first AAC.
    pub(crate) audio: Option<u16>,
    /// Other codecs that are there, in words.
    pub(crate) other_video: Option<&'static str>,
    pub(crate) other_audio: Option<&'static str>,
}

/// Puts sections together.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    bytes: BytesMut,
    open: bool,
}

impl Sections {
    /// Takes a packet's payload; gives a section that is complete and whose checksum holds. Where
    /// several stand in a packet the first is given, as sources make one of each.
    pub(crate) fn take(&mut self, begins: bool, payload: &[u8]) -> Option<Bytes> {
        if begins {
            let pointer = usize::from(*payload.first()?);
            self.bytes.clear();
            self.open = true;
            self.bytes.put_slice(payload.get(1 + pointer..)?);
        } else if self.open {
            self.bytes.put_slice(payload);
        }
        let head = self.bytes.first_chunk::<3>().filter(|_| self.open)?;
        let length = 3 + usize::from(u16::from_be_bytes([head[1] & 0x0f, head[2]]));
        if length > MAX_SECTION {
            self.open = false;
            return None;
        }
        let section = self.bytes.get(..length)?;
        let whole = (crc(section) == 0).then(|| Bytes::copy_from_slice(section));
        self.open = false;
        whole
    }
}

/// The packet id of the first program's map, in a program association section.
pub(crate) fn map_pid(section: &[u8]) -> Option<u16> {
    let programs = section.get(8..section.len().checked_sub(4)?)?;
    (section[0] == 0).then_some(())?;
    // Program 0 is the network's own table.
    let program = programs.chunks_exact(4).find(|program| program[..2] != [0, 0])?;
    Some(pid(program[2], program[3]))
}

/// A program map section.
pub(crate) fn program(section: &[u8]) -> Option<Program> {
    (*section.first()? == 2).then_some(())?;
    let body = section.get(..section.len().checked_sub(4)?)?;
    let mut rest = body.get(12 + length(body.get(10..12)?)..)?;
    let mut program = Program::default();
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let (kind, id) = (head[0], pid(head[1], head[2]));
        let descriptors = after.get(..length(&head[3..5]))?;
        rest = &after[descriptors.len()..];
        match kind {
            0x1b => program.video = program.video.or(Some(id)),
            0x0f => program.audio = program.audio.or(Some(id)),
            0x01 | 0x02 => program.other_video = Some("MPEG-2"),
            0x10 => program.other_video = Some("MPEG-4 part 2"),
            0x24 => program.other_video = Some("H.265"),
            0x03 | 0x04 => program.other_audio = Some("MPEG audio (MP2 or MP3)"),
            0x11 => program.other_audio = Some("AAC in LATM, not ADTS"),
            0x81 => program.other_audio = Some("AC-3"),
            0x87 => program.other_audio = Some("E-AC-3"),
            0x06 if registered(descriptors, b"Opus") => program.other_audio = Some("Opus"),
            0x06 if registered(descriptors, b"AV01") => program.other_video = Some("AV1"),
            _ => {}
        }
    }
    Some(program)
}

/// Whether a registration descriptor names this format.
fn registered(mut descriptors: &[u8], format: &[u8; 4]) -> bool {
    while let [tag, length, rest @ ..] = descriptors {
        let Some((body, after)) = rest.split_at_checked(usize::from(*length)) else { return false };
        if *tag == 5 && body.starts_with(format) {
            return true;
        }
        descriptors = after;
    }
    false
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

/// A length of 12 bits.
fn length(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0] & 0x0f, bytes[1]]))
}

/// MPEG's CRC-32; 0 over a section with its checksum.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A section with its checksum, behind a pointer of 0.
    fn packet(mut section: Vec<u8>) -> Vec<u8> {
        let length = section.len() + 4 - 3;
        section[1] = 0xb0 | (length >> 8) as u8;
        section[2] = length as u8;
        let sum = crc(&section);
        section.extend(sum.to_be_bytes());
        [vec![0], section, vec![0xff; 20]].concat()
    }

    #[test]
    fn a_program_is_found_and_other_codecs_are_named() {
        let directory = packet(vec![0, 0, 0, 0, 1, 0xc1, 0, 0, 0, 0, 0xe0, 16, 0, 1, 0xf0, 0]);
        let section = Sections::default().take(true, &directory).unwrap();
        assert_eq!(map_pid(&section), Some(0x1000));

        let map = packet(
            [
                &[2, 0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0][..],
                &[0x24, 0xe1, 1, 0xf0, 0, 0x0f, 0xe1, 2, 0xf0, 2, 9, 0, 0x1b, 0xe1, 3, 0xf0, 0],
            ]
            .concat(),
        );
        let mut sections = Sections::default();
        assert_eq!(sections.take(true, &map[..10]), None);
        let program = program(&sections.take(false, &map[10..]).unwrap()).unwrap();
        assert_eq!((program.video, program.audio), (Some(0x103), Some(0x102)));
        assert_eq!(program.other_video, Some("H.265"));
    }

    #[test]
    fn a_section_that_was_damaged_is_dropped() {
        let mut directory = packet(vec![0, 0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
        directory[9] ^= 1;
        assert_eq!(Sections::default().take(true, &directory), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            map_pid(&bytes);
            program(&bytes);
            let mut sections = Sections::default();
            sections.take(true, &bytes);
            sections.take(false, &bytes);
        }
    }
}
