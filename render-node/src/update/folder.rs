//! The slots as they lie in the state folder.

use super::UpdateError;
use super::slots::{Slot, Slots};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, create_dir, write_file};
use tracing::warn;

/// In the state folder.
pub const FOLDER: &str = "program";
const SLOTS_FILE: &str = "slots.json";

/// The folder of both programs.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// That of a state folder; made at the first write.
    pub fn of(state: &Path) -> Self {
        Self(state.join(FOLDER))
    }

    /// Where a slot's program lies.
    pub fn program(&self, slot: Slot) -> PathBuf {
        self.0.join(slot.name())
    }

    /// What is known of the slots. A damaged file is as none: then the installed program runs.
    pub fn slots(&self) -> Result<Slots, UpdateError> {
        let path = self.0.join(SLOTS_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Slots::default()),
            Err(error) => return Err(UpdateError::file("read", path)(error)),
        };
        Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
            warn!("{} is damaged ({error}): the installed program runs", path.display());
            Slots::default()
        }))
    }

    /// Writes it down.
    pub fn write(&self, slots: &Slots) -> Result<(), UpdateError> {
        self.make()?;
        let text = serde_json::to_vec_pretty(slots).expect("slots are plain fields");
        Ok(write_file(&OsDisk, &self.0.join(SLOTS_FILE), &text, Access::Umask)?)
    }

    /// Makes the folder, unless it is there.
    pub fn make(&self) -> Result<(), UpdateError> {
        Ok(create_dir(&OsDisk, &self.0)?)
    }

    /// Has the disk keep a program that was just written. Its name is kept with the slots' next [`Self::write`].
    pub fn keep(&self, slot: Slot) -> Result<(), UpdateError> {
        let path = self.program(slot);
        let kept = File::open(&path).and_then(|file| file.sync_all());
        kept.map_err(UpdateError::file("sync", path))
    }
}
