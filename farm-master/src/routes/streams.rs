//! Streams and their sessions, for broadcasters; gateways and workers, for the operator.

use super::extract::{Json as Body, Page, Path, Query, idempotency_key};
use crate::app::App;
use crate::auth::{Broadcaster, Operator};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;
use tessera_protocol::stream::gateway::GatewayPage;
use tessera_protocol::stream::view::{
    SegmentPage, SessionPage, SessionView, StreamKeyView, StreamPage, StreamSpec, StreamView,
};
use tessera_protocol::stream::worker::WorkerPage;
use tessera_protocol::{SessionId, StreamId};

/// Makes a stream and its key.
#[utoipa::path(
    post, path = "/v1/streams", tag = "streams",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 printable ASCII characters")),
    request_body = StreamSpec,
    responses(
        (status = 201, description = "The key is shown this once", body = StreamKeyView),
        (status = 200, description = "It was made before, under the same Idempotency-Key; the stream's key is not shown again and left empty", body = StreamKeyView),
    )
)]
pub(super) async fn create_stream(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(spec): Body<StreamSpec>,
) -> Result<(StatusCode, Json<StreamKeyView>), Refusal> {
    let key = idempotency_key(&headers)?;
    let canonical = serde_json::to_vec(&spec).map_err(Refusal::internal)?;
    let idempotency = key.map(|key| (key, *blake3::hash(&canonical).as_bytes()));
    let (stream, new) = app.create_stream(&broadcaster, spec, idempotency).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(stream)))
}

/// Lists streams, the newest first.
#[utoipa::path(
    get, path = "/v1/streams", tag = "streams", params(Page),
    responses((status = 200, body = StreamPage))
)]
pub(super) async fn list_streams(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<StreamPage>, Refusal> {
    Ok(Json(app.streams(&broadcaster, page.cursor()?, page.limit()?).await?))
}

/// Shows a stream.
#[utoipa::path(
    get, path = "/v1/streams/{stream}", tag = "streams", params(("stream" = StreamId, Path)),
    responses((status = 200, body = StreamView))
)]
pub(super) async fn get_stream(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
) -> Result<Json<StreamView>, Refusal> {
    Ok(Json(app.stream(&broadcaster, stream).await?))
}

/// Puts aside for a stream's workers what was deposited in its escrow since.
#[utoipa::path(
    post, path = "/v1/streams/{stream}/top-up", tag = "streams",
    params(("stream" = StreamId, Path)),
    responses((status = 200, body = StreamView))
)]
pub(super) async fn top_up_stream(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
) -> Result<Json<StreamView>, Refusal> {
    Ok(Json(app.fund_stream(&broadcaster, stream).await?))
}

/// Gives a stream another key; a session under the old one ends.
#[utoipa::path(
    post, path = "/v1/streams/{stream}/rotate-key", tag = "streams",
    params(("stream" = StreamId, Path)),
    responses((status = 200, description = "The key is shown this once", body = StreamKeyView))
)]
pub(super) async fn rotate_key(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
) -> Result<Json<StreamKeyView>, Refusal> {
    Ok(Json(app.rotate_key(&broadcaster, stream).await?))
}

/// Ends a stream for good, and its session.
#[utoipa::path(
    post, path = "/v1/streams/{stream}/end", tag = "streams", params(("stream" = StreamId, Path)),
    responses((status = 200, body = StreamView))
)]
pub(super) async fn end_stream(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
) -> Result<Json<StreamView>, Refusal> {
    Ok(Json(app.end_stream(&broadcaster, stream).await?))
}

/// Lists a stream's sessions, the newest first.
#[utoipa::path(
    get, path = "/v1/streams/{stream}/sessions", tag = "streams",
    params(("stream" = StreamId, Path), Page),
    responses((status = 200, body = SessionPage))
)]
pub(super) async fn list_sessions(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
    Query(page): Query<Page>,
) -> Result<Json<SessionPage>, Refusal> {
    let (cursor, limit) = (page.cursor()?, page.limit()?);
    Ok(Json(app.sessions(&broadcaster, stream, false, cursor, limit).await?))
}

/// Lists those of a stream's sessions whose recording can be played, the newest first.
#[utoipa::path(
    get, path = "/v1/streams/{stream}/recordings", tag = "streams",
    params(("stream" = StreamId, Path), Page),
    responses((status = 200, body = SessionPage))
)]
pub(super) async fn list_recordings(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(stream): Path<StreamId>,
    Query(page): Query<Page>,
) -> Result<Json<SessionPage>, Refusal> {
    let (cursor, limit) = (page.cursor()?, page.limit()?);
    Ok(Json(app.sessions(&broadcaster, stream, true, cursor, limit).await?))
}

/// Shows a session.
#[utoipa::path(
    get, path = "/v1/sessions/{session}", tag = "streams", params(("session" = SessionId, Path)),
    responses((status = 200, body = SessionView))
)]
pub(super) async fn get_session(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
) -> Result<Json<SessionView>, Refusal> {
    Ok(Json(app.session(&broadcaster, session).await?))
}

/// Lists a session's segments by number, each with who made it.
#[utoipa::path(
    get, path = "/v1/sessions/{session}/segments", tag = "streams",
    params(("session" = SessionId, Path), Page),
    responses((status = 200, body = SegmentPage))
)]
pub(super) async fn list_segments(
    broadcaster: Broadcaster,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
    Query(page): Query<Page>,
) -> Result<Json<SegmentPage>, Refusal> {
    Ok(Json(app.segments(&broadcaster, session, page.cursor()?, page.limit()?).await?))
}

/// Lists the workers.
#[utoipa::path(
    get, path = "/v1/workers", tag = "streams", params(Page),
    responses((status = 200, body = WorkerPage))
)]
pub(super) async fn list_workers(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<WorkerPage>, Refusal> {
    Ok(Json(app.workers(page.cursor()?, page.limit()?).await?))
}

/// Lists the gateways.
#[utoipa::path(
    get, path = "/v1/gateways", tag = "streams", params(Page),
    responses((status = 200, body = GatewayPage))
)]
pub(super) async fn list_gateways(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<GatewayPage>, Refusal> {
    Ok(Json(app.gateways(page.cursor()?, page.limit()?).await?))
}
