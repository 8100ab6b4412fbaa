//! AAC as bytes: its configuration, and the ADTS headers that transport streams put before frames.

use crate::bits::Bits;
use bytes::Bytes;
use tessera_media::AudioFormat;
use tessera_media::format::AudioCodec;

/// Bytes that are no AAC, or AAC of a kind that isn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AacError {
    /// It ends too early.
    #[error("the sound's configuration ends too early")]
    Short,
    /// A sampling rate that no table has.
    #[error("the sound's configuration has no known sampling rate")]
    Rate,
    /// Channels that are said elsewhere than in the configuration's four bits, or no table has.
    #[error("the sound's configuration has channel layout {0}; 1 to 7 and 11 to 14 are known")]
    Channels(u8),
    /// Frames of another length.
    #[error("the sound's frames are not of 1024 samples")]
    FrameLength,
    /// A kind of MPEG-4 audio that is not AAC.
    #[error("the sound is MPEG-4 audio object type {0}, which is not AAC")]
    ObjectType(u8),
    /// Bytes where an ADTS header should be.
    #[error("no ADTS header where one should be, at byte {0}")]
    Sync(usize),
    /// A frame announces more bytes than there are, or fewer than its header has.
    #[error("an ADTS frame of {length} bytes where {left} are left")]
    Length {
        /// Bytes announced, with the header.
        length: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Several raw blocks under one header.
    #[error("an ADTS frame with {0} blocks of sound; one is expected")]
    Blocks(u32),
}

/// Samples a second, by the index in four bits.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
    7350,
];

/// MPEG-4's `AudioSpecificConfig`, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// The audio object type, as signalled: 2 is AAC-LC, 5 HE-AAC, 29 HE-AAC v2.
    pub object_type: u8,
    /// Samples a second of the core that 1024 samples a frame count: for HE-AAC half of what is
    /// heard.
    pub sample_rate: u32,
    /// The channel layout: the number of channels but for 7, which is 8 of them, and the layouts
    /// above 7.
    pub channel_layout: u8,
}

impl AudioSpecificConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// If it ends too early, or is not of AAC with frames of 1024 samples.
    pub fn parse(config: &[u8]) -> Result<Self, AacError> {
        let mut bits = Bits::new(config);
        let object_type = object_type(&mut bits)?;
        let sample_rate = sample_rate(&mut bits)?;
        let channel_layout = four(&mut bits)?;
        // HE-AAC says its own rate, then what its core is.
        let core = if matches!(object_type, 5 | 29) {
            self::sample_rate(&mut bits)?;
            self::object_type(&mut bits)?
        } else {
            object_type
        };
        if !matches!(core, 1..=4) {
            return Err(AacError::ObjectType(core));
        }
        if bits.bit().ok_or(AacError::Short)? {
            return Err(AacError::FrameLength);
        }
        let config = Self { object_type, sample_rate, channel_layout };
        config.channels()?;
        Ok(config)
    }

    /// Channels.
    fn channels(&self) -> Result<u16, AacError> {
        match self.channel_layout {
            layout @ 1..=6 => Ok(u16::from(layout)),
            7 | 12 | 14 => Ok(8),
            11 => Ok(7),
            13 => Ok(24),
            other => Err(AacError::Channels(other)),
        }
    }

    /// The configuration in its two bytes, as ADTS headers imply it: AAC-LC and its siblings.
    ///
    /// # Errors
    /// If object type, rate or layout are none that two bytes can say.
    pub fn build(&self) -> Result<Bytes, AacError> {
        let rate = RATES.iter().position(|&rate| rate == self.sample_rate).ok_or(AacError::Rate)?;
        if !matches!(self.object_type, 1..=4) {
            return Err(AacError::ObjectType(self.object_type));
        }
        self.channels()?;
        let (object_type, layout) = (u16::from(self.object_type), u16::from(self.channel_layout));
        let bits = object_type << 11 | u16::try_from(rate).expect("13 rates") << 7 | layout << 3;
        Ok(Bytes::copy_from_slice(&bits.to_be_bytes()))
    }
}

fn object_type(bits: &mut Bits<'_>) -> Result<u8, AacError> {
    const ESCAPE: u32 = 31;
    let value = match bits.bits(5).ok_or(AacError::Short)? {
        ESCAPE => 32 + bits.bits(6).ok_or(AacError::Short)?,
        value => value,
    };
    Ok(u8::try_from(value).expect("at most 95"))
}

fn sample_rate(bits: &mut Bits<'_>) -> Result<u32, AacError> {
    const EXPLICIT: u8 = 15;
    let rate = match four(bits)? {
        EXPLICIT => bits.bits(24).ok_or(AacError::Short)?,
        index => RATES.get(usize::from(index)).copied().ok_or(AacError::Rate)?,
    };
    if (7350..=96_000).contains(&rate) { Ok(rate) } else { Err(AacError::Rate) }
}

fn four(bits: &mut Bits<'_>) -> Result<u8, AacError> {
    Ok(u8::try_from(bits.bits(4).ok_or(AacError::Short)?).expect("four bits"))
}

/// The track that a configuration describes.
///
/// # Errors
/// As for [`AudioSpecificConfig::parse`].
pub fn audio_format(config: Bytes) -> Result<AudioFormat, AacError> {
    let about = AudioSpecificConfig::parse(&config)?;
    let (sample_rate, channels) = (about.sample_rate, about.channels()?);
    Ok(AudioFormat { codec: AudioCodec::Aac, sample_rate, channels, config })
}

/// A frame that stood behind an ADTS header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsFrame<'a> {
    /// What the header says.
    pub config: AudioSpecificConfig,
    /// The raw frame.
    pub data: &'a [u8],
}

/// The frames of a byte string that begins with an ADTS header and ends with a frame's end. It
/// ends after its first error.
pub fn adts_frames(bytes: &[u8]) -> impl Iterator<Item = Result<AdtsFrame<'_>, AacError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let first = adts_frame(rest, at);
        at = first.as_ref().map_or(bytes.len(), |&(_, length)| at + length);
        Some(first.map(|(frame, _)| frame))
    })
}

/// The frame that `bytes` begin with, and its length with its header.
fn adts_frame(bytes: &[u8], at: usize) -> Result<(AdtsFrame<'_>, usize), AacError> {
    let mut bits = Bits::new(bytes);
    let mut next = |count| bits.bits(count).ok_or(AacError::Short);
    let (sync, _version, layer, unprotected) = (next(12)?, next(1)?, next(2)?, next(1)?);
    if sync != 0xfff || layer != 0 {
        return Err(AacError::Sync(at));
    }
    let (profile, rate, _private, layout) = (next(2)?, next(4)?, next(1)?, next(3)?);
    let _original_home_copyright = next(4)?;
    let (length, _fullness, more_blocks) = (next(13)?, next(11)?, next(2)?);
    if more_blocks > 0 {
        return Err(AacError::Blocks(more_blocks + 1));
    }
    let (header, length) = (if unprotected == 1 { 7 } else { 9 }, length as usize);
    let data = bytes.get(header..length).ok_or(AacError::Length { length, left: bytes.len() })?;
    let config = AudioSpecificConfig {
        object_type: profile as u8 + 1,
        sample_rate: *RATES.get(rate as usize).ok_or(AacError::Rate)?,
        channel_layout: layout as u8,
    };
    config.channels()?;
    Ok((AdtsFrame { config, data }, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEREO: AudioSpecificConfig =
        AudioSpecificConfig { object_type: 2, sample_rate: 44_100, channel_layout: 2 };

    #[test]
    fn known_configurations_are_read() {
        for (bytes, object_type, sample_rate, channels) in [
            (&[0x12, 0x10][..], 2, 44_100, 2),
            (&[0x11, 0x88], 2, 48_000, 1),
            // HE-AAC signalled openly: a core of 24 kHz.
            (&[0x2b, 0x11, 0x88, 0x00], 5, 24_000, 2),
            // A rate in full.
            (&[0x17, 0x80, 0x56, 0x22, 0x10], 2, 44_100, 2),
        ] {
            let format = audio_format(Bytes::copy_from_slice(bytes)).unwrap();
            assert_eq!((format.sample_rate, format.channels), (sample_rate, channels));
            assert_eq!(AudioSpecificConfig::parse(bytes).unwrap().object_type, object_type);
            assert_eq!(&format.config[..], bytes);
        }
        assert_eq!(&STEREO.build().unwrap()[..], [0x12, 0x10]);
    }

    #[test]
    fn configurations_that_are_not_taken_are_refused() {
        for (bytes, why) in [
            (&[][..], AacError::Short),
            (&[0x12], AacError::Short),
            (&[0x12, 0x14], AacError::FrameLength),
            (&[0x12, 0x00], AacError::Channels(0)),
            (&[0x16, 0x90], AacError::Rate),
            (&[0x42, 0x10], AacError::ObjectType(8)),
        ] {
            assert_eq!(AudioSpecificConfig::parse(bytes), Err(why));
        }
    }

    /// An ADTS frame of AAC-LC, 44.1 kHz, stereo.
    fn adts(data: &[u8], checked: bool) -> Vec<u8> {
        let header = if checked { 9 } else { 7 };
        let length = data.len() + header;
        let [low, high] = [length as u8, (length >> 8) as u8];
        let mut frame = vec![0xff, 0xf0 | u8::from(!checked), 0x50, 0x80 | high >> 3];
        frame.extend([high << 5 | low >> 3, low << 5 | 0x1f, 0xfc]);
        frame.resize(header, 0);
        frame.extend(data);
        frame
    }

    #[test]
    fn adts_frames_are_split() {
        let bytes = [adts(&[1, 2, 3], false), adts(&[], true), adts(&[4; 900], true)].concat();
        let frames: Vec<_> = adts_frames(&bytes).collect::<Result<_, _>>().unwrap();
        let data: Vec<_> = frames.iter().map(|frame| frame.data).collect();
        assert_eq!(data, [&[1, 2, 3][..], &[], &[4; 900]]);
        assert!(frames.iter().all(|frame| frame.config == STEREO));
    }

    #[test]
    fn bytes_that_are_no_adts_are_refused() {
        let good = adts(&[1, 2, 3], false);
        let last = |bytes: &[u8]| adts_frames(bytes).last().unwrap().unwrap_err();
        assert_eq!(last(&[&good[..], &[7; 9]].concat()), AacError::Sync(10));
        assert_eq!(last(&good[..9]), AacError::Length { length: 10, left: 9 });
        assert_eq!(last(&good[..5]), AacError::Short);
        let mut two = good;
        two[6] |= 1;
        assert_eq!(last(&two), AacError::Blocks(2));
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = AudioSpecificConfig::parse(&bytes);
            let mut adts = bytes;
            adts.splice(0..0, [0xff, 0xf1]);
            for frame in adts_frames(&adts).flatten() {
                prop_assert!(frame.data.len() < adts.len());
            }
        }

        #[test]
        fn what_is_built_is_read(object_type in 1..=4_u8, rate in 0..13_usize, layout in 1..=7_u8) {
            let config = AudioSpecificConfig {
                object_type,
                sample_rate: RATES[rate],
                channel_layout: layout,
            };
            prop_assert_eq!(AudioSpecificConfig::parse(&config.build().unwrap()), Ok(config));
        }
    }
}
