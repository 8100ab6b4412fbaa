//! How long something took, many times over.

use std::time::Duration;

/// The median and the 95th and 99th hundredth of some times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// As many are below as above.
    pub median: Duration,
    /// 95 in 100 are no longer.
    pub p95: Duration,
    /// 99 in 100 are no longer.
    pub p99: Duration,
}

impl Spread {
    /// Of `times`, by nearest rank; `None` of none.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        let rank = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied()
        };
        Some(Self { median: rank(50)?, p95: rank(95)?, p99: rank(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let ms = Duration::from_millis;
        let spread = Spread::of((1..=100).rev().map(ms)).unwrap();
        assert_eq!(spread, Spread { median: ms(50), p95: ms(95), p99: ms(99) });
        assert_eq!(Spread::of([ms(7)]).unwrap().p99, ms(7));
        assert_eq!(Spread::of([]), None);
    }
}
