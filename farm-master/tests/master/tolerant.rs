//! Tolerant jobs: devices whose bits differ render each unit twice, for two owners.

use crate::audits::{large_units, one_frame, prove, rejections, sign_again, view};
use crate::world::{Farm, Node, eventually, read, render, request, whole_frame};
use reqwest::StatusCode;
use tessera_protocol::job::{FramePage, JobSpec, JobState, JobView, Why};
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::{Receipt, ReceiptPage};
use tessera_protocol::verdict::{Alike, Verdict, Wrong};
use tessera_protocol::{FrameNumber, LeaseId, PixelSum, sums};

fn tolerant(spec: &mut JobSpec) {
    one_frame(spec);
    spec.class = DeviceClass::Tolerant;
}

/// What a device makes of a sum whose last bits are its own.
fn nearly(sum: &mut PixelSum) {
    sum.r += sum.r >> 18;
    sum.b -= sum.b >> 17;
}

fn false_light(sum: &mut PixelSum) {
    sum.g = sum.g * 2 + (1 << 22);
}

async fn send(node: &Node, grant: &LeaseGrant, change: fn(&mut PixelSum)) {
    let body = node.work(grant, |commit, all| {
        all.iter_mut().flatten().for_each(change);
        sign_again(commit, all);
    });
    let sent = node.send(grant.lease, body).await;
    assert_eq!(sent.status(), StatusCode::OK, "its structure is right");
}

/// Renders what there is for a node until there is nothing more, or the farm wants `units` no longer.
async fn work(node: &Node, change: fn(&mut PixelSum)) -> Vec<LeaseGrant> {
    let mut done = Vec::new();
    while let Some(grant) = node.lease_now().await {
        send(node, &grant, change).await;
        done.push(grant);
    }
    done
}

async fn reasons(farm: &Farm, job: &JobView) -> Vec<String> {
    let path = format!("/v1/jobs/{}/why", job.id);
    let why: Vec<Why> = read(farm.get(&path).await, StatusCode::OK).await;
    why.into_iter().map(|why| why.code).collect()
}

async fn receipts(farm: &Farm, job: &JobView) -> Vec<Receipt> {
    let path = format!("/v1/jobs/{}/receipts", job.id);
    let page: ReceiptPage = read(farm.get(&path).await, StatusCode::OK).await;
    page.data
}

async fn receipt(farm: &Farm, lease: LeaseId) -> Receipt {
    let path = format!("/v1/leases/{lease}/receipt");
    eventually(async || {
        let answer = farm.get(&path).await;
        (answer.status() == StatusCode::OK).then_some(answer)
    })
    .await
    .json()
    .await
    .unwrap()
}

fn alike(receipt: &Receipt) -> Alike {
    match &receipt.verdict {
        Verdict::Alike(alike) => *alike,
        other => panic!("{other:?}"),
    }
}

/// A farm that keeps results, so that there are receipts.
async fn farm() -> Farm {
    Farm::start_with(|config| config.keep_results = std::time::Duration::from_secs(3600)).await
}

#[tokio::test]
async fn two_owners_make_a_tolerant_job_and_both_are_credited() {
    let farm = farm().await;
    let job = farm.submit(tolerant).await;
    let (a, b) = (farm.owner().await, farm.owner().await);
    let one = farm.tolerant_node(&a, 1).await;
    // An exact node may do tolerant work as well.
    let two = farm.tolerant_node(&b, 2).await;
    let first = work(&one, nearly).await;
    assert_eq!(first.iter().map(|grant| grant.units.len()).sum::<usize>(), 8);
    assert_eq!(farm.job(&job).await.units.verified, 0, "once is never enough");
    let second = work(&two, |_| ()).await;
    assert!(first.iter().zip(&second).all(|(a, b)| a.units == b.units && a.secret != b.secret));
    let done = farm.until(&job, JobState::Completed).await;
    assert_eq!(done.units.verified, 8);
    for node in [&one, &two] {
        let known = view(&farm, node).await;
        assert_eq!((known.units_verified, known.record.rejections), (8, 0));
    }

    // The frame is made of the first results: its bits are those of the device that made them.
    let mut expected = whole_frame(&job.spec, FrameNumber(1));
    let frames: FramePage =
        read(farm.get(&format!("/v1/jobs/{}/frames", job.id)).await, StatusCode::OK).await;
    assert_ne!(frames.data[0].hash, Some(sums::hash(&expected)));
    expected = first_sums(&job, &first);
    assert_eq!(frames.data[0].hash, Some(sums::hash(&expected)));

    let receipts = receipts(&farm, &job).await;
    assert_eq!(receipts.len(), first.len() + second.len());
    for receipt in &receipts {
        receipt.check().unwrap();
        let alike = alike(receipt);
        let (own, other) = (first.iter(), second.iter());
        let enters = own.clone().any(|grant| grant.lease == receipt.commit.lease);
        assert_eq!(alike.enters, enters);
        let second = alike.second.unwrap();
        let is_other = |grant: &LeaseGrant| grant.lease == second.lease;
        assert!(if enters { other.clone().any(is_other) } else { own.clone().any(is_other) });
        assert!(alike.looked > 0, "nodes without a record are looked at");
        assert_eq!((second.within_ppm, second.distance), (1_000_000, 0));
    }
}

/// What the frame comes to of the first results.
fn first_sums(job: &JobView, grants: &[LeaseGrant]) -> Vec<PixelSum> {
    let width = job.spec.settings.width as usize;
    let mut frame = vec![PixelSum::default(); width * job.spec.settings.height as usize];
    for unit in grants.iter().flat_map(|grant| &grant.units) {
        let mut sums = render(unit);
        sums.iter_mut().for_each(nearly);
        for (n, sum) in sums.into_iter().enumerate() {
            let (x, y) = (n as u32 % unit.rect.width, n as u32 / unit.rect.width);
            let at = (unit.rect.y + y) as usize * width + (unit.rect.x + x) as usize;
            frame[at] = frame[at].checked_add(sum).unwrap();
        }
    }
    frame
}

#[tokio::test]
async fn nobody_checks_what_the_same_owner_made() {
    let farm = Farm::start().await;
    let job = farm.submit(tolerant).await;
    let owner = farm.owner().await;
    let (one, sister) = (farm.tolerant_node(&owner, 1).await, farm.tolerant_node(&owner, 2).await);
    work(&one, nearly).await;
    assert!(sister.lease_now().await.is_none());
    assert!(reasons(&farm, &job).await.contains(&"second_render_wanted".to_owned()));
    // Nor does anybody check their own work.
    assert!(one.lease_now().await.is_none());
    let other = farm.tolerant_node(&farm.owner().await, 3).await;
    work(&other, nearly).await;
    farm.until(&job, JobState::Completed).await;
}

#[tokio::test]
async fn the_operators_own_nodes_may_check_each_other() {
    let farm = Farm::start().await;
    let job = farm.submit(tolerant).await;
    let one = farm.tolerant_node(&farm.token, 1).await;
    work(&one, nearly).await;
    assert!(one.lease_now().await.is_none(), "but never themselves");
    // An exact device may render a tolerant job, too.
    work(&farm.node(2).await, |_| ()).await;
    farm.until(&job, JobState::Completed).await;
}

#[tokio::test]
async fn whichever_of_a_pair_is_false_it_alone_is_rejected() {
    for liar_first in [true, false] {
        let farm = farm().await;
        let job = farm.submit(tolerant).await;
        let liar = farm.tolerant_node(&farm.owner().await, 1).await;
        let honest = farm.tolerant_node(&farm.owner().await, 2).await;
        let (one, two) = if liar_first { (&liar, &honest) } else { (&honest, &liar) };
        let change = |of_liar: bool| if of_liar { false_light } else { nearly };
        let first = one.lease(1).await;
        send(one, &first, change(liar_first)).await;
        let second = two.lease(1).await;
        assert_eq!(first.units, second.units);
        send(two, &second, change(!liar_first)).await;
        rejections(&farm, &liar, 1).await;
        let (false_one, right_one) =
            if liar_first { (first.lease, second.lease) } else { (second.lease, first.lease) };
        let rejected = receipt(&farm, false_one).await;
        rejected.check().unwrap();
        let Verdict::Rejected(wrong) = &rejected.verdict else { panic!("{:?}", rejected.verdict) };
        let Wrong::Unlike(unlike) = &**wrong else { panic!("{wrong}") };
        assert_eq!(unlike.within, 0);
        assert_ne!(unlike.pixel.signed.g, unlike.pixel.found.g);
        assert_eq!(view(&farm, &honest).await.record.rejections, 0);

        // The rest is done by honest people, the false first result once more.
        let another = farm.tolerant_node(&farm.owner().await, 3).await;
        while farm.job(&job).await.state == JobState::Active {
            for node in [&honest, &another] {
                work(node, nearly).await;
            }
        }
        farm.until(&job, JobState::Completed).await;
        let right = receipt(&farm, right_one).await;
        assert!(alike(&right).second.unwrap().within_ppm < 10_000);
        assert_eq!(alike(&right).enters, !liar_first);
    }
}

#[tokio::test]
async fn two_who_agree_on_what_is_false_are_both_found() {
    let farm = Farm::start().await;
    let job = farm.submit(tolerant).await;
    let liars = [
        farm.tolerant_node(&farm.owner().await, 1).await,
        farm.tolerant_node(&farm.owner().await, 2).await,
    ];
    for liar in &liars {
        send(liar, &liar.lease(1).await, false_light).await;
    }
    for liar in &liars {
        rejections(&farm, liar, 1).await;
    }
    assert_eq!(farm.job(&job).await.units.verified, 0);
}

#[tokio::test]
async fn a_second_render_that_does_not_come_is_asked_of_another() {
    let farm = Farm::start().await;
    let job = farm.submit(tolerant).await;
    let maker = farm.tolerant_node(&farm.owner().await, 1).await;
    let lazy = farm.tolerant_node(&farm.owner().await, 2).await;
    let other = farm.tolerant_node(&farm.owner().await, 3).await;
    let first = maker.lease(1).await;
    send(&maker, &first, nearly).await;
    let begun = lazy.lease(1).await;
    assert_eq!(begun.units, first.units);
    let elsewhere = other.lease(1).await;
    assert_ne!(elsewhere.units, first.units, "it is under way, and nobody renders it a third time");
    other.give_back(elsewhere.lease, None).await;
    lazy.give_back(begun.lease, None).await;
    let again = other.lease(1).await;
    assert_eq!(again.units, first.units);
    let late = lazy.work(&begun, |_, _| {});
    assert_eq!(crate::world::refused(lazy.send(begun.lease, late).await).await, "lease-ended");
    send(&other, &again, nearly).await;
    farm.audited(&job, 1).await;
}

#[tokio::test]
async fn what_waits_when_its_job_is_cancelled_is_looked_at_by_itself() {
    let farm = farm().await;
    let job = farm.submit(tolerant).await;
    let honest = farm.tolerant_node(&farm.owner().await, 1).await;
    let liar = farm.tolerant_node(&farm.owner().await, 2).await;
    let (right, wrong) = (honest.lease(700).await, liar.lease(700).await);
    send(&honest, &right, nearly).await;
    send(&liar, &wrong, false_light).await;
    assert_eq!(view(&farm, &honest).await.units_verified, 0);
    farm.order(&job, "cancel").await;
    rejections(&farm, &liar, 1).await;
    eventually(async || {
        let known = view(&farm, &honest).await.units_verified;
        (known == right.units.len() as u64).then_some(())
    })
    .await;
    let found = alike(&receipt(&farm, right.lease).await);
    assert!(found.second.is_none() && found.looked > 0);
}

#[tokio::test]
async fn exact_jobs_are_not_for_tolerant_devices() {
    let farm = Farm::start().await;
    let job = farm.submit(one_frame).await;
    let node = farm.tolerant_node(&farm.owner().await, 1).await;
    let answer = node.ask(&request(1, 0)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(reasons(&farm, &job).await.contains(&"no_fitting_nodes".to_owned()));
    farm.submit(tolerant).await;
    assert_eq!(
        node.lease(1).await.job,
        farm_second(&farm).await,
        "the younger job, which it may have"
    );
}

async fn farm_second(farm: &Farm) -> tessera_protocol::JobId {
    let page: tessera_protocol::job::JobPage =
        read(farm.get("/v1/jobs").await, StatusCode::OK).await;
    page.data[0].id
}

#[tokio::test]
async fn what_only_a_liar_confirmed_is_confirmed_anew() {
    let farm = Farm::start().await;
    // Two nodes with the best of records, so that the twin is asked by chance alone.
    let first = farm.submit(large_units).await;
    let (one, two) = (farm.node(1).await, farm.node(2).await);
    prove(&farm, &one).await;
    prove(&farm, &two).await;
    farm.order(&first, "cancel").await;

    let job = farm.submit(tolerant).await;
    send(&one, &one.lease(1).await, false_light).await;
    send(&two, &two.lease(1).await, false_light).await;
    // Both agree: most often they pass. Then one of them is caught at something else.
    farm.order(&job, "pause").await;
    let elsewhere = farm.submit(one_frame).await;
    send(&two, &two.lease(1).await, false_light).await;
    eventually(async || (view(&farm, &two).await.record.rejections > 0).then_some(())).await;
    farm.order(&elsewhere, "cancel").await;
    eventually(async || (farm.job(&job).await.units.verified == 0).then_some(())).await;

    farm.order(&job, "resume").await;
    let honest = [farm.node(3).await, farm.node(4).await];
    while farm.job(&job).await.state == JobState::Active {
        for node in &honest {
            work(node, |_| ()).await;
        }
    }
    farm.until(&job, JobState::Completed).await;
    let frames: FramePage =
        read(farm.get(&format!("/v1/jobs/{}/frames", job.id)).await, StatusCode::OK).await;
    let expected = sums::hash(&whole_frame(&job.spec, FrameNumber(1)));
    assert_eq!(frames.data[0].hash, Some(expected), "nothing false is in the frame");
    assert!(view(&farm, &one).await.record.rejections > 0, "the other one is found as well");
}

#[tokio::test]
async fn two_who_wait_for_each_other_go_on() {
    let farm = Farm::start().await;
    let job = farm
        .submit(|spec| {
            tolerant(spec);
            (spec.settings.spp, spec.samples_per_unit) = (64, 1);
        })
        .await;
    let nodes = [
        farm.tolerant_node(&farm.owner().await, 1).await,
        farm.tolerant_node(&farm.owner().await, 2).await,
    ];
    // One of them was killed once, and may hold half as much.
    let killed = nodes[1].lease(u64::MAX).await;
    nodes[1].give_back(killed.lease, Some("it was killed")).await;
    let mut at_work = [None, None];
    loop {
        for (node, held) in nodes.iter().zip(&mut at_work) {
            if let Some(grant) = held.take() {
                send(node, &grant, nearly).await;
            }
        }
        // What was brought may be judged still, and who has nothing now may hold more then.
        let done = eventually(async || {
            for (node, held) in nodes.iter().zip(&mut at_work) {
                *held = node.lease_now().await;
            }
            let done = farm.job(&job).await.state == JobState::Completed;
            (done || at_work.iter().any(Option::is_some)).then_some(done)
        })
        .await;
        if done {
            break;
        }
    }
}
