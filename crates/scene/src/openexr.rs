//! OpenEXR files to RGBE words, which is what the kernel reads: each texel at the nearest that they
//! can hold, the largest of its channels within 1/256.
//!
//! The `exr` crate unpacks blocks one after another, on this thread. Only what loses nothing or is
//! done in integers is accepted: its DWA has vector code that need not agree between processors.

use crate::math::power_of_two;
use crate::radiance::{LEAST_EXPONENT, Radiance};
use exr::block::lines::LineIndex;
use exr::block::{BlockIndex, UncompressedBlock};
use exr::math::Vec2;
use exr::meta::attribute::SampleType;
use exr::meta::header::Header;
use exr::prelude::Compression;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A decoded picture, and how many values below 0 count as 0.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) picture: Radiance,
    pub(crate) negative: usize,
}

/// Whether a file is an OpenEXR, by its first bytes.
pub(crate) fn is_openexr(file: &[u8]) -> bool {
    file.starts_with(&[0x76, 0x2f, 0x31, 0x01])
}

/// Texels that a byte of a file may stand for: the best of its codings shrinks 6 bytes about 1000
/// times. So a short file can't ask for much memory by its header alone.
const MOST_TEXELS_A_BYTE: u64 = 1 << 9;

/// Reads a picture of at most `most_texels`.
pub(crate) fn decode(file: &[u8], most_texels: usize) -> Result<Decoded, String> {
    // As with other pictures: should the decoder panic, a file must not take a node with it.
    catch_unwind(AssertUnwindSafe(|| decode_all(file, most_texels)))
        .unwrap_or_else(|_| Err("is broken in a way that stopped its decoder".into()))
}

fn decode_all(file: &[u8], most_texels: usize) -> Result<Decoded, String> {
    let broken = |error: exr::error::Error| format!("is a broken OpenEXR: {error}");
    let reader = exr::block::read(Cursor::new(file), false).map_err(broken)?;
    let [header] = reader.headers() else {
        return Err("has several parts; save one picture of it".into());
    };
    let header = header.clone();
    let channels = check(&header, file, most_texels)?;
    let size = header.layer_size;
    let mut canvas =
        Canvas { width: size.width(), words: vec![0; size.area()], covered: 0, negative: 0 };
    let whole = |level: Vec2<usize>| level == Vec2(0, 0);
    let blocks = reader.filter_chunks(false, |_, _, block: BlockIndex| whole(block.level));
    let mut blocks =
        exr::block::reader::ChunksReader::sequential_decompressor(blocks.map_err(broken)?, false);
    while let Some(block) = blocks.decompress_next_block() {
        canvas.add(&block.map_err(broken)?, &header, channels)?;
    }
    if canvas.covered != size.area() {
        return Err("has not all of its texels".into());
    }
    let picture = Radiance {
        width: size.width() as u32,
        height: size.height() as u32,
        words: canvas.words,
        exposure: None,
    };
    Ok(Decoded { picture, negative: canvas.negative })
}

/// Where R, G and B stand among the channels.
type Channels = [usize; 3];

/// Refuses what can't be read, before anything is allocated for it.
fn check(header: &Header, file: &[u8], most_texels: usize) -> Result<Channels, String> {
    if header.deep {
        return Err("is a deep picture; save a flat one".into());
    }
    let known = [
        Compression::Uncompressed,
        Compression::RLE,
        Compression::ZIP1,
        Compression::ZIP16,
        Compression::PIZ,
        Compression::PXR24,
    ];
    if !known.contains(&header.compression) {
        return Err(format!("is packed by {}; save it with ZIP or PIZ", header.compression));
    }
    let Vec2(width, height) = header.layer_size;
    let sides = 1..=65536;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(format!("is {width}×{height} texels"));
    }
    let window = header.shared_attributes.display_window;
    let position = header.own_attributes.layer_position;
    if (window.size, window.position) != (header.layer_size, position) {
        return Err("holds only a part of its picture; save it without cropping".into());
    }
    let texels = width as u64 * height as u64;
    if texels > most_texels as u64 {
        return Err(format!("has {texels} texels; at most {most_texels} are accepted"));
    }
    if texels > MOST_TEXELS_A_BYTE * file.len() as u64 {
        return Err("is shorter than its size needs".into());
    }
    let mut found = [0; 3];
    for (place, name) in found.iter_mut().zip(["R", "G", "B"]) {
        let list = &header.channels.list;
        let channel = list.iter().position(|channel| channel.name.eq(name));
        *place = channel.ok_or_else(|| format!("has no channel {name}; R, G and B are needed"))?;
        let channel = &list[*place];
        if channel.sampling != Vec2(1, 1) {
            return Err(format!("its channel {name} lacks texels; save all of them"));
        }
        if channel.sample_type == SampleType::U32 {
            return Err(format!("its channel {name} holds whole numbers; save half or float"));
        }
    }
    Ok(found)
}

/// The picture in the making.
struct Canvas {
    width: usize,
    words: Vec<u32>,
    covered: usize,
    negative: usize,
}

impl Canvas {
    fn add(
        &mut self,
        block: &UncompressedBlock,
        header: &Header,
        channels: Channels,
    ) -> Result<(), String> {
        let Vec2(left, top) = block.index.pixel_position;
        let Vec2(across, down) = block.index.pixel_size;
        let fits = left + across <= self.width && (top + down) * self.width <= self.words.len();
        if !fits {
            return Err("has a block outside of its picture".into());
        }
        let mut colors = vec![[0f32; 3]; across * down];
        for line in block.lines(&header.channels) {
            let LineIndex { channel, position: Vec2(x, y), sample_count, .. } = line.location;
            let Some(lane) = channels.iter().position(|&place| place == channel) else { continue };
            let start = (y - top) * across + (x - left);
            let row = colors.get_mut(start..start + sample_count);
            let row = row.ok_or("has a line outside of its block")?;
            let is_half = header.channels.list[channel].sample_type == SampleType::F16;
            if is_half {
                for (color, half) in row.iter_mut().zip(line.value.as_chunks::<2>().0) {
                    color[lane] = widened(u16::from_ne_bytes(*half));
                }
            } else {
                for (color, float) in row.iter_mut().zip(line.value.as_chunks::<4>().0) {
                    color[lane] = f32::from_ne_bytes(*float);
                }
            }
        }
        for (i, color) in colors.into_iter().enumerate() {
            let (x, y) = (left + i % across, top + i / across);
            if !color.iter().all(|value| value.is_finite()) {
                return Err(format!("its texel {x}, {y} is not a finite number"));
            }
            self.negative += color.iter().filter(|value| **value < 0.0).count();
            self.words[y * self.width + x] = word(color);
        }
        self.covered += across * down;
        Ok(())
    }
}

/// The value of a half: exact.
fn widened(half: u16) -> f32 {
    let (sign, exponent, mantissa) = (half >> 15, i32::from(half >> 10 & 31), half & 1023);
    let magnitude = match exponent {
        0 => f64::from(mantissa) * power_of_two(-24),
        31 if mantissa == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => f64::from(1024 + mantissa) * power_of_two(exponent - 25),
    };
    (if sign == 1 { -magnitude } else { magnitude }) as f32
}

/// The nearest word; halves go up. What is below 0 counts as 0, what is beyond the largest word
/// as that.
fn word(color: [f32; 3]) -> u32 {
    let color = color.map(|value| f64::from(value.max(0.0)));
    let largest = color.iter().fold(0.0f64, |most, value| most.max(*value));
    if largest < power_of_two(i32::from(LEAST_EXPONENT) - 129) {
        return 0;
    }
    let mantissas = |exponent: i32| {
        color.map(|value| (value * power_of_two(8 - exponent) + 0.5).floor().min(256.0) as u32)
    };
    // The largest mantissa lies in 128..256, unless it is rounded up to 256.
    let mut exponent = libm::ilogb(largest) + 1;
    if mantissas(exponent).contains(&256) && exponent < 127 {
        exponent += 1;
    }
    let exponent = exponent.min(127);
    let [r, g, b] = mantissas(exponent).map(|mantissa| mantissa.min(255) as u8);
    u32::from_le_bytes([r, g, b, (exponent + 128) as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_their_values() {
        for (half, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(widened(half), value, "{half:#x}");
        }
        assert!(widened(0x7e00).is_nan());
    }

    #[test]
    fn colours_go_to_the_nearest_word() {
        let rgbe = |color| word(color).to_le_bytes();
        assert_eq!(rgbe([1.0, 0.5, 0.25]), [128, 64, 32, 129]);
        assert_eq!(rgbe([0.0, 0.0, 0.0]), [0; 4]);
        assert_eq!(rgbe([-1.0, 2.0, -0.0]), [0, 128, 0, 130]);
        // 255.4 and 255.5 of 256: the second is the next power of two.
        assert_eq!(rgbe([255.4 / 256.0, 0.0, 0.0]), [255, 0, 0, 128]);
        assert_eq!(rgbe([255.5 / 256.0, 0.0, 0.0]), [128, 0, 0, 129]);
        assert_eq!(rgbe([f32::MAX, 1.0, 0.0]), [255, 0, 0, 255]);
        assert_eq!(rgbe([1e-38, 0.0, 0.0]), [0; 4]);
    }

    #[test]
    fn every_word_stands_for_itself() {
        for exponent in [LEAST_EXPONENT, 100, 128, 200, 255] {
            for mantissa in 128..=255u8 {
                let unit = power_of_two(i32::from(exponent) - 136);
                let color = [mantissa, 7, 0].map(|m| (f64::from(m) * unit) as f32);
                assert_eq!(word(color).to_le_bytes(), [mantissa, 7, 0, exponent]);
            }
        }
    }
}
