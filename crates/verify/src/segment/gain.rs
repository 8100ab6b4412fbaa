//! How much of a signal of the source is left in the rendition.
//!
//! The signal is a difference that the source itself shows: between a picture and its blurred
//! self (detail), or between one frame and the next (motion). The gain is the rendition's same
//! difference, projected onto it: 1 where it is all there, 0 where it is gone, whatever noise the
//! encoder added, since noise is not correlated with it. Only the blocks where the source's signal is strongest count. Encoders drop weak detail by right,
//! but a strong edge costs more to drop than to keep: that tells coding from fraud.

use super::image::Image;
use serde::{Deserialize, Serialize};

/// What the strongest blocks say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// The share of the source's signal that is left.
    pub kept: f32,
    /// The signal's root mean square in those blocks, in levels: how much there was to see.
    pub strength: f32,
}

/// Signals of both sides, of one size, by the `blocks` strongest blocks of `side` × `side`.
pub(super) fn gain(source: &Image, rendition: &Image, side: usize, blocks: usize) -> Gain {
    let energy = source.with(source, |a, b| a * b).block_sums(side).samples;
    let common = source.with(rendition, |a, b| a * b).block_sums(side).samples;
    let mut order: Vec<usize> = (0..energy.len()).collect();
    let blocks = blocks.min(order.len());
    if blocks == 0 {
        return Gain { kept: 1.0, strength: 0.0 };
    }
    order.select_nth_unstable_by(blocks - 1, |&a, &b| energy[b].total_cmp(&energy[a]));
    order.truncate(blocks);
    let sum = |of: &[f32]| order.iter().map(|&n| of[n]).sum::<f32>();
    let all = sum(&energy).max(1e-6);
    Gain { kept: sum(&common) / all, strength: (all / (blocks * side * side) as f32).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(of: impl Fn(usize, usize) -> f32) -> Image {
        let samples = (0..64 * 64).map(|n| of(n % 64, n / 64)).collect();
        Image { width: 64, height: 64, samples }
    }

    /// Strong in one corner, and weak elsewhere.
    fn signal(x: usize, y: usize) -> f32 {
        let sign = if (x + y).is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * if x < 16 && y < 16 { 10.0 } else { 0.5 }
    }

    #[test]
    fn what_is_kept_is_told_from_what_is_added() {
        let source = image(signal);
        let halved = image(|x, y| signal(x, y) / 2.0);
        let noisy = image(|x, y| signal(x, y) + if (x / 2 + y / 2) % 2 == 0 { 2.0 } else { -2.0 });
        let of = |rendition: &Image| gain(&source, rendition, 8, 4);
        assert!((of(&source).kept - 1.0).abs() < 1e-4);
        assert!((of(&source).strength - 10.0).abs() < 1e-3);
        assert!((of(&halved).kept - 0.5).abs() < 1e-4);
        assert!((of(&noisy).kept - 1.0).abs() < 0.01);
        assert!(of(&image(|_, _| 0.0)).kept.abs() < 1e-6);
    }

    #[test]
    fn a_picture_smaller_than_a_block_says_nothing() {
        let tiny = Image { width: 3, height: 3, samples: vec![1.0; 9] };
        assert_eq!(gain(&tiny, &tiny, 8, 4).strength, 0.0);
    }
}
