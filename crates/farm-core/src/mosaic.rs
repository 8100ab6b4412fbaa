//! How far each tile of a frame is, from where its units stand.

use crate::chunk::UnitState;
use crate::plan::Plan;
use std::collections::BTreeSet;
use std::ops::Range;
use tessera_protocol::mosaic::TileView;
use tessera_protocol::{FrameNumber, NodeId};

/// The tiles of a frame, row by row. `states` are its units' in their order, and `workers` who renders or
/// rendered which units of the job. `None` where the frame is not the job's, or has another number of units.
pub fn tiles(
    plan: &Plan,
    frame: FrameNumber,
    states: &[UnitState],
    workers: &[(NodeId, Range<u64>)],
) -> Option<Vec<TileView>> {
    let first = plan.first_unit(frame)?.0;
    if states.len() as u64 != plan.units_per_frame() {
        return None;
    }
    let ranges = usize::try_from(plan.ranges()).ok()?;
    let mut tiles = Vec::with_capacity(states.len() / ranges);
    for (states, index) in states.chunks(ranges).zip(0u64..) {
        let count = |state| states.iter().filter(|own| **own == state).count() as u64;
        tiles.push(TileView {
            rect: plan.tile(index)?,
            units: states.len() as u64,
            verified: count(UnitState::Verified),
            leased: count(UnitState::Leased),
            submitted: count(UnitState::Submitted),
            nodes: Vec::new(),
        });
    }
    for (node, units) in workers {
        let inside = units.start.max(first)..units.end.min(first + states.len() as u64);
        if inside.is_empty() {
            continue;
        }
        let tile = |unit: u64| ((unit - first) / plan.ranges()) as usize;
        for tile in &mut tiles[tile(inside.start)..=tile(inside.end - 1)] {
            tile.nodes.push(*node);
        }
    }
    for tile in &mut tiles {
        let nodes: BTreeSet<NodeId> = tile.nodes.drain(..).collect();
        tile.nodes = nodes.into_iter().collect();
    }
    Some(tiles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use UnitState::{Free, Leased, Submitted, Verified};
    use tessera_protocol::BlobHash;
    use tessera_protocol::job::{FrameSpan, JobSpec};
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::RenderSettings;

    /// Two frames of two tiles, one above the other, each of three ranges.
    fn plan() -> Plan {
        Plan::new(&JobSpec {
            name: "shot".into(),
            scene: BlobHash([1; 32]),
            settings: RenderSettings { width: 8, height: 12, spp: 3, ..RenderSettings::default() },
            frames: FrameSpan { first: FrameNumber(1), last: FrameNumber(2) },
            fps: 24,
            tile: 8,
            samples_per_unit: 1,
            class: DeviceClass::Exact,
        })
        .unwrap()
    }

    #[test]
    fn each_unit_counts_in_its_tile() {
        let states = [Verified, Verified, Submitted, Leased, Free, Free];
        let (one, two) = (NodeId([1; 32]), NodeId([2; 32]));
        // The second frame's units begin at 6.
        let workers = [(two, 6..8), (one, 8..10), (two, 8..9), (one, 0..6), (one, 12..20)];
        let tiles = tiles(&plan(), FrameNumber(2), &states, &workers).unwrap();
        let counts: Vec<_> =
            tiles.iter().map(|t| (t.units, t.verified, t.submitted, t.leased)).collect();
        assert_eq!(counts, [(3, 2, 1, 0), (3, 0, 0, 1)]);
        assert_eq!(tiles[0].nodes, [one, two], "each once, in order");
        assert_eq!(tiles[1].nodes, [one]);
        assert_eq!((tiles[1].rect.y, tiles[1].rect.height), (8, 4));
    }

    #[test]
    fn another_frame_or_another_number_of_units_is_no_mosaic() {
        assert_eq!(tiles(&plan(), FrameNumber(3), &[Free; 6], &[]), None);
        assert_eq!(tiles(&plan(), FrameNumber(1), &[Free; 5], &[]), None);
    }
}
