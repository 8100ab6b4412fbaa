//! What a node does when its master, its device or its owner fails it, against a master made to
//! fail in one way each. That the two agree when all goes well is shown by the whole-system tests.

mod orders;
mod renewal;

use super::{AgentError, Config, run};
use crate::house::House;
use crate::render::cpu::CpuBackend;
use crate::render::{Backend, Brake, DeviceDescription, RenderError};
use crate::renderer::Renderer;
use crate::renderer::line::Launch;
use crate::update::Updates;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_client::{MasterAddress, PlainHttp};
use tessera_protocol::commit::{NodeKey, SignatureBytes};
use tessera_protocol::house::{NodeReport, Rest};
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, Unit};
use tessera_protocol::node::{ChallengeView, DeviceClass, DeviceView, JoinRequest, JoinView};
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::submit::{SubmitView, decode};
use tessera_protocol::terms::{Promise, Terms};
use tessera_protocol::{
    BlobHash, FrameNumber, Generation, JobId, LeaseId, MasterId, NodeId, PixelSum, RayPrice,
    SampleRange, SceneFactor, SecretHash, TileRect, UnitIndex,
};
use tessera_reference::{PreparedFrame, kernel_id};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Longer than anything here takes, so that a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the master answers the next submit.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    Refuse(StatusCode),
    /// Takes it and never says so.
    Silence,
}

/// A master that does as it is told and remembers what it saw.
#[derive(Default)]
struct Master {
    glb: Vec<u8>,
    grants: Mutex<VecDeque<LeaseGrant>>,
    /// What to answer submits with; accepts once it is empty.
    answers: Mutex<VecDeque<Answer>>,
    dead: AtomicBool,
    /// What reports are answered with, as it is sent; while it is empty they are answered as masters did once.
    order: Mutex<String>,
    seen: Mutex<Vec<Seen>>,
    news: Notify,
}

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Join(String),
    Asked,
    Submit(Vec<u8>),
    GaveBack(Option<String>),
    Report(NodeReport),
    /// Not the master's, but the backend's.
    Rendering,
}

impl Master {
    /// Who joined last.
    fn joined(&self) -> NodeId {
        let seen = self.seen.lock().unwrap();
        let joins = seen.iter().rev().filter_map(|seen| match seen {
            Seen::Join(node) => Some(node.parse().unwrap()),
            _ => None,
        });
        joins.into_iter().next().expect("who asks for work has joined")
    }

    fn see(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
        self.news.notify_waiters();
    }

    fn submits(&self) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().unwrap();
        let bodies = seen.iter().filter_map(|seen| match seen {
            Seen::Submit(body) => Some(body.clone()),
            _ => None,
        });
        bodies.collect()
    }

    fn given_back(&self) -> Vec<Option<String>> {
        let seen = self.seen.lock().unwrap();
        let reasons = seen.iter().filter_map(|seen| match seen {
            Seen::GaveBack(reason) => Some(reason.clone()),
            _ => None,
        });
        reasons.collect()
    }

    /// Waits until `condition` holds of what was seen.
    async fn until(&self, condition: impl Fn(&[Seen]) -> bool) {
        let wait = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if condition(&self.seen.lock().unwrap()) {
                    return;
                }
                news.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "never came to pass");
    }
}

async fn lease(State(master): State<Arc<Master>>) -> Response {
    let grant = master.grants.lock().unwrap().pop_front();
    master.see(Seen::Asked);
    match grant {
        Some(mut grant) => {
            let node = master.joined();
            grant.terms = Promise::of_grant(&grant, node).sign(&master_key());
            Json(grant).into_response()
        }
        None => pending().await,
    }
}

async fn submit(State(master): State<Arc<Master>>, body: Bytes) -> Response {
    let answer = master.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accept);
    master.see(Seen::Submit(body.to_vec()));
    match answer {
        Answer::Accept => {
            Json(SubmitView { accepted: 1, already_done: 0, acknowledgement: None }).into_response()
        }
        Answer::Refuse(status) => {
            let body = format!(
                r#"{{"type":"/problems/x","title":"X","status":{},"detail":"no"}}"#,
                status.as_u16()
            );
            (status, body).into_response()
        }
        Answer::Silence => pending().await,
    }
}

async fn give_back(
    State(master): State<Arc<Master>>,
    Json(request): Json<GiveBackRequest>,
) -> StatusCode {
    master.see(Seen::GaveBack(request.failed));
    StatusCode::NO_CONTENT
}

async fn report(State(master): State<Arc<Master>>, Json(report): Json<NodeReport>) -> Response {
    let order = master.order.lock().unwrap().clone();
    if order.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    master.see(Seen::Report(report));
    ([(header::CONTENT_TYPE, "application/json")], order).into_response()
}

async fn join(State(master): State<Arc<Master>>, Json(request): Json<JoinRequest>) -> Response {
    master.see(Seen::Join(request.node.to_string()));
    let view = JoinView {
        token: "t".into(),
        master: MasterId(master_key().node().0),
        class: DeviceClass::Exact,
        heartbeat_ms: 100,
    };
    Json(view).into_response()
}

async fn heartbeat(State(master): State<Arc<Master>>, _: Path<String>) -> Json<HeartbeatView> {
    Json(HeartbeatView { alive: !master.dead.load(Ordering::Relaxed) })
}

/// A master, where it is, and a folder for the node.
struct World {
    master: Arc<Master>,
    address: MasterAddress,
    folder: tempfile::TempDir,
}

impl World {
    async fn with(leases: u8, answers: &[Answer]) -> Self {
        let scene = tessera_scenes::conformance().swap_remove(0);
        let grants = (1..=leases).map(|lease| grant(lease, BlobHash::of(&scene.glb))).collect();
        let master = Arc::new(Master {
            glb: scene.glb,
            grants: Mutex::new(grants),
            answers: Mutex::new(answers.iter().copied().collect()),
            ..Master::default()
        });
        let challenge = || async { Json(ChallengeView { challenge: "07".repeat(32) }) };
        let routes = Router::new()
            .route("/node/v1/challenge", post(challenge))
            .route("/node/v1/join", post(join))
            .route("/node/v1/report", put(report))
            .route("/node/v1/lease", post(lease))
            .route("/node/v1/leases/{lease}/heartbeat", post(heartbeat))
            .route("/node/v1/leases/{lease}/submit", post(submit))
            .route("/node/v1/leases/{lease}/give-back", post(give_back))
            .route(
                "/node/v1/blobs/{blob}",
                get(async |State(master): State<Arc<Master>>| master.glb.clone()),
            )
            .with_state(master.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            master,
            address: MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn start<B: Backend + 'static>(&self, make: impl FnMut() -> B + Send + 'static) -> Node {
        self.start_with(make, House::free(), None)
    }

    fn start_with<B: Backend + 'static>(
        &self,
        make: impl FnMut() -> B + Send + 'static,
        house: House,
        updates: Option<Arc<Updates>>,
    ) -> Node {
        let config = Config {
            master: self.address.clone(),
            token: "enrol".into(),
            state: self.folder.path().join("node"),
            name: "a node".into(),
            device: DeviceView {
                backend: "cpu".into(),
                device: "a test".into(),
                kernel: kernel_id(),
                conformance: vec![],
            },
            cache_bytes: 1 << 30,
            ask: None,
            house,
            updates,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        // Dropping the sender is the sign to stop.
        let stopped = async move { stopped.await.unwrap_or(()) };
        let running = async move {
            let renderer = Renderer::start(Launch::threads(make)).await.unwrap();
            run(config, renderer, stopped).await
        };
        Node { stop: Some(stop), running: tokio::spawn(running) }
    }
}

struct Node {
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), AgentError>>,
}

impl Node {
    async fn stop(mut self) {
        drop(self.stop.take());
        self.end().await.unwrap();
    }

    async fn end(&mut self) -> Result<(), AgentError> {
        tokio::time::timeout(PATIENCE, &mut self.running).await.expect("the node ends").unwrap()
    }

    /// As SIGKILL does: nothing more is done.
    async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }
}

fn master_key() -> NodeKey {
    NodeKey::from_secret(&[42; 32])
}

/// What it promises is signed when it is given to a node.
fn grant(lease: u8, scene: BlobHash) -> LeaseGrant {
    let unit = |index| Unit {
        index: UnitIndex(index),
        frame: FrameNumber(0),
        rect: TileRect { x: 8 * index as u32, y: 0, width: 8, height: 8 },
        samples: SampleRange { start: 0, end: 1 },
    };
    LeaseGrant {
        lease: LeaseId([lease; 16]),
        generation: Generation(1),
        job: JobId([1; 16]),
        kernel: kernel_id(),
        scene,
        settings: RenderSettings { width: 16, height: 8, spp: 1, ..RenderSettings::default() },
        fps: 24,
        secret: SecretHash([2; 32]),
        units: vec![unit(0), unit(1)],
        terms: Terms {
            master: MasterId(master_key().node().0),
            class: DeviceClass::Exact,
            price: RayPrice(0),
            factor: SceneFactor::ONE,
            signature: SignatureBytes([0; 64]),
        },
        expires_after_ms: 10_000,
    }
}

/// Renders until it is cancelled, and says when it has begun.
struct Endless(Arc<Master>);

impl Backend for Endless {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription { backend: "cpu", device: "endless".into() }
    }

    fn load(&mut self, _: Arc<PreparedFrame>) -> Result<(), RenderError> {
        Ok(())
    }

    fn unload(&mut self) {}

    fn render(
        &mut self,
        _: TileRect,
        _: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        self.0.see(Seen::Rendering);
        while brake.may_go_on() {
            std::thread::yield_now();
        }
        Err(RenderError::Cancelled)
    }
}

fn endless(world: &World) -> impl FnMut() -> Endless + Send + 'static {
    let master = world.master.clone();
    move || Endless(master.clone())
}

/// A device that is gone.
struct Lost;

impl Backend for Lost {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription { backend: "wgpu", device: "lost".into() }
    }

    fn load(&mut self, _: Arc<PreparedFrame>) -> Result<(), RenderError> {
        Err(RenderError::Device("the device is lost".into()))
    }

    fn unload(&mut self) {}

    fn render(
        &mut self,
        _: TileRect,
        _: SampleRange,
        _: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        Err(RenderError::Device("the device is lost".into()))
    }
}

fn cpu() -> CpuBackend {
    CpuBackend::new(Some(1))
}

fn count(seen: &[Seen], kind: impl Fn(&Seen) -> bool) -> usize {
    seen.iter().filter(|seen| kind(seen)).count()
}

fn is_submit(seen: &Seen) -> bool {
    matches!(seen, Seen::Submit(_))
}

#[tokio::test]
async fn a_result_is_signed_once_and_sent_until_it_is_answered() {
    let busy = Answer::Refuse(StatusCode::SERVICE_UNAVAILABLE);
    let world = World::with(1, &[busy, busy, Answer::Accept]).await;
    let node = world.start(cpu);
    // Asked for work a second time: the first is done with.
    world.master.until(|seen| count(seen, |seen| *seen == Seen::Asked) == 2).await;
    node.stop().await;
    let submits = world.master.submits();
    assert_eq!(submits.len(), 3);
    assert!(submits.iter().all(|body| *body == submits[0]));
    let (header, packed) = decode(&submits[0]).unwrap();
    assert!(header.commit.is_signed_by_its_node(&header.signature));
    assert_eq!((header.commit.results.len(), packed.len()), (2, 2));
}

#[tokio::test]
async fn a_killed_node_sends_what_it_signed_before_it_asks_for_more() {
    let world = World::with(1, &[Answer::Silence]).await;
    let node = world.start(cpu);
    world.master.until(|seen| count(seen, is_submit) == 1).await;
    node.kill().await;
    world.master.seen.lock().unwrap().push(Seen::GaveBack(Some("the restart".into())));

    let node = world.start(cpu);
    let after = |seen: &[Seen]| {
        let restart = seen.iter().rposition(|seen| matches!(seen, Seen::GaveBack(_))).unwrap();
        seen[restart + 1..].to_vec()
    };
    world.master.until(|seen| after(seen).contains(&Seen::Asked)).await;
    node.stop().await;
    let seen = world.master.seen.lock().unwrap().clone();
    let first_run = world.master.submits()[0].clone();
    let [Seen::Join(_), Seen::Submit(again), Seen::Asked] = &after(&seen)[..] else {
        panic!("{:?}", after(&seen).len())
    };
    assert_eq!(*again, first_run);
    let joins: Vec<_> = seen.iter().filter(|seen| matches!(seen, Seen::Join(_))).collect();
    assert!(joins.iter().all(|join| *join == joins[0]), "it is the same node");
}

#[tokio::test]
async fn a_refused_result_is_dropped_and_work_goes_on() {
    let world = World::with(2, &[Answer::Refuse(StatusCode::CONFLICT)]).await;
    let node = world.start(cpu);
    world.master.until(|seen| count(seen, |seen| *seen == Seen::Asked) == 3).await;
    node.stop().await;
    let leases: Vec<_> =
        world.master.submits().iter().map(|body| decode(body).unwrap().0.commit.lease).collect();
    assert_eq!(leases, [LeaseId([1; 16]), LeaseId([2; 16])]);
    let journal = world.folder.path().join("node/journal");
    assert_eq!(std::fs::read_dir(journal).unwrap().count(), 0);
}

#[tokio::test]
async fn work_in_hand_is_given_back_when_the_node_is_stopped() {
    let world = World::with(1, &[]).await;
    let node = world.start(endless(&world));
    world.master.until(|seen| seen.contains(&Seen::Rendering)).await;
    node.stop().await;
    assert!(world.master.submits().is_empty());
    assert_eq!(world.master.given_back(), [None], "without blaming the units");
}

#[tokio::test]
async fn a_node_that_rests_gives_its_lease_back_and_asks_again_when_the_machine_is_free() {
    let world = World::with(2, &[]).await;
    let (tell, report) = watch::channel(NodeReport::default());
    let node = world.start_with(endless(&world), House::told(report), None);
    let asked = |seen: &[Seen]| count(seen, |seen| *seen == Seen::Asked);
    world.master.until(|seen| seen.contains(&Seen::Rendering)).await;
    let hot = Rest::TooHot { celsius: 90, at_most: 80 };
    tell.send_replace(NodeReport { rests: Some(hot), ..NodeReport::default() });
    world.master.until(|seen| seen.contains(&Seen::GaveBack(None))).await;
    assert_eq!(asked(&world.master.seen.lock().unwrap()), 1, "it asks for nothing while it rests");
    tell.send_replace(NodeReport::default());
    world.master.until(|seen| asked(seen) == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn a_lease_that_the_master_ended_is_dropped_in_the_middle_of_rendering() {
    let world = World::with(1, &[]).await;
    world.master.dead.store(true, Ordering::Relaxed);
    let node = world.start(endless(&world));
    world.master.until(|seen| count(seen, |seen| *seen == Seen::Asked) == 2).await;
    node.stop().await;
    assert!(world.master.submits().is_empty());
    assert_eq!(world.master.given_back(), [], "it is not the node's to give back any more");
}

#[tokio::test]
async fn a_node_whose_device_is_lost_says_so_and_ends() {
    let world = World::with(5, &[]).await;
    let error = world.start(|| Lost).end().await.unwrap_err();
    assert!(matches!(error, AgentError::Device(_)), "{error}");
    assert_eq!(world.master.given_back(), vec![Some("the device is lost".to_string()); 3]);
}

#[tokio::test]
async fn a_node_that_the_master_refuses_ends_with_the_masters_words() {
    let world = World::with(0, &[]).await;
    let routes = Router::new().fallback(async || {
        let problem =
            r#"{"type":"/problems/x","title":"X","status":403,"detail":"this token cannot join"}"#;
        (StatusCode::FORBIDDEN, problem)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let address = MasterAddress::parse(&address, PlainHttp::LoopbackOnly).unwrap();
    let error = World { address, ..world }.start(cpu).end().await.unwrap_err();
    assert!(error.to_string().contains("this token cannot join"), "{error}");
}
