//! The folder of a gateway or a worker, and the key that makes it one.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, create_dir, exists_durably, sweep, write_file};
use tessera_protocol::commit::NodeKey;

const KEY_FILE: &str = "node.key";

/// A state folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
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
    /// Two with one key would contradict each other in its name.
    #[error(
        "another process runs with the state folder {}; stop it, or give this one a folder of its \
         own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The key file does not hold a key.
    #[error(
        "{} does not hold a key; restore it from a backup, or remove it to become somebody new, \
         without the old one's record and earnings",
        .0.display()
    )]
    NotAKey(PathBuf),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Randomness(String),
}

/// A state folder, held for as long as this lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if need be, and takes it for this process.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        create_dir(&OsDisk, path)?;
        let lock_path = path.join("lock");
        let open = |source| StateError::Open { path: lock_path.clone(), source };
        let lock = File::create(&lock_path).map_err(open)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(open(source)),
        }
        sweep(&OsDisk, path)?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key in the folder, or a new one that is durable before it is used.
    pub fn key(&self) -> Result<NodeKey, StateError> {
        let path = self.path.join(KEY_FILE);
        // A key whose file could still vanish must not join: its owner would come back as another.
        exists_durably(&OsDisk, &path)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text).ok_or(StateError::NotAKey(path)),
            Err(source) if source.kind() == ErrorKind::NotFound => {
                let key = NodeKey::generate()
                    .map_err(|error| StateError::Randomness(error.to_string()))?;
                let text = format!("{}\n", hex::encode(key.secret()));
                write_file(&OsDisk, &path, text.as_bytes(), Access::OwnerOnly)?;
                Ok(key)
            }
            Err(source) => Err(StateError::Open { path, source }),
        }
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
    fn its_owner_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = StateFolder::open(&path).unwrap().key().unwrap().node();
        assert_eq!(StateFolder::open(&path).unwrap().key().unwrap().node(), first);
        let open = StateFolder::open(&path).unwrap();
        assert!(matches!(StateFolder::open(&path), Err(StateError::InUse(_))));
        drop(open);
        std::fs::write(path.join(KEY_FILE), "half a k").unwrap();
        let state = StateFolder::open(&path).unwrap();
        assert!(matches!(state.key(), Err(StateError::NotAKey(_))), "a damaged key is kept");
    }
}
