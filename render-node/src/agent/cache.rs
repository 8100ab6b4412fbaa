//! Scenes and environments that were fetched: a folder of bounded size, by hash.
//!
//! Nothing here is durable on purpose. A file that a crash tore does not match its name, is found
//! out when it is read, and fetched again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tessera_protocol::BlobHash;

/// A cache that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or the folder could not be used.
    #[error("could not {action} {}: {source}", path.display())]
    File {
        /// What was tried, in words that read after "could not".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn trying<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, CacheError> {
    result.map_err(|source| CacheError::File { action, path: path.to_path_buf(), source })
}

/// What is known of a cached file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    bytes: u64,
    used: SystemTime,
}

/// The files that were fetched, the most recently used of them up to a size. All calls block.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    most_bytes: u64,
    kept: BTreeMap<BlobHash, Kept>,
}

impl Cache {
    /// Opens the cache in `folder`, making it if need be. Files that have no business there, such
    /// as those of a broken transfer, are removed.
    pub fn open(folder: &Path, most_bytes: u64) -> Result<Self, CacheError> {
        trying("make the folder", folder, std::fs::create_dir_all(folder))?;
        let mut kept = BTreeMap::new();
        for entry in trying("list", folder, std::fs::read_dir(folder))? {
            let entry = trying("list", folder, entry)?;
            let path = entry.path();
            let metadata = trying("look at", &path, entry.metadata())?;
            match entry.file_name().to_str().and_then(|name| name.parse::<BlobHash>().ok()) {
                Some(blob) if metadata.is_file() => {
                    let used = trying("look at", &path, metadata.modified())?;
                    kept.insert(blob, Kept { bytes: metadata.len(), used });
                }
                _ if metadata.is_file() => trying("remove", &path, std::fs::remove_file(&path))?,
                _ => {}
            }
        }
        let mut cache = Self { folder: folder.to_path_buf(), most_bytes, kept };
        cache.shrink(&[])?;
        Ok(cache)
    }

    /// Where a file lies or would lie.
    pub fn path(&self, blob: BlobHash) -> PathBuf {
        self.folder.join(blob.to_string())
    }

    /// Whether a file is here; if so it counts as used at `now`.
    pub fn touch(&mut self, blob: BlobHash, now: SystemTime) -> bool {
        let path = self.path(blob);
        let Some(kept) = self.kept.get_mut(&blob) else { return false };
        kept.used = now;
        // The order of use survives a restart in the files' times; if it does not, the worst is
        // that the wrong file is fetched again.
        let touched = std::fs::File::options()
            .append(true)
            .open(path)
            .and_then(|file| file.set_modified(now));
        let gone = touched.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if gone {
            self.kept.remove(&blob);
        }
        !gone
    }

    /// A file was fetched to [`Self::path`] at `now`. Others leave until all fit, the least recently
    /// used first, but never those of `needed`.
    pub fn arrived(
        &mut self,
        blob: BlobHash,
        now: SystemTime,
        needed: &[BlobHash],
    ) -> Result<(), CacheError> {
        let path = self.path(blob);
        let bytes = trying("look at", &path, std::fs::metadata(&path))?.len();
        self.kept.insert(blob, Kept { bytes, used: now });
        self.shrink(needed)
    }

    /// Forgets a file that turned out to be damaged.
    pub fn remove(&mut self, blob: BlobHash) -> Result<(), CacheError> {
        self.kept.remove(&blob);
        let path = self.path(blob);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => trying("remove", &path, outcome),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.kept.values().map(|kept| kept.bytes).sum()
    }

    fn shrink(&mut self, needed: &[BlobHash]) -> Result<(), CacheError> {
        for blob in victims(&self.kept, self.most_bytes, needed) {
            self.remove(blob)?;
        }
        Ok(())
    }
}

/// Which files leave so that the rest holds at most `most_bytes`.
fn victims(kept: &BTreeMap<BlobHash, Kept>, most_bytes: u64, needed: &[BlobHash]) -> Vec<BlobHash> {
    let mut total: u64 = kept.values().map(|kept| kept.bytes).sum();
    let mut oldest_first: Vec<_> = kept.iter().filter(|(blob, _)| !needed.contains(blob)).collect();
    oldest_first.sort_by_key(|(blob, kept)| (kept.used, **blob));
    let mut victims = Vec::new();
    for (&blob, kept) in oldest_first {
        if total <= most_bytes {
            break;
        }
        total -= kept.bytes;
        victims.push(blob);
    }
    victims
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn put(cache: &mut Cache, bytes: &[u8], now: SystemTime, needed: &[BlobHash]) -> BlobHash {
        let blob = BlobHash::of(bytes);
        std::fs::write(cache.path(blob), bytes).unwrap();
        cache.arrived(blob, now, needed).unwrap();
        blob
    }

    #[test]
    fn the_least_recently_used_leaves_first_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(folder.path(), 25).unwrap();
        let one = put(&mut cache, &[1; 10], at(1), &[]);
        let two = put(&mut cache, &[2; 10], at(2), &[]);
        assert!(cache.touch(two, at(2)) && cache.touch(one, at(3)));
        std::fs::write(folder.path().join("a.part"), "broken").unwrap();

        let mut cache = Cache::open(folder.path(), 25).unwrap();
        assert!(!folder.path().join("a.part").exists());
        let three = put(&mut cache, &[3; 10], at(4), &[]);
        assert_eq!(cache.bytes(), 20);
        assert!(!cache.touch(two, at(5)) && !cache.path(two).exists());
        assert!(cache.touch(one, at(5)) && cache.touch(three, at(5)));
    }

    #[test]
    fn what_is_needed_stays_even_beyond_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(folder.path(), 15).unwrap();
        let scene = put(&mut cache, &[1; 10], at(1), &[]);
        let light = BlobHash::of(&[2; 10]);
        put(&mut cache, &[2; 10], at(2), &[scene, light]);
        assert_eq!(cache.bytes(), 20);
        put(&mut cache, &[3; 2], at(3), &[]);
        assert_eq!(cache.bytes(), 12, "the next arrival makes good for it");
    }

    #[test]
    fn a_file_that_was_removed_is_no_longer_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(folder.path(), 100).unwrap();
        let blob = put(&mut cache, &[1; 10], at(1), &[]);
        cache.remove(blob).unwrap();
        assert!(!cache.touch(blob, at(2)));
        let blob = put(&mut cache, &[1; 10], at(1), &[]);
        std::fs::remove_file(cache.path(blob)).unwrap();
        assert!(!cache.touch(blob, at(2)));
    }
}
