//! Receipts, and what is needed to check them.

use super::downloads::{send, send_sums};
use super::extract::{Page, Path, Query};
use crate::app::App;
use crate::auth::{Artist, Node};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;
use tessera_protocol::receipt::{Receipt, ReceiptPage};
use tessera_protocol::{BlobHash, JobId, LeaseId};

/// Lists a job's receipts, in the order of its leases.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/receipts", tag = "people", params(("job" = JobId, Path), Page),
    responses((status = 200, body = ReceiptPage))
)]
pub(super) async fn list_receipts(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
    Query(page): Query<Page>,
) -> Result<Json<ReceiptPage>, Refusal> {
    Ok(Json(app.receipts(&artist, job, page.cursor()?, page.limit()?).await?))
}

/// A file of a job: its scene, or its environment.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/files/{blob}", tag = "people",
    params(("job" = JobId, Path), ("blob" = BlobHash, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
pub(super) async fn get_file(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, blob)): Path<(JobId, BlobHash)>,
) -> Result<Response, Refusal> {
    let key = app.file_of(&artist, job, blob).await?;
    send(&app, key, "application/octet-stream").await
}

/// The receipt of one lease.
#[utoipa::path(
    get, path = "/v1/leases/{lease}/receipt", tag = "people", params(("lease" = LeaseId, Path)),
    responses((status = 200, body = Receipt))
)]
pub(super) async fn get_receipt(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Json<Receipt>, Refusal> {
    Ok(Json(app.receipt(&artist, lease).await?))
}

/// What a lease brought, as its node sent it.
#[utoipa::path(
    get, path = "/v1/leases/{lease}/result", tag = "people", params(("lease" = LeaseId, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
pub(super) async fn get_result(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Response, Refusal> {
    let sums = app.result_of(&artist, lease).await?;
    send_sums(&app, sums).await
}

/// The receipt of one of the node's own leases.
#[utoipa::path(
    get, path = "/node/v1/leases/{lease}/receipt", tag = "nodes",
    params(("lease" = LeaseId, Path)), responses((status = 200, body = Receipt))
)]
pub(super) async fn get_own_receipt(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(lease): Path<LeaseId>,
) -> Result<Json<Receipt>, Refusal> {
    Ok(Json(app.own_receipt(node, lease).await?))
}
