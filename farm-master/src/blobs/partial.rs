//! Uploads on their way: their bytes outlive the connection they came over, and the master.
//!
//! Below `partial/` there are two files for each: its bytes, and a description that says how many of
//! them are durable. Bytes beyond were never told anybody as kept, and are cut off before more come.

use super::{BlobError, Folder, Key};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk};
use tessera_protocol::{AccountId, BlobHash, UploadId};

pub(super) const PARTIAL: &str = "partial";
const DESCRIPTION: &str = "json";
/// Bytes that a crash of the machine may cost, at most.
const KEPT_EVERY: u64 = 8 << 20;

/// What is known of an upload on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Whose it is.
    pub owner: AccountId,
    /// How many bytes there will be.
    pub bytes: u64,
    /// How many are here, and will be after a crash.
    pub durable: u64,
    /// The hash that they will have, if that was said.
    pub announced: Option<BlobHash>,
    /// When it last got on.
    pub touched_ms: i64,
    /// The hash that they have, once they are whole.
    pub blob: Option<BlobHash>,
}

/// How an upload's end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The file lies under its hash.
    Whole(BlobHash),
    /// The bytes are not those that were announced; nothing of them is kept.
    Differs {
        /// The hash that they have.
        found: BlobHash,
    },
}

impl Folder {
    /// Takes a new upload up. Nothing of it is here yet, or it lies under its hash already.
    pub fn begin_partial(&self, id: UploadId, partial: &Partial) -> Result<(), BlobError> {
        if partial.blob.is_none() {
            tessera_durable::write_file(&OsDisk, &self.partial_bytes(id), b"", Access::Umask)?;
        }
        self.describe(id, partial)
    }

    /// What is known of an upload.
    pub fn partial(&self, id: UploadId) -> Result<Option<Partial>, BlobError> {
        let path = self.description(id);
        match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BlobError::Read { path, source }),
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| BlobError::Read { path, source: io::Error::other(error) }),
        }
    }

    /// All uploads on their way.
    pub fn partials(&self) -> Result<Vec<(UploadId, Partial)>, BlobError> {
        let mut all = Vec::new();
        for path in self.list(&self.root.join(PARTIAL))? {
            let described = path.extension().is_some_and(|kind| kind == DESCRIPTION);
            let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let (true, Some(id)) = (described, id) else { continue };
            // One that ended meanwhile is none.
            all.extend(self.partial(id)?.map(|partial| (id, partial)));
        }
        Ok(all)
    }

    /// Forgets an upload and its bytes. The file it became, if it was whole, stays.
    pub fn forget_partial(&self, id: UploadId) -> Result<(), BlobError> {
        // Its description goes last: what has one is found and forgotten again.
        tessera_durable::remove(&OsDisk, &self.partial_bytes(id))?;
        Ok(tessera_durable::remove(&OsDisk, &self.description(id))?)
    }

    /// Opens an upload for the bytes that come next. Only one may be open at a time.
    pub fn go_on(&self, id: UploadId, partial: Partial) -> Result<Growing, BlobError> {
        let path = self.partial_bytes(id);
        let open = || {
            let mut file = File::options().write(true).open(&path)?;
            file.set_len(partial.durable)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(|source| BlobError::Write { path: path.clone(), source })?;
        Ok(Growing { folder: self.clone(), id, here: partial.durable, partial, path, file })
    }

    /// Gives an upload whose bytes are all here the name of its hash. It may be called again after a
    /// crash at any point.
    pub fn end_partial(&self, id: UploadId, mut partial: Partial) -> Result<Ended, BlobError> {
        let path = self.partial_bytes(id);
        let blob = match partial.blob {
            Some(blob) => blob,
            None => {
                let found = hash(&path)?;
                if partial.announced.is_some_and(|announced| announced != found) {
                    self.forget_partial(id)?;
                    return Ok(Ended::Differs { found });
                }
                partial.blob = Some(found);
                self.describe(id, &partial)?;
                found
            }
        };
        let own = self.path(Key::Upload(blob));
        match std::fs::rename(&path, &own) {
            // It has its name already, or was uploaded by somebody else as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(BlobError::Write { path: own, source }),
            Ok(()) => {}
        }
        match tessera_durable::exists_durably(&OsDisk, &own)? {
            true => Ok(Ended::Whole(blob)),
            false => Err(BlobError::Read { path: own, source: io::ErrorKind::NotFound.into() }),
        }
    }

    fn describe(&self, id: UploadId, partial: &Partial) -> Result<(), BlobError> {
        let text = serde_json::to_vec(partial).expect("numbers and hexadecimal digits");
        Ok(tessera_durable::write_file(&OsDisk, &self.description(id), &text, Access::Umask)?)
    }

    fn partial_bytes(&self, id: UploadId) -> PathBuf {
        self.root.join(PARTIAL).join(id.to_string())
    }

    fn description(&self, id: UploadId) -> PathBuf {
        self.partial_bytes(id).with_extension(DESCRIPTION)
    }
}

/// An upload that is open for more bytes.
pub struct Growing {
    folder: Folder,
    id: UploadId,
    partial: Partial,
    path: PathBuf,
    file: File,
    /// Bytes that are here, durable or not.
    here: u64,
}

impl Growing {
    /// Appends a piece, which must not go beyond the announced length.
    pub fn write(&mut self, piece: &[u8], now_ms: i64) -> Result<(), BlobError> {
        self.file
            .write_all(piece)
            .map_err(|source| BlobError::Write { path: self.path.clone(), source })?;
        self.here += piece.len() as u64;
        debug_assert!(self.here <= self.partial.bytes);
        if self.here - self.partial.durable >= KEPT_EVERY { self.keep(now_ms) } else { Ok(()) }
    }

    /// Makes what is here durable.
    pub fn keep(&mut self, now_ms: i64) -> Result<(), BlobError> {
        self.file
            .sync_all()
            .map_err(|source| BlobError::Write { path: self.path.clone(), source })?;
        self.partial.durable = self.here;
        self.partial.touched_ms = now_ms;
        self.folder.describe(self.id, &self.partial)
    }

    /// Makes what is here durable and says what is known then.
    pub fn close(mut self, now_ms: i64) -> Result<Partial, BlobError> {
        self.keep(now_ms)?;
        Ok(self.partial)
    }
}

fn hash(path: &Path) -> Result<BlobHash, BlobError> {
    let unreadable = |source| BlobError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(BlobHash(*hasher.finalize().as_bytes())),
            n => hasher.update(&piece[..n]),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: UploadId = UploadId([3; 16]);

    fn begun(bytes: &[u8]) -> (tempfile::TempDir, Folder, Partial) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Folder::open(folder.path()).unwrap();
        let partial = Partial {
            owner: AccountId([1; 8]),
            bytes: bytes.len() as u64,
            durable: 0,
            announced: Some(BlobHash(*blake3::hash(bytes).as_bytes())),
            touched_ms: 0,
            blob: None,
        };
        blobs.begin_partial(ID, &partial).unwrap();
        (folder, blobs, partial)
    }

    fn known(blobs: &Folder) -> Partial {
        blobs.partial(ID).unwrap().unwrap()
    }

    #[test]
    fn what_was_not_made_durable_is_sent_again() {
        let bytes = b"one two three";
        let (_own, blobs, partial) = begun(bytes);
        let mut growing = blobs.go_on(ID, partial).unwrap();
        growing.write(&bytes[..4], 1).unwrap();
        growing.keep(1).unwrap();
        growing.write(b"lost", 2).unwrap();
        drop(growing);
        let partial = known(&blobs);
        assert_eq!((partial.durable, partial.touched_ms), (4, 1));

        let mut growing = blobs.go_on(ID, partial).unwrap();
        growing.write(&bytes[4..], 3).unwrap();
        let whole = growing.close(3).unwrap();
        assert_eq!(whole.durable, whole.bytes);
        let blob = whole.announced.unwrap();
        assert_eq!(blobs.end_partial(ID, whole).unwrap(), Ended::Whole(blob));
        assert_eq!(blobs.get(Key::Upload(blob)).unwrap(), bytes);
    }

    #[test]
    fn an_end_that_was_cut_off_anywhere_is_made_again() {
        let bytes = b"whole";
        let (_own, blobs, partial) = begun(bytes);
        let mut growing = blobs.go_on(ID, partial).unwrap();
        growing.write(bytes, 1).unwrap();
        let whole = growing.close(1).unwrap();
        let blob = whole.announced.unwrap();
        // Before its hash was written down, before it was renamed, and after.
        let hashed = Partial { blob: Some(blob), ..whole };
        blobs.describe(ID, &hashed).unwrap();
        for of in [hashed.clone(), hashed] {
            assert!(matches!(blobs.end_partial(ID, of), Ok(Ended::Whole(found)) if found == blob));
        }
        assert_eq!(blobs.get(Key::Upload(blob)).unwrap(), bytes);
        assert_eq!(known(&blobs).blob, Some(blob));
        blobs.forget_partial(ID).unwrap();
        assert_eq!(blobs.partials().unwrap(), []);
        assert_eq!(blobs.get(Key::Upload(blob)).unwrap(), bytes, "the file stays");
    }

    #[test]
    fn other_bytes_than_announced_are_not_kept() {
        let (_own, blobs, partial) = begun(b"these");
        let mut growing = blobs.go_on(ID, partial).unwrap();
        growing.write(b"those", 1).unwrap();
        let whole = growing.close(1).unwrap();
        let found = BlobHash(*blake3::hash(b"those").as_bytes());
        assert!(matches!(
            blobs.end_partial(ID, whole),
            Ok(Ended::Differs { found: hash }) if hash == found
        ));
        assert_eq!(blobs.partials().unwrap(), []);
        assert!(!blobs.path(Key::Upload(found)).exists());
    }
}
