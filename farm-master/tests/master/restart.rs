//! The master stops and starts: nothing that was acknowledged is lost.

use crate::world::{Farm, read, refused};
use reqwest::StatusCode;
use tessera_farm_master::Server;
use tessera_protocol::job::JobState;
use tessera_protocol::submit;

#[tokio::test]
async fn a_restart_in_the_middle_loses_nothing() {
    let mut farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let mut node = farm.node(1).await;
    let done = node.lease(700).await;
    let answer = node.submit(&done).await;
    farm.audited(&job, done.units.len() as u64).await;
    let held = node.lease(700).await;
    let before = farm.job(&job).await;
    let token = farm.token.clone();

    farm.restart().await;
    node.at(&farm);
    assert_eq!(farm.token, token, "the operator's token stays");
    assert_eq!(farm.job(&job).await, before);
    assert!(node.is_alive(held.lease).await, "no lease ends with the master");
    assert_eq!(node.submit(&done).await, answer, "the same submit gets the same answer");
    assert_eq!(node.submit(&held).await.accepted, held.units.len() as u64);

    node.work_all(700).await;
    farm.restart().await;
    let done = farm.until(&job, JobState::Completed).await;
    assert_eq!((done.units.verified, done.frames_done), (24, 3));
}

#[tokio::test]
async fn results_that_never_entered_are_removed_at_the_start() {
    let mut farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    node.submit_large(&node.lease(1).await).await;
    let kept = farm.result_files();
    assert_eq!(kept.len(), 1);
    // Another one is entered with its sums beside it, and had a file under its name that was not.
    let small = node.lease(1).await;
    let body = node.work(&small, |_, _| {});
    let (header, _) = submit::decode(&body).unwrap();
    assert_eq!(node.send(small.lease, body).await.status(), StatusCode::OK);
    farm.stop().await;
    let folder = farm.config.state.join("blobs/results");
    let commit = hex::encode(header.commit.id().0);
    let doubled = format!("{}-{}-{commit}", small.job, small.lease);
    let stray = format!("{}-{}-{}", "1".repeat(32), "2".repeat(32), "3".repeat(64));
    for name in [&doubled, &stray] {
        std::fs::write(folder.join(name), b"never entered").unwrap();
    }
    std::fs::write(folder.join(".tmp-1-1"), b"half").unwrap();

    let server = Server::start(farm.config.clone()).await.unwrap();
    assert_eq!((farm.result_files(), farm.results_beside()), (kept, 1));
    drop(server);
}

#[tokio::test]
async fn one_master_at_a_time_uses_a_folder() {
    let farm = Farm::start().await;
    let error = Server::start(farm.config.clone()).await.err().unwrap().to_string();
    assert!(error.contains("another farm-master"), "{error}");
}

#[tokio::test]
async fn it_does_not_listen_beyond_this_machine_without_tls() {
    let farm = Farm::start().await;
    let mut config = farm.config.clone();
    config.state = farm.scratch().join("second");
    config.listen = "0.0.0.0:0".parse().unwrap();
    let error = Server::start(config.clone()).await.err().unwrap().to_string();
    assert!(error.contains("--behind-tls-proxy"), "{error}");
    config.behind_tls_proxy = true;
    assert!(Server::start(config).await.is_ok());
}

#[tokio::test]
async fn those_who_wait_are_answered_when_the_master_stops() {
    let mut farm = Farm::start().await;
    let node = farm.node(1).await;
    let request = crate::world::request(1, 25_000);
    let waiting = node.ask(&request);
    tokio::pin!(waiting);
    // Let the request arrive before the master is told to stop.
    let seen = async {
        crate::world::eventually(async || {
            let metrics = farm.get("/metrics").await.text().await.unwrap();
            let requests =
                metrics.lines().find_map(|line| line.strip_prefix("tessera_requests_total "));
            let requests: u64 = requests.unwrap().parse().unwrap();
            (requests > 3).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = seen => {}
        answer = &mut waiting => panic!("nothing to lease, and yet {}", answer.status()),
    }
    let (answer, ()) = tokio::join!(waiting, farm.stop());
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    assert_eq!(farm.get("/healthz").await.text().await.unwrap(), "ok");
    let metrics = farm.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("tessera_jobs{state=\"active\"} 1\n"), "{metrics}");
    let _: serde_json::Value = read(farm.order(&job, "cancel").await, StatusCode::OK).await;
    assert_eq!(refused(farm.order(&job, "pause").await).await, "job-ended");
    let metrics = farm.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("tessera_jobs{state=\"cancelled\"} 1\n"), "{metrics}");
}
