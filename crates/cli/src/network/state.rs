//! The folder of `farm up`: where everything of a farm on this machine lies.
//!
//! ```text
//! .tessera/
//!   address               where the master listens, for the other commands
//!   lock                  held while a `farm up` runs here
//!   master/               the master's own state, with its operator's token
//!   node-cpu/             a node's own state
//!   chain/                the chain of this machine, with play money
//!   wallet.json           the key that pays for jobs, unless another is named
//!   gateway/  worker/     those of the gateway and the worker for streams
//!   logs/master.log  logs/node-cpu.log  logs/gateway.log  logs/worker.log
//! ```

use anyhow::{Context, bail};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A state folder, which need not exist.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder(PathBuf);

/// Held while a farm runs in a state folder.
pub(crate) struct StateLock {
    _file: File,
}

impl StateFolder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the master of this folder listens or last listened.
    pub(crate) fn master_address(&self) -> anyhow::Result<Option<String>> {
        read_line(&self.address_file())
    }

    /// What the master of this folder gave its operator.
    pub(crate) fn operator_token(&self) -> anyhow::Result<Option<String>> {
        read_line(&self.operator_token_file())
    }

    /// Says where the master listens.
    pub(crate) fn set_master_address(&self, address: &str) -> anyhow::Result<()> {
        // Renamed into place, so that a command never reads half an address.
        let new = self.0.join("address.new");
        std::fs::write(&new, format!("{address}\n"))
            .and_then(|()| std::fs::rename(&new, self.address_file()))
            .with_context(|| format!("cannot write {}", self.address_file().display()))
    }

    /// Makes the folder and takes it for this process.
    pub(crate) fn take(&self) -> anyhow::Result<StateLock> {
        std::fs::create_dir_all(self.logs())
            .with_context(|| format!("cannot make the folder {}", self.logs().display()))?;
        let path = self.0.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another `farm up` runs in {}; stop it, or use another folder with --state",
                self.0.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// The master's own folder.
    pub(crate) fn master(&self) -> PathBuf {
        self.0.join("master")
    }

    /// The own folder of the node called `name`.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.0.join(format!("node-{name}"))
    }

    /// The own folder of the chain.
    pub(crate) fn chain(&self) -> PathBuf {
        self.0.join("chain")
    }

    /// The wallet that pays for jobs from here.
    pub(crate) fn wallet(&self) -> PathBuf {
        self.0.join("wallet.json")
    }

    /// The own folder of the gateway.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.0.join("gateway")
    }

    /// The own folder of the worker.
    pub(crate) fn worker(&self) -> PathBuf {
        self.0.join("worker")
    }

    /// What the process called `name` writes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Where all logs are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Where the master leaves its operator's token.
    pub(crate) fn operator_token_file(&self) -> PathBuf {
        self.master().join("operator-token")
    }

    fn address_file(&self) -> PathBuf {
        self.0.join("address")
    }

    #[cfg(test)]
    pub(crate) fn write_for_test(&self, address: &str, token: &str) {
        std::fs::create_dir_all(self.master()).unwrap();
        self.set_master_address(address).unwrap();
        std::fs::write(self.operator_token_file(), token).unwrap();
    }
}

fn read_line(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_serves_one_farm_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().join("deep/state"));
        let lock = state.take().unwrap();
        let second = state.take().err().unwrap().to_string();
        assert!(second.contains("another `farm up`"), "{second}");
        drop(lock);
        assert!(state.take().is_ok());
    }

    #[test]
    fn what_is_not_there_yet_is_no_error() {
        let state = StateFolder::new("/nonexistent/folder".into());
        assert_eq!(state.master_address().unwrap(), None);
        assert_eq!(state.operator_token().unwrap(), None);
    }
}
