//! The agent: a node that takes work from a master until it is told to stop.
//!
//! It joins, asks for work, has it rendered, signs, sends, and asks again. It decides nothing about work:
//! which units, at what price and whether a result counts is the master's. It reads no scene and renders
//! nothing itself: that is the [`Renderer`]'s.
//!
//! # Contract
//! - One result is ever signed for a lease and its generation, and it is durable in the journal
//!   before it is sent. A node that was killed sends what is journaled before it asks for more.
//! - A lease that the node cannot fulfil is given back with the reason, or expires.
//! - A scene is data. Files are checked against their hash and read under limits, and what a grant
//!   asks for is checked before it is rendered.
//! - Nothing is rendered while the house rules say that the node has to rest, and no work is asked for. A lease
//!   that is in hand is kept for a moment, and given back if the rest lasts.
//! - [`run`] ends within seconds of being told to stop: work in hand is given back.
//!
//! Reading order: `session` (joining) → `work` (one lease) → `heartbeat` →
//! `report` → `deliver` → [`journal`], [`cache`], `sizing`, `status`, [`identity`].

pub mod cache;
mod deliver;
mod heartbeat;
pub mod identity;
pub mod journal;
mod ready;
mod report;
mod session;
mod sizing;
mod status;
#[cfg(test)]
mod tests;
mod work;

use crate::house::House;
use crate::machine;
use crate::renderer::Renderer;
use crate::update::Updates;
use cache::{Cache, CacheError};
use heartbeat::Held;
use identity::{IdentityError, StateFolder};
use journal::{Journal, JournalError};
use report::Reports;
use session::Session;
use sizing::Speed;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tessera_client::{Backoff, ClientError, Enrolment, MasterAddress};
use tessera_protocol::RayPrice;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::lease::LeaseRequest;
use tessera_protocol::memory::FreeMemory;
use tessera_protocol::node::DeviceView;
use tessera_protocol::release::ReleaseVersion;
use tracing::{info, warn};

/// How long one question for work waits for an answer: below what proxies cut, and the most that a
/// master allows is longer.
const LEASE_WAIT: Duration = Duration::from_secs(20);
/// Failures of the network are tried again after this at first …
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// … and after this at last: the longest that a node is idle once its master is back.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Between two leases that could not be done: a fault of this node must not eat up all work.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Leases in a row that the device failed, after which it is taken for lost.
const DEVICE_FAILURES_ALLOWED: u32 = 3;

/// What a node is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whom it works for.
    pub master: MasterAddress,
    /// What lets it join: a token that may enrol.
    pub token: String,
    /// Its own folder: key, journal, cache. One node at a time.
    pub state: PathBuf,
    /// What people call it, at most 100 characters.
    pub name: String,
    /// What it renders with, and the hashes it shows.
    pub device: DeviceView,
    /// How much of the disk scenes may take. A scene that does not fit is refused.
    pub cache_bytes: u64,
    /// What it asks for 10^9 factored rays; `None` takes what the farm suggests.
    pub ask: Option<RayPrice>,
    /// When it may use its machine.
    pub house: House,
    /// What asks for releases of this program, where it takes any.
    pub updates: Option<Arc<Updates>>,
}

/// Why a node ends although nobody told it to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its state folder or key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its journal cannot be used; without it nothing may be signed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The master refuses this node, and asking again would not help.
    #[error("the master has no work for this node: {0}")]
    Refused(ClientError),
    /// The client could not be made.
    #[error(transparent)]
    Client(ClientError),
    /// The renderer failed again and again, or stopped working altogether.
    #[error("the renderer no longer works: {0}; start the node again, and check its device")]
    Device(String),
    /// It is to be started again, as another program.
    #[error("release {0} lies ready, and is started in place of this one")]
    Renewed(ReleaseVersion),
}

/// Works for the master until `stop` is done, or something fails that trying again would not help.
pub async fn run(
    config: Config,
    renderer: Renderer,
    stop: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let mut agent = Agent::open(config, renderer)?;
    let outcome = tokio::select! {
        outcome = agent.serve() => outcome.map(|never| match never {}),
        () = stop => Ok(()),
    };
    agent.lay_down().await;
    outcome
}

struct Agent {
    config: Config,
    key: NodeKey,
    enrolment: Enrolment,
    journal: Journal,
    cache: Cache,
    renderer: Renderer,
    speed: Speed,
    /// Waits after failures of the network.
    backoff: Backoff,
    /// Waits after work that could not be done.
    trouble: Backoff,
    /// The lease that is worked on and not signed for yet.
    held: Option<Held>,
    device_failures: u32,
    /// When it was last told how it stands.
    status_at: Option<tokio::time::Instant>,
    _state: StateFolder,
}

impl Agent {
    fn open(config: Config, renderer: Renderer) -> Result<Self, AgentError> {
        let state = StateFolder::open(&config.state)?;
        let key = state.key()?;
        let journal = Journal::open(&state.path().join("journal"))?;
        let cache = Cache::open(&state.path().join("cache"), config.cache_bytes)?;
        let enrolment = Enrolment::new(config.master.clone(), config.token.clone())
            .map_err(AgentError::Client)?;
        Ok(Self {
            key,
            enrolment,
            journal,
            cache,
            renderer,
            speed: Speed::default(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            trouble: Backoff::new(REST.0, REST.1),
            held: None,
            device_failures: 0,
            status_at: None,
            config,
            _state: state,
        })
    }

    async fn serve(&mut self) -> Result<Infallible, AgentError> {
        loop {
            let session = self.join().await?;
            if let Err(End::Fatal(error)) = self.take_work(&session).await {
                return Err(error);
            }
            // The master no longer knows the token, for example because its state was restored.
            self.pause("the master no longer knows this node").await;
        }
    }

    /// Sends what an earlier run left, then takes lease after lease.
    async fn take_work(&mut self, session: &Session) -> Result<Infallible, End> {
        let _reports = Reports::begin(session.client.clone(), self.config.house.clone());
        self.deliver_journal(session).await?;
        loop {
            self.note_status(session).await;
            if self.rests_now().await {
                continue;
            }
            let request = LeaseRequest {
                kernel: self.config.device.kernel,
                samples_wanted: self.speed.samples_wanted(),
                wait_ms: LEASE_WAIT.as_millis() as u64,
                ask: self.config.ask,
                memory: self.free_memory(),
            };
            let answer = tokio::select! {
                biased;
                release = ready::renewal(&self.config) => {
                    return Err(AgentError::Renewed(release).into());
                }
                answer = session.client.lease(&request) => answer,
            };
            match answer {
                Ok(grant) => {
                    self.backoff.reset();
                    if let Some(grant) = grant {
                        self.work(session, grant).await?;
                    }
                }
                Err(error) => self.setback("asking for work", error).await?,
            }
        }
    }

    /// What the next scene may take.
    fn free_memory(&self) -> Option<FreeMemory> {
        let host_bytes = machine::free_memory(&self.config.house.helper())?;
        Some(FreeMemory { host_bytes, device_bytes: self.renderer.device_memory() })
    }

    /// Whether the node has to rest; if so, after a while of it.
    async fn rests_now(&mut self) -> bool {
        if self.config.house.report().rests.is_none() {
            return false;
        }
        let _ = tokio::time::timeout(status::EVERY, self.config.house.until_free()).await;
        true
    }

    /// What a failed call means: to join again, to give up, or to wait and go on.
    async fn setback(&mut self, doing: &str, error: ClientError) -> Result<(), End> {
        if matches!(error, ClientError::Unauthorised { .. }) {
            return Err(End::JoinAgain);
        }
        if is_final(&error) {
            return Err(End::Fatal(AgentError::Refused(error)));
        }
        self.pause(&format!("{doing}: {error}")).await;
        Ok(())
    }

    /// Waits after a failure of the network.
    async fn pause(&mut self, why: &str) {
        wait(why, self.backoff.next_wait()).await;
    }

    /// Waits after work that could not be done.
    async fn rest(&mut self, why: &str) {
        wait(why, self.trouble.next_wait()).await;
    }

    /// Gives back what is in hand.
    async fn lay_down(&mut self) {
        if let Some(held) = self.held.take() {
            info!("giving lease {} back", held.grant().lease);
            held.give_back(None).await;
        }
    }
}

/// Why a session of work ends.
enum End {
    /// The master no longer knows the token.
    JoinAgain,
    /// The node has to end.
    Fatal(AgentError),
}

impl<E: Into<AgentError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

async fn wait(why: &str, how_long: Duration) {
    warn!("{why}; going on in {:.1} s", how_long.as_secs_f64());
    tokio::time::sleep(how_long).await;
}

/// Whether the master said no in a way that the same call would hear again.
fn is_final(error: &ClientError) -> bool {
    error
        .status()
        .is_some_and(|status| matches!(status, 400..=499 if status != 408 && status != 429))
}
