//! Texture pictures: made by a function of the place, written as PNG or JPEG.

use crate::model::PictureFile;

/// Texels of 8 bits, from the top left, row by row.
#[derive(Debug, Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    rgba: Vec<[u8; 4]>,
}

impl Picture {
    /// A picture whose texels are `texel(x, y)`, `y` downwards.
    pub fn new(width: u32, height: u32, texel: impl Fn(u32, u32) -> [u8; 4]) -> Self {
        let place = |i: u32| texel(i % width, i / width);
        Self { width, height, rgba: (0..width * height).map(place).collect() }
    }

    /// An opaque picture.
    pub fn opaque(width: u32, height: u32, texel: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        Self::new(width, height, |x, y| {
            let [r, g, b] = texel(x, y);
            [r, g, b, 255]
        })
    }

    /// The bytes of a file.
    pub(crate) fn encode(&self, file: PictureFile) -> Vec<u8> {
        match file {
            PictureFile::Png => self.png(),
            PictureFile::Jpeg => self.jpeg(),
        }
    }

    /// Not compressed: the bytes then depend on no compressor's version.
    fn png(&self) -> Vec<u8> {
        let opaque = self.rgba.iter().all(|texel| texel[3] == 255);
        let (colour, channels) =
            if opaque { (png::ColorType::Rgb, 3) } else { (png::ColorType::Rgba, 4) };
        let data: Vec<u8> =
            self.rgba.iter().flat_map(|texel| texel[..channels].iter().copied()).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::NoCompression);
        encoder.set_filter(png::Filter::NoFilter);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(&data)?;
                writer.finish()
            })
            .expect("a picture of its own size is written to memory");
        bytes
    }

    fn jpeg(&self) -> Vec<u8> {
        let data: Vec<u8> =
            self.rgba.iter().flat_map(|texel| [texel[0], texel[1], texel[2]]).collect();
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95)
            .encode(&data, self.width, self.height, image::ExtendedColorType::Rgb8)
            .expect("a picture of its own size is written to memory");
        bytes
    }
}

/// A texel of a normal map: `slope_x` to the right and `slope_y` *up* the picture, as glTF has it.
pub fn normal_texel(slope_x: f32, slope_y: f32) -> [u8; 3] {
    crate::maths::unit([-slope_x, -slope_y, 1.0]).map(|x| ((x * 0.5 + 0.5) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_gives_back_its_texels() {
        for alpha in [255, 7] {
            let picture = Picture::new(5, 3, |x, y| [x as u8, y as u8, 9, alpha]);
            let read =
                image::load_from_memory(&picture.encode(PictureFile::Png)).unwrap().to_rgba8();
            assert_eq!(read.dimensions(), (5, 3));
            assert!(read.enumerate_pixels().all(|(x, y, p)| p.0 == [x as u8, y as u8, 9, alpha]));
        }
    }

    #[test]
    fn a_jpeg_comes_close_to_its_texels() {
        let picture = Picture::opaque(16, 16, |x, _| [10 * x as u8, 128, 40]);
        let read = image::load_from_memory(&picture.encode(PictureFile::Jpeg)).unwrap().to_rgb8();
        for (x, _, p) in read.enumerate_pixels() {
            for (got, wanted) in p.0.into_iter().zip([10 * x as i32, 128, 40]) {
                assert!((i32::from(got) - wanted).abs() <= 8, "{x}: {got} for {wanted}");
            }
        }
    }
}
