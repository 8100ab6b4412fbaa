//! RGB to Y'CbCr 4:2:0 by BT.709, limited range.
//!
//! Written out here because FFmpeg's scaler takes its matrix through an unsafe call only, and
//! assumes that of BT.601 without it. Everything is linear in the encoded values, so one rounding
//! at the end is all that is lost.

/// A frame of 8-bit RGB, row by row from the top left.
#[derive(Clone, Copy)]
pub(crate) struct Rgb<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// What a frame of Y'CbCr consists of, in the order that FFmpeg keeps it.
#[derive(Clone, Copy)]
pub(crate) enum Plane {
    Luma,
    /// Blue less luma, a quarter of the samples.
    Cb,
    /// Red less luma, likewise.
    Cr,
}

/// BT.709's share of red and of blue in luma.
const RED: f64 = 0.2126;
const BLUE: f64 = 0.0722;

/// Binary places of the integer coefficients.
const SHIFT: u32 = 16;

/// Coefficients of red, green and blue, scaled by `range` / 255 and to integers. Green takes up
/// what rounding left, so that grey is exactly grey: `sum` is that of all three.
const fn row(red: f64, blue: f64, sum: f64, range: f64) -> [i32; 3] {
    let scale = range / 255.0 * (1 << SHIFT) as f64;
    let (red, blue, sum) = (round(red * scale), round(blue * scale), round(sum * scale));
    [red, sum - red - blue, blue]
}

const fn round(x: f64) -> i32 {
    (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i32
}

const LUMA: [i32; 3] = row(RED, BLUE, 1.0, 219.0);
/// (B − Y) / (2 − 2·`BLUE`), which lies in -0.5..0.5.
const CB: [i32; 3] = row(-RED / (2.0 - 2.0 * BLUE), 0.5, 0.0, 224.0);
/// (R − Y) / (2 − 2·`RED`).
const CR: [i32; 3] = row(0.5, -BLUE / (2.0 - 2.0 * RED), 0.0, 224.0);

/// `coefficients` · `rgb` / 2^`extra_shift`, rounded, on top of `offset`.
fn dot(coefficients: [i32; 3], rgb: [i32; 3], offset: i32, extra_shift: u32) -> u8 {
    let shift = SHIFT + extra_shift;
    let sum: i32 = coefficients.iter().zip(rgb).map(|(c, v)| c * v).sum();
    let rounded = (sum + (offset << shift) + (1 << (shift - 1))) >> shift;
    u8::try_from(rounded).expect("limited range lies within 16..=240")
}

impl Rgb<'_> {
    /// A pixel; the edges go on for ever, which is also how odd sizes become even.
    fn at(&self, x: usize, y: usize) -> [i32; 3] {
        let at = 3 * (y.min(self.height - 1) * self.width + x.min(self.width - 1));
        [0, 1, 2].map(|channel| i32::from(self.bytes[at + channel]))
    }

    /// Fills a plane of rows that are `stride` bytes apart, `width` of them used.
    pub(crate) fn fill(&self, plane: Plane, bytes: &mut [u8], stride: usize, width: usize) {
        for (y, row) in bytes.chunks_mut(stride).enumerate() {
            for (x, value) in row.iter_mut().take(width).enumerate() {
                *value = match plane {
                    Plane::Luma => dot(LUMA, self.at(x, y), 16, 0),
                    Plane::Cb => dot(CB, self.chroma(x, y), 128, 3),
                    Plane::Cr => dot(CR, self.chroma(x, y), 128, 3),
                };
            }
        }
    }

    /// Eight times the colour at a sample of chroma. H.264's lie on the left column of each two
    /// and between the rows: hence 1, 2, 1 across and 1, 1 down.
    fn chroma(&self, x: usize, y: usize) -> [i32; 3] {
        let mut sum = [0; 3];
        for (column, weight) in [((2 * x).saturating_sub(1), 1), (2 * x, 2), (2 * x + 1, 1)] {
            for line in [2 * y, 2 * y + 1] {
                for (sum, value) in sum.iter_mut().zip(self.at(column, line)) {
                    *sum += weight * value;
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(rgb: [u8; 3]) -> [u8; 3] {
        let frame = Rgb { bytes: &rgb, width: 1, height: 1 };
        [Plane::Luma, Plane::Cb, Plane::Cr].map(|plane| {
            let mut bytes = [0];
            frame.fill(plane, &mut bytes, 1, 1);
            bytes[0]
        })
    }

    #[test]
    fn colour_bars_have_the_values_of_bt_709() {
        // 100 % bars in 8 bits, as test-signal tables for BT.709 list them.
        for (rgb, yuv) in [
            ([255, 255, 255], [235, 128, 128]),
            ([255, 255, 0], [219, 16, 138]),
            ([0, 255, 255], [188, 154, 16]),
            ([0, 255, 0], [173, 42, 26]),
            ([255, 0, 255], [78, 214, 230]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 0, 255], [32, 240, 118]),
            ([0, 0, 0], [16, 128, 128]),
        ] {
            assert_eq!(convert(rgb), yuv, "{rgb:?}");
        }
    }

    #[test]
    fn grey_has_no_colour() {
        for grey in 0..=255 {
            let [_, blue, red] = convert([grey; 3]);
            assert_eq!((blue, red), (128, 128), "{grey}");
        }
    }

    #[test]
    fn chroma_is_weighed_towards_the_left_column_and_edges_repeat() {
        // One row of blue 0, 80, 160 and 240, and no other colour.
        let bytes: Vec<u8> = [0, 80, 160, 240].into_iter().flat_map(|b| [0, 0, b]).collect();
        let frame = Rgb { bytes: &bytes, width: 4, height: 1 };
        let mut plane = [0; 2];
        frame.fill(Plane::Cb, &mut plane, 2, 2);
        let of = |blue: f64| (128.0 + 112.0 * blue / 255.0).round() as u8;
        assert_eq!(plane, [of((0.0 + 0.0 + 0.0 + 80.0) / 4.0), of((80.0 + 320.0 + 240.0) / 4.0)]);
    }
}
