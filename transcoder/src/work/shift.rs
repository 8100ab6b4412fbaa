//! One session, from the grant of its lease to its end.

use super::line::{self, Bench};
use super::stopped;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tessera_client::{Backoff, WorkerClient};
use tessera_link::{Dial, Pin, dial};
use tessera_protocol::lease::GiveBackRequest;
use tessera_protocol::stream::{Ladder, Rendition};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

/// Waits before dialling again. Short: while nobody dials, the stream plays from its source.
const REDIAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A gateway that cannot be reached for so long is left to others.
const GIVE_UP: Duration = Duration::from_secs(30);
/// A connection that lived so long was well; its end begins a new series of waits.
const WELL_AFTER: Duration = Duration::from_secs(5);
/// A worker that is told to stop does not wait longer than this for its master.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(3);

/// A lease in hand.
pub struct Shift {
    /// What it is worked on with.
    pub bench: Arc<Bench>,
    /// Whom to tell that it goes on; another one after a new join.
    pub client: watch::Receiver<WorkerClient>,
    /// How often.
    pub heartbeat: Duration,
}

/// How a shift ends.
enum End {
    /// The lease is no more.
    Lost(String),
    /// The gateway cannot be reached.
    Unreachable(String),
    /// This worker is told to stop.
    Stopped,
}

impl Shift {
    /// Works until the lease ends, the gateway stays away, or `stop`.
    pub async fn work(self, stop: watch::Receiver<bool>) {
        let session = self.bench.grant.session;
        info!("session {session}: working for the gateway at {}", self.bench.grant.gateway_address);
        let end = tokio::select! {
            because = self.beat() => End::Lost(because),
            because = self.dial_again_and_again() => End::Unreachable(because),
            () = stopped(stop) => End::Stopped,
        };
        match end {
            End::Lost(because) => info!("session {session}: over: {because}"),
            End::Unreachable(because) => {
                warn!("session {session}: given back: {because}");
                self.give_back(Some(because)).await;
            }
            End::Stopped => {
                info!("session {session}: given back, since this worker stops");
                self.give_back(None).await;
            }
        }
    }

    /// Says that the lease is held until it is not; gives the reason.
    async fn beat(&self) -> String {
        let lease = self.bench.grant.lease;
        let expires_after = Duration::from_millis(self.bench.grant.expires_after_ms);
        let mut heard = Instant::now();
        let mut ticks = interval(self.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match self.client().stream_heartbeat(lease).await {
                Ok(view) if view.alive => heard = Instant::now(),
                Ok(_) => return "its lease has ended".to_owned(),
                Err(error) if heard.elapsed() > expires_after => {
                    return format!("the master was not reached until the lease ended: {error}");
                }
                // The lease outlasts several of them.
                Err(error) => warn!("heartbeat of lease {lease}: {error}"),
            }
        }
    }

    /// Works on one connection after the other; gives up when none comes about for long.
    async fn dial_again_and_again(&self) -> String {
        let mut backoff = Backoff::new(REDIAL.0, REDIAL.1);
        let mut away_since = Instant::now();
        let session = self.bench.grant.session;
        loop {
            match self.dial().await {
                Ok(connection) => {
                    let since = Instant::now();
                    let closed = line::serve(connection, &self.bench).await;
                    info!("session {session}: the connection to the gateway is over: {closed}");
                    away_since = Instant::now();
                    if since.elapsed() > WELL_AFTER {
                        backoff.reset();
                    }
                }
                // A gateway may hear of a lease a little later than its holder.
                Err(because) if away_since.elapsed() > GIVE_UP => return because,
                Err(because) => info!("session {session}: {because}; dialling again"),
            }
            sleep(backoff.next_wait()).await;
        }
    }

    async fn dial(&self) -> Result<tessera_link::Connection, String> {
        let grant = &self.bench.grant;
        let pin: Option<Pin> = match &grant.gateway_pin {
            Some(pin) => {
                Some(pin.parse().map_err(|error: tessera_link::NotAPin| error.to_string())?)
            }
            None => None,
        };
        let whom = Dial {
            address: &grant.gateway_address,
            gateway: grant.gateway,
            pin,
            lease: grant.lease,
            key: &self.bench.key,
        };
        dial(whom).await.map_err(|error| error.to_string())
    }

    fn client(&self) -> WorkerClient {
        self.client.borrow().clone()
    }

    /// If the master does not hear it, the lease expires.
    async fn give_back(&self, failed: Option<String>) {
        let lease = self.bench.grant.lease;
        let failed =
            failed.map(|reason| reason.chars().take(GiveBackRequest::MAX_REASON).collect());
        let request = GiveBackRequest { failed };
        let client = self.client();
        match timeout(GIVE_BACK_WITHIN, client.stream_give_back(lease, &request)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!("lease {lease} will expire: {error}"),
            Err(_) => warn!("lease {lease} will expire: the master does not answer"),
        }
    }
}

/// Pixels a second that a session is taken to need: what its segments `showed`, or before the first
/// one (0) its ladder at 30 frames a second and 16:9.
pub(super) fn need(ladder: &Ladder, showed: u64) -> u64 {
    let of = |rendition: &Rendition| {
        let fps = u64::from(rendition.max_fps.unwrap_or(30)).min(30);
        u64::from(rendition.height) * u64::from(rendition.height) * 16 / 9 * fps
    };
    if showed > 0 { showed } else { ladder.renditions().iter().map(of).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_guessed_until_a_segment_shows_what_it_needs() {
        let ladder: Ladder = "720p:2800k,360p15:800k".parse().unwrap();
        assert_eq!(need(&ladder, 0), 1280 * 720 * 30 + 640 * 360 * 15);
        assert_eq!(need(&ladder, 1_000), 1_000);
    }
}
