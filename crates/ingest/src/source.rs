//! What a source is to the rest of the gateway: a key that asks, and then events.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, TrackFormat};
use tokio::sync::{mpsc, watch};

/// What a source says.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// What a track is from its next unit on.
    Format(TrackFormat),
    /// A coded picture or a coded frame of sound.
    Unit(TrackKind, AccessUnit),
    /// Something that was left out, in a sentence for the stream's health. Each sentence is said
    /// once a visit.
    Skipped(String),
}

/// How a source comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RTMP or RTMPS.
    Rtmp,
    /// SRT.
    Srt,
    /// Segments or a stream, pushed by HTTP.
    Http,
}

impl Protocol {
    /// The word that the master's requests have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Srt => "srt",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The secret that a source shows. It is printed nowhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamKey(String);

impl StreamKey {
    /// Longest key, in bytes.
    pub const MAX: usize = 200;

    /// Takes what a source gave as its key; `None` if no key can look like it: 1 to [`Self::MAX`]
    /// of `A-Z a-z 0-9 - _ .`.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// The secret itself, for whoever checks it.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(secret)")
    }
}

/// Decides who comes in. The gateway is one.
pub trait Broker: Send + Sync + 'static {
    /// A source shows a key. Nothing of its media was read yet, and nothing is until this answers:
    /// the source waits, but no longer than [`Limits::handshake`](crate::Limits::handshake). Dropping
    /// the future takes the question back.
    ///
    /// The same key may be shown twice at a time: whether the newer visit closes the older one or
    /// is refused is decided here.
    fn open(
        &self,
        key: StreamKey,
        protocol: Protocol,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Sink, Refusal>> + Send;
}

/// Why a source does not come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// For programs.
    pub reason: RefusalReason,
    /// For whoever runs the source: what is so, and what to do. Without the key.
    pub text: String,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// No stream has this key, or it is no longer taken. HTTP says 403.
    BadKey,
    /// Another source is sending with this key. HTTP says 409.
    InUse,
    /// Not now: too many sources, or the master cannot be asked. HTTP says 503.
    Unavailable,
}

impl Refusal {
    /// A key that is not taken.
    pub fn bad_key() -> Self {
        Self {
            reason: RefusalReason::BadKey,
            text: "this stream key is not taken here: copy it again, or rotate it".to_owned(),
        }
    }
}

/// A visit was ended by its receiver: why, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Closed(pub Arc<str>);

/// A door between a source and whoever receives it, which holds `capacity` events.
pub fn sink(capacity: usize) -> (Sink, SourceReceiver) {
    let (events, receiver) = mpsc::channel(capacity);
    let (close, closed) = watch::channel(None);
    (Sink { events, closed }, SourceReceiver { events: receiver, close })
}

/// The source's end.
#[derive(Debug)]
pub struct Sink {
    events: mpsc::Sender<SourceEvent>,
    closed: watch::Receiver<Option<Closed>>,
}

impl Sink {
    /// Hands an event over, waiting while the receiver is full.
    pub async fn send(&self, event: SourceEvent) -> Result<(), Closed> {
        tokio::select! {
            biased;
            closed = self.closed() => Err(closed),
            sent = self.events.send(event) => match sent {
                Ok(()) => Ok(()),
                Err(_) => Err(self.closed().await),
            },
        }
    }

    /// Waits until the receiver ended the visit.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.closed.clone();
        let waited = closed.wait_for(Option::is_some).await;
        waited
            .ok()
            .and_then(|why| why.clone())
            .unwrap_or_else(|| Closed("the gateway no longer takes this source".into()))
    }
}

/// The receiver's end. Dropping it closes the visit, too, though without words of its own.
#[derive(Debug)]
pub struct SourceReceiver {
    events: mpsc::Receiver<SourceEvent>,
    close: watch::Sender<Option<Closed>>,
}

impl SourceReceiver {
    /// The next event; `None` once the source left and all that it sent was taken.
    pub async fn recv(&mut self) -> Option<SourceEvent> {
        self.events.recv().await
    }

    /// Ends the visit at once. `because` may be shown to whoever runs the source.
    pub fn close(&self, because: &str) {
        self.close.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(Closed(because.into()));
            }
            first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_sent_arrives_before_the_end() {
        let (sink, mut source) = sink(2);
        sink.send(SourceEvent::Skipped("one".into())).await.unwrap();
        drop(sink);
        assert_eq!(source.recv().await, Some(SourceEvent::Skipped("one".into())));
        assert_eq!(source.recv().await, None);
    }

    #[tokio::test]
    async fn a_closed_visit_says_why_even_to_a_sender_that_waits() {
        let (sink, source) = sink(1);
        sink.send(SourceEvent::Skipped("fills it".into())).await.unwrap();
        let waiting =
            tokio::spawn(async move { sink.send(SourceEvent::Skipped("x".into())).await });
        source.close("the key was rotated");
        source.close("a second reason does not replace the first");
        assert_eq!(waiting.await.unwrap(), Err(Closed("the key was rotated".into())));
    }

    #[tokio::test]
    async fn a_dropped_receiver_closes_the_visit() {
        let (sink, source) = sink(1);
        drop(source);
        assert!(sink.send(SourceEvent::Skipped("x".into())).await.is_err());
        sink.closed().await;
    }

    #[test]
    fn keys_are_not_printed() {
        let key = StreamKey::parse("live_abc-123").unwrap();
        assert!(!format!("{key:?}").contains("abc"));
        for text in ["", "a b", "a/b", "ä", &"k".repeat(201)] {
            assert_eq!(StreamKey::parse(text), None, "{text}");
        }
    }
}
