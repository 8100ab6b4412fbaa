//! When a gateway must stop publishing.
//!
//! A gateway's lease of a session is counted from when it *sent* the last beat that was answered,
//! the master's from when it *heard* it. Sending precedes hearing, so a gateway that is cut off has
//! stopped before the master may let another begin.

use crate::Now;
use std::time::Duration;

/// The lease of one session.
#[derive(Debug, Clone)]
pub struct Fence {
    lease: Duration,
    sent: Now,
    closed: bool,
}

impl Fence {
    /// The lease of a grant that was asked for at `sent`.
    pub fn new(lease: Duration, sent: Now) -> Self {
        Self { lease, sent, closed: false }
    }

    /// A beat that was sent at `sent` was answered "alive". Answers may come out of order.
    pub fn answered(&mut self, sent: Now) {
        self.sent = self.sent.max(sent);
    }

    /// The master said that the session is no longer this gateway's: for good.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// When the lease ends unless another beat is answered.
    pub fn deadline(&self) -> Now {
        self.sent.saturating_add(self.lease)
    }

    /// Whether something may be published at `now`.
    pub fn may_publish(&self, now: Now) -> bool {
        !self.closed && now < self.deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEASE: Duration = Duration::from_secs(6);

    #[test]
    fn a_lease_ends_counted_from_the_sending() {
        let mut fence = Fence::new(LEASE, Duration::from_secs(1));
        assert!(fence.may_publish(Duration::from_millis(6_999)));
        assert!(!fence.may_publish(Duration::from_secs(7)));
        fence.answered(Duration::from_secs(4));
        assert!(fence.may_publish(Duration::from_millis(9_999)));
        // An older beat's answer that comes late shortens nothing.
        fence.answered(Duration::from_secs(2));
        assert_eq!(fence.deadline(), Duration::from_secs(10));
    }

    #[test]
    fn a_closed_lease_stays_closed() {
        let mut fence = Fence::new(LEASE, Duration::ZERO);
        fence.close();
        fence.answered(Duration::from_secs(1));
        assert!(!fence.may_publish(Duration::from_secs(1)));
    }

    proptest! {
        /// Whatever beats are lost or delayed, the gateway has stopped when the master's own
        /// count, from when it heard the last beat, has run out.
        #[test]
        fn two_gateways_never_publish_at_once(
            beats in proptest::collection::vec((0_u64..2_000, 0_u64..3_000, any::<bool>()), 0..30),
            after in 0_u64..10_000,
        ) {
            let mut fence = Fence::new(LEASE, Duration::ZERO);
            let (mut at, mut heard) = (Duration::ZERO, Duration::ZERO);
            for (pause, delay, answer_arrives) in beats {
                at += Duration::from_millis(pause);
                let arrived = at + Duration::from_millis(delay);
                // The master answers "alive" only within its own lease.
                if arrived >= heard + LEASE {
                    break;
                }
                heard = heard.max(arrived);
                if answer_arrives {
                    fence.answered(at);
                }
            }
            let taken_over = heard + LEASE + Duration::from_millis(after);
            prop_assert!(!fence.may_publish(taken_over));
        }
    }
}
