//! Which segments of a session belong to which of its gateways.
//!
//! Every grant has a generation and a lowest number. Grants that follow each other at one gateway
//! are one reign: its numbers run from the first grant's lowest to below that of the next reign. So
//! whatever a gateway published before its lease ended stays its own, however late it is reported,
//! and no number belongs to two.

use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::gateway::TAKEOVER_GAP;
use tessera_protocol::{GatewayId, Generation};

/// One grant of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its generation.
    pub generation: Generation,
    /// Who got it.
    pub gateway: GatewayId,
    /// The lowest number that a segment under it may have.
    pub first: SegmentNumber,
}

/// Why a segment is not a gateway's to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It never had that generation.
    #[error("generation {} of the session was never this gateway's", .0.0)]
    NeverHeld(Generation),
    /// Such numbers were given out before.
    #[error("generation {} begins with segment {first}", generation.0)]
    Below {
        /// The generation named.
        generation: Generation,
        /// Its lowest number.
        first: SegmentNumber,
    },
    /// Such numbers belong to a later gateway.
    #[error("segments from {first} on belong to the gateway that took the session over")]
    Beyond {
        /// The later one's lowest number.
        first: SegmentNumber,
    },
}

/// The lowest number of the next grant, where `next` is above all that are known or were given out.
/// A gateway that is cut off may have published more than is known; a gateway that continues its own
/// session knows what it published.
pub fn first_of_next(next: SegmentNumber, same_gateway: bool) -> SegmentNumber {
    let gap = if same_gateway { 0 } else { TAKEOVER_GAP };
    SegmentNumber(next.0.saturating_add(gap))
}

/// Whether `gateway` may report `segment` as published under `generation`. `grants` are all of the
/// session's, by generation.
pub fn check(
    grants: &[Grant],
    gateway: GatewayId,
    generation: Generation,
    segment: SegmentNumber,
) -> Result<(), Foreign> {
    let held = |grant: &Grant| grant.generation == generation && grant.gateway == gateway;
    let at = grants.iter().position(held).ok_or(Foreign::NeverHeld(generation))?;
    if segment < grants[at].first {
        return Err(Foreign::Below { generation, first: grants[at].first });
    }
    match grants[at..].iter().find(|later| later.gateway != gateway) {
        Some(later) if segment >= later.first => Err(Foreign::Beyond { first: later.first }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: GatewayId = GatewayId([1; 32]);
    const B: GatewayId = GatewayId([2; 32]);

    fn grants(list: &[(GatewayId, u64)]) -> Vec<Grant> {
        let grant = |(at, &(gateway, first)): (usize, &(GatewayId, u64))| Grant {
            generation: Generation(at as u64 + 1),
            gateway,
            first: SegmentNumber(first),
        };
        list.iter().enumerate().map(grant).collect()
    }

    #[test]
    fn what_a_gateway_published_stays_its_own_and_no_more() {
        let grants = grants(&[(A, 0), (A, 5), (B, 1010), (A, 2010)]);
        let may = |gateway, generation, segment| {
            check(&grants, gateway, Generation(generation), SegmentNumber(segment)).is_ok()
        };
        assert!(may(A, 1, 0));
        assert!(may(A, 1, 7), "published before its source came back, reported late");
        assert!(may(A, 2, 1009));
        assert!(!may(A, 2, 4), "below its generation");
        assert!(!may(A, 1, 1010) && !may(A, 2, 1010), "the successor's");
        assert!(!may(A, 3, 1010) && !may(B, 2, 7), "another's generation");
        assert!(may(B, 3, 1010) && may(B, 3, 2009));
        assert!(!may(B, 3, 1009) && !may(B, 3, 2010));
        assert!(may(A, 4, 1 << 60) && !may(A, 5, 2010), "no such generation");
    }

    #[test]
    fn a_takeover_leaves_room_for_what_was_not_reported() {
        assert_eq!(first_of_next(SegmentNumber(7), true), SegmentNumber(7));
        assert_eq!(first_of_next(SegmentNumber(7), false), SegmentNumber(7 + TAKEOVER_GAP));
    }

    proptest! {
        /// However a session passes from hand to hand, no number can be reported by two gateways.
        #[test]
        fn no_number_belongs_to_two(
            hands in prop::collection::vec((0u8..3, 0u64..5), 1..8),
            segment in 0u64..10_000,
        ) {
            let (mut list, mut next) = (Vec::new(), 0);
            for (hand, published) in hands {
                let gateway = GatewayId([hand; 32]);
                let same = list.last().is_none_or(|&(before, _)| before == gateway);
                let first = first_of_next(SegmentNumber(next), same).0;
                list.push((gateway, first));
                next = first + published;
            }
            let grants = grants(&list);
            let mut owners: Vec<_> = grants
                .iter()
                .filter(|grant| {
                    check(&grants, grant.gateway, grant.generation, SegmentNumber(segment)).is_ok()
                })
                .map(|grant| grant.gateway)
                .collect();
            owners.dedup();
            prop_assert!(owners.len() <= 1, "{owners:?}");
        }
    }
}
