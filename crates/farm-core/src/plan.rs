//! What a job is cut into, as a closed formula: nothing is listed, so a job of billions of units
//! costs no more than a job of one.
//!
//! Units are numbered frame after frame in the order that shows a shot early: the first frame, the
//! last, then the middle of what lies between, then the middles of the halves, and so on. Within a
//! frame they go tile by tile, and within a tile range by range, so tiles become whole one by one.

use tessera_protocol::job::JobSpec;
use tessera_protocol::lease::Unit;
use tessera_protocol::settings::SettingError;
use tessera_protocol::tile::TileGrid;
use tessera_protocol::{FrameNumber, SampleRange, TileRect, UnitIndex};

/// How one job is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    first_frame: u32,
    frames: u64,
    grid: TileGrid,
    spp: u32,
    samples_per_unit: u32,
}

impl Plan {
    /// The plan of a job within its limits; those are checked here.
    pub fn new(spec: &JobSpec) -> Result<Self, SettingError> {
        spec.validate()?;
        let grid = TileGrid::new(spec.settings.width, spec.settings.height, spec.tile)
            .expect("a validated job has no empty frame or tile");
        Ok(Self {
            first_frame: spec.frames.first.0,
            frames: spec.frames.count(),
            grid,
            spp: spec.settings.spp,
            samples_per_unit: spec.samples_per_unit,
        })
    }

    /// Units of the job.
    pub fn units(&self) -> u64 {
        self.frames * self.units_per_frame()
    }

    /// Units of one frame: tiles × sample ranges.
    pub fn units_per_frame(&self) -> u64 {
        self.grid.count() * self.ranges()
    }

    /// Frames of the job.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What unit `index` is; `None` beyond the last.
    pub fn unit(&self, index: UnitIndex) -> Option<Unit> {
        let frame = self.frame_of(index)?;
        let in_frame = index.0 % self.units_per_frame();
        let rect = self.grid.rect(in_frame / self.ranges())?;
        let range = u32::try_from(in_frame % self.ranges()).ok()?;
        let start = range * self.samples_per_unit;
        let end = self.spp.min(start.saturating_add(self.samples_per_unit));
        Some(Unit { index, frame, rect, samples: SampleRange { start, end } })
    }

    /// The frame that unit `index` belongs to; `None` beyond the last unit.
    pub fn frame_of(&self, index: UnitIndex) -> Option<FrameNumber> {
        let place = index.0 / self.units_per_frame();
        (place < self.frames).then(|| self.number(nth_frame(self.frames, place)))
    }

    /// One past the last unit of the frame that unit `index` belongs to.
    pub fn frame_end(&self, index: UnitIndex) -> UnitIndex {
        UnitIndex((index.0 / self.units_per_frame() + 1) * self.units_per_frame())
    }

    /// The first unit of a frame; the rest of it follows. `None` for a frame outside the job.
    pub fn first_unit(&self, frame: FrameNumber) -> Option<UnitIndex> {
        let offset = u64::from(frame.0.checked_sub(self.first_frame)?);
        let place = (offset < self.frames).then(|| place_of(self.frames, offset))?;
        Some(UnitIndex(place * self.units_per_frame()))
    }

    /// Where tile `index` of each frame lies.
    pub fn tile(&self, index: u64) -> Option<TileRect> {
        self.grid.rect(index)
    }

    /// Ranges that the samples of each tile are cut into.
    pub fn ranges(&self) -> u64 {
        u64::from(self.spp.div_ceil(self.samples_per_unit))
    }

    fn number(&self, offset: u64) -> FrameNumber {
        let offset = u32::try_from(offset).expect("a job's last frame has a 32-bit number");
        FrameNumber(self.first_frame + offset)
    }
}

/// Which of `count` frames is the `place`-th to be worked on.
fn nth_frame(count: u64, place: u64) -> u64 {
    match place {
        0 => 0,
        1 => count - 1,
        _ => 1 + nth_midpoint(count - 2, place - 2),
    }
}

/// The inverse of [`nth_frame`].
fn place_of(count: u64, frame: u64) -> u64 {
    match frame {
        0 => 0,
        _ if frame == count - 1 => 1,
        _ => 2 + place_of_midpoint(count - 2, frame - 1),
    }
}

// Halving `0..size` again and again gives a binary tree: a node is the middle of its interval, its
// children are the middles of what lies left and right. The two halves differ in size by at most
// one, so every level but the deepest is full, and the order "level by level, left to right" can be
// counted instead of walked.

/// The `place`-th midpoint of `0..size`, level by level.
fn nth_midpoint(size: u64, place: u64) -> u64 {
    let level = (place + 1).ilog2();
    let mut rank = place + 1 - (1 << level);
    let (mut low, mut high) = (0, size);
    for below in (0..level).rev() {
        let middle = low + (high - low) / 2;
        let left = on_level(middle - low, below);
        if rank < left {
            high = middle;
        } else {
            rank -= left;
            low = middle + 1;
        }
    }
    low + (high - low) / 2
}

/// The inverse of [`nth_midpoint`].
fn place_of_midpoint(size: u64, target: u64) -> u64 {
    let mut path = Vec::with_capacity(64);
    let (mut low, mut high) = (0, size);
    loop {
        let middle = low + (high - low) / 2;
        match target.cmp(&middle) {
            std::cmp::Ordering::Equal => break,
            std::cmp::Ordering::Less => {
                path.push(None);
                high = middle;
            }
            std::cmp::Ordering::Greater => {
                path.push(Some(middle - low));
                low = middle + 1;
            }
        }
    }
    let level = path.len() as u32;
    let passed = path
        .iter()
        .zip((0..level).rev())
        .filter_map(|(left, below)| Some(on_level((*left)?, below)));
    (1 << level) - 1 + passed.sum::<u64>()
}

/// Nodes on level `level` of the tree over `size` elements.
fn on_level(size: u64, level: u32) -> u64 {
    let above = (1u64 << level) - 1;
    size.saturating_sub(above).min(1 << level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_protocol::BlobHash;
    use tessera_protocol::job::FrameSpan;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::RenderSettings;

    pub(crate) fn spec(
        frames: u32,
        side: u32,
        tile: u32,
        spp: u32,
        samples_per_unit: u32,
    ) -> JobSpec {
        JobSpec {
            name: "shot".into(),
            scene: BlobHash([1; 32]),
            settings: RenderSettings {
                width: side,
                height: side,
                spp,
                ..RenderSettings::default()
            },
            frames: FrameSpan { first: FrameNumber(10), last: FrameNumber(9 + frames) },
            fps: 24,
            tile,
            samples_per_unit,
            class: DeviceClass::Exact,
        }
    }

    #[test]
    fn first_last_middle_then_the_middles_of_the_halves() {
        let order: Vec<_> = (0..9).map(|place| nth_frame(9, place)).collect();
        assert_eq!(order, [0, 8, 4, 2, 6, 1, 3, 5, 7]);
        assert_eq!((0..3).map(|place| nth_frame(3, place)).collect::<Vec<_>>(), [0, 2, 1]);
        assert_eq!((0..1).map(|place| nth_frame(1, place)).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_frame_outside_the_job_has_no_units() {
        let plan = Plan::new(&spec(4, 64, 16, 8, 8)).unwrap();
        assert_eq!(plan.first_unit(FrameNumber(9)), None);
        assert_eq!(plan.first_unit(FrameNumber(14)), None);
        assert_eq!(plan.unit(UnitIndex(plan.units())), None);
        assert_eq!(plan.unit(UnitIndex(u64::MAX)), None);
    }

    #[test]
    fn the_largest_job_is_planned_at_once() {
        let spec = spec(1 << 18, 1024, 8, 1, 1);
        let plan = Plan::new(&spec).unwrap();
        assert_eq!(plan.units(), JobSpec::MAX_UNITS);
        assert!(plan.unit(UnitIndex(plan.units() - 1)).is_some());
    }

    proptest! {
        #[test]
        fn the_order_visits_each_frame_once(count in 1u64..600) {
            let mut seen = vec![false; count as usize];
            for place in 0..count {
                let frame = nth_frame(count, place);
                prop_assert!(!std::mem::replace(&mut seen[frame as usize], true));
                prop_assert_eq!(place_of(count, frame), place);
            }
        }

        #[test]
        fn units_cover_each_sample_of_each_pixel_once(
            frames in 1u32..5, side in 8u32..40, tile in 8u32..24, spp in 1u32..9, per_unit in 1u32..9,
        ) {
            let plan = Plan::new(&spec(frames, side, tile, spp, per_unit.min(spp))).unwrap();
            let at = |frame: u32, x: u32, y: u32, s: u32| {
                ((((frame - 10) * side + y) * side + x) * spp + s) as usize
            };
            let mut seen = vec![0u8; (frames * side * side * spp) as usize];
            for index in (0..plan.units()).map(UnitIndex) {
                let unit = plan.unit(index).unwrap();
                let first = plan.first_unit(unit.frame).unwrap();
                prop_assert!(first <= index && index < plan.frame_end(first));
                let rect = unit.rect;
                for y in rect.y..rect.y + rect.height {
                    for x in rect.x..rect.x + rect.width {
                        for s in unit.samples.start..unit.samples.end {
                            seen[at(unit.frame.0, x, y, s)] += 1;
                        }
                    }
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }
    }
}
