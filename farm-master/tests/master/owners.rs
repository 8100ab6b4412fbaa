//! Owners of nodes: what they see, and what their nodes do then.

use crate::browser::Browser;
use crate::world::{Farm, Node, read, refused, request};
use reqwest::{Method, Response, StatusCode};
use std::time::Duration;
use tessera_protocol::finance::{EarningsView, PayoutPage};
use tessera_protocol::house::{HoursRequest, NodeReport, ReportView, SetHours};
use tessera_protocol::job::Why;
use tessera_protocol::node::{NodePage, NodeView, NodeWish};
use tessera_protocol::problem::Problem;

async fn own(farm: &Farm, browser: &Browser, secret: u8) -> Node {
    farm.node_of(&browser.key("enrol").await.key, secret).await
}

async fn wish(browser: &Browser, node: &Node, order: &str) -> NodeView {
    let path = format!("/v1/nodes/{}/{order}", node.key.node());
    read(browser.post(&path, &()).await, StatusCode::OK).await
}

async fn why(browser: &Browser, node: &Node) -> String {
    let path = format!("/v1/nodes/{}/why", node.key.node());
    read::<Vec<Why>>(browser.get(&path).await, StatusCode::OK).await[0].code.clone()
}

async fn set_hours(browser: &Browser, node: &Node, hours: &str) -> Response {
    let path = format!("/v1/nodes/{}/hours", node.key.node());
    let request = browser.request(Method::PUT, &path);
    request.json(&HoursRequest { hours: hours.to_owned() }).send().await.unwrap()
}

/// What the node hears when it says that it keeps these hours.
async fn heard(node: &Node, hours: Option<SetHours>) -> Option<SetHours> {
    let report = NodeReport { hours, ..NodeReport::default() };
    read::<ReportView>(node.report(&report).await, StatusCode::OK).await.hours
}

#[tokio::test]
async fn a_node_is_seen_by_whose_key_let_it_in_and_by_the_operator() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let (first, second) = (own(&farm, &ada, 1).await, own(&farm, &ada, 2).await);
    farm.node(3).await;
    let page: NodePage = read(ada.get("/v1/nodes").await, StatusCode::OK).await;
    let mut expected = [first.key.node(), second.key.node()];
    expected.sort();
    assert_eq!(page.data.iter().map(|node| node.id).collect::<Vec<_>>(), expected);
    let page: NodePage = read(ada.get("/v1/nodes?limit=1").await, StatusCode::OK).await;
    let path = format!("/v1/nodes?limit=1&cursor={}", page.next_cursor.unwrap());
    let page: NodePage = read(ada.get(&path).await, StatusCode::OK).await;
    assert_eq!((page.data[0].id, page.next_cursor), (expected[1], None));
    let page: NodePage = read(eve.get("/v1/nodes").await, StatusCode::OK).await;
    assert_eq!(page.data, []);
    let page: NodePage = read(farm.get("/v1/nodes").await, StatusCode::OK).await;
    assert_eq!(page.data.len(), 3);

    let path = format!("/v1/nodes/{}", first.key.node());
    let view: NodeView = read(ada.get(&path).await, StatusCode::OK).await;
    assert_eq!((view.id, view.wish), (first.key.node(), NodeWish::Work));
    read::<EarningsView>(ada.get(&format!("{path}/earnings")).await, StatusCode::OK).await;
    let paid: PayoutPage = read(ada.get(&format!("{path}/payouts")).await, StatusCode::OK).await;
    assert_eq!((paid.data.len(), paid.next_cursor), (0, None));
    for part in ["", "/earnings", "/why", "/payouts"] {
        let path = format!("{path}{part}");
        assert_eq!(farm.get(&path).await.status(), StatusCode::OK, "the operator: {path}");
        assert_eq!(refused(eve.get(&path).await).await, "node-not-found", "{path}");
    }
    for order in ["pause", "resume", "drain"] {
        let path = format!("{path}/{order}");
        assert_eq!(refused(eve.post(&path, &()).await).await, "node-not-found", "{path}");
        assert_eq!(farm.post(&path, &()).await.status(), StatusCode::OK);
        assert_eq!(ada.post(&path, &()).await.status(), StatusCode::OK);
    }
    let unknown = format!("/v1/nodes/{}", "0".repeat(64));
    for answer in [farm.get(&unknown).await, ada.get(&unknown).await] {
        assert_eq!(refused(answer).await, "node-not-found");
    }
}

#[tokio::test]
async fn a_node_that_drains_ends_what_it_has_and_gets_nothing_new() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let job = farm.submit(|_| {}).await;
    let node = own(&farm, &ada, 1).await;
    let grant = node.lease(1).await;
    assert_eq!(wish(&ada, &node, "drain").await.wish, NodeWish::Drain);
    assert_eq!(node.lease_now().await, None);
    assert_eq!(why(&ada, &node).await, "draining");
    assert!(node.is_alive(grant.lease).await);
    assert_eq!(node.submit(&grant).await.accepted, 1);
    assert_eq!(node.lease_now().await, None);
    // Joining again is no order.
    let node = own(&farm, &ada, 1).await;
    assert_eq!(node.lease_now().await, None);
    assert_eq!(wish(&ada, &node, "resume").await.wish, NodeWish::Work);
    assert!(node.lease_now().await.is_some());
    assert_ne!(why(&ada, &node).await, "draining");
    farm.audited(&job, 1).await;
}

#[tokio::test]
async fn of_a_node_that_is_paused_the_leases_are_taken_back_and_it_is_not_to_blame() {
    let mut farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let job = farm.submit(|_| {}).await;
    let (mut node, other) = (own(&farm, &ada, 1).await, farm.node(2).await);
    let (grant, kept) = (node.lease(1).await, other.lease(1).await);
    assert_eq!(farm.job(&job).await.units.leased, 2);
    let view = wish(&ada, &node, "pause").await;
    assert_eq!((view.wish, view.units_leased), (NodeWish::Pause, 0));
    assert_eq!(farm.job(&job).await.units.leased, 1);
    assert!(!node.is_alive(grant.lease).await);
    assert!(other.is_alive(kept.lease).await, "another's stays");
    let late = node.send(grant.lease, node.work(&grant, |_, _| {})).await;
    assert_eq!(refused(late).await, "lease-ended");
    assert_eq!(node.lease_now().await, None);
    assert_eq!(why(&ada, &node).await, "paused");
    let path = format!("/v1/nodes/{}", node.key.node());
    let view: NodeView = read(ada.get(&path).await, StatusCode::OK).await;
    assert_eq!(view.record.abandoned, 0);
    let again = other.lease(1).await;
    assert_eq!(again.units[0].index, grant.units[0].index, "what it had is given to others");

    // It is written down.
    farm.restart().await;
    node.at(&farm);
    assert_eq!(node.lease_now().await, None);
    assert_eq!(farm.post(&format!("{path}/resume"), &()).await.status(), StatusCode::OK);
    assert!(node.lease_now().await.is_some());
}

#[tokio::test]
async fn a_node_that_waits_hears_at_once_that_it_is_resumed() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    farm.submit(|_| {}).await;
    let node = own(&farm, &ada, 1).await;
    wish(&ada, &node, "pause").await;
    let begun = std::time::Instant::now();
    let waiting = async { node.ask(&request(1, 25_000)).await.status() };
    let resuming = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        wish(&ada, &node, "resume").await;
    };
    let (status, ()) = tokio::join!(waiting, resuming);
    assert_eq!(status, StatusCode::OK);
    assert!(begun.elapsed() > Duration::from_millis(300), "it had nothing before");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_node_hears_the_hours_that_its_owner_sets_and_nobody_else() {
    let mut farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let (mut node, other) = (own(&farm, &ada, 1).await, own(&farm, &ada, 2).await);
    assert_eq!(heard(&node, None).await, None);
    assert_eq!(refused(set_hours(&eve, &node, "never").await).await, "node-not-found");
    let path = format!("/v1/nodes/{}/hours", node.key.node());
    let body = HoursRequest { hours: "never".into() };
    let bare = ada.bare(Method::PUT, &path).json(&body).send().await.unwrap();
    assert_eq!(refused(bare).await, "csrf-missing");
    let own_token = farm.http.put(farm.at(&path)).bearer_auth(&node.token).json(&body);
    assert_eq!(refused(own_token.send().await.unwrap()).await, "scope-too-small");
    assert_eq!(heard(&node, None).await, None);

    let view: NodeView =
        read(set_hours(&ada, &node, " MON-FRI 19:00-07:00,sat-sun").await, StatusCode::OK).await;
    let set = view.hours.unwrap();
    assert_eq!(set.hours.to_string(), "mon-fri 19:00-07:00, sat-sun");
    assert_eq!(heard(&node, None).await, Some(set.clone()));
    assert_eq!(heard(&other, None).await, None);
    let operator = farm.http.put(farm.at(&path)).bearer_auth(&farm.token).json(&body);
    let view: NodeView = read(operator.send().await.unwrap(), StatusCode::OK).await;
    let set_again = view.hours.unwrap();
    assert!(set_again.set_ms > set.set_ms, "the last word counts, within a millisecond too");

    // It is written down, and joining again is no order.
    farm.restart().await;
    let ada = ada.at(&farm);
    node.at(&farm);
    assert_eq!(heard(&node, None).await, Some(set_again.clone()));
    let node = own(&farm, &ada, 1).await;
    assert_eq!(heard(&node, Some(set.clone())).await, Some(set_again.clone()));
    let path = format!("/v1/nodes/{}", node.key.node());
    let view: NodeView = read(ada.get(&path).await, StatusCode::OK).await;
    assert_eq!((view.hours, view.report.unwrap().hours), (Some(set_again), Some(set)));
}

#[tokio::test]
async fn what_is_no_week_is_refused_in_the_words_of_the_machine() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let node = own(&farm, &ada, 1).await;
    for text in ["", "noon", "25:00-26:00", &vec!["mon"; 51].join(","), &" ".repeat(2001)] {
        assert_eq!(refused(set_hours(&ada, &node, text).await).await, "hours-refused", "{text}");
    }
    let answer = set_hours(&ada, &node, "sat, noon").await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Problem = answer.json().await.unwrap();
    assert!(problem.detail.contains("'noon' is no part of a week"), "{}", problem.detail);
    assert_eq!(heard(&node, None).await, None);
    let nonsense = serde_json::json!({ "hours": { "hours": "noon", "set_ms": 1 } });
    assert_eq!(refused(node.report(&nonsense).await).await, "request-malformed");
}

#[tokio::test]
async fn the_last_word_is_the_owners_whatever_the_clock_of_the_machine() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let node = own(&farm, &ada, 1).await;
    let says = async |set_ms| {
        heard(&node, Some(SetHours { hours: "sat".parse().unwrap(), set_ms })).await;
        let answer = set_hours(&ada, &node, "sun").await;
        read::<NodeView>(answer, StatusCode::OK).await.hours.unwrap().set_ms
    };
    let now_ms = says(0).await;
    let ahead = now_ms + 3_600_000;
    assert!(says(ahead).await > ahead);
    // One that lies gets no order that it would take, and does no harm.
    let next = says(i64::MAX).await;
    assert!(next < now_ms + 400 * 24 * 3_600_000, "{next}");
    assert!(says(i64::MIN).await > next);
}
