//! Which workers a session gets.
//!
//! Of the workers that can do it, the one with the lowest *cost* comes first. Cost is the price
//! asked, raised by what makes a worker a risk; [`Weights`] are published, and anybody can do the
//! sum again:
//!
//! `cost = (price + 1) × (1000 + failures + tightness + uplink)`, each in thousandths:
//! - failures: the share of its segments that failed or were rejected, as if it had had one failure
//!   in twenty before it began, times [`Weights::failures`];
//! - tightness: the share of its free speed that the session takes, times [`Weights::tightness`];
//! - uplink: the share of its free uplink that the session takes, times [`Weights::uplink`]; an
//!   uplink that is not known counts as half used.
//!
//! Equal costs are ordered by key, so that the answer is the same for whoever asks.

use tessera_protocol::NodeId;
use tessera_protocol::stream::VideoCodec;

/// What raises a worker's cost, in thousandths for a share of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// For its failures.
    pub failures: u64,
    /// For how much of its speed is taken.
    pub tightness: u64,
    /// For how much of its uplink is taken.
    pub uplink: u64,
}

impl Weights {
    /// The weights in use.
    pub const PUBLISHED: Self = Self { failures: 10_000, tightness: 500, uplink: 250 };
}

/// What a session needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Pixels a second of all renditions; 0 while that is not known.
    pub pixels_per_s: u64,
    /// Bits a second of all renditions.
    pub bits_per_s: u64,
    /// What is to be encoded.
    pub codecs: Vec<VideoCodec>,
}

/// A worker that asks for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub node: NodeId,
    /// What it asks for 10^12 pixels, in base units.
    pub price: u64,
    /// Pixels a second that it has left.
    pub free_pixels_per_s: u64,
    /// What it can encode.
    pub codecs: Vec<VideoCodec>,
    /// Bits a second that it has left to send; `None` where its uplink is not known.
    pub uplink_bits_per_s: Option<u64>,
    /// Segments of its that were published.
    pub segments: u64,
    /// Segments of its that failed or were rejected.
    pub failures: u64,
}

/// Why a worker does not get a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It lacks an encoder.
    #[error("it cannot encode {0:?}")]
    Codec(VideoCodec),
    /// It is too slow, or has too much to do.
    #[error("it has {free} pixels a second left, and the session needs {need}")]
    Speed {
        /// What it has left.
        free: u64,
        /// What is needed.
        need: u64,
    },
    /// Its line is too slow.
    #[error("it can send {has} bits a second more, and the session needs {need}")]
    Uplink {
        /// What it has left.
        has: u64,
        /// What is needed.
        need: u64,
    },
}

/// Whether a worker can do a session.
pub fn fits(need: &Need, worker: &Candidate) -> Result<(), Unfit> {
    if let Some(codec) = need.codecs.iter().find(|codec| !worker.codecs.contains(codec)) {
        return Err(Unfit::Codec(*codec));
    }
    let free = worker.free_pixels_per_s;
    if free < need.pixels_per_s.max(1) {
        return Err(Unfit::Speed { free, need: need.pixels_per_s });
    }
    match worker.uplink_bits_per_s {
        Some(has) if has < need.bits_per_s => Err(Unfit::Uplink { has, need: need.bits_per_s }),
        _ => Ok(()),
    }
}

/// What a worker costs for a session that it can do.
pub fn cost(need: &Need, worker: &Candidate, weights: &Weights) -> u128 {
    let share = |part: u64, whole: u64, weight: u64| {
        u128::from(part) * u128::from(weight) / u128::from(whole.max(1))
    };
    let attempts = worker.segments.saturating_add(worker.failures).saturating_add(20);
    let failures = share(worker.failures.saturating_add(1), attempts, weights.failures);
    let tightness = share(need.pixels_per_s, worker.free_pixels_per_s, weights.tightness);
    let uplink = worker
        .uplink_bits_per_s
        .map_or(u128::from(weights.uplink) / 2, |has| share(need.bits_per_s, has, weights.uplink));
    (u128::from(worker.price) + 1) * (1000 + failures + tightness + uplink)
}

/// The workers that can do the session, best first: their places in `workers`.
pub fn rank(need: &Need, workers: &[Candidate], weights: &Weights) -> Vec<usize> {
    let mut able: Vec<usize> =
        (0..workers.len()).filter(|n| fits(need, &workers[*n]).is_ok()).collect();
    able.sort_by_cached_key(|n| (cost(need, &workers[*n], weights), workers[*n].node));
    able
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worker(n: u8, price: u64) -> Candidate {
        Candidate {
            node: NodeId([n; 32]),
            price,
            free_pixels_per_s: 100_000_000,
            codecs: vec![VideoCodec::H264],
            uplink_bits_per_s: Some(50_000_000),
            segments: 0,
            failures: 0,
        }
    }

    fn need() -> Need {
        Need { pixels_per_s: 50_000_000, bits_per_s: 5_000_000, codecs: vec![VideoCodec::H264] }
    }

    fn first(workers: &[Candidate]) -> Option<usize> {
        rank(&need(), workers, &Weights::PUBLISHED).first().copied()
    }

    #[test]
    fn whoever_cannot_do_it_does_not_get_it_however_cheap() {
        let dear = worker(1, 1_000);
        for cheap in [
            Candidate { free_pixels_per_s: 49_999_999, ..worker(2, 0) },
            Candidate { codecs: vec![VideoCodec::Av1], ..worker(2, 0) },
            Candidate { uplink_bits_per_s: Some(4_999_999), ..worker(2, 0) },
        ] {
            assert!(fits(&need(), &cheap).is_err());
            assert_eq!(first(&[cheap, dear.clone()]), Some(1));
        }
        let busy = Candidate { free_pixels_per_s: 0, ..worker(3, 0) };
        let unknown = Need { pixels_per_s: 0, ..need() };
        assert!(fits(&unknown, &busy).is_err(), "of a session not yet known something is needed");
    }

    #[test]
    fn a_bad_record_outweighs_a_slightly_lower_price() {
        let good = Candidate { segments: 1_000, failures: 0, ..worker(1, 1_000) };
        let bad = Candidate { segments: 900, failures: 100, ..worker(2, 900) };
        assert_eq!(first(&[bad, good.clone()]), Some(1));
        // A new one is a smaller risk than one that is known to fail.
        let new = worker(3, 900);
        assert_eq!(first(&[new, good]), Some(1));
    }

    #[test]
    fn of_equal_ones_the_faster_and_better_connected_comes_first() {
        let plain = worker(1, 100);
        let fast = Candidate { free_pixels_per_s: 1_000_000_000, ..worker(2, 100) };
        assert_eq!(first(&[plain.clone(), fast]), Some(1));
        let wide = Candidate { uplink_bits_per_s: Some(1_000_000_000), ..worker(2, 100) };
        assert_eq!(first(&[plain, wide]), Some(1));
    }

    fn any_worker() -> impl Strategy<Value = Candidate> {
        let codecs = prop_oneof![
            Just(vec![]),
            Just(vec![VideoCodec::H264]),
            Just(vec![VideoCodec::Av1, VideoCodec::H264]),
        ];
        let uplink = proptest::option::of(0_u64..20_000_000);
        (any::<u8>(), any::<u64>(), 0_u64..200_000_000, codecs, uplink, any::<u64>(), any::<u64>())
            .prop_map(|(n, price, free, codecs, uplink_bits_per_s, segments, failures)| Candidate {
                node: NodeId([n; 32]),
                price,
                free_pixels_per_s: free,
                codecs,
                uplink_bits_per_s,
                segments,
                failures,
            })
    }

    proptest! {
        #[test]
        fn only_those_who_can_are_ranked_and_all_of_them(
            workers in proptest::collection::vec(any_worker(), 0..20),
        ) {
            let ranked = rank(&need(), &workers, &Weights::PUBLISHED);
            for (n, worker) in workers.iter().enumerate() {
                prop_assert_eq!(ranked.contains(&n), fits(&need(), worker).is_ok());
            }
        }

        #[test]
        fn all_else_equal_the_cheaper_never_loses(worker in any_worker(), other in any::<u64>()) {
            let cheaper = Candidate { price: worker.price.min(other), ..worker.clone() };
            let dearer = Candidate { price: worker.price.max(other), ..worker };
            let cost = |worker| cost(&need(), worker, &Weights::PUBLISHED);
            prop_assert!(cost(&cheaper) <= cost(&dearer));
        }

        #[test]
        fn the_order_of_asking_changes_nothing(
            workers in proptest::collection::vec(any_worker(), 0..12),
        ) {
            let mut unique = workers;
            unique.sort_by_key(|worker| worker.node);
            unique.dedup_by_key(|worker| worker.node);
            let of = |workers: &[Candidate]| -> Vec<NodeId> {
                let ranked = rank(&need(), workers, &Weights::PUBLISHED);
                ranked.into_iter().map(|n| workers[n].node).collect()
            };
            let forward = of(&unique);
            unique.reverse();
            prop_assert_eq!(of(&unique), forward);
        }
    }
}
