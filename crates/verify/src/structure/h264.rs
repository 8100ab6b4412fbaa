//! H.264: what its configuration and its NAL units must be.

use super::bits::{Bits, unescaped};
use super::nal::{Picture, split};
use super::{Flaw, Size};
use tessera_packaging::h264::{DecoderConfig, Sps};

/// Size, from an `avcC` with one sequence parameter set, of progressive 4:2:0 of 8 bits.
pub(super) fn size(config: &[u8]) -> Result<Size, Flaw> {
    let config = DecoderConfig::parse(config).map_err(|_| Flaw::Config)?;
    let [sps] = &config.sps[..] else { return Err(Flaw::Config) };
    let sps = Sps::parse(sps).map_err(|_| Flaw::Config)?;
    if config.length_size != 4 {
        return Err(Flaw::Config);
    }
    if !sps.progressive || (sps.chroma_format, sps.luma_bits, sps.chroma_bits) != (1, 8, 8) {
        return Err(Flaw::Samples);
    }
    Ok(Size { width: sps.width, height: sps.height })
}

/// Whether a unit is one sound picture, and a keyframe.
pub(super) fn keyframe(data: &[u8]) -> Result<bool, Flaw> {
    let mut picture = Picture::default();
    for nal in split(data) {
        let nal = nal?;
        let (forbidden, kind) = (nal[0] & 0x80 != 0, nal[0] & 31);
        match kind {
            _ if forbidden => return Err(Flaw::Kind(nal[0])),
            1 | 5 => {
                let head = unescaped(&nal[1..], 16);
                let mut bits = Bits::new(&head);
                let (start, kind_of_slice) = (bits.golomb()?, bits.golomb()?);
                // A keyframe's slices are of kind I, alone or as all others of the picture.
                if kind_of_slice > 9 || (kind == 5 && !matches!(kind_of_slice, 2 | 7)) {
                    return Err(Flaw::Slices);
                }
                picture.slice(start, kind == 5)?;
            }
            6 | 9 => picture.aside(nal.len())?,
            kind => return Err(Flaw::Kind(kind)),
        }
    }
    picture.is_keyframe()
}
