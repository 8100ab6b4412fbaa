//! A chain in this process, behind a real socket, with a clock that stands still until told.

use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_hash::Hash;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tessera_local_chain::{Clock, Config, LocalChain, OpenError, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) const START_MS: u64 = 1_800_000_000_000;
pub(crate) const SOL: u64 = 1_000_000_000;

pub(crate) struct Running {
    pub(crate) chain: LocalChain,
    pub(crate) client: RpcClient,
    pub(crate) url: String,
    pub(crate) time_ms: Arc<AtomicU64>,
    pub(crate) folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), START_MS).await
    }

    pub(crate) async fn start_in(folder: tempfile::TempDir, time_ms: u64) -> Self {
        let time_ms = Arc::new(AtomicU64::new(time_ms));
        let chain = open(folder.path(), clock(&time_ms)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(serve(chain.clone(), listener, stopped));
        let commitment = CommitmentConfig::finalized();
        let client = RpcClient::new_with_commitment(url.clone(), commitment);
        Self { chain, client, url, time_ms, folder, stop, server }
    }

    /// Stops it and gives back its folder.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        let Self { chain, client, stop, server, folder, .. } = self;
        drop((chain, client));
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        folder
    }

    pub(crate) fn pass_ms(&self, ms: u64) {
        self.time_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// A wallet with some lamports.
    pub(crate) async fn wallet(&self) -> Keypair {
        let wallet = Keypair::new();
        self.client.request_airdrop(&wallet.pubkey(), 10 * SOL).await.unwrap();
        wallet
    }
}

pub(crate) fn clock(time_ms: &Arc<AtomicU64>) -> Clock {
    let time_ms = time_ms.clone();
    Arc::new(move || time_ms.load(Ordering::SeqCst))
}

pub(crate) fn state(folder: &Path) -> PathBuf {
    folder.join("state")
}

pub(crate) fn open(folder: &Path, clock: Clock) -> Result<LocalChain, OpenError> {
    LocalChain::open(Config { state: state(folder), clock, programs: vec![] })
}

pub(crate) fn transfer(
    from: &Keypair,
    to: &Address,
    lamports: u64,
    hash: Hash,
) -> VersionedTransaction {
    let instruction = solana_system_interface::instruction::transfer(&from.pubkey(), to, lamports);
    let message = Message::new_with_blockhash(&[instruction], Some(&from.pubkey()), &hash);
    VersionedTransaction::try_new(VersionedMessage::Legacy(message), &[from]).unwrap()
}

/// A clock from before anything happened: what a replay says is then all that counts.
pub(crate) fn still() -> Clock {
    clock(&Arc::new(AtomicU64::new(0)))
}
