//! A file on its way to the master, by [`tus`]: it goes on where a broken connection left it, and
//! where another process left it, since it is found by its hash.

use crate::transfer::{Progress, Transferred, file_body};
use crate::transport::Transport;
use crate::{Backoff, ClientError};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use tessera_protocol::job::UploadView;
use tessera_protocol::{BlobHash, UploadId, tus};

/// Sends a file. It is stored durably once this returns.
pub(crate) async fn upload(
    transport: &Transport,
    file: &Path,
    progress: Progress,
) -> Result<UploadView, ClientError> {
    let (blob, bytes) = look_at(file).await?;
    let begun = transport.repeating(|| begin(transport, blob, bytes)).await?;
    let (id, mut here) = begun;
    let known = here == bytes;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
    let mut waited = Duration::ZERO;
    while here < bytes {
        progress(Transferred { done: here, total: Some(bytes) });
        let error = match send_from(transport, id, file, here, bytes, &progress).await {
            Ok(now) => {
                here = now;
                continue;
            }
            Err(error) if may_go_on(&error) => error,
            Err(error) => return Err(error),
        };
        let wait = backoff.next_wait().max(error.retry_after().unwrap_or_default());
        waited += wait;
        if waited > transport.patience() {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        let now = transport.repeating(|| offset(transport, id)).await?;
        if now > here {
            // It gets on, however slowly.
            backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
            waited = Duration::ZERO;
        }
        here = now;
    }
    // Also where it was here already: the answer says that it is stored.
    let ended = transport.repeating(|| head(transport, id)).await?;
    let stored = ended.headers().get(tus::BLOB).and_then(|hash| hash.to_str().ok()?.parse().ok());
    match stored {
        Some(stored) if stored == blob => Ok(UploadView { blob, bytes, known }),
        Some(found) => Err(ClientError::WrongBytes { expected: blob, found }),
        None => Err(transport.not_understood("a whole upload without its hash")),
    }
}

/// Whether the upload stands and more of it may be sent.
fn may_go_on(error: &ClientError) -> bool {
    // 408: nothing came for a while. 409: another connection of ours was not over yet.
    error.is_transient() || matches!(error.status(), Some(408 | 409))
}

fn request(transport: &Transport, method: Method, path: &str) -> RequestBuilder {
    transport.request(method, path).header(tus::RESUMABLE, tus::VERSION)
}

async fn begin(
    transport: &Transport,
    blob: BlobHash,
    bytes: u64,
) -> Result<(UploadId, u64), ClientError> {
    let request = request(transport, Method::POST, "v1/tus")
        .header(tus::LENGTH, bytes)
        .header(tus::METADATA, tus::metadata(blob));
    let begun = transport.send(request).await?;
    let place = begun.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let id = place.and_then(|place| place.rsplit('/').next()?.parse().ok());
    let id = id.ok_or_else(|| transport.not_understood("an upload without a place"))?;
    Ok((id, offset_of(transport, &begun)?))
}

/// Sends what is missing, and says how far it is then.
async fn send_from(
    transport: &Transport,
    id: UploadId,
    file: &Path,
    here: u64,
    bytes: u64,
    progress: &Progress,
) -> Result<u64, ClientError> {
    let body = file_body(file, here, bytes, progress.clone()).await?;
    let request = request(transport, Method::PATCH, &format!("v1/tus/{id}"))
        .header(CONTENT_TYPE, tus::PIECE)
        .header(CONTENT_LENGTH, bytes - here)
        .header(tus::OFFSET, here)
        .body(body);
    offset_of(transport, &transport.send(request).await?)
}

async fn head(transport: &Transport, id: UploadId) -> Result<Response, ClientError> {
    transport.send(request(transport, Method::HEAD, &format!("v1/tus/{id}"))).await
}

async fn offset(transport: &Transport, id: UploadId) -> Result<u64, ClientError> {
    offset_of(transport, &head(transport, id).await?)
}

fn offset_of(transport: &Transport, response: &Response) -> Result<u64, ClientError> {
    let offset = response.headers().get(tus::OFFSET);
    let offset = offset.and_then(|offset| offset.to_str().ok()?.parse().ok());
    offset.ok_or_else(|| transport.not_understood("an upload that is at no byte"))
}

/// A file's hash and size.
async fn look_at(path: &Path) -> Result<(BlobHash, u64), ClientError> {
    let path = path.to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        let unreadable = ClientError::file("read", &path);
        let look = || {
            let mut file = std::fs::File::open(&path)?;
            let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
            let mut piece = vec![0; 1 << 20];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok((BlobHash(*hasher.finalize().as_bytes()), bytes)),
                    n => {
                        hasher.update(&piece[..n]);
                        bytes += n as u64;
                    }
                }
            }
        };
        look().map_err(unreadable)
    });
    looking.await.expect("reading a file does not panic")
}
