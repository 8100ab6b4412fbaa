//! Which pixels are looked at.

use tessera_protocol::commit::AuditSecret;
use tessera_protocol::lease::Unit;
use tessera_protocol::{CommitId, PixelSum, SampleRange, UnitIndex};

const SEED_DOMAIN: &[u8] = b"tessera audit seed v1\0";
/// Longer than a unit's number, so that no unit's draws are the same.
const CHANCE: &[u8] = b"by chance alone";

/// How many pixels of each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draws {
    /// This many draws, or all where the unit has no more pixels.
    Some(u32),
    /// Every pixel.
    All,
}

/// Decides all draws of one lease's audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed that a lease's secret and the node's commit give together.
    pub fn of(secret: &AuditSecret, commit: CommitId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(SEED_DOMAIN).update(&secret.0).update(&commit.0);
        Self(*hasher.finalize().as_bytes())
    }

    /// Whether a chance of one in `many` comes out, which has nothing to do with what is drawn.
    pub fn one_in(&self, many: u64) -> bool {
        let mut word = [0; 8];
        blake3::Hasher::new_keyed(&self.0).update(CHANCE).finalize_xof().fill(&mut word);
        u64::from_le_bytes(word).is_multiple_of(many.max(1))
    }

    /// Endless random bytes for one unit.
    fn of_unit(&self, unit: UnitIndex) -> blake3::OutputReader {
        blake3::Hasher::new_keyed(&self.0).update(&unit.0.to_le_bytes()).finalize_xof()
    }
}

/// One pixel × range of samples to compute again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Which of the lease's units.
    pub unit: usize,
    /// Its place in the unit, row by row.
    pub pixel: u32,
    /// Its column in the frame.
    pub x: u32,
    /// Its row in the frame.
    pub y: u32,
    /// Its samples.
    pub samples: SampleRange,
}

/// What to look at in the units of a lease, whose signed sums are `sums`.
pub fn looks(seed: &Seed, units: &[Unit], sums: &[Vec<PixelSum>], draws: Draws) -> Vec<Look> {
    let of_unit = |(place, (unit, sums)): (usize, (&Unit, &Vec<PixelSum>))| {
        let Unit { rect, samples, .. } = *unit;
        let width = rect.width.max(1);
        draw(seed, unit.index, sums, draws).into_iter().map(move |pixel| {
            let (x, y) = (rect.x + pixel % width, rect.y + pixel / width);
            Look { unit: place, pixel, x, y, samples }
        })
    };
    units.iter().zip(sums).enumerate().flat_map(of_unit).collect()
}

/// Pixels of one unit, by their places, each once and rising. Every other draw takes each pixel as
/// often as another; the rest take one in proportion to the rays that were signed for it, so that
/// neither what is paid best is faked unseen, nor what nobody pays for.
pub fn draw(seed: &Seed, unit: UnitIndex, sums: &[PixelSum], draws: Draws) -> Vec<u32> {
    let count = sums.len() as u32;
    let draws = match draws {
        Draws::Some(draws) if draws < count => draws,
        _ => return (0..count).collect(),
    };
    // The rays of all pixels up to and with each.
    let mut rays = 0;
    let upto: Vec<u128> = sums
        .iter()
        .map(|sum| {
            rays += u128::from(sum.rays);
            rays
        })
        .collect();
    let mut random = seed.of_unit(unit);
    let mut below = |bound: u64| {
        let mut word = [0; 16];
        random.fill(&mut word);
        // The high word of a product with 64 bits; uneven by less than 2^-64 of the bound.
        let [high, low] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&word[at..at + 8]);
            u128::from(u64::from_le_bytes(half))
        });
        let bound = u128::from(bound);
        ((high * bound + ((low * bound) >> 64)) >> 64) as u64
    };
    let mut pixels: Vec<u32> = (0..draws)
        .map(|n| match u64::try_from(rays) {
            Ok(rays) if n % 2 == 0 && rays > 0 => {
                let ray = u128::from(below(rays));
                upto.partition_point(|upto| *upto <= ray) as u32
            }
            _ => below(u64::from(count)) as u32,
        })
        .collect();
    pixels.sort_unstable();
    pixels.dedup();
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_protocol::{FrameNumber, TileRect};

    fn seed(n: u64) -> Seed {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&n.to_le_bytes());
        Seed::of(&AuditSecret(secret), CommitId([1; 32]))
    }

    fn sums(rays: &[u64]) -> Vec<PixelSum> {
        rays.iter().map(|&rays| PixelSum { rays, ..PixelSum::default() }).collect()
    }

    #[test]
    fn the_seed_needs_both_sides() {
        let secret = AuditSecret([1; 32]);
        let seed = Seed::of(&secret, CommitId([2; 32]));
        assert_ne!(seed, Seed::of(&AuditSecret([3; 32]), CommitId([2; 32])));
        assert_ne!(seed, Seed::of(&secret, CommitId([3; 32])));
        assert_ne!(secret.hash().0, seed.0, "what the lease shows says nothing of the draws");
    }

    #[test]
    fn pixels_are_drawn_as_often_as_they_should() {
        // One pixel of 100 has half of all rays.
        let mut rays = [1; 100];
        rays[42] = 99;
        let sums = sums(&rays);
        let (rounds, draws) = (4000, 2);
        let mut seen = [0u32; 100];
        for n in 0..rounds {
            for pixel in draw(&seed(n), UnitIndex(0), &sums, Draws::Some(draws)) {
                seen[pixel as usize] += 1;
            }
        }
        // One draw by rays: ½; one of all alike: 1/100. Five standard deviations of slack.
        let share = f64::from(seen[42]) / rounds as f64;
        assert!((share - 0.505).abs() < 0.04, "{share}");
        for (pixel, &seen) in seen.iter().enumerate().filter(|(pixel, _)| *pixel != 42) {
            let share = f64::from(seen) / rounds as f64;
            assert!((share - (0.5 / 99.0 + 0.01)).abs() < 0.0096, "{pixel}: {share}");
        }
    }

    #[test]
    fn false_pixels_are_found_as_often_as_theory_says() {
        let (count, draws, rounds) = (4096u32, 40, 3000);
        let sums = sums(&vec![8; count as usize]);
        for percent in [1, 5, 11, 25] {
            let wrong = count * percent / 100;
            let found = (0..rounds).filter(|&n| {
                let drawn = draw(&seed(n), UnitIndex(n), &sums, Draws::Some(draws));
                // Spread over the unit, as the odd multiples of a prime are.
                drawn.iter().any(|pixel| pixel * 1213 % count < wrong)
            });
            let share = found.count() as f64 / rounds as f64;
            let theory = 1.0 - (1.0 - f64::from(wrong) / f64::from(count)).powi(draws as i32);
            let slack = 4.0 * (theory * (1.0 - theory) / rounds as f64).sqrt() + 0.002;
            assert!((share - theory).abs() < slack, "{percent} %: {share} where {theory} is due");
        }
    }

    proptest! {
        #[test]
        fn draws_lie_inside_rise_and_are_the_same_again(
            rays in prop::collection::vec(0u64..1000, 0..300), draws in 0u32..400, n in any::<u64>(),
        ) {
            let sums = sums(&rays);
            let drawn = draw(&seed(n), UnitIndex(n), &sums, Draws::Some(draws));
            prop_assert!(drawn.iter().all(|&pixel| (pixel as usize) < rays.len()));
            prop_assert!(drawn.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(&drawn, &draw(&seed(n), UnitIndex(n), &sums, Draws::Some(draws)));
            if draws as usize >= rays.len() {
                prop_assert_eq!(drawn.len(), rays.len());
            }
            prop_assert_eq!(draw(&seed(n), UnitIndex(n), &sums, Draws::All).len(), rays.len());
        }
    }

    #[test]
    fn rays_beyond_all_bounds_do_no_harm() {
        let sums = sums(&[u64::MAX; 50]);
        assert!(!draw(&seed(0), UnitIndex(0), &sums, Draws::Some(10)).is_empty());
    }

    #[test]
    fn a_look_lies_in_its_unit() {
        let rect = TileRect { x: 100, y: 200, width: 3, height: 2 };
        let samples = SampleRange { start: 4, end: 8 };
        let unit = Unit { index: UnitIndex(9), frame: FrameNumber(0), rect, samples };
        let all = looks(&seed(0), &[unit, unit], &vec![sums(&[1; 6]); 2], Draws::All);
        assert_eq!(all.len(), 12);
        let places: Vec<_> = all[..6].iter().map(|look| (look.x, look.y)).collect();
        let expected = [(100, 200), (101, 200), (102, 200), (100, 201), (101, 201), (102, 201)];
        assert_eq!(places, expected);
        assert_eq!((all[6].unit, all[6].pixel, all[6].samples), (1, 0, samples));
    }
}
