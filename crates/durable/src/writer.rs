//! How a file comes to be: under a temporary name, until it is whole and durable.

use crate::{Access, Disk, Error, folder_of, sync_folder, trying};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How every temporary name begins.
const TEMPORARY: &str = ".tmp-";

/// Distinguishes the temporary files of one process; its id distinguishes processes.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Whether a file of this name is a writer's, to be swept if the writer is gone.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// A file that is being written, chunk by chunk. Nobody sees it before [`Self::commit`]; dropping
/// it instead removes it.
#[derive(Debug)]
pub struct Writer<D: Disk> {
    disk: D,
    file: D::File,
    temporary: PathBuf,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All chunks so far were taken.
    Whole,
    /// A chunk failed: what the file holds is unknown.
    Torn,
    /// The temporary name is gone.
    Renamed,
}

impl<D: Disk> Writer<D> {
    /// Starts a file in `folder`, which must be on the file system that it is committed to.
    pub fn create(disk: D, folder: &Path, access: Access) -> Result<Self, Error> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let temporary = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
            match disk.create_new(&temporary, access) {
                Ok(file) => return Ok(Self { disk, file, temporary, state: State::Whole }),
                // Another process's, in a container that counts its processes as ours does, or
                // one that was not swept.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return trying("create", &temporary, Err(error)),
            }
        }
    }

    /// Appends a chunk. After an error the writer can only be dropped.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let result = self.disk.append(&mut self.file, chunk);
        if result.is_err() {
            self.state = State::Torn;
        }
        trying("write", &self.temporary, result)
    }

    /// Makes all that was written durable under its own name, replacing what was there. `Ok`
    /// means that a crash from now on changes nothing.
    pub fn commit(mut self, path: &Path) -> Result<(), Error> {
        if self.state == State::Torn {
            let torn = io::Error::other("an earlier part of the file could not be written");
            return trying("commit", path, Err(torn));
        }
        if path.file_name().is_none_or(is_temporary) {
            let name = io::Error::new(io::ErrorKind::InvalidInput, "the name would be swept");
            return trying("commit", path, Err(name));
        }
        trying("sync", &self.temporary, self.disk.sync_file(&mut self.file))?;
        trying("rename a file to", path, self.disk.rename(&self.temporary, path))?;
        self.state = State::Renamed;
        sync_folder(&self.disk, folder_of(path))
    }
}

impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        if self.state != State::Renamed {
            // Whatever stays behind is swept at the next start.
            let _ = self.disk.remove_file(&self.temporary);
        }
    }
}
