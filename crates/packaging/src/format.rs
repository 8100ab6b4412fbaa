//! What a track is called in playlists, and how files describe it.

use bytes::Bytes;
use mp4_atom::{
    Atom, Audio, Av01, Av1c, Avc1, Avcc, Codec, Decode, Esds, Hvc1, Hvcc, Mp4a, Visual, esds,
};
use tessera_media::{AudioFormat, TrackFormat, VideoFormat};
use tessera_protocol::stream::VideoCodec;

use crate::aac::{self, AacError, AudioSpecificConfig};
use crate::boxes;
use crate::fmp4::ReadError;

/// A track's format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The configuration record is not what the codec's is.
    #[error("the configuration of {codec:?} cannot be read: {reason}")]
    Config {
        /// Of which codec.
        codec: VideoCodec,
        /// Why.
        reason: String,
    },
    /// The sound's configuration is not what AAC's is.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// Larger than a file can say.
    #[error("pictures of {width} × {height} pixels; a file can say at most 65,535 along an edge")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// The track's `CODECS` in a playlist, as RFC 6381 and each codec's own standard write it:
/// `avc1.64001F`, `hvc1.1.6.L93.B0`, `av01.0.04M.08`, `mp4a.40.2`.
///
/// # Errors
/// If the configuration cannot be read.
pub fn codec_string(format: &TrackFormat) -> Result<String, FormatError> {
    Ok(match sample_entry(format)? {
        Codec::Avc1(Avc1 { avcc, .. }) => format!(
            "avc1.{:02X}{:02X}{:02X}",
            avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication
        ),
        Codec::Hvc1(Hvc1 { hvcc, .. }) => hevc_string(&hvcc),
        Codec::Av01(Av01 { av1c, .. }) => {
            let bits = match (av1c.high_bitdepth, av1c.twelve_bit) {
                (false, _) => 8,
                (true, false) => 10,
                (true, true) => 12,
            };
            let tier = if av1c.seq_tier_0 { 'H' } else { 'M' };
            format!("av01.{}.{:02}{tier}.{bits:02}", av1c.seq_profile, av1c.seq_level_idx_0)
        }
        Codec::Mp4a(Mp4a { esds, .. }) => {
            let config = esds.es_desc.dec_config.dec_specific.unwrap_or_default();
            format!("mp4a.40.{}", AudioSpecificConfig::parse(&config.raw)?.object_type)
        }
        _ => unreachable!("every format has one of the entries above"),
    })
}

/// ISO/IEC 14496-15, annex E.3: the profile, its compatibility bits backwards, tier and level, and
/// the constraint bytes without the zero ones at the end.
fn hevc_string(hvcc: &Hvcc) -> String {
    let space = ["", "A", "B", "C"][usize::from(hvcc.general_profile_space & 3)];
    let compatible = u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
    let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
    let (profile, level) = (hvcc.general_profile_idc, hvcc.general_level_idc);
    let mut text = format!("hvc1.{space}{profile}.{compatible:X}.{tier}{level}");
    let constraints = hvcc.general_constraint_indicator_flags;
    let last = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..last] {
        text.push_str(&format!(".{byte:X}"));
    }
    text
}

/// How a file's `stsd` describes the track.
pub(crate) fn sample_entry(format: &TrackFormat) -> Result<Codec, FormatError> {
    match format {
        TrackFormat::Video(format) => video_entry(format),
        TrackFormat::Audio(format) => audio_entry(format),
    }
}

fn video_entry(format: &VideoFormat) -> Result<Codec, FormatError> {
    let &VideoFormat { codec, width, height, .. } = format;
    let size = |_| FormatError::Size { width, height };
    let visual = Visual {
        data_reference_index: 1,
        width: width.try_into().map_err(size)?,
        height: height.try_into().map_err(size)?,
        ..Visual::default()
    };
    let mut config = &format.config[..];
    let unreadable =
        |error: mp4_atom::Error| FormatError::Config { codec, reason: error.to_string() };
    let config = &mut config;
    Ok(match codec {
        VideoCodec::H264 => {
            let avcc = Avcc::decode_body(config).map_err(unreadable)?;
            Codec::Avc1(Avc1 { visual, avcc, ..Avc1::default() })
        }
        VideoCodec::H265 => {
            let hvcc = Hvcc::decode_body(config).map_err(unreadable)?;
            Codec::Hvc1(Hvc1 { visual, hvcc, ..Hvc1::default() })
        }
        VideoCodec::Av1 => {
            let av1c = Av1c::decode_body(config).map_err(unreadable)?;
            Codec::Av01(Av01 { visual, av1c, ..Av01::default() })
        }
    })
}

fn audio_entry(format: &AudioFormat) -> Result<Codec, FormatError> {
    const MPEG4_AUDIO: u8 = 0x40;
    const AUDIO_STREAM: u8 = 5;
    AudioSpecificConfig::parse(&format.config)?;
    // A rate that doesn't fit 16 bits is said by the configuration alone.
    let sample_rate = u16::try_from(format.sample_rate).unwrap_or(0);
    let dec_specific =
        Some(esds::DecoderSpecific { raw: format.config.to_vec(), ..Default::default() });
    let dec_config = esds::DecoderConfig {
        object_type_indication: MPEG4_AUDIO,
        stream_type: AUDIO_STREAM,
        dec_specific,
        ..Default::default()
    };
    let es_desc = esds::EsDescriptor { es_id: 0, dec_config, ..Default::default() };
    Ok(Codec::Mp4a(Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: format.channels,
            sample_size: 16,
            sample_rate: sample_rate.into(),
        },
        esds: Esds { es_desc },
        btrt: None,
        taic: None,
    }))
}

/// The format that an `stsd`'s body describes. Only leaves are given to the library, whose readers
/// of boxes in boxes go as deep as the bytes say, and off the end of the stack.
pub(crate) fn of_stsd(body: &[u8]) -> Result<TrackFormat, ReadError> {
    const ONE_ENTRY: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1];
    let one = ReadError::Shape("it describes its track more than once, or not at all");
    let (kind, mut entry, rest) = boxes::first(body.strip_prefix(ONE_ENTRY).ok_or(one.clone())?)?;
    if !rest.is_empty() {
        return Err(one);
    }
    let of_entry = ReadError::of("the track's description");
    let (codec, config) = match kind {
        Avc1::KIND => (VideoCodec::H264, Avcc::KIND),
        Hvc1::KIND => (VideoCodec::H265, Hvcc::KIND),
        Av01::KIND => (VideoCodec::Av1, Av1c::KIND),
        Mp4a::KIND => {
            Audio::decode(&mut entry).map_err(&of_entry)?;
            return Ok(TrackFormat::Audio(of_esds(boxes::child(entry, Esds::KIND)?)?));
        }
        other => return Err(ReadError::Unexpected(other)),
    };
    let visual = Visual::decode(&mut entry).map_err(of_entry)?;
    let (width, height) = (visual.width.into(), visual.height.into());
    let config = Bytes::copy_from_slice(boxes::child(entry, config)?);
    let format = TrackFormat::Video(VideoFormat { codec, width, height, config });
    sample_entry(&format)?;
    Ok(format)
}

fn of_esds(mut esds: &[u8]) -> Result<AudioFormat, ReadError> {
    // Its descriptors may lie in each other too.
    const MAX_ESDS: usize = 256;
    if esds.len() > MAX_ESDS {
        return Err(ReadError::Long { what: "the sound's description", most: MAX_ESDS });
    }
    let esds = Esds::decode_body(&mut esds).map_err(ReadError::of("esds"))?;
    let config = esds.es_desc.dec_config.dec_specific.unwrap_or_default();
    Ok(aac::audio_format(Bytes::from(config.raw)).map_err(FormatError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{av1, h264, hevc, sound};

    #[test]
    fn codecs_are_named_as_players_expect() {
        let name = |format| codec_string(&format).unwrap();
        assert_eq!(name(TrackFormat::Video(h264(640, 362))), "avc1.42C01E");
        assert_eq!(name(TrackFormat::Video(hevc())), "hvc1.1.6.L93.90");
        assert_eq!(name(TrackFormat::Video(av1())), "av01.0.04M.08");
        assert_eq!(name(TrackFormat::Audio(sound(48_000))), "mp4a.40.2");
        let he_aac = aac::audio_format(Bytes::from_static(&[0x2b, 0x11, 0x88, 0x00])).unwrap();
        assert_eq!(name(TrackFormat::Audio(he_aac)), "mp4a.40.5");
        let ten_bits = VideoFormat { config: Bytes::from_static(&[0x81, 4, 0x4c, 0]), ..av1() };
        assert_eq!(name(TrackFormat::Video(ten_bits)), "av01.0.04M.10");
    }

    #[test]
    fn the_constraints_of_hevc_end_at_the_last_that_is_not_zero() {
        let mut hvcc = Hvcc { general_profile_space: 2, general_tier_flag: true, ..Hvcc::new() };
        hvcc.general_profile_idc = 2;
        hvcc.general_profile_compatibility_flags = [0x20, 0, 0, 0];
        hvcc.general_level_idc = 120;
        assert_eq!(hevc_string(&hvcc), "hvc1.B2.4.H120");
        hvcc.general_constraint_indicator_flags = [0xb0, 0, 0x23, 0, 0, 0];
        assert_eq!(hevc_string(&hvcc), "hvc1.B2.4.H120.B0.0.23");
    }
}
