//! What stops a rendering: for good, or until its machine is free again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a rendering that is held up looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Handed to a [`super::Backend`], which asks it between two pieces of work.
#[derive(Debug, Clone, Default)]
pub struct Brake {
    cancelled: Arc<AtomicBool>,
    /// Shared by all renderings of a machine.
    held: Arc<AtomicBool>,
}

impl Brake {
    /// One that holds while `held` is set.
    pub fn of(held: Arc<AtomicBool>) -> Self {
        Self { cancelled: Arc::default(), held }
    }

    /// Nobody wants the result any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants the result any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Returns once the rendering may go on, with whether it should.
    pub fn may_go_on(&self) -> bool {
        while self.held.load(Ordering::Relaxed) && !self.is_cancelled() {
            std::thread::park_timeout(LOOK_EVERY);
        }
        !self.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_it_is_let_go_or_cancelled() {
        let held = Arc::new(AtomicBool::new(true));
        let (one, other) = (Brake::of(held.clone()), Brake::of(held.clone()));
        let waits = |brake: Brake| std::thread::spawn(move || brake.may_go_on());
        let (cancelled, goes_on) = (waits(one.clone()), waits(other));
        one.cancel();
        assert!(!cancelled.join().unwrap());
        assert!(!goes_on.is_finished());
        held.store(false, Ordering::Relaxed);
        assert!(goes_on.join().unwrap());
        assert!(!one.may_go_on());
    }
}
