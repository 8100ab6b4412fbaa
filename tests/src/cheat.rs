//! Ways to be paid for pixels that nobody made, and a painter who knows them all.
//!
//! A cheat gives sums whose structure is right: as many as the unit has pixels, each with as many
//! rays as its samples can have cost. It may know the right sums; a real cheat would save itself the
//! work.

use std::collections::HashMap;
use std::sync::Arc;
use tessera_protocol::lease::Unit;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, PixelSum, SampleRange, SceneHash, SettingsHash};
use tessera_reference::{Pixel, PreparedFrame, Source, sums};

/// A way to cheat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cheat {
    /// None at all.
    Honest,
    /// Every other sample, counted twice.
    HalfSamples,
    /// One bounce fewer than asked for.
    FewerBounces,
    /// Half of the samples, smoothed.
    Denoised,
    /// The frame before or behind.
    OtherFrame,
    /// Another seed.
    OtherSeed,
    /// Another scene.
    OtherScene,
    /// One colour.
    Flat,
    /// The tenth of the pixels that cost most, made up out of their neighbours.
    CostliestTenth,
    /// So many pixels in a hundred, off by one quantum.
    FalsePercent(u8),
    /// So many pixels in a hundred made up, with as few rays as they can have: seldom drawn by rays, and
    /// paid for least.
    LeastRays(u8),
    /// Pixels right, and one of them with as many rays as it can have.
    OnePixelsRays,
    /// Pixels right, and a hundredth more rays everywhere.
    AllRays,
    /// What the tile before came to.
    Neighbour,
}

impl Cheat {
    /// All, without being honest.
    pub const ALL: [Self; 19] = [
        Self::HalfSamples,
        Self::FewerBounces,
        Self::Denoised,
        Self::OtherFrame,
        Self::OtherSeed,
        Self::OtherScene,
        Self::Flat,
        Self::CostliestTenth,
        Self::FalsePercent(1),
        Self::FalsePercent(5),
        Self::FalsePercent(10),
        Self::FalsePercent(11),
        Self::FalsePercent(25),
        Self::FalsePercent(50),
        Self::FalsePercent(100),
        Self::LeastRays(11),
        Self::OnePixelsRays,
        Self::AllRays,
        Self::Neighbour,
    ];

    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Honest => "none".to_owned(),
            Self::HalfSamples => "half of the samples".to_owned(),
            Self::FewerBounces => "one bounce fewer".to_owned(),
            Self::Denoised => "half of the samples, smoothed".to_owned(),
            Self::OtherFrame => "another frame".to_owned(),
            Self::OtherSeed => "another seed".to_owned(),
            Self::OtherScene => "another scene".to_owned(),
            Self::Flat => "one colour".to_owned(),
            Self::CostliestTenth => "the costliest tenth made up".to_owned(),
            Self::FalsePercent(percent) => format!("{percent} % of the pixels false"),
            Self::LeastRays(percent) => format!("{percent} % made up, with least rays"),
            Self::OnePixelsRays => "one pixel's rays inflated".to_owned(),
            Self::AllRays => "all rays inflated by 1 %".to_owned(),
            Self::Neighbour => "the neighbour's result".to_owned(),
        }
    }
}

/// Which of two scenes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Job,
    Other,
}

/// Renders units, rightly or not.
#[derive(Debug)]
pub struct Painter {
    job: Source,
    other: Source,
    fps: u32,
    prepared: HashMap<(Of, SettingsHash, FrameNumber), Arc<PreparedFrame>>,
}

impl Painter {
    /// A painter of a job's scene, who also has the scene of another one.
    pub fn new(job: Source, other: Source, fps: u32) -> Self {
        Self { job, other, fps, prepared: HashMap::new() }
    }

    /// The canonical scene of a frame of the job.
    pub fn scene(&mut self, settings: &RenderSettings, frame: FrameNumber) -> SceneHash {
        self.prepare(Of::Job, settings, frame).hash
    }

    /// The sums of a unit. `random` decides where the cheat strikes.
    pub fn paint(
        &mut self,
        cheat: Cheat,
        settings: &RenderSettings,
        unit: &Unit,
        random: u64,
    ) -> Vec<PixelSum> {
        let samples = u64::from(unit.samples.count());
        let most_rays = samples * settings.max_rays_per_sample();
        let honest = |painter: &mut Self| painter.render(Of::Job, settings, unit);
        match cheat {
            Cheat::Honest => honest(self),
            Cheat::HalfSamples => self.half(settings, unit),
            Cheat::FewerBounces => {
                let max_bounces = settings.max_bounces.saturating_sub(1);
                self.render(Of::Job, &RenderSettings { max_bounces, ..settings.clone() }, unit)
            }
            Cheat::Denoised => smoothed(&self.half(settings, unit), unit.rect.width as usize),
            Cheat::OtherFrame => {
                let frame = FrameNumber(unit.frame.0 ^ 1);
                self.render(Of::Job, settings, &Unit { frame, ..*unit })
            }
            Cheat::OtherSeed => {
                let seed = settings.seed.wrapping_add(1);
                self.render(Of::Job, &RenderSettings { seed, ..settings.clone() }, unit)
            }
            Cheat::OtherScene => {
                let settings = RenderSettings { environment: None, ..settings.clone() };
                self.render(Of::Other, &settings, unit)
            }
            Cheat::Flat => {
                let grey = samples << 22;
                let flat = PixelSum { r: grey, g: grey, b: grey, rays: 3 * samples };
                vec![flat; unit.rect.pixels() as usize]
            }
            Cheat::CostliestTenth => without_the_costliest(honest(self)),
            Cheat::FalsePercent(percent) => falsified(honest(self), percent, random),
            Cheat::LeastRays(percent) => {
                let honest = honest(self);
                let mut sums = falsified(honest.clone(), percent, random);
                for (sum, honest) in sums.iter_mut().zip(&honest) {
                    if sum != honest {
                        sum.rays = samples;
                    }
                }
                sums
            }
            Cheat::OnePixelsRays => {
                let mut sums = honest(self);
                let at = (random % sums.len() as u64) as usize;
                sums[at].rays = most_rays;
                sums
            }
            Cheat::AllRays => {
                let mut sums = honest(self);
                for sum in &mut sums {
                    sum.rays = (sum.rays + sum.rays.div_ceil(100)).min(most_rays);
                }
                sums
            }
            Cheat::Neighbour => {
                let mut rect = unit.rect;
                rect.x = rect.x.checked_sub(rect.width).unwrap_or(rect.x + rect.width);
                self.render(Of::Job, settings, &Unit { rect, ..*unit })
            }
        }
    }

    fn half(&mut self, settings: &RenderSettings, unit: &Unit) -> Vec<PixelSum> {
        let SampleRange { start, end } = unit.samples;
        let samples = SampleRange { start, end: start + (end - start).div_ceil(2) };
        let mut sums = self.render(Of::Job, settings, &Unit { samples, ..*unit });
        for sum in &mut sums {
            *sum = sum.checked_add(*sum).expect("twice a small sum");
        }
        sums
    }

    fn render(&mut self, of: Of, settings: &RenderSettings, unit: &Unit) -> Vec<PixelSum> {
        let frame = self.prepare(of, settings, unit.frame);
        let (rect, samples) = (unit.rect, unit.samples);
        let row = |y| (rect.x..rect.x + rect.width).map(move |x| Pixel { x, y, samples });
        let pixels: Vec<_> = (rect.y..rect.y + rect.height).flat_map(row).collect();
        sums(&frame, &pixels, 2)
    }

    fn prepare(
        &mut self,
        of: Of,
        settings: &RenderSettings,
        frame: FrameNumber,
    ) -> Arc<PreparedFrame> {
        let source = match of {
            Of::Job => &mut self.job,
            Of::Other => &mut self.other,
        };
        let time_s = f64::from(frame.0) / f64::from(self.fps);
        let prepare = || Arc::new(source.frame(settings, frame, time_s).expect("a frame"));
        self.prepared.entry((of, settings.hash(), frame)).or_insert_with(prepare).clone()
    }
}

/// Each pixel's colour the mean of those around it.
fn smoothed(sums: &[PixelSum], width: usize) -> Vec<PixelSum> {
    let height = sums.len() / width;
    let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
    let pixel = |at: usize| {
        let near: Vec<_> = around(at / width, height)
            .flat_map(|y| around(at % width, width).map(move |x| sums[y * width + x]))
            .collect();
        let mean = |of: fn(&PixelSum) -> u64| near.iter().map(of).sum::<u64>() / near.len() as u64;
        let (r, g, b) = (mean(|sum| sum.r), mean(|sum| sum.g), mean(|sum| sum.b));
        PixelSum { r, g, b, rays: sums[at].rays }
    };
    (0..sums.len()).map(pixel).collect()
}

fn without_the_costliest(mut sums: Vec<PixelSum>) -> Vec<PixelSum> {
    let mut by_cost: Vec<usize> = (0..sums.len()).collect();
    by_cost.sort_by_key(|&at| std::cmp::Reverse(sums[at].rays));
    for &at in &by_cost[..sums.len() / 10] {
        let other = sums[if at == 0 { 1 } else { at - 1 }];
        sums[at] = PixelSum { rays: sums[at].rays, ..other };
    }
    sums
}

fn falsified(mut sums: Vec<PixelSum>, percent: u8, random: u64) -> Vec<PixelSum> {
    let count = sums.len() as u64;
    // A walk by an odd step meets each of a power of two of places once; others roughly.
    let step = (random >> 32) | 1;
    for n in 0..count * u64::from(percent) / 100 {
        let at = (random.wrapping_add(n.wrapping_mul(step)) % count) as usize;
        sums[at].r += 1;
    }
    sums
}
