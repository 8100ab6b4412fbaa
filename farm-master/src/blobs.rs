//! Bytes that are too many for the database: uploads, results of units, pictures, films.
//!
//! One folder for each kind; a file is named by what it is, so that a path needs no look-up. What
//! `put` or `commit` answered `Ok` for survives power loss. Everything here blocks.

mod partial;

use crate::store::StoredResult;
use partial::PARTIAL;
pub use partial::{Ended, Growing, Partial};
use std::io;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, Writer};
use tessera_protocol::{BlobHash, CommitId, FrameNumber, JobId, LeaseId};

/// What could not be done to a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Writing or removing failed.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// Reading failed.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing an upload on its way failed.
    #[error("could not write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BlobError {
    /// Whether the blob is not there at all.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Which blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A file that an artist sent, named by its content: stored once.
    Upload(BlobHash),
    /// The packed sums of one lease as they were sent, never shared with another's.
    Result(JobId, LeaseId, CommitId),
    /// A frame's linear picture.
    Exr(JobId, FrameNumber),
    /// A frame's picture for displays.
    Png(JobId, FrameNumber),
    /// A job's film.
    Movie(JobId),
}

impl From<&StoredResult> for Key {
    fn from(result: &StoredResult) -> Self {
        Self::Result(result.job, result.lease, result.commit)
    }
}

const UPLOADS: &str = "uploads";
const RESULTS: &str = "results";
const FRAMES: &str = "frames";
const MOVIES: &str = "movies";

/// Blobs in a local folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folders that are missing and sweeps away what interrupted writers left.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        for kind in [UPLOADS, PARTIAL, RESULTS, FRAMES, MOVIES] {
            let folder = root.join(kind);
            tessera_durable::create_dir(&OsDisk, &folder)?;
            tessera_durable::sweep(&OsDisk, &folder)?;
        }
        let folder = Self { root: root.to_owned() };
        for job in folder.list(&root.join(FRAMES))? {
            tessera_durable::sweep(&OsDisk, &job)?;
        }
        Ok(folder)
    }

    /// Where a blob lies, whether it is there or not.
    pub fn path(&self, key: Key) -> PathBuf {
        match key {
            Key::Upload(hash) => self.root.join(UPLOADS).join(hash.to_string()),
            Key::Result(job, lease, commit) => {
                let commit = hex::encode(commit.0);
                self.root.join(RESULTS).join(format!("{job}-{lease}-{commit}"))
            }
            Key::Exr(job, frame) => self.frame(job, frame, "exr"),
            Key::Png(job, frame) => self.frame(job, frame, "png"),
            Key::Movie(job) => self.root.join(MOVIES).join(format!("{job}.mp4")),
        }
    }

    fn frame(&self, job: JobId, frame: FrameNumber, kind: &str) -> PathBuf {
        self.root.join(FRAMES).join(job.to_string()).join(format!("{frame:08}.{kind}"))
    }

    /// Writes a whole blob.
    pub fn put(&self, key: Key, bytes: &[u8]) -> Result<(), BlobError> {
        let path = self.path(key);
        if let (Key::Exr(..) | Key::Png(..), Some(folder)) = (key, path.parent()) {
            tessera_durable::create_dir(&OsDisk, folder)?;
        }
        Ok(tessera_durable::write_file(&OsDisk, &path, bytes, Access::Umask)?)
    }

    /// Reads a whole blob.
    pub fn get(&self, key: Key) -> Result<Vec<u8>, BlobError> {
        let path = self.path(key);
        std::fs::read(&path).map_err(|source| BlobError::Read { path, source })
    }

    /// Reads the first bytes of a blob, at most `most`.
    pub fn head(&self, key: Key, most: usize) -> Result<Vec<u8>, BlobError> {
        use std::io::Read as _;
        let path = self.path(key);
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(most as u64).read_to_end(&mut bytes))
            .map_err(|source| BlobError::Read { path, source })?;
        Ok(bytes)
    }

    /// Removes a blob; one that is not there is removed already.
    pub fn remove(&self, key: Key) -> Result<(), BlobError> {
        Ok(tessera_durable::remove(&OsDisk, &self.path(key))?)
    }

    /// Starts an upload, whose hash is known only at its end.
    pub fn upload(&self) -> Result<Upload, BlobError> {
        let writer = Writer::create(OsDisk, &self.root.join(UPLOADS), Access::Umask)?;
        Ok(Upload { folder: self.clone(), writer, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Where a film is made, before it is whole: not durable, and swept at the next start.
    pub fn movie_draft(&self, job: JobId) -> PathBuf {
        self.root.join(MOVIES).join(format!(".tmp-{job}.mp4"))
    }

    /// Makes a draft durable under its own name.
    pub fn keep_movie(&self, job: JobId) -> Result<(), BlobError> {
        use std::io::Read as _;
        let draft = self.movie_draft(job);
        let unreadable = |source| BlobError::Read { path: draft.clone(), source };
        let mut file = std::fs::File::open(&draft).map_err(unreadable)?;
        let mut writer = Writer::create(OsDisk, &self.root.join(MOVIES), Access::Umask)?;
        let mut chunk = vec![0; 1 << 20];
        loop {
            match file.read(&mut chunk).map_err(unreadable)? {
                0 => break,
                n => writer.write(&chunk[..n])?,
            }
        }
        writer.commit(&self.path(Key::Movie(job)))?;
        Ok(tessera_durable::remove(&OsDisk, &draft)?)
    }

    /// The results that lie here, whether somebody needs them or not.
    pub fn results(&self) -> Result<Vec<(LeaseId, CommitId, Key)>, BlobError> {
        let read = |path: PathBuf| {
            let mut parts = path.file_name()?.to_str()?.split('-');
            let job = parts.next()?.parse().ok()?;
            let lease = parts.next()?.parse().ok()?;
            let mut commit = [0; 32];
            hex::decode_to_slice(parts.next()?, &mut commit).ok()?;
            let commit = CommitId(commit);
            Some((lease, commit, Key::Result(job, lease, commit)))
        };
        Ok(self.list(&self.root.join(RESULTS))?.into_iter().filter_map(read).collect())
    }

    /// The uploads that lie here, whether they were entered or not.
    pub fn uploads(&self) -> Result<Vec<BlobHash>, BlobError> {
        let read = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
        Ok(self.list(&self.root.join(UPLOADS))?.into_iter().filter_map(read).collect())
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
        let unreadable = |source| BlobError::Read { path: folder.to_owned(), source };
        let entries = std::fs::read_dir(folder).map_err(unreadable)?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
    }
}

/// A file on its way in.
pub struct Upload {
    folder: Folder,
    writer: Writer<OsDisk>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Upload {
    /// Appends a piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), BlobError> {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        Ok(self.writer.write(piece)?)
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file durable under its hash. Where it lies there already, only that is made sure.
    pub fn commit(self) -> Result<(BlobHash, u64), BlobError> {
        let hash = BlobHash(*self.hasher.finalize().as_bytes());
        let path = self.folder.path(Key::Upload(hash));
        if !tessera_durable::exists_durably(&OsDisk, &path)? {
            self.writer.commit(&path)?;
        }
        Ok((hash, self.bytes))
    }
}
