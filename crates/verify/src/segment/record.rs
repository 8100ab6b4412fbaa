//! What a worker's record means: how many of its segments are compared in picture, and from when on it
//! gets no more.
//!
//! A comparison of pictures errs now and then, so one rejection decides nothing. They are added up as in
//! Page's cumulative sum test (Biometrika 41, 1954): each rejection speaks against the worker, each
//! comparison that passes speaks for it, and the sum never falls below nothing. The weights fit an honest
//! worker of whom one comparison in ten is rejected, and a cheat of whom one in three is: the first
//! drifts down, the second up. `bench segments` prints what both come to.

/// What is known of a worker's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Segments of its that were published.
    pub segments: u64,
    /// Segments that it did not bring, or brought wrong.
    pub failures: u64,
    /// Comparisons that passed.
    pub audits_passed: u64,
    /// Comparisons that rejected.
    pub audits_rejected: u64,
    /// Comparisons that passed since the last that rejected, or since ever.
    pub passed_since_rejection: u64,
    /// How much speaks against it.
    pub suspicion: u64,
}

/// Comparisons that a worker has to pass in a row before it counts as proven, and before a
/// rejection is past.
pub const PROVEN: u64 = 100;

/// What a rejection adds to the suspicion.
pub const REJECTED_WEIGHS: u64 = 4;
/// What a comparison that passes takes from it.
pub const PASSED_WEIGHS: u64 = 1;
/// From this suspicion on a worker gets no more sessions.
pub const BARRED: u64 = 36;

/// The record after one more comparison.
#[must_use]
pub fn compared(record: Record, rejected: bool) -> Record {
    if rejected {
        return Record {
            audits_rejected: record.audits_rejected.saturating_add(1),
            passed_since_rejection: 0,
            suspicion: record.suspicion.saturating_add(REJECTED_WEIGHS),
            ..record
        };
    }
    Record {
        audits_passed: record.audits_passed.saturating_add(1),
        passed_since_rejection: record.passed_since_rejection.saturating_add(1),
        // What is barred stays so: a person looks at it.
        suspicion: match is_barred(&record) {
            true => record.suspicion,
            false => record.suspicion.saturating_sub(PASSED_WEIGHS),
        },
        ..record
    }
}

/// Whether a worker gets no more sessions.
pub fn is_barred(record: &Record) -> bool {
    record.suspicion >= BARRED
}

/// Percent of the worker's segments to compare: 10 for a proven worker, 20 for a new one, and all of
/// them after a rejection until it has passed [`PROVEN`] comparisons again.
pub fn audit_percent(record: &Record) -> u8 {
    match (record.audits_rejected, record.passed_since_rejection) {
        (_, PROVEN..) => 10,
        (0, _) => 20,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_workers_are_compared_more_and_rejected_ones_always() {
        let of = |passed, rejected, since| {
            audit_percent(&Record {
                audits_passed: passed,
                audits_rejected: rejected,
                passed_since_rejection: since,
                ..Record::default()
            })
        };
        assert_eq!(of(0, 0, 0), 20);
        assert_eq!(of(99, 0, 99), 20);
        assert_eq!(of(100, 0, 100), 10);
        assert_eq!(of(100, 1, 0), 100);
        assert_eq!(of(199, 1, 99), 100);
        assert_eq!(of(200, 1, 100), 10);
    }

    /// Comparisons until a worker is barred of whom one in `every` is rejected, if it ever is.
    fn barred_after(every: u64) -> Option<u64> {
        let mut record = Record::default();
        (1u64..10_000).find(|n| {
            record = compared(record, n.is_multiple_of(every));
            is_barred(&record)
        })
    }

    #[test]
    fn an_honest_worker_is_never_barred_and_a_cheat_soon() {
        assert_eq!(barred_after(1), Some(9));
        assert_eq!(barred_after(2), Some(24));
        assert_eq!(barred_after(3), Some(51));
        assert_eq!(barred_after(5), None);
        assert_eq!(barred_after(25), None);
    }

    #[test]
    fn chance_seldom_bars_an_honest_worker_and_never_frees_a_barred_one() {
        // One comparison in ten is rejected, at random, in 100 lives of 10,000 comparisons each.
        let mut random = 1u64;
        let mut barred = 0;
        for _ in 0..100 {
            let mut record = Record::default();
            for _ in 0..10_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                record = compared(record, (random >> 33).is_multiple_of(10));
            }
            barred += u64::from(is_barred(&record));
        }
        assert!(barred <= 5, "{barred}");
        let guilty = Record { suspicion: BARRED, ..Record::default() };
        assert!(is_barred(&(0..1000).fold(guilty, |record, _| compared(record, false))));
    }
}
