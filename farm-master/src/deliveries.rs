//! Messages to webhooks leave the outbox: beside the requests, several at a time, each again and
//! again by the rules of [`retry`](crate::rules::retry).
//!
//! What is to be sent and what became of it is in the store alone: whoever kills the master has it
//! send the message again that was under way, under the same id. Nothing is promised about the
//! order, not even to one webhook.

use crate::app::App;
use crate::auth::TokenId;
use crate::clock::system_seconds;
use crate::outbound::{Guard, Reach, Unreachable};
use crate::rules::retry::{self, Met, Next};
use crate::store::StoreError;
use crate::store::webhooks::{Attempt, Due, Then};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_protocol::webhook::{DELIVERY_HEADER, SIGNATURE_HEADER};
use tessera_protocol::{DeliveryId, WebhookId};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};

/// Attempts at once, all webhooks together, and to one: a slow one holds nobody else back. An owner
/// has at most as many under way as are left for everybody, so that one with none is not held up by
/// however many receivers of others that hang.
const AT_ONCE: usize = 64;
const AT_ONCE_EACH: u32 = 4;
/// Without a call, how often to look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long deliveries are kept, and how often old ones are looked for.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
/// Longest words about an attempt that failed, in characters.
const MAX_ANSWER: usize = 200;

/// What connects to webhooks.
#[derive(Clone)]
struct Sender {
    http: reqwest::Client,
    reach: Reach,
}

/// What goes on.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    told: HashMap<Id, Told>,
}

/// Who is being told what.
#[derive(Debug, Clone, Copy)]
struct Told {
    delivery: DeliveryId,
    webhook: WebhookId,
    owner: TokenId,
}

impl UnderWay {
    /// Whether there is room for an attempt, and it is not under way already.
    fn lets_begin(&self, next: &Told) -> bool {
        let like =
            |same: &dyn Fn(&Told) -> bool| self.told.values().filter(|one| same(one)).count();
        let left = AT_ONCE.saturating_sub(self.told.len());
        like(&|one| one.owner == next.owner) < left
            && like(&|one| one.webhook == next.webhook) < AT_ONCE_EACH as usize
            && like(&|one| one.delivery == next.delivery) == 0
    }

    /// Waits for one to end; for ever where there is none.
    async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            None => return std::future::pending().await,
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tracing::error!(%error, "an attempt to tell a webhook panicked");
                error.id()
            }
        };
        self.told.remove(&id);
    }
}

impl App {
    /// Sends what is due, again and again until the master stops.
    pub(crate) async fn deliver(self: Arc<Self>) -> anyhow::Result<()> {
        let sender = Sender::new(&self)?;
        let pause = LOOK_AGAIN.min(self.config.webhook_wait);
        let mut under_way = UnderWay::default();
        let mut forget_at = Instant::now();
        loop {
            if let Err(error) = self.begin_due(&sender, &mut under_way).await {
                tracing::warn!(%error, "could not look for messages to webhooks; trying again");
            }
            if Instant::now() >= forget_at {
                forget_at = Instant::now() + FORGET_EVERY;
                let before_ms = self.clock.now_ms() - KEPT_MS;
                if let Err(error) = self.store.forget_deliveries(before_ms).await {
                    tracing::warn!(%error, "could not forget old messages to webhooks");
                }
            }
            tokio::select! {
                () = self.hints.deliveries.notified() => {}
                () = under_way.ended() => {}
                () = sleep(pause) => {}
                // What is under way is sent again after the next start.
                () = self.stopping.cancelled() => return Ok(()),
            }
        }
    }

    async fn begin_due(
        self: &Arc<Self>,
        sender: &Sender,
        under_way: &mut UnderWay,
    ) -> Result<(), StoreError> {
        for due in self.store.due(self.clock.now_ms(), AT_ONCE_EACH).await? {
            let told = Told { delivery: due.id, webhook: due.webhook, owner: due.owner };
            if !under_way.lets_begin(&told) {
                continue;
            }
            let (app, sender) = (self.clone(), sender.clone());
            let task = under_way.tasks.spawn(async move { app.attempt(&sender, due).await });
            under_way.told.insert(task.id(), told);
        }
        Ok(())
    }

    async fn attempt(&self, sender: &Sender, due: Due) {
        // Receivers compare it with their own clocks. Ours never steps, and is not theirs.
        let (met, mut answer) = sender.send(&due, system_seconds()).await;
        answer = answer.chars().take(MAX_ANSWER).collect();
        let number = due.attempts + 1;
        let then = match retry::next(number, &met, self.config.webhook_wait, chance()) {
            Next::Delivered => Then::Delivered,
            Next::Again(wait) => {
                let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                Then::AgainAt(self.clock.now_ms().saturating_add(wait_ms))
            }
            Next::Failed => Then::Failed,
        };
        self.counters.deliveries.fetch_add(1, Ordering::Relaxed);
        if then != Then::Delivered {
            self.counters.deliveries_failed.fetch_add(1, Ordering::Relaxed);
            let (delivery, webhook) = (due.id, due.webhook);
            tracing::info!(%delivery, %webhook, number, answer, "a webhook was not reached");
        }
        let attempt = Attempt { id: due.id, number, answer, then };
        if let Err(error) = self.store.attempted(attempt).await {
            // It stays due, and is sent again.
            tracing::error!(%error, delivery = %due.id, "could not note what became of a message");
        }
    }
}

impl Sender {
    fn new(app: &App) -> anyhow::Result<Self> {
        Self::within(Reach::of(&app.config), app.config.webhook_timeout)
    }

    fn within(reach: Reach, timeout: Duration) -> anyhow::Result<Self> {
        // The first caller in the process wins; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("tessera/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            // Where it leads was not looked at.
            .redirect(Policy::none())
            // A proxy would resolve names elsewhere.
            .no_proxy()
            .dns_resolver(Guard(reach))
            .build()?;
        Ok(Self { http, reach })
    }

    /// Sends a message once: what it met, for the rules and in words.
    async fn send(&self, due: &Due, seconds: u64) -> (Met, String) {
        let url = match self.reach.check(&due.url) {
            Ok(url) => url,
            Err(error) => return (Met::Forbidden, error.to_string()),
        };
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, signature(&due.secret, seconds, &due.body))
            .header(DELIVERY_HEADER, due.id.to_string())
            .body(due.body.clone());
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                let after = response.headers().get(RETRY_AFTER);
                let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                let met = Met::Status(status.as_u16(), after.map(Duration::from_secs));
                (met, format!("HTTP {status}"))
            }
            Err(error) => no_answer(&error),
        }
    }
}

fn no_answer(error: &reqwest::Error) -> (Met, String) {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if deepest.is::<Unreachable>() {
        return (Met::Forbidden, deepest.to_string());
    }
    let what = if error.is_timeout() { "no answer in time" } else { "no answer" };
    (Met::Nothing, format!("{what}: {deepest}"))
}

/// The value of [`SIGNATURE_HEADER`].
fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Anything from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without chance the waits are the middle ones.
    getrandom::fill(&mut bytes)
        .map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value was computed with `openssl dgst -sha256 -hmac hook-secret`.
    #[test]
    fn a_signature_is_what_anybody_computes() {
        assert_eq!(signature("hook-secret", 1_700_000_000, "{}"), EXPECTED);
    }

    /// The name passes, for it says nothing of where it leads; what it leads to does not.
    #[tokio::test]
    async fn a_name_that_leads_home_fails_before_anything_is_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sender = Sender::within(Reach::Public, Duration::from_secs(10)).unwrap();
        sender.reach = Reach::PublicAndLoopback;
        let due = Due {
            id: DeliveryId([1; 16]),
            webhook: WebhookId([2; 16]),
            owner: TokenId([3; 8]),
            url: format!("http://localhost:{port}/"),
            secret: "hook-secret".into(),
            body: "{}".into(),
            attempts: 0,
        };
        let (met, answer) = sender.send(&due, 0).await;
        assert_eq!(met, Met::Forbidden, "{answer}");
        assert!(answer.contains("not an address of the public internet"), "{answer}");
        tokio::select! {
            biased;
            came = listener.accept() => panic!("{came:?}"),
            () = std::future::ready(()) => {}
        }
    }

    const EXPECTED: &str =
        "t=1700000000,v1=dbf225485a6050dcdd76bf39f33e9bbf2c608ea346b5db374a78057f5e3e8aa8";
}
