//! Units of an exact job that are leased twice because who has them takes long, against the store.

use crate::store::{RIGHT, ask, new_job, open, rejection, result};
use proptest::prelude::*;
use tempfile::TempDir;
use tessera_farm_core::job::JobChange;
use tessera_farm_master::store::proof::Finding;
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{
    Changed, Creation, Entered, Granted, LeaseAsk, LeaseEnd, LeaseState, ProofStore as _, Requeued,
    Store,
};
use tessera_protocol::job::{JobState, UnitCounts};
use tessera_protocol::{FrameNumber, JobId, LeaseId};
use tokio::runtime::Runtime;

const OFTEN: usize = 1_000_000;
/// When the straggler was given its lease; see [`ask`].
const GIVEN_MS: i64 = 2_000;
/// Long enough that a lease straggles of whose frame nothing is known.
const LATE_MS: i64 = GIVEN_MS + 30_001;

/// A farm of one job of one frame: four tiles in two ranges each.
struct World {
    store: Sqlite,
    job: JobId,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let one_frame = new_job(1, |spec| spec.frames.last = spec.frames.first);
        let Creation::Created(job) = store.create_job(one_frame).await.unwrap() else {
            panic!("a new job is new");
        };
        Self { store, job: job.id, _folder: folder }
    }

    async fn lease(&self, ask: LeaseAsk) -> Option<Granted> {
        self.store.lease(ask).await.unwrap().granted()
    }

    async fn units(&self) -> UnitCounts {
        self.store.job(self.job).await.unwrap().unwrap().0.units
    }

    async fn enter(&self, lease: LeaseId) -> Entered {
        self.store.enter(result(lease, lease.0[0] + 1)).await.unwrap()
    }

    async fn brings(&self, lease: LeaseId) {
        assert!(matches!(self.enter(lease).await, Entered::Now(_)));
    }

    async fn is_right(&self, lease: LeaseId) {
        assert!(self.store.settle(lease, RIGHT, 4000).await.unwrap().first);
    }

    async fn ends(&self, lease: LeaseId) {
        let end = self.store.end_lease(lease, None, LeaseEnd::Expired, OFTEN, 3000);
        assert!(end.await.unwrap().ended);
    }

    async fn stands(&self, lease: LeaseId) -> bool {
        matches!(self.store.lease_state(lease).await.unwrap(), LeaseState::Standing(_))
    }
}

fn late(number: u64, node: u8) -> LeaseAsk {
    LeaseAsk { now_ms: LATE_MS, ..ask(number, node, u64::MAX) }
}

fn counts(free: u64, leased: u64, submitted: u64, verified: u64) -> UnitCounts {
    UnitCounts { free, leased, submitted, verified }
}

/// All eight units are with node 1, and then with node 2 as well.
async fn twice() -> (World, LeaseId, LeaseId) {
    let world = World::new().await;
    let first = world.lease(ask(1, 1, u64::MAX)).await.unwrap().lease;
    assert_eq!(first.units, 0..8);
    let second = world.lease(late(2, 2)).await.unwrap();
    assert_eq!(second.lease.units, first.units);
    assert_eq!(second.units.len(), 8);
    assert!(second.lease.generation > first.generation);
    assert_eq!(world.units().await, counts(0, 8, 0, 0), "leased once, as far as units go");
    (world, first.id, second.lease.id)
}

#[tokio::test]
async fn only_what_takes_long_is_leased_twice_to_another_and_no_third_time() {
    let world = World::new().await;
    let first = world.lease(ask(1, 1, u64::MAX)).await.unwrap().lease;
    let early = LeaseAsk { now_ms: LATE_MS - 1, ..late(2, 2) };
    assert_eq!(world.lease(early).await, None, "it is not late yet");
    assert_eq!(world.lease(late(3, 1)).await, None, "it has them itself");
    assert_eq!(world.lease(LeaseAsk { straggler_times: 0, ..late(4, 2) }).await, None);
    assert_eq!(world.lease(LeaseAsk { most_units: 7, ..late(5, 2) }).await, None, "too many");
    assert_eq!(world.lease(LeaseAsk { most_held: Some(7), ..late(6, 2) }).await, None);
    let second = world.lease(late(7, 2)).await.unwrap().lease;
    assert_eq!(second.second_of, Some(first.id));
    assert_eq!(world.lease(late(8, 3)).await, None, "two at most");
    let later = LeaseAsk { now_ms: 2 * LATE_MS, ..late(9, 3) };
    assert_eq!(world.lease(later).await, None, "however late both are");
}

#[tokio::test]
async fn how_long_is_long_follows_from_the_frame() {
    let world = World::new().await;
    // Seven units in one second each: `result` comes a second after `ask`.
    let quick = world.lease(LeaseAsk { most_units: 7, ..ask(1, 1, u64::MAX) }).await.unwrap().lease;
    let slow = world.lease(ask(2, 2, u64::MAX)).await.unwrap().lease;
    assert_eq!((quick.units, slow.units), (0..7, 7..8));
    world.brings(quick.id).await;
    let at = |age_ms| LeaseAsk { now_ms: GIVEN_MS + age_ms, ..ask(3, 1, u64::MAX) };
    assert_eq!(world.lease(at(2_000)).await, None, "two seconds are nothing");
    assert_eq!(world.lease(at(2_001)).await.unwrap().lease.units, 7..8);
}

#[tokio::test]
async fn nothing_is_leased_twice_while_there_are_free_units() {
    let world = World::new().await;
    world.lease(LeaseAsk { most_units: 6, ..ask(1, 1, u64::MAX) }).await.unwrap();
    let rest = world.lease(late(2, 2)).await.unwrap().lease;
    assert_eq!((rest.units, rest.second_of), (6..8, None));
}

#[tokio::test]
async fn whoever_comes_first_takes_the_units_and_both_count_for_their_nodes() {
    for spare_first in [true, false] {
        let (world, first, second) = twice().await;
        let [one, other] = if spare_first { [second, first] } else { [first, second] };
        world.brings(one).await;
        assert_eq!(world.units().await, counts(0, 0, 8, 0));
        assert!(world.stands(other).await, "it may still come");
        world.is_right(one).await;
        assert_eq!(world.units().await, counts(0, 0, 0, 8));
        world.brings(other).await;
        world.is_right(other).await;
        assert_eq!(world.units().await, counts(0, 0, 0, 8), "the units were there");
        let frames = world.store.frames(world.job, FrameNumber(0), 9).await.unwrap();
        assert_eq!(frames[0].verified, 8);
        let whole = world.store.whole_frames(9).await.unwrap();
        let made_of: Vec<_> = whole[0].results.iter().map(|result| result.lease).collect();
        assert_eq!(made_of, [one], "the frame is made of one of them");
    }
}

#[tokio::test]
async fn whichever_ends_without_a_result_leaves_the_units_to_the_other() {
    for spare_ends in [true, false] {
        let (world, first, second) = twice().await;
        let [gone, stays] = if spare_ends { [second, first] } else { [first, second] };
        world.ends(gone).await;
        assert_eq!(world.units().await, counts(0, 8, 0, 0));
        assert!(matches!(world.enter(gone).await, Entered::LeaseEnded));
        // There may be two again.
        let third = world.lease(LeaseAsk { now_ms: 3 * LATE_MS, ..late(3, 3) }).await.unwrap();
        assert_eq!(third.lease.second_of, Some(stays));
        world.ends(third.lease.id).await;
        world.ends(stays).await;
        assert_eq!(world.units().await, counts(8, 0, 0, 0), "then they are free");
    }
}

#[tokio::test]
async fn what_is_wrong_frees_the_units_once() {
    let (world, first, second) = twice().await;
    world.brings(second).await;
    let wrong = Finding::Rejected(Box::new(rejection(second)));
    world.store.settle(second, wrong, 4000).await.unwrap();
    assert_eq!(world.units().await, counts(8, 0, 0, 0));
    // The other one comes all the same, and is right: it is paid for, and the units are rendered again.
    world.brings(first).await;
    world.is_right(first).await;
    assert_eq!(world.units().await, counts(8, 0, 0, 0));
    let again = world.lease(late(3, 3)).await.unwrap().lease;
    assert_eq!((again.units.clone(), again.second_of), (0..8, None));
    world.brings(again.id).await;
    world.is_right(again.id).await;
    assert_eq!(world.units().await, counts(0, 0, 0, 8));
}

#[tokio::test]
async fn a_job_that_is_over_waits_for_nobody() {
    let (world, first, second) = twice().await;
    world.brings(second).await;
    world.is_right(second).await;
    let over = world.store.finish_job(world.job, false, None, 5000).await.unwrap();
    assert!(matches!(over, Changed::Done(job) if job.state == JobState::Completed));
    assert!(!world.stands(first).await);
    assert!(matches!(world.enter(first).await, Entered::LeaseEnded));
}

#[derive(Debug, Clone)]
enum Step {
    Lease {
        node: u8,
        units: u64,
    },
    End(usize),
    Enter(usize),
    Settle {
        which: usize,
        found: u8,
    },
    /// The job fails, and its owner has it go on.
    Fail,
    /// Its owner has the frame given to others.
    TakeBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..5, 1u64..5).prop_map(|(node, units)| Step::Lease { node, units }),
        2 => any::<usize>().prop_map(Step::End),
        4 => any::<usize>().prop_map(Step::Enter),
        4 => (any::<usize>(), 0u8..6).prop_map(|(which, found)| Step::Settle { which, found }),
        1 => Just(Step::Fail),
        1 => Just(Step::TakeBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Each question comes so late that all that stands straggles: whatever happens, no unit is lost or counted
    /// twice, and the job comes to its end.
    #[test]
    fn no_unit_is_lost_or_counted_twice(steps in prop::collection::vec(step(), 1..60)) {
        Runtime::new().unwrap().block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let world = World::new().await;
    let mut leases: Vec<LeaseId> = vec![];
    let mut now_ms = GIVEN_MS;
    let lease = async |number: usize, node: u8, units: u64, now_ms: i64| {
        let ask = ask(number as u64, node, u64::MAX);
        world.lease(LeaseAsk { most_units: units, now_ms, ..ask }).await
    };
    for step in steps {
        now_ms += LATE_MS;
        match step {
            Step::Lease { node, units } => {
                if let Some(granted) = lease(leases.len(), node, units, now_ms).await {
                    leases.push(granted.lease.id);
                }
            }
            Step::End(which) => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                world.store.end_lease(id, None, LeaseEnd::Returned, OFTEN, now_ms).await.unwrap();
            }
            Step::Enter(which) => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                world.enter(id).await;
            }
            Step::Settle { which, found } => {
                let Some(&id) = leases.get(which % leases.len().max(1)) else { continue };
                let finding = match found {
                    0 => Finding::Rejected(Box::new(rejection(id))),
                    1 => Finding::Lost,
                    _ => RIGHT,
                };
                world.store.settle(id, finding, now_ms).await.unwrap();
            }
            Step::Fail => {
                let failed = world.store.change_job(world.job, JobChange::Exhausted, None, now_ms);
                assert!(matches!(failed.await.unwrap(), Changed::Done(_)));
                assert_eq!(world.units().await.leased, 0);
                assert_eq!(lease(leases.len(), 9, 8, now_ms).await, None);
                let on = world.store.requeue(world.job, vec![], now_ms).await.unwrap();
                assert!(matches!(on, Requeued::Done { .. }));
            }
            Step::TakeBack => {
                let frames = vec![FrameNumber(1)];
                let on = world.store.requeue(world.job, frames, now_ms).await.unwrap();
                assert!(matches!(on, Requeued::Done { .. }));
                assert_eq!(world.units().await.leased, 0);
            }
        }
        let units = world.units().await;
        assert_eq!(units.free + units.leased + units.submitted + units.verified, 8);
        let frames = world.store.frames(world.job, FrameNumber(0), 9).await.unwrap();
        assert_eq!(frames.iter().map(|frame| frame.verified).sum::<u64>(), units.verified);
    }
    // What stands brings its result and all of it is right; what is free is leased.
    for _ in 0..20 {
        for id in leases.clone() {
            world.enter(id).await;
            world.store.settle(id, RIGHT, now_ms).await.unwrap();
        }
        if let Some(granted) = lease(leases.len(), 9, 8, now_ms).await {
            leases.push(granted.lease.id);
        }
    }
    assert_eq!(world.units().await, counts(0, 0, 0, 8));
    let whole = world.store.whole_frames(9).await.unwrap();
    let mut units: Vec<u64> = whole[0].results.iter().flat_map(|one| one.units.clone()).collect();
    units.sort_unstable();
    assert_eq!(units, (0..8).collect::<Vec<_>>(), "each unit once");
}
