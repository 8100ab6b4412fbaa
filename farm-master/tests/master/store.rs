//! What every store must do, written against the trait: another engine joins by being opened here.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tessera_farm_core::job::JobChange;
use tessera_farm_core::lease::Lease;
use tessera_farm_master::auth::{Token, TokenId};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{
    Changed, CheckedResult, CommitId, Creation, Entered, Granted, LeaseAsk, LeaseEnd, LeaseState,
    NewJob, Store,
};
use tessera_protocol::job::{JobEvent, JobSpec, JobState};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{BlobHash, FrameNumber, JobId, KernelId, LeaseId, NodeId, ResultHash};
use tokio::runtime::Runtime;

pub(crate) const KERNEL: KernelId = KernelId([7; 32]);
const OWNER: TokenId = TokenId([1; 8]);
const OFTEN: usize = 1_000_000;

pub(crate) async fn open(folder: &TempDir) -> Sqlite {
    Sqlite::open(&folder.path().join("farm.sqlite")).await.unwrap()
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
        idempotency: None,
        now_ms: 1000,
    }
}

pub(crate) fn ask(number: u64, node: u8, samples_wanted: u64) -> LeaseAsk {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    LeaseAsk {
        id: LeaseId(id),
        node: NodeId([node; 32]),
        kernel: KERNEL,
        samples_wanted,
        now_ms: 2000,
    }
}

pub(crate) fn result(lease: LeaseId, commit: u8) -> CheckedResult {
    CheckedResult { lease, commit: CommitId([commit; 32]), rays: 10, now_ms: 3000 }
}

async fn end(store: &impl Store, lease: LeaseId) -> bool {
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
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        1 => Just(Step::Reopen),
    ]
}

/// What is known of a lease outside the store.
enum Known {
    Standing(Lease),
    Entered(u8, Lease),
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
    let mut store = open(&folder).await;
    let Creation::Created(job) = store.create_job(new_job(1, |_| {})).await.unwrap() else {
        panic!("a new job is new");
    };
    let total = job.spec.units();
    let mut leases: Vec<LeaseId> = Vec::new();
    let mut known: BTreeMap<LeaseId, Known> = BTreeMap::new();
    let mut paused = false;
    let mut highest = 0;
    for step in steps {
        match step {
            Step::Lease { node, samples } => {
                let ask = ask(leases.len() as u64, node, samples);
                let free = counts(&known, total).0;
                let granted = store.lease(ask.clone()).await.unwrap();
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
                    (Known::Standing(lease), Entered::Now { answer, .. }) => {
                        assert_eq!(answer.accepted, lease.units.end - lease.units.start);
                        let lease = lease.clone();
                        known.insert(id, Known::Entered(commit, lease));
                    }
                    (Known::Entered(first, lease), Entered::Before(answer)) => {
                        assert_eq!(*first, commit);
                        assert_eq!(answer.accepted, lease.units.end - lease.units.start);
                    }
                    (Known::Entered(first, _), Entered::AnotherCommit) => {
                        assert_ne!(*first, commit);
                    }
                    (Known::Ended, Entered::LeaseEnded) => {}
                    (_, entered) => panic!("{entered:?}"),
                }
            }
            Step::Pause | Step::Resume => {
                let change = match step {
                    Step::Pause => JobChange::Pause,
                    _ => JobChange::Resume,
                };
                paused = change == JobChange::Pause;
                store.change_job(job.id, change, None).await.unwrap();
            }
            Step::Reopen => {
                drop(store);
                store = open(&folder).await;
            }
        }
        let (free, leased, verified) = counts(&known, total);
        let now = store.job(job.id).await.unwrap().unwrap().0.units;
        assert_eq!(
            (now.free, now.leased, now.submitted, now.verified),
            (free, leased, 0, verified)
        );
        let frames = store.frames(job.id, FrameNumber(0), 100).await.unwrap();
        assert_eq!(frames.iter().map(|frame| frame.verified).sum::<u64>(), verified);
    }
    finish(&store, job.id, &known, leases.len() as u64).await;
}

/// Free, leased and verified units.
fn counts(known: &BTreeMap<LeaseId, Known>, total: u64) -> (u64, u64, u64) {
    let (mut leased, mut verified) = (0, 0);
    for known in known.values() {
        match known {
            Known::Standing(lease) => leased += lease.units.end - lease.units.start,
            Known::Entered(_, lease) => verified += lease.units.end - lease.units.start,
            Known::Ended => {}
        }
    }
    (total - leased - verified, leased, verified)
}

fn held(known: &BTreeMap<LeaseId, Known>) -> impl Iterator<Item = u64> {
    known.values().flat_map(|known| match known {
        Known::Standing(lease) | Known::Entered(_, lease) => lease.units.clone(),
        Known::Ended => 0..0,
    })
}

/// Whatever happened before, what is left can be done, and then every frame is whole.
async fn finish(store: &Sqlite, job: JobId, known: &BTreeMap<LeaseId, Known>, leases: u64) {
    store.change_job(job, JobChange::Resume, None).await.unwrap();
    for (id, known) in known {
        if matches!(known, Known::Standing(_)) {
            assert!(end(store, *id).await);
        }
    }
    let mut number = leases;
    while let Some(granted) = store.lease(ask(number, 9, u64::MAX)).await.unwrap() {
        store.enter(result(granted.lease.id, 9)).await.unwrap();
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
    let store = open(&folder).await;
    store.create_job(new_job(1, |_| {})).await.unwrap();
    for number in 0..3 {
        let granted = store.lease(ask(number, 1, u64::MAX)).await.unwrap().unwrap();
        let entered = store.enter(result(granted.lease.id, 1)).await.unwrap();
        assert!(matches!(entered, Entered::Now { frame_complete: true, .. }));
    }
    let job = JobId([1; 16]);
    assert!(store.spent_results(10).await.unwrap().is_empty());
    for whole in store.whole_frames(10).await.unwrap() {
        assert!(store.unfinished_jobs().await.unwrap().is_empty());
        for _ in 0..2 {
            store.frame_done(job, whole.frame, ResultHash([3; 32])).await.unwrap();
        }
    }
    assert!(store.whole_frames(10).await.unwrap().is_empty());
    assert_eq!(store.job(job).await.unwrap().unwrap().0.frames_done, 3);
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    let ended = store.finish_job(job, true, None).await.unwrap();
    assert!(matches!(ended, Changed::Done(job) if job.movie && job.state == JobState::Completed));
    assert!(store.unfinished_jobs().await.unwrap().is_empty());

    let spent = store.spent_results(10).await.unwrap();
    assert_eq!(spent.len(), 3);
    assert!(store.is_kept(spent[0].lease, spent[0].commit).await.unwrap());
    store.forget_results(spent.iter().map(|result| result.lease).collect()).await.unwrap();
    assert!(store.spent_results(10).await.unwrap().is_empty());
    assert!(!store.is_kept(spent[0].lease, spent[0].commit).await.unwrap());
    let again = store.enter(result(spent[0].lease, 1)).await.unwrap();
    assert!(matches!(again, Entered::Before(_)), "the answer outlives the sums");
}

#[tokio::test]
async fn of_counts_the_outbox_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.create_job(new_job(1, |_| {})).await.unwrap();
    store.create_job(new_job(2, |_| {})).await.unwrap();
    for number in 0..5 {
        let granted = store.lease(ask(number, 1, 1)).await.unwrap().unwrap();
        store.enter(result(granted.lease.id, 1)).await.unwrap();
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

#[tokio::test]
async fn the_oldest_active_job_of_the_kernel_is_served_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for number in 1..=3 {
        store.create_job(new_job(number, |_| {})).await.unwrap();
    }
    store.change_job(JobId([1; 16]), JobChange::Pause, None).await.unwrap();
    let job = |granted: Option<Granted>| granted.unwrap().lease.job;
    assert_eq!(job(store.lease(ask(1, 1, 1)).await.unwrap()), JobId([2; 16]));
    store.change_job(JobId([2; 16]), JobChange::Cancel, None).await.unwrap();
    assert_eq!(job(store.lease(ask(2, 1, 1)).await.unwrap()), JobId([3; 16]));
    store.change_job(JobId([1; 16]), JobChange::Resume, None).await.unwrap();
    assert_eq!(job(store.lease(ask(3, 1, 1)).await.unwrap()), JobId([1; 16]));
    let stranger = LeaseAsk { kernel: KernelId([8; 32]), ..ask(4, 1, 1) };
    assert_eq!(store.lease(stranger).await.unwrap(), None);
    assert_eq!(store.lease_state(ask(1, 1, 1).id).await.unwrap(), LeaseState::Ended);
}

#[tokio::test]
async fn a_lease_crosses_neither_frames_nor_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    // 1,600 units a frame: a chunk ends inside the first one.
    let job = new_job(1, |spec| {
        (spec.settings.width, spec.settings.height, spec.tile) = (320, 320, 8);
        (spec.settings.spp, spec.samples_per_unit) = (1, 1);
    });
    store.create_job(job).await.unwrap();
    let mut next = 0;
    let mut number = 0;
    while let Some(granted) = store.lease(ask(number, 1, u64::MAX)).await.unwrap() {
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
    let store = open(&folder).await;
    assert!(!store.has_operator().await.unwrap());
    let (_, artist) = Token::generate(TokenScope::Artist, None).unwrap();
    let (_, operator) = Token::generate(TokenScope::Operator, None).unwrap();
    store.add_token(artist.clone(), 5000).await.unwrap();
    assert!(!store.has_operator().await.unwrap());
    store.add_token(operator.clone(), 6000).await.unwrap();
    assert!(store.has_operator().await.unwrap());
    drop(store);
    let store = open(&folder).await;
    assert_eq!(store.token(artist.id()).await.unwrap(), Some(artist));
    assert_eq!(store.token(TokenId([0; 8])).await.unwrap(), None);
    assert_eq!(store.latest_ms().await.unwrap(), 6000);
}

#[tokio::test]
async fn a_thousand_changes_at_once_are_all_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let changes = (0..1000u32).map(|number| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&(number / 2).to_le_bytes());
        store.add_blob(BlobHash(hash), 1, 0)
    });
    let known = futures::future::join_all(changes).await;
    let known = known.into_iter().filter(|known| *known.as_ref().unwrap());
    assert_eq!(known.count(), 500, "each hash came twice");
}
