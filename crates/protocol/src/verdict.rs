//! What an audit of a lease's result found.

use crate::lease::Unit;
use crate::tree::PixelProof;
use crate::{FrameNumber, LeaseId, PixelSum, SampleRange, SceneHash, UnitIndex};
use serde::{Deserialize, Serialize};

/// Whether a lease's result is what its node signed that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every pixel that was looked at was right.
    Verified {
        /// How many were looked at.
        pixels: u64,
    },
    /// The result of a tolerant job is like what others made of the same units.
    Alike(Alike),
    /// Something was not right: the result counts for nothing.
    Rejected(Box<Wrong>),
}

impl Verdict {
    /// Whether the result counts as its node's work.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Rejected(_))
    }

    /// Whether the frame is made of it.
    pub fn enters(&self) -> bool {
        match self {
            Self::Verified { .. } => true,
            Self::Alike(alike) => alike.enters,
            Self::Rejected(_) => false,
        }
    }
}

/// What a tolerant job's result was found to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alike {
    /// Whether the frame is made of this result; the other of a pair only shows that it is right.
    pub enters: bool,
    /// The lease of another owner's node that rendered the same units; `None` where the job ended
    /// before there was one, and the kernel's own twin alone was asked.
    pub second: Option<Second>,
    /// Pixels that the kernel's own twin computed: 0 where both were alike and nothing spoke for a
    /// closer look.
    pub looked: u64,
}

/// How like another node's result of the same units it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// The other node's lease.
    pub lease: LeaseId,
    /// Of a million pixels, how many are within tolerance; of the least alike unit.
    pub within_ppm: u32,
    /// Bits by which the units' perceptual hashes differ, of the unit that differs most.
    pub distance: u32,
}

/// What was wrong with a result. It is proof by itself: whoever has the commit's roots and the scene
/// sees it again in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "wrong", rename_all = "snake_case")]
pub enum Wrong {
    /// Another scene was rendered than the lease's frame.
    Scene {
        /// What the node signed.
        signed: SceneHash,
        /// What the files and the frame give.
        found: SceneHash,
    },
    /// A pixel has other sums.
    Pixel(WrongPixel),
    /// Too few pixels of a tolerant job's result are within tolerance of what the kernel gives.
    Unlike(Unlike),
}

/// A tolerant job's result that is too far from what the kernel gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Unlike {
    /// Pixels that were computed again, drawn by the lease's secret and the node's commit.
    pub looked: u64,
    /// Those of them that were within tolerance.
    pub within: u64,
    /// Rays that were signed for all of those pixels.
    pub signed_rays: u64,
    /// Rays that the kernel gives for them.
    pub found_rays: u64,
    /// The one that is farthest off.
    pub pixel: WrongPixel,
}

impl Wrong {
    /// The pixel that it shows, where it shows one.
    pub fn pixel(&self) -> Option<&WrongPixel> {
        match self {
            Self::Scene { .. } => None,
            Self::Pixel(pixel) => Some(pixel),
            Self::Unlike(unlike) => Some(&unlike.pixel),
        }
    }
}

/// One pixel × range of samples that was signed wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WrongPixel {
    /// Its unit.
    pub unit: UnitIndex,
    /// Its frame.
    pub frame: FrameNumber,
    /// Its column in the frame.
    pub x: u32,
    /// Its row in the frame.
    pub y: u32,
    /// Its samples.
    pub samples: SampleRange,
    /// Its place in the unit, row by row.
    pub pixel: u32,
    /// What the node signed, and that it did: the unit's root is in the commit.
    pub proof: PixelProof,
    /// What the node signed.
    pub signed: PixelSum,
    /// What the kernel gives.
    pub found: PixelSum,
}

impl WrongPixel {
    /// Whether this is a pixel of `unit` and says rightly which: the proof shows a place in the unit,
    /// and the rest has to follow from it.
    pub fn is_of(&self, unit: &Unit) -> bool {
        let rect = unit.rect;
        let Some((row, column)) = self
            .pixel
            .checked_div(rect.width)
            .zip(self.pixel.checked_rem(rect.width))
            .filter(|(row, _)| *row < rect.height)
        else {
            return false;
        };
        self.unit == unit.index
            && self.frame == unit.frame
            && self.samples == unit.samples
            && self.x == rect.x + column
            && self.y == rect.y + row
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scene { signed, found } => {
                write!(f, "the scene {signed} was rendered where the lease is of {found}")
            }
            Self::Pixel(wrong) => wrong.fmt(f),
            Self::Unlike(Unlike { looked, within, signed_rays, found_rays, pixel }) => write!(
                f,
                "of {looked} pixels that were computed again only {within} are within tolerance, and \
                 {signed_rays} rays were signed for them where {found_rays} are right; {pixel}"
            ),
        }
    }
}

impl std::fmt::Display for WrongPixel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { unit, frame, x, y, samples, signed, found, .. } = self;
        let sums = |sum: &PixelSum| format!("{}, {}, {} in {} rays", sum.r, sum.g, sum.b, sum.rays);
        write!(
            f,
            "pixel {x},{y} of frame {frame}, samples {} to {} (unit {unit}), was signed as {} and \
             is {}",
            samples.start,
            samples.end,
            sums(signed),
            sums(found)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TileRect;

    #[test]
    fn a_pixel_is_where_its_place_in_the_unit_says() {
        let unit = Unit {
            index: UnitIndex(3),
            frame: FrameNumber(2),
            rect: TileRect { x: 10, y: 20, width: 4, height: 2 },
            samples: SampleRange { start: 0, end: 8 },
        };
        let sum = PixelSum::default();
        let right = WrongPixel {
            unit: UnitIndex(3),
            frame: FrameNumber(2),
            x: 12,
            y: 21,
            samples: unit.samples,
            pixel: 6,
            proof: PixelProof { pixels: 8, leaf: vec![], path: vec![] },
            signed: sum,
            found: sum,
        };
        assert!(right.is_of(&unit));
        for wrong in [
            WrongPixel { unit: UnitIndex(4), ..right.clone() },
            WrongPixel { frame: FrameNumber(3), ..right.clone() },
            WrongPixel { x: 13, ..right.clone() },
            WrongPixel { y: 20, ..right.clone() },
            WrongPixel { pixel: 5, ..right.clone() },
            WrongPixel { pixel: 8, y: 22, x: 10, ..right.clone() },
            WrongPixel { samples: SampleRange { start: 0, end: u32::MAX }, ..right },
        ] {
            assert!(!wrong.is_of(&unit), "{wrong:?}");
        }
    }
}
