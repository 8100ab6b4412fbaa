//! AAC packets to units.

use super::Read;
use crate::error::Trouble;
use crate::raw;
use bytes::Bytes;
use ffmpeg::Packet;
use ffmpeg::codec::Parameters;
use ffmpeg_next as ffmpeg;
use tessera_media::format::AudioCodec;
use tessera_media::{AudioFormat, Ticks, TrackFormat};

/// A track of AAC.
pub(crate) struct Sound {
    /// What the container says once for all; without it, every frame says it (ADTS).
    config: Option<Bytes>,
    said: Option<AudioFormat>,
    /// The last time that the container gave, and frames since.
    since: Option<(Ticks, i64)>,
}

impl Sound {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let config = raw::configuration(parameters);
        Self { config: (!config.is_empty()).then_some(config), said: None, since: None }
    }

    /// The time of the frame that was just read: what the container says, or else when the one
    /// before ends.
    pub(crate) fn time(&mut self, said: Option<Ticks>) -> Option<Ticks> {
        if let Some(time) = said {
            self.since = Some((time, 0));
            return Some(time);
        }
        let (time, frames) = self.since.as_mut()?;
        *frames += 1;
        let samples = *frames * i64::from(AudioFormat::SAMPLES_PER_UNIT);
        let rate = i64::from(self.said.as_ref()?.sample_rate);
        Some(*time + Ticks(samples * Ticks::PER_SECOND / rate))
    }

    pub(crate) fn read(&mut self, packet: &Packet) -> Result<Read, Trouble> {
        let bytes = packet.data().unwrap_or_default();
        let (format, data) = match adts(bytes) {
            Some((config, data)) => (format(&config)?, data),
            None => match &self.config {
                Some(config) => (format(config)?, bytes),
                // Neither has it a head, nor did anybody say what it is: damaged.
                None => return Ok(Read::default()),
            },
        };
        let new = self.said.as_ref() != Some(&format);
        if new {
            self.said = Some(format.clone());
        }
        Ok(Read {
            format: new.then_some(TrackFormat::Audio(format)),
            unit: Some((Bytes::copy_from_slice(data), true)),
        })
    }
}

/// The head of an ADTS frame as an `AudioSpecificConfig`, and what follows it.
fn adts(frame: &[u8]) -> Option<([u8; 2], &[u8])> {
    let head: &[u8; 7] = frame.first_chunk()?;
    if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
        return None;
    }
    let length =
        usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    if length != frame.len() {
        return None;
    }
    // Without a checksum, the head is 7 bytes long.
    let data = frame.get(if head[1] & 1 == 1 { 7 } else { 9 }..)?;
    let (kind, rate) = ((head[2] >> 6) + 1, head[2] >> 2 & 0xf);
    let channels = (head[2] & 1) << 2 | head[3] >> 6;
    Some(([kind << 3 | rate >> 1, rate << 7 | channels << 3], data))
}

/// Sampling rates by their numbers in the standard.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// What an `AudioSpecificConfig` says.
fn format(config: &[u8]) -> Result<AudioFormat, Trouble> {
    let unknown = || Trouble::refused("the source's AAC is of a kind that is not taken");
    let bits = config.iter().take(8).fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    let bits = bits << ((8 * (8 - config.len().min(8))) % 64);
    let field = |from: u32, width: u32| bits << from >> (64 - width);
    // LC, or with HE's additions.
    if config.len() < 2 || ![2, 5, 29].contains(&field(0, 5)) {
        return Err(unknown());
    }
    let (sample_rate, at) = match field(5, 4) {
        15 => (field(9, 24) as u32, 33),
        index => (RATES.get(index as usize).copied().ok_or_else(unknown)?, 9),
    };
    let channels = match field(at, 4) {
        channels @ 1..=6 => channels as u16,
        7 => 8,
        _ => return Err(unknown()),
    };
    let config = Bytes::copy_from_slice(config);
    Ok(AudioFormat { codec: AudioCodec::Aac, sample_rate, channels, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adts_head_becomes_a_configuration() {
        // LC, 48 kHz, stereo, no checksum, 9 bytes in all.
        let frame = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 1, 2];
        let (config, data) = adts(&frame).unwrap();
        assert_eq!((config, data), ([0x11, 0x90], &[1, 2][..]));
        let format = format(&config).unwrap();
        assert_eq!((format.sample_rate, format.channels), (48_000, 2));
        assert_eq!(adts(&frame[..8]), None);
        assert_eq!(adts(&[0; 9]), None);
    }

    #[test]
    fn what_is_not_aac_lc_is_refused() {
        assert!(format(&[]).is_err());
        assert!(format(&[0x11]).is_err());
        // A kind, a rate and a number of channels that are not known.
        assert!(format(&[0xff, 0xff]).is_err());
        assert!(format(&[0x17, 0x10]).is_err());
        assert!(format(&[0x11, 0x80]).is_err());
    }
}
