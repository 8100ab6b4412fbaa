//! How a program out of a slot is run: as the bytes that were signed, from memory that nobody can change.

use super::{RELEASE_VARIABLE, UpdateError};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use tessera_protocol::release::{Release, ReleaseVersion};

/// A program in memory that nobody can change any more, and that is the one that was signed.
#[derive(Debug)]
pub struct Sealed {
    file: File,
    version: ReleaseVersion,
}

/// Takes the program at `path` into memory, seals it, and only then looks whether it is `release`: a file could
/// become another one between check and start.
pub fn load(path: &Path, release: &Release) -> Result<Sealed, UpdateError> {
    let disk = File::open(path).map_err(UpdateError::file("open", path))?;
    let mut file = File::from(
        memory().map_err(|error| UpdateError::file("get memory for", path)(error.into()))?,
    );
    // One byte more than there may be, so that a file that is longer is another one too.
    let mut bytes = disk.take(release.bytes + 1);
    std::io::copy(&mut bytes, &mut file).map_err(UpdateError::file("read", path))?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).map_err(|error| UpdateError::file("seal", path)(error.into()))?;
    file.rewind().map_err(UpdateError::file("read", path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&file).map_err(UpdateError::file("read", path))?;
    if *hasher.finalize().as_bytes() != release.blake3.0 {
        return Err(UpdateError::OtherBytes { path: path.to_owned(), version: release.version });
    }
    Ok(Sealed { file, version: release.version })
}

fn memory() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Newer kernels may be set to want to be told that it is for a program; older ones do not know the word.
    match memfd_create("render-node", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("render-node", flags),
        other => other,
    }
}

impl Sealed {
    /// Becomes this program, with the arguments of this one. Returns only if that cannot be.
    pub fn run(&self) -> std::io::Error {
        Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
            .arg0("render-node")
            .args(std::env::args_os().skip(1))
            .env(RELEASE_VARIABLE, self.version.to_string())
            .exec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::target;
    use super::*;
    use std::io::Write as _;
    use tessera_protocol::BlobHash;
    use tessera_protocol::commit::NodeKey;

    const PROGRAM: &[u8] = b"a program, as it was signed";

    fn signed() -> Release {
        let blake3 = BlobHash(*blake3::hash(PROGRAM).as_bytes());
        let key = NodeKey::from_secret(&[1; 32]);
        Release::sign("1.2.3".parse().unwrap(), &target(), (PROGRAM.len() as u64, blake3), &key)
    }

    #[test]
    fn only_the_signed_bytes_are_run_and_nobody_changes_them_after_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let release = signed();
        let mut changed = PROGRAM.to_vec();
        changed[3] ^= 1;
        for bytes in [&PROGRAM[..PROGRAM.len() - 1], &[PROGRAM, b"!"].concat(), &changed, b""] {
            std::fs::write(&path, bytes).unwrap();
            let refused = load(&path, &release).unwrap_err();
            assert!(matches!(refused, UpdateError::OtherBytes { .. }), "{refused}");
        }
        std::fs::write(&path, PROGRAM).unwrap();
        let mut sealed = load(&path, &release).unwrap();
        let kind = sealed.file.write(b"x").unwrap_err().kind();
        assert_eq!(kind, std::io::ErrorKind::PermissionDenied);
        assert!(sealed.file.set_len(0).is_err());
    }
}
