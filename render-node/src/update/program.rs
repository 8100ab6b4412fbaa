//! Whether a program is what was signed, and how it is run.

use super::{RELEASE_VARIABLE, UpdateError, target};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use tessera_protocol::ReleaseKey;
use tessera_protocol::release::{Release, ReleaseVersion};

/// Whether a release may run here, as far as its description goes: signed by the pinned key, for this target,
/// and no longer than a program may be.
pub fn check(release: &Release, pinned: ReleaseKey) -> Result<(), UpdateError> {
    let version = release.version;
    if release.key != pinned {
        return Err(UpdateError::OtherKey { version, found: release.key, pinned });
    }
    if !release.is_signed() {
        return Err(UpdateError::NotSigned(version));
    }
    if release.target != target() {
        return Err(UpdateError::OtherTarget { version, found: release.target.clone() });
    }
    if release.bytes > Release::BYTES_MAX {
        return Err(UpdateError::TooLarge { version, bytes: release.bytes });
    }
    Ok(())
}

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
    use super::*;
    use std::io::Write as _;
    use tessera_protocol::BlobHash;
    use tessera_protocol::commit::NodeKey;

    const PROGRAM: &[u8] = b"a program, as it was signed";

    fn key() -> NodeKey {
        NodeKey::from_secret(&[1; 32])
    }

    fn pinned() -> ReleaseKey {
        ReleaseKey(key().node().0)
    }

    fn signed(target: &str, bytes: u64, key: &NodeKey) -> Release {
        let blake3 = BlobHash(*blake3::hash(PROGRAM).as_bytes());
        Release::sign("1.2.3".parse().unwrap(), target, (bytes, blake3), key)
    }

    #[test]
    fn only_what_the_pinned_key_signed_for_this_machine_may_run() {
        let release = signed(&target(), PROGRAM.len() as u64, &key());
        check(&release, pinned()).unwrap();
        let stranger = NodeKey::from_secret(&[2; 32]);
        let by_another = signed(&target(), 1, &stranger);
        assert!(matches!(check(&by_another, pinned()), Err(UpdateError::OtherKey { .. })));
        let in_anothers_name = Release { key: pinned(), ..by_another };
        assert!(matches!(check(&in_anothers_name, pinned()), Err(UpdateError::NotSigned(_))));
        let raised = Release { version: "9.0.0".parse().unwrap(), ..release };
        assert!(matches!(check(&raised, pinned()), Err(UpdateError::NotSigned(_))));
        let elsewhere = signed("riscv64gc-unknown-linux-gnu", 1, &key());
        assert!(matches!(check(&elsewhere, pinned()), Err(UpdateError::OtherTarget { .. })));
        let long = signed(&target(), Release::BYTES_MAX + 1, &key());
        assert!(matches!(check(&long, pinned()), Err(UpdateError::TooLarge { .. })));
    }

    #[test]
    fn only_the_signed_bytes_are_run_and_nobody_changes_them_after_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let release = signed(&target(), PROGRAM.len() as u64, &key());
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
