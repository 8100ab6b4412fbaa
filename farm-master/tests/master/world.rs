//! A farm of one master, and nodes that speak the real protocol with sums that are made up.

use reqwest::{Client, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tessera_farm_master::config::{Inspected, Recomputed};
use tessera_farm_master::{Config, Server, TOKEN_FILE};
use tessera_film::pack;
use tessera_protocol::commit::{Commit, NodeKey, UnitResult, join_message};
use tessera_protocol::job::{FrameSpan, JobSpec, JobState, JobView, UploadView};
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, LeaseRequest, Unit};
use tessera_protocol::node::{
    ChallengeView, ConformanceHash, DeviceClass, DeviceView, JoinRequest, JoinView,
};
use tessera_protocol::problem::Problem;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::submit::{self, SubmitHeader, SubmitView};
use tessera_protocol::token::{TokenRequest, TokenScope, TokenView};
use tessera_protocol::{
    BlobHash, FrameNumber, KernelId, LeaseId, PixelSum, ResultHash, SampleRange, SceneHash, sums,
    tree,
};
use tessera_reference::Pixel;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const KERNEL: KernelId = KernelId([7; 32]);
/// The canonical scene of every frame.
pub(crate) const SCENE: SceneHash = SceneHash([8; 32]);

/// What the farm's kernel makes of its conformance scenes.
pub(crate) fn conformance() -> Vec<ConformanceHash> {
    vec![ConformanceHash { scene: "sphere".into(), hash: ResultHash([1; 32]) }]
}

/// Scenes that begin with this cannot be rendered.
pub(crate) const BAD_SCENE: &[u8] = b"bad";

pub(crate) struct Farm {
    pub(crate) config: Config,
    pub(crate) url: String,
    /// The operator's.
    pub(crate) token: String,
    pub(crate) http: Client,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    state: TempDir,
}

impl Farm {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(state.path().join("farm"));
        change(&mut config);
        let mut farm = Self {
            config,
            url: String::new(),
            token: String::new(),
            http: http(),
            stop: None,
            running: None,
            state,
        };
        farm.begin().await;
        farm
    }

    pub(crate) async fn begin(&mut self) {
        let server = Server::start(self.config.clone()).await.unwrap();
        self.url = format!("http://{}", server.address());
        self.token = std::fs::read_to_string(self.config.state.join(TOKEN_FILE)).unwrap();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        self.running = Some(tokio::spawn(server.run(async {
            let _ = stopped.await;
        })));
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap().await.unwrap().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.begin().await;
    }

    /// Results whose sums are kept, in one way or the other.
    pub(crate) fn stored_results(&self) -> usize {
        self.result_files().len() + self.results_beside()
    }

    /// Those that are files.
    pub(crate) fn result_files(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.config.state.join("blobs/results")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    /// Those that lie in the database.
    pub(crate) fn results_beside(&self) -> usize {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        let count = "SELECT COUNT(*) FROM sums";
        database.query_row(count, (), |row| row.get::<_, u32>(0)).unwrap() as usize
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.config.state.join("farm.sqlite")
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.state.path()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(self.at(path)).bearer_auth(&self.token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &impl serde::Serialize) -> Response {
        let request = self.http.post(self.at(path)).bearer_auth(&self.token);
        request.json(body).send().await.unwrap()
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn upload(&self, bytes: &[u8]) -> UploadView {
        self.upload_as(&self.token, bytes).await
    }

    /// A file of whoever has this token.
    pub(crate) async fn upload_as(&self, token: &str, bytes: &[u8]) -> UploadView {
        let request = self.http.post(self.at("/v1/uploads")).bearer_auth(token);
        read(request.body(bytes.to_vec()).send().await.unwrap(), StatusCode::CREATED).await
    }

    /// Uploads a scene and submits a job of it.
    pub(crate) async fn submit(&self, change: impl FnOnce(&mut JobSpec)) -> JobView {
        let mut spec = spec(self.upload(b"a scene").await.blob);
        change(&mut spec);
        read(self.post("/v1/jobs", &spec).await, StatusCode::CREATED).await
    }

    pub(crate) async fn job(&self, job: &JobView) -> JobView {
        read(self.get(&format!("/v1/jobs/{}", job.id)).await, StatusCode::OK).await
    }

    pub(crate) async fn order(&self, job: &JobView, order: &str) -> Response {
        self.post(&format!("/v1/jobs/{}/{order}", job.id), &()).await
    }

    /// Waits until audits have let this many of the job's units count.
    pub(crate) async fn audited(&self, job: &JobView, units: u64) -> JobView {
        eventually(async || {
            let now = self.job(job).await;
            (now.units.verified == units).then_some(now)
        })
        .await
    }

    /// Waits until the job has this state; it is polled, and the test's own patience is the limit.
    pub(crate) async fn until(&self, job: &JobView, state: JobState) -> JobView {
        eventually(async || {
            let now = self.job(job).await;
            (now.state == state).then_some(now)
        })
        .await
    }

    pub(crate) async fn node(&self, secret: u8) -> Node {
        let key = NodeKey::from_secret(&[secret; 32]);
        let view: JoinView = read(self.join(&key, |_| {}).await, StatusCode::OK).await;
        Node { key, token: view.token, url: self.url.clone(), http: self.http.clone() }
    }

    /// A node of whoever has this token.
    pub(crate) async fn node_of(&self, owner: &str, secret: u8) -> Node {
        let key = NodeKey::from_secret(&[secret; 32]);
        let view: JoinView = read(self.join_as(owner, &key, |_| {}).await, StatusCode::OK).await;
        Node { key, token: view.token, url: self.url.clone(), http: self.http.clone() }
    }

    /// A token to let nodes in with: whose nodes they are.
    pub(crate) async fn owner(&self) -> String {
        let request = TokenRequest { scope: TokenScope::Enrol };
        let view: TokenView =
            read(self.post("/v1/tokens", &request).await, StatusCode::CREATED).await;
        view.token
    }

    /// A node of this owner's whose device is not exact.
    pub(crate) async fn tolerant_node(&self, owner: &str, secret: u8) -> Node {
        let key = NodeKey::from_secret(&[secret; 32]);
        let joined = self.join_as(owner, &key, |request| request.device.conformance.clear()).await;
        let view: JoinView = read(joined, StatusCode::OK).await;
        assert_eq!(view.class, DeviceClass::Tolerant);
        Node { key, token: view.token, url: self.url.clone(), http: self.http.clone() }
    }

    /// Asks for a challenge and answers it, changed.
    pub(crate) async fn join(
        &self,
        key: &NodeKey,
        change: impl FnOnce(&mut JoinRequest),
    ) -> Response {
        self.join_as(&self.token, key, change).await
    }

    async fn join_as(
        &self,
        token: &str,
        key: &NodeKey,
        change: impl FnOnce(&mut JoinRequest),
    ) -> Response {
        let post = |path| self.http.post(self.at(path)).bearer_auth(token);
        let given = post("/node/v1/challenge").json(&()).send().await.unwrap();
        let given: ChallengeView = read(given, StatusCode::OK).await;
        let mut challenge = [0; 32];
        hex::decode_to_slice(&given.challenge, &mut challenge).unwrap();
        let mut request = JoinRequest {
            node: key.node(),
            challenge: given.challenge,
            signature: key.sign(&join_message(key.node(), &challenge)),
            name: "a node".into(),
            device: DeviceView {
                backend: "cpu".into(),
                device: "made up".into(),
                kernel: KERNEL,
                conformance: conformance(),
            },
        };
        change(&mut request);
        post("/node/v1/join").json(&request).send().await.unwrap()
    }
}

/// A master with a kernel of its own and no reader of scenes.
pub(crate) fn config(state: PathBuf) -> Config {
    let inspect = |scene: &Path, _: Option<&Path>, _: &JobSpec| {
        let bytes = std::fs::read(scene).map_err(|error| error.to_string())?;
        if bytes.starts_with(BAD_SCENE) {
            return Err("The scene needs KHR_draco_mesh_compression, which is not here.".into());
        }
        let warnings = vec!["Material 0 is transmissive; it is rendered opaque.".to_owned()];
        Ok(Inspected { warnings, ..Inspected::default() })
    };
    let recompute = |_: &Path, _: Option<&Path>, _: &JobSpec, frame, pixels: &[Pixel]| {
        let sums = pixels.iter().map(|of| pixel(frame, of.x, of.y, of.samples)).collect();
        Ok(Recomputed { scene: SCENE, sums })
    };
    let mut config =
        Config::new(state, KERNEL, conformance(), Arc::new(inspect), Arc::new(recompute));
    config.keep_results = Duration::ZERO;
    config
}

pub(crate) fn http() -> Client {
    // The client wants a choice of TLS even where it speaks none; only the first one counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(60)).build().unwrap()
}

/// A small job: three frames of four tiles and two ranges each.
pub(crate) fn spec(scene: BlobHash) -> JobSpec {
    JobSpec {
        name: "shot".into(),
        scene,
        settings: RenderSettings { width: 24, height: 16, spp: 4, ..RenderSettings::default() },
        frames: FrameSpan { first: FrameNumber(1), last: FrameNumber(3) },
        fps: 24,
        tile: 12,
        samples_per_unit: 2,
        class: DeviceClass::Exact,
    }
}

/// Polls until there is an answer.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(std::time::Instant::now() < patience, "it did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The body of an answer that must have this status.
pub(crate) async fn read<T: DeserializeOwned>(response: Response, status: StatusCode) -> T {
    let found = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(found, status, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The code of a refusal, after its form was checked.
pub(crate) async fn refused(response: Response) -> String {
    let status = response.status();
    assert_eq!(
        response.headers()["content-type"].to_str().unwrap(),
        "application/problem+json",
        "{status}"
    );
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    assert!(status.is_client_error() || status.is_server_error(), "{status}");
    assert!(!problem.title.is_empty() && !problem.detail.is_empty());
    problem.kind.strip_prefix("/problems/").unwrap().to_owned()
}

pub(crate) struct Node {
    pub(crate) key: NodeKey,
    pub(crate) token: String,
    url: String,
    http: Client,
}

impl Node {
    /// The same node, speaking to a master that was started again.
    pub(crate) fn at(&mut self, farm: &Farm) {
        self.url.clone_from(&farm.url);
    }

    /// The same node, speaking to a master elsewhere.
    pub(crate) fn at_url(&self, url: &str) -> Self {
        let key = NodeKey::from_secret(&self.key.secret());
        Self { key, token: self.token.clone(), url: url.to_owned(), http: self.http.clone() }
    }

    async fn post(&self, path: &str, body: &impl serde::Serialize) -> Response {
        let request = self.http.post(format!("{}/node/v1{path}", self.url));
        request.bearer_auth(&self.token).json(body).send().await.unwrap()
    }

    /// Says how its machine is.
    pub(crate) async fn report(&self, report: &impl serde::Serialize) -> Response {
        let request = self.http.put(format!("{}/node/v1/report", self.url));
        request.bearer_auth(&self.token).json(report).send().await.unwrap()
    }

    pub(crate) async fn ask(&self, request: &LeaseRequest) -> Response {
        self.post("/lease", request).await
    }

    /// Work, waited for as long as the test is patient.
    pub(crate) async fn lease(&self, samples_wanted: u64) -> LeaseGrant {
        let response = self.ask(&request(samples_wanted, 25_000)).await;
        read(response, StatusCode::OK).await
    }

    /// Work, if there is some now and the master lives.
    pub(crate) async fn try_lease(
        &self,
        samples_wanted: u64,
    ) -> reqwest::Result<Option<LeaseGrant>> {
        let request = self.http.post(format!("{}/node/v1/lease", self.url));
        let request = request.bearer_auth(&self.token).json(&self::request(samples_wanted, 20));
        let response = request.send().await?.error_for_status()?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        response.json().await.map(Some)
    }

    /// Sends what a lease brought, if the master lives. `None` is a refusal.
    pub(crate) async fn try_send(
        &self,
        lease: LeaseId,
        body: Vec<u8>,
    ) -> reqwest::Result<Option<SubmitView>> {
        let request = self.http.post(format!("{}/node/v1/leases/{lease}/submit", self.url));
        let response = request.bearer_auth(&self.token).body(body).send().await?;
        if response.status() == StatusCode::CONFLICT {
            assert_eq!(refused(response).await, "lease-ended");
            return Ok(None);
        }
        response.error_for_status()?.json().await.map(Some)
    }

    /// Whether there is work now.
    pub(crate) async fn lease_now(&self) -> Option<LeaseGrant> {
        let response = self.ask(&request(u64::MAX, 0)).await;
        if response.status() == StatusCode::NO_CONTENT {
            return None;
        }
        Some(read(response, StatusCode::OK).await)
    }

    pub(crate) async fn is_alive(&self, lease: LeaseId) -> bool {
        let response = self.post(&format!("/leases/{lease}/heartbeat"), &()).await;
        read::<HeartbeatView>(response, StatusCode::OK).await.alive
    }

    pub(crate) async fn give_back(&self, lease: LeaseId, failed: Option<&str>) {
        let request = GiveBackRequest { failed: failed.map(str::to_owned) };
        let response = self.post(&format!("/leases/{lease}/give-back"), &request).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    pub(crate) async fn blob(&self, blob: BlobHash) -> Response {
        let request = self.http.get(format!("{}/node/v1/blobs/{blob}", self.url));
        request.bearer_auth(&self.token).send().await.unwrap()
    }

    /// Sends what a lease brought.
    pub(crate) async fn send(&self, lease: LeaseId, body: Vec<u8>) -> Response {
        let request = self.http.post(format!("{}/node/v1/leases/{lease}/submit", self.url));
        request.bearer_auth(&self.token).body(body).send().await.unwrap()
    }

    /// Does the work and sends it.
    pub(crate) async fn submit(&self, grant: &LeaseGrant) -> SubmitView {
        read(self.send(grant.lease, self.work(grant, |_, _| {})).await, StatusCode::OK).await
    }

    /// The same with a result that is a file.
    pub(crate) async fn submit_large(&self, grant: &LeaseGrant) -> SubmitView {
        let body = spread(&self.work(grant, |_, _| {}));
        read(self.send(grant.lease, body).await, StatusCode::OK).await
    }

    /// Does the work, lets it be changed before it is signed, and makes a submit's body of it.
    pub(crate) fn work(
        &self,
        grant: &LeaseGrant,
        change: impl FnOnce(&mut Commit, &mut Vec<Vec<PixelSum>>),
    ) -> Vec<u8> {
        let mut all: Vec<_> = grant.units.iter().map(render).collect();
        let result = |(unit, pixels): (&Unit, &Vec<PixelSum>)| UnitResult {
            unit: unit.index,
            root: tree::root(pixels),
            rays: sums::rays(pixels),
        };
        let results = grant.units.iter().zip(&all).map(result).collect();
        let mut commit = Commit::under(grant, self.key.node(), SCENE, results);
        change(&mut commit, &mut all);
        let packed: Vec<_> = all.iter().map(|sums| pack::pack(sums)).collect();
        let header = SubmitHeader {
            signature: commit.sign(&self.key),
            packed_bytes: packed.iter().map(|unit| unit.len() as u64).collect(),
            commit,
        };
        submit::encode(&header, &packed)
    }

    /// Works until there is nothing to do.
    pub(crate) async fn work_all(&self, samples_wanted: u64) {
        loop {
            let response = self.ask(&request(samples_wanted, 0)).await;
            if response.status() == StatusCode::NO_CONTENT {
                return;
            }
            self.submit(&read(response, StatusCode::OK).await).await;
        }
    }
}

/// The same result, with so much room in its header that the master keeps it as a file: these farms' own results are
/// small enough to lie in its database.
pub(crate) fn spread(body: &[u8]) -> Vec<u8> {
    let (length, rest) = body.split_first_chunk::<4>().unwrap();
    let (json, packed) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let json = [json, &[b' '; 16 << 10]].concat();
    let length = u32::try_from(json.len()).unwrap().to_le_bytes();
    [&length, &json[..], packed].concat()
}

pub(crate) fn request(samples_wanted: u64, wait_ms: u64) -> LeaseRequest {
    LeaseRequest { kernel: KERNEL, samples_wanted, wait_ms, ask: None, memory: None }
}

/// Made-up sums: what they are depends on frame, pixel and sample alone, so they add up to the
/// same frame however it was cut.
pub(crate) fn render(unit: &Unit) -> Vec<PixelSum> {
    let rect = unit.rect;
    let pixels = (rect.y..rect.y + rect.height)
        .flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (x, y)));
    pixels.map(|(x, y)| pixel(unit.frame, x, y, unit.samples)).collect()
}

pub(crate) fn pixel(frame: FrameNumber, x: u32, y: u32, samples: SampleRange) -> PixelSum {
    (samples.start..samples.end).fold(PixelSum::default(), |sum, sample| {
        let value = |k: u32| u64::from((frame.0 * 31 + x * 7 + y * 13 + sample * 3) * k % 97) << 18;
        let one =
            PixelSum { r: value(1), g: value(2), b: value(3), rays: 1 + u64::from(sample % 3) };
        sum.checked_add(one).unwrap()
    })
}

/// The whole frame, rendered at once.
pub(crate) fn whole_frame(spec: &JobSpec, frame: FrameNumber) -> Vec<PixelSum> {
    let samples = SampleRange { start: 0, end: spec.settings.spp };
    let (width, height) = (spec.settings.width, spec.settings.height);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels.map(|(x, y)| pixel(frame, x, y, samples)).collect()
}
