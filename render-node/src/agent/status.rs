//! What the node is told of itself, kept where its owner can read it ([`tessera_client::status`]).

use super::Agent;
use super::session::Session;
use std::time::Duration;
use tessera_client::Status;
use tokio::time::Instant;

/// How old it becomes while the node is at work.
pub(super) const EVERY: Duration = Duration::from_secs(10);

impl Agent {
    /// Asks how it stands, if it has not asked for a while, and writes it down. That it could not is no
    /// reason to work less.
    pub(super) async fn note_status(&mut self, session: &Session) {
        if self.status_at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.status_at = Some(Instant::now());
        let told = match tokio::try_join!(session.client.earnings(), session.client.why()) {
            Ok(told) => told,
            Err(error) => {
                return tracing::debug!(%error, "the master does not say how the node stands");
            }
        };
        let (name, master) = (&self.config.name, &self.config.master);
        let status = Status::now(self.key.node(), name, master, told);
        if let Err(error) = status.write(&self.config.state) {
            tracing::debug!(%error, "the status could not be written");
        }
    }
}
