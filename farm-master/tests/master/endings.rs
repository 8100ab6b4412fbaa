//! How leases and jobs end before their time.

use crate::world::{Farm, eventually, read, refused};
use reqwest::StatusCode;
use std::time::Duration;
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::node::NodePage;

#[tokio::test]
async fn a_silent_lease_ends_and_its_units_go_to_somebody_else() {
    let farm = Farm::start_with(|config| config.heartbeat = Duration::from_millis(30)).await;
    farm.submit(|spec| spec.frames.last = spec.frames.first).await;
    let (silent, other) = (farm.node(1).await, farm.node(2).await);
    let lost = silent.lease(u64::MAX).await;
    let taken = other.lease(u64::MAX).await;
    assert_eq!(taken.units, lost.units);
    assert!(taken.generation > lost.generation);
    assert!(!silent.is_alive(lost.lease).await);
    let late = silent.send(lost.lease, silent.work(&lost, |_, _| {})).await;
    assert_eq!(refused(late).await, "lease-ended");
}

#[tokio::test]
async fn the_generation_of_an_ended_lease_is_refused_under_a_new_one() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    let first = node.lease(u64::MAX).await;
    node.give_back(first.lease, None).await;
    let second = node.lease(u64::MAX).await;
    assert_eq!(second.units, first.units);
    let old = node.work(&second, |commit, _| commit.generation = first.generation);
    assert_eq!(refused(node.send(second.lease, old).await).await, "generation-differs");
    assert_eq!(node.submit(&second).await.accepted, 8);
}

#[tokio::test]
async fn heartbeats_keep_a_lease_longer_than_silence_would() {
    let farm = Farm::start_with(|config| config.heartbeat = Duration::from_millis(60)).await;
    farm.submit(|spec| spec.frames.last = spec.frames.first).await;
    let (busy, waiting) = (farm.node(1).await, farm.node(2).await);
    let grant = busy.lease(u64::MAX).await;
    // Another node waits for several times the silence that would end the lease.
    let request = crate::world::request(1, 1000);
    let others = waiting.ask(&request);
    tokio::pin!(others);
    loop {
        tokio::select! {
            answer = &mut others => {
                assert_eq!(answer.status(), StatusCode::NO_CONTENT);
                break;
            }
            alive = busy.is_alive(grant.lease) => assert!(alive),
        }
    }
    assert_eq!(busy.submit(&grant).await.accepted, 8);
}

#[tokio::test]
async fn a_paused_job_gives_no_leases_and_takes_what_was_leased() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    let grant = node.lease(1).await;
    let paused: JobView = read(farm.order(&job, "pause").await, StatusCode::OK).await;
    assert_eq!(paused.state, JobState::Paused);
    assert_eq!(node.lease_now().await, None);
    assert_eq!(node.submit(&grant).await.accepted, 1);
    let again: JobView = read(farm.order(&job, "pause").await, StatusCode::OK).await;
    assert_eq!(again.state, JobState::Paused);

    // A node that waits gets work as soon as the job goes on.
    let (grant, resumed) = tokio::join!(node.lease(1), farm.order(&job, "resume"));
    assert_eq!(resumed.status(), StatusCode::OK);
    assert_eq!(grant.job, job.id);
}

#[tokio::test]
async fn a_cancelled_job_takes_nothing_and_leaves_no_results() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    node.submit(&node.lease(1).await).await;
    let grant = node.lease(1).await;
    let cancelled: JobView = read(farm.order(&job, "cancel").await, StatusCode::OK).await;
    assert_eq!((cancelled.state, cancelled.units.leased), (JobState::Cancelled, 0));
    assert!(!node.is_alive(grant.lease).await);
    let late = node.send(grant.lease, node.work(&grant, |_, _| {})).await;
    assert_eq!(refused(late).await, "lease-ended");
    assert_eq!(node.lease_now().await, None);
    assert_eq!(refused(farm.order(&job, "resume").await).await, "job-ended");
    assert_eq!(farm.order(&job, "cancel").await.status(), StatusCode::OK);
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_unit_that_fails_too_often_on_two_nodes_fails_its_job() {
    let farm = Farm::start_with(|config| config.failures_allowed = 3).await;
    let job = farm.submit(|_| {}).await;
    let (one, other) = (farm.node(1).await, farm.node(2).await);
    for _ in 0..4 {
        let grant = one.lease(1).await;
        one.give_back(grant.lease, Some("out of memory")).await;
    }
    assert_eq!(farm.job(&job).await.state, JobState::Active, "one node alone proves nothing");
    let grant = other.lease(1).await;
    other.give_back(grant.lease, Some("the driver hung")).await;
    let failed = farm.job(&job).await;
    assert_eq!(failed.state, JobState::Failed);
    let reason = failed.reason.unwrap();
    assert!(reason.contains("unit 0 of frame 1") && reason.contains("the driver hung"), "{reason}");
}

#[tokio::test]
async fn giving_back_without_blame_counts_no_failure() {
    let farm = Farm::start_with(|config| config.failures_allowed = 1).await;
    let job = farm.submit(|_| {}).await;
    for secret in 1..=3 {
        let node = farm.node(secret).await;
        let grant = node.lease(1).await;
        node.give_back(grant.lease, None).await;
        node.give_back(grant.lease, None).await;
    }
    let job = farm.job(&job).await;
    assert_eq!((job.state, job.units.free), (JobState::Active, 24));
}

#[tokio::test]
async fn a_result_that_is_spoiled_on_the_disk_is_rendered_again() {
    let farm = Farm::start().await;
    let spoilt = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    a_spoilt_result_is_rendered_again(&farm, true, || {
        let file = &farm.result_files()[0];
        let mut bytes = std::fs::read(file).unwrap();
        spoilt(&mut bytes);
        std::fs::write(file, bytes).unwrap();
    })
    .await;
    a_spoilt_result_is_rendered_again(&farm, false, || {
        let database = rusqlite::Connection::open(farm.database()).unwrap();
        let mut bytes: Vec<u8> =
            database.query_row("SELECT body FROM sums", (), |row| row.get(0)).unwrap();
        spoilt(&mut bytes);
        assert_eq!(database.execute("UPDATE sums SET body = ?1", [bytes]).unwrap(), 1);
    })
    .await;
    // One that is gone is as one that is damaged.
    a_spoilt_result_is_rendered_again(&farm, true, || {
        std::fs::remove_file(&farm.result_files()[0]).unwrap();
    })
    .await;
}

async fn a_spoilt_result_is_rendered_again(farm: &Farm, large: bool, spoil: impl Fn()) {
    let job = farm.submit(|spec| spec.frames.last = spec.frames.first).await;
    let node = farm.node(1).await;
    let (first, second) = (node.lease(1).await, node.lease(u64::MAX).await);
    if large {
        node.submit_large(&first).await;
    } else {
        node.submit(&first).await;
    }
    farm.audited(&job, 1).await;
    spoil();
    node.submit(&second).await;
    // Assembly finds it out; the unit is free again, and nobody is to blame.
    let again = node.lease(u64::MAX).await;
    assert_eq!(again.units, first.units);
    node.submit(&again).await;
    let done = farm.until(&job, JobState::Completed).await;
    assert_eq!(done.units.verified, 8);
    let nodes: NodePage = read(farm.get("/v1/nodes").await, StatusCode::OK).await;
    assert_eq!(nodes.data[0].record.rejections, 0);
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}
