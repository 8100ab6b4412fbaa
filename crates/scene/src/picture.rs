//! PNG, JPEG and WebP to texels of eight bits a channel.
//!
//! Decoders are part of the canonical scene: both are pinned by the kernel id. PNG is lossless.
//! JPEG is not, and decoders differ; `jpeg-decoder` is built with `platform_independent`, which
//! leaves only its scalar integer code. (`zune-jpeg` 0.5, looked at first, chooses AVX2 or NEON
//! code by the processor for the inverse transform, the upsampling and the colours. It agrees
//! with its scalar code on coefficients in range, but wraps differently outside; and its options
//! can't turn the vector code off: `use_avx2()` is true if either of two flags is, of which only
//! one can be set.) WebP is lossless or not; its format fixes the numbers of both, and `image-webp`
//! has scalar integer code only, where pictures don't move.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A decoded picture: one word a texel, R in the lowest byte, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) texels: Vec<u32>,
}

/// What a picture may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureLimits {
    pub(crate) side: u32,
    pub(crate) texels: usize,
}

impl PictureLimits {
    fn check(self, width: u32, height: u32, file: &[u8]) -> Result<(), String> {
        self.check_claim(width, height, MOST_TEXELS_A_BYTE * file.len())
    }

    /// `plausible` is how many texels the file may hold.
    fn check_claim(self, width: u32, height: u32, plausible: usize) -> Result<(), String> {
        if width == 0 || height == 0 {
            return Err("has no texels".into());
        }
        if width > self.side || height > self.side {
            return Err(format!("is {width}×{height}; at most {0}×{0} is accepted", self.side));
        }
        if width as usize * height as usize > self.texels {
            return Err("brings the scene's pictures over the limit of texels".into());
        }
        if width as usize * height as usize > plausible {
            return Err("is shorter than its size needs".into());
        }
        Ok(())
    }
}

/// Deflate shrinks at most 1032 times, and a byte holds at most 8 texels; JPEG stays below that.
/// So a short file can't ask for much memory by its header alone.
const MOST_TEXELS_A_BYTE: usize = 8 * 1032;

/// Even colour takes no bits a texel in a WebP: so many are believed of the shortest file.
const MOST_EVEN_TEXELS: usize = 1 << 22;

/// Decodes a picture by its first bytes.
pub(crate) fn decode(file: &[u8], limits: PictureLimits) -> Result<Picture, String> {
    // The decoders are fuzzed by their authors and return errors; should one panic nevertheless,
    // then a file must not take a render node with it.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            decode_png(file, limits)
        } else if file.starts_with(b"\xff\xd8") {
            decode_jpeg(file, limits)
        } else if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
            decode_webp(file, limits)
        } else {
            Err("is neither a PNG nor a JPEG nor a WebP".into())
        }
    }));
    decoded.unwrap_or_else(|_| Err("is broken in a way that stopped its decoder".into()))
}

fn decode_png(file: &[u8], limits: PictureLimits) -> Result<Picture, String> {
    let broken = |error: png::DecodingError| format!("is a broken PNG: {error}");
    let mut decoder = png::Decoder::new_with_limits(
        Cursor::new(file),
        png::Limits { bytes: limits.texels.saturating_mul(8).max(1 << 20) },
    );
    // Colour profiles and gamma are ignored, as glTF says.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (header.width, header.height);
    limits.check(width, height, file)?;
    let mut reader = decoder.read_info().map_err(broken)?;

    let size = reader.output_buffer_size().ok_or("is too large")?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    if (frame.width, frame.height) != (width, height) {
        return Err("is an animated PNG whose first frame is smaller than the picture".into());
    }
    let codes: Vec<u8> = match frame.bit_depth {
        png::BitDepth::Sixteen => bytes.chunks_exact(2).map(|b| narrow([b[0], b[1]])).collect(),
        png::BitDepth::Eight => bytes,
        _ => return Err("has an unknown depth".into()),
    };
    let texels = match frame.color_type {
        png::ColorType::Grayscale => pack(&codes, |&[g]: &[u8; 1]| [g, g, g, 255]),
        png::ColorType::GrayscaleAlpha => pack(&codes, |&[g, a]: &[u8; 2]| [g, g, g, a]),
        png::ColorType::Rgb => pack(&codes, |&[r, g, b]: &[u8; 3]| [r, g, b, 255]),
        png::ColorType::Rgba => pack(&codes, |&rgba: &[u8; 4]| rgba),
        png::ColorType::Indexed => return Err("has a palette that was not expanded".into()),
    };
    whole(width, height, texels)
}

/// Sixteen bits to eight: the nearest of the 256 codes, x × 255 / 65535 with halves upwards.
fn narrow(big_endian: [u8; 2]) -> u8 {
    ((u32::from(u16::from_be_bytes(big_endian)) * 255 + 32767) / 65535) as u8
}

fn decode_jpeg(file: &[u8], limits: PictureLimits) -> Result<Picture, String> {
    let broken = |error: jpeg_decoder::Error| format!("is a broken JPEG: {error}");
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(file));
    decoder.set_max_decoding_buffer_size(limits.texels.saturating_mul(4));
    decoder.read_info().map_err(broken)?;
    let info = decoder.info().ok_or("is a JPEG without a header")?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    limits.check(width, height, file)?;
    let bytes = decoder.decode().map_err(broken)?;
    let texels = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => pack(&bytes, |&[g]: &[u8; 1]| [g, g, g, 255]),
        jpeg_decoder::PixelFormat::RGB24 => pack(&bytes, |&[r, g, b]: &[u8; 3]| [r, g, b, 255]),
        jpeg_decoder::PixelFormat::L16 => return Err("is a JPEG of 16 bits; use a PNG".into()),
        jpeg_decoder::PixelFormat::CMYK32 => {
            return Err("is a JPEG in CMYK; save it in RGB".into());
        }
    };
    whole(width, height, texels)
}

fn decode_webp(file: &[u8], limits: PictureLimits) -> Result<Picture, String> {
    let broken = |error: image_webp::DecodingError| format!("is a broken WebP: {error}");
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).map_err(broken)?;
    if decoder.is_animated() {
        return Err("is a WebP that moves; save one picture of it".into());
    }
    let (width, height) = decoder.dimensions();
    let plausible = (MOST_TEXELS_A_BYTE * file.len()).max(MOST_EVEN_TEXELS);
    limits.check_claim(width, height, plausible)?;
    let has_alpha = decoder.has_alpha();
    let mut bytes = vec![0; decoder.output_buffer_size().ok_or("is too large")?];
    decoder.read_image(&mut bytes).map_err(broken)?;
    let texels = if has_alpha {
        pack(&bytes, |&rgba: &[u8; 4]| rgba)
    } else {
        pack(&bytes, |&[r, g, b]: &[u8; 3]| [r, g, b, 255])
    };
    whole(width, height, texels)
}

fn pack<const N: usize>(bytes: &[u8], rgba: impl Fn(&[u8; N]) -> [u8; 4]) -> Vec<u32> {
    let (texels, _) = bytes.as_chunks::<N>();
    texels.iter().map(|texel| u32::from_le_bytes(rgba(texel))).collect()
}

fn whole(width: u32, height: u32, texels: Vec<u32>) -> Result<Picture, String> {
    if texels.len() != width as usize * height as usize {
        return Err("has not as many texels as its header says".into());
    }
    Ok(Picture { width, height, texels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_the_nearest_code() {
        for code in 0..=255u8 {
            // A code repeated in both bytes is that code exactly; half a step decides.
            assert_eq!(narrow([code, code]), code);
            let exact = u32::from(code) * 257;
            if code < 255 {
                assert_eq!(narrow(((exact + 128) as u16).to_be_bytes()), code);
                assert_eq!(narrow(((exact + 129) as u16).to_be_bytes()), code + 1);
            }
        }
    }
}
