//! Proofs of segments that were accepted, kept until the master has heard of them.
//!
//! One small file each, written by a thread of its own: a receipt is durable a moment after it came,
//! and nobody waits for it, since the gateway has it in its journal already.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tessera_durable::{Access, OsDisk, create_dir, remove, sweep, write_file};
use tessera_protocol::SessionId;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};
use tokio::sync::oneshot;
use tracing::warn;

const SUFFIX: &str = ".receipt";
/// Most receipts that are kept: some days of a session that no master asks about. The oldest go.
pub const MOST: usize = 20_000;

/// A folder of receipts that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// A file could not be made durable or removed.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// The folder could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The receipts. Clones share them.
#[derive(Clone)]
pub struct Receipts {
    orders: Arc<Sender<Order>>,
}

enum Order {
    Keep(Box<ClaimReceipt>),
    Oldest(usize, oneshot::Sender<Vec<ClaimReceipt>>),
    Forget(Vec<ClaimReceipt>, oneshot::Sender<()>),
}

impl Receipts {
    /// The receipts in `folder`, which is made if need be.
    pub fn open(folder: &Path) -> Result<Self, ReceiptsError> {
        create_dir(&OsDisk, folder)?;
        sweep(&OsDisk, folder)?;
        let shelf = Shelf::read(folder)?;
        let (orders, received) = channel();
        std::thread::spawn(move || shelf.serve(&received));
        Ok(Self { orders: Arc::new(orders) })
    }

    /// Keeps a receipt.
    pub fn keep(&self, receipt: ClaimReceipt) {
        self.order(Order::Keep(Box::new(receipt)));
    }

    /// The oldest of those that are kept, at most `most`; what was kept before is among them.
    pub async fn oldest(&self, most: usize) -> Vec<ClaimReceipt> {
        let (answer, receipts) = oneshot::channel();
        self.order(Order::Oldest(most, answer));
        receipts.await.unwrap_or_default()
    }

    /// These are needed no more.
    pub async fn forget(&self, receipts: Vec<ClaimReceipt>) {
        let (answer, done) = oneshot::channel();
        self.order(Order::Forget(receipts, answer));
        let _ = done.await;
    }

    fn order(&self, order: Order) {
        // The thread ends with the last of its users.
        let _ = self.orders.send(order);
    }
}

/// The thread's own: the files' names, in the order in which they came.
struct Shelf {
    folder: PathBuf,
    names: Vec<String>,
}

impl Shelf {
    fn read(folder: &Path) -> Result<Self, ReceiptsError> {
        let unread = |source| ReceiptsError::Read { path: folder.to_owned(), source };
        let mut found = vec![];
        for entry in std::fs::read_dir(folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(SUFFIX) {
                let written = entry.metadata().and_then(|data| data.modified()).map_err(unread)?;
                found.push((written, name));
            }
        }
        found.sort();
        let names = found.into_iter().map(|(_, name)| name).collect();
        Ok(Self { folder: folder.to_owned(), names })
    }

    fn serve(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Keep(receipt) => self.keep(&receipt),
                Order::Oldest(most, answer) => {
                    let _ = answer.send(self.oldest(most));
                }
                Order::Forget(receipts, answer) => {
                    let names: Vec<_> = receipts.iter().map(file_name).collect();
                    self.forget(&names);
                    let _ = answer.send(());
                }
            }
        }
    }

    fn keep(&mut self, receipt: &ClaimReceipt) {
        let name = file_name(receipt);
        let json = serde_json::to_vec(receipt).expect("plain data is JSON");
        if let Err(error) = write_file(&OsDisk, &self.folder.join(&name), &json, Access::Umask) {
            warn!("a receipt is not kept: {error}");
            return;
        }
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        if let Some(over) = self.names.len().checked_sub(MOST) {
            let oldest = self.names[..over].to_vec();
            self.forget(&oldest);
        }
    }

    fn oldest(&mut self, most: usize) -> Vec<ClaimReceipt> {
        let mut receipts = vec![];
        let mut unusable = vec![];
        for name in &self.names {
            if receipts.len() == most {
                break;
            }
            let json = std::fs::read(self.folder.join(name)).unwrap_or_default();
            match serde_json::from_slice::<ClaimReceipt>(&json) {
                Ok(receipt) if file_name(&receipt) == *name => receipts.push(receipt),
                _ => {
                    warn!("{name} in {} is no receipt, and left alone", self.folder.display());
                    unusable.push(name.clone());
                }
            }
        }
        self.names.retain(|name| !unusable.contains(name));
        receipts
    }

    fn forget(&mut self, names: &[String]) {
        for name in names {
            if let Err(error) = remove(&OsDisk, &self.folder.join(name)) {
                warn!("a receipt that is known stays here: {error}");
            }
        }
        self.names.retain(|name| !names.contains(name));
    }
}

/// One for each segment and lease: the same receipt again is the same file.
fn file_name(receipt: &ClaimReceipt) -> String {
    let claim = &receipt.claim;
    let (session, segment): (SessionId, SegmentNumber) = (claim.session, claim.segment);
    format!("{session}-{:016}-{}{SUFFIX}", segment.0, claim.lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;
    use tessera_protocol::stream::SegmentClaim;
    use tessera_protocol::{GatewayId, Generation, LeaseId};

    fn receipt(segment: u64) -> ClaimReceipt {
        let (worker, gateway) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
        let claim = SegmentClaim {
            node: worker.node(),
            gateway: GatewayId(gateway.node().0),
            lease: LeaseId([1; 16]),
            session: SessionId([2; 16]),
            generation: Generation(3),
            segment: SegmentNumber(segment),
            renditions: vec![],
        };
        let signature = worker.sign(&claim.message());
        ClaimReceipt::countersign(claim, signature, &gateway)
    }

    #[tokio::test]
    async fn receipts_outlive_a_restart_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/receipts");
        let receipts = Receipts::open(&path).unwrap();
        for segment in [3, 1, 2, 1] {
            receipts.keep(receipt(segment));
        }
        assert_eq!(receipts.oldest(2).await, [receipt(3), receipt(1)]);
        drop(receipts);

        let receipts = Receipts::open(&path).unwrap();
        let mut all = receipts.oldest(10).await;
        all.sort_by_key(|receipt| receipt.claim.segment);
        assert_eq!(all, [receipt(1), receipt(2), receipt(3)]);
        assert!(all.iter().all(ClaimReceipt::is_signed_by_both));
        receipts.forget(vec![receipt(1), receipt(3)]).await;
        assert_eq!(Receipts::open(&path).unwrap().oldest(10).await, [receipt(2)]);
    }

    #[tokio::test]
    async fn what_is_no_receipt_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let strange = folder.path().join("mine.receipt");
        std::fs::write(&strange, "notes").unwrap();
        let receipts = Receipts::open(folder.path()).unwrap();
        receipts.keep(receipt(1));
        assert_eq!(receipts.oldest(10).await, [receipt(1)]);
        assert!(strange.exists());
    }
}
