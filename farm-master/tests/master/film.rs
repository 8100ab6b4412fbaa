//! A job from upload to film.

use crate::world::{Farm, eventually, read, spec, whole_frame};
use reqwest::StatusCode;
use tessera_film::exr;
use tessera_protocol::job::{FramePage, JobEvent, JobPage, JobState, JobView, Why};
use tessera_protocol::log::{LogPage, Outcome};
use tessera_protocol::node::NodePage;
use tessera_protocol::{FrameNumber, sums};

#[tokio::test]
async fn a_scene_becomes_frames_and_a_film() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    assert_eq!((job.state, job.units.free, job.frames_total), (JobState::Active, 24, 3));
    assert_eq!(job.warnings.len(), 1, "what the scene's inspection said is told");

    let (one, other) = (farm.node(1).await, farm.node(2).await);
    let grant = one.lease(1).await;
    let scene = one.blob(grant.scene).await.bytes().await.unwrap();
    assert_eq!(&scene[..], b"a scene");
    assert_eq!(one.submit(&grant).await.accepted, 1);
    tokio::join!(one.work_all(700), other.work_all(1500));

    let done = farm.until(&job, JobState::Completed).await;
    assert_eq!((done.units.verified, done.frames_done, done.movie), (24, 3, true));
    let frames: FramePage =
        read(farm.get(&format!("/v1/jobs/{}/frames", job.id)).await, StatusCode::OK).await;
    let mut rays = 0;
    for view in &frames.data {
        let expected = whole_frame(&job.spec, view.frame);
        assert_eq!(view.hash, Some(sums::hash(&expected)), "frame {}", view.frame);
        assert_eq!((view.verified, view.units), (8, 8));
        rays += sums::rays(&expected);

        let path = format!("/v1/jobs/{}/frames/{}", job.id, view.frame);
        let bytes = farm.get(&format!("{path}/exr")).await.bytes().await.unwrap();
        let (picture, header) = exr::decode(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (24, 16));
        let light = expected[5].r as f32 / 4.0 / (1 << 24) as f32;
        assert_eq!(picture.pixels()[5][0], light);
        assert_eq!(header["frame"], view.frame.to_string());
        assert_eq!(header["job"], job.id.to_string());
        assert_eq!(header["kernel"], grant.kernel.to_string());
        assert_eq!(header["hash"], sums::hash(&expected).to_string());
        assert_eq!(serde_json::to_string(&job.spec.settings).unwrap(), header["settings"]);
        let png = farm.get(&format!("{path}/png")).await;
        assert_eq!(png.headers()["content-type"], "image/png");
        assert!(png.bytes().await.unwrap().starts_with(b"\x89PNG"));
    }
    assert_eq!(done.rays, rays);
    let film = farm.get(&format!("/v1/jobs/{}/movie", job.id)).await;
    assert_eq!(film.status(), StatusCode::OK);
    assert_eq!(&film.bytes().await.unwrap()[4..8], b"ftyp");

    eventually(async || (farm.stored_results() == 0).then_some(())).await;
    let nodes: NodePage = read(farm.get("/v1/nodes").await, StatusCode::OK).await;
    assert_eq!(nodes.data.iter().map(|node| node.units_verified).sum::<u64>(), 24);
    assert_eq!(nodes.data.iter().map(|node| node.rays_verified).sum::<u64>(), rays);
}

#[tokio::test]
async fn a_job_of_one_frame_is_done_without_a_film() {
    let farm = Farm::start().await;
    let job = farm.submit(|spec| spec.frames.last = spec.frames.first).await;
    farm.node(1).await.work_all(u64::MAX).await;
    let done = farm.until(&job, JobState::Completed).await;
    assert!(!done.movie);
    let movie = farm.get(&format!("/v1/jobs/{}/movie", job.id)).await;
    assert_eq!(movie.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_open_with_the_present_and_go_on_behind_the_last_one() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    node.submit(&node.lease(u64::MAX).await).await;
    farm.audited(&job, 8).await;

    let mut stream = Events::open(&farm, &job, None).await;
    let (_, first) = stream.next().await;
    assert_eq!(first, JobEvent::State { state: JobState::Active, reason: None });
    let (_, second) = stream.next().await;
    assert!(matches!(second, JobEvent::Units { verified: 8, total: 24, .. }), "{second:?}");

    node.work_all(u64::MAX).await;
    let mut seen = Vec::new();
    loop {
        let (id, event) = stream.next().await;
        let ended = matches!(event, JobEvent::State { state: JobState::Completed, .. });
        seen.push((id, event));
        if ended {
            break;
        }
    }
    let frames = seen.iter().filter(|(_, event)| matches!(event, JobEvent::Frame { .. }));
    assert!(frames.count() >= 2, "{seen:?}");
    assert!(seen.is_sorted_by_key(|(id, _)| *id));

    let (behind, rest) = seen.split_at(seen.len() - 2);
    let last = behind.last().unwrap().0;
    let mut resumed = Events::open(&farm, &job, Some(last)).await;
    assert_eq!([resumed.next().await, resumed.next().await], rest);
}

struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(farm: &Farm, job: &JobView, after: Option<i64>) -> Self {
        let request = farm.http.get(farm.at(&format!("/v1/jobs/{}/events", job.id)));
        let request = match after {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = request.bearer_auth(&farm.token).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    async fn next(&mut self) -> (i64, JobEvent) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
                };
                let found = line("id:")
                    .zip(line("data:"))
                    .map(|(id, data)| (id.parse().unwrap(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                match found {
                    Some(found) => return found,
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn the_same_key_brings_the_same_job() {
    let farm = Farm::start().await;
    let spec = spec(farm.upload(b"a scene").await.blob);
    let send = async |key: &str, spec: &_| {
        let request = farm.http.post(farm.at("/v1/jobs")).bearer_auth(&farm.token);
        request.header("idempotency-key", key).json(spec).send().await.unwrap()
    };
    let first: JobView = read(send("k", &spec).await, StatusCode::CREATED).await;
    let again: JobView = read(send("k", &spec).await, StatusCode::OK).await;
    assert_eq!(first, again);
    let other: JobView = read(send("l", &spec).await, StatusCode::CREATED).await;
    assert_ne!(first.id, other.id);
    let mut changed = spec;
    changed.fps = 25;
    let refused = crate::world::refused(send("k", &changed).await).await;
    assert_eq!(refused, "idempotency-key-reused");
    let jobs: JobPage = read(farm.get("/v1/jobs").await, StatusCode::OK).await;
    assert_eq!(jobs.data.len(), 2);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let farm = Farm::start().await;
    let mut newest_first = Vec::new();
    for fps in 1..=5 {
        newest_first.insert(0, farm.submit(|spec| spec.fps = fps).await);
    }
    let mut found = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page: JobPage = read(farm.get(&path).await, StatusCode::OK).await;
        assert!(page.data.len() <= 2);
        found.extend(page.data);
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/jobs?limit=2&cursor={cursor}");
    }
    assert_eq!(found, newest_first);

    let frames = format!("/v1/jobs/{}/frames", found[0].id);
    let first: FramePage = read(farm.get(&format!("{frames}?limit=2")).await, StatusCode::OK).await;
    let cursor = first.next_cursor.unwrap();
    let rest: FramePage =
        read(farm.get(&format!("{frames}?limit=2&cursor={cursor}")).await, StatusCode::OK).await;
    let numbers: Vec<_> = first.data.iter().chain(&rest.data).map(|view| view.frame.0).collect();
    assert_eq!((numbers, rest.next_cursor), (vec![1, 2, 3], None));
}

#[tokio::test]
async fn an_upload_is_stored_once() {
    let farm = Farm::start().await;
    let bytes = vec![42; 3 << 20];
    let first = farm.upload(&bytes).await;
    assert_eq!(first.blob, tessera_protocol::BlobHash::of(&bytes));
    assert_eq!((first.bytes, first.known), (3 << 20, false));
    assert!(farm.upload(&bytes).await.known);
    let stored = std::fs::read_dir(farm.config.state.join("blobs/uploads")).unwrap();
    assert_eq!(stored.count(), 1);
}

#[tokio::test]
async fn why_names_what_a_job_waits_for() {
    let farm = Farm::start().await;
    let (first, second) = (farm.submit(|_| {}).await, farm.submit(|_| {}).await);
    let why = async |job: &JobView| -> Vec<String> {
        let path = format!("/v1/jobs/{}/why", job.id);
        let all: Vec<Why> = read(farm.get(&path).await, StatusCode::OK).await;
        all.into_iter().map(|why| why.code).collect()
    };
    assert_eq!(why(&first).await, ["no_nodes"]);
    let node = farm.node(1).await;
    assert_eq!(why(&first).await, ["nodes_busy"]);
    assert_eq!(why(&second).await, ["jobs_ahead"]);
    let grant = node.lease(1).await;
    assert_eq!(why(&first).await, ["nodes_busy", "rendering"]);
    node.give_back(grant.lease, Some("no memory")).await;
    assert_eq!(why(&first).await, ["nodes_busy", "units_retried"]);
    let again = node.lease(1).await;
    node.submit(&again).await;
    farm.audited(&first, 1).await;
    assert_eq!(why(&first).await, ["nodes_busy"], "what failed is done");
    // And is told all the same.
    let path = format!("/v1/jobs/{}/log", first.id);
    let log: LogPage = read(farm.get(&path).await, StatusCode::OK).await;
    let told: Vec<_> = log.data.iter().map(|one| (one.lease, one.outcome)).collect();
    assert_eq!(told, [(again.lease, Outcome::Verified), (grant.lease, Outcome::Failed)]);
    let failed = &log.data[1];
    assert_eq!(failed.reason.as_deref(), Some("no memory"));
    assert_eq!((failed.node, failed.units, failed.frame), (node.key.node(), 1, FrameNumber(1)));
    assert_eq!((failed.took_ms, log.data[0].took_ms.is_some()), (None, true));
    let newest: LogPage = read(farm.get(&format!("{path}?limit=1")).await, StatusCode::OK).await;
    let next = format!("{path}?limit=1&cursor={}", newest.next_cursor.unwrap());
    let rest: LogPage = read(farm.get(&next).await, StatusCode::OK).await;
    assert_eq!((rest.data, rest.next_cursor), (log.data[1..].to_vec(), None));
}
