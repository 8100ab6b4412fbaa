//! Nodes, and tokens to let them in.

use super::extract::{Json as Body, Path, read_body};
use crate::app::{App, SUBMIT_PERMIT};
use crate::auth::{Enroller, Node, Operator};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use tessera_farm_core::lease::MAX_RAW_BYTES;
use tessera_protocol::LeaseId;
use tessera_protocol::house::{NodeReport, ReportView};
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, LeaseRequest};
use tessera_protocol::node::{ChallengeView, JoinRequest, JoinView};
use tessera_protocol::submit::{MAX_HEADER_BYTES, SubmitView};
use tessera_protocol::token::{TokenRequest, TokenView};

/// Largest submit: its header and sums that do not compress at all.
const SUBMIT_MAX: usize = MAX_RAW_BYTES as usize + MAX_RAW_BYTES as usize / 8 + MAX_HEADER_BYTES;

/// Makes a token for an artist, an operator, or to let nodes in.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "people", request_body = TokenRequest,
    responses((status = 201, description = "Shown this once", body = TokenView))
)]
pub(super) async fn create_token(
    _: Operator,
    State(app): State<Arc<App>>,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenView>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.create_token(request).await?)))
}

/// Asks for something to sign, so as to join.
#[utoipa::path(
    post, path = "/node/v1/challenge", tag = "nodes",
    responses((status = 200, body = ChallengeView))
)]
pub(super) async fn challenge(
    _: Enroller,
    State(app): State<Arc<App>>,
) -> Result<Json<ChallengeView>, Refusal> {
    Ok(Json(app.challenge()?))
}

/// Joins, or joins again.
#[utoipa::path(
    post, path = "/node/v1/join", tag = "nodes", request_body = JoinRequest,
    responses((status = 200, body = JoinView))
)]
pub(super) async fn join(
    enroller: Enroller,
    State(app): State<Arc<App>>,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinView>, Refusal> {
    Ok(Json(app.join(enroller.owner(), request).await?))
}

/// Says how the node's machine is, and whether the node rests; hears what its owner wants.
#[utoipa::path(
    put, path = "/node/v1/report", tag = "nodes", request_body = NodeReport,
    responses((
        status = 200, description = "It is shown to the node's owner for a minute", body = ReportView
    ))
)]
pub(super) async fn report(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Body(report): Body<NodeReport>,
) -> Result<Json<ReportView>, Refusal> {
    Ok(Json(app.note_report(node, report).await?))
}

/// Asks for work, and waits for some.
#[utoipa::path(
    post, path = "/node/v1/lease", tag = "nodes", request_body = LeaseRequest,
    responses(
        (status = 200, body = LeaseGrant),
        (status = 204, description = "There was no work for as long as the node would wait"),
    )
)]
pub(super) async fn lease(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Body(request): Body<LeaseRequest>,
) -> Result<Response, Refusal> {
    Ok(match app.lease(node, request).await? {
        Some(grant) => Json(grant).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Says that the work goes on.
#[utoipa::path(
    post, path = "/node/v1/leases/{lease}/heartbeat", tag = "nodes",
    params(("lease" = LeaseId, Path)),
    responses((status = 200, body = HeartbeatView))
)]
pub(super) async fn heartbeat(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Json<HeartbeatView>, Refusal> {
    Ok(Json(app.heartbeat(node, lease).await?))
}

/// Brings a lease's results.
#[utoipa::path(
    post, path = "/node/v1/leases/{lease}/submit", tag = "nodes",
    params(("lease" = LeaseId, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "Durable; the same for the same commit", body = SubmitView))
)]
pub(super) async fn submit(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<SubmitView>, Refusal> {
    // A body takes its memory before it is read; one of unknown length takes the most.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
    let bytes = announced.unwrap_or(SUBMIT_MAX as u64).min(SUBMIT_MAX as u64);
    let permits = u32::try_from(bytes.div_ceil(SUBMIT_PERMIT)).map_err(Refusal::internal)?;
    let permit = app.limits.submits.clone().acquire_many_owned(permits).await;
    let permit = permit.map_err(Refusal::internal)?;
    let body = read_body(body, SUBMIT_MAX).await?;
    // In a task of its own: once begun it ends, though the node may hang up.
    let work = tokio::spawn(async move {
        let answer = app.submit(node, lease, body).await;
        drop(permit);
        answer
    });
    Ok(Json(work.await.map_err(Refusal::internal)??))
}

/// Ends a lease without a result.
#[utoipa::path(
    post, path = "/node/v1/leases/{lease}/give-back", tag = "nodes",
    params(("lease" = LeaseId, Path)), request_body = GiveBackRequest,
    responses((status = 204, description = "The lease has ended, now or earlier"))
)]
pub(super) async fn give_back(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
    Body(request): Body<GiveBackRequest>,
) -> Result<StatusCode, Refusal> {
    app.give_back(node, lease, request).await?;
    Ok(StatusCode::NO_CONTENT)
}
