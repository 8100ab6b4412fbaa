//! A master for tests: says what it is told to, and remembers what it heard.

use super::desk::Desk;
use super::restream::Reach;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tessera_client::{Enrolment, MasterAddress, PlainHttp};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::problem::Problem;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::gateway::{
    GatewayDoors, SegmentReports, SegmentReportsView, SessionBeat, SessionBeatView, SessionEnd,
    SessionGrant, SessionRequest,
};
use tessera_protocol::{Generation, PlaybackId, SessionId, StreamId};
use tessera_publish::{Library, LibraryOptions};
use tokio::net::TcpListener;

/// What it answers to a source's key: a grant, or that another gateway has the stream for a second
/// more.
pub(super) type Answer = Option<SessionGrant>;

type Open = Arc<dyn Fn(&SessionRequest) -> Answer + Send + Sync>;

pub(super) struct FakeMaster {
    address: String,
    pub(super) heard: Arc<Heard>,
}

/// What gateways said.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) ends: Mutex<Vec<(SessionId, SessionEnd)>>,
    pub(super) reported: Mutex<HashMap<SessionId, Vec<SegmentNumber>>>,
}

impl FakeMaster {
    /// A master that answers to keys as `open` says, and takes everything else.
    pub(super) async fn start(
        open: impl Fn(&SessionRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let heard = Arc::new(Heard::default());
        let open: Open = Arc::new(open);
        let json = |value: serde_json::Value| async move { Json(value) };
        let challenge = serde_json::json!({ "challenge": "00".repeat(32) });
        let token = serde_json::json!({ "token": "a token" });
        let router = Router::new()
            .route("/node/v1/challenge", post(move || json(challenge)))
            .route("/gateway/v1/join", post(move || json(token)))
            .route("/gateway/v1/sessions", post(sessions))
            .route("/gateway/v1/sessions/{id}/beat", post(beat))
            .route("/gateway/v1/sessions/{id}/segments", post(segments))
            .route("/gateway/v1/sessions/{id}/end", post(end))
            .with_state((Arc::clone(&heard), open));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(super::http::serve(listener, None, router, std::future::pending()));
        Self { address, heard }
    }

    /// A gateway that has joined, with its library in `folder`.
    pub(super) async fn desk(&self, folder: &Path) -> Arc<Desk> {
        let master = MasterAddress::parse(&self.address, PlainHttp::LoopbackOnly).unwrap();
        let (key, url) = (NodeKey::from_secret(&[7; 32]), "http://127.0.0.1:1".to_owned());
        let doors =
            GatewayDoors { rtmp: None, srt: None, http: url, link: "-".into(), link_pin: None };
        let enrolment = Enrolment::new(master, "a token".to_owned()).unwrap();
        let (_, client) = enrolment.gateway_join(&key, "a gateway", &doors).await.unwrap();
        let library = Library::open(folder, LibraryOptions::default()).unwrap();
        Arc::new(Desk::new(key, client, library, None, Reach::Public))
    }
}

/// A grant of a session.
pub(super) fn grant(session: u8, generation: u64) -> SessionGrant {
    SessionGrant {
        session: SessionId([session; 16]),
        stream: StreamId([1; 16]),
        playback_id: PlaybackId([1; 16]),
        generation: Generation(generation),
        ladder: "144p:250k".parse().unwrap(),
        latency: Default::default(),
        record: false,
        restream: None,
        next_segment: SegmentNumber(0),
        lease_ms: 60_000,
        reconnect_ms: 60_000,
    }
}

type Shared = State<(Arc<Heard>, Open)>;

async fn sessions(State((heard, open)): Shared, Json(request): Json<SessionRequest>) -> Response {
    heard.asked.lock().unwrap().push(request.key.clone());
    if let Some(grant) = open(&request) {
        return Json(grant).into_response();
    }
    let problem = Problem {
        kind: "/problems/stream-is-live".to_owned(),
        title: String::new(),
        status: 409,
        detail: "Another gateway may publish it.".to_owned(),
    };
    (StatusCode::CONFLICT, [("retry-after", "1")], Json(problem)).into_response()
}

async fn beat(Json(_): Json<SessionBeat>) -> Json<SessionBeatView> {
    let view = serde_json::json!({ "alive": true, "because": null, "workers": [] });
    Json(serde_json::from_value(view).unwrap())
}

async fn segments(
    State((heard, _)): Shared,
    UrlPath(session): UrlPath<String>,
    Json(reports): Json<SegmentReports>,
) -> Json<SegmentReportsView> {
    let numbers = reports.segments.iter().map(|report| report.segment);
    let mut reported = heard.reported.lock().unwrap();
    reported.entry(session.parse().unwrap()).or_default().extend(numbers);
    Json(SegmentReportsView::default())
}

async fn end(
    State((heard, _)): Shared,
    UrlPath(session): UrlPath<String>,
    Json(end): Json<SessionEnd>,
) {
    heard.ends.lock().unwrap().push((session.parse().unwrap(), end));
}
