//! What is asked of a disk beyond writing.

use std::io;
use std::path::Path;
use tessera_durable::simulated::SimulatedDisk;
use tessera_durable::{Disk, OsDisk};

/// A disk that can be read back at a restart.
pub trait Files: Disk<File: Send> + Clone + Send + Sync + 'static {
    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Removes a folder and what is in it. Not durable: one that comes back is removed again.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

impl Files for OsDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }
}

impl Files for SimulatedDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Self::read(self, path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        for name in self.list(path)? {
            self.remove_file(&path.join(name))?;
        }
        Ok(())
    }
}
