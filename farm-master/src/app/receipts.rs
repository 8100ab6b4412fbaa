//! Receipts: what the master says of results, for whoever may know.

use super::App;
use crate::auth::Artist;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use crate::store::StoredResult;
use crate::store::proof::Audited;
use crate::sums::Sums;
use std::sync::Arc;
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::receipt::{Receipt, ReceiptPage};
use tessera_protocol::submit::{self, SubmitHeader};
use tessera_protocol::terms::Promise;
use tessera_protocol::{BlobHash, JobId, LeaseId, NodeId};

impl App {
    /// One page of a job's receipts. The cursor is the last lease's generation.
    pub(crate) async fn receipts(
        self: &Arc<Self>,
        artist: &Artist,
        job: JobId,
        cursor: Option<u64>,
        limit: u32,
    ) -> Result<ReceiptPage, Refusal> {
        self.job(artist, job).await?;
        let mut audited = self.store.audited(job, cursor.unwrap_or(0), limit + 1).await?;
        let more = audited.len() > limit as usize;
        audited.truncate(limit as usize);
        let last = audited.last().map(|audited| audited.generation.0.to_string());
        let write = move |app: &Self| {
            audited.into_iter().filter_map(|audited| app.write_receipt(audited)).collect()
        };
        let data = self.blocking(write).await.map_err(Refusal::internal)?;
        Ok(ReceiptPage { data, next_cursor: last.filter(|_| more) })
    }

    /// The receipt of one lease, for the job's owner.
    pub(crate) async fn receipt(
        self: &Arc<Self>,
        artist: &Artist,
        lease: LeaseId,
    ) -> Result<Receipt, Refusal> {
        let audited = self.store.audited_lease(lease).await?.ok_or_else(|| no_receipt(lease))?;
        self.job(artist, audited.result.job).await.map_err(|_| no_receipt(lease))?;
        self.one_receipt(audited).await
    }

    /// The receipt of one lease, for the node that held it.
    pub(crate) async fn own_receipt(
        self: &Arc<Self>,
        node: NodeId,
        lease: LeaseId,
    ) -> Result<Receipt, Refusal> {
        let audited = self.store.audited_lease(lease).await?;
        let own = audited.filter(|audited| audited.node == node);
        self.one_receipt(own.ok_or_else(|| no_receipt(lease))?).await
    }

    /// The sums that a lease brought, for the job's owner, once they were audited.
    pub(crate) async fn result_of(
        self: &Arc<Self>,
        artist: &Artist,
        lease: LeaseId,
    ) -> Result<Sums, Refusal> {
        let audited = self.store.audited_lease(lease).await?.ok_or_else(|| no_receipt(lease))?;
        self.job(artist, audited.result.job).await.map_err(|_| no_receipt(lease))?;
        if !audited.stored {
            return Err(gone(lease));
        }
        self.find_sums(audited.result).await?.ok_or_else(|| gone(lease))
    }

    /// A job's scene, or its environment, for the job's owner.
    pub(crate) async fn file_of(
        &self,
        artist: &Artist,
        job: JobId,
        blob: BlobHash,
    ) -> Result<Key, Refusal> {
        let spec = self.job(artist, job).await?.spec;
        let light = spec.settings.environment.map(|environment| environment.blob);
        if blob == spec.scene || Some(blob) == light {
            return Ok(Key::Upload(blob));
        }
        Err(Refusal::new(Code::BlobNotFound, format!("Job {job} has no file {blob}.")))
    }

    async fn one_receipt(self: &Arc<Self>, audited: Audited) -> Result<Receipt, Refusal> {
        let lease = audited.result.lease;
        let written = self.blocking(move |app| app.write_receipt(audited)).await;
        written.map_err(Refusal::internal)?.ok_or_else(|| gone(lease))
    }

    /// Signs what the store says of a result. Blocks. One whose sums are gone or damaged has no commit
    /// any more, but for rejected ones, whose proof is kept.
    pub(crate) fn write_receipt(&self, audited: Audited) -> Option<Receipt> {
        let Audited { result, stored, secret, verdict, price, factor, signed, .. } = audited;
        let read = || match self.read_commit(&result) {
            Ok(signed) => Some(signed),
            Err(reason) => {
                tracing::error!(lease = %result.lease, reason, "no receipt");
                None
            }
        };
        let (commit, signature) = signed.or_else(|| stored.then(read)?)?;
        let terms = Promise::of(&commit, price, factor).sign(&self.key);
        Some(Receipt::issue(&self.key, commit, signature, terms, secret, verdict))
    }

    /// What the node signed, as it is kept; blocks. It is checked: a disk may change what was
    /// written, and the master signs it anew.
    pub(crate) fn read_commit(
        &self,
        result: &StoredResult,
    ) -> Result<(Commit, SignatureBytes), String> {
        let head = self.head_of_sums(result).map_err(|error| error.to_string())?;
        let head = head.ok_or("its sums are gone")?;
        let (header, _) = submit::decode_header(&head).map_err(|error| error.to_string())?;
        let SubmitHeader { commit, signature, .. } = header;
        if commit.id() != result.commit || !commit.is_signed_by_its_node(&signature) {
            return Err("another commit is kept than was entered".to_owned());
        }
        Ok((commit, signature))
    }
}

fn no_receipt(lease: LeaseId) -> Refusal {
    Refusal::new(
        Code::ReceiptNotFound,
        format!(
            "There is no receipt for lease {lease}: it brought nothing, or whether it counts is not \
             final before its frame is assembled."
        ),
    )
}

fn gone(lease: LeaseId) -> Refusal {
    Refusal::new(
        Code::ReceiptNotFound,
        format!(
            "What lease {lease} brought is no longer kept; see --keep-results-h of the master."
        ),
    )
}
