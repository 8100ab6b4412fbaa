//! What remains to be done when a session is over: in its playlists, its recording, at the master.

use super::reports;
use crate::gateway::clock::unix_ms;
use crate::gateway::desk::Desk;
use std::sync::Arc;
use std::time::Duration;
use tessera_client::Backoff;
use tessera_protocol::stream::gateway::SessionEnd;
use tessera_protocol::stream::view::Recording;
use tessera_protocol::{Generation, SessionId};
use tessera_publish::Publisher;

/// Ends a session in its journal and at the master, and finishes its recording.
pub(in crate::gateway) async fn end(
    desk: &Desk,
    session: SessionId,
    publisher: &Arc<Publisher>,
    because: &str,
) {
    let (of, why) = (Arc::clone(publisher), because.to_owned());
    let ended = tokio::task::spawn_blocking(move || of.end(&why, unix_ms())).await;
    if let Ok(Err(error)) = ended {
        tracing::error!(%session, %error, "a session's end could not be kept");
    }
    reports::flush(desk, session, publisher).await;
    tell(desk, session, publisher, because, None).await;
    let of = Arc::clone(publisher);
    match tokio::task::spawn_blocking(move || of.finish_recording()).await {
        Ok(Ok(Some(recording))) => {
            tell(desk, session, publisher, because, Some(recording)).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => {
            tracing::error!(%session, %error, "a recording could not be finished");
            return;
        }
        Err(_) => return,
    }
    // The master knows all there is: after a restart nobody has to see to the session again.
    let of = Arc::clone(publisher);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || of.settle()).await {
        tracing::error!(%session, %error, "a session's end could not be kept");
    }
    desk.forget(session);
}

/// Tells the master, as long as it may listen later.
async fn tell(
    desk: &Desk,
    session: SessionId,
    publisher: &Publisher,
    because: &str,
    recording: Option<Recording>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
    let mut end = SessionEnd { generation: Generation(0), because: because.to_owned(), recording };
    loop {
        end.generation = desk.last_generation(&publisher.spec());
        let Err(error) = desk.client.end_session(session, &end).await else { return };
        if error.is_transient() {
            tokio::time::sleep(backoff.next_wait()).await;
        } else if desk.last_generation(&publisher.spec()) == end.generation {
            // Another gateway has it, or it was ended without us.
            tracing::info!(%session, %error, "the master did not take a session's end");
            return;
        }
    }
}
