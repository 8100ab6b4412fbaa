//! What the client does when things go wrong, against a server made to go wrong in one way each.
//! That it speaks the real master's language is shown by the whole-system tests.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_client::{
    Artefact, Client, ClientError, Enrolment, MasterAddress, PlainHttp, no_progress,
};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::job::{JobEvent, JobState};
use tessera_protocol::node::DeviceView;
use tessera_protocol::stream::gateway::{GatewayDoors, SessionRequest};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::{BlobHash, FrameNumber, JobId, KernelId, tus};

const JOB: JobId = JobId([7; 16]);

/// What the server saw, one entry a request.
type Seen = Arc<Mutex<Vec<String>>>;

/// Serves `routes` on a free port for as long as the test runs.
async fn serve(routes: Router) -> MasterAddress {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = format!(
        r#"{{"type":"/problems/x","title":"X","status":{},"detail":"{detail}"}}"#,
        status.as_u16()
    );
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

async fn client(routes: Router) -> Client {
    Client::new(serve(routes).await, Some("token".into())).unwrap()
}

/// A body that declares more than it brings, as a server that dies while it answers.
fn cut_short(bytes: &'static str) -> Response {
    let pieces = futures::stream::iter([
        Ok(Bytes::from_static(bytes.as_bytes())),
        Err(std::io::Error::other("the server dies")),
    ]);
    Body::from_stream(pieces).into_response()
}

/// An upload of which a part is here: the first body is cut after three bytes.
async fn takes_three(State(here): State<Seen>, headers: HeaderMap, body: String) -> Response {
    let mut here = here.lock().unwrap();
    assert_eq!(headers[tus::OFFSET], here.concat().len().to_string().as_str());
    if here.is_empty() {
        here.push(body[..3].to_owned());
        return problem(StatusCode::SERVICE_UNAVAILABLE, "busy");
    }
    here.push(body);
    (StatusCode::NO_CONTENT, [(tus::OFFSET, here.concat().len().to_string())]).into_response()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut() {
    let here = Seen::default();
    let head = async |State(here): State<Seen>| {
        let here = here.lock().unwrap().concat();
        let blob = blake3::hash(here.as_bytes()).to_string();
        [(tus::OFFSET, here.len().to_string()), (tus::BLOB, blob)]
    };
    let place = || [(header::LOCATION, format!("/v1/tus/{}", "3".repeat(32)))];
    let begin = async move || (StatusCode::CREATED, place(), [(tus::OFFSET, "0")]);
    let routes = Router::new()
        .route("/v1/tus", post(begin))
        .route("/v1/tus/{upload}", patch(takes_three).head(head));
    let client = client(routes.with_state(here.clone())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.glb");
    std::fs::write(&file, "bytes").unwrap();
    let stored = client.upload(&file, no_progress()).await.unwrap();
    assert_eq!((stored.bytes, stored.known), (5, false));
    assert_eq!(stored.blob.0, *blake3::hash(b"bytes").as_bytes());
    assert_eq!(*here.lock().unwrap(), ["byt", "es"]);

    let missing = client.upload(&folder.path().join("b.glb"), no_progress()).await.unwrap_err();
    assert!(missing.to_string().contains("b.glb"), "{missing}");
    // A master that stores other bytes than were sent is not believed.
    here.lock().unwrap()[0] = "Byt".into();
    std::fs::write(&file, "").unwrap();
    assert!(matches!(
        client.upload(&file, no_progress()).await,
        Err(ClientError::WrongBytes { .. })
    ));
}

#[tokio::test]
async fn a_refusal_is_the_masters_own_sentence_and_is_not_repeated() {
    let seen = Seen::default();
    let routes = Router::new()
        .route(
            "/v1/jobs/{job}",
            get(async |State(seen): State<Seen>| {
                seen.lock().unwrap().push("job".into());
                problem(StatusCode::NOT_FOUND, "there is no job 07; `farm jobs` lists yours")
            }),
        )
        .route("/v1/nodes", get(async || problem(StatusCode::UNAUTHORIZED, "no token was sent")))
        .route("/v1/jobs", get(async || "a page of some other program"));
    let client = client(routes.with_state(seen.clone())).await;
    let error = client.job(JOB).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no job 07; `farm jobs` lists yours");
    assert_eq!((error.status(), seen.lock().unwrap().len()), (Some(404), 1));
    assert!(matches!(client.nodes().await, Err(ClientError::Unauthorised { .. })));
    assert!(matches!(client.jobs().await, Err(ClientError::NotUnderstood { .. })));
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_named() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}");
    let master = MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap();
    let client = Client::new(master, None).unwrap().with_patience(Duration::ZERO);
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn events_go_on_behind_the_last_one_when_the_connection_breaks() {
    let seen = Seen::default();
    let routes = Router::new().route(
        "/v1/jobs/{job}/events",
        get(async |State(seen): State<Seen>, headers: HeaderMap| {
            let last = headers.get("Last-Event-ID").map_or("none", |id| id.to_str().unwrap());
            seen.lock().unwrap().push(last.to_string());
            match last {
                // Ends in the middle of an event: what is not whole does not count.
                "none" => {
                    "id: 1\ndata: {\"type\":\"units\",\"verified\":1,\"total\":2,\"rays\":3}\n\n\
                     id: 2\ndata: {\"type\":\"st"
                        .into_response()
                }
                "1" => "id: 2\ndata: {\"type\":\"of a newer master\"}\n\n\
                     id: 3\ndata: {\"type\":\"state\",\"state\":\"completed\",\"reason\":null}\n\n"
                    .into_response(),
                _ => problem(StatusCode::NOT_FOUND, "the job is gone"),
            }
        }),
    );
    let mut events = client(routes.with_state(seen.clone())).await.events(JOB);
    assert_eq!(events.next().await.unwrap(), JobEvent::Units { verified: 1, total: 2, rays: 3 });
    let completed = JobEvent::State { state: JobState::Completed, reason: None };
    assert_eq!(events.next().await.unwrap(), completed);
    assert_eq!(events.next().await.unwrap_err().to_string(), "the job is gone");
    assert_eq!(*seen.lock().unwrap(), ["none", "1", "3"]);
}

#[tokio::test]
async fn a_download_that_breaks_leaves_no_file() {
    let routes = Router::new()
        .route("/v1/jobs/{job}/frames/{frame}/png", get(async || cut_short("half a pict")))
        .route("/v1/jobs/{job}/movie", get(async || "a whole film"));
    let client = client(routes).await.with_patience(Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    let png = folder.path().join("1.png");
    let error = client.download(JOB, Artefact::Png(FrameNumber(1)), &png, no_progress()).await;
    assert!(matches!(error, Err(ClientError::Interrupted { .. })), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let movie = folder.path().join("film.mp4");
    client.download(JOB, Artefact::Movie, &movie, no_progress()).await.unwrap();
    assert_eq!(std::fs::read(movie).unwrap(), b"a whole film");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_node_keeps_only_the_bytes_that_it_asked_for() {
    let routes = Router::new()
        .route(
            "/node/v1/challenge",
            post(async || format!(r#"{{"challenge":"{}"}}"#, "00".repeat(32))),
        )
        .route(
            "/node/v1/join",
            post(async || {
                let master = "00".repeat(32);
                format!(
                    r#"{{"token":"t","master":"{master}","class":"exact","heartbeat_ms":1000}}"#
                )
            }),
        )
        .route("/node/v1/blobs/{blob}", get(async || "some scene"));
    let enrolment = Enrolment::new(serve(routes).await, "token".into()).unwrap();
    let device = DeviceView {
        backend: "cpu".into(),
        device: "a test".into(),
        kernel: KernelId([0; 32]),
        conformance: vec![],
    };
    let (_, node) = enrolment.join(&NodeKey::from_secret(&[1; 32]), "n", &device).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene");
    let blob = BlobHash::of(b"some scene");
    assert!(matches!(
        node.fetch(BlobHash::of(b"another"), &path, 100).await,
        Err(ClientError::WrongBytes { found, .. }) if found == blob
    ));
    assert!(matches!(node.fetch(blob, &path, 9).await, Err(ClientError::TooLarge { .. })));
    assert!(!path.exists());
    node.fetch(blob, &path, 10).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"some scene");
}

#[tokio::test]
async fn a_stream_whose_first_answer_is_lost_gets_a_key_all_the_same() {
    let view = r#"{"id":"11111111111111111111111111111111","spec":{"name":"s","ladder":[{"name":
        "360p","height":360,"bits_per_s":800000}]},"state":"idle","playback_id":
        "22222222222222222222222222222222","playback_url":null,"session":null,"health":[],
        "created_ms":1}"#;
    let answer = move |key: &str| format!(r#"{{"stream":{view},"key":"{key}","ingest":[]}}"#);
    let seen = Seen::default();
    let routes = Router::new()
        .route(
            "/v1/streams",
            post(async move |State(seen): State<Seen>, headers: HeaderMap| {
                let mut seen = seen.lock().unwrap();
                seen.push(headers["idempotency-key"].to_str().unwrap().to_owned());
                match seen.len() {
                    1 => cut_short(r#"{"stream":"#),
                    _ => answer("").into_response(),
                }
            }),
        )
        .route(
            "/v1/streams/{stream}/rotate-key",
            post(async move |State(seen): State<Seen>| {
                seen.lock().unwrap().push("rotate".into());
                answer("stream-new")
            }),
        );
    let client = client(routes.with_state(seen.clone())).await;
    let spec = StreamSpec {
        name: "s".into(),
        ladder: "360p:800k".parse().unwrap(),
        latency: Default::default(),
        record: false,
        restream: None,
        max_price: None,
    };
    let made = client.create_stream(&spec, "once").await.unwrap();
    assert_eq!((made.key.as_str(), made.stream.spec), ("stream-new", spec));
    assert_eq!(*seen.lock().unwrap(), ["once", "once", "rotate"]);
}

#[tokio::test]
async fn a_gateways_calls_are_made_once_and_say_when_to_come_back() {
    let challenge = format!(r#"{{"challenge":"{}"}}"#, "ab".repeat(32));
    let seen = Seen::default();
    let routes = Router::new()
        .route("/node/v1/challenge", post(async move || challenge.clone()))
        .route("/gateway/v1/join", post(async || r#"{"token":"gateway-1"}"#))
        .route(
            "/gateway/v1/sessions",
            post(async |State(seen): State<Seen>, headers: HeaderMap| {
                let token = headers["authorization"].to_str().unwrap().to_owned();
                seen.lock().unwrap().push(token);
                let live = problem(StatusCode::CONFLICT, "another gateway");
                ([(header::RETRY_AFTER, "4")], live).into_response()
            }),
        );
    let master = serve(routes.with_state(seen.clone())).await;
    let enrolment = Enrolment::new(master, "enrol-1".into()).unwrap();
    let doors = GatewayDoors {
        rtmp: None,
        srt: None,
        http: "http://127.0.0.1:1".into(),
        link: "127.0.0.1:2".into(),
        link_pin: None,
    };
    let key = NodeKey::from_secret(&[1; 32]);
    let (_, gateway) = enrolment.gateway_join(&key, "g", &doors).await.unwrap();
    let request = SessionRequest { key: "stream-secret".into(), protocol: "rtmp".into() };
    let refused = gateway.open_session(&request).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(4)));
    assert_eq!(*seen.lock().unwrap(), ["Bearer gateway-1"]);
    assert!(!format!("{request:?} {refused:?} {refused}").contains("stream-secret"));
}
