//! H.264 packets to units.

use super::Read;
use crate::error::Trouble;
use crate::raw;
use bytes::Bytes;
use ffmpeg::Packet;
use ffmpeg::codec::Parameters;
use ffmpeg::codec::packet::side_data;
use ffmpeg_next as ffmpeg;
use tessera_media::TrackFormat;
use tessera_packaging::h264::{DecoderConfig, NalKind, Picture, length_prefixed_units};

/// A track of H.264.
pub(super) struct Pictures {
    /// Bytes of a length, where NAL units are not told apart by start codes.
    length_size: Option<u8>,
    config: DecoderConfig,
    /// Whether `config` is what was last said.
    said: bool,
}

impl Pictures {
    pub(super) fn new(parameters: &Parameters) -> Result<Self, Trouble> {
        let blank = DecoderConfig { sps: vec![], pps: vec![], length_size: 4 };
        let mut pictures = Self { length_size: None, config: blank, said: false };
        pictures.configure(&raw::configuration(parameters))?;
        Ok(pictures)
    }

    /// Takes what a container says of all that follows.
    fn configure(&mut self, config: &[u8]) -> Result<(), Trouble> {
        // Anything else is start codes, and stands among the pictures too.
        if config.first() == Some(&1) {
            let config =
                DecoderConfig::parse(config).map_err(|e| Trouble::refused(e.to_string()))?;
            self.length_size = Some(config.length_size);
            self.take_sets(config.sps, config.pps);
        }
        Ok(())
    }

    fn take_sets(&mut self, sps: Vec<Bytes>, pps: Vec<Bytes>) {
        if !sps.is_empty() && sps != self.config.sps {
            self.config.sps = sps;
            self.said = false;
        }
        if !pps.is_empty() && pps != self.config.pps {
            self.config.pps = pps;
            self.said = false;
        }
    }

    pub(super) fn read(&mut self, packet: &Packet) -> Result<Read, Trouble> {
        for data in packet.side_data() {
            if data.kind() == side_data::Type::NewExtraData {
                self.configure(data.data())?;
            }
        }
        let bytes = packet.data().unwrap_or_default();
        let picture = match self.length_size {
            None => Picture::from_annex_b(bytes),
            Some(size) => match Picture::from_length_prefixed(bytes, size) {
                Ok(picture) => picture,
                // A damaged packet; the next one may be whole.
                Err(_) => return Ok(Read::default()),
            },
        };
        self.take_sets(picture.sps, picture.pps);
        // Before the first parameter sets nothing can be decoded.
        if picture.data.is_empty() || self.config.sps.is_empty() || self.config.pps.is_empty() {
            return Ok(Read::default());
        }
        let mut read = Read::default();
        if !self.said {
            match self.config.video_format() {
                Ok(format) => read.format = Some(TrackFormat::Video(format)),
                // A damaged set; it comes again with the next keyframe.
                Err(_) => return Ok(read),
            }
            self.said = true;
        }
        let keyframe = picture.idr || packet.is_key() && is_intra(&picture.data);
        read.unit = Some((picture.data, keyframe));
        Ok(read)
    }
}

/// Whether a picture's first slice is intra-coded, and by its own account all others too.
fn is_intra(picture: &[u8]) -> bool {
    let slice = length_prefixed_units(picture, 4)
        .filter_map(Result::ok)
        .find(|unit| NalKind::of(unit) == Some(NalKind::Slice));
    // After the head: the first block's number and the slice's kind, in Exp-Golomb; I is 7 where
    // all slices are.
    slice.is_some_and(|slice| {
        let bits = slice.iter().skip(1).take(8).fold(0_u64, |bits, &b| bits << 8 | u64::from(b));
        let bits = bits << ((8 * (8 - slice.len().saturating_sub(1).min(8))) % 64);
        let first_block = bits.leading_zeros() * 2 + 1;
        first_block < 32 && {
            let bits = bits << first_block;
            let zeros = bits.leading_zeros();
            zeros < 8 && (bits >> (63 - 2 * zeros)) - 1 == 7
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_of_intra_slices_alone_are_intra() {
        // The first block is 0 (1), the kind 7 (0001000) or 5 (00110).
        assert!(is_intra(&[0, 0, 0, 3, 0x41, 0b1000_1000, 0xff]));
        assert!(!is_intra(&[0, 0, 0, 3, 0x41, 0b1001_1000, 0xff]));
        assert!(!is_intra(&[0, 0, 0, 1, 0x41]));
        assert!(!is_intra(&[0, 0, 0, 2, 0x06, 0b1000_1000]));
        assert!(!is_intra(&[]));
    }
}
