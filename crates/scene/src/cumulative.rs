//! Choosing from weights by their running sum, in integers: what is close in the random number
//! stays close in the choice, so that evenly spread numbers make an evenly spread choice.

/// Choices are made by numbers below this.
pub(crate) const ONE: u32 = 1 << 24;

/// How many of the [`ONE`] numbers choose each weight; `None` where no weight is positive.
///
/// A positive weight, however small, has at least one number, and a weight of 0 has none: what is
/// chosen with these numbers is divided by them, so the rounding biases nothing. Weights are
/// finite and not negative, and far fewer than [`ONE`].
pub(crate) fn shares(weights: &[f64]) -> Option<Vec<u32>> {
    let heaviest = (0..weights.len()).reduce(|m, i| if weights[i] > weights[m] { i } else { m })?;
    let most = weights[heaviest];
    if most <= 0.0 {
        return None;
    }
    // Divided by the heaviest first, so that the sum can't overflow.
    let total = weights.iter().fold(0.0, |sum, w| sum + w / most);
    let mut shares: Vec<u32> = weights
        .iter()
        .map(|&w| {
            let exact = w / most / total * f64::from(ONE);
            if w > 0.0 { (exact.floor() as u32).max(1) } else { 0 }
        })
        .collect();
    let others = shares.iter().sum::<u32>() - shares[heaviest];
    shares[heaviest] = ONE - others;
    Some(shares)
}

/// Where each share starts: the sum of those before it.
pub(crate) fn starts(shares: &[u32]) -> impl Iterator<Item = u32> {
    shares.iter().scan(0, |sum, n| {
        let start = *sum;
        *sum += n;
        Some(start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_are_whole_and_follow_the_weights(
            weights in proptest::collection::vec(
                prop_oneof![Just(0.0), 0.0..1.0, 1e-300..1e-290f64, 1e10..1e12f64], 1..600)
        ) {
            let total: f64 = weights.iter().sum();
            let Some(shares) = shares(&weights) else {
                prop_assert!(weights.iter().all(|&w| w == 0.0));
                return Ok(());
            };
            prop_assert_eq!(shares.iter().map(|&n| u64::from(n)).sum::<u64>(), u64::from(ONE));
            for (&share, &weight) in shares.iter().zip(&weights) {
                prop_assert_eq!(share == 0, weight == 0.0);
                let exact = weight / total * f64::from(ONE);
                prop_assert!((f64::from(share) - exact).abs() <= weights.len() as f64 + 1.0);
            }
        }
    }

    #[test]
    fn starts_are_running_sums() {
        assert_eq!(starts(&[3, 0, 5]).collect::<Vec<_>>(), [0, 3, 3]);
        assert_eq!(shares(&[0.0, 0.0]), None);
    }
}
