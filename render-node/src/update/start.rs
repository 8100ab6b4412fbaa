//! At its start the installed program chooses what runs, and becomes it.

use super::folder::Folder;
use super::slots::{Choice, STARTS_ALLOWED, Slotted};
use super::{RELEASE_VARIABLE, Running, UpdateError, installed, program, sealed};
use crate::agent::identity::{IdentityError, StateFolder};
use std::path::Path;
use tessera_protocol::ReleaseKey;
use tessera_protocol::release::ReleaseVersion;
use tracing::{info, warn};

/// Why nothing could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key or the slots.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] IdentityError),
}

/// The key that was pinned when the node was installed.
pub fn read_key(file: &Path) -> Result<ReleaseKey, UpdateError> {
    let text = std::fs::read_to_string(file).map_err(UpdateError::file("read", file))?;
    text.trim().parse().map_err(|_| UpdateError::NotAKey { path: file.to_owned() })
}

/// Returns in the program that is to run: at once if this process is it, and otherwise never, since it becomes
/// another one.
pub fn start(state: &Path, key_file: &Path) -> Result<Running, StartError> {
    let key = read_key(key_file)?;
    if let Some(version) = chosen_before() {
        // Otherwise it would be called by the number of a file.
        let _ = std::fs::write("/proc/self/comm", "render-node");
        return Ok(Running { version, key });
    }
    // Whoever else runs with this folder must not have its start counted here. Let go of by exec.
    let _held = StateFolder::open(state)?;
    let folder = Folder::of(state);
    let mut slots = folder.slots()?;
    loop {
        let before = slots.clone();
        let choice = slots.choose(installed());
        if slots != before {
            folder.write(&slots)?;
        }
        if let Some(failed) = slots.failed.as_ref().filter(|_| slots.failed != before.failed) {
            let version = failed.version;
            warn!(
                "release {version} was started {STARTS_ALLOWED} times and never joined: rolled back"
            );
        }
        let Choice::Release(chosen) = choice else {
            return Ok(Running { version: installed(), key });
        };
        warn!(
            "release {} cannot be run: {}",
            chosen.release.version,
            become_it(&folder, &chosen, key)
        );
        slots.give_up(chosen.slot);
        folder.write(&slots)?;
    }
}

/// Whether the installed program has chosen this one.
fn chosen_before() -> Option<ReleaseVersion> {
    std::env::var(RELEASE_VARIABLE).ok()?.parse().ok()
}

/// Returns only if it cannot.
fn become_it(folder: &Folder, chosen: &Slotted, key: ReleaseKey) -> UpdateError {
    let path = folder.program(chosen.slot);
    let checked = program::check(&chosen.release, key);
    match checked.and_then(|()| sealed::load(&path, &chosen.release)) {
        Ok(sealed) => {
            info!("running release {} out of slot {}", chosen.release.version, chosen.slot.name());
            UpdateError::file("start", path)(sealed.run())
        }
        Err(error) => error,
    }
}
