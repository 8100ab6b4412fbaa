//! Who the node is: a key in its state folder, made once.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, create_dir, exists_durably, sweep, write_file};
use tessera_protocol::commit::NodeKey;

const KEY_FILE: &str = "node.key";

/// A state folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be made durable.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// A file could not be read or locked.
    #[error("could not open {}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two nodes with one key would contradict each other in its name.
    #[error(
        "another node runs with the state folder {}; stop it, or give this one a folder of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The key file does not hold a key.
    #[error(
        "{} does not hold a node's key; restore it from a backup, or remove it to become a new \
         node without the old one's record and earnings",
        .0.display()
    )]
    NotAKey(PathBuf),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Randomness(String),
}

/// A node's state folder, held for as long as this lives.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if need be, and takes it for this process.
    pub(crate) fn open(path: &Path) -> Result<Self, IdentityError> {
        create_dir(&OsDisk, path)?;
        let lock_path = path.join("lock");
        let open = |source| IdentityError::Open { path: lock_path.clone(), source };
        let lock = File::create(&lock_path).map_err(open)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(open(source)),
        }
        sweep(&OsDisk, path)?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The node's key: the one in the folder, or a new one that is durable before it is used.
    pub(super) fn key(&self) -> Result<NodeKey, IdentityError> {
        let path = self.path.join(KEY_FILE);
        // A key whose file could still vanish must not join: the node would come back as another.
        exists_durably(&OsDisk, &path)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text).ok_or(IdentityError::NotAKey(path)),
            Err(source) if source.kind() == ErrorKind::NotFound => self.new_key(&path),
            Err(source) => Err(IdentityError::Open { path, source }),
        }
    }

    fn new_key(&self, path: &Path) -> Result<NodeKey, IdentityError> {
        let key =
            NodeKey::generate().map_err(|error| IdentityError::Randomness(error.to_string()))?;
        let text = format!("{}\n", hex::encode(key.secret()));
        write_file(&OsDisk, path, text.as_bytes(), Access::OwnerOnly)?;
        Ok(key)
    }
}

/// The key of the node whose folder this is, which may run meanwhile.
pub(crate) fn read_key(folder: &Path) -> Result<NodeKey, IdentityError> {
    let path = folder.join(KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).ok_or(IdentityError::NotAKey(path)),
        Err(source) => Err(IdentityError::Open { path, source }),
    }
}

fn parse(text: &str) -> Option<NodeKey> {
    let mut secret = [0; 32];
    hex::decode_to_slice(text.trim(), &mut secret).ok()?;
    Some(NodeKey::from_secret(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_same_after_a_restart_and_only_its_owner_can_read_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = StateFolder::open(&path).unwrap().key().unwrap().node();
        assert_eq!(StateFolder::open(&path).unwrap().key().unwrap().node(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path.join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn one_state_folder_is_one_running_node() {
        let folder = tempfile::tempdir().unwrap();
        let open = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(StateFolder::open(folder.path()), Err(IdentityError::InUse(_))));
        drop(open);
        assert!(StateFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), "half a k").unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(state.key(), Err(IdentityError::NotAKey(_))));
        assert_eq!(std::fs::read(folder.path().join(KEY_FILE)).unwrap(), b"half a k");
    }
}
