//! What every store must do, written against the trait: another engine joins by being opened here.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tempfile::TempDir;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::lease::Lease;
use tessera_farm_master::auth::{Token, TokenId};
use tessera_farm_master::store::proof::{Finding, Rejection, Settled};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{
    Changed, CheckedResult, Creation, Entered, Granted, Joining, LeaseAsk, LeaseEnd, LeaseState,
    NewJob, ProofStore as _, Rivals, Store,
};
use tessera_market::Bidder;
use tessera_protocol::commit::{AuditSecret, Commit, NodeKey};
use tessera_protocol::job::{JobEvent, JobSpec, JobState};
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::node::{DeviceClass, DeviceView};
use tessera_protocol::token::TokenScope;
use tessera_protocol::verdict::{Verdict, Wrong};
use tessera_protocol::{
    BlobHash, CommitId, FrameNumber, Generation, JobId, KernelId, LeaseId, MasterId, NodeId,
    RayPrice, ResultHash, SceneHash, SecretHash, SettingsHash,
};
use tokio::runtime::Runtime;

pub(crate) const KERNEL: KernelId = KernelId([7; 32]);
const OWNER: TokenId = TokenId([1; 8]);
const OFTEN: usize = 1_000_000;

pub(crate) fn open(folder: &TempDir) -> Sqlite {
    Sqlite::open(&folder.path().join("farm.sqlite")).unwrap()
}

pub(crate) fn new_job(number: u8, change: impl FnOnce(&mut JobSpec)) -> NewJob {
    let mut spec = crate::world::spec(BlobHash([5; 32]));
    change(&mut spec);
    NewJob {
        id: JobId([number; 16]),
        owner: OWNER,
        spec,
        kernel: KERNEL,
        warnings: vec![],
        memory: SceneMemory::default(),
        idempotency: None,
        now_ms: 1000,
    }
}

/// Who asks alone.
#[derive(Debug)]
struct Nobody;

impl Rivals for Nobody {
    fn with_scene(&self, _: BlobHash) -> Vec<Bidder> {
        vec![]
    }
    fn asker_has(&self, _: BlobHash) -> bool {
        false
    }
}

pub(crate) fn ask(number: u64, node: u8, samples_wanted: u64) -> LeaseAsk {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let mut secret = [5; 32];
    secret[..8].copy_from_slice(&number.to_le_bytes());
    LeaseAsk {
        id: LeaseId(id),
        bidder: Bidder::new(NodeId([node; 32]), RayPrice(0), KERNEL),
        rivals: Arc::new(Nobody),
        samples_wanted,
        most_units: u64::MAX,
        most_held: None,
        straggler_times: 2,
        secret: AuditSecret(secret),
        now_ms: 2000,
    }
}

pub(crate) fn result(lease: LeaseId, commit: u8) -> CheckedResult {
    CheckedResult { lease, commit: CommitId([commit; 32]), rays: 10, now_ms: 3000, sums: None }
}

/// An audit that found nothing wrong.
pub(crate) const RIGHT: Finding = Finding::Verified { looked: 3 };

/// An audit of a lease's result that found something.
fn wrong(lease: LeaseId) -> Finding {
    Finding::Rejected(Box::new(rejection(lease)))
}

/// What it found.
pub(crate) fn rejection(lease: LeaseId) -> Rejection {
    let key = NodeKey::from_secret(&[1; 32]);
    let commit = Commit {
        master: MasterId([12; 32]),
        class: DeviceClass::Exact,
        node: key.node(),
        job: JobId([1; 16]),
        kernel: KERNEL,
        scene: SceneHash([1; 32]),
        settings: SettingsHash([2; 32]),
        lease,
        generation: Generation(1),
        secret: SecretHash([3; 32]),
        results: vec![],
    };
    let signature = commit.sign(&key);
    let wrong = Wrong::Scene { signed: commit.scene, found: SceneHash([9; 32]) };
    Rejection { commit, signature, wrong }
}

pub(crate) async fn end(store: &impl Store, lease: LeaseId) -> bool {
    store.end_lease(lease, None, LeaseEnd::Expired, OFTEN, 3000).await.unwrap().ended
}

#[derive(Debug, Clone)]
enum Step {
    Lease {
        node: u8,
        samples: u64,
    },
    /// Ends one of the leases that ever were, standing or not.
    End {
        which: usize,
        blamed: bool,
    },
    /// Enters a result for one of the leases that ever were.
    Enter {
        which: usize,
        commit: u8,
    },
    /// Says what an audit of one of the leases that ever were found.
    Settle {
        which: usize,
        found: u8,
    },
    Pause,
    Resume,
    /// Closes the store and opens it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..4, 1u64..4000).prop_map(|(node, samples)| Step::Lease { node, samples }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, blamed)| Step::End { which, blamed }),
        6 => (any::<usize>(), 1u8..3).prop_map(|(which, commit)| Step::Enter { which, commit }),
        6 => (any::<usize>(), 0u8..8).prop_map(|(which, found)| Step::Settle { which, found }),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        1 => Just(Step::Reopen),
    ]
}

/// What is known of a lease outside the store.
enum Known {
    Standing(Lease),
    Entered(u8, Lease),
    Verified(u8, Lease),
    /// Its units are free again; the answer to its commit stays.
    Worthless(u8, u64),
    Ended,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever happens in whatever order: a unit has one holder, enters once, and is never lost.
    #[test]
    fn each_unit_enters_once_and_none_is_lost(steps in prop::collection::vec(step(), 1..60)) {
        Runtime::new().unwrap().block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let Creation::Created(job) = store.create_job(new_job(1, |_| {})).await.unwrap() else {
        panic!("a new job is new");
    };
    let total = job.spec.units();
    let mut leases: Vec<LeaseId> = Vec::new();
    let mut known: BTreeMap<LeaseId, Known> = BTreeMap::new();
    let mut whole = BTreeSet::new();
    let mut paused = false;
    let mut highest = 0;
    for step in steps {
        match step {
            Step::Lease { node, samples } => {
                let ask = ask(leases.len() as u64, node, samples);
                let free = counts(&known, total).0;
                let granted = store.lease(ask.clone()).await.unwrap().granted();
                assert_eq!(granted.is_some(), free > 0 && !paused);
                if let Some(Granted { lease, units, .. }) = granted {
                    assert!(lease.generation.0 > highest, "generations only grow");
                    highest = lease.generation.0;
                    assert!(units.iter().map(|unit| unit.index.0).eq(lease.units.clone()));
                    assert!(held(&known).all(|unit| !lease.units.contains(&unit)));
                    leases.push(ask.id);
                    known.insert(ask.id, Known::Standing(lease));
                }
            }
            Step::End { which, blamed } => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                let stood = matches!(known[&id], Known::Standing(_));
                let how = if blamed { LeaseEnd::Expired } else { LeaseEnd::Returned };
                let freed = store.end_lease(id, None, how, OFTEN, 3000).await.unwrap();
                assert_eq!(freed.ended, stood);
                if stood {
                    known.insert(id, Known::Ended);
                }
            }
            Step::Enter { which, commit } => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                let entered = store.enter(result(id, commit)).await.unwrap();
                match (&known[&id], entered) {
                    (Known::Standing(lease), Entered::Now(answer)) => {
                        assert_eq!(answer.accepted, lease.units.end - lease.units.start);
                        let lease = lease.clone();
                        known.insert(id, Known::Entered(commit, lease));
                    }
                    (
                        Known::Entered(first, lease) | Known::Verified(first, lease),
                        Entered::Before(answer),
                    ) => {
                        assert_eq!(*first, commit);
                        assert_eq!(answer.accepted, lease.units.end - lease.units.start);
                    }
                    (Known::Worthless(first, units), Entered::Before(answer)) => {
                        assert_eq!((*first, *units), (commit, answer.accepted));
                    }
                    (
                        Known::Entered(first, _)
                        | Known::Verified(first, _)
                        | Known::Worthless(first, _),
                        Entered::AnotherCommit,
                    ) => assert_ne!(*first, commit),
                    (Known::Ended, Entered::LeaseEnded) => {}
                    (_, entered) => panic!("{entered:?}"),
                }
            }
            Step::Settle { which, found } => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                settle(&store, &mut known, &mut whole, id, found).await;
            }
            Step::Pause | Step::Resume => {
                let change = match step {
                    Step::Pause => JobChange::Pause,
                    _ => JobChange::Resume,
                };
                paused = change == JobChange::Pause;
                store.change_job(job.id, change, None, 0).await.unwrap();
            }
            Step::Reopen => {
                drop(store);
                store = open(&folder);
            }
        }
        let (free, leased, submitted, verified) = counts(&known, total);
        let now = store.job(job.id).await.unwrap().unwrap().0.units;
        assert_eq!(
            (now.free, now.leased, now.submitted, now.verified),
            (free, leased, submitted, verified)
        );
        let frames = store.frames(job.id, FrameNumber(0), 100).await.unwrap();
        assert_eq!(frames.iter().map(|frame| frame.verified).sum::<u64>(), verified);
    }
    finish(&store, job.id, &known, leases.len() as u64).await;
}

/// Tells what an audit found, most often that all was right.
async fn settle(
    store: &Sqlite,
    known: &mut BTreeMap<LeaseId, Known>,
    whole: &mut BTreeSet<LeaseId>,
    id: LeaseId,
    found: u8,
) {
    let finding = match found {
        0 => wrong(id),
        1 => Finding::Lost,
        _ => RIGHT,
    };
    let settled = store.settle(id, finding.clone(), 4000).await.unwrap();
    let Known::Entered(commit, lease) = &known[&id] else {
        assert_eq!(settled, Settled::default(), "nothing waits for an audit");
        return;
    };
    let (commit, lease) = (*commit, lease.clone());
    assert!(settled.first);
    let worthless = Known::Worthless(commit, lease.units.end - lease.units.start);
    match &finding {
        Finding::Verified { .. } | Finding::Alike { .. } => {
            known.insert(id, Known::Verified(commit, lease));
        }
        Finding::Lost => {
            known.insert(id, worthless);
        }
        Finding::Rejected(rejection) => {
            known.insert(id, worthless);
            let kept = store.audited_lease(id).await.unwrap().unwrap();
            let proof = (rejection.commit.clone(), rejection.signature.clone());
            assert_eq!(kept.signed, Some(proof), "the proof is kept");
            assert_eq!(kept.verdict, Verdict::Rejected(Box::new(rejection.wrong.clone())));
            // No frame is assembled here, so all that its node brought is looked at again, once.
            let mut again = 0;
            for (id, other) in known.iter_mut() {
                if let Known::Verified(commit, of) = other
                    && of.node == lease.node
                    && whole.insert(*id)
                {
                    *other = Known::Entered(*commit, of.clone());
                    again += 1;
                }
            }
            assert_eq!(settled.reopened, again);
        }
    }
}

/// Free, leased, submitted and verified units.
fn counts(known: &BTreeMap<LeaseId, Known>, total: u64) -> (u64, u64, u64, u64) {
    let (mut leased, mut submitted, mut verified) = (0, 0, 0);
    for known in known.values() {
        match known {
            Known::Standing(lease) => leased += lease.units.end - lease.units.start,
            Known::Entered(_, lease) => submitted += lease.units.end - lease.units.start,
            Known::Verified(_, lease) => verified += lease.units.end - lease.units.start,
            Known::Worthless(..) | Known::Ended => {}
        }
    }
    (total - leased - submitted - verified, leased, submitted, verified)
}

fn held(known: &BTreeMap<LeaseId, Known>) -> impl Iterator<Item = u64> {
    known.values().flat_map(|known| match known {
        Known::Standing(lease) | Known::Entered(_, lease) | Known::Verified(_, lease) => {
            lease.units.clone()
        }
        Known::Worthless(..) | Known::Ended => 0..0,
    })
}

/// Whatever happened before, what is left can be done, and then every frame is whole.
async fn finish(store: &Sqlite, job: JobId, known: &BTreeMap<LeaseId, Known>, leases: u64) {
    store.change_job(job, JobChange::Resume, None, 0).await.unwrap();
    for (id, known) in known {
        match known {
            Known::Standing(_) => assert!(end(store, *id).await),
            Known::Entered(..) => assert!(store.settle(*id, RIGHT, 4000).await.unwrap().first),
            _ => {}
        }
    }
    let mut number = leases;
    while let Some(granted) = store.lease(ask(number, 9, u64::MAX)).await.unwrap().granted() {
        store.enter(result(granted.lease.id, 9)).await.unwrap();
        store.settle(granted.lease.id, RIGHT, 4000).await.unwrap();
        number += 1;
    }
    let whole = store.whole_frames(100).await.unwrap();
    assert_eq!(whole.len(), 3);
    let mut units: Vec<u64> =
        whole.iter().flat_map(|frame| &frame.results).flat_map(|r| r.units.clone()).collect();
    units.sort_unstable();
    assert!(units.into_iter().eq(0..24), "each unit has one result");
}

#[tokio::test]
async fn a_frame_is_done_once_and_the_last_one_lets_the_job_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    for number in 0..3 {
        let granted = store.lease(ask(number, 1, u64::MAX)).await.unwrap().granted().unwrap();
        let entered = store.enter(result(granted.lease.id, 1)).await.unwrap();
        assert!(matches!(entered, Entered::Now(_)));
        assert!(store.whole_frames(10).await.unwrap().len() as u64 == number, "not yet");
        assert!(store.settle(granted.lease.id, RIGHT, 4000).await.unwrap().frame_complete);
    }
    let job = JobId([1; 16]);
    assert!(store.spent_results(i64::MAX, 10).await.unwrap().is_empty());
    for whole in store.whole_frames(10).await.unwrap() {
        assert!(store.unfinished_jobs().await.unwrap().is_empty());
        let made_of: Vec<_> = whole.results.iter().map(|result| result.lease).collect();
        let done = async |made_of| {
            let hash = ResultHash([3; 32]);
            store.frame_done(job, whole.frame, hash, made_of, Some(5000)).await.unwrap();
            store.job(job).await.unwrap().unwrap().0.frames_done
        };
        let before = done(vec![LeaseId([9; 16])]).await;
        let after = done(made_of.clone()).await;
        assert_eq!(after, before + 1, "not of other results than those that count");
        assert_eq!(done(made_of).await, after, "once");
    }
    assert!(store.whole_frames(10).await.unwrap().is_empty());
    assert_eq!(store.job(job).await.unwrap().unwrap().0.frames_done, 3);
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    let ended = store.finish_job(job, true, None, 9000).await.unwrap();
    assert!(matches!(ended, Changed::Done(job) if job.movie && job.state == JobState::Completed));
    assert!(store.unfinished_jobs().await.unwrap().is_empty());

    let early = store.spent_results(8999, 10).await.unwrap();
    assert!(early.is_empty(), "kept from the job's end on, and not from when they came");
    let spent = store.spent_results(9000, 10).await.unwrap();
    assert_eq!(spent.len(), 3);
    assert!(store.is_file_kept(spent[0].lease, spent[0].commit).await.unwrap());
    store.forget_results(spent.iter().map(|result| result.lease).collect()).await.unwrap();
    assert!(store.spent_results(i64::MAX, 10).await.unwrap().is_empty());
    assert!(!store.is_file_kept(spent[0].lease, spent[0].commit).await.unwrap());
    let again = store.enter(result(spent[0].lease, 1)).await.unwrap();
    assert!(matches!(again, Entered::Before(_)), "the answer outlives the sums");
}

#[tokio::test]
async fn of_counts_the_outbox_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    store.create_job(new_job(2, |_| {})).await.unwrap();
    for number in 0..5 {
        let granted = store.lease(ask(number, 1, 1)).await.unwrap().granted().unwrap();
        store.enter(result(granted.lease.id, 1)).await.unwrap();
        store.settle(granted.lease.id, RIGHT, 4000).await.unwrap();
    }
    let events = store.events(JobId([1; 16]), 0, 100).await.unwrap();
    let bodies: Vec<_> = events.iter().map(|(_, event)| event).collect();
    assert_eq!(
        bodies,
        [
            &JobEvent::State { state: JobState::Active, reason: None },
            &JobEvent::Units { verified: 5, total: 24, rays: 50 }
        ]
    );
    let (id, last) = (events[1].0, store.last_event().await.unwrap());
    assert_eq!(id, last);
    assert!(store.events(JobId([1; 16]), id, 100).await.unwrap().is_empty());
}

async fn join(store: &Sqlite, node: NodeId) {
    let (_, token) = Token::generate(TokenScope::Node, Some(node)).unwrap();
    let device = DeviceView {
        backend: "cpu".into(),
        device: "made up".into(),
        kernel: KERNEL,
        conformance: vec![],
    };
    let class = DeviceClass::Exact;
    let joining =
        Joining { node, name: "a node".into(), device, class, owner: None, token, now_ms: 1000 };
    store.join(joining).await.unwrap();
}

#[tokio::test]
async fn a_result_waits_for_others_of_its_frame_and_not_for_a_clock_that_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    join(&store, NodeId([1; 32])).await;
    let mut leases = vec![];
    for (number, now_ms) in [(0, 3_000), (1, 3_040)] {
        let lease = store.lease(ask(number, 1, 1)).await.unwrap().granted().unwrap().lease.id;
        store.enter(CheckedResult { now_ms, ..result(lease, 1) }).await.unwrap();
        leases.push(lease);
    }
    let found = async |now_ms, due_ms| {
        let frame = store.unaudited(KERNEL, now_ms, due_ms, 64, vec![]).await.unwrap();
        frame.map(|frame| frame.results.iter().map(|one| one.result.lease).collect::<Vec<_>>())
    };
    assert_eq!(found(3_049, 2_999).await, None);
    assert_eq!(found(3_050, 3_000).await, Some(leases.clone()), "whoever came meanwhile comes too");
    assert_eq!(found(2_000, 1_950).await, Some(leases), "they came before that");
}

#[tokio::test]
async fn leases_alone_note_once_a_minute_that_their_node_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    let node = NodeId([1; 32]);
    join(&store, node).await;
    let lease = async |number, now_ms, asks| {
        let own = LeaseAsk { now_ms, ..ask(number, 1, 1) };
        let bidder = Bidder { asks: RayPrice(asks), ..own.bidder };
        store.lease(LeaseAsk { bidder, ..own }).await.unwrap().granted().unwrap();
        let latest_ms = store.latest_ms().await.unwrap();
        let view = store.node(node).await.unwrap().unwrap();
        (view.last_seen_ms, view.ask.map(|ask| ask.0), latest_ms)
    };
    assert_eq!(lease(0, 2_000, 5).await, (2_000, Some(5), 2_000), "it had asked nothing yet");
    assert_eq!(lease(1, 3_000, 5).await, (2_000, Some(5), 3_000));
    assert_eq!(lease(2, 4_000, 6).await, (4_000, Some(6), 4_000), "it asks another price");
    assert_eq!(lease(3, 64_000, 6).await, (4_000, Some(6), 64_000));
    assert_eq!(lease(4, 64_001, 6).await, (64_001, Some(6), 64_001));
}

#[tokio::test]
async fn the_oldest_active_job_of_the_kernel_is_served_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for number in 1..=3 {
        store.create_job(new_job(number, |_| {})).await.unwrap();
    }
    store.change_job(JobId([1; 16]), JobChange::Pause, None, 0).await.unwrap();
    let job = |granted: Option<Granted>| granted.unwrap().lease.job;
    assert_eq!(job(store.lease(ask(1, 1, 1)).await.unwrap().granted()), JobId([2; 16]));
    store.change_job(JobId([2; 16]), JobChange::Cancel, None, 0).await.unwrap();
    assert_eq!(job(store.lease(ask(2, 1, 1)).await.unwrap().granted()), JobId([3; 16]));
    store.change_job(JobId([1; 16]), JobChange::Resume, None, 0).await.unwrap();
    assert_eq!(job(store.lease(ask(3, 1, 1)).await.unwrap().granted()), JobId([1; 16]));
    let mut stranger = ask(4, 1, 1);
    stranger.bidder.kernel = KernelId([8; 32]);
    assert_eq!(store.lease(stranger).await.unwrap().granted(), None);
    assert_eq!(store.lease_state(ask(1, 1, 1).id).await.unwrap(), LeaseState::Ended);
}

#[tokio::test]
async fn a_lease_crosses_neither_frames_nor_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    // 1,600 units a frame: a chunk ends inside the first one.
    let job = new_job(1, |spec| {
        (spec.settings.width, spec.settings.height, spec.tile) = (320, 320, 8);
        (spec.settings.spp, spec.samples_per_unit) = (1, 1);
    });
    store.create_job(job).await.unwrap();
    let mut next = 0;
    let mut number = 0;
    while let Some(granted) = store.lease(ask(number, 1, u64::MAX)).await.unwrap().granted() {
        let units = granted.lease.units;
        assert_eq!(units.start, next, "in the order of the plan");
        assert_eq!(units.start / 1600, (units.end - 1) / 1600);
        assert_eq!(units.start / 1024, (units.end - 1) / 1024);
        next = units.end;
        number += 1;
    }
    assert_eq!(next, 3 * 1600);
}

#[tokio::test]
async fn tokens_are_found_by_their_id_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    assert!(!store.has_operator().await.unwrap());
    let (_, artist) = Token::generate(TokenScope::Artist, None).unwrap();
    let (_, operator) = Token::generate(TokenScope::Operator, None).unwrap();
    store.add_token(artist.clone(), 5000).await.unwrap();
    assert!(!store.has_operator().await.unwrap());
    store.add_token(operator.clone(), 6000).await.unwrap();
    assert!(store.has_operator().await.unwrap());
    drop(store);
    let store = open(&folder);
    assert_eq!(store.token(artist.id()).await.unwrap(), Some(artist));
    assert_eq!(store.token(TokenId([0; 8])).await.unwrap(), None);
    assert_eq!(store.latest_ms().await.unwrap(), 6000);
}

#[tokio::test]
async fn a_thousand_changes_at_once_are_all_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let changes = (0..1000u32).map(|number| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&(number / 2).to_le_bytes());
        store.add_blob(BlobHash(hash), 1, TokenId([1; 8]), 0)
    });
    let known = futures::future::join_all(changes).await;
    let known = known.into_iter().filter(|known| *known.as_ref().unwrap());
    assert_eq!(known.count(), 500, "each hash came twice");
}

#[tokio::test]
async fn a_file_of_an_earlier_master_is_taken_over_and_one_of_a_later_master_refused() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    drop(store);
    let file = folder.path().join("farm.sqlite");
    let change = |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    // What earlier masters left: a row for each migration, in a table of another library.
    let tables = rusqlite::Connection::open(&file).unwrap();
    let version: i64 = tables.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    change("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, success BOOLEAN NOT NULL)");
    for number in 1..=version {
        change(&format!("INSERT INTO _sqlx_migrations VALUES ({number}, TRUE)"));
    }
    change("PRAGMA user_version = 0");
    drop(tables);
    assert!(open(&folder).job(new_job(1, |_| {}).id).await.unwrap().is_some());

    change(&format!("PRAGMA user_version = {}", version + 1));
    let refused = format!("{:#}", Sqlite::open(&file).err().unwrap());
    assert!(refused.contains(&format!("this farm-master knows {version} at most")), "{refused}");
}
