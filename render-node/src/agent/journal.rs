//! What the node has signed and the master has not acknowledged.
//!
//! A commit is durable here before it is sent, and afterwards only ever sent again. So a node that
//! is killed at any moment never signs two results for one lease, which would be taken for fraud,
//! and never loses work that it has signed.

use std::io;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, create_dir, remove, sweep, write_file};
use tessera_protocol::commit::Commit;
use tessera_protocol::submit::{self, SubmitError};
use tessera_protocol::{Generation, LeaseId};

const SUFFIX: &str = ".submit";

/// A journal that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be made durable or removed.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// A file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lease has been signed for already; a second signature is never made.
    #[error("lease {lease} of generation {} has been signed for already", generation.0)]
    SignedBefore {
        /// The lease.
        lease: LeaseId,
        /// Its generation.
        generation: Generation,
    },
    /// A journaled file is not a submit's body.
    #[error("{} is damaged: {source}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: SubmitError,
    },
}

/// Names one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// The lease.
    pub lease: LeaseId,
    /// Its generation.
    pub generation: Generation,
}

impl EntryId {
    /// The entry of `commit`.
    pub fn of(commit: &Commit) -> Self {
        Self { lease: commit.lease, generation: commit.generation }
    }

    fn file_name(self) -> String {
        format!("{}-{}{SUFFIX}", self.lease, self.generation.0)
    }

    fn parse(name: &str) -> Option<Self> {
        let (lease, generation) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(Self { lease: lease.parse().ok()?, generation: Generation(generation.parse().ok()?) })
    }
}

/// A folder with one file for each commit that is not acknowledged: the submit's body. All calls
/// block.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the journal in `folder`, making it if need be. Only one may be open.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        create_dir(&OsDisk, folder)?;
        sweep(&OsDisk, folder)?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// Makes the body of a submit durable. Until [`Self::forget`], the same entry is refused.
    pub fn record(&self, id: EntryId, body: &[u8]) -> Result<(), JournalError> {
        let path = self.path(id);
        if path.exists() {
            return Err(JournalError::SignedBefore { lease: id.lease, generation: id.generation });
        }
        // The sums of a scene that is not public yet are its owner's.
        Ok(write_file(&OsDisk, &path, body, Access::OwnerOnly)?)
    }

    /// What has not been acknowledged, in no order that means anything but always the same.
    pub fn entries(&self) -> Result<Vec<EntryId>, JournalError> {
        let read = |source| JournalError::Read { path: self.folder.clone(), source };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            entries.extend(name.to_str().and_then(EntryId::parse));
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// The body of an entry, checked to be one.
    pub fn body(&self, id: EntryId) -> Result<Vec<u8>, JournalError> {
        let path = self.path(id);
        let body = std::fs::read(&path)
            .map_err(|source| JournalError::Read { path: path.clone(), source })?;
        match submit::decode(&body) {
            Ok(_) => Ok(body),
            Err(source) => Err(JournalError::Damaged { path, source }),
        }
    }

    /// Removes an entry: the master has answered. Removing one that is not there succeeds.
    pub fn forget(&self, id: EntryId) -> Result<(), JournalError> {
        Ok(remove(&OsDisk, &self.path(id))?)
    }

    fn path(&self, id: EntryId) -> PathBuf {
        self.folder.join(id.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::submit::SubmitHeader;
    use tessera_protocol::{JobId, KernelId, MasterId, SceneHash, SecretHash, SettingsHash};

    fn entry(lease: u8, generation: u64) -> (EntryId, Vec<u8>) {
        let key = NodeKey::from_secret(&[1; 32]);
        let commit = Commit {
            master: MasterId([12; 32]),
            class: DeviceClass::Exact,
            node: key.node(),
            job: JobId([1; 16]),
            kernel: KernelId([2; 32]),
            scene: SceneHash([5; 32]),
            settings: SettingsHash([6; 32]),
            secret: SecretHash([7; 32]),
            lease: LeaseId([lease; 16]),
            generation: Generation(generation),
            results: vec![],
        };
        let signature = commit.sign(&key);
        let id = EntryId::of(&commit);
        (id, submit::encode(&SubmitHeader { commit, signature, packed_bytes: vec![] }, &[]))
    }

    #[test]
    fn what_was_signed_survives_a_restart_until_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("deep/journal")).unwrap();
        let ((two, two_body), (one, one_body)) = (entry(2, 1), entry(1, 7));
        journal.record(two, &two_body).unwrap();
        journal.record(one, &one_body).unwrap();

        let journal = Journal::open(&folder.path().join("deep/journal")).unwrap();
        assert_eq!(journal.entries().unwrap(), [one, two]);
        assert_eq!(journal.body(one).unwrap(), one_body);
        journal.forget(one).unwrap();
        journal.forget(one).unwrap();
        assert_eq!(journal.entries().unwrap(), [two]);
    }

    #[test]
    fn a_lease_is_never_signed_for_twice() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let (id, body) = entry(1, 1);
        journal.record(id, &body).unwrap();
        assert!(matches!(journal.record(id, b"other"), Err(JournalError::SignedBefore { .. })));
        assert_eq!(journal.body(id).unwrap(), body, "the first one stays");
        // Another generation of the lease is another promise.
        let (next, body) = entry(1, 2);
        journal.record(next, &body).unwrap();
    }

    #[test]
    fn damage_is_told_and_strange_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let (id, body) = entry(1, 1);
        std::fs::write(folder.path().join(id.file_name()), &body[..body.len() - 1]).unwrap();
        std::fs::write(folder.path().join("notes.submit"), "mine").unwrap();
        assert_eq!(journal.entries().unwrap(), [id]);
        assert!(matches!(journal.body(id), Err(JournalError::Damaged { .. })));
        assert!(folder.path().join("notes.submit").exists());
    }
}
