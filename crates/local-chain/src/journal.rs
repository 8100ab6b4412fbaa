//! What outlives the process: all records, in order.
//!
//! Each start of the program appends to a file of its own, `journal-<n>`, counted from 1. What the
//! last file's end holds was perhaps never synced, and may be half a record: at a start that file
//! is written anew, cut behind its last whole record, before anything is built on it. So only the
//! last file can have a torn end, and only one record can be torn, since each is synced before the
//! next is written. Everything else that cannot be read is damage, and refused.

use crate::record::{MAX_BODY_BYTES, Record};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, Disk, OsDisk, write_file};

const PREFIX: &str = "journal-";

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] tessera_durable::Error),
    /// Something that was acknowledged can no longer be read.
    #[error(
        "the journal {} is damaged at byte {at}: {what}. What was settled after this point cannot \
         be told; put the whole folder back from a copy, or begin a new chain in another folder",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A file is gone.
    #[error("the journal {} is missing, but later ones are there; put it back", path.display())]
    Missing {
        /// The file that should be there.
        path: PathBuf,
    },
}

/// A disk whose files can be read back.
pub trait ReadBack: Disk + Clone {
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

impl ReadBack for OsDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// The journal, open for appending.
pub struct Journal<D: Disk> {
    disk: D,
    path: PathBuf,
    file: D::File,
    next: u64,
    failed: bool,
}

impl<D: ReadBack> Journal<D> {
    /// Reads all records of `folder`, makes them durable, and starts a new file behind them.
    pub fn open(disk: D, folder: &Path) -> Result<(Self, Vec<Record>), JournalError> {
        let last = highest(&disk, folder)?;
        let mut records = Vec::new();
        for n in 1..=last {
            let path = file(folder, n);
            let bytes = match disk.read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(JournalError::Missing { path });
                }
                other => trying("read", &path, other)?,
            };
            let whole = read(&path, &bytes, n == last, &mut records)?;
            if n == last {
                write_file(&disk, &path, &bytes[..whole], Access::OwnerOnly)?;
            }
        }
        let path = file(folder, last + 1);
        let opened = trying("make the journal", &path, disk.create_new(&path, Access::OwnerOnly))?;
        trying("sync the folder", folder, disk.sync_dir(folder))?;
        let next = records.len() as u64;
        Ok((Self { disk, path, file: opened, next, failed: false }, records))
    }

    /// Appends a record of this number-to-be. `Ok` means that it is durable; after an error, the
    /// journal takes no more, since nobody knows what the file holds.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.failed {
            let error = io::Error::other("an earlier record could not be written");
            return Ok(trying("append to", &self.path, Err(error))?);
        }
        // Unless all went well.
        self.failed = true;
        let appended = self.disk.append(&mut self.file, &record.encode());
        trying("append to", &self.path, appended)?;
        trying("sync", &self.path, self.disk.sync_file(&mut self.file))?;
        self.next = record.number + 1;
        self.failed = false;
        Ok(())
    }

    /// The number that the next record must have.
    pub fn next_number(&self) -> u64 {
        self.next
    }
}

/// Reads a file's records onto `records` and says how many bytes were whole.
fn read(
    path: &Path,
    bytes: &[u8],
    may_be_torn: bool,
    records: &mut Vec<Record>,
) -> Result<usize, JournalError> {
    let mut at = 0;
    let damaged = |at, what| Err(JournalError::Damaged { path: path.to_path_buf(), at, what });
    while at < bytes.len() {
        let Some((record, length)) = Record::decode(&bytes[at..]) else {
            let rest = &bytes[at..];
            if !may_be_torn {
                return damaged(at, "a record is broken, and a later journal is there");
            }
            if rest.len() > MAX_BODY_BYTES || holds_a_record(rest) {
                return damaged(at, "a record is broken, and whole ones follow");
            }
            return Ok(at);
        };
        if record.number != records.len() as u64 {
            return damaged(at, "records are missing before this one, or out of order");
        }
        records.push(record);
        at += length;
    }
    Ok(at)
}

/// Whether a whole record lies anywhere behind the beginning of `rest`.
fn holds_a_record(rest: &[u8]) -> bool {
    (1..rest.len()).any(|at| Record::decode(&rest[at..]).is_some())
}

fn file(folder: &Path, n: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{n}"))
}

/// The number of the last file; 0 where there is none.
fn highest<D: Disk>(disk: &D, folder: &Path) -> Result<u64, tessera_durable::Error> {
    let names = trying("list", folder, disk.list(folder))?;
    let number = |name: &OsString| name.to_str()?.strip_prefix(PREFIX)?.parse::<u64>().ok();
    Ok(names.iter().filter_map(number).max().unwrap_or(0))
}

/// Names what was tried, where an I/O error only says why it failed.
fn trying<T>(
    action: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, tessera_durable::Error> {
    result.map_err(|source| tessera_durable::Error { action, path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Event;
    use crate::time::Moment;
    use tessera_durable::simulated::SimulatedDisk;

    impl ReadBack for SimulatedDisk {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            SimulatedDisk::read(self, path)
        }
    }

    const FOLDER: &str = "/chain";

    fn record(number: u64) -> Record {
        let length = usize::try_from(number % 7).unwrap() * 11;
        Record {
            number,
            at: Moment { unix_ms: 5 + number, slot: number },
            event: Event::Transaction(vec![number as u8; length]),
        }
    }

    fn disk() -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        disk.create_dir(Path::new(FOLDER)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    /// Starts the journal again and again, adding two records each time, and says how many records
    /// were acknowledged before the disk stopped.
    fn run(disk: &SimulatedDisk, starts: usize) -> u64 {
        let mut acknowledged = 0;
        for _ in 0..starts {
            let Ok((mut journal, _)) = Journal::open(disk.clone(), Path::new(FOLDER)) else {
                break;
            };
            for _ in 0..2 {
                if journal.append(&record(journal.next_number())).is_err() {
                    return acknowledged;
                }
                acknowledged = journal.next_number();
            }
        }
        acknowledged
    }

    fn replace(disk: &SimulatedDisk, path: &str, bytes: &[u8]) {
        write_file(disk, Path::new(path), bytes, Access::OwnerOnly).unwrap();
    }

    #[test]
    fn power_may_fail_at_every_step_and_nothing_acknowledged_is_lost() {
        let steps = {
            let disk = disk();
            assert_eq!(run(&disk, 3), 6);
            disk.steps()
        };
        for stop in 0..=steps {
            let disk = disk();
            disk.stop_at(stop.max(disk.steps()));
            let acknowledged = run(&disk, 3);
            for survival in 0..1 << disk.undecided_bits().min(8) {
                let after = disk.fail_power(survival);
                let (mut journal, records) =
                    Journal::open(after.clone(), Path::new(FOLDER)).unwrap();
                let count = records.len() as u64;
                assert!(count == acknowledged || count == acknowledged + 1, "stop {stop}");
                assert_eq!(records, (0..count).map(record).collect::<Vec<_>>());
                journal.append(&record(count)).unwrap();
                let (_, again) = Journal::open(after, Path::new(FOLDER)).unwrap();
                assert_eq!(again.len() as u64, count + 1);
            }
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_was_torn() {
        let disk = disk();
        run(&disk, 2);
        let bytes = disk.read(Path::new("/chain/journal-2")).unwrap();
        let last = record(3).encode().len();
        for torn in 1..=last {
            let disk = disk.duplicate();
            replace(&disk, "/chain/journal-2", &bytes[..bytes.len() - torn]);
            let (_, records) = Journal::open(disk, Path::new(FOLDER)).unwrap();
            assert_eq!(records.len(), 3, "{torn} bytes are missing");
        }
    }

    #[test]
    fn what_is_damaged_before_the_end_is_refused() {
        let disk = disk();
        run(&disk, 2);
        for (path, damage) in [("/chain/journal-1", 0), ("/chain/journal-2", 1)] {
            let whole = disk.read(Path::new(path)).unwrap();
            // All of the first file; of the last one, all but its last record, which may be torn.
            let length = whole.len() - damage * record(3).encode().len();
            for at in 0..length {
                let disk = disk.duplicate();
                let mut bytes = whole.clone();
                bytes[at] ^= 0x10;
                replace(&disk, path, &bytes);
                let error = Journal::open(disk, Path::new(FOLDER)).err().unwrap();
                assert!(matches!(error, JournalError::Damaged { .. }), "{path} {at}: {error}");
            }
        }
    }

    #[test]
    fn a_missing_file_and_a_missing_record_are_refused() {
        let disk = disk();
        run(&disk, 3);
        let without = disk.duplicate();
        without.remove_file(Path::new("/chain/journal-2")).unwrap();
        let error = Journal::open(without, Path::new(FOLDER)).err().unwrap();
        assert!(matches!(error, JournalError::Missing { .. }), "{error}");

        let bytes = disk.read(Path::new("/chain/journal-2")).unwrap();
        replace(&disk, "/chain/journal-2", &bytes[record(2).encode().len()..]);
        let error = Journal::open(disk, Path::new(FOLDER)).err().unwrap();
        assert!(error.to_string().contains("missing before"), "{error}");
    }

    #[test]
    fn a_journal_that_failed_once_takes_no_more() {
        let disk = disk();
        let (mut journal, _) = Journal::open(disk.clone(), Path::new(FOLDER)).unwrap();
        disk.stop_at(disk.steps());
        journal.append(&record(0)).unwrap_err();
        disk.restart_program();
        journal.append(&record(0)).unwrap_err();
    }
}
