//! One lane: from the gateway to an engine, and back with a claim.

use super::line::Bench;
use super::tally::Tally;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tessera_engine_host::{LaneReceiver, LaneSender};
use tessera_link::{Closed, Control, Sender};
use tessera_media::task::{LadderTask, Task};
use tessera_media::wire::{Body, Lane, Message};
use tessera_protocol::stream::{SegmentClaim, SegmentNumber};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{debug, info};

/// Bytes of sources that wait for their engines, of all lanes of a connection together. A lane for
/// which there is no room is given up, so that it holds up no other: an engine so far behind is of no
/// more use.
pub const BACKLOG: usize = 64 << 20;

/// What waits on a connection; clones share it.
#[derive(Clone, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Whether there was room for what weighs so much.
    fn add(&self, weight: usize) -> bool {
        let had_room = self.0.fetch_add(weight, Relaxed).saturating_add(weight) <= BACKLOG;
        if !had_room {
            self.sub(weight);
        }
        had_room
    }

    fn sub(&self, weight: usize) {
        self.0.fetch_sub(weight, Relaxed);
    }
}

/// A lane under way; dropping it ends its engine.
pub(super) struct Running {
    bodies: mpsc::UnboundedSender<Body>,
    backlog: Backlog,
    task: AbortHandle,
}

impl Running {
    /// Begins a lane. What becomes of it is told to `gateway`.
    pub(super) fn begin(
        lane: Lane,
        task: LadderTask,
        gateway: Sender,
        bench: Arc<Bench>,
        backlog: Backlog,
    ) -> Self {
        let (bodies, waiting) = mpsc::unbounded_channel();
        let source = Source { waiting, backlog: backlog.clone() };
        let run = Relay { lane, gateway, bench }.run(task, source);
        Self { bodies, backlog, task: tokio::spawn(run).abort_handle() }
    }

    /// Hands on what the gateway sent. Whether there was room.
    pub(super) fn take(&self, body: Body) -> bool {
        let weight = body.weight();
        if !self.backlog.add(weight) {
            return false;
        }
        // A lane that is over takes nothing, and its gateway has been told.
        if self.bodies.send(body).is_err() {
            self.backlog.sub(weight);
        }
        true
    }

    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What arrives for a lane.
struct Source {
    waiting: mpsc::UnboundedReceiver<Body>,
    backlog: Backlog,
}

impl Source {
    /// The next of it; `None` once the lane is dropped.
    async fn next(&mut self) -> Option<Body> {
        let body = self.waiting.recv().await?;
        self.backlog.sub(body.weight());
        Some(body)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.waiting.close();
        while let Ok(body) = self.waiting.try_recv() {
            self.backlog.sub(body.weight());
        }
    }
}

struct Relay {
    lane: Lane,
    gateway: Sender,
    bench: Arc<Bench>,
}

/// Why a lane ends before it is finished.
enum Trouble {
    /// The gateway is to know.
    Failed(String),
    /// The connection is gone, and everything on it with it.
    Closed,
}

impl From<Closed> for Trouble {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::TooLong => Self::Failed("the engine made a unit too long to send".to_owned()),
            _ => Self::Closed,
        }
    }
}

impl Relay {
    async fn run(self, task: LadderTask, source: Source) {
        let segment = task.segment;
        let last = match self.relay(task, source).await {
            Ok(()) => Body::Finished,
            Err(Trouble::Failed(because)) => {
                info!("segment {segment} of session {}: {because}", self.bench.grant.session);
                Body::Failed(because)
            }
            Err(Trouble::Closed) => return,
        };
        // A gateway that is gone needs no last word.
        let _ = self.send(last).await;
    }

    async fn relay(&self, task: LadderTask, source: Source) -> Result<(), Trouble> {
        let tally = Mutex::new(Tally::new(&task));
        let lane = self.bench.pool.lane(Task::Ladder(task)).await.map_err(failed)?;
        let (to_engine, from_engine) = lane.split();
        tokio::select! {
            never = feed(to_engine, source, &tally) => match never {},
            outcome = self.give(from_engine, &tally) => outcome,
        }
    }

    /// From the engine to the gateway, until the engine has finished.
    async fn give(&self, mut engine: LaneReceiver, tally: &Mutex<Tally>) -> Result<(), Trouble> {
        while let Some(body) = engine.recv().await {
            let body = body.map_err(failed)?;
            let counted = self.count(&body, tally).map_err(|wrong| {
                Trouble::Failed(format!("the engine is not to be trusted: {wrong}"))
            })?;
            self.send(body).await?;
            if let Some(claim) = counted {
                let signature = self.bench.key.sign(&claim.message());
                let segment = claim.segment;
                self.gateway.say(Control::Claim { lane: self.lane.0, claim, signature }).await?;
                debug!("segment {segment} of session {} is made", self.bench.grant.session);
            }
        }
        Ok(())
    }

    /// Enters what passes in the tally; the claim, when a segment is complete.
    fn count(&self, body: &Body, tally: &Mutex<Tally>) -> Result<Option<SegmentClaim>, String> {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match body {
            Body::Format(index, format) => tally.format(*index, format)?,
            Body::Coded(index, unit) => tally.unit(*index, unit)?,
            Body::Done(done) => {
                let counted = tally.done(done.segment)?;
                self.bench.takes(counted.pixels_per_s);
                return Ok(Some(self.claim(done.segment, counted.renditions)));
            }
            _ => return Err("it gave what no ladder gives".to_owned()),
        }
        Ok(None)
    }

    fn claim(
        &self,
        segment: SegmentNumber,
        renditions: Vec<tessera_protocol::stream::claim::RenditionResult>,
    ) -> SegmentClaim {
        let grant = &self.bench.grant;
        SegmentClaim {
            node: self.bench.key.node(),
            gateway: grant.gateway,
            lease: grant.lease,
            session: grant.session,
            generation: grant.generation,
            segment,
            renditions,
        }
    }

    async fn send(&self, body: Body) -> Result<(), Closed> {
        self.gateway.send(Message { lane: self.lane, body }).await
    }
}

/// From the gateway to the engine. It never ends the lane: that is for what the engine says.
async fn feed(
    engine: LaneSender,
    mut source: Source,
    tally: &Mutex<Tally>,
) -> std::convert::Infallible {
    while let Some(body) = source.next().await {
        if let Body::Cut(segment) = body {
            tally.lock().unwrap_or_else(PoisonError::into_inner).cut(segment);
        }
        if engine.send(body).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn failed(error: impl std::fmt::Display) -> Trouble {
    Trouble::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_for_all_lanes_and_given_back_with_each() {
        let backlog = Backlog::default();
        let lane = || {
            let (bodies, waiting) = mpsc::unbounded_channel();
            (bodies, Source { waiting, backlog: backlog.clone() })
        };
        let (one, source_one) = lane();
        let (_two, source_two) = lane();
        let half = Body::Bytes(vec![0; BACKLOG / 2].into());
        assert!(backlog.add(half.weight()));
        one.send(half.clone()).unwrap();
        assert!(!backlog.add(half.weight()), "the other lane's half and its head");
        assert!(backlog.add(BACKLOG / 4));
        backlog.sub(BACKLOG / 4);
        drop(source_two);
        assert!(!backlog.add(half.weight()));
        drop(source_one);
        assert_eq!(backlog.0.load(Relaxed), 0);
        assert!(backlog.add(half.weight()));
    }
}
