//! A node is given no work of a job whose scene it cannot hold.

use crate::audits::one_frame;
use crate::store::{ask, new_job, open};
use crate::world::{Farm, Node, read, request, spec};
use reqwest::StatusCode;
use std::path::Path;
use std::sync::Arc;
use tessera_farm_master::config::Inspected;
use tessera_farm_master::store::{Creation, LeaseAsk, NewJob, Store as _};
use tessera_protocol::JobId;
use tessera_protocol::job::{JobSpec, JobView, Why};
use tessera_protocol::lease::{LeaseGrant, LeaseRequest};
use tessera_protocol::memory::{FreeMemory, SceneMemory};
use tessera_protocol::node::DeviceClass;

const MIB: u64 = 1 << 20;
/// What scenes that begin with this take of a node …
const LARGE_SCENE: &[u8] = b"large";
/// … which is so much.
const LARGE: SceneMemory = SceneMemory { host_bytes: 3_000 * MIB, device_bytes: 1_000 * MIB };

/// A farm that knows large scenes from small ones.
async fn farm() -> Farm {
    Farm::start_with(|config| {
        config.inspect_scene = Arc::new(|scene: &Path, _: Option<&Path>, _: &JobSpec| {
            let bytes = std::fs::read(scene).map_err(|error| error.to_string())?;
            let memory =
                if bytes.starts_with(LARGE_SCENE) { LARGE } else { SceneMemory::default() };
            Ok(Inspected { warnings: vec![], memory })
        });
    })
    .await
}

async fn submit(farm: &Farm, scene: &[u8], change: impl FnOnce(&mut JobSpec)) -> JobView {
    let mut spec = spec(farm.upload(scene).await.blob);
    change(&mut spec);
    read(farm.post("/v1/jobs", &spec).await, StatusCode::CREATED).await
}

fn free(host_mib: u64, device_mib: Option<u64>) -> Option<FreeMemory> {
    let device_bytes = device_mib.map(|mib| mib * MIB);
    Some(FreeMemory { host_bytes: host_mib * MIB, device_bytes })
}

/// Whether there is work now for a node that has so much free.
async fn ask_with(node: &Node, memory: Option<FreeMemory>) -> Option<LeaseGrant> {
    let response = node.ask(&LeaseRequest { memory, ..request(u64::MAX, 0) }).await;
    if response.status() == StatusCode::NO_CONTENT {
        return None;
    }
    Some(read(response, StatusCode::OK).await)
}

/// Why a job waits, or a node gets nothing: the first reason.
async fn why(farm: &Farm, path: &str) -> Why {
    read::<Vec<Why>>(farm.get(path).await, StatusCode::OK).await.swap_remove(0)
}

#[tokio::test]
async fn a_node_gets_what_it_can_hold_and_reads_why_it_does_not_get_the_rest() {
    let farm = farm().await;
    let large = submit(&farm, LARGE_SCENE, |_| {}).await;
    let node = farm.node(1).await;
    // Without a memory of its own, the device takes main memory.
    assert_eq!(ask_with(&node, free(3_999, None)).await, None);
    let told = why(&farm, &format!("/v1/nodes/{}/why", node.key.node())).await;
    assert_eq!(told.code, "scene_too_large");
    assert!(told.sentence.contains("needs 4.0 GiB of memory"), "{}", told.sentence);
    assert!(told.sentence.contains("3.9 GiB free"), "{}", told.sentence);
    assert_eq!(ask_with(&node, free(2_999, Some(5_000))).await, None);
    assert_eq!(ask_with(&node, free(5_000, Some(999))).await, None);
    let told = why(&farm, &format!("/v1/nodes/{}/why", node.key.node())).await;
    assert!(told.sentence.contains("of its device's memory"), "{}", told.sentence);

    let small = submit(&farm, b"small", one_frame).await;
    let grant = ask_with(&node, free(1, None)).await.unwrap();
    assert_eq!(grant.job, small.id);
    assert_eq!(ask_with(&node, free(1, None)).await, None, "all of the small one is leased");

    for enough in [free(4_000, None), free(3_000, Some(1_000)), None] {
        let grant = ask_with(&node, enough).await.unwrap();
        assert_eq!(grant.job, large.id, "with {enough:?}");
        node.give_back(grant.lease, None).await;
    }
}

#[tokio::test]
async fn a_job_waits_for_memory_only_while_no_node_may_have_enough() {
    let mut farm = farm().await;
    let job = submit(&farm, LARGE_SCENE, |_| {}).await;
    let path = format!("/v1/jobs/{}/why", job.id);
    let (mut one, two) = (farm.node(1).await, farm.node(2).await);
    assert_eq!(why(&farm, &path).await.code, "nodes_busy", "neither has said what it has");
    assert_eq!(ask_with(&one, free(2_048, None)).await, None);
    assert_eq!(why(&farm, &path).await.code, "nodes_busy", "the other one may have enough");
    assert_eq!(ask_with(&two, free(3_072, None)).await, None);
    let lacks = why(&farm, &path).await;
    assert_eq!(lacks.code, "no_node_has_memory");
    assert!(lacks.sentence.contains("4.0 GiB of a node's memory"), "{}", lacks.sentence);
    assert!(lacks.sentence.contains("free is 3.0 GiB"), "the most: {}", lacks.sentence);

    assert_eq!(ask_with(&two, free(4_000, None)).await.unwrap().job, job.id);
    assert_eq!(why(&farm, &path).await.code, "nodes_busy", "it has more now");

    // A master that starts again knows the job, and nothing of the nodes.
    farm.restart().await;
    assert_eq!(why(&farm, &path).await.code, "nodes_busy");
    one.at(&farm);
    assert_eq!(ask_with(&one, free(3_999, None)).await, None);
    assert_eq!(ask_with(&one, free(4_000, None)).await.unwrap().job, job.id);
}

#[tokio::test]
async fn a_second_render_goes_to_a_node_that_can_hold_the_scene() {
    let farm = farm().await;
    let tolerant = |spec: &mut JobSpec| {
        one_frame(spec);
        spec.class = DeviceClass::Tolerant;
    };
    submit(&farm, LARGE_SCENE, tolerant).await;
    let (a, b) = (farm.owner().await, farm.owner().await);
    let (first, second) = (farm.tolerant_node(&a, 1).await, farm.tolerant_node(&b, 2).await);
    first.work_all(u64::MAX).await;
    assert_eq!(ask_with(&second, free(3_999, None)).await, None);
    assert!(ask_with(&second, free(4_000, None)).await.is_some());
}

fn asks(number: u64, node: u8, memory: Option<FreeMemory>) -> LeaseAsk {
    let mut ask = ask(number, node, u64::MAX);
    ask.bidder.memory = memory;
    ask
}

#[tokio::test]
async fn large_jobs_hide_no_small_one_behind_them_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for number in 1..=65 {
        let large = NewJob { memory: LARGE, ..new_job(number, |_| {}) };
        assert!(matches!(store.create_job(large).await.unwrap(), Creation::Created(_)));
    }
    let small = store.create_job(new_job(66, |_| {})).await.unwrap();
    assert!(matches!(small, Creation::Created(_)));
    let job =
        async |ask| store.lease(ask).await.unwrap().granted().map(|granted| granted.lease.job);
    assert_eq!(job(asks(1, 1, free(3_999, None))).await, Some(JobId([66; 16])));
    assert_eq!(job(asks(2, 2, free(4_000, None))).await, Some(JobId([1; 16])));
}

#[tokio::test]
async fn a_straggler_is_leased_again_to_a_node_that_can_hold_the_scene() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let job = NewJob { memory: LARGE, ..new_job(1, one_frame) };
    assert!(matches!(store.create_job(job).await.unwrap(), Creation::Created(_)));
    let first = store.lease(asks(1, 1, None)).await.unwrap().granted().unwrap();
    let late_ms = 60_000;
    let late = |memory| LeaseAsk { now_ms: late_ms, ..asks(2, 2, memory) };
    assert_eq!(store.lease(late(free(3_000, Some(999)))).await.unwrap().granted(), None);
    let again = store.lease(late(free(3_000, Some(1_000)))).await.unwrap().granted().unwrap();
    assert_eq!(again.lease.second_of, Some(first.lease.id));
}
