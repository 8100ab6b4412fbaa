//! What leases brought, as their nodes sent it: what is large is a file, what is small lies in the database
//! beside its row. Here is who knows which.

use crate::app::App;
use crate::blobs::{BlobError, Folder, Key};
use crate::problem::Refusal;
use crate::store::{StoreError, StoredResult};
use std::sync::Arc;
use tessera_protocol::submit;

/// Largest body that lies in the database, in bytes. Up to about so much SQLite reads as fast as the file
/// system or faster, and a file costs two syncs when it comes and one when it goes.
const BESIDE_MAX: usize = 16 << 10;

/// Why they could not be read; later they may be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SumsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// What a lease brought, to be sent.
pub(crate) enum Sums {
    File(Key),
    Bytes(Vec<u8>),
}

impl App {
    /// Makes a large body durable as a file; answers a small one, to be entered with its result. Blocks.
    pub(crate) fn put_sums(&self, key: Key, body: &[u8]) -> Result<Option<Vec<u8>>, BlobError> {
        if body.len() <= BESIDE_MAX {
            return Ok(Some(body.to_vec()));
        }
        self.blobs.put(key, body)?;
        Ok(None)
    }

    /// What a lease brought; `None` where it is gone. Blocks.
    pub(crate) fn sums(&self, of: &StoredResult) -> Result<Option<Vec<u8>>, SumsError> {
        self.read_sums(of, Folder::get)
    }

    /// The beginning of what a lease brought, with all of its header. Blocks.
    pub(crate) fn head_of_sums(&self, of: &StoredResult) -> Result<Option<Vec<u8>>, SumsError> {
        self.read_sums(of, |blobs, key| blobs.head(key, submit::HEAD_BYTES))
    }

    fn read_sums(
        &self,
        of: &StoredResult,
        file: impl FnOnce(&Folder, Key) -> Result<Vec<u8>, BlobError>,
    ) -> Result<Option<Vec<u8>>, SumsError> {
        if of.beside {
            return Ok(self.store.sums(of.lease)?);
        }
        match file(&self.blobs, of.into()) {
            Err(error) if error.is_not_found() => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// What a lease brought, to be sent; `None` where it is gone.
    pub(crate) async fn find_sums(
        self: &Arc<Self>,
        of: StoredResult,
    ) -> Result<Option<Sums>, Refusal> {
        if of.beside {
            let body = self.blocking(move |app| app.sums(&of)).await.map_err(Refusal::internal)?;
            return Ok(body.map_err(Refusal::internal)?.map(Sums::Bytes));
        }
        let key = Key::from(&of);
        match tokio::fs::try_exists(self.blobs.path(key)).await {
            Ok(false) => Ok(None),
            _ => Ok(Some(Sums::File(key))),
        }
    }
}
