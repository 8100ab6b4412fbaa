//! When to stop trying.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tessera_protocol::UnitIndex;

/// A lease that ended without a result that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose node held it: all nodes of one owner bear the same name here.
    pub owner: Vec<u8>,
    /// Its units.
    pub units: Range<u64>,
}

/// Fewest different owners whose nodes must have failed: neither a broken machine nor one person with many
/// keys ever fails a job.
pub const MIN_OWNERS: usize = 2;

/// The first unit that failed at least `limit` times on nodes of at least [`MIN_OWNERS`] owners. Of one
/// owner no more failures count than leave two for others, where the limit is large enough: one accident
/// elsewhere must not complete what a single person has prepared.
pub fn exhausted(failures: &[Failure], limit: usize) -> Option<UnitIndex> {
    // The count at a unit is the most at the start of some failed range that covers it.
    let starts: BTreeSet<u64> = failures.iter().map(|failure| failure.units.start).collect();
    starts.into_iter().map(UnitIndex).find(|unit| {
        let hits = || failures.iter().filter(|failure| failure.units.contains(&unit.0));
        let mut owners: BTreeMap<&[u8], usize> = BTreeMap::new();
        for failure in hits() {
            *owners.entry(&failure.owner).or_default() += 1;
        }
        let most = limit.saturating_sub(2).max(limit.div_ceil(2)).max(1);
        let counted: usize = owners.values().map(|count| (*count).min(most)).sum();
        counted >= limit && owners.len() >= MIN_OWNERS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(owner: u8, units: Range<u64>) -> Failure {
        Failure { owner: vec![owner], units }
    }

    #[test]
    fn the_unit_that_all_failures_share_is_found() {
        let failures = [failure(1, 0..10), failure(2, 5..9), failure(1, 8..20), failure(2, 20..30)];
        assert_eq!(exhausted(&failures, 3), Some(UnitIndex(8)));
        assert_eq!(exhausted(&failures, 4), None);
        assert_eq!(exhausted(&[], 1), None);
    }

    #[test]
    fn one_owner_alone_never_exhausts_a_unit() {
        assert_eq!(exhausted(&vec![failure(1, 0..1); 50], 5), None);
        let mut with_another = vec![failure(1, 0..1); 9];
        with_another.push(failure(2, 0..1));
        assert_eq!(exhausted(&with_another, 5), None, "nor with one accident beside it");
        with_another.push(failure(2, 0..1));
        assert_eq!(exhausted(&with_another, 5), Some(UnitIndex(0)));
        let two = [failure(1, 0..1), failure(2, 0..1)];
        assert_eq!(exhausted(&two, 2), Some(UnitIndex(0)));
        assert_eq!(exhausted(&two, 3), None);
    }
}
