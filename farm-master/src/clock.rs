//! The program's time: the system's when it starts, then the monotonic clock's, so that it never
//! runs backwards, whatever is done to the system's clock meanwhile.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started_ms: i64,
    started: Instant,
}

impl Clock {
    /// Starts now, or at `latest_ms` where the system's clock is behind what was stored already.
    pub(crate) fn start(latest_ms: i64) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let system_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        Self { started_ms: system_ms.max(latest_ms), started: Instant::now() }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_ms.saturating_add(elapsed)
    }

    /// When the program started.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }
}

/// Seconds since 1970 by the system's clock as it is set now: for those who compare with their own.
pub(crate) fn system_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_what_was_stored() {
        let far_ahead = 1 << 50;
        assert!(Clock::start(far_ahead).now_ms() >= far_ahead);
        assert!(Clock::start(0).now_ms() < far_ahead);
    }
}
