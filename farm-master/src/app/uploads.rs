//! Uploads that go on after a broken connection: whose they are, who writes one, when one is whole.

use super::App;
use crate::auth::TokenId;
use crate::blobs::{Ended, Partial};
use crate::problem::{Code, Refusal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_protocol::job::UploadView;
use tessera_protocol::{AccountId, BlobHash, UploadId};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Unfinished uploads of one owner, at most.
const UNFINISHED: usize = 64;
/// An upload that did not get on for so long is forgotten, with its bytes.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Who writes which upload. The newest connection counts: the one before it may be dead without the
/// master having noticed.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<UploadId, Slot>>);

struct Slot {
    /// Cancelled when the next one wants it.
    over: CancellationToken,
    alone: Arc<tokio::sync::Mutex<()>>,
}

/// Nobody else writes the upload while this is held.
pub(crate) struct Turn {
    /// Cancelled when somebody else wants it.
    pub(crate) over: CancellationToken,
    _alone: OwnedMutexGuard<()>,
}

impl Turns {
    /// Takes an upload away from whoever has it, and waits until they have let go.
    pub(crate) async fn take(&self, id: UploadId) -> Turn {
        let (over, alone) = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| Arc::strong_count(&slot.alone) > 1);
            let slot = slots
                .entry(id)
                .or_insert_with(|| Slot { over: CancellationToken::new(), alone: Arc::default() });
            std::mem::replace(&mut slot.over, CancellationToken::new()).cancel();
            (slot.over.clone(), slot.alone.clone())
        };
        Turn { over, _alone: alone.lock_owned().await }
    }
}

impl App {
    /// Takes up an upload, or goes on with the same owner's unfinished one of the same bytes. Says how
    /// many bytes are here already.
    pub(crate) async fn begin_upload(
        self: &Arc<Self>,
        owner: TokenId,
        bytes: u64,
        announced: Option<BlobHash>,
    ) -> Result<(UploadId, u64), Refusal> {
        let all = self.fresh_uploads().await?;
        let known = match announced {
            Some(blob) => {
                let known = self.store.use_blob(blob, Some(owner), self.clock.now_ms()).await?;
                known.filter(|known| *known == bytes)
            }
            None => None,
        };
        let owner = AccountId(owner.0);
        let own = || all.iter().filter(|(_, of)| of.owner == owner);
        let same = |of: &Partial| announced.is_some() && of.announced == announced;
        if let Some((id, of)) = own().find(|(_, of)| same(of) && of.bytes == bytes) {
            return Ok((*id, of.durable));
        }
        if own().filter(|(_, of)| of.blob.is_none()).count() >= UNFINISHED {
            return Err(Refusal::new(
                Code::TooManyUploads,
                format!(
                    "{UNFINISHED} of your uploads are unfinished: end them, delete some, or wait a day."
                ),
            ));
        }
        let mut id = UploadId([0; 16]);
        getrandom::fill(&mut id.0).map_err(Refusal::internal)?;
        let touched_ms = self.clock.now_ms();
        // What this owner has here already is whole from the start.
        let blob = announced.filter(|_| known.is_some());
        let durable = known.unwrap_or(0);
        let partial = Partial { owner, bytes, durable, announced, touched_ms, blob };
        self.blocking(move |app| app.blobs.begin_partial(id, &partial))
            .await
            .map_err(Refusal::internal)??;
        Ok((id, durable))
    }

    /// An upload, if whoever asks may see it.
    pub(crate) async fn known_upload(
        self: &Arc<Self>,
        id: UploadId,
        may_see: impl Fn(TokenId) -> bool,
    ) -> Result<Partial, Refusal> {
        let found = self.blocking(move |app| app.blobs.partial(id)).await;
        let found = found.map_err(Refusal::internal)??;
        found.filter(|of| may_see(TokenId(of.owner.0))).ok_or_else(|| {
            Refusal::new(Code::UploadNotFound, "There is no such upload, or it was forgotten.")
        })
    }

    /// Gives a whole upload the name of its hash, and enters it.
    pub(crate) async fn end_upload(
        self: &Arc<Self>,
        id: UploadId,
        partial: Partial,
    ) -> Result<UploadView, Refusal> {
        let (bytes, owner) = (partial.bytes, TokenId(partial.owner.0));
        let ended = self.blocking(move |app| app.blobs.end_partial(id, partial)).await;
        match ended.map_err(Refusal::internal)?? {
            Ended::Whole(blob) => {
                let known = self.enter_upload(blob, bytes, owner).await?;
                Ok(UploadView { blob, bytes, known })
            }
            Ended::Differs { found } => Err(Refusal::new(
                Code::UploadDiffers,
                format!("The bytes have the hash {found}, not the announced one; send them anew."),
            )),
        }
    }

    /// Forgets an upload, whoever writes it.
    pub(crate) async fn forget_upload(self: &Arc<Self>, id: UploadId) -> Result<(), Refusal> {
        let _turn = self.turns.take(id).await;
        let forgotten = self.blocking(move |app| app.blobs.forget_partial(id)).await;
        Ok(forgotten.map_err(Refusal::internal)??)
    }

    /// All uploads but those that did not get on for a day, which are forgotten.
    async fn fresh_uploads(self: &Arc<Self>) -> Result<Vec<(UploadId, Partial)>, Refusal> {
        let kept_ms = i64::try_from(FORGOTTEN_AFTER.as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.clock.now_ms().saturating_sub(kept_ms);
        let all = self.blocking(|app| app.blobs.partials()).await.map_err(Refusal::internal)??;
        let (stale, fresh): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, of)| of.touched_ms < until_ms);
        for (id, _) in stale {
            self.forget_upload(id).await?;
        }
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_later_gets_the_upload() {
        let turns = Turns::default();
        let (one, other) = (UploadId([1; 16]), UploadId([2; 16]));
        let first = turns.take(one).await;
        let beside = turns.take(other).await;
        assert!(!first.over.is_cancelled());
        let mut second = Box::pin(turns.take(one));
        assert!(futures::poll!(&mut second).is_pending(), "the first still writes");
        assert!(first.over.is_cancelled() && !beside.over.is_cancelled());
        drop(first);
        let second = second.await;
        assert!(!second.over.is_cancelled());
        drop((second, beside));
        let _third = turns.take(one).await;
        assert_eq!(turns.0.lock().unwrap().len(), 1, "what nobody holds is forgotten");
    }
}
