//! One source between a server and the broker.

use crate::tracks::{Output, Tracks};
use crate::{Broker, Closed, Protocol, Refusal, RefusalReason, Sink, StreamKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A source that was let in.
pub(crate) struct Visit<B> {
    /// What it sends is put in here, and goes out with [`Self::flush`].
    pub(crate) tracks: Tracks,
    broker: Arc<B>,
    key: StreamKey,
    protocol: Protocol,
    peer: SocketAddr,
    patience: Duration,
    sink: Sink,
}

impl<B: Broker> Visit<B> {
    /// Asks the broker, for `patience` at most.
    pub(crate) async fn open(
        broker: Arc<B>,
        key: StreamKey,
        protocol: Protocol,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Self, Refusal> {
        let sink = ask(&*broker, &key, protocol, peer, patience).await?;
        Ok(Self { tracks: Tracks::default(), broker, key, protocol, peer, patience, sink })
    }

    /// Hands over what the source sent since the last call.
    pub(crate) async fn flush(&mut self) -> Result<(), Closed> {
        for output in self.tracks.take() {
            match output {
                Output::Event(event) => self.sink.send(event).await?,
                Output::Restart => self.restart().await?,
            }
        }
        Ok(())
    }

    /// Waits until the receiver ends the visit.
    pub(crate) async fn closed(&self) -> Closed {
        self.sink.closed().await
    }

    /// Leaves and comes back.
    async fn restart(&mut self) -> Result<(), Closed> {
        // Nothing listens at the other end of this one: the old visit is over when it is dropped.
        self.sink = crate::sink(1).0;
        let again = ask(&*self.broker, &self.key, self.protocol, self.peer, self.patience).await;
        self.sink = again.map_err(|refusal| Closed(refusal.text.into()))?;
        Ok(())
    }
}

async fn ask<B: Broker>(
    broker: &B,
    key: &StreamKey,
    protocol: Protocol,
    peer: SocketAddr,
    patience: Duration,
) -> Result<Sink, Refusal> {
    let answer = tokio::time::timeout(patience, broker.open(key.clone(), protocol, peer)).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Refusal {
            reason: RefusalReason::Unavailable,
            text: "the stream key could not be checked in time: try again".to_owned(),
        })
    });
    match &answer {
        Ok(_) => tracing::info!(%protocol, %peer, "source let in"),
        Err(refusal) => tracing::info!(%protocol, %peer, %refusal, "source refused"),
    }
    answer
}
