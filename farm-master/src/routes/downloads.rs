//! Files go out.

use super::extract::Path;
use crate::app::App;
use crate::auth::{Artist, Node};
use crate::blobs::Key;
use crate::problem::Refusal;
use crate::sums::Sums;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use tessera_protocol::{BlobHash, FrameNumber, JobId};
use tokio_util::io::ReaderStream;

/// A frame's linear picture.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/frames/{frame}/exr", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)),
    responses((status = 200, content_type = "image/x-exr", body = Vec<u8>))
)]
pub(super) async fn get_exr(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
) -> Result<Response, Refusal> {
    app.approved(&artist, job, frame).await?;
    send(&app, Key::Exr(job, frame), "image/x-exr").await
}

/// A frame's picture for displays; under lines while it waits for its owner's approval.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/frames/{frame}/png", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)),
    responses((status = 200, content_type = "image/png", body = Vec<u8>))
)]
pub(super) async fn get_png(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
) -> Result<Response, Refusal> {
    if app.assembled(&artist, job, frame).await?.approve_by_ms.is_some() {
        let png = app.watermarked(job, frame).await?;
        return Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response());
    }
    send(&app, Key::Png(job, frame), "image/png").await
}

/// A job's film.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/movie", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, content_type = "video/mp4", body = Vec<u8>))
)]
pub(super) async fn get_movie(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Response, Refusal> {
    app.filmed(&artist, job).await?;
    send(&app, Key::Movie(job), "video/mp4").await
}

/// An upload that a lease of this node needs.
#[utoipa::path(
    get, path = "/node/v1/blobs/{blob}", tag = "nodes", params(("blob" = BlobHash, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
pub(super) async fn get_blob(
    Node(node): Node,
    State(app): State<Arc<App>>,
    Path(blob): Path<BlobHash>,
) -> Result<Response, Refusal> {
    app.need_read(node, blob).await?;
    send(&app, Key::Upload(blob), "application/octet-stream").await
}

pub(super) async fn send(app: &App, key: Key, kind: &'static str) -> Result<Response, Refusal> {
    send_file(&app.blobs.path(key), kind).await
}

/// What a lease brought.
pub(super) async fn send_sums(app: &App, sums: Sums) -> Result<Response, Refusal> {
    const KIND: &str = "application/octet-stream";
    match sums {
        Sums::File(key) => send(app, key, KIND).await,
        Sums::Bytes(body) => Ok(([(header::CONTENT_TYPE, KIND)], body).into_response()),
    }
}

pub(super) async fn send_file(
    path: &std::path::Path,
    kind: &'static str,
) -> Result<Response, Refusal> {
    let unreadable = |error| Refusal::internal(format!("{}: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let bytes = file.metadata().await.map_err(unreadable)?.len();
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_LENGTH, bytes.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(file, 1 << 16))).into_response())
}
