//! A frame while it is rendered.

use super::downloads::send;
use super::extract::Path;
use crate::app::{App, Shown};
use crate::auth::Artist;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use tessera_protocol::mosaic::TilesView;
use tessera_protocol::{FrameNumber, JobId};

/// How far each tile of a frame is.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/frames/{frame}/tiles", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)),
    responses((status = 200, body = TilesView))
)]
pub(super) async fn get_tiles(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
) -> Result<Json<TilesView>, Refusal> {
    Ok(Json(app.tiles(&artist, job, frame).await?))
}

/// The picture of what is verified of a frame so far; the rest is transparent. Of a large frame it is smaller.
/// Under lines while the frame is paid for and not approved.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/frames/{frame}/preview", tag = "people",
    params(("job" = JobId, Path), ("frame" = FrameNumber, Path)),
    responses(
        (status = 200, description = "With an ETag", content_type = "image/png", body = Vec<u8>),
        (status = 304, description = "The picture is as If-None-Match has it"),
    )
)]
pub(super) async fn get_preview(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path((job, frame)): Path<(JobId, FrameNumber)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let sight = app.sight(&artist, job, frame).await?;
    let tag = HeaderValue::try_from(&sight.tag).map_err(Refusal::internal)?;
    let known = headers.get(header::IF_NONE_MATCH) == Some(&tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match app.show(sight).await? {
            Shown::File(key) => send(&app, key, "image/png").await?,
            Shown::Png(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
