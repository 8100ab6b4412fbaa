//! The pixels of a rectangle over a range of samples.

use crate::cpu::Scene;
use crate::cpu::film::quantize_sample;
use crate::cpu::path::trace_path;
use std::ops::Range;

/// Sums of a pixel: red, green and blue in quanta of 2^-24, and rays.
pub type Sums = [u64; 4];

/// Sums of pixel (`x`, `y`) over `samples`.
pub fn pixel_sums(scene: &Scene<'_>, x: u32, y: u32, samples: Range<u32>) -> Sums {
    let mut sums = [0; 4];
    for sample in samples {
        let path = trace_path(scene, x, y, sample);
        let [r, g, b] = quantize_sample(path.radiance);
        for (sum, add) in sums.iter_mut().zip([r, g, b, u64::from(path.rays)]) {
            *sum += add;
        }
    }
    sums
}
