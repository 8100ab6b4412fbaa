//! What the master and viewers are told of a session, and how the master answers.

use super::Input;
use crate::gateway::desk::Desk;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_live_core::fence::Fence;
use tessera_protocol::stream::gateway::{SessionBeat, SessionGrant};
use tokio::sync::mpsc;

/// How often the master hears that the session goes on.
const EVERY: Duration = Duration::from_secs(1);
/// Two beats that somebody waits for are at least this far apart.
const LEAST: Duration = Duration::from_millis(150);

/// What the next beat says, and until when something may be published.
pub(super) struct Status {
    beat: Mutex<SessionBeat>,
    fence: Mutex<Fence>,
}

impl Status {
    pub(super) fn new(grant: &SessionGrant, sent: tessera_live_core::Now) -> Self {
        let beat = SessionBeat {
            generation: grant.generation,
            connected: false,
            source: None,
            pixels_per_s: 0,
            health: Vec::new(),
            workers: Vec::new(),
        };
        let fence = Fence::new(Duration::from_millis(grant.lease_ms), sent);
        Self { beat: Mutex::new(beat), fence: Mutex::new(fence) }
    }

    pub(super) fn say(&self, beat: SessionBeat) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = beat;
    }

    pub(super) fn may_publish(&self, desk: &Desk) -> bool {
        self.fence().may_publish(desk.clock.now())
    }

    fn fence(&self) -> std::sync::MutexGuard<'_, Fence> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self) -> SessionBeat {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells the master that the session goes on, until nobody listens to the answers.
pub(super) async fn beat(
    desk: Arc<Desk>,
    grant: Arc<SessionGrant>,
    status: Arc<Status>,
    inputs: mpsc::WeakSender<Input>,
) {
    let mut silent = false;
    loop {
        let sent = desk.clock.now();
        let answer = desk.client.beat(grant.session, &status.beat()).await;
        let Some(inputs) = inputs.upgrade() else { return };
        match answer {
            Ok(view) => {
                if view.alive {
                    status.fence().answered(sent);
                } else {
                    status.fence().close();
                }
                silent = false;
                if inputs.send(Input::Beat(view)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !silent {
                    tracing::warn!(session = %grant.session, %error, "a beat was not answered");
                }
                silent = true;
            }
        }
        drop(inputs);
        tokio::time::sleep(LEAST).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY - LEAST) => {}
            () = desk.poke.notified() => {}
        }
    }
}
