//! A frame as light: linear, unbounded, in f32.

/// Linear Rec.709 radiance.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<[f32; 3]>,
}

/// As many pixels are needed as the sides say, and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{pixels} pixels do not make a picture of {width}×{height}")]
pub struct PictureSizeError {
    width: u32,
    height: u32,
    pixels: usize,
}

impl Picture {
    /// A picture from its pixels, row by row from the top left.
    pub fn new(width: u32, height: u32, pixels: Vec<[f32; 3]>) -> Result<Self, PictureSizeError> {
        if pixels.is_empty() || pixels.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(PictureSizeError { width, height, pixels: pixels.len() });
        }
        Ok(Self { width, height, pixels })
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue of each pixel, row by row from the top left.
    pub fn pixels(&self) -> &[[f32; 3]] {
        &self.pixels
    }

    /// The picture made smaller, its sides' ratio kept, so that it fits into `side` × `side`
    /// pixels; a picture that fits is returned as it is. Each new pixel is the mean of the light
    /// on its area. `side` 0 counts as 1.
    #[must_use]
    pub fn fit_within(&self, side: u32) -> Self {
        let (side, longest) = (side.max(1), self.width.max(self.height));
        if longest <= side {
            return self.clone();
        }
        let shrink = |length: u32| {
            let (length, side, longest) = (u64::from(length), u64::from(side), u64::from(longest));
            (((length * side + longest / 2) / longest) as u32).max(1)
        };
        let (width, height) = (shrink(self.width), shrink(self.height));
        let across = Shrinking { from: self.width, to: width };
        let down = Shrinking { from: self.height, to: height };
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            for x in 0..width {
                pixels.push(self.mean(across, x, down, y));
            }
        }
        Self { width, height, pixels }
    }

    /// The mean light on the area of a pixel of the smaller picture, added up row by row.
    fn mean(&self, across: Shrinking, x: u32, down: Shrinking, y: u32) -> [f32; 3] {
        let mut sum = [0f64; 3];
        for (row, tall) in down.parts(y) {
            for (column, wide) in across.parts(x) {
                let pixel = self.pixels[row * self.width as usize + column];
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += tall * wide * f64::from(value);
                }
            }
        }
        sum.map(|sum| (sum * across.weight() * down.weight()) as f32)
    }
}

/// `from` pixels in a line that become `to`.
#[derive(Clone, Copy)]
struct Shrinking {
    from: u32,
    to: u32,
}

impl Shrinking {
    /// The old pixels under new pixel `at`, and how much of each: in units of 1/`to` of an old
    /// pixel, so that the numbers are whole and add up to `from`.
    fn parts(self, at: u32) -> impl Iterator<Item = (usize, f64)> {
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        let (start, end) = (u64::from(at) * from, (u64::from(at) + 1) * from);
        (start / to..end.div_ceil(to)).map(move |old| {
            let covered = end.min((old + 1) * to) - start.max(old * to);
            (old as usize, covered as f64)
        })
    }

    fn weight(self) -> f64 {
        1.0 / f64::from(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_picture_holds_the_mean_of_the_large_one() {
        let grey = |values: &[f32]| values.iter().map(|&v| [v, 2.0 * v, 0.0]).collect::<Vec<_>>();
        let picture = Picture::new(3, 2, grey(&[1.0, 2.0, 3.0, 5.0, 6.0, 7.0])).unwrap();
        let small = picture.fit_within(2);
        assert_eq!((small.width(), small.height()), (2, 1));
        // Half of the middle column belongs to each side.
        let left = (1.0 + 5.0 + (2.0 + 6.0) / 2.0) / 3.0;
        let right = (3.0 + 7.0 + (2.0 + 6.0) / 2.0) / 3.0;
        for (pixel, mean) in small.pixels().iter().zip([left, right]) {
            assert!((pixel[0] - mean).abs() < 1e-6 && (pixel[1] - 2.0 * mean).abs() < 1e-6);
        }
        assert_eq!(picture.fit_within(3), picture);
    }

    proptest! {
        #[test]
        fn every_size_shrinks_and_a_flat_picture_stays_flat(
            width in 1u32..90, height in 1u32..90, side in 0u32..90,
        ) {
            let pixels = vec![[0.25, 0.5, 8.0]; (width * height) as usize];
            let small = Picture::new(width, height, pixels).unwrap().fit_within(side);
            prop_assert!(small.width().max(small.height()) <= side.max(1));
            for pixel in small.pixels() {
                for (value, expected) in pixel.iter().zip([0.25, 0.5, 8.0]) {
                    prop_assert!((value / expected - 1.0).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_picture_has_as_many_pixels_as_it_says() {
        assert!(Picture::new(2, 2, vec![[0.0; 3]; 3]).is_err());
        assert!(Picture::new(0, 2, vec![]).is_err());
    }
}
