//! Uploads that nobody needs any more are removed: no job that goes on is made of them, and the last one that
//! was has ended long ago. Whoever wants such a file again sends it again.

use super::App;
use crate::auth::TokenId;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::BlobHash;

/// How often to look: uploads are kept for days.
const LOOK_EVERY: Duration = Duration::from_secs(600);

impl App {
    /// Removes what nobody needs, again and again until the master stops.
    pub(crate) async fn collect_uploads(self: Arc<Self>) {
        loop {
            if let Err(refusal) = self.collect_now().await {
                tracing::warn!(?refusal, "could not remove old uploads; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    async fn collect_now(self: &Arc<Self>) -> Result<(), Refusal> {
        let keep_ms = i64::try_from(self.config.keep_uploads.as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.clock.now_ms().saturating_sub(keep_ms);
        loop {
            // One by one, so that nobody who uploads waits for long.
            let _alone = self.entering.write().await;
            // First its entry: a file without one is swept up at the next start, an entry without its file
            // would be a job that cannot be rendered.
            let Some(blob) = self.store.forget_upload(until_ms).await? else { return Ok(()) };
            let removed = self.blocking(move |app| app.blobs.remove(Key::Upload(blob))).await;
            removed.map_err(Refusal::internal)??;
            tracing::info!(%blob, "an upload that nobody needs is removed");
        }
    }

    /// Enters an upload whose file is durable.
    pub(crate) async fn enter_upload(
        self: &Arc<Self>,
        blob: BlobHash,
        bytes: u64,
        owner: TokenId,
    ) -> Result<bool, Refusal> {
        let _beside = self.entering.read().await;
        // Not if the same file was just removed, that somebody else had sent long ago.
        if !matches!(tokio::fs::try_exists(self.blobs.path(Key::Upload(blob))).await, Ok(true)) {
            return Err(Refusal::new(
                Code::UploadMissing,
                format!("File {blob} was removed the moment it came; send it again."),
            ));
        }
        Ok(self.store.add_blob(blob, bytes, owner, self.clock.now_ms()).await?)
    }
}
