//! How a machine becomes a node by one line: a script with this master's own address and the checksum of
//! the program that it fetches from here. Where the operator has signed the program (`render-node release`),
//! nodes that trust its key take the same program for an update; the master itself holds no such key.

use super::downloads::send_file;
use super::extract::malformed;
use crate::app::App;
use crate::problem::{Code, Refusal};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tessera_protocol::BlobHash;
use tessera_protocol::release::Release;

const SCRIPT: &str = include_str!("install.sh");
/// What `uname -s` and `uname -m` say where the program runs: nodes run what the master runs on.
const SYSTEM: &str = if cfg!(target_arch = "aarch64") { "Linux aarch64" } else { "Linux x86_64" };

/// A program's checksum, and of which file it is: another size or time is another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    bytes: u64,
    changed: SystemTime,
    sums: Sums,
}

/// As the script checks it, and as a release names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    sha256: [u8; 32],
    blake3: BlobHash,
}

/// The script that installs a node.
#[utoipa::path(
    get, path = "/install.sh", tag = "program", security(()),
    responses((status = 200, content_type = "text/x-shellscript", body = String))
)]
pub(super) async fn install_script(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let sums = checksum(&app).await?;
    let key = release(&app, sums).await?.map(|release| release.key.to_string());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| is_plain(host)).ok_or_else(|| {
        malformed("Host is no name and port; ask for the script by the farm's own address.")
    })?;
    let scheme = if app.config.behind_tls_proxy { "https" } else { "http" };
    let script = SCRIPT
        .replace("@MASTER@", &format!("{scheme}://{host}"))
        .replace("@SHA256@", &hex::encode(sums.sha256))
        .replace("@UPDATE_KEY@", &key.unwrap_or_default())
        .replace("@SYSTEM@", SYSTEM);
    let headers =
        [(header::CONTENT_TYPE, "text/x-shellscript"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, script).into_response())
}

/// The program that the script fetches.
#[utoipa::path(
    get, path = "/downloads/render-node", tag = "program", security(()),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
pub(super) async fn node_program(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    send_file(program(&app)?, "application/octet-stream").await
}

/// What its operator signed of it: nodes that trust the key run it in place of a lower one.
#[utoipa::path(
    get, path = "/downloads/render-node.sig", tag = "program", security(()),
    responses((status = 200, body = Release))
)]
pub(super) async fn node_release(State(app): State<Arc<App>>) -> Result<Json<Release>, Refusal> {
    let sums = checksum(&app).await?;
    let release = release(&app, sums).await?.ok_or_else(|| {
        unsigned("The operator has not signed the node's program: render-node release sign.")
    })?;
    Ok(Json(release))
}

/// The signature beside the program. One that is not the program's is worse than none: nobody would be told
/// why no node takes it.
async fn release(app: &App, sums: Sums) -> Result<Option<Release>, Refusal> {
    let mut name = program(app)?.to_owned().into_os_string();
    name.push(".sig");
    let text = match tokio::fs::read(PathBuf::from(name)).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Refusal::internal(format!("the node's signature: {error}"))),
    };
    let release: Option<Release> = serde_json::from_slice(&text).ok();
    match release.filter(|release| release.is_signed() && release.blake3 == sums.blake3) {
        Some(release) => Ok(Some(release)),
        None => Err(unsigned(
            "The signature beside the node's program is not of this program; the operator has to sign it \
             again: render-node release sign.",
        )),
    }
}

fn unsigned(why: &str) -> Refusal {
    Refusal::new(Code::ReleaseMissing, why)
}

/// Nothing that a shell or a header would read otherwise.
fn is_plain(host: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".:-[]".contains(letter);
    !host.is_empty() && host.len() <= 255 && host.chars().all(plain)
}

fn program(app: &App) -> Result<&Path, Refusal> {
    app.config.node_program.as_deref().ok_or_else(|| {
        Refusal::new(
            Code::InstallerMissing,
            "The operator has to name the program: farm-master serve --node-program FILE.",
        )
    })
}

async fn checksum(app: &Arc<App>) -> Result<Sums, Refusal> {
    let path = program(app)?.to_owned();
    let unreadable = |error| Refusal::internal(format!("the node's program: {error}"));
    // One at a time: whoever asks meanwhile waits for the same answer.
    let mut known = app.node_program.lock().await;
    let file = tokio::fs::metadata(&path).await.map_err(unreadable)?;
    let (bytes, changed) = (file.len(), file.modified().map_err(unreadable)?);
    if let Some(known) = known.filter(|known| (known.bytes, known.changed) == (bytes, changed)) {
        return Ok(known.sums);
    }
    let hashed = app.blocking(move |_| hash(path)).await.map_err(Refusal::internal)?;
    let sums = hashed.map_err(unreadable)?;
    *known = Some(Checked { bytes, changed, sums });
    Ok(sums)
}

fn hash(path: PathBuf) -> std::io::Result<Sums> {
    let mut file = std::fs::File::open(path)?;
    let (mut sha256, mut blake3) = (Sha256::new(), blake3::Hasher::new());
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => {
                sha256.update(&piece[..n]);
                blake3.update(&piece[..n]);
            }
        }
    }
    // Named in full, since both crates have a `finalize` that fits.
    let blake3 = blake3::Hasher::finalize(&blake3);
    Ok(Sums { sha256: sha256.finalize().into(), blake3: BlobHash(*blake3.as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_ports_get_into_the_script() {
        for host in ["farm.example", "127.0.0.1:8000", "[::1]:80"] {
            assert!(is_plain(host), "{host}");
        }
        for host in ["", "a'b", "a b", "a$(b)", "a`b`", "a;b", "a/b", "a\nb", "a@b", "ä"] {
            assert!(!is_plain(host), "{host}");
        }
    }
}
