//! A broker that lets in whom the test names, and hands each visit to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_ingest::{
    Broker, Protocol, Refusal, Sink, SourceEvent, SourceReceiver, StreamKey, sink,
};
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, TrackFormat};
use tokio::sync::mpsc;

/// Long enough for a slow machine, short enough to see a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct TestBroker {
    keys: Mutex<HashSet<String>>,
    visits: mpsc::UnboundedSender<Visit>,
}

/// Where the test finds the visits.
pub(crate) struct Lobby(mpsc::UnboundedReceiver<Visit>);

/// A source that was let in.
pub(crate) struct Visit {
    pub(crate) key: String,
    pub(crate) protocol: Protocol,
    pub(crate) source: SourceReceiver,
}

impl TestBroker {
    /// Takes these keys.
    pub(crate) fn with_keys(keys: &[&str]) -> (Arc<Self>, Lobby) {
        let (visits, lobby) = mpsc::unbounded_channel();
        let keys = Mutex::new(keys.iter().map(|&key| key.to_owned()).collect());
        (Arc::new(Self { keys, visits }), Lobby(lobby))
    }
}

impl Broker for TestBroker {
    async fn open(
        &self,
        key: StreamKey,
        protocol: Protocol,
        _peer: SocketAddr,
    ) -> Result<Sink, Refusal> {
        if !self.keys.lock().unwrap().contains(key.secret()) {
            return Err(Refusal::bad_key());
        }
        let (sink, source) = sink(4096);
        let visit = Visit { key: key.secret().to_owned(), protocol, source };
        self.visits.send(visit).map_err(|_| Refusal::bad_key())?;
        Ok(sink)
    }
}

impl Lobby {
    /// The next source that is let in.
    pub(crate) async fn next(&mut self) -> Visit {
        let visit = tokio::time::timeout(PATIENCE, self.0.recv()).await;
        visit.expect("a source comes in time").expect("the broker lives")
    }

    /// A source that was let in already.
    pub(crate) fn waiting(&mut self) -> Option<Visit> {
        self.0.try_recv().ok()
    }

    /// Whether nobody was let in that was not asked for yet.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.waiting().is_none()
    }
}

/// All that a visit brought.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) formats: Vec<TrackFormat>,
    pub(crate) video: Vec<AccessUnit>,
    pub(crate) audio: Vec<AccessUnit>,
    pub(crate) skipped: Vec<String>,
}

impl Received {
    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Format(format) => self.formats.push(format),
            SourceEvent::Unit(TrackKind::Video, unit) => self.video.push(unit),
            SourceEvent::Unit(TrackKind::Audio, unit) => self.audio.push(unit),
            SourceEvent::Skipped(sentence) => self.skipped.push(sentence),
        }
    }
}

impl Visit {
    /// Everything, until the source leaves.
    pub(crate) async fn until_it_leaves(mut self) -> Received {
        let mut received = Received::default();
        let all = async {
            while let Some(event) = self.source.recv().await {
                received.take(event);
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the source leaves in time");
        received
    }

    /// Waits until `count` pictures came.
    pub(crate) async fn pictures(&mut self, count: usize) -> Received {
        let mut received = Received::default();
        let some = async {
            while received.video.len() < count {
                received.take(self.source.recv().await.expect("the source goes on"));
            }
        };
        tokio::time::timeout(PATIENCE, some).await.expect("pictures come in time");
        received
    }
}
