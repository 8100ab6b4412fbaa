//! Connections: accepted under a limit, read under limits, ended in an orderly way.

mod room;

use crate::routes::Peer;
use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use room::{Place, QuietNow, Room};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Connections at once: every node holds one.
const CONNECTIONS: u64 = 20_000;
/// Files that are left for everything else: the database, uploads, scenes.
const OTHER_FILES: u64 = 512;
/// Headers of a request, by number, bytes, and the time they may take. That runs while a connection
/// rests, too: it is longer than clients keep a resting one, so that they are the ones to close it.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 << 10;
const HEADERS_WITHIN: Duration = Duration::from_secs(120);
/// Who has just come or just been answered may be about to ask.
const GRACE: Duration = Duration::from_secs(1);
/// How long requests that are under way may take when the master stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stopping`, then lets what is under way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, stopping: CancellationToken) {
    serve_in(Room::new(size_of_room(), GRACE), listener, router, stopping).await;
}

async fn serve_in(room: Room, listener: TcpListener, router: Router, stopping: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly too many open files: others must end first.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = tokio::select! {
            place = room.place() => place,
            () = stopping.cancelled() => break,
        };
        let (router, stopping) = (router.clone(), stopping.clone());
        tokio::spawn(serve_connection(stream, peer.ip(), router, place, stopping));
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, room.empty()).await.is_err() {
        tracing::warn!("some requests did not end in time and are cut off");
    }
}

/// How many connections there may be: as many as files may be open, which is made as many as may be.
fn size_of_room() -> u32 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(CONNECTIONS + OTHER_FILES);
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the number of open files could not be raised");
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = files.saturating_sub(OTHER_FILES).max(files / 2).clamp(1, CONNECTIONS);
    if connections < CONNECTIONS {
        tracing::warn!("at most {files} files may be open: {connections} connections are taken");
    }
    u32::try_from(connections).unwrap_or(1)
}

async fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    place: Place,
    stopping: CancellationToken,
) {
    // Answers are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let leave = place.leave();
    let turn = Arc::new(Turn { quiet: Mutex::new(Some(place.quiet())), place });
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let asked = Asked::on(&turn);
        let answer = router.call(request);
        async move {
            answer
                .await
                .map(|answer: Response<Body>| answer.map(|body| Answer { body, _asked: asked }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leave.cancelled() => return,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Whether somebody waits for an answer on a connection.
struct Turn {
    place: Place,
    quiet: Mutex<Option<QuietNow>>,
}

/// Somebody does, from the request's headers to the last byte of its answer.
struct Asked(Arc<Turn>);

impl Asked {
    fn on(turn: &Arc<Turn>) -> Self {
        turn.quiet.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self(turn.clone())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let quiet = self.0.place.quiet();
        *self.0.quiet.lock().unwrap_or_else(PoisonError::into_inner) = Some(quiet);
    }
}

/// An answer's body, which is asked for as long as it is there.
struct Answer {
    body: Body,
    _asked: Asked,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    /// A server whose `/slow` says when it is asked, and answers when it is told to.
    struct World {
        address: SocketAddr,
        asked: Arc<Notify>,
        done: Arc<Notify>,
    }

    async fn server(size: u32, grace: Duration) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, done) = <(Arc<Notify>, Arc<Notify>)>::default();
        let world = World { address, asked: asked.clone(), done: done.clone() };
        let slow = async move || {
            asked.notify_one();
            done.notified().await;
        };
        let router = Router::new().route("/", get(async || "here")).route("/slow", get(slow));
        let room = Room::new(size, grace);
        tokio::spawn(serve_in(room, listener, router, CancellationToken::new()));
        world
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// What comes up to the end of the connection.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        // A connection that was reset has ended as well.
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn whoever_dawdles_makes_room_for_whoever_asks() {
        let World { address, .. } = server(4, Duration::ZERO).await;
        let mut dawdlers = Vec::new();
        for round in 0..50 {
            dawdlers.push(send(address, "GET / HTTP/1.1\r\nX-Never-Ends: a").await);
            let answer = rest(send(address, ASK).await).await;
            assert!(answer.ends_with("here"), "after {round}: {answer}");
        }
        let gone = dawdlers.swap_remove(0);
        assert_eq!(rest(gone).await, "", "the first is cut off without an answer");
    }

    #[tokio::test]
    async fn whoever_waits_for_an_answer_is_not_sent_away() {
        let World { address, asked, done } = server(2, Duration::ZERO).await;
        let waits = send(address, SLOW).await;
        asked.notified().await;
        for _ in 0..20 {
            let _dawdles = send(address, "GET").await;
            assert!(rest(send(address, ASK).await).await.ends_with("here"));
        }
        done.notify_one();
        assert!(rest(waits).await.starts_with("HTTP/1.1 200 OK"));
    }

    #[tokio::test]
    async fn who_has_just_come_is_given_a_moment_and_the_next_waits() {
        let World { address, asked, done } = server(1, Duration::from_secs(3600)).await;
        let waits = send(address, SLOW).await;
        let next = tokio::spawn(rest(send(address, ASK).await));
        asked.notified().await;
        assert!(!next.is_finished());
        done.notify_one();
        assert!(rest(waits).await.starts_with("HTTP/1.1 200 OK"));
        assert!(next.await.unwrap().ends_with("here"));
    }
}
