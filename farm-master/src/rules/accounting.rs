//! What a segment counts, in whatever order and however often it is told.
//!
//! A gateway reports that a segment was published, with the claim of the worker whose renditions
//! they are, or without one where the source stands in; the worker may present the same claim
//! itself. The first claim of a segment counts, for all its renditions, and no other ever does.

/// A claim in short: the hash of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimId(pub [u8; 32]);

/// What is known of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether its gateway reported it.
    pub reported: bool,
    /// Whether it did so without a claim.
    pub from_source: bool,
    /// The claim that counts.
    pub claim: Option<ClaimId>,
}

/// What is told of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// By its gateway: it was published, by this claim or from the source.
    Published(Option<ClaimId>),
    /// By its worker: the gateway took this claim.
    Presented(ClaimId),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// What is known from now on.
    pub known: Known,
    /// Whether the claim that was told counts from now on.
    pub counts: bool,
    /// Whether the claim that was told contradicts the one that counts.
    pub conflict: bool,
}

/// What follows from `told`, where `known` was known: nothing at first.
pub fn enter(known: Known, told: Told) -> Ruling {
    let claim = match told {
        Told::Published(claim) => claim,
        Told::Presented(claim) => Some(claim),
    };
    let published = matches!(told, Told::Published(_));
    let counts = known.claim.is_none() && claim.is_some();
    Ruling {
        known: Known {
            reported: known.reported || published,
            from_source: known.from_source || (published && !known.reported && claim.is_none()),
            claim: known.claim.or(claim),
        },
        counts,
        conflict: claim.is_some() && !counts && claim != known.claim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: ClaimId = ClaimId([1; 32]);
    const OTHER: ClaimId = ClaimId([2; 32]);

    #[test]
    fn the_first_claim_counts_and_another_is_a_conflict() {
        let first = enter(Known::default(), Told::Published(Some(ONE)));
        assert!(first.counts && !first.conflict && first.known.reported);
        for told in [Told::Published(Some(ONE)), Told::Presented(ONE), Told::Published(None)] {
            let again = enter(first.known, told);
            assert_eq!((again.known, again.counts, again.conflict), (first.known, false, false));
        }
        for told in [Told::Published(Some(OTHER)), Told::Presented(OTHER)] {
            let other = enter(first.known, told);
            assert_eq!((other.known, other.counts, other.conflict), (first.known, false, true));
        }
    }

    #[test]
    fn a_worker_is_paid_where_the_source_stood_in_after_all() {
        let source = enter(Known::default(), Told::Published(None));
        assert!(source.known.from_source && !source.counts);
        let presented = enter(source.known, Told::Presented(ONE));
        assert!(presented.counts && presented.known.from_source && presented.known.reported);
    }

    #[test]
    fn a_claim_that_is_only_presented_is_not_published() {
        let presented = enter(Known::default(), Told::Presented(ONE));
        assert!(presented.counts && !presented.known.reported);
        let published = enter(presented.known, Told::Published(Some(OTHER)));
        assert!(published.known.reported && published.conflict && !published.counts);
        assert_eq!(published.known.claim, Some(ONE));
    }

    proptest! {
        /// What is told may be repeated, reordered and cut short: each told fact counts once.
        #[test]
        fn every_order_and_repetition_counts_once(
            from_source in any::<bool>(),
            order in prop::collection::vec(0usize..3, 1..12),
        ) {
            let publication = if from_source { None } else { Some(ONE) };
            let facts = [
                Told::Published(publication),
                Told::Presented(ONE),
                Told::Published(publication),
            ];
            let (mut known, mut counted) = (Known::default(), 0);
            for &fact in &order {
                let ruling = enter(known, facts[fact]);
                prop_assert!(!ruling.conflict);
                counted += u32::from(ruling.counts);
                known = ruling.known;
            }
            let told_claim = order.iter().any(|&fact| facts[fact] != Told::Published(None));
            let published = order.iter().any(|&fact| fact != 1);
            prop_assert_eq!(counted, u32::from(told_claim));
            prop_assert_eq!(known.claim.is_some(), told_claim);
            prop_assert_eq!(known.reported, published);
            prop_assert_eq!(known.from_source, published && from_source);
        }

        /// Whatever contradicts what, one claim counts, and it is the first that was told.
        #[test]
        fn one_claim_counts(facts in prop::collection::vec((any::<bool>(), 0u8..4), 1..12)) {
            let (mut known, mut counted) = (Known::default(), Vec::new());
            for &(published, claim) in &facts {
                let claim = ClaimId([claim; 32]);
                let told =
                    if published { Told::Published(Some(claim)) } else { Told::Presented(claim) };
                let ruling = enter(known, told);
                prop_assert_eq!(ruling.conflict, known.claim.is_some_and(|first| first != claim));
                if ruling.counts {
                    counted.push(claim);
                }
                known = ruling.known;
            }
            prop_assert_eq!(counted, vec![ClaimId([facts[0].1; 32])]);
        }
    }
}
