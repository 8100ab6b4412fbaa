//! The HTTP door: connections accepted under limits, with or without TLS.

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once: a viewer holds one or two.
const CONNECTIONS: usize = 10_000;
/// A request's headers, by number, bytes, and the time they may take.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 << 10;
const HEADERS_WITHIN: Duration = Duration::from_secs(60);
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// Serves until `stop` is ready, then cuts off what is under way.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    serve_at_once(CONNECTIONS, listener, tls, router, stop).await;
}

async fn serve_at_once(
    connections_at_once: usize,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(connections_at_once));
    let tls = tls.map(TlsAcceptor::from);
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accept = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
            listener.accept().await.map(|accepted| (permit, accepted))
        };
        let accepted = tokio::select! {
            () = &mut stop => return,
            Some(_) = connections.join_next() => continue,
            accepted = accept => accepted,
        };
        let (permit, (stream, peer)) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly too many open files: others must end first.
                tracing::warn!(%error, "could not accept an HTTP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        // Handlers learn the peer's address as an extension of each request.
        let router = router.clone().layer(axum::Extension(ConnectInfo::<SocketAddr>(peer)));
        let tls = tls.clone();
        connections.spawn(async move {
            let _permit = permit;
            match tls {
                None => answer(stream, router).await,
                Some(tls) => match tokio::time::timeout(TLS_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => answer(stream, router).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
        });
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn it_stops_when_told_though_all_places_are_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let serving = tokio::spawn(serve_at_once(1, listener, None, router, stopped));
        let mut viewer = TcpStream::connect(address).await.unwrap();
        viewer.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        // Answered, so it has the only place; and it stays.
        viewer.read_u8().await.unwrap();
        stop.send(()).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), serving).await;
        ended.expect("it waits for a place").unwrap();
    }
}
