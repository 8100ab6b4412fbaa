//! What becomes of results that are not what they claim to be, and of those that are.

use crate::world::{Farm, Node, eventually, read, refused, render, request};
use reqwest::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tessera_protocol::commit::Commit;
use tessera_protocol::job::{FramePage, FrameSpan, JobSpec, JobState, JobView};
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::node::{NodePage, NodeView};
use tessera_protocol::{FrameNumber, PixelSum, SceneHash, sums, tree};
use tessera_verify::audit::record;

/// Signs anew what was changed.
pub(crate) fn sign_again(commit: &mut Commit, all: &[Vec<PixelSum>]) {
    for (result, pixels) in commit.results.iter_mut().zip(all) {
        result.root = tree::root(pixels);
        result.rays = sums::rays(pixels);
    }
}

/// Sends what a lease asks for, changed.
async fn send(node: &Node, grant: &LeaseGrant, change: impl Fn(&mut PixelSum)) {
    let body = node.work(grant, |commit, all| {
        all.iter_mut().flatten().for_each(&change);
        sign_again(commit, all);
    });
    let sent = node.send(grant.lease, body).await;
    assert_eq!(sent.status(), StatusCode::OK, "its structure is right");
}

pub(crate) async fn view(farm: &Farm, node: &Node) -> NodeView {
    let nodes: NodePage = read(farm.get("/v1/nodes").await, StatusCode::OK).await;
    nodes.data.into_iter().find(|view| view.id == node.key.node()).unwrap()
}

pub(crate) async fn rejections(farm: &Farm, node: &Node, count: u64) -> NodeView {
    eventually(async || Some(view(farm, node).await).filter(|view| view.record.rejections == count))
        .await
}

pub(crate) fn one_frame(spec: &mut JobSpec) {
    spec.frames = FrameSpan { first: FrameNumber(1), last: FrameNumber(1) };
}

/// Hashes of a job's frames must be those of honest sums.
async fn assert_honest(farm: &Farm, job: &JobView) {
    let path = format!("/v1/jobs/{}/frames", job.id);
    let frames: FramePage = read(farm.get(&path).await, StatusCode::OK).await;
    for frame in frames.data {
        let whole = tessera_protocol::lease::Unit {
            index: tessera_protocol::UnitIndex(0),
            frame: frame.frame,
            rect: job.spec.settings.frame_rect(),
            samples: tessera_protocol::SampleRange { start: 0, end: job.spec.settings.spp },
        };
        assert_eq!(frame.hash, Some(sums::hash(&render(&whole))), "frame {}", frame.frame);
    }
}

#[tokio::test]
async fn a_false_result_is_rejected_and_never_enters_a_frame() {
    let farm = Farm::start().await;
    let job = farm.submit(one_frame).await;
    let (liar, honest) = (farm.node(1).await, farm.node(2).await);
    send(&liar, &liar.lease(u64::MAX).await, |sum| sum.g += 1).await;
    let known = rejections(&farm, &liar, 1).await;
    assert_eq!(known.units_verified, 0);
    let still = farm.job(&job).await;
    assert_eq!((still.units.free, still.units.verified), (8, 0), "to be rendered again");
    assert_eq!(still.rays, 0);
    honest.work_all(u64::MAX).await;
    let done = farm.until(&job, JobState::Completed).await;
    assert_honest(&farm, &done).await;
    assert_eq!(view(&farm, &honest).await.record.rejections, 0);
}

#[tokio::test]
async fn another_scene_is_rejected_though_its_pixels_are_right() {
    let farm = Farm::start().await;
    farm.submit(one_frame).await;
    let liar = farm.node(1).await;
    let grant = liar.lease(u64::MAX).await;
    let body = liar.work(&grant, |commit, _| commit.scene = SceneHash([1; 32]));
    assert_eq!(liar.send(grant.lease, body).await.status(), StatusCode::OK);
    rejections(&farm, &liar, 1).await;
}

#[tokio::test]
async fn what_a_liar_brought_before_is_looked_at_in_full() {
    let farm = Farm::start().await;
    // Tiles of so many pixels that a new node's are not all looked at.
    let job = farm
        .submit(|spec| {
            one_frame(spec);
            (spec.settings.width, spec.settings.height, spec.tile) = (192, 64, 64);
            (spec.settings.spp, spec.samples_per_unit) = (1, 1);
        })
        .await;
    let liar = farm.node(1).await;
    // One false pixel among 4,096, which 160 draws see once in 26 times: most often it passes.
    let first = liar.lease(1).await;
    let body = liar.work(&first, |commit, all| {
        all[0][77].b += 1;
        sign_again(commit, all);
    });
    assert_eq!(liar.send(first.lease, body).await.status(), StatusCode::OK);
    eventually(async || {
        let audited = view(&farm, &liar).await;
        (audited.units_verified + audited.record.rejections > 0).then_some(())
    })
    .await;
    let passed = view(&farm, &liar).await.units_verified == 1;
    // The next is false throughout, and the first is found, too.
    send(&liar, &liar.lease(1).await, |sum| sum.r += 1).await;
    let known = rejections(&farm, &liar, 2).await;
    assert_eq!(known.units_verified, 0, "it passed at first: {passed}");
    farm.node(2).await.work_all(u64::MAX).await;
    let done = farm.until(&job, JobState::Completed).await;
    assert_honest(&farm, &done).await;
}

#[tokio::test]
async fn a_liar_gets_no_more_work_and_is_told_why() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let liar = farm.node(1).await;
    for count in 1..=record::BARRED {
        send(&liar, &liar.lease(1).await, |sum| sum.rays += 1).await;
        rejections(&farm, &liar, count).await;
    }
    assert_eq!(refused(liar.ask(&request(1, 0)).await).await, "node-barred");
    // Joining again does not help.
    let again = farm.node(1).await;
    assert_eq!(refused(again.ask(&request(1, 0)).await).await, "node-barred");
}

/// One frame of units of 2^17 pixel samples each: 128 of them prove a node.
pub(crate) fn large_units(spec: &mut JobSpec) {
    one_frame(spec);
    (spec.settings.width, spec.settings.height, spec.tile) = (2048, 1024, 64);
    (spec.settings.spp, spec.samples_per_unit) = (32, 32);
}

/// Works until the node is proven; answers its units.
pub(crate) async fn prove(farm: &Farm, node: &Node) -> u64 {
    let mut verified = 0;
    while !view(farm, node).await.record.proven {
        let grant = node.lease(u64::MAX).await;
        assert_eq!(grant.units.len() as u64, record::FEW, "after {verified} units");
        node.submit(&grant).await;
        verified += record::FEW;
        eventually(async || (view(farm, node).await.units_verified == verified).then_some(()))
            .await;
    }
    verified
}

#[tokio::test]
async fn a_new_node_holds_little_work_until_it_has_proven_itself() {
    let farm = Farm::start().await;
    farm.submit(large_units).await;
    let node = farm.node(1).await;
    assert_eq!(prove(&farm, &node).await, record::PROVEN >> 17);
    assert_eq!(node.lease(u64::MAX).await.units.len(), LeaseGrant::MAX_UNITS);
}

#[tokio::test]
async fn work_for_a_job_that_was_cancelled_meanwhile_still_counts_for_its_node() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let (honest, liar) = (farm.node(1).await, farm.node(2).await);
    let (one, two) = (honest.lease(700).await, liar.lease(700).await);
    let sent = tokio::join!(honest.submit(&one), send(&liar, &two, |sum| sum.r += 1));
    farm.order(&job, "cancel").await;
    assert_eq!(sent.0.accepted, one.units.len() as u64);
    rejections(&farm, &liar, 1).await;
    let units = one.units.len() as u64;
    eventually(async || (view(&farm, &honest).await.units_verified == units).then_some(())).await;
    // Nothing is kept of a job that has ended, once it was looked at.
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}

#[tokio::test]
async fn an_audit_that_cannot_be_made_stands_in_nobodys_way() {
    let trouble = Arc::new(AtomicBool::new(true));
    let on = trouble.clone();
    let farm = Farm::start_with(|config| {
        let right = config.recompute.clone();
        config.recompute = Arc::new(move |scene, light, spec, frame, pixels| {
            if spec.name == "troubled" && on.load(Ordering::Relaxed) {
                return Err("its camera vanishes".to_owned());
            }
            right(scene, light, spec, frame, pixels)
        });
    })
    .await;
    let troubled = farm
        .submit(|spec| {
            one_frame(spec);
            spec.name = "troubled".to_owned();
        })
        .await;
    let node = farm.node(1).await;
    node.submit(&node.lease(u64::MAX).await).await;
    // The next job is audited though that one waits before it.
    let fine = farm.submit(one_frame).await;
    node.work_all(u64::MAX).await;
    farm.until(&fine, JobState::Completed).await;
    assert_eq!(farm.job(&troubled).await.units.submitted, 8, "it is tried again");
    trouble.store(false, Ordering::Relaxed);
    let done = farm.until(&troubled, JobState::Completed).await;
    assert_honest(&farm, &done).await;
    assert_eq!(view(&farm, &node).await.record.rejections, 0);
}

#[tokio::test]
async fn looking_again_at_old_work_earns_no_new_record() {
    let farm = Farm::start().await;
    farm.submit(large_units).await;
    let node = farm.node(1).await;
    let earned = prove(&farm, &node).await;
    send(&node, &node.lease(1).await, |sum| sum.r += 1).await;
    rejections(&farm, &node, 1).await;
    // All of it is looked at again, and counts for the job, but not for the record.
    eventually(async || (view(&farm, &node).await.units_verified == earned).then_some(())).await;
    let record = view(&farm, &node).await.record;
    assert_eq!((record.rejections, record.verified_since, record.proven), (1, 0, false));
}

#[tokio::test]
async fn what_a_barred_node_holds_is_free_again() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let liar = farm.node(1).await;
    // Three false results, and a lease that it keeps.
    let kept = liar.lease(1).await;
    for count in 1..=record::BARRED {
        send(&liar, &liar.lease(1).await, |sum| sum.b += 1).await;
        rejections(&farm, &liar, count).await;
    }
    eventually(async || (!liar.is_alive(kept.lease).await).then_some(())).await;
    let units = farm.job(&job).await.units;
    assert_eq!((units.free, units.leased, units.submitted), (24, 0, 0));
    farm.node(2).await.work_all(u64::MAX).await;
    assert_honest(&farm, &farm.until(&job, JobState::Completed).await).await;
}

#[tokio::test]
async fn a_new_node_cannot_hold_a_job_by_many_leases() {
    let farm = Farm::start().await;
    farm.submit(|spec| {
        one_frame(spec);
        (spec.settings.width, spec.settings.height, spec.tile) = (200, 200, 8);
        (spec.settings.spp, spec.samples_per_unit) = (1, 1);
    })
    .await;
    let node = farm.node(1).await;
    let mut held = 0;
    while let Some(grant) = node.lease_now().await {
        held += grant.units.len() as u64;
    }
    assert_eq!(held, record::HELD);
}

#[tokio::test]
async fn two_commits_for_one_lease_are_proof_against_their_node() {
    let farm = Farm::start().await;
    let job = farm.submit(one_frame).await;
    let (liar, stranger) = (farm.node(1).await, farm.node(2).await);
    let grant = liar.lease(1).await;
    liar.submit(&grant).await;
    farm.audited(&job, 1).await;
    let changed = |node: &Node, generation: u64| {
        node.work(&grant, |commit, all| {
            commit.node = liar.key.node();
            commit.generation.0 += generation;
            all[0][0].r += 1;
            sign_again(commit, all);
        })
    };
    // What others sign, or what is signed for another generation, says nothing.
    for body in [changed(&stranger, 0), changed(&liar, 1)] {
        assert_eq!(refused(liar.send(grant.lease, body).await).await, "commit-differs");
    }
    assert_eq!(view(&farm, &liar).await.record.rejections, 0);
    for _ in 0..2 {
        let body = changed(&liar, 0);
        assert_eq!(refused(liar.send(grant.lease, body).await).await, "commit-differs");
        assert_eq!(view(&farm, &liar).await.record.rejections, 1, "once");
    }
    // As often as false results do, it ends the node's work, and what it holds is free again.
    let kept = liar.lease(1).await;
    for count in 2..=record::BARRED {
        let grant = liar.lease(1).await;
        liar.submit(&grant).await;
        let body = liar.work(&grant, |commit, all| {
            all[0][0].r += 1;
            sign_again(commit, all);
        });
        assert_eq!(refused(liar.send(grant.lease, body).await).await, "commit-differs");
        assert_eq!(view(&farm, &liar).await.record.rejections, count);
    }
    assert!(!liar.is_alive(kept.lease).await);
    assert_eq!(refused(liar.ask(&request(1, 0)).await).await, "node-barred");
}

#[tokio::test]
async fn jobs_that_brought_nothing_keep_no_others_sums() {
    let farm = Farm::start().await;
    for _ in 0..20 {
        let job = farm.submit(one_frame).await;
        farm.order(&job, "cancel").await;
    }
    let job = farm.submit(one_frame).await;
    farm.node(1).await.work_all(u64::MAX).await;
    farm.until(&job, JobState::Completed).await;
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}
