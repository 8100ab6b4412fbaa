//! Detail: what only a picture of this size can show.

use super::gain::{Gain, gain};
use super::image::Image;

/// Taps on either side of the middle one.
const REACH: usize = 5;

/// What is left of the source's finest detail: the frequencies above `cutoff`, as a share of the
/// highest that the size can show. A rendition that was enlarged has none.
pub(super) fn detail(source: &Image, rendition: &Image, cutoff: f32, blocks: usize) -> Gain {
    let taps = high_pass(cutoff);
    gain(&passed(source, &taps), &passed(rendition, &taps), 8, blocks)
}

/// A windowed ideal high pass.
fn high_pass(cutoff: f32) -> [f32; 2 * REACH + 1] {
    use std::f32::consts::PI;
    let mut taps = [0.0; 2 * REACH + 1];
    let reach = REACH as f32;
    for (n, tap) in taps.iter_mut().enumerate() {
        let x = n as f32 - reach;
        let ideal = if n == REACH { cutoff } else { libm::sinf(PI * cutoff * x) / (PI * x) };
        *tap = ideal * (0.54 + 0.46 * libm::cosf(PI * x / (reach + 1.0)));
    }
    let sum: f32 = taps.iter().sum();
    for tap in &mut taps {
        *tap /= -sum;
    }
    taps[REACH] += 1.0;
    taps
}

/// An image filtered along its rows, and under it the same image filtered along its columns; edges,
/// where the filter would reach outside, are left out of both.
fn passed(image: &Image, taps: &[f32; 2 * REACH + 1]) -> Image {
    let (width, height) =
        (image.width.saturating_sub(2 * REACH), image.height.saturating_sub(2 * REACH));
    let mut samples = vec![0.0; width * height * 2];
    if samples.is_empty() {
        return Image { width: 1, height: 1, samples: vec![0.0] };
    }
    let (across, down) = samples.split_at_mut(width * height);
    for y in 0..height {
        let beside = std::array::from_fn(|n| &image.row(y + REACH)[n..][..width]);
        let above = std::array::from_fn(|n| &image.row(y + n)[REACH..][..width]);
        weigh(&beside, taps, &mut across[y * width..][..width]);
        weigh(&above, taps, &mut down[y * width..][..width]);
    }
    Image { width, height: 2 * height, samples }
}

/// The weighted sum of rows; `taps` are the same from either end.
fn weigh(rows: &[&[f32]; 2 * REACH + 1], taps: &[f32; 2 * REACH + 1], out: &mut [f32]) {
    let width = out.len();
    let rows: [&[f32]; 2 * REACH + 1] = rows.map(|row| &row[..width]);
    for (x, out) in out.iter_mut().enumerate() {
        let mut sum = taps[REACH] * rows[REACH][x];
        for n in 0..REACH {
            sum += taps[n] * (rows[n][x] + rows[2 * REACH - n][x]);
        }
        *out = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::Filter;
    use super::*;

    /// A picture of many sharp edges in all directions.
    fn picture(width: usize, height: usize) -> Image {
        let sample = |n: usize| {
            let (x, y) = ((n % width) as i64, (n / width) as i64);
            let ring = (x - 80) * (x - 80) + 2 * (y - 50) * (y - 50);
            40.0 + 30.0 * ((ring / 300) % 5) as f32 + (x + y) as f32 / 10.0
        };
        Image { width, height, samples: (0..width * height).map(sample).collect() }
    }

    #[test]
    fn a_picture_keeps_all_of_its_own_detail() {
        let picture = picture(240, 136);
        let kept = detail(&picture, &picture, 0.7, 20);
        assert!((kept.kept - 1.0).abs() < 1e-4 && kept.strength > 5.0);
    }

    #[test]
    fn enlarging_loses_it_and_noise_does_not() {
        let picture = picture(240, 136);
        let small = picture.resized(160, 90, Filter::Cubic).resized(240, 136, Filter::Cubic);
        assert!(detail(&picture, &small, 0.7, 20).kept < 0.4);
        let mut state = 1_u32;
        let noisy = picture.with(&picture, |sample, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sample + (state >> 28) as f32 - 8.0
        });
        assert!(detail(&picture, &noisy, 0.7, 20).kept > 0.9);
    }

    #[test]
    fn the_filter_stops_what_is_flat_and_passes_the_finest() {
        let taps = high_pass(0.7);
        assert!(taps.iter().sum::<f32>().abs() < 1e-5);
        let finest: f32 = taps.iter().zip([1.0, -1.0].iter().cycle()).map(|(a, b)| a * b).sum();
        assert!((finest.abs() - 1.0).abs() < 0.05, "{finest}");
    }
}
