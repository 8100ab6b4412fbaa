//! Sums of tiles and sample ranges, added up to a frame.

use crate::Picture;
use std::collections::BTreeMap;
use tessera_protocol::{PixelSum, ResultHash, SampleRange, TileRect, sums};

/// Why sums are not part of a frame, or a frame is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilmError {
    /// A tile that is empty or leaves the frame.
    #[error("the tile {} does not lie in a frame of {width}×{height}", show(*tile))]
    OutsideFrame {
        /// The tile.
        tile: TileRect,
        /// Pixels across the frame.
        width: u32,
        /// Pixels down the frame.
        height: u32,
    },
    /// A range that is empty or goes beyond the frame's samples.
    #[error("samples {}..{} are not among the frame's {samples}", range.start, range.end)]
    OutsideSamples {
        /// The range.
        range: SampleRange,
        /// Samples of each pixel of the frame.
        samples: u32,
    },
    /// More or fewer sums than pixels, or none of either.
    #[error("{found} sums came for {expected} pixels")]
    WrongCount {
        /// Pixels.
        expected: u64,
        /// Sums.
        found: u64,
    },
    /// Samples that the film has already.
    #[error("samples {}..{} of the tile {} came twice", range.start, range.end, show(*tile))]
    Twice {
        /// The tile.
        tile: TileRect,
        /// What came again, in part at least.
        range: SampleRange,
    },
    /// A tile that shares pixels with another one without being the same.
    #[error("the tile {} overlaps another one of the frame", show(*tile))]
    Overlap {
        /// The tile that came later.
        tile: TileRect,
    },
    /// A sum beyond 64 bits, which no honest sample reaches.
    #[error("the sums of the tile {} overflow", show(*tile))]
    Overflow {
        /// The tile.
        tile: TileRect,
    },
    /// A pixel that no tile covers.
    #[error("no tile covers the pixel at {x},{y}")]
    MissingPixel {
        /// Pixels from the left.
        x: u32,
        /// Pixels from the top.
        y: u32,
    },
    /// Samples that a tile lacks.
    #[error("samples {}..{} of the tile {} are missing", range.start, range.end, show(*tile))]
    MissingSamples {
        /// The tile.
        tile: TileRect,
        /// The first range that it lacks.
        range: SampleRange,
    },
}

fn show(tile: TileRect) -> String {
    format!("{}×{} at {},{}", tile.width, tile.height, tile.x, tile.y)
}

/// A frame that is being put together, in any order. It takes 33 bytes a pixel.
///
/// Tiles are equal or apart: one frame is cut in one way, though each tile's samples may be cut
/// in any.
#[derive(Debug, Clone)]
pub struct Film {
    width: u32,
    height: u32,
    samples: u32,
    sums: Vec<PixelSum>,
    /// Which pixels some tile covers.
    covered: Vec<bool>,
    /// The samples of each tile so far: in order, apart, and merged where they touch.
    ranges: BTreeMap<TileRect, Vec<SampleRange>>,
}

impl Film {
    /// An empty film for a frame of `width` × `height` pixels with `samples` of each.
    pub fn new(width: u32, height: u32, samples: u32) -> Self {
        let pixels = width as usize * height as usize;
        Self {
            width,
            height,
            samples,
            sums: vec![PixelSum::default(); pixels],
            covered: vec![false; pixels],
            ranges: BTreeMap::new(),
        }
    }

    /// Adds a tile's sums over a range of samples, row by row. An error leaves the film unchanged.
    pub fn add(
        &mut self,
        tile: TileRect,
        range: SampleRange,
        sums: &[PixelSum],
    ) -> Result<(), FilmError> {
        if !tile.fits(self.width, self.height) {
            return Err(FilmError::OutsideFrame { tile, width: self.width, height: self.height });
        }
        if range.count() == 0 || range.end > self.samples {
            return Err(FilmError::OutsideSamples { range, samples: self.samples });
        }
        if sums.len() as u64 != tile.pixels() {
            let (expected, found) = (tile.pixels(), sums.len() as u64);
            return Err(FilmError::WrongCount { expected, found });
        }

        // Everything is checked before anything changes.
        let mut ranges = self.ranges.get(&tile).cloned().unwrap_or_default();
        if ranges.is_empty() && self.rows(tile).any(|row| self.covered[row].contains(&true)) {
            return Err(FilmError::Overlap { tile });
        }
        if !insert(&mut ranges, range) {
            return Err(FilmError::Twice { tile, range });
        }
        let new_rows = || sums.chunks_exact(tile.width as usize);
        let mut pairs = self.rows(tile).zip(new_rows()).flat_map(|(row, new)| {
            self.sums[row].iter().zip(new).map(|(sum, &new)| sum.checked_add(new))
        });
        if pairs.any(|sum| sum.is_none()) {
            return Err(FilmError::Overflow { tile });
        }

        for (row, new) in self.rows(tile).zip(new_rows()) {
            self.covered[row.clone()].fill(true);
            for (sum, &new) in self.sums[row].iter_mut().zip(new) {
                *sum = sum.checked_add(new).expect("checked above");
            }
        }
        self.ranges.insert(tile, ranges);
        Ok(())
    }

    /// The frame, if every sample of every pixel is there.
    pub fn finish(self) -> Result<Frame, FilmError> {
        if let Some(hole) = self.covered.iter().position(|covered| !covered) {
            let width = self.width as usize;
            let (x, y) = ((hole % width) as u32, (hole / width) as u32);
            return Err(FilmError::MissingPixel { x, y });
        }
        for (&tile, ranges) in &self.ranges {
            if let Some(range) = first_gap(ranges, self.samples) {
                return Err(FilmError::MissingSamples { tile, range });
            }
        }
        Frame::new(self.width, self.height, self.samples, self.sums)
    }

    /// Where each row of a tile that fits lies among the sums.
    fn rows(&self, tile: TileRect) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let frame_width = self.width as usize;
        (tile.y..tile.y + tile.height).map(move |y| {
            let start = y as usize * frame_width + tile.x as usize;
            start..start + tile.width as usize
        })
    }
}

/// Puts a range among others, merging it with those it touches; false if it overlaps one.
fn insert(ranges: &mut Vec<SampleRange>, new: SampleRange) -> bool {
    let at = ranges.partition_point(|range| range.end <= new.start);
    if ranges.get(at).is_some_and(|next| next.start < new.end) {
        return false;
    }
    let mut merged = new;
    let mut replaced = at..at;
    if let Some(next) = ranges.get(at).filter(|next| next.start == new.end) {
        merged.end = next.end;
        replaced.end += 1;
    }
    if at > 0 && ranges[at - 1].end == new.start {
        merged.start = ranges[at - 1].start;
        replaced.start -= 1;
    }
    ranges.splice(replaced, [merged]);
    true
}

/// The first samples of `0..samples` that merged ranges lack.
fn first_gap(ranges: &[SampleRange], samples: u32) -> Option<SampleRange> {
    let (start, next) = match ranges {
        [first, ..] if first.start > 0 => (0, Some(first)),
        [first, rest @ ..] => (first.end, rest.first()),
        [] => (0, None),
    };
    let end = next.map_or(samples, |range| range.start);
    (start < end).then_some(SampleRange { start, end })
}

/// A whole frame, or a whole tile of one: every sample of every pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    samples: u32,
    sums: Vec<PixelSum>,
}

impl Frame {
    /// Sums of `samples` samples of each pixel, row by row from the top left.
    pub fn new(
        width: u32,
        height: u32,
        samples: u32,
        sums: Vec<PixelSum>,
    ) -> Result<Self, FilmError> {
        let (expected, found) = (u64::from(width) * u64::from(height), sums.len() as u64);
        if expected != found || found == 0 {
            return Err(FilmError::WrongCount { expected, found });
        }
        if samples == 0 {
            return Err(FilmError::OutsideSamples {
                range: SampleRange { start: 0, end: 0 },
                samples,
            });
        }
        Ok(Self { width, height, samples, sums })
    }

    /// Its sums, row by row from the top left.
    pub fn sums(&self) -> &[PixelSum] {
        &self.sums
    }

    /// The hash by which two renders of it are compared.
    pub fn hash(&self) -> ResultHash {
        sums::hash(&self.sums)
    }

    /// Rays that it took.
    pub fn rays(&self) -> u64 {
        sums::rays(&self.sums)
    }

    /// Mean radiance of each pixel, linear Rec.709: divided in double precision, rounded once.
    pub fn picture(&self) -> Picture {
        let quanta = f64::from(self.samples) * 2f64.powi(-sums::QUANTUM_LOG2);
        let mean = |sum: u64| (sum as f64 / quanta) as f32;
        let pixels = self.sums.iter().map(|sum| [mean(sum.r), mean(sum.g), mean(sum.b)]).collect();
        Picture::new(self.width, self.height, pixels).expect("a pixel for each sum")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_protocol::tile::TileGrid;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> TileRect {
        TileRect { x, y, width, height }
    }

    fn range(start: u32, end: u32) -> SampleRange {
        SampleRange { start, end }
    }

    /// What sample `sample` of a pixel adds: a number of its own for each.
    fn sample(x: u32, y: u32, sample: u32) -> PixelSum {
        let r = u64::from(x) << 40 | u64::from(y) << 20 | u64::from(sample);
        PixelSum { r, g: r ^ 0x5555, b: r.rotate_left(7) >> 8, rays: u64::from(sample) + 1 }
    }

    fn sums_of(tile: TileRect, range: SampleRange) -> Vec<PixelSum> {
        let mut sums = Vec::new();
        for y in tile.y..tile.y + tile.height {
            for x in tile.x..tile.x + tile.width {
                let samples = (range.start..range.end).map(|s| sample(x, y, s));
                sums.push(samples.fold(PixelSum::default(), |a, b| a.checked_add(b).unwrap()));
            }
        }
        sums
    }

    proptest! {
        #[test]
        fn any_cut_in_any_order_gives_the_same_frame(
            width in 1u32..20, height in 1u32..20, samples in 1u32..12,
            tile in 1u32..9, cut in 1u32..5, order in any::<u64>(),
        ) {
            let whole = rect(0, 0, width, height);
            let expected = sums_of(whole, range(0, samples));
            let grid = TileGrid::new(width, height, tile).unwrap();
            let mut units: Vec<_> = (0..grid.count())
                .flat_map(|i| (0..samples).step_by(cut as usize).map(move |s| (i, s)))
                .map(|(i, s)| (grid.rect(i).unwrap(), range(s, (s + cut).min(samples))))
                .collect();
            units.sort_by_key(|(t, r)| {
                (u64::from(t.x * 97 + t.y * 31 + r.start * 7) + 1).wrapping_mul(order | 1)
            });

            let mut film = Film::new(width, height, samples);
            for &(tile, range) in &units {
                film.add(tile, range, &sums_of(tile, range)).unwrap();
            }
            // Each one again: refused, and the film stays as it was.
            for &(tile, range) in &units {
                let twice = film.add(tile, range, &sums_of(tile, range));
                prop_assert_eq!(twice, Err(FilmError::Twice { tile, range }));
            }
            // All but one: what is missing is missed.
            let mut holey = Film::new(width, height, samples);
            for &(tile, range) in &units[1..] {
                holey.add(tile, range, &sums_of(tile, range)).unwrap();
            }
            prop_assert!(holey.finish().is_err());

            let frame = film.finish().unwrap();
            prop_assert_eq!(frame.hash(), sums::hash(&expected));
            prop_assert_eq!(frame.sums(), expected);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let tile = |x| rect(x, 0, 2, 1);
        let mut film = Film::new(4, 1, 10);
        let mut add =
            |x, start, end| film.add(tile(x), range(start, end), &[PixelSum::default(); 2]);
        add(0, 0, 10).unwrap();
        add(2, 4, 6).unwrap();
        add(2, 8, 10).unwrap();
        let missing = |film: &Film| film.clone().finish().unwrap_err();
        let lacks =
            |start, end| FilmError::MissingSamples { tile: tile(2), range: range(start, end) };
        assert_eq!(missing(&film), lacks(0, 4));
        film.add(tile(2), range(0, 4), &[PixelSum::default(); 2]).unwrap();
        assert_eq!(missing(&film), lacks(6, 8));
        assert_eq!(missing(&film).to_string(), "samples 6..8 of the tile 2×1 at 2,0 are missing");
        film.add(tile(2), range(6, 7), &[PixelSum::default(); 2]).unwrap();
        assert_eq!(missing(&film), lacks(7, 8));
        film.add(tile(2), range(7, 8), &[PixelSum::default(); 2]).unwrap();
        assert!(film.finish().is_ok());

        let mut film = Film::new(4, 2, 1);
        film.add(rect(0, 0, 4, 1), range(0, 1), &[PixelSum::default(); 4]).unwrap();
        film.add(rect(0, 1, 3, 1), range(0, 1), &[PixelSum::default(); 3]).unwrap();
        assert_eq!(film.finish(), Err(FilmError::MissingPixel { x: 3, y: 1 }));
    }

    #[test]
    fn what_does_not_belong_is_refused_and_changes_nothing() {
        let zero = [PixelSum::default(); 16];
        let most = [PixelSum { b: u64::MAX, ..PixelSum::default() }; 4];
        let mut film = Film::new(4, 4, 8);
        film.add(rect(0, 0, 2, 2), range(2, 4), &most).unwrap();
        let before = film.clone();
        let one = [PixelSum { b: 1, ..PixelSum::default() }; 4];
        for (tile, samples, sums, refused) in [
            (rect(3, 0, 2, 2), range(0, 1), &zero[..4], "does not lie in"),
            (rect(0, 0, 0, 2), range(0, 1), &zero[..0], "does not lie in"),
            (rect(2, 2, 2, 2), range(7, 9), &zero[..4], "not among the frame's 8"),
            (rect(2, 2, 2, 2), range(3, 3), &zero[..4], "not among the frame's 8"),
            (rect(2, 2, 2, 2), range(0, 1), &zero[..3], "3 sums came for 4 pixels"),
            (rect(1, 1, 2, 2), range(0, 1), &zero[..4], "overlaps"),
            (rect(0, 0, 4, 4), range(0, 1), &zero[..16], "overlaps"),
            (rect(0, 0, 2, 2), range(3, 5), &zero[..4], "came twice"),
            (rect(0, 0, 2, 2), range(1, 8), &zero[..4], "came twice"),
            (rect(0, 0, 2, 2), range(0, 1), &one[..], "overflow"),
        ] {
            let error = film.add(tile, samples, sums).unwrap_err().to_string();
            assert!(error.contains(refused), "{error}");
            assert_eq!((&film.sums, &film.covered), (&before.sums, &before.covered));
            assert_eq!(film.ranges, before.ranges);
        }
    }

    #[test]
    fn radiance_is_the_mean_rounded_once() {
        let sum = PixelSum { r: 3 << 24, g: 1, b: (1 << 62) + 1, rays: 5 };
        let frame = Frame::new(1, 1, 3, vec![sum]).unwrap();
        let third = 1.0 / (3.0 * f64::from(1 << 24));
        assert_eq!(frame.picture().pixels(), [[1.0, third as f32, 91_625_968_981.333_33]]);
        assert_eq!(frame.rays(), 5);
        assert!(Frame::new(1, 1, 0, vec![sum]).is_err());
        assert!(Frame::new(2, 1, 3, vec![sum]).is_err());
        assert!(Film::new(0, 1, 3).finish().is_err());
    }
}
