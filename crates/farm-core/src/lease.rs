//! How much a node gets, and until when it may keep it.

use crate::chunk::Chunk;
use crate::plan::Plan;
use std::ops::Range;
use tessera_protocol::lease::{LeaseGrant, Unit};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{
    Generation, JobId, KernelId, LeaseId, NodeId, PixelSum, RayPrice, SceneFactor, SecretHash,
    UnitIndex,
};

/// Most raw bytes of a lease's sums together, unless one unit alone has more: a submit is held in
/// memory while it is checked.
pub const MAX_RAW_BYTES: u64 = 64 << 20;

/// A lease that stands: units `units` of `job` belong to `node`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Its generation: higher than that of every earlier lease of the job.
    pub generation: Generation,
    /// The job.
    pub job: JobId,
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// Who holds it.
    pub node: NodeId,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// Neighbouring units of one frame and one chunk.
    pub units: Range<u64>,
    /// The lease that holds these units, beside which this one was given: its result is to be compared with this one's
    /// in a tolerant job, and takes long in an exact one.
    pub second_of: Option<LeaseId>,
    /// What the job asks of its devices.
    pub class: DeviceClass,
    /// What 10^9 factored rays of it are paid with.
    pub price: RayPrice,
    /// As how many a ray of its scene counts.
    pub factor: SceneFactor,
}

impl Lease {
    /// The chunk that the units are in, and which of its units they are.
    pub fn in_chunk(&self) -> (u64, Range<u16>) {
        in_chunk(&self.units)
    }
}

/// The chunk that neighbouring units of one chunk are in, and which of its units they are.
pub fn in_chunk(units: &Range<u64>) -> (u64, Range<u16>) {
    let size = u64::from(Chunk::UNITS);
    let start = (units.start % size) as u16;
    (units.start / size, start..start + (units.end - units.start) as u16)
}

/// Takes the first free units of a chunk for a node that wants `samples_wanted` pixel samples: at
/// least one unit, then as many as stay within what is wanted, within `most_units`, within one frame
/// and within the limits of a lease. `None` when nothing is free.
pub fn take(
    plan: &Plan,
    chunk: &mut Chunk,
    number: u64,
    samples_wanted: u64,
    most_units: u64,
) -> Option<Vec<Unit>> {
    let run = chunk.first_free_run()?;
    let base = number * u64::from(Chunk::UNITS);
    let first = base + u64::from(run.start);
    let end = (base + u64::from(run.end))
        .min(plan.frame_end(UnitIndex(first)).0)
        .min(first + most_units.clamp(1, LeaseGrant::MAX_UNITS as u64));
    let (mut samples, mut bytes) = (0u64, 0u64);
    let units: Vec<Unit> = (first..end)
        .map_while(|index| plan.unit(UnitIndex(index)))
        .take_while(|unit| {
            let is_first = samples == 0;
            samples = samples.saturating_add(unit.pixel_samples());
            bytes = bytes.saturating_add(unit.rect.pixels() * PixelSum::BYTES as u64);
            is_first || (samples <= samples_wanted && bytes <= MAX_RAW_BYTES)
        })
        .collect();
    chunk.lease(run.start..run.start + units.len() as u16).ok()?;
    Some(units)
}

/// Whether a lease has ended at `now_ms`. It ends `expires_after_ms` after its node was last heard,
/// and never earlier than that after the master's own start: a master that was down has heard
/// nobody, and that is not the nodes' fault.
pub fn has_expired(
    heard_ms: i64,
    master_started_ms: i64,
    expires_after_ms: i64,
    now_ms: i64,
) -> bool {
    now_ms >= heard_ms.max(master_started_ms).saturating_add(expires_after_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::job::{FrameSpan, JobSpec};
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::RenderSettings;
    use tessera_protocol::{BlobHash, FrameNumber};

    fn plan(side: u32, tile: u32, frames: u32) -> Plan {
        Plan::new(&JobSpec {
            name: "shot".into(),
            scene: BlobHash([0; 32]),
            settings: RenderSettings { width: side, height: side, spp: 4, ..Default::default() },
            frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(frames - 1) },
            fps: 24,
            tile,
            samples_per_unit: 4,
            class: DeviceClass::Exact,
        })
        .unwrap()
    }

    fn taken(plan: &Plan, chunk: &mut Chunk, wanted: u64) -> Range<u64> {
        let units = take(plan, chunk, 0, wanted, u64::MAX).unwrap();
        units[0].index.0..units[units.len() - 1].index.0 + 1
    }

    #[test]
    fn a_node_gets_what_it_wants_but_at_least_one_unit() {
        let plan = plan(64, 16, 1);
        let mut chunk = Chunk::new(plan.units(), 0).unwrap();
        let unit = 16 * 16 * 4;
        assert_eq!(taken(&plan, &mut chunk, 0), 0..1);
        assert_eq!(taken(&plan, &mut chunk, 3 * unit), 1..4);
        assert_eq!(taken(&plan, &mut chunk, 3 * unit - 1), 4..6);
        assert_eq!(taken(&plan, &mut chunk, u64::MAX), 6..16);
        assert_eq!(take(&plan, &mut chunk, 0, 1, u64::MAX), None);
    }

    #[test]
    fn a_lease_stays_within_its_frame_and_the_limits() {
        let two_frames = plan(32, 16, 2);
        let mut chunk = Chunk::new(two_frames.units(), 0).unwrap();
        assert_eq!(taken(&two_frames, &mut chunk, u64::MAX), 0..4);
        assert_eq!(taken(&two_frames, &mut chunk, u64::MAX), 4..8);

        let many = plan(256, 8, 1);
        let mut chunk = Chunk::new(many.units(), 0).unwrap();
        assert_eq!(taken(&many, &mut chunk, u64::MAX), 0..LeaseGrant::MAX_UNITS as u64);

        let large = plan(4096, 1024, 1);
        let mut chunk = Chunk::new(large.units(), 0).unwrap();
        assert_eq!(taken(&large, &mut chunk, u64::MAX), 0..2);
    }

    #[test]
    fn whoever_may_have_few_units_gets_few() {
        let plan = plan(64, 16, 1);
        let mut chunk = Chunk::new(plan.units(), 0).unwrap();
        let mut units = |most| take(&plan, &mut chunk, 0, u64::MAX, most).unwrap().len();
        assert_eq!((units(3), units(0), units(100)), (3, 1, 12));
    }

    #[test]
    fn silence_ends_a_lease_but_the_masters_own_absence_does_not() {
        assert!(!has_expired(1_000, 0, 30_000, 30_999));
        assert!(has_expired(1_000, 0, 30_000, 31_000));
        assert!(!has_expired(1_000, 900_000, 30_000, 929_999));
    }
}
