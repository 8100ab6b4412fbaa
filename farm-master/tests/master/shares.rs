//! How nodes are shared out among accounts.

use crate::browser::Browser;
use crate::world::{Farm, Node, read, spec};
use reqwest::StatusCode;
use tessera_protocol::JobId;
use tessera_protocol::job::{JobView, Why};

async fn submit(browser: &Browser, frames: u32) -> JobView {
    let mut spec = spec(browser.upload(b"a scene").await.blob);
    spec.frames.last.0 = spec.frames.first.0 + frames - 1;
    read(browser.post("/v1/jobs", &spec).await, StatusCode::CREATED).await
}

/// Whose work a node gets, one unit after the other.
async fn turns(node: &Node, count: usize) -> Vec<JobId> {
    let mut turns = Vec::with_capacity(count);
    for _ in 0..count {
        let grant = node.lease(1).await;
        node.submit(&grant).await;
        turns.push(grant.job);
    }
    turns
}

#[tokio::test]
async fn accounts_take_turns_however_many_jobs_each_has() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let mut all = vec![];
    for _ in 0..3 {
        all.push(submit(&ada, 3).await);
    }
    let node = farm.node(1).await;
    turns(&node, 6).await;
    let late = submit(&eve, 3).await;
    let why = read::<Vec<Why>>(eve.get(&format!("/v1/jobs/{}/why", late.id)).await, StatusCode::OK);
    let why = why.await.swap_remove(0);
    assert_eq!(why.code, "nodes_shared");
    assert!(why.sentence.contains("1 other account has work"), "{}", why.sentence);

    let seen = turns(&node, 12).await;
    let eves = seen.iter().filter(|job| **job == late.id).count();
    assert!((5..=7).contains(&eves), "every other one is eve's: {eves} of 12");
    assert!(seen.iter().all(|job| [all[0].id, late.id].contains(job)), "ada's oldest comes first");
    let why: Vec<Why> =
        read(ada.get(&format!("/v1/jobs/{}/why", all[2].id)).await, StatusCode::OK).await;
    assert_eq!(why[0].code, "jobs_ahead", "her own");

    // Without eve everything is ada's again.
    let path = format!("/v1/jobs/{}/cancel", late.id);
    assert_eq!(eve.post(&path, &()).await.status(), StatusCode::OK);
    let seen = turns(&node, 6).await;
    assert!(!seen.contains(&late.id));
    // Who comes back has missed nothing and saved nothing up.
    let again = submit(&eve, 3).await;
    let seen = turns(&node, 12).await;
    let eves = seen.iter().filter(|job| **job == again.id).count();
    assert!((5..=7).contains(&eves), "{eves} of 12");
}

#[tokio::test]
async fn turns_are_remembered_by_a_master_that_starts_again() {
    let mut farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let (first, second) = (submit(&ada, 9).await, submit(&eve, 9).await);
    let mut node = farm.node(1).await;
    let mut seen = turns(&node, 9).await;
    farm.restart().await;
    node.at(&farm);
    seen.extend(turns(&node, 9).await);
    let of = |job: &JobView| seen.iter().filter(|one| **one == job.id).count();
    assert_eq!((of(&first), of(&second)), (9, 9));
}
