//! Which worker makes which segment, where each segment is a task of its own.
//!
//! A segment is given to the best worker when its first keyframe arrives, and its units follow as
//! they come; whoever keeps them can give all of them to another worker at once. Rules:
//! 1. An attempt whose worker says that it failed, or is gone, is over; the next one begins at once.
//! 2. An attempt without any progress for one segment's length, at least a second, counted from the
//!    segment's end, has stalled: another worker begins beside it, and the first whole result is
//!    taken.
//! 3. At most [`MOST_ATTEMPTS`] for a segment. When all are over, or [`GIVE_UP`] of its lengths have
//!    passed since its end, or half of one without any worker there, the source stands in.
//! 4. A segment is settled once: by the first whole result or by the source. What comes later is
//!    refused.
//!
//! Two lengths leave a player that keeps three segments of distance, as HLS asks, one to spare.

use crate::Now;
use crate::roster::Roster;
use std::collections::BTreeMap;
use std::time::Duration;
use tessera_protocol::LeaseId;
use tessera_protocol::stream::SegmentNumber;

/// Most workers that are tried for one segment.
pub const MOST_ATTEMPTS: usize = 3;
/// Lengths of a segment after its end at which the source stands in.
pub const GIVE_UP: u32 = 2;
/// A short segment is waited for as if it were this long.
const SHORTEST: Duration = Duration::from_secs(1);

/// One worker's try at one segment; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u64);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Give the segment to this worker: all units that are here, and those that follow.
    Begin {
        /// Which segment.
        segment: SegmentNumber,
        /// Whose lease.
        lease: LeaseId,
        /// Names the attempt from now on.
        attempt: AttemptId,
    },
    /// The attempt's result is of no more use.
    Cancel {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// Publish the segment from the source itself.
    StandIn {
        /// Which segment.
        segment: SegmentNumber,
    },
}

/// The segments of a session that are not settled.
#[derive(Debug, Default)]
pub struct Dispatch {
    /// How the workers do.
    pub roster: Roster,
    segments: BTreeMap<SegmentNumber, Segment>,
    attempts: u64,
}

#[derive(Debug, Default)]
struct Segment {
    ended: Option<Ended>,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Now,
    length: Duration,
}

impl Ended {
    fn patience(&self) -> Duration {
        self.length.max(SHORTEST)
    }
}

#[derive(Debug)]
struct Attempt {
    id: AttemptId,
    lease: LeaseId,
    /// When it last showed progress; at first, when it was begun.
    progress: Now,
    state: AttemptState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttemptState {
    Live,
    /// Live, and another was begun beside it.
    Stalled,
    Over,
}

impl Segment {
    fn is_live(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.state != AttemptState::Over)
    }

    /// When the attempt that is the last hope stalls.
    fn stalls_at(&self) -> Option<Now> {
        let ended = self.ended?;
        let attempt = self.attempts.iter().find(|a| a.state == AttemptState::Live)?;
        Some(attempt.progress.max(ended.at) + ended.patience())
    }
}

impl Dispatch {
    /// A segment's first keyframe is here.
    pub fn opened(&mut self, segment: SegmentNumber, now: Now, out: &mut Vec<Effect>) {
        self.segments.insert(segment, Segment::default());
        self.settle(segment, now, out);
    }

    /// All of the segment's units are here.
    pub fn ended(
        &mut self,
        segment: SegmentNumber,
        length: Duration,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(work) = self.segments.get_mut(&segment) {
            work.ended = Some(Ended { at: now, length });
        }
        self.settle(segment, now, out);
    }

    /// A worker has dialled in.
    pub fn up(&mut self, lease: LeaseId, now: Now, out: &mut Vec<Effect>) {
        self.roster.up(lease);
        self.tick(now, out);
    }

    /// A worker's connection is gone, and with it all its attempts.
    pub fn down(&mut self, lease: LeaseId, now: Now, out: &mut Vec<Effect>) {
        let attempts = self.segments.values_mut().flat_map(|segment| &mut segment.attempts);
        let mut lost = false;
        for attempt in attempts.filter(|a| a.lease == lease && a.state != AttemptState::Over) {
            attempt.state = AttemptState::Over;
            lost = true;
        }
        if lost {
            self.roster.failed(lease, now);
        }
        self.roster.down(lease, now);
        self.tick(now, out);
    }

    /// Something of the attempt's result is here.
    pub fn progress(&mut self, attempt: AttemptId, now: Now) {
        if let Some((_, attempt)) = self.find(attempt) {
            attempt.progress = now;
        }
    }

    /// The worker says that it cannot, or what it brought is wrong.
    pub fn failed(&mut self, attempt: AttemptId, now: Now, out: &mut Vec<Effect>) {
        let Some((segment, attempt)) = self.find(attempt) else { return };
        let was = std::mem::replace(&mut attempt.state, AttemptState::Over);
        let lease = attempt.lease;
        if was != AttemptState::Over {
            self.roster.failed(lease, now);
        }
        self.settle(segment, now, out);
    }

    /// The attempt's result is here, whole and found right. Whether it is taken; if not, the
    /// segment was settled before.
    pub fn delivered(&mut self, attempt: AttemptId, now: Now, out: &mut Vec<Effect>) -> bool {
        let Some((segment, found)) = self.find(attempt) else { return false };
        if found.state == AttemptState::Over {
            return false;
        }
        let lease = found.lease;
        let Some(work) = self.segments.remove(&segment) else { return false };
        if let Some(ended) = work.ended {
            self.roster.brought(lease, now.saturating_sub(ended.at), ended.length);
        }
        cancel_all(&work, Some(attempt), out);
        true
    }

    /// Does what time has made due.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let segments: Vec<_> = self.segments.keys().copied().collect();
        for segment in segments {
            self.settle(segment, now, out);
        }
    }

    /// When [`Self::tick`] is to be called next, if nothing else happens.
    pub fn wake(&self) -> Option<Now> {
        let due = |segment: &Segment| {
            let ended = segment.ended?;
            let give_up = ended.at + ended.patience() * GIVE_UP;
            let alone = ended.at + ended.patience() / 2;
            let other = if segment.is_live() { segment.stalls_at() } else { Some(alone) };
            Some(other.map_or(give_up, |other| other.min(give_up)))
        };
        self.segments.values().filter_map(due).min()
    }

    /// Segments that are not settled.
    #[cfg(test)]
    fn unsettled(&self) -> usize {
        self.segments.len()
    }

    fn find(&mut self, id: AttemptId) -> Option<(SegmentNumber, &mut Attempt)> {
        self.segments.iter_mut().find_map(|(number, segment)| {
            let attempt = segment.attempts.iter_mut().find(|attempt| attempt.id == id)?;
            Some((*number, attempt))
        })
    }

    /// Brings a segment to where the rules want it.
    fn settle(&mut self, number: SegmentNumber, now: Now, out: &mut Vec<Effect>) {
        let Some(work) = self.segments.get_mut(&number) else { return };
        if work.stalls_at().is_some_and(|at| now >= at) {
            let stalled = work.attempts.iter_mut().filter(|a| a.state == AttemptState::Live);
            for attempt in stalled {
                attempt.state = AttemptState::Stalled;
                self.roster.failed(attempt.lease, now);
            }
        }
        let hopeful = work.attempts.iter().any(|a| a.state == AttemptState::Live);
        if !hopeful && work.attempts.len() < MOST_ATTEMPTS {
            let tried: Vec<_> = work.attempts.iter().map(|attempt| attempt.lease).collect();
            // Beside a stalled attempt of its own, a worker gets no second one.
            let is_busy = |lease: &LeaseId| {
                work.attempts.iter().any(|a| a.lease == *lease && a.state == AttemptState::Stalled)
            };
            if let Some(lease) = self.roster.pick(&tried, now).filter(|lease| !is_busy(lease)) {
                let id = AttemptId(self.attempts);
                self.attempts += 1;
                let state = AttemptState::Live;
                work.attempts.push(Attempt { id, lease, progress: now, state });
                out.push(Effect::Begin { segment: number, lease, attempt: id });
            }
        }
        let Some(ended) = work.ended else { return };
        let is_live = work.is_live();
        let given_up = now >= ended.at + ended.patience() * GIVE_UP;
        let exhausted = !is_live && work.attempts.len() >= MOST_ATTEMPTS;
        let alone = !is_live && now >= ended.at + ended.patience() / 2;
        if given_up || exhausted || alone {
            for attempt in work.attempts.iter().filter(|a| a.state == AttemptState::Live) {
                self.roster.failed(attempt.lease, now);
            }
            let work = self.segments.remove(&number).expect("it was just found");
            cancel_all(&work, None, out);
            out.push(Effect::StandIn { segment: number });
        }
    }
}

fn cancel_all(work: &Segment, but: Option<AttemptId>, out: &mut Vec<Effect>) {
    let live = work.attempts.iter().filter(|a| a.state != AttemptState::Over && Some(a.id) != but);
    out.extend(live.map(|attempt| Effect::Cancel { attempt: attempt.id }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    const SECOND: Duration = Duration::from_secs(1);
    const LENGTH: Duration = Duration::from_secs(2);
    const FIRST: SegmentNumber = SegmentNumber(0);

    fn lease(n: u8) -> LeaseId {
        LeaseId([n; 16])
    }

    fn with(workers: &[u8]) -> (Dispatch, Vec<Effect>) {
        let mut dispatch = Dispatch::default();
        let mut out = Vec::new();
        let leases: Vec<_> = workers.iter().map(|n| lease(*n)).collect();
        dispatch.roster.order(&leases);
        for lease in leases {
            dispatch.up(lease, Now::ZERO, &mut out);
        }
        (dispatch, out)
    }

    fn begin(segment: u64, n: u8, attempt: u64) -> Effect {
        let segment = SegmentNumber(segment);
        Effect::Begin { segment, lease: lease(n), attempt: AttemptId(attempt) }
    }

    #[test]
    fn a_segment_begins_with_its_first_keyframe_and_is_taken_once() {
        let (mut dispatch, mut out) = with(&[1, 2]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        assert_eq!(out, [begin(0, 1, 0)]);
        dispatch.ended(FIRST, LENGTH, LENGTH, &mut out);
        assert!(dispatch.delivered(AttemptId(0), LENGTH, &mut out));
        assert!(!dispatch.delivered(AttemptId(0), LENGTH, &mut out), "twice");
        dispatch.tick(LENGTH * 10, &mut out);
        assert_eq!(out.len(), 1, "{out:?}");
    }

    #[test]
    fn a_worker_s_death_gives_its_segments_to_another_at_once() {
        let (mut dispatch, mut out) = with(&[1, 2]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        dispatch.opened(SegmentNumber(1), SECOND, &mut out);
        out.clear();
        dispatch.down(lease(1), SECOND, &mut out);
        assert_eq!(out, [begin(0, 2, 2), begin(1, 2, 3)]);
        assert!(!dispatch.delivered(AttemptId(0), SECOND, &mut out), "of a dead connection");
        assert!(dispatch.delivered(AttemptId(2), SECOND, &mut out));
    }

    #[test]
    fn a_stalled_attempt_gets_a_second_beside_it_and_the_first_result_counts() {
        for first_wins in [true, false] {
            let (mut dispatch, mut out) = with(&[1, 2]);
            dispatch.opened(FIRST, Now::ZERO, &mut out);
            dispatch.ended(FIRST, LENGTH, LENGTH, &mut out);
            dispatch.progress(AttemptId(0), LENGTH + SECOND);
            out.clear();
            assert_eq!(dispatch.wake(), Some(LENGTH + SECOND + LENGTH));
            dispatch.tick(LENGTH + SECOND * 29 / 10, &mut out);
            assert_eq!(out, [], "it showed progress less than a length ago");
            dispatch.tick(LENGTH + SECOND * 3, &mut out);
            assert_eq!(out, [begin(0, 2, 1)]);
            out.clear();
            let (first, second) = (AttemptId(0), AttemptId(1));
            let (taken, other) = if first_wins { (first, second) } else { (second, first) };
            assert!(dispatch.delivered(taken, SECOND * 5, &mut out));
            assert_eq!(out, [Effect::Cancel { attempt: other }]);
            assert!(!dispatch.delivered(other, SECOND * 5, &mut out));
        }
    }

    #[test]
    fn without_workers_the_source_stands_in_after_half_a_segment() {
        let (mut dispatch, mut out) = with(&[]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        dispatch.ended(FIRST, LENGTH, LENGTH, &mut out);
        assert_eq!(dispatch.wake(), Some(SECOND * 3));
        dispatch.tick(SECOND * 3 - Duration::from_millis(1), &mut out);
        assert_eq!(out, []);
        dispatch.tick(SECOND * 3, &mut out);
        assert_eq!(out, [Effect::StandIn { segment: FIRST }]);
    }

    #[test]
    fn a_worker_that_comes_in_time_is_given_what_waits() {
        let (mut dispatch, mut out) = with(&[]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        dispatch.roster.order(&[lease(1)]);
        dispatch.up(lease(1), SECOND, &mut out);
        assert_eq!(out, [begin(0, 1, 0)]);
    }

    #[test]
    fn three_failures_are_enough() {
        let (mut dispatch, mut out) = with(&[1]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        for n in 0..3 {
            assert_eq!(out, [begin(0, 1, n)]);
            out.clear();
            dispatch.failed(AttemptId(n), SECOND, &mut out);
        }
        assert_eq!(out, [], "the segment is still arriving");
        dispatch.ended(FIRST, LENGTH, LENGTH, &mut out);
        assert_eq!(out, [Effect::StandIn { segment: FIRST }]);
    }

    #[test]
    fn a_hanging_only_worker_is_given_up_in_time() {
        let (mut dispatch, mut out) = with(&[1]);
        dispatch.opened(FIRST, Now::ZERO, &mut out);
        dispatch.ended(FIRST, LENGTH, LENGTH, &mut out);
        out.clear();
        dispatch.tick(LENGTH * 3, &mut out);
        let cancel = Effect::Cancel { attempt: AttemptId(0) };
        assert_eq!(out, [cancel, Effect::StandIn { segment: FIRST }]);
        assert!(!dispatch.delivered(AttemptId(0), LENGTH * 3, &mut out), "too late");
    }

    #[derive(Debug, Clone)]
    enum Event {
        Open,
        Up(u8),
        Down(u8),
        Failed(usize),
        Delivered(usize),
        Progress(usize),
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => Just(Event::Open),
            2 => (0_u8..4).prop_map(Event::Up),
            2 => (0_u8..4).prop_map(Event::Down),
            2 => (0_usize..50).prop_map(Event::Failed),
            4 => (0_usize..50).prop_map(Event::Delivered),
            2 => (0_usize..50).prop_map(Event::Progress),
            4 => (0_u64..3_000).prop_map(Event::Wait),
        ]
    }

    proptest! {
        /// Whatever workers do, each segment is settled exactly once, within its deadline, and only
        /// workers that are there are given anything.
        #[test]
        fn each_segment_is_settled_once_and_in_time(
            events in proptest::collection::vec(event(), 0..120),
        ) {
            let (mut dispatch, mut out) = with(&[]);
            dispatch.roster.order(&[0, 1, 2, 3].map(lease));
            let mut now = Now::ZERO;
            let mut there = BTreeSet::new();
            let mut begun: HashMap<AttemptId, (SegmentNumber, LeaseId)> = HashMap::new();
            let mut order = Vec::new();
            let mut settled: BTreeSet<SegmentNumber> = BTreeSet::new();
            let mut tries: HashMap<SegmentNumber, usize> = HashMap::new();
            let (mut next, mut open) = (0, None::<(SegmentNumber, Now)>);
            let mut ended: HashMap<SegmentNumber, (Now, Duration)> = HashMap::new();
            let finish = [Event::Open, Event::Wait(100_000)];
            for event in events.into_iter().chain(finish) {
                out.clear();
                match event {
                    Event::Open => {
                        if let Some((segment, at)) = open.take() {
                            let length = now - at;
                            ended.insert(segment, (now, length));
                            dispatch.ended(segment, length, now, &mut out);
                        }
                        let segment = SegmentNumber(next);
                        next += 1;
                        open = Some((segment, now));
                        dispatch.opened(segment, now, &mut out);
                    }
                    Event::Up(n) => {
                        there.insert(lease(n));
                        dispatch.up(lease(n), now, &mut out);
                    }
                    Event::Down(n) => {
                        there.remove(&lease(n));
                        dispatch.down(lease(n), now, &mut out);
                    }
                    Event::Failed(n) => if let Some(attempt) = order.get(n) {
                        dispatch.failed(*attempt, now, &mut out);
                    },
                    Event::Delivered(n) => {
                        let attempt = order.get(n);
                        let taken = |a: &&AttemptId| dispatch.delivered(**a, now, &mut out);
                        if let Some(attempt) = attempt.filter(taken) {
                            prop_assert!(there.contains(&begun[attempt].1));
                            prop_assert!(settled.insert(begun[attempt].0), "settled twice");
                        }
                    }
                    Event::Progress(n) => if let Some(attempt) = order.get(n) {
                        dispatch.progress(*attempt, now);
                    },
                    Event::Wait(ms) => {
                        let until = now + Duration::from_millis(ms);
                        let mut rounds = 0;
                        while let Some(wake) = dispatch.wake().filter(|wake| *wake <= until) {
                            now = now.max(wake);
                            dispatch.tick(now, &mut out);
                            rounds += 1;
                            prop_assert!(rounds < 1_000, "it wakes without doing anything");
                        }
                        now = until;
                    }
                }
                for effect in &out {
                    match effect {
                        Effect::Begin { segment, lease, attempt } => {
                            prop_assert!(there.contains(lease));
                            prop_assert!(!settled.contains(segment));
                            prop_assert!(begun.insert(*attempt, (*segment, *lease)).is_none());
                            order.push(*attempt);
                            let tries = tries.entry(*segment).or_default();
                            *tries += 1;
                            prop_assert!(*tries <= MOST_ATTEMPTS);
                        }
                        Effect::Cancel { attempt } => prop_assert!(begun.contains_key(attempt)),
                        Effect::StandIn { segment } => {
                            prop_assert!(settled.insert(*segment), "settled twice");
                            prop_assert!(ended.contains_key(segment), "it still arrives");
                        }
                    }
                }
                for (segment, (at, length)) in &ended {
                    let late = now.saturating_sub(*at) > (*length).max(SHORTEST) * GIVE_UP;
                    prop_assert!(!late || settled.contains(segment), "{segment} is late");
                }
            }
            prop_assert_eq!(dispatch.unsettled(), 1, "all but the one that still arrives");
        }
    }
}
