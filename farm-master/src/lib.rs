//! The farm's master: it takes uploads and jobs, gives leases, checks and keeps results, assembles
//! frames and films; it knows streams and their keys, lets one gateway at a time publish a session,
//! brings workers to it and counts what they made; and it tells everybody how things stand.
//!
//! It renders and transcodes nothing, and no picture passes through it. A result counts when its
//! *structure* is right, see `tessera_farm_core::accept`, and then some of its pixels, drawn by a
//! secret, are what the kernel's twin makes of them, see `tessera_verify::audit`; a segment counts
//! when its worker and its gateway signed for it, see [`rules`]. Which kernel jobs pin, what hashes an exact device shows and
//! what looks into scenes is passed in by [`Config`]; [`scene`] has what this build brings.
//!
//! Contract: what was acknowledged is durable. A request is answered after the database's COMMIT,
//! a file is named in the database after it is synced, and what is in memory can be lost at any
//! moment. One master at a time works on a state folder.
//!
//! ```no_run
//! # async fn example(config: tessera_farm_master::Config) -> anyhow::Result<()> {
//! let server = tessera_farm_master::Server::start(config).await?;
//! println!("listening on http://{}", server.address());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
//! # }
//! ```
//!
//! Reading order: [`routes`] (what there is to ask) → `app` (what is done about it) → [`rules`] (of
//! live streams; those of jobs are `tessera_farm_core`'s) → [`store`] (what is true) → [`blobs`]
//! (bytes) → `sums` → `assembly` (sums to films) → [`settlement`] (money on the chain) → `deliveries` (webhooks), `outbound` → `auth`, `problem`,
//! `server`.
#![forbid(unsafe_code)]

mod app;
mod assembly;
mod audit;
pub mod auditor;
pub mod auth;
pub mod blobs;
mod clock;
pub mod config;
mod deliveries;
mod key;
mod outbound;
pub mod problem;
pub mod referee;
pub mod routes;
pub mod rules;
pub mod scene;
mod server;
pub mod settings;
pub mod settlement;
pub mod store;
mod sums;

pub use config::{Config, InspectScene, Inspected};

use anyhow::{Context as _, bail};
use app::App;
use auth::Token;
use blobs::Folder;
use clock::Clock;
use settlement::Settlement;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use store::sqlite::Sqlite;
use tessera_durable::{Access, OsDisk};
use tessera_protocol::token::TokenScope;
use tokio::net::TcpListener;

/// In the state folder: where the master listens, while it runs.
pub const ADDRESS_FILE: &str = "address";
/// In the state folder: the operator's token, readable by its owner only.
pub const TOKEN_FILE: &str = "operator-token";

/// A master that has started: its address is bound and its state is open.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    new_token: Option<String>,
    /// Held while the master runs, so that no second one uses the same folder.
    _lock: File,
}

impl Server {
    /// Opens the state, makes it where there is none, and binds the address.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        if !config.listen.ip().is_loopback() && !config.behind_tls_proxy {
            bail!(
                "{} can be reached from other machines and tokens would travel in the clear: put a \
                 proxy that speaks TLS in front and say so with --behind-tls-proxy, or listen on \
                 127.0.0.1",
                config.listen
            );
        }
        tessera_durable::create_dir(&OsDisk, &config.state)?;
        let lock = lock(&config.state)?;
        let blobs = Folder::open(&config.state.join("blobs"))?;
        let store = Sqlite::open(&config.state.join("farm.sqlite"))?;
        let clock = Clock::start(store.latest_ms().await?);
        let new_token = first_token(&config.state, &store, clock.now_ms()).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("could not listen on {}", config.listen))?;
        let address = listener.local_addr().context("could not read the address")?;
        let key = key::open(&config.state)?;
        let settlement = config.chain.clone().map(|chain| Settlement::new(chain, &key));
        let app = Arc::new(App::new(config, Arc::new(store), blobs, clock, key, settlement));
        app.remove_strays().await?;
        app.live.take_up(app.store.open_sessions().await?);
        let server = Self { app, listener, address, new_token, _lock: lock };
        server.write(ADDRESS_FILE, &address.to_string())?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The operator's token, if this start made it. It is also in [`TOKEN_FILE`].
    pub fn new_token(&self) -> Option<&str> {
        self.new_token.as_deref()
    }

    /// Serves until `shutdown` is ready, then ends what is under way.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
        let app = self.app;
        let router = routes::router(app.clone());
        let stopping = app.stopping.clone();
        let serving = tokio::spawn(server::serve(self.listener, router, stopping.clone()));
        let ending = tokio::spawn({
            let app = app.clone();
            async move { app.end_silent_leases().await }
        });
        let calling = tokio::spawn({
            let app = app.clone();
            async move { app.call_for_work().await }
        });
        let assembling = tokio::spawn({
            let app = app.clone();
            async move { app.assemble().await }
        });
        let auditing = tokio::spawn({
            let app = app.clone();
            async move {
                if app.config.audits_itself {
                    app.audit().await;
                }
            }
        });
        let matching = tokio::spawn({
            let app = app.clone();
            async move { app.match_streams().await }
        });
        let delivering = tokio::spawn(app.clone().deliver());
        let answering = tokio::spawn(app.clone().answer_disputes());
        let pricing = tokio::spawn(app.clone().move_prices());
        let collecting = tokio::spawn(app.clone().collect_uploads());
        let settling = tokio::spawn(app.clone().settle_epochs());
        shutdown.await;
        stopping.cancel();
        serving.await.context("the server panicked")?;
        ending.await.context("the watch over leases panicked")?;
        calling.await.context("the calling for work panicked")?;
        matching.await.context("the matching of streams panicked")?;
        auditing.await.context("auditing panicked")?;
        // A step that waits for the chain is gone on with at the next start.
        settling.abort();
        delivering.await.context("the sending to webhooks panicked")??;
        collecting.await.context("the removal of uploads panicked")?;
        pricing.await.context("the moving of prices panicked")?;
        answering.await.context("the answering of objections panicked")?;
        assembling.await.context("assembly panicked")
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.app.config.state.join(name);
        Ok(tessera_durable::write_file(&OsDisk, &path, text.as_bytes(), Access::Umask)?)
    }
}

/// Starts a master, says where it listens and, the first time, the operator's token, and serves
/// until `shutdown` is ready.
pub async fn serve(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    println!("farm-master with\n{config}");
    let server = Server::start(config).await?;
    if let Some(token) = server.new_token() {
        let file = server.app.config.state.join(TOKEN_FILE);
        println!("the operator's token, shown this once and kept in {}:\n{token}", file.display());
    }
    println!("listening on http://{}", server.address());
    server.run(shutdown).await
}

fn lock(state: &Path) -> anyhow::Result<File> {
    let path: PathBuf = state.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("could not open {}", path.display()))?;
    file.try_lock().with_context(|| {
        format!("another farm-master uses {}: stop it, or choose another --state", state.display())
    })?;
    Ok(file)
}

/// Makes the operator's token where there is none yet. The file is written first: a crash between
/// the two leaves a token that the next start takes up.
async fn first_token(
    state: &Path,
    store: &impl Store,
    now_ms: i64,
) -> anyhow::Result<Option<String>> {
    if store.has_operator().await? {
        return Ok(None);
    }
    let path = state.join(TOKEN_FILE);
    let (text, token) = match std::fs::read_to_string(&path) {
        Ok(text) => {
            let token = Token::of_operator(text.trim());
            (text.trim().to_owned(), token)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (text, token) = Token::generate(TokenScope::Operator, None)
                .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
            tessera_durable::write_file(&OsDisk, &path, text.as_bytes(), Access::OwnerOnly)?;
            (text, token)
        }
        Err(error) => {
            return Err(error).with_context(|| format!("could not read {}", path.display()));
        }
    };
    store.add_token(token, now_ms).await?;
    Ok(Some(text))
}
