//! Which worker has a low-latency session, where one worker's encoders live as long as it lasts.
//!
//! 1. One worker at a time has the session. When it fails, is gone, or is overdue ([`crate::arrears`]),
//!    another goes on: it decodes from the last keyframe before the first picture that is in no
//!    published part, and gives out from that picture on, which it makes a keyframe. So nothing
//!    published comes again, and nothing is left out.
//! 2. A worker has a *run*: segments that continue each other in one format. The next run is begun
//!    when all of this one was given, or by whoever is left when its worker is lost; whether the
//!    source is still there makes no difference.
//! 3. Without any worker the session waits for [`PATIENCE`], then the source stands in. So it does
//!    after [`MOST_FAILURES`] failures without one part in between: something in the source that
//!    kills workers must not kill all there are. In the midst of a segment the source cannot stand in
//!    without pictures being lost, so workers are tried twice as often there.
//! 4. While the source stands in, a worker that did not fail just now takes over at a segment's
//!    start, never in the midst of one.

use crate::Now;
use crate::dispatch::AttemptId;
use crate::roster::Roster;
use std::time::Duration;
use tessera_protocol::LeaseId;

/// How long a session without workers waits for one.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Failures without a part in between after which the source stands in.
pub const MOST_FAILURES: u32 = 3;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Give the session to this worker, from the first picture on that is in no published part.
    Begin {
        /// Whose lease.
        lease: LeaseId,
        /// Names the attempt from now on.
        attempt: AttemptId,
    },
    /// Publish the source itself, from its next keyframe on.
    StandIn,
}

/// Who has a low-latency session.
#[derive(Debug, Default)]
pub struct Relay {
    /// How the workers do.
    pub roster: Roster,
    /// Whether pictures would be lost if the source stood in now.
    pub standing_in_costs: bool,
    state: State,
    attempts: u64,
    failures: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is to be made.
    #[default]
    Idle,
    /// No worker, for so long.
    Waiting {
        since: Now,
    },
    With {
        lease: LeaseId,
        attempt: AttemptId,
    },
    /// The source itself.
    StandingIn,
}

impl Relay {
    /// A segment is there that nobody makes.
    pub fn wanted(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.state == State::Idle {
            self.failures = 0;
            self.state = State::Waiting { since: now };
        }
        self.tick(now, out);
    }

    /// The attempt gave all of its run.
    pub fn finished(&mut self, attempt: AttemptId) {
        if self.is_current(attempt) {
            self.state = State::Idle;
        }
    }

    /// The source has gone. What it left is still to be made; when it is back, it need not stand in
    /// for itself any longer.
    pub fn source_ended(&mut self) {
        if self.state == State::StandingIn {
            self.state = State::Idle;
        }
    }

    /// Another segment begins, or would.
    pub fn segment_border(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.state != State::StandingIn {
            return;
        }
        let fresh = |lease: &LeaseId| !self.roster.is_passed_over(*lease, now);
        if let Some(lease) = self.roster.pick(&[], now).filter(fresh) {
            self.failures = 0;
            self.begin(lease, out);
        }
    }

    /// A worker has dialled in.
    pub fn up(&mut self, lease: LeaseId, now: Now, out: &mut Vec<Effect>) {
        self.roster.up(lease);
        self.tick(now, out);
    }

    /// A worker's connection is gone.
    pub fn down(&mut self, lease: LeaseId, now: Now, out: &mut Vec<Effect>) {
        if matches!(self.state, State::With { lease: with, .. } if with == lease) {
            self.fail(lease, now);
        }
        self.roster.down(lease, now);
        self.tick(now, out);
    }

    /// The worker says that it cannot, is overdue, or what it gave is wrong.
    pub fn failed(&mut self, attempt: AttemptId, now: Now, out: &mut Vec<Effect>) {
        if let State::With { lease, attempt: with } = self.state
            && with == attempt
        {
            self.fail(lease, now);
            self.tick(now, out);
        }
    }

    /// A part was published.
    pub fn published(&mut self) {
        self.failures = 0;
    }

    /// Whether what this attempt gives counts.
    pub fn is_current(&self, attempt: AttemptId) -> bool {
        matches!(self.state, State::With { attempt: with, .. } if with == attempt)
    }

    /// Whether the source itself is published.
    pub fn is_standing_in(&self) -> bool {
        self.state == State::StandingIn
    }

    /// Does what time has made due.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let State::Waiting { since } = self.state else { return };
        let most = if self.standing_in_costs { 2 * MOST_FAILURES } else { MOST_FAILURES };
        if self.failures >= most || now >= since + PATIENCE {
            self.state = State::StandingIn;
            out.push(Effect::StandIn);
            return;
        }
        if let Some(lease) = self.roster.pick(&[], now) {
            self.begin(lease, out);
        }
    }

    /// When [`Self::tick`] is to be called next, if nothing else happens.
    pub fn wake(&self) -> Option<Now> {
        match self.state {
            State::Waiting { since } => Some(since + PATIENCE),
            State::With { .. } | State::Idle | State::StandingIn => None,
        }
    }

    fn begin(&mut self, lease: LeaseId, out: &mut Vec<Effect>) {
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        self.state = State::With { lease, attempt };
        out.push(Effect::Begin { lease, attempt });
    }

    fn fail(&mut self, lease: LeaseId, now: Now) {
        self.roster.failed(lease, now);
        self.failures += 1;
        self.state = State::Waiting { since: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(n: u8) -> LeaseId {
        LeaseId([n; 16])
    }

    fn with(workers: &[u8]) -> (Relay, Vec<Effect>) {
        let mut relay = Relay::default();
        let mut out = Vec::new();
        relay.roster.order(&workers.iter().map(|n| lease(*n)).collect::<Vec<_>>());
        for n in workers {
            relay.up(lease(*n), Now::ZERO, &mut out);
        }
        (relay, out)
    }

    fn begin(n: u8, attempt: u64) -> Effect {
        Effect::Begin { lease: lease(n), attempt: AttemptId(attempt) }
    }

    #[test]
    fn another_worker_goes_on_at_once() {
        let (mut relay, mut out) = with(&[1, 2]);
        assert_eq!(out, [], "there is no source yet");
        relay.wanted(Now::ZERO, &mut out);
        relay.down(lease(1), SECOND, &mut out);
        assert_eq!(out, [begin(1, 0), begin(2, 1)]);
        assert!(!relay.is_current(AttemptId(0)));
        assert!(relay.is_current(AttemptId(1)));
    }

    #[test]
    fn what_a_source_left_behind_is_made_all_the_same() {
        let (mut relay, mut out) = with(&[1, 2]);
        relay.wanted(Now::ZERO, &mut out);
        relay.source_ended();
        relay.down(lease(1), SECOND, &mut out);
        assert_eq!(out, [begin(1, 0), begin(2, 1)]);
        relay.finished(AttemptId(0));
        assert!(relay.is_current(AttemptId(1)), "an older attempt finishes nothing");
        relay.finished(AttemptId(1));
        relay.tick(SECOND * 100, &mut out);
        assert_eq!(out.len(), 2, "there is nothing to make");
        relay.wanted(SECOND * 100, &mut out);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn the_source_stands_in_and_a_worker_takes_over_at_a_border() {
        let (mut relay, mut out) = with(&[]);
        relay.wanted(Now::ZERO, &mut out);
        relay.tick(PATIENCE, &mut out);
        assert_eq!(out, [Effect::StandIn]);
        out.clear();
        relay.roster.order(&[lease(1)]);
        relay.up(lease(1), PATIENCE, &mut out);
        assert_eq!(out, [], "in the midst of a segment");
        relay.segment_border(PATIENCE, &mut out);
        assert_eq!(out, [begin(1, 0)]);
    }

    #[test]
    fn what_kills_workers_does_not_kill_all() {
        let (mut relay, mut out) = with(&[1, 2, 3, 4, 5]);
        relay.wanted(Now::ZERO, &mut out);
        for n in 0..3 {
            relay.failed(AttemptId(n), SECOND, &mut out);
        }
        assert_eq!(out, [begin(1, 0), begin(2, 1), begin(3, 2), Effect::StandIn]);
        // Where it would cost pictures, they are tried again.
        let (mut relay, mut out) = with(&[1, 2]);
        relay.standing_in_costs = true;
        relay.wanted(Now::ZERO, &mut out);
        for n in 0..6 {
            relay.failed(AttemptId(n), SECOND, &mut out);
        }
        assert_eq!(out.len(), 7);
        assert_eq!(out.last(), Some(&Effect::StandIn));
        // Parts in between make them separate accidents.
        let (mut relay, mut out) = with(&[1, 2, 3, 4, 5]);
        relay.wanted(Now::ZERO, &mut out);
        for n in 0..4 {
            relay.failed(AttemptId(n), SECOND, &mut out);
            relay.published();
        }
        assert_eq!(out.last(), Some(&begin(5, 4)));
    }

    proptest! {
        #[test]
        fn one_worker_at_most_has_the_session_and_it_is_there(
            events in proptest::collection::vec((0_u8..9, 0_u8..3, 0_u64..2_000), 0..200),
        ) {
            let (mut relay, mut out) = with(&[]);
            relay.roster.order(&[0, 1, 2].map(lease));
            let (mut now, mut there, mut last) = (Now::ZERO, BTreeSet::new(), None::<AttemptId>);
            for (kind, n, ms) in events {
                out.clear();
                match kind {
                    0 => { there.insert(lease(n)); relay.up(lease(n), now, &mut out); }
                    1 => { there.remove(&lease(n)); relay.down(lease(n), now, &mut out); }
                    2 => relay.wanted(now, &mut out),
                    3 => relay.source_ended(),
                    4 => relay.segment_border(now, &mut out),
                    5 => if let Some(last) = last { relay.failed(last, now, &mut out) },
                    6 => if let Some(last) = last { relay.finished(last) },
                    7 => relay.published(),
                    _ => { now += Duration::from_millis(ms); relay.tick(now, &mut out); }
                }
                for effect in &out {
                    if let Effect::Begin { lease, attempt } = effect {
                        prop_assert!(there.contains(lease), "{lease} is not there");
                        prop_assert!(last.is_none_or(|last| last < *attempt));
                        last = Some(*attempt);
                    }
                }
                if let Some(last) = last.filter(|last| relay.is_current(*last)) {
                    prop_assert!(!relay.is_standing_in(), "{last:?}");
                }
            }
        }
    }
}
