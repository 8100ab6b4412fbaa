//! Files that survive power loss: write, fsync, rename, fsync the folder.
//!
//! The one place where Tessera's files become durable: the master's blobs, a node's key and
//! commits. A call that returned `Ok` has been written to the disk itself; whatever a crash
//! interrupts leaves the old file, the new one or none, never a torn one.
//!
//! It is no database and no cache: it does not read files back, lock folders or retry. It blocks;
//! async programs call it from a blocking thread.
//!
//! # Contract
//! - Acknowledge only after `Ok`. After an error nothing is known but that the file is whole or
//!   absent. A failed sync is never tried again: the kernel may have dropped the very pages it
//!   could not write, so a second sync that succeeds proves nothing.
//! - That a file *exists* does not make it durable: the process that renamed it may have been
//!   killed before it synced the folder. Acknowledge what was found by [`exists_durably`] only.
//! - Names that begin with `.tmp-` belong to this crate. [`sweep`] removes them; call it when a
//!   program starts and before it writes, since it cannot tell a left-over from a file in use.
//! - Folders made by other means than [`create_dir`] may vanish with all that is in them.
//!
//! ```
//! use tessera_durable::{Access, OsDisk, Writer, create_dir, sweep, write_file};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! let blobs = scratch.path().join("blobs");
//! create_dir(&OsDisk, &blobs)?;
//! sweep(&OsDisk, &blobs)?;
//! write_file(&OsDisk, &blobs.join("key"), b"secret", Access::OwnerOnly)?;
//!
//! let mut upload = Writer::create(OsDisk, &blobs, Access::Umask)?;
//! upload.write(b"a chunk, ")?;
//! upload.write(b"and another")?;
//! upload.commit(&blobs.join("upload"))?; // a dropped writer leaves nothing
//! assert_eq!(std::fs::read(blobs.join("upload"))?, b"a chunk, and another");
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`disk`] (what is asked of a file system, and the real one) → [`writer`] (how a
//! file comes to be) → the functions below → [`simulated`] (a disk that loses what was not synced;
//! `tests/power_loss.rs` drives it through every step).
#![forbid(unsafe_code)]

pub mod disk;
pub mod simulated;
pub mod writer;

pub use disk::{Access, Disk, OsDisk};
pub use writer::Writer;

use std::io;
use std::path::{Path, PathBuf};

/// What could not be done, and to which file or folder.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {source}", path.display())]
pub struct Error {
    /// What was tried, in words that read after "could not".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// Names what was tried, where an I/O error only says why it failed.
pub(crate) fn trying<T>(
    action: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, Error> {
    result.map_err(|source| Error { action, path: path.to_path_buf(), source })
}

/// Writes a whole file, replacing the one of that name if there is one.
pub fn write_file<D: Disk + Clone>(
    disk: &D,
    path: &Path,
    bytes: &[u8],
    access: Access,
) -> Result<(), Error> {
    let mut writer = Writer::create(disk.clone(), folder_of(path), access)?;
    writer.write(bytes)?;
    writer.commit(path)
}

/// Whether there is such a file; when the answer is yes, it will still be there after a crash.
pub fn exists_durably<D: Disk>(disk: &D, path: &Path) -> Result<bool, Error> {
    if !trying("look for", path, disk.exists(path))? {
        return Ok(false);
    }
    // Its bytes were synced before it got its name; only the name may still be in memory.
    sync_folder(disk, folder_of(path))?;
    Ok(true)
}

/// Removes a file so that it does not come back. Removing one that is not there succeeds.
pub fn remove<D: Disk>(disk: &D, path: &Path) -> Result<(), Error> {
    match disk.remove_file(path) {
        // An earlier removal may have been interrupted before its sync: sync in either case.
        Err(error) if error.kind() != io::ErrorKind::NotFound => trying("remove", path, Err(error)),
        _ => sync_folder(disk, folder_of(path)),
    }
}

/// Makes a folder, and those above it that are missing.
///
/// Those that exist are synced too: a program that was killed at this point may have made them
/// without getting to the sync.
pub fn create_dir<D: Disk>(disk: &D, path: &Path) -> Result<(), Error> {
    let path = trying("find", path, std::path::absolute(path))?;
    let mut from_the_top: Vec<&Path> = path.ancestors().collect();
    from_the_top.reverse();
    for pair in from_the_top.windows(2) {
        let (parent, folder) = (pair[0], pair[1]);
        let existed = trying("look for", folder, disk.exists(folder))?;
        if !existed {
            match disk.create_dir(folder) {
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => trying("make the folder", folder, other)?,
            }
        }
        match sync_folder(disk, parent) {
            // A folder that was there before us, in one that we may not even read, was not made
            // by this program.
            Err(error) if existed && error.source.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

/// Removes what interrupted writers left in `folder`, and says how many files that were. Nobody
/// may be writing there.
pub fn sweep<D: Disk>(disk: &D, folder: &Path) -> Result<usize, Error> {
    let mut removed = 0;
    for name in trying("list", folder, disk.list(folder))? {
        if writer::is_temporary(&name) {
            // No sync: one that comes back is swept at the next start.
            let path = folder.join(name);
            trying("remove", &path, disk.remove_file(&path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

pub(crate) fn sync_folder<D: Disk>(disk: &D, folder: &Path) -> Result<(), Error> {
    trying("sync the folder", folder, disk.sync_dir(folder))
}

/// The folder that holds `path`; a bare name lies in the current one.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
