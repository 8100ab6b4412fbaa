//! Whoever asks hangs up, at every point of his request in turn: what the store holds and what
//! memory knows agree all the same. A connection that breaks drops the request in just this way.

use super::App;
use super::live::Beaten;
use crate::auth::{Token, TokenId};
use crate::blobs::Folder;
use crate::clock::Clock;
use crate::config::{Config, Inspected};
use crate::referee;
use crate::routes::router;
use crate::store::Store as _;
use crate::store::live::{
    GatewayJoining, KeyHash, NewStream, SessionAnswer, SessionAsk, SessionPlan,
};
use crate::store::sqlite::Sqlite;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tessera_protocol::commit::{NodeKey, join_message};
use tessera_protocol::stream::Ladder;
use tessera_protocol::stream::gateway::{
    GatewayDoors, GatewayJoinRequest, SessionBeat, SessionEnd, SessionRequest,
};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::token::TokenScope;
use tessera_protocol::{GatewayId, Generation, KernelId, PlaybackId, SessionId, StreamId};

/// How often a request is hung up after its effect, in each test. Where that is varies: reads that
/// are quick take fewer polls.
const HITS: usize = 5;
/// Requests after which that should long be so.
const PATIENCE: usize = 1000;

struct Stage {
    app: Arc<App>,
    operator: String,
    key: NodeKey,
    streams: AtomicU64,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inspect = Arc::new(|_: &_, _: Option<&_>, _: &_| Ok(Inspected::default()));
        let kernel = KernelId([7; 32]);
        let mut config =
            Config::new(folder.path().into(), kernel, vec![], inspect, referee::referee(1));
        config.session_lease = Duration::from_secs(600);
        let store = Sqlite::open(&folder.path().join("farm.sqlite")).unwrap();
        let (operator, token) = Token::generate(TokenScope::Operator, None).unwrap();
        store.add_token(token, 1).await.unwrap();
        let blobs = Folder::open(&folder.path().join("blobs")).unwrap();
        let app = Arc::new(App::new(
            config,
            Arc::new(store),
            blobs,
            Clock::start(1),
            NodeKey::from_secret(&[1; 32]),
            None,
        ));
        let (key, streams) = (NodeKey::from_secret(&[1; 32]), AtomicU64::new(0));
        let stage = Self { app, operator, key, streams, _folder: folder };
        stage.gateway_joins().await;
        stage
    }

    fn gateway(&self) -> GatewayId {
        GatewayId(self.key.node().0)
    }

    /// Its token, and what that is found by.
    async fn gateway_joins(&self) -> (String, TokenId) {
        let node = self.key.node();
        let (text, token) = Token::generate(TokenScope::Gateway, Some(node)).unwrap();
        let id = token.id();
        let gateway = self.gateway();
        let joining =
            GatewayJoining { gateway, name: "g".into(), doors: doors(), token, now_ms: 1 };
        self.app.store.gateway_join(joining).await.unwrap();
        self.app.tokens.forget_node(node);
        (text, id)
    }

    /// A stream and its key.
    async fn stream(&self) -> (StreamId, String) {
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let (playback, key) = (PlaybackId(id), format!("key {number}"));
        let id = StreamId(id);
        let new = NewStream {
            id,
            playback,
            owner: TokenId([1; 8]),
            spec: StreamSpec {
                name: "s".into(),
                ladder: Ladder::standard(),
                latency: Default::default(),
                record: false,
                restream: None,
                max_price: None,
            },
            key: KeyHash::of(&key),
            idempotency: None,
            now_ms: 1,
        };
        self.app.store.create_stream(new).await.unwrap();
        (id, key)
    }

    /// A stream that is live.
    async fn live(&self) -> (StreamId, SessionId) {
        let (stream, key) = self.stream().await;
        let request = SessionRequest { key, protocol: "rtmp".into() };
        (stream, self.app.open_session(self.gateway(), request).await.unwrap().session)
    }

    /// Whether memory would let its gateway go on with a session.
    fn goes_on(&self, session: SessionId) -> bool {
        let beat = SessionBeat {
            generation: Generation(1),
            connected: true,
            source: None,
            pixels_per_s: 0,
            health: vec![],
            workers: vec![],
        };
        let (times, now_ms) = (self.app.times(), self.app.clock.now_ms());
        let beaten = self.app.live.beat(session, self.gateway(), &beat, &times, now_ms);
        matches!(beaten, Beaten::Alive { .. })
    }

    /// Whether the store holds that it has ended.
    async fn has_ended(&self, session: SessionId) -> bool {
        let record = self.app.store.session(session).await.unwrap().unwrap();
        record.view.ended_ms.is_some()
    }

    /// Sends a request and hangs up when it would be polled once more than `point` times. Answers
    /// the status if that came before.
    async fn hang_up_at(&self, point: usize, request: Request<Body>) -> Option<StatusCode> {
        let mut call = pin!(TowerToHyperService::new(router(self.app.clone())).call(request));
        let mut polled = 0;
        poll_fn(|context| {
            if polled == point {
                return Poll::Ready(None);
            }
            polled += 1;
            call.as_mut().poll(context).map(|answer| Some(answer.unwrap().status()))
        })
        .await
    }

    /// Sends requests that `ask` makes, and hangs each up a little later than the one before; after
    /// one that is answered it begins anew. `agree` looks at what came of each and answers whether
    /// it took effect.
    async fn hang_up_everywhere<T>(
        &self,
        ask: impl AsyncFn() -> (Request<Body>, T),
        agree: impl AsyncFn(T) -> bool,
    ) {
        let (mut point, mut hits) = (1, 0);
        for _ in 0..PATIENCE {
            let (request, about) = ask().await;
            let answer = self.hang_up_at(point, request).await;
            self.settled().await;
            let took_effect = agree(about).await;
            point += 1;
            if let Some(status) = answer {
                assert!(status.is_success() && took_effect, "{status}");
                point = 1;
            } else if took_effect {
                hits += 1;
                if hits == HITS {
                    return;
                }
            }
        }
        panic!("only {hits} requests were hung up after their effect");
    }

    /// Ready when all that was begun with sessions is done, and all that was to be written is.
    async fn settled(&self) {
        drop(self.app.live.opening.lock().await);
        // Writes are made one after the other.
        self.app.store.release_session(SessionId([0; 16])).await.unwrap();
    }
}

fn doors() -> GatewayDoors {
    GatewayDoors {
        rtmp: None,
        srt: None,
        http: "http://127.0.0.1:1".into(),
        link: "127.0.0.1:2".into(),
        link_pin: None,
    }
}

fn post(token: &str, path: &str, body: &impl serde::Serialize) -> Request<Body> {
    let request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(serde_json::to_vec(body).unwrap().into()).unwrap()
}

#[tokio::test]
async fn a_key_is_rotated_in_the_store_and_in_memory_or_in_neither() {
    let stage = Stage::set().await;
    let rotate = async || {
        let (stream, session) = stage.live().await;
        (post(&stage.operator, &format!("/v1/streams/{stream}/rotate-key"), &()), session)
    };
    let agree = async |session| {
        let ended = stage.has_ended(session).await;
        assert_eq!(stage.goes_on(session), !ended);
        ended
    };
    stage.hang_up_everywhere(rotate, agree).await;
}

#[tokio::test]
async fn a_stream_ends_in_the_store_and_in_memory_or_in_neither() {
    let stage = Stage::set().await;
    let end = async || {
        let (stream, session) = stage.live().await;
        (post(&stage.operator, &format!("/v1/streams/{stream}/end"), &()), session)
    };
    let agree = async |session| {
        let ended = stage.has_ended(session).await;
        assert_eq!(stage.goes_on(session), !ended);
        ended
    };
    stage.hang_up_everywhere(end, agree).await;
}

#[tokio::test]
async fn a_session_that_begins_or_ends_does_so_in_both() {
    let stage = Stage::set().await;
    let (token, _) = stage.gateway_joins().await;
    let open = async || {
        let (stream, key) = stage.stream().await;
        let request = SessionRequest { key, protocol: "rtmp".into() };
        (post(&token, "/gateway/v1/sessions", &request), stream)
    };
    let agree = async |stream| {
        let open = stage.app.store.open_sessions().await.unwrap();
        let begun = open.iter().find(|session| session.stream == stream);
        assert!(begun.is_none_or(|session| stage.goes_on(session.id)));
        begun.is_some()
    };
    stage.hang_up_everywhere(open, agree).await;

    let end = async || {
        let (_, session) = stage.live().await;
        let end = SessionEnd { generation: Generation(1), because: "x".into(), recording: None };
        (post(&token, &format!("/gateway/v1/sessions/{session}/end"), &end), session)
    };
    let agree = async |session| {
        let ended = stage.has_ended(session).await;
        assert_eq!(stage.goes_on(session), !ended);
        ended
    };
    stage.hang_up_everywhere(end, agree).await;
}

#[tokio::test]
async fn a_token_that_a_new_one_replaces_is_good_no_more() {
    let stage = Stage::set().await;
    // With a body that is refused: what counts is whether it comes to that.
    let is_good = async |token: &str| {
        let answer = stage.hang_up_at(usize::MAX, post(token, "/gateway/v1/sessions", &())).await;
        answer.unwrap() != StatusCode::UNAUTHORIZED
    };
    let join = async || {
        let (token, id) = stage.gateway_joins().await;
        assert!(is_good(&token).await);
        let challenge = stage.app.challenge().unwrap().challenge;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&challenge, &mut bytes).unwrap();
        let request = GatewayJoinRequest {
            gateway: stage.gateway(),
            challenge,
            signature: stage.key.sign(&join_message(stage.key.node(), &bytes)),
            name: "g".into(),
            doors: doors(),
        };
        (post(&stage.operator, "/gateway/v1/join", &request), (token, id))
    };
    let agree = async |(token, id): (String, TokenId)| {
        let replaced = stage.app.store.token(id).await.unwrap().is_none();
        let patience = Instant::now() + Duration::from_secs(60);
        while replaced && is_good(&token).await {
            assert!(Instant::now() < patience, "the old token is still good");
        }
        replaced
    };
    stage.hang_up_everywhere(join, agree).await;
}

/// The write was made and the call failed all the same, as when the disk answers too late.
#[tokio::test]
async fn the_same_again_repairs_what_memory_did_not_hear() {
    let stage = Stage::set().await;
    let app = &stage.app;
    let (rotated, first) = stage.live().await;
    let (ended, second) = stage.live().await;
    app.store.rotate_key(rotated, KeyHash::of("lost"), "rotated", 2).await.unwrap();
    app.store.end_stream(ended, "ended", 2).await.unwrap();
    assert!(stage.goes_on(first) && stage.goes_on(second), "memory does not know");
    for path in [format!("/v1/streams/{rotated}/rotate-key"), format!("/v1/streams/{ended}/end")] {
        let answer = stage.hang_up_at(usize::MAX, post(&stage.operator, &path, &())).await;
        assert_eq!(answer, Some(StatusCode::OK));
    }
    assert!(!stage.goes_on(first) && !stage.goes_on(second));
}

#[tokio::test]
async fn a_stream_has_one_session_at_a_time() {
    let stage = Stage::set().await;
    let (stream, forgotten) = stage.live().await;
    let ask = SessionAsk {
        stream,
        key: KeyHash::of("key 0"),
        session: SessionPlan::New(SessionId([9; 16])),
        gateway: stage.gateway(),
        protocol: "rtmp".into(),
        now_ms: 2,
    };
    let answer = stage.app.store.grant_session(ask).await.unwrap();
    assert!(matches!(answer, SessionAnswer::Granted { .. }));
    assert!(stage.has_ended(forgotten).await);
    assert!(!stage.has_ended(SessionId([9; 16])).await);
}
