//! Light as numbers for a display: the view transform of PNG files and movies.
//!
//! Linear Rec.709 is clipped to 0..1 and put through the transfer function of sRGB (IEC
//! 61966-2-1), then rounded to the nearest of 256 levels. No tone mapping: a display shows the
//! scene's own numbers, and what is brighter than 1 is white.

use crate::Picture;
use std::sync::LazyLock;

/// What was done to the light, for the header of a file.
pub const DESCRIPTION: &str = "linear Rec.709, clipped to 0..1, sRGB transfer function, 8 bits";

/// The least light that is shown at each level from 1: half-way between two levels, seen through
/// the inverse transfer function. Comparing against these rounds to nearest without computing a
/// power per pixel, whose last bit would depend on the platform.
static THRESHOLDS: LazyLock<[f64; 255]> =
    LazyLock::new(|| std::array::from_fn(|level| linear((level as f64 + 0.5) / 255.0)));

/// The inverse transfer function of sRGB.
fn linear(encoded: f64) -> f64 {
    if encoded <= 0.04045 { encoded / 12.92 } else { libm::pow((encoded + 0.055) / 1.055, 2.4) }
}

/// The level that shows `light`; that of a NaN is 0.
pub fn srgb8(light: f32) -> u8 {
    let level = THRESHOLDS.partition_point(|&threshold| f64::from(light) >= threshold);
    u8::try_from(level).expect("255 thresholds part 256 levels")
}

impl Picture {
    /// What a display shows: red, green and blue of each pixel, row by row from the top left.
    pub fn to_srgb8(&self) -> Vec<u8> {
        self.pixels().as_flattened().iter().map(|&light| srgb8(light)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transfer function as the standard writes it, in the other direction.
    fn encoded(linear: f64) -> f64 {
        if linear <= 0.003_130_8 {
            12.92 * linear
        } else {
            1.055 * libm::pow(linear, 1.0 / 2.4) - 0.055
        }
    }

    #[test]
    fn every_level_is_the_nearest_one() {
        let steps = 1 << 20;
        for step in 0..=steps {
            let light = step as f32 / steps as f32;
            let exact = 255.0 * encoded(f64::from(light));
            let level = f64::from(srgb8(light));
            // The standard's two pieces meet within 3e-8, hence the allowance.
            assert!((level - exact).abs() <= 0.5 + 1e-4, "{light} is {exact} and got {level}");
        }
    }

    #[test]
    fn known_levels_and_what_lies_outside() {
        for (light, level) in [
            (0.0, 0),
            // Half of the way up is 0.2140411 of the light.
            (0.214_040, 127),
            (0.214_042, 128),
            (0.5, 188),
            (1.0, 255),
            (1e30, 255),
            (f32::INFINITY, 255),
            (-1.0, 0),
            (f32::NAN, 0),
        ] {
            assert_eq!(srgb8(light), level, "{light}");
        }
        // Every level is reached, by the light that it stands for.
        for level in 0..=255u8 {
            assert_eq!(srgb8(linear(f64::from(level) / 255.0) as f32), level);
        }
    }
}
