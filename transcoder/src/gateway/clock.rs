//! The gateway's clocks: one that never goes back, and one that people read.

use std::time::{Duration, Instant, SystemTime};
use tessera_live_core::Now;

/// Time since the gateway started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Now {
        self.0.elapsed()
    }

    /// When `at` is, for timers.
    pub(super) fn instant(self, at: Now) -> tokio::time::Instant {
        (self.0 + at).into()
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_millis() as i64
}
