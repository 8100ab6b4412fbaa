//! Files come in, a piece at a time: [`tessera_protocol::tus`].

use super::extract::{Path, malformed, too_large};
use super::uploads::next_piece;
use crate::app::App;
use crate::auth::Artist;
use crate::blobs::{BlobError, Partial};
use crate::problem::{Code, Refusal};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tessera_protocol::job::UploadView;
use tessera_protocol::{UploadId, tus};
use tokio::sync::mpsc;

/// Where uploads are begun.
pub(super) const ROOT: &str = "/v1/tus";
/// Pieces between network and disk.
const PIECES: usize = 16;

/// Says what is spoken here.
#[utoipa::path(
    options, path = "/v1/tus", tag = "people", security(()),
    responses((status = 204, description = "See the headers Tus-Version, Tus-Extension, Tus-Max-Size"))
)]
pub(super) async fn tus_options(State(app): State<Arc<App>>) -> Response {
    let headers = AppendHeaders([
        ("tus-version", tus::VERSION.to_owned()),
        ("tus-extension", "creation,termination".to_owned()),
        ("tus-max-size", app.config.upload_bytes_max.to_string()),
    ]);
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begins an upload, or takes up one of the same bytes.
#[utoipa::path(
    post, path = "/v1/tus", tag = "people",
    responses((status = 201, description = "Location is where its bytes go"))
)]
pub(super) async fn begin_tus(
    artist: Artist,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    speaks_tus(&headers)?;
    let bytes = number(&headers, tus::LENGTH)?;
    if bytes > app.config.upload_bytes_max {
        return Err(too_large(app.config.upload_bytes_max));
    }
    let metadata = text(&headers, tus::METADATA)?.unwrap_or_default();
    let announced = tus::announced(metadata)
        .map_err(|problem| malformed(format!("In {}, {problem}.", tus::METADATA)))?;
    let (id, here) = app.begin_upload(artist.id(), bytes, announced).await?;
    let headers = AppendHeaders([
        (header::LOCATION, format!("{ROOT}/{id}")),
        (HeaderName::from_static(tus::OFFSET), here.to_string()),
    ]);
    Ok((StatusCode::CREATED, headers).into_response())
}

/// How far an upload is. Whoever sends its bytes is cut off: the answer is what holds from now on.
#[utoipa::path(
    head, path = "/v1/tus/{upload}", tag = "people", params(("upload" = UploadId, Path)),
    responses((status = 200, description = "Upload-Offset, Upload-Length, and Tessera-Blob once it is whole"))
)]
pub(super) async fn head_tus(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    speaks_tus(&headers)?;
    app.known_upload(id, |owner| artist.may_see(owner)).await?;
    let _turn = app.turns.take(id).await;
    let partial = app.known_upload(id, |owner| artist.may_see(owner)).await?;
    let mut response = far(&app, id, partial).await?;
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// Sends the bytes from an offset on. What came of them is durable, also where they broke off.
#[utoipa::path(
    patch, path = "/v1/tus/{upload}", tag = "people", params(("upload" = UploadId, Path)),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Upload-Offset, and Tessera-Blob once it is whole"))
)]
pub(super) async fn patch_tus(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    speaks_tus(&headers)?;
    if text(&headers, "content-type")? != Some(tus::PIECE) {
        return Err(Refusal::new(
            Code::MediaTypeRefused,
            format!("This route takes a body with Content-Type: {}.", tus::PIECE),
        ));
    }
    let offset = number(&headers, tus::OFFSET)?;
    let _permit = app.limits.uploads.clone().try_acquire_owned().map_err(|_| {
        Refusal::overloaded("As many uploads as the master takes at once are on their way")
    })?;
    app.known_upload(id, |owner| artist.may_see(owner)).await?;
    let turn = app.turns.take(id).await;
    let partial = app.known_upload(id, |owner| artist.may_see(owner)).await?;
    if partial.durable != offset {
        return Err(Refusal::new(
            Code::OffsetDiffers,
            format!("{} bytes are here: go on from there.", partial.durable),
        ));
    }
    let left = partial.bytes - partial.durable;
    let over = turn.over.clone();
    let (pieces, mut arriving) = mpsc::channel::<Bytes>(PIECES);
    // It writes to its end whatever becomes of the request, and holds the turn that long.
    let writer = app.clone();
    let writing = tokio::task::spawn_blocking(move || -> Result<Partial, BlobError> {
        let (app, _turn) = (writer, turn);
        let mut growing = app.blobs.go_on(id, partial)?;
        while let Some(piece) = arriving.blocking_recv() {
            growing.write(&piece, app.clock.now_ms())?;
            app.counters.upload_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        growing.close(app.clock.now_ms())
    });
    let received = tokio::select! {
        received = receive(body, left, pieces) => received,
        () = over.cancelled() => Err(Refusal::new(
            Code::OffsetDiffers,
            "Another connection goes on with this upload; ask how far it is.",
        )),
    };
    let partial = writing.await.map_err(Refusal::internal)??;
    received?;
    far(&app, id, partial).await
}

/// Gives an upload up.
#[utoipa::path(
    delete, path = "/v1/tus/{upload}", tag = "people", params(("upload" = UploadId, Path)),
    responses((status = 204, description = "Nothing of it is kept"))
)]
pub(super) async fn delete_tus(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    speaks_tus(&headers)?;
    app.known_upload(id, |owner| artist.may_see(owner)).await?;
    app.forget_upload(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says how far an upload is, after it was ended if all its bytes are here.
async fn far(app: &Arc<App>, id: UploadId, partial: Partial) -> Result<Response, Refusal> {
    let (here, bytes) = (partial.durable, partial.bytes);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(tus::OFFSET, here.into());
    headers.insert(tus::LENGTH, bytes.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if here == bytes {
        let UploadView { blob, .. } = app.end_upload(id, partial).await?;
        let blob = HeaderValue::try_from(blob.to_string()).expect("hexadecimal digits");
        headers.insert(tus::BLOB, blob);
    }
    Ok(response)
}

/// Passes on what comes, up to `left` bytes.
async fn receive(body: Body, mut left: u64, pieces: mpsc::Sender<Bytes>) -> Result<(), Refusal> {
    let mut stream = body.into_data_stream();
    while let Some(piece) = next_piece(&mut stream).await? {
        let bytes = piece.len() as u64;
        left = left.checked_sub(bytes).ok_or_else(|| {
            Refusal::new(Code::BodyTooLarge, "More bytes came than the upload has left.")
        })?;
        if pieces.send(piece).await.is_err() {
            // The disk failed; the writer says how.
            break;
        }
    }
    Ok(())
}

fn speaks_tus(headers: &HeaderMap) -> Result<(), Refusal> {
    if text(headers, tus::RESUMABLE)? == Some(tus::VERSION) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::TusVersionDiffers,
        format!("Say Tus-Resumable: {}; no other version is spoken here.", tus::VERSION),
    ))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let value = headers.get(name).map(|value| value.to_str()).transpose();
    value.map_err(|_| malformed(format!("{name} is no plain text.")))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Refusal> {
    let value = text(headers, name)?.and_then(|text| text.parse().ok());
    value.ok_or_else(|| malformed(format!("{name} has to be a number of bytes.")))
}
