//! Where this machine's Chromium is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Chromium, or why it is not here.
pub fn chromium() -> Result<PathBuf, String> {
    found("TESSERA_CHROMIUM", "/usr/bin/chromium", "browser")
}

/// What a variable names, or the usual path; otherwise one sentence, which `scripts/deps` may have left.
pub(crate) fn found(variable: &str, usual: &str, missing: &str) -> Result<PathBuf, String> {
    let path = env::var_os(variable).map_or_else(|| PathBuf::from(usual), PathBuf::from);
    if path.exists() { Ok(path) } else { Err(why_missing(&path, missing, variable)) }
}

/// Below `target/web`, where `scripts/deps` leaves what pages need.
pub(crate) fn web(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/web").join(name)
}

fn why_missing(path: &Path, name: &str, variable: &str) -> String {
    let reason = fs::read_to_string(web(&format!("{name}.missing")))
        .unwrap_or_else(|_| format!("run scripts/deps test, or set {variable}"));
    format!("{} is not here: {}", path.display(), reason.trim())
}
