//! The decoder configuration record, which is what an `avcC` box holds.

use super::{H264Error, Sps};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tessera_media::VideoFormat;
use tessera_protocol::stream::VideoCodec;

/// A decoder configuration record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Sequence parameter sets, NAL units: 1 to 31.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL units: 1 to 255.
    pub pps: Vec<Bytes>,
    /// Bytes that the length before each NAL unit takes: 1, 2 or 4.
    pub length_size: u8,
}

/// Most sequence parameter sets of a record, which counts them in five bits: one less than the
/// standard has numbers for. Encoders make one or two.
pub const MAX_SPS: usize = 31;
/// Most picture parameter sets of a record, which counts them in eight bits: one less than the
/// standard has numbers for.
pub const MAX_PPS: usize = 255;
/// Most bytes of all sets of a record together: as many as a record can say of a single one. With
/// all their scaling lists sets have about 1 KB, and a record is made anew whenever one changes.
pub const MAX_SET_BYTES: usize = 65_535;

const CUT_SHORT: H264Error = H264Error::Config("it ends too early");
const TOO_LONG: H264Error =
    H264Error::Config("its parameter sets have more than 65,535 bytes together");

impl DecoderConfig {
    /// Reads a record.
    ///
    /// # Errors
    /// If it is of another version, ends too early, or has no parameter sets.
    pub fn parse(mut record: &[u8]) -> Result<Self, H264Error> {
        let short = |_| CUT_SHORT;
        if record.try_get_u8().map_err(short)? != 1 {
            return Err(H264Error::Config("its version is not 1"));
        }
        if record.len() < 3 {
            return Err(CUT_SHORT);
        }
        record.advance(3);
        let length_size = (record.try_get_u8().map_err(short)? & 0b11) + 1;
        if length_size == 3 {
            return Err(H264Error::LengthSize(3));
        }
        let count = record.try_get_u8().map_err(short)? & 0b1_1111;
        let sps = sets(&mut record, count)?;
        let count = record.try_get_u8().map_err(short)?;
        let pps = sets(&mut record, count)?;
        Ok(Self { sps, pps, length_size })
    }

    /// The record. Profile and level are those of the first sequence parameter set.
    ///
    /// # Errors
    /// If there are no sets, too many, too many bytes of them, or the first cannot be read.
    pub fn build(&self) -> Result<Bytes, H264Error> {
        let first = self.sps.first().ok_or(H264Error::Config("it has no SPS"))?;
        let about = Sps::parse(first)?;
        if self.pps.is_empty() {
            return Err(H264Error::Config("it has no PPS"));
        }
        if !matches!(self.length_size, 1 | 2 | 4) {
            return Err(H264Error::LengthSize(self.length_size));
        }
        if self.parameter_sets().iter().map(|set| set.len()).sum::<usize>() > MAX_SET_BYTES {
            return Err(TOO_LONG);
        }
        let mut out = BytesMut::new();
        out.put_slice(&[1, about.profile, about.constraints, about.level]);
        out.put_u8(0b1111_1100 | (self.length_size - 1));
        put_sets(&mut out, &self.sps, MAX_SPS, 0b1110_0000)?;
        put_sets(&mut out, &self.pps, MAX_PPS, 0)?;
        // Baseline, main and extended end here.
        if !matches!(about.profile, 66 | 77 | 88) {
            out.put_u8(0b1111_1100 | about.chroma_format);
            out.put_u8(0b1111_1000 | (about.luma_bits - 8));
            out.put_u8(0b1111_1000 | (about.chroma_bits - 8));
            out.put_u8(0);
        }
        Ok(out.freeze())
    }

    /// The track that this configures, in [`tessera_media`]'s form: the record is made anew for
    /// lengths of 4 bytes.
    ///
    /// # Errors
    /// As for [`build`](Self::build).
    pub fn video_format(&self) -> Result<VideoFormat, H264Error> {
        let config = Self { length_size: 4, ..self.clone() }.build()?;
        let Sps { width, height, .. } = Sps::parse(&self.sps[0])?;
        Ok(VideoFormat { codec: VideoCodec::H264, width, height, config })
    }

    /// All parameter sets, in the order in which Annex B has them before a keyframe.
    pub fn parameter_sets(&self) -> Vec<&[u8]> {
        self.sps.iter().chain(&self.pps).map(|set| &set[..]).collect()
    }
}

fn sets(record: &mut &[u8], count: u8) -> Result<Vec<Bytes>, H264Error> {
    if count == 0 {
        return Err(H264Error::Config("it has no parameter sets"));
    }
    let mut sets = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let length = usize::from(record.try_get_u16().map_err(|_| CUT_SHORT)?);
        let (set, rest) = record.split_at_checked(length).ok_or(CUT_SHORT)?;
        if set.is_empty() {
            return Err(H264Error::Empty);
        }
        sets.push(Bytes::copy_from_slice(set));
        *record = rest;
    }
    Ok(sets)
}

fn put_sets(
    out: &mut BytesMut,
    sets: &[Bytes],
    most: usize,
    above_count: u8,
) -> Result<(), H264Error> {
    let count = u8::try_from(sets.len())
        .ok()
        .filter(|_| sets.len() <= most)
        .ok_or(H264Error::Config("it has too many parameter sets"))?;
    out.put_u8(above_count | count);
    for set in sets {
        out.put_u16(u16::try_from(set.len()).map_err(|_| TOO_LONG)?);
        out.put_slice(set);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(sps: &str, pps: &str) -> DecoderConfig {
        let set = |hexadecimal| vec![Bytes::from(hex::decode(hexadecimal).unwrap())];
        DecoderConfig { sps: set(sps), pps: set(pps), length_size: 4 }
    }

    fn high() -> DecoderConfig {
        sets("67640028acd940780227e5c044000003000400000300f03c60c658", "68ebe3cb22c0")
    }

    /// As libavformat writes it for the same parameter sets.
    const HIGH_RECORD: &str = "01640028ffe1001b67640028acd940780227e5c044000003000400000300f03c60c658\
        01000668ebe3cb22c0fdf8f800";

    #[test]
    fn a_record_is_built_and_read() {
        assert_eq!(hex::encode(high().build().unwrap()), HIGH_RECORD);
        assert_eq!(DecoderConfig::parse(&hex::decode(HIGH_RECORD).unwrap()).unwrap(), high());
    }

    #[test]
    fn main_profile_has_no_chroma_fields() {
        let main = sets("674d4015eca0d8ff2780880000030008000003019078b16cb0", "68ebe3cb20");
        let record = main.build().unwrap();
        assert!(record.ends_with(&main.pps[0]));
        assert_eq!(DecoderConfig::parse(&record).unwrap(), main);
    }

    #[test]
    fn a_track_has_lengths_of_four_bytes_whatever_the_source_had() {
        let format = DecoderConfig { length_size: 2, ..high() }.video_format().unwrap();
        assert_eq!((format.width, format.height), (1920, 1080));
        assert_eq!(DecoderConfig::parse(&format.config).unwrap().length_size, 4);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let record = hex::decode(HIGH_RECORD).unwrap();
        // The four bytes after the parameter sets may be missing, and often are.
        for end in 0..record.len() - 4 {
            assert!(DecoderConfig::parse(&record[..end]).is_err(), "{end} bytes");
        }
        let nothing = DecoderConfig { sps: vec![], pps: vec![], length_size: 4 };
        assert!(nothing.build().is_err());
        assert!(DecoderConfig { pps: vec![], ..high() }.build().is_err());
        assert!(DecoderConfig { sps: vec![high().sps[0].clone(); 32], ..high() }.build().is_err());
        let long =
            |pieces| DecoderConfig { pps: vec![vec![0x68; 21_000].into(); pieces], ..high() };
        assert!(long(3).build().is_ok());
        assert!(long(4).build().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
        ) {
            let _ = DecoderConfig::parse(&bytes);
            let mut record = hex::decode(HIGH_RECORD).unwrap();
            let at = at.index(record.len());
            record[at] = to;
            if let Ok(config) = DecoderConfig::parse(&record) {
                let _ = config.video_format();
            }
        }
    }
}
