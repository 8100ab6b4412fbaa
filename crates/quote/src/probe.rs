//! How many rays a job will take, from a few of its pixels.

use crate::bound::{MICRO, Tally, root_up};
use crate::random::Random;
use tessera_protocol::job::JobSpec;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::quote::FrameRays;
use tessera_protocol::{FrameNumber, QuoteSeed, SampleRange};
use tessera_reference::{Pixel, PreparedFrame, sums};

/// Samples of pixels that the two rounds of a probe trace, of all its frames together. The second
/// round follows where the first one's width is more than [`WIDE_PERMILLE`] of the mean. A job that
/// has no more samples of pixels than the second round is counted, not estimated.
pub const ROUNDS: [u64; 2] = [16_384, 65_536];
/// See [`ROUNDS`].
pub const WIDE_PERMILLE: u128 = 30;
/// Standard errors that the margin for unseen frames consists of.
const FRAME_ERRORS: u128 = 3;
/// How often each unit of a tolerant job is rendered.
const TOLERANT_RENDERS: u64 = 2;
/// The margin of a tolerant job for third opinions, in thousandths.
const TOLERANT_MARGIN_PERMILLE: u128 = 50;

/// What was seen of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Samples of pixels in a frame.
    per_frame: u64,
    /// Frames of the job.
    frames: u64,
    /// Most rays of one sample.
    most: u64,
    /// How often each unit is rendered.
    renders: u64,
    /// Whether all samples of each frame were counted.
    whole: bool,
    /// What each frame that was looked at showed, rising.
    seen: Vec<(FrameNumber, Tally)>,
}

impl Probe {
    /// Looks at a job that is valid. `looked` is the number of its frames that will be; `draws` the
    /// samples of pixels to trace in all of them together, as in [`ROUNDS`].
    pub(crate) fn begin(spec: &JobSpec, looked: usize, draws: u64) -> Round {
        let settings = &spec.settings;
        let pixels = u64::from(settings.width) * u64::from(settings.height);
        let per_frame = pixels * u64::from(settings.spp);
        let looked = (looked as u64).max(1);
        let whole = per_frame.saturating_mul(looked) <= ROUNDS[ROUNDS.len() - 1];
        let probe = Self {
            per_frame,
            frames: spec.frames.count(),
            most: settings.max_rays_per_sample(),
            renders: match spec.class {
                DeviceClass::Exact => 1,
                DeviceClass::Tolerant => TOLERANT_RENDERS,
            },
            whole,
            seen: Vec::new(),
        };
        Round { probe, spp: settings.spp, pixels, draws: draws.div_ceil(looked) }
    }

    fn all(&self) -> Tally {
        self.seen.iter().fold(Tally::default(), |all, (_, tally)| all.plus(*tally))
    }

    /// Frames that were looked at.
    pub fn frames_probed(&self) -> u32 {
        self.seen.len() as u32
    }

    /// Samples of pixels that were traced.
    pub fn pixels(&self) -> u64 {
        self.all().draws
    }

    /// Whether every sample of every pixel of the job was traced: then nothing is estimated.
    pub fn saw_all(&self) -> bool {
        self.whole && self.seen.len() as u64 == self.frames
    }

    /// Rays of a sample in the mean, in thousandths, rounded down.
    pub fn rays_mean_milli(&self) -> u64 {
        (self.all().mean_micro() / 1000) as u64
    }

    /// The variance of samples' rays, in millionths, rounded down; 0 where they were counted.
    pub fn variance_micro(&self) -> u128 {
        if self.whole { 0 } else { self.all().variance_micro() }
    }

    /// How far off the mean over the frames that were looked at may be, in millionths of a ray.
    pub fn width_micro(&self) -> u128 {
        // A sample takes one ray at least.
        if self.whole { 0 } else { self.all().width_micro(self.most.saturating_sub(1)) }
    }

    /// Whether another round is due after this one.
    pub(crate) fn is_wide(&self) -> bool {
        self.width_micro() * 1000 > self.all().mean_micro() * WIDE_PERMILLE
    }

    fn rays(&self, per_sample_micro: u128) -> u128 {
        let samples = u128::from(self.per_frame) * u128::from(self.frames);
        samples.saturating_mul(u128::from(self.renders)).saturating_mul(per_sample_micro)
    }

    /// Rays of the whole job if all of it is like what was seen; `None` beyond 2^64.
    pub fn rays_expected(&self) -> Option<u64> {
        let all = self.all();
        let samples = u128::from(self.per_frame) * u128::from(self.frames);
        let rays = samples.checked_mul(u128::from(self.renders) * u128::from(all.sum))?;
        u64::try_from(rays.checked_div(u128::from(all.draws))?).ok()
    }

    /// Rays of the whole job at most, if frames that were not looked at are like those that were:
    /// wrong for one of [`crate::bound::ONE_IN`] seeds at most. `None` beyond 2^64.
    pub fn rays_upper(&self) -> Option<u64> {
        if self.saw_all() {
            return self.all().sum.checked_mul(self.renders);
        }
        let all = self.all();
        let mean = (u128::from(all.sum) * MICRO).div_ceil(u128::from(all.draws.max(1)));
        let upper = (mean + self.width_micro()).min(u128::from(self.most) * MICRO);
        u64::try_from(self.rays(upper).div_ceil(MICRO)).ok()
    }

    /// Rays of the whole job at least, as surely, margin included.
    pub fn rays_lower(&self) -> Option<u64> {
        if self.saw_all() {
            return self.rays_upper();
        }
        let lower = self.all().mean_micro().saturating_sub(self.width_micro());
        let less = 1000u128.saturating_sub(u128::from(self.frame_margin_permille()));
        u64::try_from(self.rays(lower.max(MICRO)) / MICRO * less / 1000).ok()
    }

    /// What is added to the ceiling for what was not looked at: see [`crate`] for the rule.
    pub fn margin_permille(&self) -> u32 {
        let tolerant = if self.renders == 1 { 0 } else { TOLERANT_MARGIN_PERMILLE };
        self.frame_margin_permille().saturating_add(tolerant as u32)
    }

    /// Three standard errors of the frames' mean, by the squares of differences between neighbours
    /// in time: a slow change is no uncertainty, since each run of frames has its own frame.
    fn frame_margin_permille(&self) -> u32 {
        let (frames, looked) = (u128::from(self.frames), self.seen.len() as u128);
        let mean = self.all().mean_micro();
        if looked >= frames || looked < 2 || mean == 0 {
            return 0;
        }
        let means = self.seen.iter().map(|(_, tally)| tally.mean_micro());
        let squares: u128 = means
            .clone()
            .zip(means.skip(1))
            .map(|(a, b)| a.abs_diff(b) * a.abs_diff(b))
            .fold(0, u128::saturating_add);
        let errors = (FRAME_ERRORS * 1000) * (FRAME_ERRORS * 1000);
        let above = squares.saturating_mul(errors).saturating_mul(frames - looked);
        let below = 2 * (looked - 1) * looked * frames;
        let permille = root_up(above.div_ceil(below.saturating_mul(mean).saturating_mul(mean)));
        u32::try_from(permille).unwrap_or(u32::MAX)
    }

    /// The frames that took fewest and most rays; `None` before any was looked at.
    pub fn extremes(&self) -> Option<[FrameRays; 2]> {
        let frame = |&(frame, tally): &(FrameNumber, Tally)| FrameRays {
            frame,
            rays_mean_milli: (tally.mean_micro() / 1000) as u64,
        };
        let least = self.seen.iter().map(frame).min_by_key(|frame| frame.rays_mean_milli)?;
        let most = self.seen.iter().map(frame).max_by_key(|frame| frame.rays_mean_milli)?;
        Some([least, most])
    }
}

/// A probe under way.
pub(crate) struct Round {
    probe: Probe,
    spp: u32,
    pixels: u64,
    draws: u64,
}

impl Round {
    /// Looks at one frame, on as many threads.
    pub(crate) fn look(
        &mut self,
        number: FrameNumber,
        frame: &PreparedFrame,
        seed: &QuoteSeed,
        threads: usize,
    ) {
        let width = u64::from(frame.scene.frame.width.max(1));
        let pixel = |pixel: u64, samples| {
            let (x, y) = ((pixel % width) as u32, (pixel / width) as u32);
            Pixel { x, y, samples }
        };
        let mut tally = Tally::default();
        if self.probe.whole {
            let samples = SampleRange { start: 0, end: self.spp };
            let all: Vec<_> = (0..self.pixels).map(|i| pixel(i, samples)).collect();
            tally.draws = self.probe.per_frame;
            tally.sum = sums(frame, &all, threads).iter().map(|sum| sum.rays).sum();
        } else {
            let mut random = Random::new(&seed.0, b"pixels", number.0);
            let drawn: Vec<_> = (0..self.draws)
                .map(|stratum| {
                    // On a scale on which each pixel is as long as there are draws: equal strata
                    // of pixels in reading order, though their number be no multiple.
                    let place = stratum * self.pixels + random.below(self.pixels);
                    let start = random.below(u64::from(self.spp)) as u32;
                    pixel(place / self.draws, SampleRange { start, end: start + 1 })
                })
                .collect();
            sums(frame, &drawn, threads).iter().for_each(|sum| tally.add(sum.rays));
        }
        self.probe.seen.push((number, tally));
    }

    pub(crate) fn end(self) -> Probe {
        self.probe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job of `frames` frames of 1000 pixels × 100 samples, of which some were looked at.
    fn probe(frames: u64, seen: &[(u32, u64)]) -> Probe {
        let seen = seen.iter().map(|&(frame, rays)| {
            (FrameNumber(frame), Tally { draws: 1000, sum: 1000 * rays, squares: 0 })
        });
        let seen = seen.map(|(frame, tally)| {
            let rays = u128::from(tally.sum / 1000);
            (frame, Tally { squares: 1000 * rays * rays, ..tally })
        });
        let (per_frame, most) = (100_000, 17);
        Probe { per_frame, frames, most, renders: 1, whole: false, seen: seen.collect() }
    }

    #[test]
    fn known_answers() {
        let one = probe(1, &[(0, 4)]);
        assert_eq!((one.rays_mean_milli(), one.variance_micro()), (4000, 0));
        // 0.30999 rays of width, see `bound`.
        assert_eq!(one.rays_upper(), Some(430_999));
        assert_eq!(one.rays_lower(), Some(369_001));
        assert_eq!(one.rays_expected(), Some(400_000));
        assert_eq!((one.margin_permille(), one.saw_all()), (0, false));
        let whole = Probe { whole: true, ..one.clone() };
        assert_eq!((whole.rays_upper(), whole.saw_all()), (Some(4000), true));
        let twice = Probe { renders: 2, ..one };
        assert_eq!(twice.rays_expected(), Some(800_000));
        assert_eq!(twice.margin_permille(), 50);
    }

    #[test]
    fn the_bound_is_never_more_than_a_sample_can_take() {
        let dear = probe(1, &[(0, 17)]);
        assert_eq!(dear.rays_upper(), Some(1_700_000));
        let cheap = probe(1, &[(0, 1)]);
        assert_eq!(cheap.rays_lower(), Some(100_000));
    }

    #[test]
    fn unseen_frames_add_a_margin_by_how_much_seen_ones_differ() {
        let even = probe(100, &[(0, 4), (50, 4), (99, 4)]);
        assert_eq!(even.margin_permille(), 0);
        // Differences 1 and 1: 3 × √(97/100 × 2 / (2 × 2 × 3)) / 5 = 0.2412…
        let rising = probe(100, &[(0, 4), (50, 5), (99, 6)]);
        assert_eq!(rising.margin_permille(), 242);
        // The same frames in an order that tells less: 4, 6, 5.
        let jumping = probe(100, &[(0, 4), (50, 6), (99, 5)]);
        assert_eq!(jumping.margin_permille(), 382);
        assert_eq!(probe(3, &[(0, 4), (1, 5), (2, 6)]).margin_permille(), 0, "all were seen");
        let [least, most] = jumping.extremes().unwrap();
        assert_eq!((least.frame.0, least.rays_mean_milli), (0, 4000));
        assert_eq!((most.frame.0, most.rays_mean_milli), (50, 6000));
    }

    #[test]
    fn a_job_beyond_all_bounds_has_no_estimate_instead_of_a_wrong_one() {
        let mut vast = probe(1_000_000, &[(0, 4), (1, 5)]);
        vast.per_frame = 1 << 50;
        assert_eq!((vast.rays_upper(), vast.rays_expected()), (None, None));
    }
}
