//! Alias tables: choosing from n weights by one cell and one comparison (Vose 1991, "A linear
//! algorithm for generating random numbers with a given distribution").
//!
//! A table's length is a power of two, so that `floor(u × n)` of a 24-bit u chooses each cell
//! with the very same probability, exactly even in f32. Thresholds have 24 bits. What a table
//! *yields* is therefore a ratio of integers, and that ratio, not the weight it was made from, is
//! the probability that estimates divide by.

/// Thresholds are counted in this: one that equals it always passes.
pub(crate) const ONE: u32 = 1 << 24;

/// Most entries: a cell is chosen by 24 bits.
pub(crate) const MOST: usize = 1 << 24;

/// A table over as many entries as there were weights.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alias {
    pub(crate) thresholds: Vec<u32>,
    pub(crate) aliases: Vec<u32>,
    /// The probability of an entry, times n × 2^24: an integer.
    shares: Vec<u64>,
}

impl Alias {
    /// `None` where no weight is positive. Weights are finite and not negative, and their number
    /// is a power of two of at most [`MOST`].
    ///
    /// An entry of weight 0 is never yielded; one of positive weight, however small, is.
    pub(crate) fn new(weights: &[f64]) -> Option<Self> {
        assert!(weights.len().is_power_of_two() && weights.len() <= MOST);
        let heaviest =
            (0..weights.len()).fold(0, |m, i| if weights[i] > weights[m] { i } else { m });
        let most = weights[heaviest];
        if most <= 0.0 {
            return None;
        }
        // Divided by the heaviest first, so that the sum can't overflow.
        let total = weights.iter().fold(0.0, |sum, w| sum + w / most);
        let mean = total / weights.len() as f64;
        let mut shares: Vec<f64> = weights.iter().map(|w| w / most / mean).collect();

        let mut thresholds = vec![ONE; weights.len()];
        let mut aliases: Vec<u32> = (0..weights.len() as u32).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..weights.len() as u32).rev().partition(|&i| shares[i as usize] < 1.0);
        while let (Some(&donor), Some(poor)) = (large.last(), small.pop()) {
            let (d, p) = (donor as usize, poor as usize);
            thresholds[p] = threshold(shares[p], weights[p]);
            aliases[p] = donor;
            shares[d] = (shares[d] + shares[p]) - 1.0;
            if shares[d] < 1.0 {
                large.pop();
                small.push(donor);
            }
        }
        // Rounding may leave entries that nobody gives to. They are whole, or were never there.
        for p in small.into_iter().filter(|&p| weights[p as usize] == 0.0) {
            thresholds[p as usize] = 0;
            aliases[p as usize] = heaviest as u32;
        }
        Some(Self::counted(thresholds, aliases))
    }

    fn counted(thresholds: Vec<u32>, aliases: Vec<u32>) -> Self {
        let mut shares: Vec<u64> = thresholds.iter().map(|&t| u64::from(t)).collect();
        for (&t, &alias) in thresholds.iter().zip(&aliases) {
            shares[alias as usize] += u64::from(ONE - t);
        }
        Self { thresholds, aliases, shares }
    }

    /// The probability with which the table yields entry `i`.
    pub(crate) fn probability(&self, i: usize) -> f32 {
        let outcomes = f64::from(ONE) * self.shares.len() as f64;
        (self.shares[i] as f64 / outcomes) as f32
    }
}

fn threshold(share: f64, weight: f64) -> u32 {
    if weight == 0.0 {
        return 0;
    }
    // At least 1, so that nothing that sheds light is left out.
    ((share * f64::from(ONE)).round() as u32).clamp(1, ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights() -> impl Strategy<Value = Vec<f64>> {
        let weight = prop_oneof![Just(0.0), 0.0..1.0, 1e-30..1e-20f64, 1e10..1e12f64];
        (0u32..8).prop_flat_map(move |log| proptest::collection::vec(weight.clone(), 1 << log))
    }

    proptest! {
        #[test]
        fn a_table_yields_what_its_weights_say(weights in weights()) {
            let Some(table) = Alias::new(&weights) else {
                prop_assert!(weights.iter().all(|&w| w == 0.0));
                return Ok(());
            };
            let n = weights.len() as f64;
            let total: f64 = weights.iter().sum();
            prop_assert_eq!(table.shares.iter().sum::<u64>(), weights.len() as u64 * u64::from(ONE));
            for (i, &weight) in weights.iter().enumerate() {
                let p = f64::from(table.probability(i));
                prop_assert_eq!(weight == 0.0, p == 0.0, "entry {} of weight {} has {}", i, weight, p);
                // Each cell is off by half a step at most, a tiny entry by a whole one, and any
                // number of cells may point here.
                prop_assert!((p - weight / total).abs() < (n + 2.0) / n / f64::from(ONE) + 1e-7 * p);
            }
        }

        #[test]
        fn probabilities_are_counted_over_every_outcome(weights in weights()) {
            let Some(table) = Alias::new(&weights) else { return Ok(()) };
            let mut counts = vec![0u64; weights.len()];
            for (cell, &threshold) in table.thresholds.iter().enumerate() {
                counts[cell] += u64::from(threshold);
                counts[table.aliases[cell] as usize] += u64::from(ONE) - u64::from(threshold);
            }
            for (i, &count) in counts.iter().enumerate() {
                let exact = count as f64 / (weights.len() as f64 * f64::from(ONE));
                prop_assert_eq!(table.probability(i), exact as f32);
            }
        }
    }

    #[test]
    fn equal_weights_have_equal_probabilities() {
        let table = Alias::new(&[3.0; 8]).unwrap();
        assert!((0..8).all(|i| table.probability(i) == 0.125));
    }
}
