//! How a machine becomes a node by one line: a script with this master's own address and the checksum of
//! the program that it fetches from here.

use super::downloads::send_file;
use super::extract::malformed;
use crate::app::App;
use crate::problem::{Code, Refusal};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const SCRIPT: &str = include_str!("install.sh");
/// What `uname -s` and `uname -m` say where the program runs: nodes run what the master runs on.
const SYSTEM: &str = if cfg!(target_arch = "aarch64") { "Linux aarch64" } else { "Linux x86_64" };

/// A program's checksum, and of which file it is: another size or time is another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    bytes: u64,
    changed: SystemTime,
    sha256: [u8; 32],
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
    let sha256 = hex::encode(checksum(&app).await?);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| is_plain(host)).ok_or_else(|| {
        malformed("Host is no name and port; ask for the script by the farm's own address.")
    })?;
    let scheme = if app.config.behind_tls_proxy { "https" } else { "http" };
    let script = SCRIPT
        .replace("@MASTER@", &format!("{scheme}://{host}"))
        .replace("@SHA256@", &sha256)
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

async fn checksum(app: &Arc<App>) -> Result<[u8; 32], Refusal> {
    let path = program(app)?.to_owned();
    let unreadable = |error| Refusal::internal(format!("the node's program: {error}"));
    // One at a time: whoever asks meanwhile waits for the same answer.
    let mut known = app.node_program.lock().await;
    let file = tokio::fs::metadata(&path).await.map_err(unreadable)?;
    let (bytes, changed) = (file.len(), file.modified().map_err(unreadable)?);
    if let Some(known) = known.filter(|known| (known.bytes, known.changed) == (bytes, changed)) {
        return Ok(known.sha256);
    }
    let hashed = app.blocking(move |_| hash(path)).await.map_err(Refusal::internal)?;
    let sha256 = hashed.map_err(unreadable)?;
    *known = Some(Checked { bytes, changed, sha256 });
    Ok(sha256)
}

fn hash(path: PathBuf) -> std::io::Result<[u8; 32]> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&piece[..n]),
        }
    }
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
