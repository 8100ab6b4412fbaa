//! Auditors: processes of the operator's that look at results in the master's place.

use crate::audits::{one_frame, rejections, sign_again, view};
use crate::studio::code;
use crate::world::{Farm, KERNEL, eventually, pixel};
use std::time::Duration;
use tessera_client::{AuditorClient, MasterAddress, PlainHttp};
use tessera_protocol::audit::{AuditFinding, AuditGrant, AuditRequest, AuditTask};
use tessera_protocol::job::JobState;
use tessera_protocol::verdict::{Verdict, Wrong};
use tessera_protocol::{AuditId, KernelId, LeaseId, SceneHash, submit};

/// A farm whose master leaves audits to others.
async fn farm() -> Farm {
    Farm::start_with(|config| config.audits_itself = false).await
}

fn auditor(farm: &Farm, token: &str) -> AuditorClient {
    let master = MasterAddress::parse(&farm.url, PlainHttp::LoopbackOnly).unwrap();
    AuditorClient::new(master, token.to_owned()).unwrap()
}

fn ask(wait_ms: u64) -> AuditRequest {
    AuditRequest { kernel: KERNEL, wait_ms }
}

async fn granted(client: &AuditorClient) -> AuditGrant {
    client.lease(&ask(20_000)).await.unwrap().expect("something to look at")
}

fn right(task: &AuditTask) -> AuditFinding {
    let verdict = Some(Verdict::Verified { pixels: 144 });
    AuditFinding { lease: task.lease, verdict, first: None }
}

fn wrong(task: &AuditTask) -> AuditFinding {
    let (signed, found) = (SceneHash([1; 32]), SceneHash([2; 32]));
    let verdict = Some(Verdict::Rejected(Box::new(Wrong::Scene { signed, found })));
    AuditFinding { lease: task.lease, verdict, first: None }
}

#[tokio::test]
async fn an_auditor_verifies_in_the_masters_place() {
    let farm = farm().await;
    let job = farm.submit(one_frame).await;
    let node = farm.node(1).await;
    let lease = node.lease(u64::MAX).await;
    node.submit(&lease).await;
    assert_eq!(farm.job(&job).await.units.submitted, 8);

    let client = auditor(&farm, &farm.token);
    let grant = granted(&client).await;
    assert_eq!((grant.job, &grant.spec, grant.results.len()), (job.id, &job.spec, 1));
    let task = &grant.results[0];
    assert_eq!((task.lease, task.node), (lease.lease, node.key.node()));
    assert_eq!(task.secret.hash(), lease.secret, "the one that the lease named");
    let body = client.result(task.lease).await.unwrap().expect("it waits");
    let (header, _) = submit::decode(&body).unwrap();
    assert_eq!(header.commit.id(), task.commit);
    assert!(client.result(LeaseId([1; 16])).await.unwrap().is_none());

    // Nobody else is given the same meanwhile.
    assert!(client.lease(&ask(0)).await.unwrap().is_none());
    assert!(client.heartbeat(grant.audit).await.unwrap().alive);
    client.report(grant.audit, &right(task)).await.unwrap();
    farm.until(&job, JobState::Completed).await;
    assert_eq!(view(&farm, &node).await.units_verified, 8);
    assert_eq!(code(client.report(grant.audit, &right(task)).await), "lease-ended");
    assert!(!client.heartbeat(grant.audit).await.unwrap().alive);
}

#[tokio::test]
async fn what_an_auditor_would_reject_the_master_looks_at_itself() {
    let farm = farm().await;
    let job = farm.submit(one_frame).await;
    let (honest, liar) = (farm.node(1).await, farm.node(2).await);
    let client = auditor(&farm, &farm.token);
    // Of an honest result, a broken auditor says the wrong thing, and one that cannot look says nothing.
    let nothing = |task: &AuditTask| AuditFinding { verdict: None, ..right(task) };
    let broken: [&dyn Fn(&AuditTask) -> AuditFinding; 2] = [&wrong, &nothing];
    for broken in broken {
        honest.submit(&honest.lease(1).await).await;
        let grant = granted(&client).await;
        client.report(grant.audit, &broken(&grant.results[0])).await.unwrap();
    }
    farm.audited(&job, 2).await;
    let known = view(&farm, &honest).await;
    assert_eq!((known.units_verified, known.record.rejections), (2, 0));

    let lease = liar.lease(1).await;
    let body = liar.work(&lease, |commit, all| {
        all[0][5].g += 1;
        sign_again(commit, all);
    });
    assert!(liar.send(lease.lease, body).await.status().is_success());
    let grant = granted(&client).await;
    client.report(grant.audit, &wrong(&grant.results[0])).await.unwrap();
    let known = rejections(&farm, &liar, 1).await;
    assert_eq!(known.units_verified, 0);
    let receipt = farm.operator().receipt(lease.lease).await.unwrap();
    receipt.check().unwrap();
    let Verdict::Rejected(found) = receipt.verdict else { panic!("{:?}", receipt.verdict) };
    let wrong = found.pixel().expect("the master's own finding, not the auditor's");
    let unit = lease.units[0];
    assert_eq!(wrong.found, pixel(unit.frame, wrong.x, wrong.y, unit.samples));
}

#[tokio::test]
async fn the_work_of_an_auditor_that_falls_silent_goes_to_another() {
    let farm = Farm::start_with(|config| {
        config.audits_itself = false;
        config.heartbeat = Duration::from_millis(100);
    })
    .await;
    let job = farm.submit(one_frame).await;
    let node = farm.node(1).await;
    node.submit(&node.lease(u64::MAX).await).await;
    let client = auditor(&farm, &farm.token);
    let silent = granted(&client).await;
    let again = eventually(async || client.lease(&ask(0)).await.unwrap()).await;
    assert_eq!(again.results, silent.results);
    assert_eq!(code(client.report(silent.audit, &right(&silent.results[0])).await), "lease-ended");
    client.report(again.audit, &right(&again.results[0])).await.unwrap();
    farm.until(&job, JobState::Completed).await;
}

#[tokio::test]
async fn a_verdict_on_work_of_a_node_that_was_caught_meanwhile_is_not_taken() {
    let farm = farm().await;
    let job = farm
        .submit(|spec| {
            // Two frames, so that two auditors have one each.
            spec.frames.last = tessera_protocol::FrameNumber(2);
        })
        .await;
    let liar = farm.node(1).await;
    let client = auditor(&farm, &farm.token);
    let good = liar.lease(u64::MAX).await;
    liar.submit(&good).await;
    let held = granted(&client).await;
    let bad = liar.lease(u64::MAX).await;
    assert_ne!(bad.units[0].frame, good.units[0].frame);
    let body = liar.work(&bad, |commit, all| {
        all.iter_mut().flatten().for_each(|sum| sum.b += 1);
        sign_again(commit, all);
    });
    assert!(liar.send(bad.lease, body).await.status().is_success());
    let other = granted(&client).await;
    client.report(other.audit, &wrong(&other.results[0])).await.unwrap();
    rejections(&farm, &liar, 1).await;
    // Drawn by the record of somebody better: it is looked at again, harder.
    client.report(held.audit, &right(&held.results[0])).await.unwrap();
    assert_eq!(farm.job(&job).await.units.verified, 0);
    let harder = granted(&client).await;
    assert_eq!((harder.results[0].lease, harder.results[0].record.rejections), (good.lease, 1));
}

#[tokio::test]
async fn only_the_operators_own_may_audit_with_this_kernel() {
    let farm = farm().await;
    for token in [farm.owner().await, farm.node(1).await.token] {
        let stranger = auditor(&farm, &token);
        assert_eq!(code(stranger.lease(&ask(0)).await), "scope-too-small");
        assert_eq!(code(stranger.result(LeaseId([1; 16])).await), "scope-too-small");
        assert_eq!(code(stranger.heartbeat(AuditId([1; 16])).await), "scope-too-small");
    }
    let client = auditor(&farm, &farm.token);
    let other = AuditRequest { kernel: KernelId([1; 32]), wait_ms: 0 };
    assert_eq!(code(client.lease(&other).await), "kernel-differs");
}
