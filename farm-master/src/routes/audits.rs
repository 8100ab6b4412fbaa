//! Audits for auditors in processes of their own.

use super::downloads::send_sums;
use super::extract::{Json as Body, Path};
use crate::app::App;
use crate::auth::Operator;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use tessera_protocol::audit::{AuditFinding, AuditGrant, AuditRequest};
use tessera_protocol::lease::HeartbeatView;
use tessera_protocol::{AuditId, LeaseId};

/// Asks for results to look at, and waits for some.
#[utoipa::path(
    post, path = "/auditor/v1/audits", tag = "auditors", request_body = AuditRequest,
    responses(
        (status = 200, body = AuditGrant),
        (status = 204, description = "There were none for as long as the auditor would wait"),
    )
)]
pub(super) async fn lease_audit(
    _: Operator,
    State(app): State<Arc<App>>,
    Body(request): Body<AuditRequest>,
) -> Result<Response, Refusal> {
    Ok(match app.lease_audit(request).await? {
        Some(grant) => Json(grant).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// A result that waits for an audit, as its node sent it.
#[utoipa::path(
    get, path = "/auditor/v1/results/{lease}", tag = "auditors", params(("lease" = LeaseId, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
pub(super) async fn get_unaudited(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Response, Refusal> {
    let sums = app.unaudited_result(lease).await?;
    send_sums(&app, sums).await
}

/// Says what was found of one result.
#[utoipa::path(
    post, path = "/auditor/v1/audits/{audit}/findings", tag = "auditors",
    params(("audit" = AuditId, Path)), request_body = AuditFinding,
    responses((status = 204, description = "It is kept, or the result is looked at again"))
)]
pub(super) async fn report_finding(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(audit): Path<AuditId>,
    Body(finding): Body<AuditFinding>,
) -> Result<StatusCode, Refusal> {
    app.report_finding(audit, finding).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says that the auditor still works.
#[utoipa::path(
    post, path = "/auditor/v1/audits/{audit}/heartbeat", tag = "auditors",
    params(("audit" = AuditId, Path)), responses((status = 200, body = HeartbeatView))
)]
pub(super) async fn audit_heartbeat(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(audit): Path<AuditId>,
) -> Result<Json<HeartbeatView>, Refusal> {
    Ok(Json(HeartbeatView { alive: app.auditor_is_alive(audit) }))
}
