//! What is refused, and under which name.

use crate::world::{BAD_SCENE, Farm, KERNEL, eventually, read, refused, render, request, spec};
use reqwest::StatusCode;
use tessera_protocol::commit::{Commit, NodeKey};
use tessera_protocol::job::JobSpec;
use tessera_protocol::lease::LeaseRequest;
use tessera_protocol::node::{DeviceClass, JoinView};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{
    BlobHash, JobId, KernelId, NodeId, PixelSum, SecretHash, SettingsHash, sums, tree,
};

type Change = fn(&mut Commit, &mut Vec<Vec<PixelSum>>);

/// Signs anew what was changed.
fn recount(commit: &mut Commit, all: &[Vec<PixelSum>]) {
    for (result, pixels) in commit.results.iter_mut().zip(all) {
        result.root = tree::root(pixels);
        result.rays = sums::rays(pixels);
    }
}

#[tokio::test]
async fn each_wrong_submit_is_named_and_changes_nothing() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    let grant = node.lease(u64::MAX).await;
    let wrong: [(&str, Change); 13] = [
        ("node-differs", |commit, _| commit.node = NodeId([3; 32])),
        ("kernel-differs", |commit, _| commit.kernel = KernelId([3; 32])),
        ("lease-differs", |commit, _| commit.settings = SettingsHash([3; 32])),
        ("lease-differs", |commit, _| commit.secret = SecretHash([3; 32])),
        ("generation-differs", |commit, _| commit.generation.0 += 1),
        ("units-differ", |commit, _| commit.job = JobId([3; 16])),
        ("units-differ", |commit, _| commit.results.swap(0, 1)),
        ("units-differ", |commit, all| {
            commit.results.pop();
            all.pop();
        }),
        ("hash-differs", |_, all| all[1][2].g += 1),
        ("hash-differs", |_, all| {
            all[1].pop();
        }),
        ("rays-refused", |commit, _| commit.results[0].rays += 1),
        ("rays-refused", |commit, all| {
            all[2][0].rays = 1;
            recount(commit, all);
        }),
        ("rays-refused", |commit, all| {
            all[2][0].rays = 2 * 17 + 1;
            recount(commit, all);
        }),
    ];
    for (code, change) in wrong {
        let body = node.work(&grant, change);
        assert_eq!(refused(node.send(grant.lease, body).await).await, code);
    }

    let mut forged = node.work(&grant, |_, _| {});
    let at = forged.windows(12).position(|bytes| bytes == b"\"signature\":").unwrap() + 13;
    forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
    assert_eq!(refused(node.send(grant.lease, forged).await).await, "signature-refused");

    let body = node.work(&grant, |_, _| {});
    let cut = body[..body.len() - 1].to_vec();
    assert_eq!(refused(node.send(grant.lease, cut).await).await, "submit-malformed");
    let stranger = farm.node(2).await;
    assert_eq!(refused(stranger.send(grant.lease, body).await).await, "lease-ended");

    let still = farm.job(&job).await;
    assert_eq!((still.units.leased, still.units.verified), (8, 0));
    assert_eq!(farm.stored_results(), 0);
    assert_eq!(node.submit(&grant).await.accepted, 8);
}

#[tokio::test]
async fn the_same_submit_again_gets_the_first_answer_and_another_is_refused() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    let grant = node.lease(700).await;
    let body = node.work(&grant, |_, _| {});
    let (one, two) =
        tokio::join!(node.send(grant.lease, body.clone()), node.send(grant.lease, body.clone()));
    let first: SubmitView = read(one, StatusCode::OK).await;
    assert_eq!(first, read(two, StatusCode::OK).await);
    assert_eq!(first, read(node.send(grant.lease, body).await, StatusCode::OK).await);
    let units = grant.units.len() as u64;
    let counted = farm.audited(&job, units).await.units;
    assert_eq!((counted.verified, counted.submitted), (units, 0), "they count once");

    let other = node.work(&grant, |commit, all| {
        all[0][0].r += 1;
        recount(commit, all);
    });
    assert_eq!(refused(node.send(grant.lease, other).await).await, "commit-differs");
}

#[tokio::test]
async fn a_node_that_joins_again_as_another_device_gets_what_that_may_have() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    for _ in 0..2 {
        let exact = farm.node(1).await;
        let grant = exact.lease_now().await.expect("it is an exact job");
        exact.give_back(grant.lease, None).await;
        let tolerant = farm.tolerant_node(&farm.token, 1).await;
        assert_eq!(tolerant.lease_now().await, None);
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_rendered_is_refused() {
    let farm = Farm::start().await;
    let scene = farm.upload(b"a scene").await.blob;
    let bad = farm.upload(BAD_SCENE).await.blob;
    let refuse = async |change: fn(&mut JobSpec), scene: BlobHash| {
        let mut spec = spec(scene);
        change(&mut spec);
        refused(farm.post("/v1/jobs", &spec).await).await
    };
    assert_eq!(refuse(|spec| spec.tile = 1, scene).await, "settings-refused");
    assert_eq!(refuse(|spec| spec.name.clear(), scene).await, "settings-refused");
    assert_eq!(refuse(|_| {}, BlobHash([9; 32])).await, "upload-missing");
    assert_eq!(refuse(|_| {}, bad).await, "scene-refused");
    let odd = farm.post("/v1/jobs", &serde_json::json!({"name": 1})).await;
    assert_eq!(refused(odd).await, "request-malformed");
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let unknown = "0".repeat(32);
    for (path, code) in [
        (format!("/v1/jobs/{unknown}"), "job-not-found"),
        (format!("/v1/jobs/{unknown}/events"), "job-not-found"),
        ("/v1/jobs/x".to_owned(), "request-malformed"),
        (format!("/v1/jobs/{}/frames/9/png", job.id), "frame-not-found"),
        (format!("/v1/jobs/{}/frames/1/png", job.id), "frame-not-ready"),
        (format!("/v1/jobs/{}/movie", job.id), "movie-not-ready"),
        ("/v1/jobs?limit=0".to_owned(), "request-malformed"),
        ("/v1/jobs?cursor=x".to_owned(), "request-malformed"),
        ("/v1/jobs?surprise=1".to_owned(), "request-malformed"),
        ("/v1/nothing".to_owned(), "route-not-found"),
        (format!("/v1/jobs/{}/pause", job.id), "method-not-allowed"),
    ] {
        assert_eq!(refused(farm.get(&path).await).await, code, "{path}");
    }
}

#[tokio::test]
async fn bodies_have_limits() {
    let farm = Farm::start_with(|config| config.upload_bytes_max = 1000).await;
    let send = async |body: reqwest::Body| {
        let request = farm.http.post(farm.at("/v1/uploads")).bearer_auth(&farm.token);
        request.body(body).send().await.unwrap()
    };
    assert_eq!(refused(send(vec![0; 1001].into()).await).await, "body-too-large");
    let pieces = futures::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![0u8; 100])));
    assert_eq!(refused(send(reqwest::Body::wrap_stream(pieces)).await).await, "body-too-large");
    let large = "x".repeat(2 << 20);
    assert_eq!(refused(farm.post("/v1/jobs", &large).await).await, "body-too-large");
    let folder = farm.config.state.join("blobs/uploads");
    eventually(async || (std::fs::read_dir(&folder).unwrap().count() == 0).then_some(())).await;
}

#[tokio::test]
async fn only_an_exact_node_of_this_kernel_gets_work() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let key = NodeKey::from_secret(&[1; 32]);

    let other_kernel = farm.join(&key, |request| request.device.kernel = KernelId([8; 32])).await;
    assert_eq!(refused(other_kernel).await, "kernel-differs");
    let shows_nothing = farm.join(&key, |request| request.device.conformance.clear()).await;
    let joined: JoinView = read(shows_nothing, StatusCode::OK).await;
    assert_eq!(joined.class, DeviceClass::Tolerant);
    let lease = farm.http.post(farm.at("/node/v1/lease")).bearer_auth(&joined.token);
    let answer = lease.json(&request(1, 0)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "no exact work for a tolerant device");

    let node = farm.node(1).await;
    let old = LeaseRequest { kernel: KernelId([8; 32]), ..request(1, 0) };
    assert_eq!(refused(node.ask(&old).await).await, "kernel-differs");
    assert_eq!(node.lease(1).await.kernel, KERNEL);
}

#[tokio::test]
async fn a_join_must_answer_its_own_challenge() {
    let farm = Farm::start().await;
    let key = NodeKey::from_secret(&[1; 32]);
    let stranger = NodeKey::from_secret(&[2; 32]);
    let forged = farm.join(&key, |request| request.node = stranger.node()).await;
    assert_eq!(refused(forged).await, "signature-refused");
    let made_up = farm.join(&key, |request| request.challenge = "0".repeat(64)).await;
    assert_eq!(refused(made_up).await, "challenge-refused");

    let mut kept = None;
    let first = farm.join(&key, |request| kept = Some(request.clone())).await;
    assert_eq!(first.status(), StatusCode::OK);
    let replayed = farm.post("/node/v1/join", &kept.unwrap()).await;
    assert_eq!(refused(replayed).await, "challenge-refused");
    let endless = farm.join(&key, |request| request.name = "x".repeat(101)).await;
    assert_eq!(refused(endless).await, "request-malformed");
}

#[tokio::test]
async fn a_blob_goes_to_leaseholders_only() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let other = farm.upload(b"another scene").await.blob;
    let node = farm.node(1).await;
    let scene = BlobHash::of(b"a scene");
    assert_eq!(refused(node.blob(scene).await).await, "blob-not-found");
    let grant = node.lease(1).await;
    assert_eq!(node.blob(scene).await.status(), StatusCode::OK);
    assert_eq!(refused(node.blob(other).await).await, "blob-not-found");
    assert_eq!(render(&grant.units[0]).len(), 144);
    node.submit(&grant).await;
    assert_eq!(refused(node.blob(scene).await).await, "blob-not-found");
}
