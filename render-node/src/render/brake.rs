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
    /// Whether a rendering asked since somebody wanted to know. Shared as well.
    asked: Arc<AtomicBool>,
}

impl Brake {
    /// One that holds while `held` is set.
    pub fn of(held: Arc<AtomicBool>) -> Self {
        Self { held, ..Self::default() }
    }

    /// One for another rendering of the same machine.
    pub fn another(&self) -> Self {
        Self { cancelled: Arc::default(), ..self.clone() }
    }

    /// Has all renderings of the machine stand still, or go on.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Whether they stand still.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether a rendering of the machine has asked since this was called last: then it goes on, or stands still.
    pub fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
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
        self.note_that_it_asked();
        while self.is_held() && !self.is_cancelled() {
            std::thread::park_timeout(LOOK_EVERY);
            self.note_that_it_asked();
        }
        !self.is_cancelled()
    }

    fn note_that_it_asked(&self) {
        // Many threads ask all the time: only the first of them writes.
        if !self.asked.load(Ordering::Relaxed) {
            self.asked.store(true, Ordering::Relaxed);
        }
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

    #[test]
    fn another_one_is_held_with_it_and_cancelled_alone() {
        let one = Brake::default();
        let other = one.another();
        assert!(!one.was_asked());
        assert!(other.may_go_on());
        assert!(one.was_asked() && !one.was_asked() && !other.was_asked(), "told once");
        one.cancel();
        one.hold(true);
        assert!(other.is_held() && !other.is_cancelled());
    }
}
