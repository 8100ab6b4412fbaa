//! Room for connections. When somebody comes and there is no more, the one that has asked for nothing for the
//! longest time goes: whoever opens connections to let them lie, or sends a request a byte a minute, cannot keep
//! others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How often somebody who waits for room looks for a connection that could go.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone)]
pub(super) struct Room(Arc<Shared>);

struct Shared {
    places: Arc<Semaphore>,
    size: u32,
    /// A connection may be quiet for so long without fear: its request is on the way.
    grace: Duration,
    quiet: Mutex<Quiet>,
}

/// Connections that nobody waits for an answer on.
#[derive(Default)]
struct Quiet {
    next: u64,
    /// The one that has been quiet for the longest time comes first.
    since: BTreeMap<u64, (Instant, CancellationToken)>,
}

impl Room {
    pub(super) fn new(size: u32, grace: Duration) -> Self {
        let places = Arc::new(Semaphore::new(size as usize));
        Self(Arc::new(Shared { places, size, grace, quiet: Mutex::default() }))
    }

    /// A place, once there is one.
    pub(super) async fn place(&self) -> Place {
        let places = &self.0.places;
        let permit = loop {
            if let Ok(permit) = places.clone().try_acquire_owned() {
                break permit;
            }
            self.ask_the_quietest_to_leave();
            let wait = tokio::time::timeout(LOOK_AGAIN, places.clone().acquire_owned()).await;
            if let Ok(permit) = wait {
                break permit.expect("it is never closed");
            }
        };
        Place { room: self.0.clone(), leave: CancellationToken::new(), _permit: permit }
    }

    /// Returns once nobody is there any more.
    pub(super) async fn empty(&self) {
        let _ = self.0.places.acquire_many(self.0.size).await;
    }

    fn ask_the_quietest_to_leave(&self) {
        let mut quiet = self.0.lock();
        let Some(quietest) = quiet.since.first_entry() else { return };
        if quietest.get().0.elapsed() >= self.0.grace {
            let (_, leave) = quietest.remove();
            leave.cancel();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place.
pub(super) struct Place {
    room: Arc<Shared>,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Cancelled when the connection has to make room.
    pub(super) fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }

    /// From now on nobody waits on this connection, until what is returned is dropped.
    pub(super) fn quiet(&self) -> QuietNow {
        let mut quiet = self.room.lock();
        let ticket = quiet.next;
        quiet.next += 1;
        quiet.since.insert(ticket, (Instant::now(), self.leave.clone()));
        QuietNow { room: self.room.clone(), ticket }
    }
}

/// See [`Place::quiet`].
pub(super) struct QuietNow {
    room: Arc<Shared>,
    ticket: u64,
}

impl Drop for QuietNow {
    fn drop(&mut self) {
        self.room.lock().since.remove(&self.ticket);
    }
}
