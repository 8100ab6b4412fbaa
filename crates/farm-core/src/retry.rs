//! When to stop trying.

use std::collections::BTreeSet;
use std::ops::Range;
use tessera_protocol::{NodeId, UnitIndex};

/// A lease that ended without a result that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Who held it.
    pub node: NodeId,
    /// Its units.
    pub units: Range<u64>,
}

/// Fewest different nodes that must have failed: one broken machine never fails a job.
pub const MIN_NODES: usize = 2;

/// The first unit that failed at least `limit` times on at least [`MIN_NODES`] nodes.
pub fn exhausted(failures: &[Failure], limit: usize) -> Option<UnitIndex> {
    // The count at a unit is the most at the start of some failed range that covers it.
    let starts: BTreeSet<u64> = failures.iter().map(|failure| failure.units.start).collect();
    starts.into_iter().map(UnitIndex).find(|unit| {
        let hits = || failures.iter().filter(|failure| failure.units.contains(&unit.0));
        let nodes: BTreeSet<NodeId> = hits().map(|failure| failure.node).collect();
        hits().count() >= limit && nodes.len() >= MIN_NODES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(node: u8, units: Range<u64>) -> Failure {
        Failure { node: NodeId([node; 32]), units }
    }

    #[test]
    fn the_unit_that_all_failures_share_is_found() {
        let failures = [failure(1, 0..10), failure(2, 5..9), failure(1, 8..20), failure(2, 20..30)];
        assert_eq!(exhausted(&failures, 3), Some(UnitIndex(8)));
        assert_eq!(exhausted(&failures, 4), None);
        assert_eq!(exhausted(&[], 1), None);
    }

    #[test]
    fn one_node_alone_never_exhausts_a_unit() {
        assert_eq!(exhausted(&vec![failure(1, 0..1); 50], 5), None);
        let mut with_another = vec![failure(1, 0..1); 4];
        with_another.push(failure(2, 0..1));
        assert_eq!(exhausted(&with_another, 5), Some(UnitIndex(0)));
    }
}
