//! A lease in hand: kept alive in the background, and dropped as one thing.

use super::session::Session;
use crate::render::Brake;
use std::sync::Arc;
use tessera_client::NodeClient;
use tessera_protocol::LeaseId;
use tessera_protocol::lease::{GiveBackRequest, LeaseGrant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};
use tracing::warn;

/// A node that is told to stop does not wait longer than this for its master.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(3);

/// A lease that the node works on. While this lives the master hears of it; when it is dropped the
/// rendering for it stops.
pub(super) struct Held {
    grant: Arc<LeaseGrant>,
    client: NodeClient,
    brake: Brake,
    lost: watch::Receiver<bool>,
    heartbeats: JoinHandle<()>,
}

impl Held {
    pub(super) fn new(session: &Session, grant: LeaseGrant, brake: Brake) -> Self {
        let (tell, lost) = watch::channel(false);
        let client = session.client.clone();
        let heartbeats = tokio::spawn(beat(client.clone(), grant.lease, session.heartbeat, tell));
        Self { grant: Arc::new(grant), client, brake, lost, heartbeats }
    }

    pub(super) fn grant(&self) -> &Arc<LeaseGrant> {
        &self.grant
    }

    /// Stops the rendering once nobody wants the result.
    pub(super) fn brake(&self) -> Brake {
        self.brake.clone()
    }

    /// Told when the master says that the lease has ended.
    pub(super) fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }

    /// Ends the lease, so that others get its units at once. `failed` says why they could not be
    /// rendered, if that is the reason. If the master does not hear it, the lease expires.
    pub(super) async fn give_back(self, failed: Option<String>) {
        self.brake.cancel();
        let request = GiveBackRequest {
            failed: failed.map(|reason| reason.chars().take(GiveBackRequest::MAX_REASON).collect()),
        };
        let lease = self.grant.lease;
        match timeout(GIVE_BACK_WITHIN, self.client.give_back(lease, &request)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!("lease {lease} will expire: {error}"),
            Err(_) => warn!("lease {lease} will expire: the master does not answer"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.brake.cancel();
        self.heartbeats.abort();
    }
}

/// Beats until the master says that the lease has ended. A beat that fails is followed by the next:
/// the lease outlasts several of them, and a master that comes back waits for one before it ends
/// anything.
async fn beat(client: NodeClient, lease: LeaseId, every: Duration, tell: watch::Sender<bool>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match client.heartbeat(lease).await {
            Ok(view) if view.alive => {}
            Ok(_) => {
                tell.send_replace(true);
                return;
            }
            Err(error) => warn!("heartbeat of lease {lease}: {error}"),
        }
    }
}
