//! Sending what was signed until the master has answered.

use super::journal::{EntryId, JournalError};
use super::session::Session;
use super::{Agent, End, is_final};
use tessera_client::ClientError;
use tracing::{error, info, warn};

impl Agent {
    /// Sends what an earlier run signed and did not get an answer to.
    pub(super) async fn deliver_journal(&mut self, session: &Session) -> Result<(), End> {
        for id in self.journal.entries()? {
            match self.journal.body(id) {
                Ok(body) => {
                    info!("sending the result of lease {} again", id.lease);
                    self.deliver(session, id, body).await?;
                }
                // Written whole or not at all: this is a failing disk or a strange hand. The lease
                // expires and others do its work.
                Err(damaged @ JournalError::Damaged { .. }) => {
                    error!("{damaged}; it is dropped");
                    self.journal.forget(id)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends a journaled result until it is accepted, or refused for good.
    pub(super) async fn deliver(
        &mut self,
        session: &Session,
        id: EntryId,
        body: Vec<u8>,
    ) -> Result<(), End> {
        loop {
            match session.client.submit(id.lease, body.clone()).await {
                Ok(view) => {
                    self.backoff.reset();
                    match view.already_done {
                        0 => info!("lease {}: {} units accepted", id.lease, view.accepted),
                        others => info!(
                            "lease {}: {} units accepted, {others} were done by others already",
                            id.lease, view.accepted
                        ),
                    }
                    break;
                }
                Err(refused) if is_final(&refused) && refused.status() != Some(401) => {
                    warn!("lease {}: the result is refused and dropped: {refused}", id.lease);
                    break;
                }
                Err(error @ ClientError::Unauthorised { .. }) => {
                    warn!("lease {}: {error}", id.lease);
                    return Err(End::JoinAgain);
                }
                Err(error) => self.pause(&format!("sending a result: {error}")).await,
            }
        }
        Ok(self.journal.forget(id)?)
    }
}
