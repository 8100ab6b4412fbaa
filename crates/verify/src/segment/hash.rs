//! A perceptual hash: the signs of a picture's lowest frequencies.

use super::image::{Filter, Image};

/// Side of the picture that is transformed.
const SIDE: usize = 32;
/// Frequencies across, and down, that make the hash.
const LOW: usize = 8;

/// How far each of the lowest frequencies but the mean is above their median: the signs are the
/// hash's bits.
pub(crate) struct Hash(Vec<f32>);

/// A frequency this near the median may fall on either side of it: a quarter of a level, all over
/// the picture. A picture without structure has no bits at all.
const UNDECIDED: f32 = 0.25 * (SIDE * SIDE) as f32;

impl Hash {
    /// Bits that differ, of 63.
    pub(crate) fn distance(&self, other: &Self) -> u32 {
        let differ =
            |(&a, &b): (&f32, &f32)| a * b < 0.0 && a.abs() > UNDECIDED && b.abs() > UNDECIDED;
        self.0.iter().zip(&other.0).filter(|&pair| differ(pair)).count() as u32
    }
}

pub(crate) fn hash(image: &Image) -> Hash {
    let small = image.resized(SIDE, SIDE, Filter::Area);
    let wave: Vec<[f32; SIDE]> = (0..LOW)
        .map(|k| {
            std::array::from_fn(|x| {
                let turn = (x as f32 + 0.5) * k as f32 / SIDE as f32;
                libm::cosf(std::f32::consts::PI * turn)
            })
        })
        .collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut frequencies = [0.0; LOW * LOW];
    for (v, down) in wave.iter().enumerate() {
        let mut row = [0.0; SIDE];
        for (line, &weight) in small.rows().zip(down) {
            for (sum, sample) in row.iter_mut().zip(line) {
                *sum += weight * sample;
            }
        }
        for (u, across) in wave.iter().enumerate() {
            frequencies[v * LOW + u] = dot(&row, across);
        }
    }
    let mut sorted = frequencies;
    let sorted = &mut sorted[1..];
    sorted.sort_unstable_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    Hash(frequencies[1..].iter().map(|value| value - median).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(of: impl Fn(usize, usize) -> f32) -> Image {
        let samples = (0..128 * 72).map(|n| of(n % 128, n / 128)).collect();
        Image { width: 128, height: 72, samples }
    }

    #[test]
    fn light_and_size_change_no_bit_and_another_picture_many() {
        // Discs here and there, so that no frequency is idle.
        let discs = [(20, 15, 14), (70, 40, 22), (110, 12, 9), (40, 60, 11), (100, 62, 7)];
        let of = |x: usize, y: usize| {
            let inside =
                |(u, v, r): &(i32, i32, i32)| (x as i32 - u).pow(2) + (y as i32 - v).pow(2) < r * r;
            30.0 + 40.0 * discs.iter().filter(|disc| inside(disc)).count() as f32
                + (x * y) as f32 / 90.0
        };
        let one = picture(of);
        let lighter = picture(|x, y| of(x, y) * 0.8 + 20.0);
        let smaller = one.resized(64, 36, Filter::Area);
        let other = picture(|x, y| of(127 - x, y));
        let apart = |b: &Image| hash(&one).distance(&hash(b));
        assert!(apart(&lighter) <= 2 && apart(&smaller) <= 2);
        assert!(apart(&other) > 10, "{}", apart(&other));
    }

    #[test]
    fn a_picture_without_structure_is_like_any_such() {
        let flat = |noise: f32| hash(&picture(|x, y| 40.0 + noise * ((x * 7 + y * 13) % 5) as f32));
        assert_eq!(flat(0.3).distance(&flat(-0.3)), 0);
    }
}
