//! Files on their way: how far they are, and how they reach the disk whole or not at all.

use crate::ClientError;
use crate::transport::Transport;
use futures::TryStreamExt;
use reqwest::{Body, Response};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tessera_protocol::BlobHash;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio_util::io::ReaderStream;

/// How much of a file has travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes so far. Falls back to 0 when a broken transfer is begun again.
    pub done: u64,
    /// Bytes in all, where the other side said.
    pub total: Option<u64>,
}

/// Told after each piece of a transfer.
pub type Progress = Arc<dyn Fn(Transferred) + Send + Sync>;

/// A [`Progress`] for those who don't look.
pub fn no_progress() -> Progress {
    Arc::new(|_| {})
}

/// Pieces in which files are read: a system call for each 256 KiB is no cost any more.
const PIECE_BYTES: usize = 256 * 1024;

/// Opens `path` and makes its bytes `from..total` a request's body that is read as it is sent.
pub(crate) async fn file_body(
    path: &Path,
    from: u64,
    total: u64,
    progress: Progress,
) -> Result<Body, ClientError> {
    let mut file = File::open(path).await.map_err(ClientError::file("read", path))?;
    file.seek(SeekFrom::Start(from)).await.map_err(ClientError::file("read", path))?;
    let sent = AtomicU64::new(from);
    // A file that grows meanwhile is sent as it was looked at.
    let file = file.take(total - from);
    let pieces = ReaderStream::with_capacity(file, PIECE_BYTES).inspect_ok(move |piece| {
        let done = sent.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        progress(Transferred { done, total: Some(total) });
    });
    Ok(Body::wrap_stream(pieces))
}

/// Writes the body of `response` to `path`: first beside it, then renamed, so that a file under its
/// own name is always whole. With `expected`, another hash or more bytes than stated are refused.
pub(crate) async fn save(
    transport: &Transport,
    response: Response,
    path: &Path,
    expected: Option<(BlobHash, u64)>,
    progress: &Progress,
) -> Result<(), ClientError> {
    let part = part_of(path);
    let outcome = write_pieces(transport, response, &part, expected, progress).await;
    if outcome.is_err() {
        // What was written is of no use, and its absence no harm.
        let _ = tokio::fs::remove_file(&part).await;
    }
    outcome?;
    tokio::fs::rename(&part, path).await.map_err(ClientError::file("write", path))
}

async fn write_pieces(
    transport: &Transport,
    mut response: Response,
    part: &Path,
    expected: Option<(BlobHash, u64)>,
    progress: &Progress,
) -> Result<(), ClientError> {
    let total = response.content_length();
    let mut file = File::create(part).await.map_err(ClientError::file("write", part))?;
    let mut hasher = blake3::Hasher::new();
    let mut done = 0;
    while let Some(piece) = response.chunk().await.map_err(|error| transport.broken(&error))? {
        done += piece.len() as u64;
        if let Some((blob, limit)) = expected {
            if done > limit {
                return Err(ClientError::TooLarge { blob, limit });
            }
            hasher.update(&piece);
        }
        file.write_all(&piece).await.map_err(ClientError::file("write", part))?;
        progress(Transferred { done, total });
    }
    let found = BlobHash(*hasher.finalize().as_bytes());
    if let Some((expected, _)) = expected
        && found != expected
    {
        return Err(ClientError::WrongBytes { expected, found });
    }
    file.flush().await.map_err(ClientError::file("write", part))
}

/// Where a file grows before it has its name.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}
