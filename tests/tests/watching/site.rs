//! Files in memory, at an address.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Bytes>;

/// A server, which ends when it is dropped.
pub(crate) struct Site {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn serve(files: Files) -> Self {
        let files = Arc::new(files);
        Self::route(Router::new().route("/{name}", get(file)).with_state(files)).await
    }

    /// The same, but that files whose names end with `gated` are given out only when `gate` is closed,
    /// which lets everybody through.
    pub(crate) async fn serve_gated(
        files: Files,
        gated: &'static str,
        gate: Arc<Semaphore>,
    ) -> Self {
        let files = Arc::new(files);
        let gated_file = async move |files: State<Arc<Files>>, name: Path<String>| {
            if name.0.ends_with(gated) {
                let _ = gate.acquire().await;
            }
            file(files, name).await
        };
        Self::route(Router::new().route("/{name}", get(gated_file)).with_state(files)).await
    }

    pub(crate) async fn route(routes: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, server }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn file(State(files): State<Arc<Files>>, Path(name): Path<String>) -> Response {
    match files.get(&name) {
        Some(bytes) => answer(bytes.clone(), &name),
        None => (StatusCode::NOT_FOUND, any_page()).into_response(),
    }
}

/// Other sites' pages may read it.
fn any_page() -> [(header::HeaderName, &'static str); 1] {
    [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")]
}

pub(crate) fn answer(bytes: Bytes, name: &str) -> Response {
    let kind = if name.ends_with(".m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp4" };
    (any_page(), [(header::CONTENT_TYPE, kind)], bytes).into_response()
}
