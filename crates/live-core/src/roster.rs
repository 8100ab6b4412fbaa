//! The workers of one session, and how they do.
//!
//! A worker is as good as its place in the master's list, until it shows otherwise: one that failed
//! is passed over for [`PASSED_OVER`] while another is there, and so is one that falls behind real
//! time. *Behind* is measured where it matters, at the gateway: how long after a segment's end its
//! renditions are there, in parts of the segment's length, as the mean of the last [`WINDOW`]
//! segments. Above [`BEHIND`] the worker is to be replaced; so is one that failed [`FAILURES`]
//! times in a row, or has dialled in and then been away for [`AWAY`].

use crate::Now;
use std::collections::VecDeque;
use std::time::Duration;
use tessera_protocol::LeaseId;
use tessera_protocol::stream::gateway::WorkerReport;

/// How long a worker that failed is passed over.
pub const PASSED_OVER: Duration = Duration::from_secs(10);
/// Results whose lateness is remembered.
pub const WINDOW: usize = 5;
/// Lateness, in parts of a segment's length, above which a worker falls behind real time.
pub const BEHIND: f64 = 0.9;
/// Failures in a row after which a worker is to be replaced.
pub const FAILURES: u32 = 3;
/// How long a worker may be away before it is to be replaced.
pub const AWAY: Duration = Duration::from_millis(1_500);

/// The workers of a session.
#[derive(Debug, Default)]
pub struct Roster {
    /// In the master's order, then in that of their coming.
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    lease: LeaseId,
    /// Whether the master's last list had it.
    leased: bool,
    presence: Presence,
    segments: u64,
    failures: u64,
    in_a_row: u32,
    passed_over_until: Now,
    lateness: VecDeque<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Never,
    Up,
    AwaySince(Now),
}

impl Worker {
    fn new(lease: LeaseId) -> Self {
        Self {
            lease,
            leased: true,
            presence: Presence::Never,
            segments: 0,
            failures: 0,
            in_a_row: 0,
            passed_over_until: Now::ZERO,
            lateness: VecDeque::new(),
        }
    }

    fn lateness(&self) -> Option<f64> {
        let full = self.lateness.len() == WINDOW;
        full.then(|| self.lateness.iter().sum::<f64>() / WINDOW as f64)
    }

    fn is_behind(&self) -> bool {
        self.lateness().is_some_and(|mean| mean > BEHIND)
    }

    fn replace(&self, now: Now) -> Option<String> {
        if self.in_a_row >= FAILURES {
            return Some(format!("it failed {} times in a row", self.in_a_row));
        }
        if let (true, Some(mean)) = (self.is_behind(), self.lateness()) {
            return Some(format!(
                "it falls behind real time: its segments come {:.0} % of their length late",
                mean * 100.0
            ));
        }
        match self.presence {
            Presence::AwaySince(since) if now.saturating_sub(since) >= AWAY => {
                Some(format!("it has been away for {} s", now.saturating_sub(since).as_secs()))
            }
            _ => None,
        }
    }
}

impl Roster {
    /// The master's list, best first: the workers that may dial in.
    pub fn order(&mut self, leases: &[LeaseId]) {
        for worker in &mut self.workers {
            worker.leased = leases.contains(&worker.lease);
        }
        for lease in leases {
            self.worker(*lease).leased = true;
        }
        let place = |worker: &Worker| {
            leases.iter().position(|lease| *lease == worker.lease).unwrap_or(usize::MAX)
        };
        self.workers.sort_by_key(place);
        self.workers.retain(|worker| worker.leased || worker.presence == Presence::Up);
    }

    /// Whether the master's last list has this lease.
    pub fn may_dial(&self, lease: LeaseId) -> bool {
        self.workers.iter().any(|worker| worker.lease == lease && worker.leased)
    }

    /// A worker has dialled in.
    pub fn up(&mut self, lease: LeaseId) {
        self.worker(lease).presence = Presence::Up;
    }

    /// Its connection is gone.
    pub fn down(&mut self, lease: LeaseId, now: Now) {
        let worker = self.worker(lease);
        if worker.presence == Presence::Up {
            worker.presence = Presence::AwaySince(now);
        }
    }

    /// Workers that are connected.
    pub fn present(&self) -> usize {
        self.workers.iter().filter(|worker| worker.presence == Presence::Up).count()
    }

    /// The best worker that is there and not in `tried`; if all are, the best one that is there.
    pub fn pick(&self, tried: &[LeaseId], now: Now) -> Option<LeaseId> {
        self.workers
            .iter()
            .filter(|worker| worker.presence == Presence::Up && worker.leased)
            .min_by_key(|worker| {
                let attempts = tried.iter().filter(|lease| **lease == worker.lease).count();
                (attempts, now < worker.passed_over_until, worker.is_behind())
            })
            .map(|worker| worker.lease)
    }

    /// Whether a failure of this worker is so recent that nobody would choose it.
    pub fn is_passed_over(&self, lease: LeaseId, now: Now) -> bool {
        let found = self.workers.iter().find(|worker| worker.lease == lease);
        found.is_none_or(|worker| now < worker.passed_over_until)
    }

    /// It brought a segment, `late` after the segment's end, of a segment of `length`.
    pub fn brought(&mut self, lease: LeaseId, late: Duration, length: Duration) {
        let worker = self.worker(lease);
        worker.segments += 1;
        worker.in_a_row = 0;
        if worker.lateness.len() == WINDOW {
            worker.lateness.pop_front();
        }
        worker.lateness.push_back(late.as_secs_f64() / length.as_secs_f64().max(0.1));
    }

    /// It was given a segment and did not bring it, or brought it wrong.
    pub fn failed(&mut self, lease: LeaseId, now: Now) {
        let worker = self.worker(lease);
        worker.failures += 1;
        worker.in_a_row += 1;
        worker.passed_over_until = now + PASSED_OVER;
    }

    /// What the master is told: those who have dialled in at some time.
    pub fn reports(&self, now: Now) -> Vec<WorkerReport> {
        self.workers
            .iter()
            .filter(|worker| worker.presence != Presence::Never && worker.leased)
            .map(|worker| WorkerReport {
                lease: worker.lease,
                segments: worker.segments,
                failures: worker.failures,
                replace: worker.replace(now),
                away: worker.in_a_row < FAILURES && !worker.is_behind(),
            })
            .collect()
    }

    fn worker(&mut self, lease: LeaseId) -> &mut Worker {
        if let Some(at) = self.workers.iter().position(|worker| worker.lease == lease) {
            return &mut self.workers[at];
        }
        self.workers.push(Worker::new(lease));
        self.workers.last_mut().expect("it was just pushed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(n: u8) -> LeaseId {
        LeaseId([n; 16])
    }

    fn two() -> Roster {
        let mut roster = Roster::default();
        roster.order(&[lease(1), lease(2)]);
        roster.up(lease(2));
        roster.up(lease(1));
        roster
    }

    #[test]
    fn the_master_s_first_is_picked_while_it_is_there() {
        let mut roster = two();
        assert_eq!(roster.pick(&[], Now::ZERO), Some(lease(1)));
        assert_eq!(roster.pick(&[lease(1)], Now::ZERO), Some(lease(2)));
        roster.down(lease(1), Now::ZERO);
        assert_eq!(roster.pick(&[], Now::ZERO), Some(lease(2)));
        roster.down(lease(2), Now::ZERO);
        assert_eq!(roster.pick(&[], Now::ZERO), None);
    }

    #[test]
    fn one_that_failed_is_passed_over_for_a_while_but_better_than_none() {
        let mut roster = two();
        roster.failed(lease(1), Now::ZERO);
        assert_eq!(roster.pick(&[], SECOND), Some(lease(2)));
        assert_eq!(roster.pick(&[], PASSED_OVER), Some(lease(1)));
        roster.down(lease(2), SECOND);
        assert_eq!(roster.pick(&[lease(1)], SECOND), Some(lease(1)));
    }

    #[test]
    fn one_that_falls_behind_is_to_be_replaced_and_one_late_segment_is_not_enough() {
        let mut roster = two();
        roster.brought(lease(1), 10 * SECOND, SECOND);
        assert_eq!(roster.reports(SECOND)[0].replace, None);
        for _ in 0..WINDOW {
            roster.brought(lease(1), SECOND * 95 / 100, SECOND);
            roster.brought(lease(2), SECOND * 85 / 100, SECOND);
        }
        let reports = roster.reports(SECOND);
        assert!(reports[0].replace.as_ref().unwrap().contains("95 %"), "{reports:?}");
        assert_eq!(reports[1].replace, None);
        assert_eq!(roster.pick(&[], SECOND), Some(lease(2)));
    }

    #[test]
    fn one_that_fails_in_a_row_or_stays_away_is_to_be_replaced() {
        let mut roster = two();
        roster.failed(lease(1), Now::ZERO);
        roster.failed(lease(1), Now::ZERO);
        roster.brought(lease(1), Now::ZERO, SECOND);
        roster.failed(lease(1), Now::ZERO);
        assert_eq!(roster.reports(SECOND)[0].replace, None);
        roster.failed(lease(1), Now::ZERO);
        roster.failed(lease(1), Now::ZERO);
        let failed = &roster.reports(SECOND)[0];
        assert!(failed.replace.is_some() && !failed.away, "{failed:?}");
        roster.down(lease(2), SECOND);
        assert_eq!(roster.reports(SECOND + AWAY - Duration::from_millis(1))[1].replace, None);
        let gone = &roster.reports(SECOND + AWAY)[1];
        assert!(gone.replace.is_some() && gone.away, "{gone:?}");
    }

    #[test]
    fn whoever_is_not_on_the_list_gets_nothing() {
        let mut roster = two();
        roster.order(&[lease(2)]);
        assert!(!roster.may_dial(lease(1)));
        assert_eq!(roster.pick(&[lease(2)], Now::ZERO), Some(lease(2)));
        roster.order(&[]);
        assert_eq!(roster.pick(&[], Now::ZERO), None);
    }
}
