//! What is asked of a file system, and the real one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever the process's umask lets.
    Umask,
    /// Its owner only (mode 0600): keys and tokens.
    OwnerOnly,
}

/// The few operations that durable files are made of. Every one may fail, and none is durable but
/// by the sync that follows it.
pub trait Disk {
    /// An open file.
    type File;

    /// Makes an empty file; fails where the name is taken.
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Self::File>;
    /// Appends to a file.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's bytes durable; its name is not included.
    fn sync_file(&self, file: &mut Self::File) -> io::Result<()>;
    /// Gives a file another name on the same file system, replacing the file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder; fails where the name is taken.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder's names durable: those that came and those that went.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether there is a file or folder of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// The names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;
}

/// The operating system's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

#[cfg(not(windows))]
fn open_dir(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Windows opens a folder only for who says that it is one, and flushes only what may be written to.
#[cfg(windows)]
fn open_dir(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

impl Disk for OsDisk {
    type File = File;

    fn create_new(&self, path: &Path, access: Access) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::OwnerOnly {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        options.open(path)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync_file(&self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        open_dir(path)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }
}
