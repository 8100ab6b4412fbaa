//! The second render: whether two devices that need not agree in every bit made the same picture.
//!
//! A tolerant job's devices may fuse and reorder arithmetic. Nearly every pixel then differs in its
//! last bits alone, and now and then a path takes another turn and its pixel differs by much. So it is
//! counted how many pixels of a unit are within a narrow tolerance, and a large share has to be; and
//! the units' perceptual hashes have to be near, so that what differs lies nowhere in particular.
//!
//! 1. [`Likeness::of`] compares the results of two nodes, of which neither saw the other's.
//! 2. [`closer`] says when the kernel's own twin is asked as well: when they are not alike, for
//!    nodes without a record, and now and then by chance, since two nodes may have one master.
//! 3. [`Looked::of`] compares pixels of one result with the twin's, and [`Looked::stands`] says
//!    whether the result is right.
//!
//! Thresholds stand far from what honest devices do: `bench alike` prints how far.

use crate::audit::{Look, Seed};
use crate::segment::hash::{Hash, hash};
use crate::segment::image::Image;
use tessera_protocol::PixelSum;
use tessera_protocol::lease::Unit;

/// A channel is within tolerance when it differs by no more than this part of the larger value, or by
/// [`DARK`] a sample.
const PART: u64 = 256;
/// In quanta of 2^-24: darker than a film's darkest step.
const DARK: u64 = 1 << 10;
/// Rays of a pixel are within tolerance when they differ by no more than this part.
const RAYS_PART: u64 = 256;
/// Of a million pixels of a unit, how many have to be within tolerance of the other node's.
pub const WITHIN_PPM: u32 = 970_000;
/// Bits by which the perceptual hashes of two results of a unit may differ, of 63.
pub const DISTANCE: u32 = 4;
/// Rays of two results of a unit may differ by this part.
const UNIT_RAYS_PART: u64 = 500;
/// Rays of all pixels that the twin computed may differ by this part of what they are.
const LOOKED_RAYS_PART: u64 = 200;
/// One pair in so many is looked at by the twin for no reason but chance.
pub const CHANCE: u64 = 8;

/// Whether one pixel, of `samples` samples, is within tolerance of another.
pub fn within(a: &PixelSum, b: &PixelSum, samples: u32) -> bool {
    let dark = DARK * u64::from(samples);
    let near = |a: u64, b: u64| a.abs_diff(b) <= dark.max(a.max(b) / PART);
    near(a.r, b.r)
        && near(a.g, b.g)
        && near(a.b, b.b)
        && a.rays.abs_diff(b.rays) <= a.rays.max(b.rays) / RAYS_PART
}

/// How alike two results are: of one unit, or the worst of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Likeness {
    /// Of a million pixels, how many are within tolerance.
    pub within_ppm: u32,
    /// Bits by which the perceptual hashes differ.
    pub distance: u32,
    /// By how many parts in a million the rays differ.
    pub rays_ppm: u32,
}

impl Likeness {
    /// What a result is to itself.
    pub const SAME: Self = Self { within_ppm: 1_000_000, distance: 0, rays_ppm: 0 };

    /// Compares two results of one unit; what has not as many pixels as the unit is like nothing.
    pub fn of(unit: &Unit, first: &[PixelSum], second: &[PixelSum]) -> Self {
        let pixels = unit.rect.pixels();
        if [first, second].iter().any(|sums| sums.len() as u64 != pixels) || pixels == 0 {
            return Self { within_ppm: 0, distance: u32::MAX, rays_ppm: u32::MAX };
        }
        let samples = unit.samples.count();
        let near = first.iter().zip(second).filter(|(a, b)| within(a, b, samples)).count() as u64;
        let rays = [first, second].map(tessera_protocol::sums::rays);
        Self {
            within_ppm: (near * 1_000_000 / pixels) as u32,
            distance: picture(unit, first).distance(&picture(unit, second)),
            rays_ppm: apart_ppm(rays),
        }
    }

    /// The worse of both in each respect.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self {
            within_ppm: self.within_ppm.min(other.within_ppm),
            distance: self.distance.max(other.distance),
            rays_ppm: self.rays_ppm.max(other.rays_ppm),
        }
    }

    /// Whether that is alike enough to need no other opinion.
    pub fn is_alike(&self) -> bool {
        self.within_ppm >= WITHIN_PPM
            && self.distance <= DISTANCE
            && u64::from(self.rays_ppm) <= 1_000_000 / UNIT_RAYS_PART
    }
}

/// By how many parts in a million two counts differ.
fn apart_ppm([a, b]: [u64; 2]) -> u32 {
    let larger = u128::from(a.max(b).max(1));
    (u128::from(a.abs_diff(b)) * 1_000_000 / larger) as u32
}

/// The perceptual hash of a unit's luminance, through a curve that keeps lamps from outshining it.
fn picture(unit: &Unit, sums: &[PixelSum]) -> Hash {
    let scale = 1.0 / (f64::from(unit.samples.count().max(1)) * f64::from(1 << 24));
    let level = |sum: &PixelSum| {
        let [r, g, b] = [sum.r, sum.g, sum.b].map(|channel| channel as f64 * scale);
        // Rec. 709.
        let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        (255.0 * luminance / (1.0 + luminance)) as f32
    };
    hash(&Image {
        width: unit.rect.width as usize,
        height: unit.rect.height as usize,
        samples: sums.iter().map(level).collect(),
    })
}

/// Whether the twin is asked of a pair of results: always where they are `alike` not, or one of the
/// nodes is not `proven`, else by a chance that neither node can foresee.
pub fn closer(alike: bool, proven: bool, seed: &Seed) -> bool {
    !alike || !proven || seed.one_in(CHANCE)
}

/// Pixels of one result beside the kernel's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// How many were computed again.
    pub looked: u64,
    /// Those of them that are within tolerance.
    pub within: u64,
    /// Rays signed for all of them.
    pub signed_rays: u64,
    /// Rays of all of them.
    pub found_rays: u64,
    /// Which look is farthest off, among those beyond tolerance where there are any.
    pub farthest: usize,
}

impl Looked {
    /// Compares what was signed for `looks` with what the kernel gives.
    ///
    /// # Panics
    /// When a look lies outside of `sums` or has no value in `found`: both are the caller's own.
    pub fn of(looks: &[Look], sums: &[Vec<PixelSum>], found: &[PixelSum]) -> Self {
        assert_eq!(looks.len(), found.len(), "each look has a value");
        let mut looked = Self { looked: 0, within: 0, signed_rays: 0, found_rays: 0, farthest: 0 };
        let mut most = 0;
        for (place, (look, found)) in looks.iter().zip(found).enumerate() {
            let signed = &sums[look.unit][look.pixel as usize];
            let near = within(signed, found, look.samples.count());
            looked.looked += 1;
            looked.within += u64::from(near);
            looked.signed_rays = looked.signed_rays.saturating_add(signed.rays);
            looked.found_rays = looked.found_rays.saturating_add(found.rays);
            // A dark pixel is far from another in parts, and within tolerance all the same.
            let apart = if near { apart(signed, found) / 1_000_000 } else { apart(signed, found) };
            if apart > most {
                (most, looked.farthest) = (apart, place);
            }
        }
        looked
    }

    /// Whether the result is what the kernel gives, as far as a tolerant device can tell.
    pub fn stands(&self) -> bool {
        let rays = u64::from(apart_ppm([self.signed_rays, self.found_rays]));
        self.looked.saturating_sub(self.within) <= most_far(self.looked)
            && rays <= 1_000_000 / LOOKED_RAYS_PART
    }
}

/// Of so many pixels that were drawn, how many may be beyond tolerance: as many as a unit may have
/// altogether, and five standard deviations for the luck of the draw.
pub fn most_far(looked: u64) -> u64 {
    let mean_ppm = u128::from(looked) * u128::from(1_000_000 - WITHIN_PPM);
    // The deviation of a count is less than the root of its mean; 25 is five, squared.
    let slack = (25 * mean_ppm / 1_000_000).isqrt();
    u64::try_from(mean_ppm / 1_000_000 + slack).unwrap_or(u64::MAX)
}

/// How far two pixels are from each other, to find the farthest.
fn apart(a: &PixelSum, b: &PixelSum) -> u64 {
    let part = |a: u64, b: u64| u64::from(apart_ppm([a, b])).saturating_add(a.abs_diff(b).min(1));
    let pairs = [(a.r, b.r), (a.g, b.g), (a.b, b.b), (a.rays, b.rays)];
    pairs.into_iter().map(|(a, b)| part(a, b)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_protocol::commit::AuditSecret;
    use tessera_protocol::{CommitId, FrameNumber, SampleRange, TileRect, UnitIndex};

    const SAMPLES: u32 = 64;

    fn unit() -> Unit {
        Unit {
            index: UnitIndex(0),
            frame: FrameNumber(0),
            rect: TileRect { x: 0, y: 0, width: 64, height: 64 },
            samples: SampleRange { start: 0, end: SAMPLES },
        }
    }

    /// A unit of light and shade, some 6 rays a sample.
    fn picture_of(light: impl Fn(u32, u32) -> f64) -> Vec<PixelSum> {
        let quanta = |value: f64| (value * f64::from(SAMPLES) * f64::from(1 << 24)) as u64;
        (0..64 * 64)
            .map(|n| {
                let value = light(n % 64, n / 64);
                let rays = u64::from(SAMPLES) * 5 + u64::from(n * 37 % 90);
                PixelSum { r: quanta(value), g: quanta(value * 0.8), b: quanta(value * 0.5), rays }
            })
            .collect()
    }

    fn scene(x: u32, y: u32) -> f64 {
        let disc = (f64::from(x) - 20.0).powi(2) + (f64::from(y) - 34.0).powi(2) < 150.0;
        0.1 + f64::from(x) / 80.0 + if disc { 0.9 } else { 0.0 } + f64::from(y % 9) * 0.02
    }

    fn honest() -> Vec<PixelSum> {
        picture_of(scene)
    }

    fn likeness(other: &[PixelSum]) -> Likeness {
        Likeness::of(&unit(), &honest(), other)
    }

    #[test]
    fn the_same_is_the_same() {
        assert_eq!(likeness(&honest()), Likeness::SAME);
        assert!(Likeness::SAME.is_alike());
    }

    #[test]
    fn last_bits_and_a_few_lost_paths_are_alike() {
        let mut other = honest();
        for (n, sum) in other.iter_mut().enumerate() {
            sum.r += sum.r >> 20;
            sum.g -= sum.g >> 19;
            if n % 50 == 7 {
                // One path of this pixel took another turn.
                sum.b += sum.b / 9;
                sum.rays -= 3;
            }
        }
        let likeness = likeness(&other);
        assert!(likeness.is_alike(), "{likeness:?}");
        assert_eq!(likeness.within_ppm, 979_980);
    }

    #[test]
    fn what_was_made_otherwise_is_not_alike() {
        let edited = |change: &dyn Fn(usize, &mut PixelSum)| {
            let mut other = honest();
            other.iter_mut().enumerate().for_each(|(n, sum)| change(n, sum));
            likeness(&other)
        };
        for (name, likeness) in [
            ("1 % brighter", edited(&|_, sum| sum.r += sum.r / 100)),
            ("1 % more rays, in the unit", edited(&|_, sum| sum.rays += 4)),
            (
                "a quarter left black",
                edited(&|n, sum| {
                    if n < 1024 {
                        sum.r = 0;
                    }
                }),
            ),
            ("another picture", likeness(&picture_of(|x, y| scene(63 - x, y)))),
            ("flat", likeness(&picture_of(|_, _| 0.5))),
            ("nothing", likeness(&[])),
        ] {
            assert!(!likeness.is_alike(), "{name}: {likeness:?}");
        }
        let shorter = &honest()[1..];
        assert!(!likeness(shorter).is_alike(), "a unit has all its pixels");
    }

    #[test]
    fn a_hidden_patch_is_seen_by_its_structure() {
        // Within the share of pixels that may differ, and all in one place.
        let mut other = honest();
        for (n, sum) in other.iter_mut().enumerate() {
            if n % 64 > 52 && (20..30).contains(&(n / 64)) {
                sum.r *= 8;
                sum.g *= 8;
            }
        }
        let likeness = likeness(&other);
        assert!(likeness.within_ppm > WITHIN_PPM && likeness.distance > DISTANCE, "{likeness:?}");
    }

    #[test]
    fn the_worse_of_two_units_counts() {
        let one = Likeness { within_ppm: 900_000, distance: 1, rays_ppm: 7 };
        let other = Likeness { within_ppm: 950_000, distance: 3, rays_ppm: 2 };
        let worse = Likeness { within_ppm: 900_000, distance: 3, rays_ppm: 7 };
        assert_eq!(one.worse(other), worse);
        assert_eq!(one.worse(Likeness::SAME), one);
    }

    #[test]
    fn a_share_of_pairs_is_looked_at_by_chance_and_all_others_for_a_reason() {
        let seed = |n: u64| {
            let mut secret = [3; 32];
            secret[..8].copy_from_slice(&n.to_le_bytes());
            Seed::of(&AuditSecret(secret), CommitId([1; 32]))
        };
        let rounds = 8000;
        let chosen = (0..rounds).filter(|&n| closer(true, true, &seed(n))).count() as f64;
        let due = rounds as f64 / CHANCE as f64;
        assert!((chosen - due).abs() < 5.0 * due.sqrt(), "{chosen} where {due} are due");
        assert!((0..50).all(|n| closer(false, true, &seed(n)) && closer(true, false, &seed(n))));
    }

    fn looks() -> Vec<Look> {
        let samples = unit().samples;
        let look =
            |n: u32| Look { unit: 0, pixel: n * 97, x: n * 97 % 64, y: n * 97 / 64, samples };
        (0..40).map(look).collect()
    }

    fn looked(change: impl Fn(usize, &mut PixelSum)) -> Looked {
        let found: Vec<_> = looks().iter().map(|look| honest()[look.pixel as usize]).collect();
        let mut signed = honest();
        for (n, look) in looks().iter().enumerate() {
            change(n, &mut signed[look.pixel as usize]);
        }
        Looked::of(&looks(), &[signed], &found)
    }

    #[test]
    fn the_more_is_looked_at_the_less_is_left_to_luck() {
        assert_eq!([0, 40, 160, 4096].map(most_far), [0, 6, 14, 177]);
        assert!(most_far(u64::MAX) < u64::MAX / 32);
    }

    #[test]
    fn a_result_stands_by_most_of_its_pixels_and_all_of_its_rays() {
        let all = looked(|_, _| ());
        assert!(all.stands() && all.within == 40 && all.signed_rays == all.found_rays);
        let few = looked(|n, sum| {
            if n % 8 == 3 {
                sum.r *= 2;
            }
        });
        assert!(few.stands(), "{few:?}");
        assert_eq!(few.farthest, 3);
        for (name, looked) in [
            (
                "half",
                looked(|n, sum| {
                    if n % 2 == 0 {
                        sum.g *= 2;
                    }
                }),
            ),
            ("1 % more light", looked(|_, sum| sum.g += sum.g / 100)),
            ("5 rays more", looked(|_, sum| sum.rays += 5)),
        ] {
            assert!(!looked.stands(), "{name}: {looked:?}");
        }
    }

    proptest! {
        #[test]
        fn neither_side_comes_first_and_nothing_panics(
            a in prop::collection::vec(any::<[u64; 4]>(), 16),
            b in prop::collection::vec(any::<[u64; 4]>(), 16),
        ) {
            let small = Unit { rect: TileRect { x: 0, y: 0, width: 4, height: 4 }, ..unit() };
            let sums = |of: &[[u64; 4]]| -> Vec<PixelSum> {
                of.iter().map(|&[r, g, b, rays]| PixelSum { r, g, b, rays }).collect()
            };
            let (a, b) = (sums(&a), sums(&b));
            prop_assert_eq!(Likeness::of(&small, &a, &b), Likeness::of(&small, &b, &a));
            prop_assert_eq!(Likeness::of(&small, &a, &a), Likeness::SAME);
        }
    }
}
