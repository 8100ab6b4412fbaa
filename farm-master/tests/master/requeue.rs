//! Jobs that failed wait for their owners; frames that do not get on go to other nodes.

use crate::audits::{one_frame, view};
use crate::browser::Browser;
use crate::store::{RIGHT, ask, new_job, open, rejection, result};
use crate::world::{Farm, Node, read, refused, spec, whole_frame};
use reqwest::{Response, StatusCode};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tessera_farm_core::job::{JobChange, Refused};
use tessera_farm_master::auth::TokenId;
use tessera_farm_master::store::proof::Finding;
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{
    Changed, Entered, Granted, LeaseAsk, LeaseEnd, LeaseState, MoneyStore as _, ProofStore as _,
    Requeued, Store as _,
};
use tessera_ledger::{Account, Payer};
use tessera_protocol::job::{
    FramePage, JobEvent, JobSpec, JobState, JobView, RequeueRequest, UnitCounts, Why,
};
use tessera_protocol::log::{LogPage, Outcome};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::ReceiptPage;
use tessera_protocol::{
    BlobHash, FrameNumber, JobId, LeaseId, RayPrice, ResultHash, UnitIndex, sums,
};

/// A farm whose jobs fail with the second failure.
async fn farm() -> Farm {
    Farm::start_with(|config| config.failures_allowed = 2).await
}

/// Both fail at the same unit, and the job with it.
async fn fail(farm: &Farm, job: &JobView, nodes: [&Node; 2]) -> JobView {
    let mut units = vec![];
    for node in nodes {
        let grant = node.lease(1).await;
        node.give_back(grant.lease, Some("the driver hung")).await;
        units.push(grant.units);
    }
    assert_eq!(units[0], units[1]);
    let failed = farm.job(job).await;
    assert_eq!(failed.state, JobState::Failed);
    failed
}

async fn requeue(farm: &Farm, job: &JobView, frames: &[u32]) -> Response {
    farm.post(&format!("/v1/jobs/{}/requeue", job.id), &json!({ "frames": frames })).await
}

async fn why(farm: &Farm, job: &JobView) -> Vec<Why> {
    read(farm.get(&format!("/v1/jobs/{}/why", job.id)).await, StatusCode::OK).await
}

async fn hashes(farm: &Farm, job: &JobView) -> Vec<Option<ResultHash>> {
    let path = format!("/v1/jobs/{}/frames", job.id);
    let page: FramePage = read(farm.get(&path).await, StatusCode::OK).await;
    page.data.into_iter().map(|frame| frame.hash).collect()
}

#[tokio::test]
async fn a_job_that_failed_goes_on_from_where_it_was() {
    let farm = farm().await;
    let job = farm.submit(one_frame).await;
    let (good, one, other) = (farm.node(1).await, farm.node(2).await, farm.node(3).await);
    let first = good.lease(1).await;
    good.submit(&first).await;
    farm.audited(&job, 1).await;
    let standing = good.lease(1).await;
    let failed = fail(&farm, &job, [&one, &other]).await;

    let reason = failed.reason.unwrap();
    assert!(reason.contains("unit 2 of frame 1") && reason.contains("the driver hung"), "{reason}");
    let expected = UnitCounts { free: 7, leased: 0, submitted: 0, verified: 1 };
    assert_eq!(failed.units, expected, "its leases have ended, and what was verified counts");
    assert!(!good.is_alive(standing.lease).await);
    let late = good.send(standing.lease, good.work(&standing, |_, _| {})).await;
    assert_eq!(refused(late).await, "lease-ended");
    for node in [&good, &one, &other] {
        let known = view(&farm, node).await;
        assert_eq!((known.record.abandoned, known.units_leased), (0, 0), "it was the job");
        assert_eq!(node.lease_now().await, None);
    }
    for order in ["pause", "resume"] {
        assert_eq!(refused(farm.order(&job, order).await).await, "job-failed");
    }
    let reasons = why(&farm, &job).await;
    assert_eq!((reasons.len(), reasons[0].code.as_str()), (1, "job_failed"));
    let said = &reasons[0].sentence;
    assert!(said.contains("`farm requeue`") && said.contains("in 47 h"), "{said}");

    let again: JobView = read(farm.order(&job, "requeue").await, StatusCode::OK).await;
    assert_eq!((again.state, again.reason, again.units.free), (JobState::Active, None, 7));
    // Had the failures of before counted, this one would be the last.
    let held = good.lease(1).await;
    let grant = one.lease(1).await;
    assert_eq!(grant.units[0].index, UnitIndex(2));
    one.give_back(grant.lease, Some("the driver hung")).await;
    assert_eq!(farm.job(&job).await.state, JobState::Active);
    good.submit(&held).await;
    let mut left = 6;
    while left > 0 {
        let grant = good.lease(u64::MAX).await;
        assert!(grant.units.iter().all(|unit| unit.index != first.units[0].index), "it counts");
        left -= grant.units.len();
        good.submit(&grant).await;
    }
    let done = farm.until(&job, JobState::Completed).await;
    assert_eq!(done.units.verified, 8);
    let alone = sums::hash(&whole_frame(&job.spec, FrameNumber(1)));
    assert_eq!(hashes(&farm, &job).await, [Some(alone)]);
}

#[tokio::test]
async fn a_job_fails_again_after_as_many_failures_as_before() {
    let farm = farm().await;
    let job = farm.submit(one_frame).await;
    let (one, other) = (farm.node(1).await, farm.node(2).await);
    for _ in 0..2 {
        fail(&farm, &job, [&one, &other]).await;
        assert_eq!(requeue(&farm, &job, &[]).await.status(), StatusCode::OK);
    }
    assert_eq!(farm.job(&job).await.state, JobState::Active);
}

#[tokio::test]
async fn what_has_not_failed_is_requeued_by_its_frames_and_what_is_over_never() {
    let farm = Farm::start().await;
    let job = farm.submit(one_frame).await;
    let bare = farm.http.post(farm.at(&format!("/v1/jobs/{}/requeue", job.id)));
    let bare = bare.bearer_auth(&farm.token).send().await.unwrap();
    assert_eq!(refused(bare).await, "job-not-failed", "a request without a body is read");
    assert_eq!(refused(requeue(&farm, &job, &[]).await).await, "job-not-failed");
    assert_eq!(farm.order(&job, "pause").await.status(), StatusCode::OK);
    assert_eq!(refused(farm.order(&job, "requeue").await).await, "job-not-failed");
    let paused: JobView = read(requeue(&farm, &job, &[1]).await, StatusCode::OK).await;
    assert_eq!(paused.state, JobState::Paused, "it rests still");
    assert_eq!(farm.order(&job, "resume").await.status(), StatusCode::OK);
    farm.node(1).await.work_all(u64::MAX).await;
    farm.until(&job, JobState::Completed).await;
    for frames in [&[][..], &[1]] {
        assert_eq!(refused(requeue(&farm, &job, frames).await).await, "job-ended");
    }
    let cancelled = farm.submit(one_frame).await;
    farm.order(&cancelled, "cancel").await;
    assert_eq!(refused(farm.order(&cancelled, "requeue").await).await, "job-ended");
}

#[tokio::test]
async fn a_frame_is_taken_from_whoever_has_it_and_given_to_others() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let (holder, other) = (farm.node(1).await, farm.node(2).await);
    let first = holder.lease(1).await;
    holder.submit(&first).await;
    farm.audited(&job, 1).await;
    let failed = other.lease(1).await;
    other.give_back(failed.lease, Some("no memory")).await;
    let held = holder.lease(u64::MAX).await;
    assert_eq!((held.units.len(), held.units[0].frame), (7, FrameNumber(1)));
    let elsewhere = other.lease(1).await;
    assert_eq!(elsewhere.units[0].frame, FrameNumber(3));
    let codes = async || -> Vec<String> {
        why(&farm, &job).await.into_iter().map(|why| why.code).collect()
    };
    assert!(codes().await.contains(&"units_retried".to_owned()));

    let job: JobView = read(requeue(&farm, &job, &[1]).await, StatusCode::OK).await;
    assert_eq!((job.state, job.units.leased, job.units.verified), (JobState::Active, 1, 1));
    assert!(!holder.is_alive(held.lease).await);
    assert!(other.is_alive(elsewhere.lease).await, "its frame was not named");
    let late = holder.send(held.lease, holder.work(&held, |_, _| {})).await;
    assert_eq!(refused(late).await, "lease-ended");
    assert!(!codes().await.contains(&"units_retried".to_owned()), "what failed is forgotten");
    assert_eq!(view(&farm, &holder).await.record.abandoned, 0, "nobody is to blame");
    let path = format!("/v1/jobs/{}/log", job.id);
    let log: LogPage = read(farm.get(&path).await, StatusCode::OK).await;
    let told = log.data.iter().find(|entry| entry.lease == held.lease).unwrap();
    assert_eq!((told.outcome, told.units), (Outcome::Failed, 7));
    assert_eq!(told.reason.as_deref(), Some("requeued by the job's owner"));

    other.submit(&elsewhere).await;
    let again = other.lease(u64::MAX).await;
    assert_eq!(again.units, held.units, "what was verified is not rendered again");
    assert!(again.generation > held.generation);
    other.submit(&again).await;
    other.work_all(u64::MAX).await;
    farm.until(&job, JobState::Completed).await;
    let alone = |frame| Some(sums::hash(&whole_frame(&job.spec, FrameNumber(frame))));
    assert_eq!(hashes(&farm, &job).await, [alone(1), alone(2), alone(3)]);
}

#[tokio::test]
async fn with_a_finished_frame_among_them_nothing_is_requeued() {
    let farm = Farm::start().await;
    let job = farm.submit(|_| {}).await;
    let node = farm.node(1).await;
    node.submit(&node.lease(u64::MAX).await).await;
    crate::world::eventually(async || (farm.job(&job).await.frames_done == 1).then_some(())).await;
    let standing = node.lease(1).await;
    assert_eq!(standing.units[0].frame, FrameNumber(3));
    assert_eq!(refused(requeue(&farm, &job, &[3, 1]).await).await, "frame-done");
    assert_eq!(refused(requeue(&farm, &job, &[3, 4]).await).await, "frame-not-found");
    let many = vec![3; RequeueRequest::MAX_FRAMES + 1];
    assert_eq!(refused(requeue(&farm, &job, &many).await).await, "request-malformed");
    let path = format!("/v1/jobs/{}/requeue", job.id);
    let odd = farm.post(&path, &json!({ "frame": 3 })).await;
    assert_eq!(refused(odd).await, "request-malformed");
    assert!(node.is_alive(standing.lease).await);
    assert_eq!(node.submit(&standing).await.accepted, 1);
}

#[tokio::test]
async fn only_a_job_s_owner_requeues_it() {
    let farm = farm().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let wanted = spec(ada.upload(b"a scene").await.blob);
    let job: JobView = read(ada.post("/v1/jobs", &wanted).await, StatusCode::CREATED).await;
    fail(&farm, &job, [&farm.node(1).await, &farm.node(2).await]).await;
    let path = format!("/v1/jobs/{}/requeue", job.id);
    for body in [json!({}), json!({ "frames": [1] })] {
        assert_eq!(refused(eve.post(&path, &body).await).await, "job-not-found");
    }
    assert_eq!(farm.job(&job).await.state, JobState::Failed);
    assert_eq!(ada.post(&path, &json!({})).await.status(), StatusCode::OK);
    assert_eq!(farm.job(&job).await.state, JobState::Active);
}

#[tokio::test]
async fn what_nobody_requeues_ends_and_proves_what_was_done() {
    let farm = Farm::start_with(|config| {
        config.failures_allowed = 2;
        config.keep_failed = Duration::ZERO;
        config.keep_results = Duration::from_secs(3600);
    })
    .await;
    let job = farm.submit(one_frame).await;
    let (good, one, other) = (farm.node(1).await, farm.node(2).await, farm.node(3).await);
    good.submit(&good.lease(1).await).await;
    farm.audited(&job, 1).await;
    for node in [&one, &other] {
        let grant = node.lease(1).await;
        node.give_back(grant.lease, Some("the driver hung")).await;
    }
    let ended = farm.until(&job, JobState::Cancelled).await;
    let reason = ended.reason.unwrap();
    assert!(reason.starts_with("it failed and was not requeued within"), "{reason}");
    assert!(reason.contains("the driver hung"), "{reason}");
    assert_eq!(refused(farm.order(&job, "requeue").await).await, "job-ended");
    let path = format!("/v1/jobs/{}/receipts", job.id);
    let page: ReceiptPage = read(farm.get(&path).await, StatusCode::OK).await;
    assert_eq!(page.data.len(), 1, "what was verified is final now");
    page.data[0].check().unwrap();
}

#[tokio::test]
async fn a_second_render_that_ended_with_its_job_is_wanted_again() {
    let farm = farm().await;
    let job = farm
        .submit(|spec| {
            one_frame(spec);
            spec.class = DeviceClass::Tolerant;
        })
        .await;
    let maker = farm.tolerant_node(&farm.owner().await, 1).await;
    let checker = farm.tolerant_node(&farm.owner().await, 2).await;
    let one = farm.tolerant_node(&farm.owner().await, 3).await;
    let other = farm.tolerant_node(&farm.owner().await, 4).await;
    let first = maker.lease(1).await;
    maker.submit(&first).await;
    let second = checker.lease(1).await;
    assert_eq!(second.units, first.units);
    let failed = fail(&farm, &job, [&one, &other]).await;
    assert_eq!((failed.units.leased, failed.units.submitted), (0, 1));
    assert!(!checker.is_alive(second.lease).await);
    assert_eq!(checker.lease_now().await, None);
    assert_eq!(farm.order(&job, "requeue").await.status(), StatusCode::OK);
    let again = checker.lease(1).await;
    assert_eq!(again.units, first.units);
    checker.submit(&again).await;
    farm.audited(&job, 1).await;
}

/// A job of one frame of eight units, in a store.
struct World {
    store: Sqlite,
    job: JobId,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let job = new_job(1, one_frame);
        let id = job.id;
        store.create_job(job).await.unwrap();
        Self { store, job: id, folder }
    }

    async fn lease(&self, number: u64, node: u8, most_units: u64) -> Granted {
        let ask = LeaseAsk { most_units, ..ask(number, node, u64::MAX) };
        self.store.lease(ask).await.unwrap().granted().unwrap()
    }

    async fn brings(&self, lease: LeaseId) {
        let entered = self.store.enter(result(lease, 1)).await.unwrap();
        assert!(matches!(entered, Entered::Now(_)));
    }

    /// Ends a lease without a result; whether its job failed with it.
    async fn fails(&self, lease: LeaseId, now_ms: i64) -> bool {
        let end = LeaseEnd::Failed("no memory".into());
        let freed = self.store.end_lease(lease, None, end, 2, now_ms).await.unwrap();
        assert!(freed.ended);
        freed.failed_job.is_some()
    }

    /// Two nodes fail at the next free unit.
    async fn fail(&self, number: u64, now_ms: i64) {
        assert!(!self.fails(self.lease(number, 8, 1).await.lease.id, now_ms).await);
        assert!(self.fails(self.lease(number + 1, 9, 1).await.lease.id, now_ms).await);
        assert_eq!(self.view().await.state, JobState::Failed);
    }

    async fn requeue(&self, frames: &[u32]) -> Requeued {
        let frames = frames.iter().map(|frame| FrameNumber(*frame)).collect();
        self.store.requeue(self.job, frames, 5000).await.unwrap()
    }

    async fn view(&self) -> JobView {
        self.store.job(self.job).await.unwrap().unwrap().0
    }

    async fn units(&self) -> (u64, u64, u64, u64) {
        let UnitCounts { free, leased, submitted, verified } = self.view().await.units;
        (free, leased, submitted, verified)
    }

    async fn stands(&self, lease: LeaseId) -> bool {
        matches!(self.store.lease_state(lease).await.unwrap(), LeaseState::Standing(_))
    }

    /// Accounts whose turn it may be.
    fn turns(&self) -> i64 {
        count(&self.folder.path().join("farm.sqlite"), "SELECT COUNT(*) FROM turn")
    }
}

fn count(file: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(file).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn results_of_a_failed_job_count_and_are_not_final() {
    let world = World::new().await;
    let brought = world.lease(1, 1, 3).await.lease.id;
    world.brings(brought).await;
    assert_eq!(world.turns(), 1);
    world.fail(2, 3000).await;
    assert_eq!(world.turns(), 0, "it stands in nobody's way");
    assert!(!world.store.may_have_work(i64::MAX).await.unwrap());
    assert_eq!(world.units().await, (5, 0, 3, 0));
    assert!(world.store.settle(brought, RIGHT, 4000).await.unwrap().first);
    assert_eq!(world.units().await, (5, 0, 0, 3));
    let frames = world.store.frames(world.job, FrameNumber(0), 9).await.unwrap();
    assert_eq!(frames[0].verified, 3);
    assert_eq!(world.store.audited_lease(brought).await.unwrap(), None, "no verdict is told yet");
    assert!(world.store.spent_results(i64::MAX, 9).await.unwrap().is_empty());

    assert!(matches!(world.requeue(&[]).await, Requeued::Done { .. }));
    assert_eq!(world.turns(), 1);
    let rest = world.lease(9, 2, u64::MAX).await.lease;
    assert_eq!(rest.units, 3..8);
    world.brings(rest.id).await;
    assert!(world.store.settle(rest.id, RIGHT, 6000).await.unwrap().frame_complete);
    let events = world.store.events(world.job, 0, 99).await.unwrap().into_iter();
    let states: Vec<_> = events
        .filter_map(|(_, event)| match event {
            JobEvent::State { state, reason } => Some((state, reason.is_some())),
            _ => None,
        })
        .collect();
    use JobState::{Active, Failed};
    assert_eq!(states, [(Active, false), (Failed, true), (Active, false)]);
}

#[tokio::test]
async fn who_is_caught_is_looked_at_again_in_a_failed_job_too() {
    let world = World::new().await;
    let (right, wrong) = (world.lease(1, 1, 2).await.lease.id, world.lease(2, 1, 2).await.lease.id);
    world.brings(right).await;
    world.brings(wrong).await;
    world.store.settle(right, RIGHT, 4000).await.unwrap();
    world.fail(3, 4000).await;
    let found = Finding::Rejected(Box::new(rejection(wrong)));
    let settled = world.store.settle(wrong, found, 4000).await.unwrap();
    assert_eq!(settled.reopened, 1);
    assert_eq!(world.units().await, (6, 0, 2, 0));
}

#[tokio::test]
async fn a_failed_job_may_lack_nothing_but_a_check() {
    let world = World::new().await;
    assert!(!world.fails(world.lease(1, 1, u64::MAX).await.lease.id, 3000).await);
    let slow = world.lease(2, 2, u64::MAX).await.lease.id;
    let late = LeaseAsk { now_ms: 100_000, ..ask(3, 3, u64::MAX) };
    let spare = world.store.lease(late).await.unwrap().granted().unwrap().lease.id;
    world.brings(spare).await;
    assert!(world.fails(slow, 3000).await);
    assert_eq!(world.units().await, (0, 0, 8, 0));
    assert!(world.store.settle(spare, RIGHT, 4000).await.unwrap().frame_complete);
    let whole = world.store.whole_frames(9).await.unwrap().pop().expect("it is to be assembled");
    let hash = ResultHash([3; 32]);
    world.store.frame_done(world.job, whole.frame, hash, vec![spare], None).await.unwrap();
    assert_eq!(world.requeue(&[1]).await, Requeued::FrameDone(FrameNumber(1)));
    assert_eq!(world.view().await.state, JobState::Failed, "nothing was done");
    assert_eq!(world.store.unfinished_jobs().await.unwrap().len(), 1);
    let over = world.store.finish_job(world.job, false, None, 5000).await.unwrap();
    assert!(matches!(over, Changed::Done(job) if job.state == JobState::Completed));
    assert_eq!(
        world.requeue(&[]).await,
        Requeued::Refused(Refused::Ended { state: JobState::Completed })
    );
}

#[tokio::test]
async fn of_two_leases_of_the_same_units_both_end_and_the_units_are_free_once() {
    for fails in [true, false] {
        let world = World::new().await;
        assert!(!world.fails(world.lease(1, 8, 1).await.lease.id, 3000).await);
        // Old by the time that the spare is asked for, the other one is not.
        let slow = world.lease(2, 1, 7).await.lease;
        let last = LeaseAsk { now_ms: 99_999, ..ask(3, 9, u64::MAX) };
        let last = world.store.lease(last).await.unwrap().granted().unwrap().lease;
        let late = LeaseAsk { now_ms: 100_000, ..ask(4, 3, u64::MAX) };
        let spare = world.store.lease(late).await.unwrap().granted().unwrap().lease;
        assert_eq!((slow.units, last.units, spare.second_of), (0..7, 7..8, Some(slow.id)));
        if fails {
            let reason = Some("by order".to_owned());
            let change = JobChange::Exhausted;
            world.store.change_job(world.job, change, reason, 5000).await.unwrap();
        } else {
            let Requeued::Done { taken_back, .. } = world.requeue(&[1]).await else {
                panic!("it is not requeued");
            };
            assert_eq!(taken_back.len(), 3);
        }
        assert_eq!(world.units().await, (8, 0, 0, 0));
        for lease in [slow.id, last.id, spare.id] {
            assert!(!world.stands(lease).await);
        }
        world.requeue(&[1]).await;
        let all = world.lease(5, 4, u64::MAX).await.lease;
        assert_eq!((all.units, all.second_of), (0..8, None));
    }
}

#[tokio::test]
async fn a_failed_job_ends_at_its_time_and_no_sooner() {
    let world = World::new().await;
    world.fail(1, 7000).await;
    let end =
        async |until_ms| world.store.end_failed(until_ms, "too late".into(), 9000).await.unwrap();
    assert!(end(6999).await.is_empty());
    assert!(matches!(world.requeue(&[]).await, Requeued::Done { .. }));
    assert!(end(i64::MAX).await.is_empty(), "it goes on");
    world.fail(3, 8000).await;
    assert!(end(7999).await.is_empty(), "it is the last time that counts");
    assert_eq!(end(8000).await, [world.job]);
    assert!(end(i64::MAX).await.is_empty(), "once");
    let ended = world.view().await;
    assert_eq!(ended.state, JobState::Cancelled);
    let reason = ended.reason.unwrap();
    assert!(reason.starts_with("too late: unit 0 of frame 1 failed 2 times"), "{reason}");
}

#[tokio::test]
async fn the_deposit_of_a_job_that_nobody_requeues_returns() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut wanted = spec(BlobHash([5; 32]));
    one_frame(&mut wanted);
    let job = crate::money::paid_job(&store, TokenId([1; 8]), wanted).await;
    let lease = async |number: u64, node: u8| {
        let mut ask = LeaseAsk { most_units: 1, ..ask(number, node, u64::MAX) };
        ask.bidder.asks = RayPrice(100_000_000);
        store.lease(ask).await.unwrap().granted().unwrap().lease.id
    };
    let good = lease(1, 1).await;
    store.enter(result(good, 1)).await.unwrap();
    store.settle(good, RIGHT, 3000).await.unwrap();
    for number in 2..=3 {
        let id = lease(number, number as u8).await;
        store.end_lease(id, None, LeaseEnd::Expired, 2, 4000).await.unwrap();
    }
    assert_eq!(store.job(job).await.unwrap().unwrap().0.state, JobState::Failed);
    assert!(store.unbooked(9).await.unwrap().is_empty(), "it may still be found wrong");
    assert!(store.spent_escrows(9).await.unwrap().is_empty());
    assert_eq!(store.expiring(9_001, 9).await.unwrap(), [job], "as any that is not over");

    assert_eq!(store.end_failed(4000, "too late".into(), 5000).await.unwrap(), [job]);
    let booked = store.unbooked(9).await.unwrap();
    assert_eq!(booked.iter().map(|one| one.result.lease).collect::<Vec<_>>(), [good]);
    assert!(store.spent_escrows(9).await.unwrap().is_empty(), "its work is to be paid first");
    store.give_up_pay(good).await.unwrap();
    assert_eq!(store.spent_escrows(9).await.unwrap().len(), 1);
    store.end_escrow(job, 6000).await.unwrap();
    let wallet = Account::Wallet(Payer([1; 8]));
    assert_eq!(store.balance(wallet).await.unwrap(), 1_000_000, "all of it");
}

#[tokio::test]
async fn a_job_that_failed_under_an_earlier_master_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("farm.sqlite");
    let before = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut migrations: Vec<_> =
        std::fs::read_dir(before).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    let old = rusqlite::Connection::open(&file).unwrap();
    for migration in &migrations[..15] {
        old.execute_batch(&std::fs::read_to_string(migration).unwrap()).unwrap();
    }
    old.pragma_update(None, "user_version", 15).unwrap();
    let job: JobSpec = new_job(1, |_| {}).spec;
    for (number, state) in [(1u8, 4), (2, 0)] {
        old.execute(
            "INSERT INTO job (id, seq, owner, spec, scene, kernel, warnings, state, reason, \
             created_ms, units, units_per_frame, frames, verified) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, '[]', ?7, 'unit 0 failed', 1000, 24, 8, 3, 2)",
            (
                [number; 16],
                number,
                [1u8; 8],
                serde_json::to_string(&job).unwrap(),
                job.scene.0,
                crate::store::KERNEL.0,
                state,
            ),
        )
        .unwrap();
    }
    drop(old);
    let store = open(&folder);
    let view = async |number: u8| store.job(JobId([number; 16])).await.unwrap().unwrap().0;
    let failed = view(1).await;
    assert_eq!(
        (failed.state, failed.reason.as_deref()),
        (JobState::Cancelled, Some("unit 0 failed"))
    );
    assert_eq!(view(2).await.state, JobState::Active, "and no other");
    let refused = store.requeue(JobId([1; 16]), vec![], 5000).await.unwrap();
    assert_eq!(refused, Requeued::Refused(Refused::Ended { state: JobState::Cancelled }));
    assert!(store.end_failed(i64::MAX, "too late".into(), 5000).await.unwrap().is_empty());
}
