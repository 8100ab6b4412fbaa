//! A frame before it is whole: what is there of it is shown, the rest is transparent.

use crate::watermark::watermarked;
use crate::{Picture, png};
use tessera_protocol::{PixelSum, TileRect, sums};

/// A picture of what is there of a frame. Of a large frame only every so-manyth pixel is shown, so that
/// looking at it takes no more memory than a picture of [`Preview::LONGEST`] pixels squared.
#[derive(Debug, Clone)]
pub struct Preview {
    step: u32,
    width: u32,
    height: u32,
    pixels: Vec<[f32; 3]>,
    there: Vec<bool>,
}

impl Preview {
    /// Longest side of the picture, in pixels.
    pub const LONGEST: u32 = 2048;

    /// Nothing of a frame of `width` × `height` pixels, of which no side is 0.
    pub fn new(width: u32, height: u32) -> Self {
        let step = width.max(height).div_ceil(Self::LONGEST).max(1);
        let (width, height) = (width.div_ceil(step).max(1), height.div_ceil(step).max(1));
        let pixels = width as usize * height as usize;
        Self { step, width, height, pixels: vec![[0.0; 3]; pixels], there: vec![false; pixels] }
    }

    /// Every so-manyth pixel of the frame is shown.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Shows a tile: the mean of its sums over `samples` samples, row by row. What does not lie in the frame,
    /// and what has no samples, is left out.
    pub fn put(&mut self, tile: TileRect, sums: &[PixelSum], samples: u32) {
        if samples == 0 || tile.width == 0 {
            return;
        }
        let quanta = f64::from(samples) * 2f64.powi(-sums::QUANTUM_LOG2);
        let mean = |sum: u64| (sum as f64 / quanta) as f32;
        let rows = sums.chunks_exact(tile.width as usize).zip(tile.y..);
        for (row, y) in rows.filter(|(_, y)| y % self.step == 0) {
            for (sum, x) in row.iter().zip(tile.x..).filter(|(_, x)| x % self.step == 0) {
                let (x, y) = (x / self.step, y / self.step);
                if x < self.width && y < self.height {
                    let at = y as usize * self.width as usize + x as usize;
                    self.pixels[at] = [mean(sum.r), mean(sum.g), mean(sum.b)];
                    self.there[at] = true;
                }
            }
        }
    }

    /// The picture as a PNG with transparency; `marked` where it may be judged by and not be used.
    pub fn encode(self, marked: bool) -> Result<Vec<u8>, ::png::EncodingError> {
        let picture = Picture::new(self.width, self.height, self.pixels);
        let picture = picture.expect("as many pixels as its sides say");
        let picture = if marked { watermarked(&picture) } else { picture };
        png::encode_cut_out(&picture, &self.there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(light: u64) -> PixelSum {
        PixelSum { r: light << 24, g: 0, b: 0, rays: 1 }
    }

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut levels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut levels).unwrap();
        assert_eq!(info.color_type, ::png::ColorType::Rgba);
        (info.width, info.height, levels)
    }

    #[test]
    fn what_is_there_is_shown_and_the_rest_is_transparent() {
        let mut preview = Preview::new(3, 2);
        let tile = TileRect { x: 1, y: 0, width: 2, height: 1 };
        preview.put(tile, &[sum(4), sum(2)], 4);
        preview.put(TileRect { x: 0, y: 1, width: 1, height: 1 }, &[sum(1)], 0);
        preview.put(TileRect { x: 3, y: 0, width: 1, height: 1 }, &[sum(1)], 1);
        let (width, height, levels) = decode(&preview.encode(false).unwrap());
        assert_eq!((width, height), (3, 2));
        let clear = [0; 4];
        let expected = [clear, [255, 0, 0, 255], [188, 0, 0, 255], clear, clear, clear];
        assert_eq!(levels, expected.as_flattened());
    }

    #[test]
    fn a_mark_leaves_what_is_missing_transparent() {
        let mut preview = Preview::new(8, 8);
        preview.put(TileRect { x: 0, y: 0, width: 4, height: 8 }, &[sum(0); 32], 1);
        let (_, _, levels) = decode(&preview.clone().encode(true).unwrap());
        let (plain, marked) = (decode(&preview.encode(false).unwrap()).2, levels);
        assert_ne!(plain, marked);
        for (at, pixel) in marked.chunks(4).enumerate() {
            assert_eq!(pixel[3], if at % 8 < 4 { 255 } else { 0 });
            assert!(pixel[3] == 255 || pixel == [0; 4]);
        }
    }

    #[test]
    fn a_large_frame_is_shown_smaller_in_the_same_places() {
        let mut preview = Preview::new(5000, 10);
        assert_eq!(preview.step(), 3);
        let tile = TileRect { x: 4, y: 5, width: 4, height: 3 };
        let sums: Vec<_> = (0..12).map(sum).collect();
        preview.put(tile, &sums, 11);
        let (width, height, levels) = decode(&preview.encode(false).unwrap());
        assert_eq!((width, height), (1667, 4));
        let there: Vec<usize> =
            levels.chunks(4).enumerate().filter(|(_, p)| p[3] > 0).map(|(at, _)| at).collect();
        // Of x 4..8 only 6 is a third one, and of y 5..8 only 6.
        assert_eq!(there, [2 * 1667 + 2]);
    }
}
