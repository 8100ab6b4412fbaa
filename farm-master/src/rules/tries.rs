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
    who: HashMap<K, Tried>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    /// When all of this one's tries are forgotten.
    over_ms: i64,
    /// Whether one was refused since they last were.
    refused: bool,
}

/// There is no try left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// After how many milliseconds there is one.
    pub wait_ms: i64,
    /// Whether it is the first one refused for as long as all tries were not forgotten: worth a line in a log.
    pub first: bool,
}

impl<K: Hash + Eq + Clone> Tries<K> {
    /// Nobody has tried. At most `most`, and at least one, are remembered; then those are forgotten first who
    /// would be soonest.
    pub fn new(allowance: Allowance, most: usize) -> Self {
        Self { allowance, most: most.max(1), who: HashMap::new() }
    }

    /// Takes a try, if there is one.
    ///
    /// # Errors
    /// There is none for now.
    pub fn take(&mut self, who: K, now_ms: i64) -> Result<(), TooMany> {
        let fresh = Tried { over_ms: now_ms, refused: false };
        let before = self.who.get(&who).filter(|tried| tried.over_ms > now_ms).unwrap_or(&fresh);
        let tried = Tried { over_ms: before.over_ms + self.allowance.every_ms, ..*before };
        let latest_ms = now_ms + self.allowance.every_ms * i64::from(self.allowance.at_once);
        if tried.over_ms > latest_ms {
            let refusal = TooMany { wait_ms: tried.over_ms - latest_ms, first: !tried.refused };
            if let Some(tried) = self.who.get_mut(&who) {
                tried.refused = true;
            }
            return Err(refusal);
        }
        if !self.who.contains_key(&who) {
            self.make_room(now_ms);
        }
        self.who.insert(who, tried);
        Ok(())
    }

    /// Gives a try back that was no guess.
    pub fn give_back(&mut self, who: &K) {
        if let Some(tried) = self.who.get_mut(who) {
            tried.over_ms -= self.allowance.every_ms;
        }
    }

    /// Forgets all tries of one who has shown who he is.
    pub fn forget(&mut self, who: &K) {
        self.who.remove(who);
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.who.len() < self.most {
            return;
        }
        self.who.retain(|_, tried| tried.over_ms > now_ms);
        if self.who.len() < self.most {
            return;
        }
        let soonest = self.who.iter().min_by_key(|(_, tried)| tried.over_ms);
        if let Some(who) = soonest.map(|(who, _)| who.clone()) {
            self.who.remove(&who);
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
        assert_eq!(tries.take("a", 0), Err(TooMany { wait_ms: 100, first: true }));
        assert_eq!(tries.take("a", 99), Err(TooMany { wait_ms: 1, first: false }));
        assert_eq!(tries.take("b", 99), Ok(()), "another's tries are another's");
        assert_eq!(tries.take("a", 100), Ok(()));
        assert_eq!(
            tries.take("a", 100),
            Err(TooMany { wait_ms: 100, first: false }),
            "waiting in vain costs nothing and gives nothing"
        );
        assert_eq!([1000; 3].map(|now| tries.take("a", now)), [Ok(()); 3]);
        assert!(tries.take("a", 1000).unwrap_err().first, "all of it was forgotten in between");
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
                prop_assert!(tries.who.len() <= 8);
                for taken in taken.values() {
                    prop_assert!(*taken <= 3 + now_ms / 100);
                }
            }
        }
    }
}
