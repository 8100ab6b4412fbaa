//! Files come in.

use super::extract::{malformed, too_large};
use crate::app::App;
use crate::auth::Artist;
use crate::blobs::{BlobError, Folder};
use crate::problem::{Code, Refusal};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use futures::{Stream, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_protocol::BlobHash;
use tessera_protocol::job::UploadView;
use tokio::sync::mpsc;

/// Longest silence between two pieces of an upload.
const PIECE_WITHIN: Duration = Duration::from_secs(30);
/// Longest upload.
pub(super) const WHOLE_BODY_WITHIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Pieces between network and disk.
const PIECES: usize = 16;

/// Sends a file: a scene or an environment map.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "people",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "The file is durable", body = UploadView))
)]
pub(super) async fn create_upload(
    artist: Artist,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<UploadView>), Refusal> {
    let limit = app.config.upload_bytes_max;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit) {
        return Err(too_large(limit));
    }
    let _permit = app.limits.uploads.clone().try_acquire_owned().map_err(|_| {
        Refusal::overloaded("As many uploads as the master takes at once are on their way")
    })?;
    let (blob, bytes) = store(&app.blobs, body, limit).await?;
    let known = app.enter_upload(blob, bytes, artist.id()).await?;
    app.counters.upload_bytes.fetch_add(bytes, Ordering::Relaxed);
    Ok((StatusCode::CREATED, Json(UploadView { blob, bytes, known })))
}

/// Writes and hashes on a thread of its own while the body arrives. The file is durable when this
/// returns, and gone if it fails or is dropped.
async fn store(blobs: &Folder, body: Body, limit: u64) -> Result<(BlobHash, u64), Refusal> {
    let (pieces, mut arriving) = mpsc::channel::<Piece>(PIECES);
    let blobs = blobs.clone();
    let written = tokio::task::spawn_blocking(move || -> Result<Option<_>, BlobError> {
        let mut upload = blobs.upload()?;
        while let Some(piece) = arriving.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => upload.write(&bytes)?,
                Piece::End => return upload.commit().map(Some),
            }
        }
        Ok(None)
    });
    let received = receive(body, limit, pieces).await;
    let written = written.await.map_err(Refusal::internal)??;
    received?;
    written.ok_or_else(|| malformed("The body broke off."))
}

enum Piece {
    Bytes(Bytes),
    /// The body is whole: without it a broken connection would look like a short file.
    End,
}

async fn receive(body: Body, limit: u64, pieces: mpsc::Sender<Piece>) -> Result<(), Refusal> {
    let mut stream = body.into_data_stream();
    let mut bytes = 0;
    while let Some(piece) = next_piece(&mut stream).await? {
        bytes += piece.len() as u64;
        if bytes > limit {
            return Err(too_large(limit));
        }
        if pieces.send(Piece::Bytes(piece)).await.is_err() {
            // The disk failed; the writer says how.
            return Ok(());
        }
    }
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

/// What comes next of a body, `None` at its end.
pub(super) async fn next_piece(
    body: &mut (impl Stream<Item = Result<Bytes, axum::Error>> + Unpin),
) -> Result<Option<Bytes>, Refusal> {
    match tokio::time::timeout(PIECE_WITHIN, body.next()).await {
        Ok(piece) => {
            piece.transpose().map_err(|error| malformed(format!("The body broke off: {error}.")))
        }
        Err(_) => Err(Refusal::new(
            Code::RequestTimedOut,
            format!("Nothing came for {} s; send the file again.", PIECE_WITHIN.as_secs()),
        )),
    }
}
