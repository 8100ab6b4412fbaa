//! What gateways ask and report.

use super::extract::{Json as Body, Path};
use crate::app::App;
use crate::auth::{Enroller, Gateway};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tessera_protocol::SessionId;
use tessera_protocol::stream::gateway::{
    AuditReport, GatewayJoinRequest, GatewayJoinView, SegmentReports, SegmentReportsView,
    SessionBeat, SessionBeatView, SessionEnd, SessionGrant, SessionRequest,
};

/// Joins as a gateway, or joins again.
#[utoipa::path(
    post, path = "/gateway/v1/join", tag = "gateways", request_body = GatewayJoinRequest,
    responses((status = 200, body = GatewayJoinView))
)]
pub(super) async fn gateway_join(
    _: Enroller,
    State(app): State<Arc<App>>,
    Body(request): Body<GatewayJoinRequest>,
) -> Result<Json<GatewayJoinView>, Refusal> {
    Ok(Json(app.gateway_join(request).await?))
}

/// Asks to publish for a source that came with a key.
#[utoipa::path(
    post, path = "/gateway/v1/sessions", tag = "gateways", request_body = SessionRequest,
    responses((status = 200, body = SessionGrant))
)]
pub(super) async fn open_session(
    Gateway(gateway): Gateway,
    State(app): State<Arc<App>>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SessionGrant>, Refusal> {
    Ok(Json(app.open_session(gateway, request).await?))
}

/// Says that the session goes on.
#[utoipa::path(
    post, path = "/gateway/v1/sessions/{session}/beat", tag = "gateways",
    params(("session" = SessionId, Path)), request_body = SessionBeat,
    responses((status = 200, body = SessionBeatView))
)]
pub(super) async fn beat(
    Gateway(gateway): Gateway,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
    Body(beat): Body<SessionBeat>,
) -> Result<Json<SessionBeatView>, Refusal> {
    Ok(Json(app.beat(gateway, session, beat).await?))
}

/// Reports published segments.
#[utoipa::path(
    post, path = "/gateway/v1/sessions/{session}/segments", tag = "gateways",
    params(("session" = SessionId, Path)), request_body = SegmentReports,
    responses((status = 200, description = "Durable; the same for the same report", body = SegmentReportsView))
)]
pub(super) async fn report_segments(
    Gateway(gateway): Gateway,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
    Body(reports): Body<SegmentReports>,
) -> Result<Json<SegmentReportsView>, Refusal> {
    Ok(Json(app.report_segments(gateway, session, reports).await?))
}

/// Reports what a picture comparison found.
#[utoipa::path(
    post, path = "/gateway/v1/sessions/{session}/audits", tag = "gateways",
    params(("session" = SessionId, Path)), request_body = AuditReport,
    responses((status = 204, description = "Noted, now or earlier"))
)]
pub(super) async fn report_audit(
    Gateway(gateway): Gateway,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
    Body(report): Body<AuditReport>,
) -> Result<StatusCode, Refusal> {
    app.report_audit(gateway, session, report).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session, or brings the recording of one that has ended.
#[utoipa::path(
    post, path = "/gateway/v1/sessions/{session}/end", tag = "gateways",
    params(("session" = SessionId, Path)), request_body = SessionEnd,
    responses((status = 204, description = "The session has ended, now or earlier"))
)]
pub(super) async fn end_session(
    Gateway(gateway): Gateway,
    State(app): State<Arc<App>>,
    Path(session): Path<SessionId>,
    Body(end): Body<SessionEnd>,
) -> Result<StatusCode, Refusal> {
    app.end_session(gateway, session, end).await?;
    Ok(StatusCode::NO_CONTENT)
}
