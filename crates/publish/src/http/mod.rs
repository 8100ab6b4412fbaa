//! Everything that viewers ask for, over HTTP.
//!
//! | path | what |
//! |---|---|
//! | `/live/{playback_id}/index.m3u8` | the multivariant playlist; waits for the first segment |
//! | `/live/{playback_id}/{track}/index.m3u8` | a track's playlist, with blocking reload |
//! | `/live/{playback_id}/{track}/{session}/{file}` | media; a part that is hinted at is waited for |
//! | `/live/{playback_id}/thumbnail.jpg` | a picture that stands for the stream |
//! | `/watch/{playback_id}` | a page that plays it |
//! | `/recordings/{session}/{file}` | a complete recording: `index.m3u8`, `720p.mp4`, … |
//!
//! Every part of a path is parsed into a type ([`crate::track`]) before anything is looked up.

mod live;
mod recordings;
mod reply;
mod watch;

use crate::library::Shared;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reply::Refusal;
use std::sync::Arc;
use tessera_durable::OsDisk;

type Home = Arc<Shared<OsDisk>>;

pub(crate) fn router(home: Home) -> Router {
    Router::new()
        // Sources push to the same paths by other methods: a gateway merges both routers, for which
        // both have to spell the path alike.
        .route("/live/{key}/{file}", get(live::front).options(preflight))
        .route("/live/{playback_id}/{track}/index.m3u8", get(live::playlist))
        .route("/live/{playback_id}/{track}/{session}/{file}", get(live::media))
        .route("/watch/player.js", get(watch::script))
        .route("/watch/{playback_id}", get(watch::page))
        .route("/recordings/{session}/{file}", get(recordings::file))
        .layer(from_fn(for_any_origin))
        .with_state(home)
}

/// What a browser asks before it sends a header of its own, such as a range.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Lets pages of any origin read what is public anyway.
async fn for_any_origin(request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => preflight().await.into_response(),
        _ => next.run(request).await,
    };
    let any = HeaderValue::from_static("*");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, any.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
    let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A part of a path, as the type that it names.
fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::nothing_here())
}
