//! The master is killed, again and again, by SIGKILL.

use crate::world::{self, Farm, Node, eventually, read, spread, whole_frame};
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tessera_farm_master::{ADDRESS_FILE, Config, Server, TOKEN_FILE};
use tessera_protocol::job::{FramePage, JobState, JobView};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{FrameNumber, LeaseId, sums};

/// Names the state folder to the process that is killed.
const SERVE: &str = "TESSERA_TEST_SERVES";
/// How often it is killed.
const KILLS: usize = 20;

fn config(state: &Path) -> Config {
    let mut config = world::config(state.to_owned());
    // What a killed master had leased comes back soon, and kills are nobody's failure.
    config.heartbeat = Duration::from_millis(100);
    config.failures_allowed = 1000;
    config.webhook_wait = Duration::from_millis(5);
    config
}

/// Not a test by itself: the test below starts this very program again to have a master that it
/// can kill.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_to_be_killed() {
    let Ok(state) = std::env::var(SERVE) else { return };
    let server = Server::start(config(state.as_ref())).await.unwrap();
    server.run(std::future::pending()).await.unwrap();
}

pub(crate) struct Master {
    process: Child,
    pub(crate) url: String,
}

impl Master {
    pub(crate) async fn start(state: &Path) -> Self {
        let _ = std::fs::remove_file(state.join(ADDRESS_FILE));
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::a_master_to_be_killed"])
            .env(SERVE, state)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address =
            eventually(async || std::fs::read_to_string(state.join(ADDRESS_FILE)).ok()).await;
        Self { process, url: format!("http://{address}") }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was acknowledged.
type Acknowledged = Mutex<BTreeMap<LeaseId, (Vec<u8>, SubmitView)>>;

/// Works until the master dies.
async fn work(node: &Node, calls: &AtomicUsize, acknowledged: &Acknowledged) -> reqwest::Error {
    loop {
        let grant = match node.try_lease(2000).await {
            Ok(grant) => grant,
            Err(error) => return error,
        };
        calls.fetch_add(1, Ordering::Relaxed);
        let Some(grant) = grant else { continue };
        let mut body = node.work(&grant, |_, _| {});
        // Half of the results lie in the database, and half are files.
        if grant.lease.0[0] % 2 == 0 {
            body = spread(&body);
        }
        match node.try_send(grant.lease, body.clone()).await {
            Ok(Some(answer)) => {
                acknowledged.lock().unwrap().insert(grant.lease, (body, answer));
            }
            Ok(None) => {}
            Err(error) => return error,
        }
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_it_loses_nothing_and_doubles_nothing() {
    // A first, peaceful life: a job is submitted and two nodes join.
    let mut farm = Farm::start().await;
    let job = farm
        .submit(|spec| {
            spec.frames.last = FrameNumber(12);
            (spec.settings.width, spec.settings.height, spec.tile) = (64, 64, 8);
        })
        .await;
    let nodes = [farm.node(1).await, farm.node(2).await];
    farm.stop().await;

    let state = farm.config.state.clone();
    let acknowledged = Acknowledged::default();
    let mut random = 0x9e37_79b9_u32;
    for _ in 0..KILLS {
        let mut master = Master::start(&state).await;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let die_after = 1 + random as usize % 40;
        let calls = AtomicUsize::new(0);
        let [one, two] = nodes.each_ref().map(|node| node.at_url(&master.url));
        let killing = async {
            eventually(async || (calls.load(Ordering::Relaxed) >= die_after).then_some(())).await;
            master.kill();
        };
        let (first, second, ()) = tokio::join!(
            work(&one, &calls, &acknowledged),
            work(&two, &calls, &acknowledged),
            killing
        );
        for error in [first, second] {
            assert_eq!(error.status(), None, "only the kill ends the work: {error}");
        }
    }

    let master = Master::start(&state).await;
    let token = std::fs::read_to_string(state.join(TOKEN_FILE)).unwrap();
    let http = world::http();
    let calls = AtomicUsize::new(0);
    let [one, two] = nodes.each_ref().map(|node| node.at_url(&master.url));
    let done = tokio::select! {
        error = work(&one, &calls, &acknowledged) => panic!("{error}"),
        error = work(&two, &calls, &acknowledged) => panic!("{error}"),
        done = eventually(async || {
            let now: JobView = get(&http, &token, &master, &format!("/v1/jobs/{}", job.id)).await;
            (now.state == JobState::Completed).then_some(now)
        }) => done,
    };
    assert_eq!(done.units.verified, job.spec.units());
    assert_eq!(done.frames_done, 12);
    let frames: FramePage =
        get(&http, &token, &master, &format!("/v1/jobs/{}/frames", job.id)).await;
    let mut rays = 0;
    for view in frames.data {
        let expected = whole_frame(&job.spec, view.frame);
        assert_eq!(view.hash, Some(sums::hash(&expected)), "frame {}", view.frame);
        rays += sums::rays(&expected);
    }
    assert_eq!(done.rays, rays, "each unit entered once");

    // Whatever was acknowledged is known still.
    let acknowledged = acknowledged.into_inner().unwrap();
    let accepted: u64 = acknowledged.values().map(|(_, answer)| answer.accepted).sum();
    assert!(accepted <= job.spec.units());
    assert!(acknowledged.len() > KILLS, "only {} submits", acknowledged.len());
    for (lease, (body, answer)) in acknowledged {
        let again = match one.try_send(lease, body.clone()).await.unwrap_or(None) {
            Some(answer) => Some(answer),
            None => two.try_send(lease, body).await.unwrap_or(None),
        };
        assert_eq!(again, Some(answer));
    }
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}

async fn get<T: serde::de::DeserializeOwned>(
    http: &Client,
    token: &str,
    master: &Master,
    path: &str,
) -> T {
    let request = http.get(format!("{}{path}", master.url)).bearer_auth(token);
    read(request.send().await.unwrap(), StatusCode::OK).await
}
