//! Audits that somebody is making: frames of results that nobody else needs to look at meanwhile. Only in
//! memory: what is forgotten is looked at again, and settled once.

use crate::store::proof::{Unaudited, UnauditedFrame};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tessera_protocol::{AuditId, FrameNumber, JobId, LeaseId};

/// Auditors that are at work at once.
pub(crate) const MOST: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Given(Mutex<HashMap<AuditId, Audits>>);

struct Audits {
    frame: Arc<UnauditedFrame>,
    /// Results that were not reported yet.
    left: HashSet<LeaseId>,
    /// `None` for the master's own, which need no watch.
    until_ms: Option<i64>,
}

impl Given {
    /// Frames that somebody looks at now.
    pub(crate) fn taken(&self, now_ms: i64) -> Vec<(JobId, FrameNumber)> {
        let mut given = self.lock();
        given.retain(|_, audits| audits.until_ms.is_none_or(|until| until > now_ms));
        given.values().map(|audits| (audits.frame.job, audits.frame.frame)).collect()
    }

    /// Notes who looks at a frame.
    pub(crate) fn give(&self, audit: AuditId, frame: Arc<UnauditedFrame>, until_ms: Option<i64>) {
        let left = frame.results.iter().map(|of| of.result.lease).collect();
        self.lock().insert(audit, Audits { frame, left, until_ms });
    }

    /// The frame of a report about one of its results, each once. `None` where it is too late.
    pub(crate) fn reported(
        &self,
        audit: AuditId,
        lease: LeaseId,
    ) -> Option<(Arc<UnauditedFrame>, Unaudited)> {
        let mut given = self.lock();
        let audits = given.get_mut(&audit)?;
        if !audits.left.remove(&lease) {
            return None;
        }
        let frame = audits.frame.clone();
        let of = frame.results.iter().find(|of| of.result.lease == lease)?.clone();
        Some((frame, of))
    }

    /// Notes that whoever was given these is at work; `false` where that is too late.
    pub(crate) fn is_at_work(&self, audit: AuditId, until_ms: i64) -> bool {
        match self.lock().get_mut(&audit) {
            Some(audits) => {
                audits.until_ms = audits.until_ms.map(|_| until_ms);
                true
            }
            None => false,
        }
    }

    /// Whether all results of these audits were reported; then nobody has the frame any more, once
    /// what was reported last is settled.
    pub(crate) fn is_done(&self, audit: AuditId) -> bool {
        self.lock().get(&audit).is_some_and(|audits| audits.left.is_empty())
    }

    /// Nobody looks at these any more.
    pub(crate) fn end(&self, audit: AuditId) {
        self.lock().remove(&audit);
    }

    /// How many are at work.
    pub(crate) fn count(&self, now_ms: i64) -> usize {
        self.taken(now_ms).len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AuditId, Audits>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
