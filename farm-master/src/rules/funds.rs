//! Whether a stream's deposit pays for workers.
//!
//! A worker is given only where a whole minute of it is there, and keeps its session until less than a
//! quarter is: what comes between losing it and hearing of that is paid, and a deposit that is nearly
//! used up does not give and take a worker every second.

use tessera_protocol::money::stream_ceiling;
use tessera_protocol::{Amount, PixelPrice};

/// Seconds of work that have to be paid for before a worker is given.
const TO_BEGIN_S: u64 = 60;
/// Seconds of it that have to be left for a worker to go on.
const TO_GO_ON_S: u64 = 15;
/// A deposit, a job's too, is of no use so long before its owner can take it back: what was verified out
/// of it is paid by then.
pub const EXPIRES_BEFORE_MS: i64 = 24 * 3600 * 1000;

/// So long before a stream's deposit pays nobody any more its owner is told: adding to it does not make it
/// stand longer, so there is a stream to be made anew, and an encoder to be given another key.
const TOLD_BEFORE_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// How long a deposit pays workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// For longer than anybody has to hear of.
    Long,
    /// For so many days more, and a part of one.
    Ends {
        /// Whole days.
        days: i64,
    },
    /// No more, however much is left of it.
    Over,
}

/// How long a deposit pays workers that its owner can take back at this time.
pub fn term(stands_until_ms: i64, now_ms: i64) -> Term {
    match stands_until_ms.saturating_sub(EXPIRES_BEFORE_MS).saturating_sub(now_ms) {
        ..=0 => Term::Over,
        left_ms @ ..=TOLD_BEFORE_MS => Term::Ends { days: left_ms / DAY_MS },
        _ => Term::Long,
    }
}

/// Whether there is enough to give a session to a worker.
pub fn can_begin(left: Amount, pixels_per_s: u64, price: PixelPrice) -> bool {
    lasts(left, pixels_per_s, price, TO_BEGIN_S)
}

/// Whether there is enough for a worker to keep it.
pub fn can_go_on(left: Amount, pixels_per_s: u64, price: PixelPrice) -> bool {
    lasts(left, pixels_per_s, price, TO_GO_ON_S)
}

fn lasts(left: Amount, pixels_per_s: u64, price: PixelPrice, seconds: u64) -> bool {
    let cost = stream_ceiling(pixels_per_s.saturating_mul(seconds), price);
    cost.is_some_and(|cost| cost <= left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_ends_a_day_before_it_can_be_taken_back_and_that_is_told_for_thirty_days() {
        let until_ms = 1_900_000_000_000;
        let end_ms = until_ms - DAY_MS;
        for (now_ms, found) in [
            (0, Term::Long),
            (end_ms - 30 * DAY_MS - 1, Term::Long),
            (end_ms - 30 * DAY_MS, Term::Ends { days: 30 }),
            (end_ms - 30 * DAY_MS + 1, Term::Ends { days: 29 }),
            (end_ms - DAY_MS + 1, Term::Ends { days: 0 }),
            (end_ms - 1, Term::Ends { days: 0 }),
            (end_ms, Term::Over),
            (until_ms, Term::Over),
            (i64::MAX, Term::Over),
        ] {
            assert_eq!(term(until_ms, now_ms), found, "at {now_ms}");
        }
        assert_eq!(term(i64::MIN, 0), Term::Over);
    }

    #[test]
    fn a_worker_begins_with_a_minute_paid_and_goes_on_with_a_quarter() {
        // One base unit a second.
        let (speed, price) = (1_000_000, PixelPrice(1_000_000));
        for (left, begins, goes_on) in
            [(60, true, true), (59, false, true), (15, false, true), (14, false, false)]
        {
            assert_eq!(can_begin(Amount(left), speed, price), begins, "{left}");
            assert_eq!(can_go_on(Amount(left), speed, price), goes_on, "{left}");
        }
        assert!(!can_begin(Amount::MAX, u64::MAX, PixelPrice(u64::MAX)), "no sum has room for it");
    }
}
