//! Joining a master, as often as it takes.

use super::{Agent, AgentError, is_final, ready};
use std::time::Duration;
use tessera_client::NodeClient;
use tessera_protocol::MasterId;
use tessera_protocol::node::DeviceClass;
use tracing::info;

/// Heartbeats come no faster and no slower than this, whatever the master says.
const HEARTBEAT_LIMITS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(60));

/// What a join opened.
pub(super) struct Session {
    pub(super) client: NodeClient,
    /// Whose promises count.
    pub(super) master: MasterId,
    /// How often a leaseholder says it is alive.
    pub(super) heartbeat: Duration,
}

impl Agent {
    /// Joins; waits for a master that is away, and fails when it says no.
    pub(super) async fn join(&mut self) -> Result<Session, AgentError> {
        loop {
            let joining =
                self.enrolment.join(&self.key, &self.config.name, &self.config.device).await;
            match joining {
                Ok((view, client)) => {
                    let class = match view.class {
                        DeviceClass::Exact => "exact",
                        DeviceClass::Tolerant => {
                            "tolerant: its hashes differ, it gets tolerant jobs only"
                        }
                    };
                    info!(
                        "joined {} as {} ({}), {class}",
                        self.config.master,
                        self.config.name,
                        self.key.node()
                    );
                    ready::say(&self.config);
                    let (least, most) = HEARTBEAT_LIMITS;
                    let heartbeat = Duration::from_millis(view.heartbeat_ms).clamp(least, most);
                    return Ok(Session { client, master: view.master, heartbeat });
                }
                Err(error) if is_final(&error) => return Err(AgentError::Refused(error)),
                Err(error) => self.pause(&format!("joining: {error}")).await,
            }
        }
    }
}
