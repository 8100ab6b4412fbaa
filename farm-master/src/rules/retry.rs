//! When a message to a webhook is tried again.
//!
//! Any answer 2xx is received. What may pass (408, 425, 429, any 5xx, no answer at all) is tried
//! again, [`ATTEMPTS`] times at most over about a day, each wait longer than the one before and up
//! to a fifth longer or shorter by chance; any other answer fails at once, for the same message
//! would meet the same answer.

use std::time::Duration;

/// Most attempts.
pub const ATTEMPTS: u32 = 12;
/// The waits between them, in units of the first. With five seconds for that they add up to 23.7
/// hours.
const WAITS: [u32; ATTEMPTS as usize - 1] = [1, 3, 12, 36, 120, 360, 720, 1440, 2880, 5760, 5760];
/// The longest that a receiver can have a message wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What an attempt met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// An answer, and for how long it asked not to be tried again.
    Status(u16, Option<Duration>),
    /// No answer: it broke off, or took too long.
    Nothing,
    /// The address may not be sent to.
    Forbidden,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It was received.
    Delivered,
    /// It is tried again after this time.
    Again(Duration),
    /// It is not tried again.
    Failed,
}

/// What follows the attempt with this number, counted from 1. `chance` is anything from 0 to 1.
pub fn next(attempt: u32, met: &Met, first_wait: Duration, chance: f64) -> Next {
    let asked = match *met {
        Met::Status(200..=299, _) => return Next::Delivered,
        Met::Status(408 | 425 | 429 | 500..=599, after) => after.unwrap_or_default(),
        Met::Nothing => Duration::ZERO,
        Met::Status(..) | Met::Forbidden => return Next::Failed,
    };
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(wait) = WAITS.get(place) else { return Next::Failed };
    let jitter = 0.8 + 0.4 * chance.clamp(0.0, 1.0);
    Next::Again((first_wait * *wait).mul_f64(jitter).max(asked.min(RETRY_AFTER_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(5);

    #[test]
    fn what_may_pass_is_tried_for_a_day_and_no_longer() {
        for met in [Met::Nothing, Met::Status(503, None), Met::Status(429, None)] {
            let mut sum = Duration::ZERO;
            for attempt in 1..ATTEMPTS {
                let Next::Again(wait) = next(attempt, &met, FIRST, 0.5) else { panic!("{met:?}") };
                sum += wait;
            }
            assert!((23..25).contains(&(sum.as_secs() / 3600)), "{sum:?}");
            assert_eq!(next(ATTEMPTS, &met, FIRST, 0.5), Next::Failed);
        }
    }

    #[test]
    fn an_answer_decides() {
        for (status, expected) in [
            (200, Next::Delivered),
            (299, Next::Delivered),
            (301, Next::Failed),
            (400, Next::Failed),
            (404, Next::Failed),
            (410, Next::Failed),
        ] {
            assert_eq!(next(1, &Met::Status(status, None), FIRST, 0.0), expected, "{status}");
        }
        assert_eq!(next(1, &Met::Forbidden, FIRST, 0.0), Next::Failed);
        for status in [408, 425, 429, 500, 599] {
            let again = next(1, &Met::Status(status, None), FIRST, 0.5);
            assert_eq!(again, Next::Again(FIRST), "{status}");
        }
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_and_not_for_ever() {
        let asks = |seconds| Met::Status(429, Some(Duration::from_secs(seconds)));
        let wait = |met: &Met| next(1, met, FIRST, 0.5);
        assert_eq!(wait(&asks(60)), Next::Again(Duration::from_secs(60)));
        assert_eq!(wait(&asks(1)), Next::Again(FIRST), "and not for less");
        assert_eq!(wait(&asks(u64::MAX)), Next::Again(RETRY_AFTER_MAX));
    }

    #[test]
    fn chance_spreads_waits_by_a_fifth() {
        let wait = |chance| next(1, &Met::Nothing, FIRST, chance);
        assert_eq!(wait(0.0), Next::Again(Duration::from_secs(4)));
        assert_eq!(wait(1.0), Next::Again(Duration::from_secs(6)));
    }
}
