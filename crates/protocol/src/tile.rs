//! How a frame is cut: tiles of pixels, ranges of samples.

use serde::{Deserialize, Serialize};

/// A rectangle of pixels, `x` to the right and `y` down from the top left of the frame.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub struct TileRect {
    /// Left edge, in pixels.
    pub x: u32,
    /// Top edge, in pixels.
    pub y: u32,
    /// Pixels across; not 0.
    pub width: u32,
    /// Pixels down; not 0.
    pub height: u32,
}

impl TileRect {
    /// The whole of a frame.
    pub fn frame(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Pixels in the rectangle.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether the rectangle is not empty and lies inside a frame of `width` × `height`.
    pub fn fits(self, width: u32, height: u32) -> bool {
        let inside = |from: u32, size: u32, whole: u32| {
            size > 0 && u64::from(from) + u64::from(size) <= u64::from(whole)
        };
        inside(self.x, self.width, width) && inside(self.y, self.height, height)
    }
}

/// Samples `start..end` of each pixel.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub struct SampleRange {
    /// The first sample.
    pub start: u32,
    /// One past the last sample; greater than `start`.
    pub end: u32,
}

impl SampleRange {
    /// Samples in the range.
    pub fn count(self) -> u32 {
        self.end.saturating_sub(self.start)
    }
}

/// A frame's tiles, numbered row by row; those at the right and bottom edge may be smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileGrid {
    width: u32,
    height: u32,
    tile: u32,
}

impl TileGrid {
    /// A frame of `width` × `height` pixels in square tiles of `tile` pixels; none may be 0.
    pub fn new(width: u32, height: u32, tile: u32) -> Option<Self> {
        (width > 0 && height > 0 && tile > 0).then_some(Self { width, height, tile })
    }

    /// Tiles across.
    pub fn columns(self) -> u32 {
        self.width.div_ceil(self.tile)
    }

    /// Tiles down.
    pub fn rows(self) -> u32 {
        self.height.div_ceil(self.tile)
    }

    /// Tiles in the frame.
    pub fn count(self) -> u64 {
        u64::from(self.columns()) * u64::from(self.rows())
    }

    /// Where tile `index` lies; `None` beyond the last.
    pub fn rect(self, index: u64) -> Option<TileRect> {
        if index >= self.count() {
            return None;
        }
        let columns = u64::from(self.columns());
        let x = u32::try_from(index % columns).ok()? * self.tile;
        let y = u32::try_from(index / columns).ok()? * self.tile;
        Some(TileRect {
            x,
            y,
            width: self.tile.min(self.width - x),
            height: self.tile.min(self.height - y),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tiles_cover_each_pixel_once(width in 1u32..200, height in 1u32..200, tile in 1u32..70) {
            let grid = TileGrid::new(width, height, tile).unwrap();
            let mut seen = vec![0u8; (width * height) as usize];
            for index in 0..grid.count() {
                let rect = grid.rect(index).unwrap();
                prop_assert!(rect.fits(width, height));
                for y in rect.y..rect.y + rect.height {
                    for x in rect.x..rect.x + rect.width {
                        seen[(y * width + x) as usize] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
            prop_assert_eq!(grid.rect(grid.count()), None);
        }
    }

    #[test]
    fn a_rectangle_that_leaves_the_frame_does_not_fit() {
        let rect = |x, y, width, height| TileRect { x, y, width, height };
        assert!(rect(0, 0, 8, 8).fits(8, 8));
        for outside in [rect(1, 0, 8, 8), rect(0, 0, 0, 1), rect(u32::MAX, 0, 1, 1)] {
            assert!(!outside.fits(8, 8), "{outside:?}");
        }
    }
}
