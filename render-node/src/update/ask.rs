//! While a node works it asks for releases, and fetches them into the slot that is free.

use super::folder::Folder;
use super::program;
use super::slots::{Offer, Slotted};
use super::{Running, UpdateError};
use crate::machine::Hangups;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tessera_client::{MasterAddress, Releases};
use tessera_protocol::release::ReleaseVersion;
use tokio::sync::watch;
use tracing::{info, warn};

/// Between two questions, unless SIGHUP asks for one.
const EVERY: Duration = Duration::from_secs(3600);

/// See the module.
pub struct Updates {
    folder: Folder,
    running: Running,
    releases: Releases,
    asks: AtomicBool,
    ready: watch::Sender<Option<ReleaseVersion>>,
}

impl Updates {
    /// For the node that `running` is, with this state folder.
    pub fn new(
        master: &MasterAddress,
        state: &Path,
        running: Running,
    ) -> Result<Arc<Self>, UpdateError> {
        Ok(Arc::new(Self {
            folder: Folder::of(state),
            running,
            releases: Releases::new(master.clone())?,
            asks: AtomicBool::new(false),
            ready: watch::Sender::new(None),
        }))
    }

    /// The node has joined: what runs is good, and from now on releases are asked for. Not before, since the
    /// slot that is free is the good one's while another is on trial.
    pub fn joined(self: &Arc<Self>) {
        if self.asks.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.keep() {
            Ok(true) => info!("release {} has joined, and is kept", self.running.version),
            Ok(false) => {}
            Err(error) => {
                return warn!("release {} could not be kept: {error}", self.running.version);
            }
        }
        match Hangups::listen() {
            Ok(hangups) => drop(tokio::spawn(Arc::clone(self).keep_asking(hangups))),
            Err(error) => warn!("releases are not asked for: {error}"),
        }
    }

    fn keep(&self) -> Result<bool, UpdateError> {
        let mut slots = self.folder.slots()?;
        let news = slots.joined(self.running.version);
        if news {
            self.folder.write(&slots)?;
        }
        Ok(news)
    }

    /// Which release lies ready to be started, once one does.
    pub async fn ready(&self) -> ReleaseVersion {
        let mut ready = self.ready.subscribe();
        let found = ready.wait_for(Option::is_some).await.ok().and_then(|version| *version);
        match found {
            Some(version) => version,
            // The sender is ours, so it does not end before us.
            None => std::future::pending().await,
        }
    }

    async fn keep_asking(self: Arc<Self>, mut hangups: Hangups) {
        loop {
            match self.ask().await {
                Ok(Some(version)) => {
                    info!("release {version} lies ready: it is started once no lease is in hand");
                    return self.lies_ready(version);
                }
                Ok(None) => {}
                Err(error) => warn!("no update: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = hangups.next() => {}
            }
        }
    }

    pub(crate) fn lies_ready(&self, version: ReleaseVersion) {
        self.ready.send_replace(Some(version));
    }

    /// Asks once, and fetches what is offered and wanted. Which release then waits to be started.
    pub async fn ask(&self) -> Result<Option<ReleaseVersion>, UpdateError> {
        let running = self.running.version;
        let Some(release) = self.releases.offered().await? else {
            info!("this node is release {running}, and the farm offers none");
            return Ok(None);
        };
        program::check(&release, self.running.key)?;
        let version = release.version;
        let slot = match self.folder.slots()?.offered(&release, running) {
            Offer::Wanted(slot) => slot,
            Offer::Waits => return Ok(Some(version)),
            Offer::NotHigher => {
                info!("this node is release {running}, and the farm offers {version}");
                return Ok(None);
            }
            Offer::Failed => {
                info!(
                    "the farm offers release {version}, which did not join here: not taken again"
                );
                return Ok(None);
            }
        };
        info!("fetching release {version}");
        self.folder.make()?;
        self.releases.fetch(&release, &self.folder.program(slot)).await?;
        self.folder.keep(slot)?;
        let mut slots = self.folder.slots()?;
        slots.put(Slotted { slot, release });
        self.folder.write(&slots)?;
        Ok(Some(version))
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("running", &self.running).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::Slots;
    use super::super::{installed, target};
    use super::*;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use axum::{Json, Router};
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use tessera_client::{ClientError, PlainHttp};
    use tessera_protocol::commit::NodeKey;
    use tessera_protocol::release::Release;
    use tessera_protocol::{BlobHash, ReleaseKey};

    const PROGRAM: &[u8] = b"a program of some length";

    /// A master that offers what it is told to, signed or not.
    #[derive(Default)]
    struct Master {
        release: Mutex<Option<Release>>,
        program: Mutex<Vec<u8>>,
        fetched: AtomicUsize,
    }

    struct World {
        master: Arc<Master>,
        folder: tempfile::TempDir,
        updates: Arc<Updates>,
    }

    fn key() -> NodeKey {
        NodeKey::from_secret(&[1; 32])
    }

    fn signed(version: &str, key: &NodeKey) -> Release {
        let program = (PROGRAM.len() as u64, BlobHash(*blake3::hash(PROGRAM).as_bytes()));
        Release::sign(version.parse().unwrap(), &target(), program, key)
    }

    impl World {
        async fn new() -> Self {
            let master = Arc::new(Master::default());
            let routes = Router::new()
                .route("/downloads/render-node.sig", get(offer))
                .route("/downloads/render-node", get(program))
                .with_state(master.clone());
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, routes).await });
            let address = MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let running = Running { version: installed(), key: ReleaseKey(key().node().0) };
            let updates = Updates::new(&address, folder.path(), running).unwrap();
            Self { master, folder, updates }
        }

        fn offers(&self, release: Release, program: &[u8]) {
            *self.master.release.lock().unwrap() = Some(release);
            *self.master.program.lock().unwrap() = program.to_vec();
        }

        fn fetched(&self) -> usize {
            self.master.fetched.load(Ordering::Relaxed)
        }

        fn slots(&self) -> Slots {
            Folder::of(self.folder.path()).slots().unwrap()
        }
    }

    async fn offer(State(master): State<Arc<Master>>) -> impl IntoResponse {
        match master.release.lock().unwrap().clone() {
            Some(release) => Json(release).into_response(),
            None => {
                let problem = serde_json::json!({
                    "type": "/problems/release-missing", "title": "none", "status": 404,
                    "detail": "none",
                });
                (StatusCode::NOT_FOUND, Json(problem)).into_response()
            }
        }
    }

    async fn program(State(master): State<Arc<Master>>) -> Vec<u8> {
        master.fetched.fetch_add(1, Ordering::Relaxed);
        master.program.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn what_is_higher_and_signed_is_fetched_once_and_waits() {
        let world = World::new().await;
        assert_eq!(world.updates.ask().await.unwrap(), None, "nothing is offered");
        let release = signed("9.0.0", &key());
        world.offers(release.clone(), PROGRAM);
        for _ in 0..2 {
            assert_eq!(world.updates.ask().await.unwrap(), Some(release.version));
        }
        assert_eq!(world.fetched(), 1);
        let trial = world.slots().trial.unwrap();
        assert_eq!((trial.program.release, trial.starts), (release, 0));
        let path = Folder::of(world.folder.path()).program(trial.program.slot);
        assert_eq!(std::fs::read(path).unwrap(), PROGRAM);
    }

    #[tokio::test]
    async fn what_nobody_trusted_signed_or_is_not_higher_is_not_even_fetched() {
        let world = World::new().await;
        world.offers(signed("9.0.0", &NodeKey::from_secret(&[2; 32])), PROGRAM);
        let refused = world.updates.ask().await.unwrap_err();
        assert!(matches!(refused, UpdateError::OtherKey { .. }), "{refused}");
        let raised = Release { version: "9.0.1".parse().unwrap(), ..signed("9.0.0", &key()) };
        world.offers(raised, PROGRAM);
        let refused = world.updates.ask().await.unwrap_err();
        assert!(matches!(refused, UpdateError::NotSigned(_)), "{refused}");
        for version in ["0.0.1".to_owned(), installed().to_string()] {
            world.offers(signed(&version, &key()), PROGRAM);
            assert_eq!(world.updates.ask().await.unwrap(), None, "{version}");
        }
        let slots = Slots { failed: Some(signed("9.0.0", &key())), ..Slots::default() };
        Folder::of(world.folder.path()).write(&slots).unwrap();
        world.offers(signed("9.0.0", &key()), PROGRAM);
        assert_eq!(world.updates.ask().await.unwrap(), None, "it failed here");
        assert_eq!((world.fetched(), world.slots()), (0, slots));
    }

    #[tokio::test]
    async fn a_program_that_is_cut_or_too_long_or_another_one_fills_no_slot() {
        let world = World::new().await;
        let longer = [PROGRAM, b"!"].concat();
        let programs: [(&[u8], bool); 3] =
            [(&PROGRAM[..9], false), (b"another program, as long", false), (&longer, true)];
        for (program, is_too_long) in programs {
            world.offers(signed("9.0.0", &key()), program);
            let refused = world.updates.ask().await.unwrap_err();
            let expected = match &refused {
                UpdateError::Client(ClientError::WrongBytes { .. }) => !is_too_long,
                UpdateError::Client(ClientError::TooLarge { .. }) => is_too_long,
                _ => false,
            };
            assert!(expected, "{refused}");
            assert_eq!(world.slots(), Slots::default());
        }
        let folder = world.folder.path().join("program");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing of them stays");
    }
}
