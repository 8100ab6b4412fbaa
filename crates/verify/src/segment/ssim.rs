//! Structural similarity, tile by tile.

use super::image::Image;

/// Tiles across, and down.
const TILES: usize = 8;
/// Samples of a block's side, over which means and variances are taken.
const BLOCK: usize = 8;

/// Structural similarity of two images of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ssim {
    /// Over the whole picture.
    pub(super) mean: f32,
    /// Over the least similar of 8 × 8 tiles.
    pub(super) worst_tile: f32,
}

pub(super) fn ssim(source: &Image, rendition: &Image) -> Ssim {
    let sums = |with: &dyn Fn(f32, f32) -> f32| source.with(rendition, with).block_sums(BLOCK);
    let (a, b) = (source.block_sums(BLOCK), rendition.block_sums(BLOCK));
    let squares = sums(&|a, b| a * a + b * b);
    let products = sums(&|a, b| a * b);
    let (width, height) = (a.width, a.height);
    if width == 0 || height == 0 {
        return Ssim { mean: 1.0, worst_tile: 1.0 };
    }
    const C1: f32 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f32 = (0.03 * 255.0) * (0.03 * 255.0);
    let n = (BLOCK * BLOCK) as f32;
    let of = |i: usize| {
        let (a, b) = (a.samples[i] / n, b.samples[i] / n);
        let variances = squares.samples[i] / n - a * a - b * b;
        let covariance = products.samples[i] / n - a * b;
        (2.0 * a * b + C1) * (2.0 * covariance + C2) / ((a * a + b * b + C1) * (variances + C2))
    };
    let mut tiles = [(0.0, 0_u32); TILES * TILES];
    for i in 0..width * height {
        let tile = i / width * TILES / height * TILES + i % width * TILES / width;
        tiles[tile].0 += of(i);
        tiles[tile].1 += 1;
    }
    let sum: f32 = tiles.iter().map(|tile| tile.0).sum();
    let of_tiles = tiles.iter().filter(|tile| tile.1 > 0).map(|tile| tile.0 / tile.1 as f32);
    Ssim { mean: sum / (width * height) as f32, worst_tile: of_tiles.fold(1.0, f32::min) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture() -> Image {
        let sample = |n: usize| ((n % 97) * 31 % 160 + (n / 128) * 7 % 60) as f32;
        Image { width: 128, height: 128, samples: (0..128 * 128).map(sample).collect() }
    }

    #[test]
    fn an_image_is_like_itself() {
        let same = ssim(&texture(), &texture());
        assert!((same.mean - 1.0).abs() < 1e-4 && same.worst_tile > 0.999);
    }

    #[test]
    fn one_spoilt_corner_shows_in_the_worst_tile_and_hardly_in_the_mean() {
        let mut spoilt = texture();
        for y in 0..16 {
            spoilt.samples[y * 128..][..16].fill(128.0);
        }
        let seen = ssim(&texture(), &spoilt);
        assert!(seen.worst_tile < 0.3 && seen.mean > 0.97, "{seen:?}");
    }

    #[test]
    fn a_negative_is_unlike() {
        let negative = texture().with(&texture(), |a, _| 255.0 - a);
        assert!(ssim(&texture(), &negative).mean < 0.0);
    }
}
