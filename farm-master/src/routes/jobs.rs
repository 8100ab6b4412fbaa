//! Jobs, for artists.

use super::extract::{Json as Body, OptionalJson, Page, Path, Query, idempotency_key};
use crate::app::App;
use crate::auth::Artist;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;
use tessera_farm_core::job::JobChange;
use tessera_protocol::job::{
    FramePage, FrameView, JobPage, JobSpec, JobView, ObjectionRequest, RequeueRequest, Why,
};
use tessera_protocol::log::LogPage;
use tessera_protocol::{FrameNumber, JobId};

/// Submits a job.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "people",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 printable ASCII characters")),
    request_body = JobSpec,
    responses(
        (status = 201, description = "The job is accepted", body = JobView),
        (status = 200, description = "It was accepted before, under the same key", body = JobView),
    )
)]
pub(super) async fn create_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(spec): Body<JobSpec>,
) -> Result<(StatusCode, Json<JobView>), Refusal> {
    let key = idempotency_key(&headers)?;
    let canonical = serde_json::to_vec(&spec).map_err(Refusal::internal)?;
    let idempotency = key.map(|key| (key, *blake3::hash(&canonical).as_bytes()));
    let (job, new) = app.create_job(&artist, spec, idempotency).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(job)))
}

/// Lists jobs, the newest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "people", params(Page),
    responses((status = 200, body = JobPage))
)]
pub(super) async fn list_jobs(
    artist: Artist,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<JobPage>, Refusal> {
    Ok(Json(app.jobs(&artist, page.cursor()?, page.limit()?).await?))
}

/// Shows a job.
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn get_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.job(&artist, job).await?))
}

/// Lets a job rest: no new leases.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/pause", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn pause_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.change_job(&artist, job, JobChange::Pause).await?))
}

/// Lets a paused job go on.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/resume", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn resume_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.change_job(&artist, job, JobChange::Resume).await?))
}

/// Stops a job for good.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/cancel", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn cancel_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.change_job(&artist, job, JobChange::Cancel).await?))
}

/// Has a job that failed go on. With frames, whoever renders units of them now gives them back, and others get
/// them.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/requeue", tag = "people", params(("job" = JobId, Path)),
    request_body = Option<RequeueRequest>,
    responses((status = 200, body = JobView))
)]
pub(super) async fn requeue_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
    OptionalJson(request): OptionalJson<RequeueRequest>,
) -> Result<Json<JobView>, Refusal> {
    let frames = request.unwrap_or_default().frames;
    Ok(Json(app.requeue(&artist, job, frames).await?))
}

/// Approves all frames that are assembled: they are paid, and come without lines.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/approve", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn approve_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.approve(&artist, job, None).await?))
}

/// Approves one frame.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/frames/{frame}/approve", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn approve_frame(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.approve(&artist, job, Some(frame)).await?))
}

/// Objects to a frame, which is then looked at again; the answer comes with the frame.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/frames/{frame}/reject", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)), request_body = ObjectionRequest,
    responses((status = 202, body = FrameView))
)]
pub(super) async fn reject_frame(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
    Body(request): Body<ObjectionRequest>,
) -> Result<(StatusCode, Json<FrameView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(app.object(&artist, job, frame, request).await?)))
}

/// Says why a job stands where it stands.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/why", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = Vec<Why>))
)]
pub(super) async fn why_job(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<Vec<Why>>, Refusal> {
    Ok(Json(app.why(&artist, job).await?))
}

/// Lists what became of a job's leases: who had which units, for how long and how it went; the newest first.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/log", tag = "people", params(("job" = JobId, Path), Page),
    responses((status = 200, body = LogPage))
)]
pub(super) async fn job_log(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
    Query(page): Query<Page>,
) -> Result<Json<LogPage>, Refusal> {
    Ok(Json(app.log(&artist, job, page.cursor()?, page.limit()?).await?))
}

/// Lists a job's frames by number.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/frames", tag = "people", params(("job" = JobId, Path), Page),
    responses((status = 200, body = FramePage))
)]
pub(super) async fn list_frames(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
    Query(page): Query<Page>,
) -> Result<Json<FramePage>, Refusal> {
    Ok(Json(app.frames(&artist, job, page.cursor()?, page.limit()?).await?))
}
