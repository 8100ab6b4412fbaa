//! Whose turn it is: nodes are shared out among accounts, by the tiers of what they have rendered.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996, section 2): each account has a finish tag, which
//! every lease of its jobs moves on by what was leased over the tier's weight; the account whose tag is least is
//! served next, and no lease starts before the start of the one before it. So accounts that always have work get
//! rendering in the ratio of their weights, to within a lease of each, whether leases are large or small; how many
//! jobs an account has changes nothing; and who had no work for a while has saved nothing up.
//!
//! Of one account's jobs the higher tier comes first, then the older one. That is the caller's.

use tessera_protocol::Tier;

/// What of the farm a tier has, beside the others: an account with a priority job gets four times what one with an
/// economy job does.
pub fn weight(tier: Tier) -> u64 {
    match tier {
        Tier::Economy => 1,
        Tier::Standard => 2,
        Tier::Priority => 4,
    }
}

/// A multiple of every weight, so that shares stay whole numbers.
const WHOLE: u64 = 4;

/// Where the farm and one account stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// Where the lease that was given last began.
    pub now: u64,
    /// Where the account's own last one ended.
    pub due: u64,
}

impl Turn {
    /// The same after a lease of so many pixel samples of a job of this tier.
    pub fn after(self, tier: Tier, pixel_samples: u64) -> Self {
        let start = self.now.max(self.due);
        let share = pixel_samples.saturating_mul(WHOLE / weight(tier));
        Self { now: start, due: start.saturating_add(share) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A farm that serves whoever is due first of those that have work, ties by the lower number.
    struct Farm {
        now: u64,
        due: Vec<u64>,
        served: Vec<u64>,
    }

    impl Farm {
        fn of(accounts: usize) -> Self {
            Self { now: 0, due: vec![0; accounts], served: vec![0; accounts] }
        }

        fn serve(&mut self, with_work: &[usize], tiers: &[Tier], samples: u64) -> usize {
            let next = *with_work.iter().min_by_key(|one| (self.due[**one], **one)).unwrap();
            let turn = Turn { now: self.now, due: self.due[next] }.after(tiers[next], samples);
            (self.now, self.due[next]) = (turn.now, turn.due);
            self.served[next] += samples;
            next
        }
    }

    #[test]
    fn tiers_share_one_to_two_to_four() {
        let tiers = [Tier::Economy, Tier::Standard, Tier::Priority];
        let mut farm = Farm::of(3);
        for _ in 0..700 {
            farm.serve(&[0, 1, 2], &tiers, 1000);
        }
        assert_eq!(farm.served, [100_000, 200_000, 400_000]);
    }

    #[test]
    fn who_was_away_has_saved_nothing_up() {
        let tiers = [Tier::Standard; 2];
        let mut farm = Farm::of(2);
        for _ in 0..1000 {
            farm.serve(&[0], &tiers, 10);
        }
        let before = farm.served.clone();
        for _ in 0..100 {
            farm.serve(&[0, 1], &tiers, 10);
        }
        let [first, second] = [0, 1].map(|one| farm.served[one] - before[one]);
        assert!(first.abs_diff(second) <= 20, "{first} and {second}");
    }

    #[test]
    fn tags_stop_at_the_largest_number() {
        let turn = Turn { now: 5, due: u64::MAX - 1 }.after(Tier::Economy, u64::MAX);
        assert_eq!(turn, Turn { now: u64::MAX - 1, due: u64::MAX });
    }

    fn tier() -> impl Strategy<Value = Tier> {
        prop_oneof![Just(Tier::Economy), Just(Tier::Standard), Just(Tier::Priority)]
    }

    proptest! {
        // Theorem 1 of the paper: over any time in which two have work, what they got over their weights
        // differs by at most one lease of each over its weight.
        #[test]
        fn any_two_that_have_work_get_their_shares(
            tiers in prop::collection::vec(tier(), 2..6),
            leases in prop::collection::vec((1_u64..5_000, any::<bool>()), 1..300),
        ) {
            let mut farm = Farm::of(tiers.len());
            let most: u64 = leases.iter().map(|(samples, _)| *samples).max().unwrap_or(0);
            let all: Vec<usize> = (0..tiers.len()).collect();
            // The third and those after it come and go; the first two always have work.
            for (samples, with_others) in leases {
                farm.serve(if with_others { &all } else { &all[..2] }, &tiers, samples);
                let share = |one: usize| farm.served[one] * WHOLE / weight(tiers[one]);
                let lease = |one: usize| most * WHOLE / weight(tiers[one]);
                let apart = share(0).abs_diff(share(1));
                prop_assert!(apart <= lease(0) + lease(1), "{apart}: {:?} of {tiers:?}", farm.served);
            }
        }
    }
}
