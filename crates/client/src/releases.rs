//! The releases of `render-node` that a master offers. It wants no token for them, and whether one may run is
//! for its signature to say, not for the master.

use crate::transfer::{no_progress, save};
use crate::transport::Transport;
use crate::{ClientError, MasterAddress};
use reqwest::Method;
use std::path::Path;
use tessera_protocol::release::Release;

/// Asks one master.
pub struct Releases {
    transport: Transport,
}

impl Releases {
    /// What the master at `master` offers.
    pub fn new(master: MasterAddress) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(master, None)? })
    }

    /// The release on offer, as the master describes it; `None` if there is none.
    pub async fn offered(&self) -> Result<Option<Release>, ClientError> {
        let call = self.transport.request(Method::GET, "downloads/render-node.sig");
        match self.transport.send_for_json(call).await {
            Err(error) if error.status() == Some(404) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Fetches its program to `path`, whose folder exists. What is there afterwards is what was signed.
    pub async fn fetch(&self, release: &Release, path: &Path) -> Result<(), ClientError> {
        let (blob, limit) = (release.blake3, release.bytes);
        let call = self.transport.request(Method::GET, "downloads/render-node");
        let response = self.transport.send(call).await?;
        if response.content_length().is_some_and(|bytes| bytes > limit) {
            return Err(ClientError::TooLarge { blob, limit });
        }
        save(&self.transport, response, path, Some((blob, limit)), &no_progress()).await
    }
}
