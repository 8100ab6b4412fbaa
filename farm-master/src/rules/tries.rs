//! How often somebody may try, apart from any clock: so many times at once, then one in a while. What is
//! remembered is bounded, whoever tries.

use std::collections::HashMap;
use std::hash::Hash;

/// How often somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many times at once.
    pub at_once: u32,
    /// Then once in so many milliseconds.
    pub every_ms: i64,
}

/// Who tried, and how much of the allowance that took.
#[derive(Debug)]
pub struct Tries<K> {
    allowance: Allowance,
    most: usize,
    /// When all of each one's tries are forgotten.
    over_ms: HashMap<K, i64>,
}

impl<K: Hash + Eq + Clone> Tries<K> {
    /// Nobody has tried. At most `most`, and at least one, are remembered; then those are forgotten first who
    /// would be soonest.
    pub fn new(allowance: Allowance, most: usize) -> Self {
        Self { allowance, most: most.max(1), over_ms: HashMap::new() }
    }

    /// Takes a try; otherwise, after how many milliseconds there is one.
    pub fn take(&mut self, who: K, now_ms: i64) -> Result<(), i64> {
        let over_ms = self.over_ms.get(&who).map_or(now_ms, |over_ms| now_ms.max(*over_ms));
        let over_ms = over_ms + self.allowance.every_ms;
        let latest_ms = now_ms + self.allowance.every_ms * i64::from(self.allowance.at_once);
        if over_ms > latest_ms {
            return Err(over_ms - latest_ms);
        }
        if !self.over_ms.contains_key(&who) {
            self.make_room(now_ms);
        }
        self.over_ms.insert(who, over_ms);
        Ok(())
    }

    /// Gives a try back that was no guess.
    pub fn give_back(&mut self, who: &K) {
        if let Some(over_ms) = self.over_ms.get_mut(who) {
            *over_ms -= self.allowance.every_ms;
        }
    }

    /// Forgets all tries of one who has shown who he is.
    pub fn forget(&mut self, who: &K) {
        self.over_ms.remove(who);
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.over_ms.len() < self.most {
            return;
        }
        self.over_ms.retain(|_, over_ms| *over_ms > now_ms);
        if self.over_ms.len() < self.most {
            return;
        }
        let soonest = self.over_ms.iter().min_by_key(|(_, over_ms)| **over_ms);
        if let Some(who) = soonest.map(|(who, _)| who.clone()) {
            self.over_ms.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THREE: Allowance = Allowance { at_once: 3, every_ms: 100 };

    #[test]
    fn so_many_at_once_and_then_one_in_a_while() {
        let mut tries = Tries::new(THREE, 10);
        assert_eq!([0, 0, 0].map(|now| tries.take("a", now)), [Ok(()); 3]);
        assert_eq!(tries.take("a", 0), Err(100));
        assert_eq!(tries.take("a", 99), Err(1));
        assert_eq!(tries.take("b", 99), Ok(()), "another's tries are another's");
        assert_eq!(tries.take("a", 100), Ok(()));
        assert_eq!(
            tries.take("a", 100),
            Err(100),
            "waiting in vain costs nothing and gives nothing"
        );
        assert_eq!([1000; 3].map(|now| tries.take("a", now)), [Ok(()); 3]);
    }

    #[test]
    fn a_try_that_was_no_guess_is_given_back() {
        let mut tries = Tries::new(THREE, 10);
        for _ in 0..20 {
            tries.take("a", 0).unwrap();
            tries.give_back(&"a");
        }
        assert_eq!([0; 3].map(|now| tries.take("a", now)), [Ok(()); 3]);
        assert!(tries.take("a", 0).is_err());
        tries.forget(&"a");
        assert_eq!(tries.take("a", 0), Ok(()));
    }

    #[test]
    fn who_would_be_forgotten_soonest_makes_room() {
        let mut tries = Tries::new(THREE, 2);
        tries.take(1, 0).unwrap();
        tries.take(2, 0).unwrap();
        tries.take(2, 0).unwrap();
        tries.take(3, 0).unwrap();
        tries.take(2, 0).unwrap();
        assert!(tries.take(2, 0).is_err(), "2 had most tries and is remembered");
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_allowance_and_the_table_is_bounded(
            steps in prop::collection::vec((0u8..4, 0i64..150), 0..200),
        ) {
            let (mut tries, mut now_ms, mut taken) = (Tries::new(THREE, 8), 0, HashMap::new());
            for (who, later_ms) in steps {
                now_ms += later_ms;
                if tries.take(who, now_ms).is_ok() {
                    *taken.entry(who).or_insert(0i64) += 1;
                }
                prop_assert!(tries.over_ms.len() <= 8);
                for taken in taken.values() {
                    prop_assert!(*taken <= 3 + now_ms / 100);
                }
            }
        }
    }
}
