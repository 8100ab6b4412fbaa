//! RTMP and RTMPS: OBS and ffmpeg as they are.
//!
//! The app is `live`, the stream's name is the key: `rtmp://host/live` and the key in OBS,
//! `rtmp://host/live/KEY` in ffmpeg. A source that is refused hears why in a status.

use crate::flv::FlvReader;
use crate::limits::Door;
use crate::visit::Visit;
use crate::{Broker, Limits, Protocol, Refusal, StreamKey};
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tessera_rtmp::SessionError;
use tessera_rtmp::server::{Session, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

/// Bytes that are read at once: with a command that is not finished, the most that a source can
/// leave here before its key was accepted.
const READ: usize = 32 << 10;

/// Takes sources until `shutdown` is ready, then closes all of them. With `tls` it speaks RTMPS only.
///
/// Whether plain RTMP may listen off loopback is for the caller to decide.
pub async fn serve<B: Broker>(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    broker: Arc<B>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (door, limits) = (Door::default(), Arc::new(limits));
    let tls = tls.map(TlsAcceptor::from);
    // Dropped at the end, which ends all that are still connected.
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, or a connection that was gone at once: neither ends the others.
                tracing::warn!(%error, "could not accept an RTMP connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let place = match door.enter(peer.ip(), &limits) {
            Ok(place) => place,
            Err(why) => {
                tracing::warn!(%peer, why, "RTMP connection turned away");
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, broker, limits) = (tls.clone(), Arc::clone(&broker), Arc::clone(&limits));
        connections.spawn(async move {
            let _place = place;
            let deadline = Instant::now() + limits.handshake;
            let ended = match tls {
                None => converse(stream, peer, broker, &limits, deadline).await,
                Some(tls) => match timeout_at(deadline, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, peer, broker, &limits, deadline).await,
                    Ok(Err(error)) => Err(End::Lost(error)),
                    Err(_) => Err(End::Slow),
                },
            };
            match ended {
                Ok(()) => tracing::info!(%peer, "RTMP source left"),
                Err(end) => tracing::info!(%peer, %end, "RTMP connection closed"),
            }
        });
    }
}

/// How a connection ended, other than by the source's own word.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("nothing came for too long")]
    Slow,
    #[error(transparent)]
    Talk(#[from] SessionError),
    #[error("{0}")]
    Refused(String),
}

/// One connection.
struct Connection<S> {
    stream: S,
    session: Session,
    patience: Duration,
}

async fn converse<B: Broker, S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    broker: Arc<B>,
    limits: &Limits,
    deadline: Instant,
) -> Result<(), End> {
    let mut connection = Connection { stream, session: Session::default(), patience: limits.idle };
    let name = match timeout_at(deadline, connection.name()).await.map_err(|_| End::Slow)? {
        Ok(name) => name,
        Err(end) => {
            connection.hang_up().await;
            return Err(end);
        }
    };
    let opened = match StreamKey::parse(&name) {
        Some(key) => Visit::open(broker, key, Protocol::Rtmp, peer, limits.handshake).await,
        None => Err(Refusal::bad_key()),
    };
    match opened {
        Ok(visit) => {
            connection.session.accept();
            connection.flush().await?;
            connection.receive(visit).await
        }
        Err(refusal) => {
            connection.part(&refusal.text).await;
            Err(End::Refused(refusal.text))
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The stream name that the source wants to publish.
    async fn name(&mut self) -> Result<String, End> {
        loop {
            let step = self.session.step();
            self.flush().await?;
            match step? {
                Some(Step::Publish { name }) => return Ok(name),
                Some(Step::End) => return Err(End::Refused("it left before it sent".to_owned())),
                Some(Step::Video(..) | Step::Audio(..)) => {}
                None => self.read().await?,
            }
        }
    }

    /// Takes media until the source leaves.
    async fn receive<B: Broker>(&mut self, mut visit: Visit<B>) -> Result<(), End> {
        let mut reader = FlvReader::default();
        loop {
            let taken = match self.session.step()? {
                Some(Step::Video(ms, body)) => reader.video(ms, &body, &mut visit.tracks),
                Some(Step::Audio(ms, body)) => reader.audio(ms, &body, &mut visit.tracks),
                Some(Step::End) => return self.flush().await,
                Some(Step::Publish { .. }) => Ok(()),
                None => {
                    self.flush().await?;
                    let patience = self.patience;
                    let closed = tokio::select! {
                        closed = visit.closed() => Some(closed),
                        read = timeout(patience, self.read()) => {
                            read.map_err(|_| End::Slow)??;
                            None
                        }
                    };
                    if let Some(closed) = closed {
                        self.part(&closed.0).await;
                        return Err(End::Refused(closed.0.to_string()));
                    }
                    Ok(())
                }
            };
            let why = match taken {
                Ok(()) => visit.flush().await.err().map(|closed| closed.0.to_string()),
                Err(not_taken) => Some(not_taken.0),
            };
            if let Some(why) = why {
                self.part(&why).await;
                return Err(End::Refused(why));
            }
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        let buffer = self.session.buffer();
        buffer.reserve(READ);
        match (&mut self.stream).take(READ as u64).read_buf(buffer).await? {
            0 => Err(End::Lost(io::ErrorKind::UnexpectedEof.into())),
            count => {
                self.session.received(count);
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        let bytes: Bytes = self.session.output();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = timeout(self.patience, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        Ok(written.await.map_err(|_| End::Slow)??)
    }

    /// Says why the source may not send, and hangs up.
    async fn part(&mut self, why: &str) {
        self.session.refuse(why);
        self.hang_up().await;
    }

    async fn hang_up(&mut self) {
        // The source may be gone, or not listen; that is its own affair.
        let _ = timeout(Duration::from_millis(500), async {
            self.flush().await.ok();
            self.stream.shutdown().await.ok();
            // What it sent meanwhile is read away: unread bytes would turn the closing into a
            // reset, which discards the words above before they are read.
            let mut waste = vec![0; READ];
            while self.stream.read(&mut waste).await.is_ok_and(|count| count > 0) {}
        })
        .await;
    }
}
