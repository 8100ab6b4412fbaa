//! The workers that have dialled in for one session.

use super::Input;
use super::finished::MadeBy;
use crate::gateway::desk::Desk;
use crate::gateway::metrics::Metrics;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tessera_link::{Control, Peer, Sender};
use tessera_live_core::Now;
use tessera_media::AccessUnit;
use tessera_media::task::Task;
use tessera_media::wire::{Body, Lane, Message, TrackKind};
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::{LeaseId, NodeId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Names one connection: a worker that dials again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct LineId(u64);

/// Who said something, and all that is needed to answer.
#[derive(Clone, Copy)]
pub(super) struct Heard<'a> {
    pub(super) lease: LeaseId,
    pub(super) desk: &'a Desk,
    pub(super) crew: &'a Crew,
    pub(super) now: Now,
}

impl Heard<'_> {
    /// Says why what was given or claimed of a segment is not taken.
    pub(super) fn refuse(&self, lane: Lane, segment: SegmentNumber, because: String) {
        Metrics::add(&self.desk.metrics.refused_results, 1);
        self.crew.say(self.lease, Control::Refused { lane: lane.0, segment, because });
    }
}

pub(super) struct Crew {
    desk: Arc<Desk>,
    inputs: mpsc::WeakSender<Input>,
    lines: HashMap<LeaseId, Line>,
    next: u64,
}

pub(super) struct Line {
    pub(super) id: LineId,
    pub(super) node: NodeId,
    sender: Sender,
    reader: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.sender.close();
        self.reader.abort();
    }
}

impl Crew {
    pub(super) fn new(desk: Arc<Desk>, inputs: mpsc::WeakSender<Input>) -> Self {
        Self { desk, inputs, lines: HashMap::new(), next: 0 }
    }

    /// A worker has dialled in; an older connection under its lease is closed. Whether there was
    /// one.
    pub(super) fn join(&mut self, peer: Peer) -> bool {
        let id = LineId(self.next);
        self.next += 1;
        let (lease, node) = (peer.lease, peer.node);
        let (sender, mut receiver) = peer.connection.split();
        let inputs = self.inputs.clone();
        let reader = tokio::spawn(async move {
            loop {
                let event = receiver.recv().await;
                let over = event.is_err();
                let Some(inputs) = inputs.upgrade() else { return };
                let heard = Input::Heard { lease, line: id, event: Box::new(event) };
                if inputs.send(heard).await.is_err() || over {
                    return;
                }
            }
        });
        let line = Line { id, node, sender, reader: reader.abort_handle() };
        self.desk.metrics.workers.fetch_add(1, Relaxed);
        self.lines.insert(lease, line).inspect(|_| self.one_less()).is_some()
    }

    /// The connection is gone; nothing to do where the worker has another one by now.
    pub(super) fn part(&mut self, lease: LeaseId, id: LineId) {
        if self.lines.get(&lease).is_some_and(|line| line.id == id) {
            self.lines.remove(&lease);
            self.one_less();
        }
    }

    /// Closes the connections of leases that are not in `leases`, and names them.
    pub(super) fn keep_only(&mut self, leases: &[LeaseId]) -> Vec<LeaseId> {
        let gone: Vec<_> =
            self.lines.keys().filter(|lease| !leases.contains(lease)).copied().collect();
        for lease in &gone {
            self.lines.remove(lease);
            self.one_less();
        }
        gone
    }

    pub(super) fn line(&self, lease: LeaseId) -> Option<&Line> {
        self.lines.get(&lease)
    }

    /// Whose lease it is, while its worker is connected.
    pub(super) fn member(&self, lease: LeaseId) -> Option<MadeBy> {
        self.lines.get(&lease).map(|line| MadeBy { lease, node: line.node })
    }

    /// Says something to a worker that may be gone. One that says much and reads nothing of what it
    /// is answered is closed.
    pub(super) fn say(&self, lease: LeaseId, control: Control) {
        if let Some(line) = self.lines.get(&lease) {
            line.sender.tell(control);
        }
    }

    /// Opens a lane to a worker.
    pub(super) fn feed(&self, lease: LeaseId, lane: Lane, task: Task) -> Option<Feed> {
        let line = self.lines.get(&lease)?;
        Some(Feed::begin(Arc::clone(&self.desk), line.sender.clone(), lane, task))
    }

    fn one_less(&self) {
        self.desk.metrics.workers.fetch_sub(1, Relaxed);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.desk.metrics.workers.fetch_sub(self.lines.len() as u64, Relaxed);
    }
}

/// What is on its way to one worker on one lane. The units wait here without bound, but they are
/// those that the session keeps anyway.
pub(super) struct Feed {
    lane: Lane,
    bodies: mpsc::UnboundedSender<(Option<Now>, Body)>,
    sender: Sender,
    task: AbortHandle,
}

impl Feed {
    fn begin(desk: Arc<Desk>, sender: Sender, lane: Lane, task: Task) -> Self {
        let (bodies, mut waiting) = mpsc::unbounded_channel::<(Option<Now>, Body)>();
        let line = sender.clone();
        let task = tokio::spawn(async move {
            if line.send(Message { lane, body: Body::Begin(task) }).await.is_err() {
                return;
            }
            while let Some((arrived, body)) = waiting.recv().await {
                // A line that is closed says so to whoever receives from it.
                if line.send(Message { lane, body }).await.is_err() {
                    return;
                }
                if let Some(arrived) = arrived {
                    desk.metrics.dispatch.observe(desk.clock.now().saturating_sub(arrived));
                }
            }
        });
        Self { lane, bodies, sender, task: task.abort_handle() }
    }

    /// A unit that arrived just now.
    pub(super) fn live(&self, unit: AccessUnit, arrived: Now) {
        let _ = self.bodies.send((Some(arrived), Body::Source(TrackKind::Video, unit)));
    }

    /// Anything else: kept units, the end of them.
    pub(super) fn give(&self, body: Body) {
        let _ = self.bodies.send((None, body));
    }

    /// Gives the lane up.
    pub(super) fn cancel(self) {
        self.task.abort();
        self.sender.forget(self.lane);
        let (sender, lane) = (self.sender, self.lane);
        tokio::spawn(async move {
            let _ = sender.send(Message { lane, body: Body::Cancel }).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake_master::FakeMaster;
    use tessera_link::{Acceptor, AcceptorConfig, Closed, Dial, LANE_QUEUE, RECEIVE_QUEUE, dial};
    use tessera_protocol::commit::NodeKey;

    const LEASE: LeaseId = LeaseId([3; 16]);

    #[tokio::test]
    async fn a_worker_that_reads_none_of_its_refusals_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let desk = FakeMaster::start(|_| None).await.desk(folder.path()).await;
        let config = AcceptorConfig { gateway: desk.id(), certificate: None };
        let anybody = Arc::new(|_, _| Box::pin(async { Ok(()) }) as _);
        let here = "127.0.0.1:0".parse().unwrap();
        let mut acceptor = Acceptor::bind(here, config, anybody).await.unwrap();
        let (address, key) = (acceptor.address().to_string(), NodeKey::from_secret(&[1; 32]));
        let whom =
            Dial { address: &address, gateway: desk.id(), pin: None, lease: LEASE, key: &key };
        // It is held, and nobody reads from it.
        let _worker = dial(whom).await.unwrap();
        let (inputs, mut heard) = mpsc::channel(8);
        let mut crew = Crew::new(desk, inputs.downgrade());
        crew.join(acceptor.next().await.unwrap());

        let because = "this claim is for another segment".repeat(1_000);
        let mut said = 0;
        let event = loop {
            let segment = SegmentNumber(said as u64);
            crew.say(LEASE, Control::Refused { lane: 0, segment, because: because.clone() });
            said += 1;
            assert!(said * because.len() < 4 * (LANE_QUEUE + RECEIVE_QUEUE), "{said} wait");
            tokio::task::yield_now().await;
            if let Ok(Input::Heard { event, .. }) = heard.try_recv() {
                break event;
            }
        };
        assert_eq!(*event, Err(Closed::Deaf));
    }
}
