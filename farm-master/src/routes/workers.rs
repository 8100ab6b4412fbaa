//! What workers ask.

use super::extract::{Json as Body, Path};
use crate::app::App;
use crate::auth::{Enroller, Node};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use tessera_protocol::LeaseId;
use tessera_protocol::job::Why;
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView};
use tessera_protocol::stream::worker::{
    PresentedReceipts, PresentedView, StreamLeaseGrant, StreamLeaseRequest, WorkerJoinRequest,
    WorkerJoinView,
};

/// Joins as a worker, or joins again.
#[utoipa::path(
    post, path = "/node/v1/worker/join", tag = "workers", request_body = WorkerJoinRequest,
    responses((status = 200, body = WorkerJoinView))
)]
pub(super) async fn worker_join(
    _: Enroller,
    State(app): State<Arc<App>>,
    Body(request): Body<WorkerJoinRequest>,
) -> Result<Json<WorkerJoinView>, Refusal> {
    Ok(Json(app.worker_join(request).await?))
}

/// Asks for a session, and waits for one.
#[utoipa::path(
    post, path = "/node/v1/stream-leases", tag = "workers", request_body = StreamLeaseRequest,
    responses(
        (status = 200, body = StreamLeaseGrant),
        (status = 204, description = "There was none for as long as the worker would wait"),
    )
)]
pub(super) async fn stream_lease(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Body(request): Body<StreamLeaseRequest>,
) -> Result<Response, Refusal> {
    Ok(match app.stream_lease(node, request).await? {
        Some(grant) => Json(grant).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Says that the worker still holds the session.
#[utoipa::path(
    post, path = "/node/v1/stream-leases/{lease}/heartbeat", tag = "workers",
    params(("lease" = LeaseId, Path)),
    responses((status = 200, body = HeartbeatView))
)]
pub(super) async fn stream_heartbeat(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Json<HeartbeatView>, Refusal> {
    Ok(Json(app.stream_heartbeat(node, lease).await?))
}

/// Gives a session back.
#[utoipa::path(
    post, path = "/node/v1/stream-leases/{lease}/give-back", tag = "workers",
    params(("lease" = LeaseId, Path)), request_body = GiveBackRequest,
    responses((status = 204, description = "The lease has ended, now or earlier"))
)]
pub(super) async fn stream_give_back(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
    Body(request): Body<GiveBackRequest>,
) -> Result<StatusCode, Refusal> {
    app.stream_give_back(node, lease, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Presents receipts that their gateway may not have reported.
#[utoipa::path(
    post, path = "/node/v1/stream-leases/receipts", tag = "workers",
    request_body = PresentedReceipts,
    responses((status = 200, description = "Durable; the same for the same receipts", body = PresentedView))
)]
pub(super) async fn present_receipts(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Body(receipts): Body<PresentedReceipts>,
) -> Result<Json<PresentedView>, Refusal> {
    Ok(Json(app.present_receipts(node, receipts).await?))
}

/// Why the worker got no session when it asked last.
#[utoipa::path(
    get, path = "/node/v1/worker/why", tag = "workers", responses((status = 200, body = Vec<Why>))
)]
pub(super) async fn worker_why(
    Node(node): Node,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<Why>>, Refusal> {
    Ok(Json(app.why_worker(node).await?))
}
