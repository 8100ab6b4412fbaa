//! A job that fails, as people see it, and how they have it go on.

use crate::common::{Farm, said};
use std::time::Duration;
use tessera_client::{Client, Enrolment, MasterAddress, NodeClient, PlainHttp};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::lease::{GiveBackRequest, LeaseRequest};
use tessera_protocol::node::{NodeView, NodeWish};
use tessera_reference::kernel_id;

/// The farm's own node, once it has joined.
async fn its_node(client: &Client) -> NodeView {
    loop {
        if let Some(node) = client.nodes().await.unwrap().pop() {
            return node;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn fails_once(node: &NodeClient) {
    let wait_ms = LeaseRequest::MAX_WAIT_MS;
    let request =
        LeaseRequest { kernel: kernel_id(), samples_wanted: 1, wait_ms, ask: None, memory: None };
    let grant = node.lease(&request).await.unwrap().expect("there is work");
    let failed = Some("the driver hung".to_owned());
    node.give_back(grant.lease, &GiveBackRequest { failed }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_failed_says_what_to_do_and_goes_on() {
    let farm = Farm::start().await;
    let master = MasterAddress::parse(&farm.address, PlainHttp::LoopbackOnly).unwrap();
    let client = Client::new(master.clone(), Some(farm.token.clone())).unwrap();
    let own = its_node(&client).await;
    client.wish_node(own.id, NodeWish::Pause).await.unwrap();
    let enrolment = Enrolment::new(master, farm.token.clone()).unwrap();
    let mut nodes = vec![];
    for name in ["one", "other"] {
        let key = NodeKey::generate().unwrap();
        nodes.push(enrolment.join(&key, name, &own.device).await.unwrap().1);
    }

    let glb = tessera_scenes::conformance().swap_remove(0).glb;
    std::fs::write(farm.folder.path().join("room.glb"), &glb).unwrap();
    let submit = "submit room.glb --frames 3 --size 50x34 --spp 2 --tile 16";
    let submitted = farm.json(&submit.split_whitespace().collect::<Vec<_>>()).await;
    let job = submitted[0]["id"].as_str().unwrap().to_owned();
    // As often as is allowed.
    for number in 0..5 {
        fails_once(&nodes[number % 2]).await;
    }

    let watched = farm.farm(&["watch", &job]).await;
    assert_eq!(watched.status.code(), Some(1));
    let told = said(&watched);
    for word in ["failed", "the driver hung", "`farm requeue ", "`farm cancel "] {
        assert!(told.contains(word), "{told}");
    }
    let refused = farm.farm(&["resume", &job]).await;
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("requeue it"), "{}", said(&refused));
    let early = farm.farm(&["receipt", &job, "-o", "proof"]).await;
    assert!(said(&early).contains("has not ended"), "{}", said(&early));

    let on = farm.json(&["requeue", &job]).await.remove(0);
    assert_eq!(on["state"], "active");
    let again = farm.farm(&["requeue", &job]).await;
    assert_eq!(again.status.code(), Some(5));
    assert!(said(&again).contains("name the frames"), "{}", said(&again));
    let on = farm.json(&["requeue", &job, "--frames", "3"]).await.remove(0);
    assert_eq!(on["state"], "active");
    let none = farm.farm(&["requeue", &job, "--frames", "2-3"]).await;
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));

    client.wish_node(own.id, NodeWish::Work).await.unwrap();
    let watched = farm.farm(&["watch", &job]).await;
    assert!(watched.status.success(), "{}", said(&watched));
    let over = farm.farm(&["requeue", &job, "--frames", "3"]).await;
    assert_eq!(over.status.code(), Some(5), "{}", said(&over));
    farm.stop().await;
}
