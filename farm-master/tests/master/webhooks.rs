//! Webhooks, told by the master to a real server that answers as it pleases.

use crate::browser::Browser;
use crate::studio::{code, note, stream_spec};
use crate::world::{Farm, eventually, read, spec};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tessera_client::{Client, no_progress};
use tessera_farm_master::auth::Token;
use tessera_farm_master::store::Store as _;
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_protocol::job::JobState;
use tessera_protocol::stream::gateway::SessionEnd;
use tessera_protocol::stream::view::Recording;
use tessera_protocol::token::TokenScope;
use tessera_protocol::webhook::{
    DELIVERY_HEADER, DeliveryState, DeliveryView, Happening, SIGNATURE_HEADER, WebhookEvent,
    WebhookList, WebhookView,
};

/// How a receiver answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    Status(u16),
    TooMany {
        retry_after: u64,
    },
    Elsewhere,
    /// Nothing, for ever.
    Silence,
}

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    signature: String,
    delivery: String,
    body: String,
}

impl Came {
    pub(crate) fn event(&self) -> WebhookEvent {
        serde_json::from_str(&self.body).unwrap()
    }

    /// When it was signed, in seconds since 1970.
    fn signed_at(&self) -> u64 {
        let (time, _) = self.signature.split_once(',').unwrap();
        time.strip_prefix("t=").unwrap().parse().unwrap()
    }

    /// Whether it is signed as the documentation says.
    fn is_signed_with(&self, secret: &str) -> bool {
        let (_, signature) = self.signature.split_once(',').unwrap();
        let seconds = self.signed_at();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{}", self.body).as_bytes());
        let expected = hex::encode(mac.finalize().into_bytes());
        signature.strip_prefix("v1=") == Some(&expected)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Receiver {
    says: Arc<Mutex<VecDeque<Says>>>,
    came: Arc<Mutex<Vec<Came>>>,
    pub(crate) url: String,
}

impl Receiver {
    /// Answers as told, one after the other, and 200 from then on.
    pub(crate) async fn start(says: &[Says]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self {
            says: Arc::new(Mutex::new(says.iter().copied().collect())),
            url,
            ..Self::default()
        };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    async fn until(&self, number: usize) -> Vec<Came> {
        eventually(async || Some(self.came()).filter(|came| came.len() >= number)).await
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    receiver.came.lock().unwrap().push(Came {
        signature: header(SIGNATURE_HEADER),
        delivery: header(DELIVERY_HEADER),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let says = receiver.says.lock().unwrap().pop_front();
    match says {
        None => StatusCode::OK.into_response(),
        Some(Says::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Says::TooMany { retry_after }) => {
            let headers = [("retry-after", retry_after.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, headers).into_response()
        }
        Some(Says::Elsewhere) => {
            (StatusCode::FOUND, [("location", receiver.url.clone())]).into_response()
        }
        Some(Says::Silence) => std::future::pending().await,
    }
}

async fn quick() -> Farm {
    Farm::start_with(|config| {
        config.webhook_wait = Duration::from_millis(5);
        config.webhook_timeout = Duration::from_secs(2);
        config.health_settles = Duration::ZERO;
    })
    .await
}

async fn until_state(
    client: &Client,
    hook: &WebhookView,
    delivery: &DeliveryView,
    state: DeliveryState,
) -> DeliveryView {
    eventually(async || {
        let all = client.deliveries(hook.id).await.unwrap();
        all.into_iter().find(|one| one.id == delivery.id && one.state == state)
    })
    .await
}

#[tokio::test]
async fn a_broadcast_is_told_from_its_beginning_to_its_recording() {
    let farm = quick().await;
    let broadcaster = farm.broadcaster().await;
    let (mine, theirs, all) =
        (Receiver::start(&[]).await, Receiver::start(&[]).await, Receiver::start(&[]).await);
    let hook = broadcaster.create_webhook(&mine.url).await.unwrap();
    let other = farm.broadcaster().await;
    other.create_webhook(&theirs.url).await.unwrap();
    farm.operator().create_webhook(&all.url).await.unwrap();

    let gateway = farm.gateway(1).await;
    let made = broadcaster.create_stream(&stream_spec(), "k").await.unwrap();
    let grant = gateway.open(&made.key).await.unwrap();
    let slow = note("keyframe-interval-long");
    gateway.beat_with(&grant, |beat| beat.health = vec![slow.clone()]).await;
    gateway.beat_with(&grant, |beat| beat.health = vec![slow.clone()]).await;
    let recording = Recording {
        playlist_url: "http://127.0.0.1/index.m3u8".into(),
        mp4_url: "http://127.0.0.1/best.mp4".into(),
        duration_ms: 2000,
    };
    let end = SessionEnd {
        generation: grant.generation,
        because: "the source left".into(),
        recording: Some(recording.clone()),
    };
    gateway.client.end_session(grant.session, &end).await.unwrap();
    gateway.client.end_session(grant.session, &end).await.unwrap();

    let came = mine.until(4).await;
    let session = grant.session;
    let mut events: Vec<_> = came.iter().map(Came::event).collect();
    events.sort_by_key(|event| event.at_ms);
    assert!(events.iter().all(|event| event.stream == Some(made.stream.id)));
    for expected in [
        Happening::SessionStarted { session },
        Happening::HealthChanged { session, health: vec![slow] },
        Happening::SessionEnded { session, because: "the source left".into() },
        Happening::RecordingReady { session, recording },
    ] {
        let found = events.iter().filter(|event| event.event == expected).count();
        assert_eq!(found, 1, "{expected:?} in {events:?}");
    }
    let secret = hook.secret.as_deref().unwrap();
    for came in &came {
        assert!(came.is_signed_with(secret) && !came.is_signed_with("another"));
        assert_eq!(came.delivery, came.event().id.to_string());
    }
    assert_eq!(all.until(4).await.len(), 4, "the operator hears of all streams");
    assert!(theirs.came().is_empty(), "and others of their own");
    let shown = broadcaster.webhooks().await.unwrap();
    assert_eq!((shown.len(), &shown[0].secret), (1, &None), "shown once");
}

#[tokio::test]
async fn a_job_is_told_to_whom_it_concerns_and_to_nobody_who_may_not_hear() {
    let farm = quick().await;
    let (artist, broadcaster) = (farm.artist().await, farm.broadcaster().await);
    let (jobs, streams, theirs) =
        (Receiver::start(&[]).await, Receiver::start(&[]).await, Receiver::start(&[]).await);
    let hook = artist.create_webhook(&jobs.url).await.unwrap();
    assert_eq!((hook.jobs, hook.streams), (true, false));
    let hook = broadcaster.create_webhook(&streams.url).await.unwrap();
    assert_eq!((hook.jobs, hook.streams), (false, true));
    farm.artist().await.create_webhook(&theirs.url).await.unwrap();
    let scene = farm.scratch().join("scene.glb");
    std::fs::write(&scene, b"a scene").unwrap();
    let blob = artist.upload(&scene, no_progress()).await.unwrap().blob;
    let job = artist.submit(&spec(blob), "once").await.unwrap();
    artist.pause(job.id).await.unwrap();
    artist.resume(job.id).await.unwrap();
    farm.node(1).await.work_all(u64::MAX).await;
    let came = jobs.until(4).await;
    let mut events: Vec<_> = came.iter().map(Came::event).collect();
    events.sort_by_key(|event| event.at_ms);
    let told = |event: &WebhookEvent| match &event.event {
        Happening::JobChanged { name, state, .. } => (name.clone(), *state),
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = events.iter().map(told).collect();
    let name = || "shot".to_owned();
    let of = |state| told.iter().filter(|told| **told == (name(), state)).count();
    assert_eq!((of(JobState::Active), of(JobState::Paused), of(JobState::Completed)), (2, 1, 1));
    assert!(events.iter().all(|event| event.job == Some(job.id) && event.stream.is_none()));
    assert!(streams.came().is_empty() && theirs.came().is_empty());
}

#[tokio::test]
async fn a_key_for_jobs_reads_nothing_about_streams() {
    let farm = quick().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let all: WebhookView = read(
        ada.post("/v1/webhooks", &json!({ "url": "http://127.0.0.1:1/hook" })).await,
        StatusCode::CREATED,
    )
    .await;
    assert!(all.jobs && all.streams, "an account's hears of both");
    let artist = farm.client(&ada.key("artist").await.key);
    assert_eq!(artist.webhooks().await.unwrap(), []);
    assert_eq!(code(artist.deliveries(all.id).await), "webhook-not-found");
    let own = artist.create_webhook("http://127.0.0.1:1/jobs").await.unwrap();
    let page: WebhookList = read(ada.get("/v1/webhooks").await, StatusCode::OK).await;
    assert_eq!(page.data.iter().map(|hook| hook.id).collect::<Vec<_>>(), [all.id, own.id]);
    let owner = farm.client(&farm.owner().await);
    assert_eq!(code(owner.webhooks().await), "scope-too-small");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_id() {
    let farm = quick().await;
    let client = farm.operator();
    let says = [Says::Status(500), Says::Status(503), Says::Silence, Says::Status(408)];
    let receiver = Receiver::start(&says).await;
    let hook = client.create_webhook(&receiver.url).await.unwrap();
    let ping = client.ping_webhook(hook.id).await.unwrap();
    assert_eq!((ping.state, ping.attempts), (DeliveryState::Pending, 0));
    let delivered = until_state(&client, &hook, &ping, DeliveryState::Delivered).await;
    assert_eq!(delivered.attempts, 5);
    assert_eq!(delivered.last_answer.as_deref(), Some("HTTP 200 OK"));
    assert_eq!((delivered.next_ms, &delivered.event.event), (None, &Happening::Ping));
    let came = receiver.came();
    assert_eq!(came.len(), 5);
    assert!(came.iter().all(|one| one.delivery == ping.id.to_string()));
    assert!(came.iter().all(|one| one.body == came[0].body));
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let farm = quick().await;
    let client = farm.operator();
    let receiver = Receiver::start(&[Says::TooMany { retry_after: 3600 }]).await;
    let hook = client.create_webhook(&receiver.url).await.unwrap();
    let ping = client.ping_webhook(hook.id).await.unwrap();
    let waits = eventually(async || {
        let all = client.deliveries(hook.id).await.unwrap();
        all.into_iter().find(|one| one.attempts == 1)
    })
    .await;
    assert_eq!(waits.state, DeliveryState::Pending);
    let wait_ms = waits.next_ms.unwrap() - ping.event.at_ms;
    assert!((3_600_000..3_660_000).contains(&wait_ms), "{wait_ms} ms");
    // Whoever asks for it gets it at once, in the same words.
    let again = client.resend(hook.id, ping.id).await.unwrap();
    assert_eq!((again.state, again.attempts), (DeliveryState::Pending, 0));
    until_state(&client, &hook, &ping, DeliveryState::Delivered).await;
    let came = receiver.came();
    assert_eq!(came.len(), 2);
    assert_eq!(came[0].body, came[1].body);
}

#[tokio::test]
async fn what_cannot_pass_fails_at_once_and_can_be_sent_again() {
    let farm = quick().await;
    let client = farm.operator();
    for (says, answer) in [
        (Says::Status(404), "HTTP 404 Not Found"),
        (Says::Status(400), "HTTP 400 Bad Request"),
        (Says::Elsewhere, "HTTP 302 Found"),
    ] {
        let receiver = Receiver::start(&[says]).await;
        let hook = client.create_webhook(&receiver.url).await.unwrap();
        let ping = client.ping_webhook(hook.id).await.unwrap();
        let failed = until_state(&client, &hook, &ping, DeliveryState::Failed).await;
        assert_eq!((failed.attempts, failed.last_answer.as_deref()), (1, Some(answer)));
        client.resend(hook.id, ping.id).await.unwrap();
        until_state(&client, &hook, &ping, DeliveryState::Delivered).await;
        assert_eq!(receiver.came().len(), 2, "no redirect was followed");
        client.delete_webhook(hook.id).await.unwrap();
        assert_eq!(code(client.deliveries(hook.id).await), "webhook-not-found");
    }
}

#[tokio::test]
async fn after_twelve_attempts_it_is_given_up() {
    let farm = Farm::start_with(|config| config.webhook_wait = Duration::from_micros(1)).await;
    let client = farm.operator();
    let receiver = Receiver::start(&[Says::Status(500); 20]).await;
    let hook = client.create_webhook(&receiver.url).await.unwrap();
    let ping = client.ping_webhook(hook.id).await.unwrap();
    let failed = until_state(&client, &hook, &ping, DeliveryState::Failed).await;
    assert_eq!((failed.attempts, receiver.came().len()), (12, 12));
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_nobody_else_back() {
    let farm = Farm::start_with(|config| config.webhook_timeout = Duration::from_secs(60)).await;
    let client = farm.operator();
    let (hanging, quick) =
        (Receiver::start(&[Says::Silence; 100]).await, Receiver::start(&[]).await);
    let stuck = client.create_webhook(&hanging.url).await.unwrap();
    for _ in 0..20 {
        client.ping_webhook(stuck.id).await.unwrap();
    }
    hanging.until(4).await;
    let hook = client.create_webhook(&quick.url).await.unwrap();
    let ping = client.ping_webhook(hook.id).await.unwrap();
    until_state(&client, &hook, &ping, DeliveryState::Delivered).await;
    assert_eq!(hanging.came().len(), 4, "four at once and no more");
}

#[tokio::test]
async fn an_owner_whose_receivers_hang_holds_no_other_owner_back() {
    let farm = Farm::start_with(|config| config.webhook_timeout = Duration::from_secs(600)).await;
    let hanging = Receiver::start(&[Says::Silence; 100]).await;
    let mine = farm.broadcaster().await;
    for _ in 0..16 {
        let stuck = mine.create_webhook(&hanging.url).await.unwrap();
        for _ in 0..4 {
            mine.ping_webhook(stuck.id).await.unwrap();
        }
    }
    hanging.until(32).await;
    // All of them are due before this one.
    let (theirs, quick) = (farm.broadcaster().await, Receiver::start(&[]).await);
    let hook = theirs.create_webhook(&quick.url).await.unwrap();
    let ping = theirs.ping_webhook(hook.id).await.unwrap();
    until_state(&theirs, &hook, &ping, DeliveryState::Delivered).await;
    assert_eq!(hanging.came().len(), 32, "half of what there is for all");
}

#[tokio::test]
async fn a_signature_has_the_time_that_the_system_has() {
    let mut farm = quick().await;
    let receiver = Receiver::start(&[]).await;
    let hook = farm.operator().create_webhook(&receiver.url).await.unwrap();
    farm.stop().await;
    // The system's clock was a day ahead once: the master's own does not go back behind that.
    let now = || UNIX_EPOCH.elapsed().unwrap();
    let ahead = now() + Duration::from_secs(24 * 60 * 60);
    let (_, token) = Token::generate(TokenScope::Artist, None).unwrap();
    let store = Sqlite::open(&farm.config.state.join("farm.sqlite")).unwrap();
    store.add_token(token, i64::try_from(ahead.as_millis()).unwrap()).await.unwrap();
    drop(store);
    farm.begin().await;
    let before = now().as_secs();
    let ping = farm.operator().ping_webhook(hook.id).await.unwrap();
    assert!(ping.event.at_ms >= i64::try_from(ahead.as_millis()).unwrap());
    let signed_at = receiver.until(1).await[0].signed_at();
    assert!((before..=now().as_secs()).contains(&signed_at), "{signed_at}");
}

#[tokio::test]
async fn messages_outlive_the_master_and_a_thousand_are_kept() {
    let mut farm = quick().await;
    let broken = Receiver::start(&[Says::TooMany { retry_after: 1 }; 1]).await;
    let hook = farm.operator().create_webhook(&broken.url).await.unwrap();
    let ping = farm.operator().ping_webhook(hook.id).await.unwrap();
    broken.until(1).await;
    farm.restart().await;
    until_state(&farm.operator(), &hook, &ping, DeliveryState::Delivered).await;
    assert!(broken.came().len() >= 2);
    let client = farm.operator();
    for _ in 0..15 {
        let pings = (0..67).map(|_| client.ping_webhook(hook.id));
        futures::future::try_join_all(pings).await.unwrap();
    }
    let kept = farm.operator().deliveries(hook.id).await.unwrap();
    assert_eq!(kept.len(), 1000);
    assert!(kept.iter().all(|one| one.id != ping.id), "the oldest went");
}

#[tokio::test]
async fn only_addresses_that_the_master_may_reach_are_taken() {
    let farm = quick().await;
    let client = farm.operator();
    for url in ["http://example.org/", "https://10.0.0.1/", "ftp://127.0.0.1/", "x", "https://"] {
        assert_eq!(code(client.create_webhook(url).await), "webhook-refused", "{url}");
    }
    let long = format!("https://example.org/{}", "x".repeat(2000));
    assert_eq!(code(client.create_webhook(&long).await), "webhook-refused");
    for number in 0..16 {
        client.create_webhook(&format!("https://example.org/{number}")).await.unwrap();
    }
    let one_more = client.create_webhook("https://example.org/17").await;
    assert_eq!(code(one_more), "webhook-refused");

    // A master that others reach does not send to its own machine.
    let open = Farm::start_with(|config| config.behind_tls_proxy = true).await;
    let refused = open.operator().create_webhook("http://127.0.0.1:9/").await;
    assert_eq!(code(refused), "webhook-refused");
}
