//! Goal: nothing acknowledged is lost, and nothing is torn, whenever the power fails.
//!
//! Method: a program of durable operations writes down what it was told. It is run on the
//! simulated disk once for every step it could be stopped at, and at each of these the power fails
//! in every way the disk knows: each change that was not synced is lost or kept, alone. After each
//! failure the program starts again (it sweeps), and every file must be what was last
//! acknowledged, or what was being written at that moment.
//!
//! Then the checker is checked: with any one sync left out it must find a loss.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tessera_durable::simulated::SimulatedDisk;
use tessera_durable::{
    Access, Disk, Error, Writer, create_dir, exists_durably, remove, sweep, write_file,
};

/// What a program may rely on: the state of each file that was acknowledged, and the one that an
/// unfinished operation was about to give it. `None` is a file that is not there.
#[derive(Debug, Default)]
struct Promises {
    acknowledged: BTreeMap<PathBuf, Option<Vec<u8>>>,
    in_flight: Option<(PathBuf, Option<Vec<u8>>)>,
    folders: Vec<PathBuf>,
}

impl Promises {
    fn keep(
        &mut self,
        path: &Path,
        state: Option<&[u8]>,
        operation: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.in_flight = Some((path.to_path_buf(), state.map(<[u8]>::to_vec)));
        operation()?;
        let (path, state) = self.in_flight.take().expect("set above");
        self.acknowledged.insert(path, state);
        Ok(())
    }

    /// What is wrong with a disk after a failure, or nothing.
    fn check(&self, disk: &SimulatedDisk) -> Result<(), String> {
        for folder in &self.folders {
            let names = disk.list(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
            sweep(disk, folder).map_err(|e| e.to_string())?;
            for name in names {
                let path = folder.join(&name);
                let known = self.acknowledged.contains_key(&path)
                    || self.in_flight.as_ref().is_some_and(|(in_flight, _)| *in_flight == path)
                    || self.folders.contains(&path);
                if !known && disk.exists(&path).unwrap() {
                    return Err(format!("{} is nobody's", path.display()));
                }
            }
        }
        let in_flight = self.in_flight.as_ref();
        for path in self.acknowledged.keys().chain(in_flight.map(|(path, _)| path)) {
            let found = match disk.read(path) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            let is_acknowledged = found == self.acknowledged.get(path).cloned().flatten();
            let is_in_flight = in_flight.is_some_and(|(p, state)| p == path && found == *state);
            if !is_acknowledged && !is_in_flight {
                return Err(format!("{} is {found:?}", path.display()));
            }
        }
        Ok(())
    }
}

type Program = fn(&SimulatedDisk, &mut Promises) -> Result<(), Error>;

/// Every operation that acknowledges something, once or more.
fn all_operations(disk: &SimulatedDisk, promises: &mut Promises) -> Result<(), Error> {
    let home = Path::new("/srv/tessera");
    let blobs = home.join("blobs");
    create_dir(disk, &blobs)?;
    promises.folders.extend([home.to_path_buf(), blobs.clone()]);

    let key = home.join("key");
    for bytes in [&b"the first key"[..], b"another, longer key"] {
        promises.keep(&key, Some(bytes), || write_file(disk, &key, bytes, Access::OwnerOnly))?;
    }

    let mut given_up = Writer::create(disk.clone(), home, Access::Umask)?;
    given_up.write(b"an upload that the artist gave up")?;
    drop(given_up);

    let blob = blobs.join("upload");
    promises.keep(&blob, Some(b"one chunk, and a second one"), || {
        let mut writer = Writer::create(disk.clone(), home, Access::Umask)?;
        writer.write(b"one chunk, ")?;
        writer.write(b"and a second one")?;
        writer.commit(&blob)
    })?;
    promises.keep(&key, None, || remove(disk, &key))
}

/// A disk on which a program was killed after it made a folder and before it synced it.
fn unsynced_folder() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("/srv")).unwrap();
    disk
}

const BLOB: (&str, &[u8]) = ("/blobs/blob", b"stored once");

/// What a program does that starts, and is then sent a blob that it may have already.
fn store_once(disk: &SimulatedDisk, promises: &mut Promises) -> Result<(), Error> {
    let (folder, blob) = (Path::new("/blobs"), Path::new(BLOB.0));
    promises.folders.push(folder.to_path_buf());
    promises.keep(blob, Some(BLOB.1), || {
        sweep(disk, folder)?;
        if exists_durably(disk, blob)? {
            return Ok(());
        }
        write_file(disk, blob, BLOB.1, Access::Umask)
    })
}

/// What a program does that is told to remove a blob, perhaps not for the first time.
fn remove_again(disk: &SimulatedDisk, promises: &mut Promises) -> Result<(), Error> {
    let blob = Path::new(BLOB.0);
    promises.acknowledged.insert(blob.to_path_buf(), Some(BLOB.1.to_vec()));
    promises.keep(blob, None, || remove(disk, blob))
}

fn empty_folder() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    create_dir(&disk, Path::new("/blobs")).unwrap();
    disk
}

fn stored_blob() -> SimulatedDisk {
    let disk = empty_folder();
    store_once(&disk, &mut Promises::default()).unwrap();
    disk
}

/// The disk after `program` ran to its end.
fn after(start: &SimulatedDisk, program: Program) -> SimulatedDisk {
    let disk = start.duplicate();
    program(&disk, &mut Promises::default()).expect("nothing stops it");
    disk
}

/// Disks on which `program` was killed after each of its steps, and the power stayed on.
fn killed_at_each_step(start: &SimulatedDisk, program: Program) -> Vec<SimulatedDisk> {
    let killed_at = |step| {
        let disk = start.duplicate();
        disk.stop_at(step);
        assert!(program(&disk, &mut Promises::default()).is_err(), "it was to be killed");
        disk.restart_program();
        disk
    };
    (start.steps()..after(start, program).steps()).map(killed_at).collect()
}

/// Stops `program` at each of its steps, there fails the power in every way, and says what was
/// lost first.
fn first_loss(start: &SimulatedDisk, program: Program, skip: Option<usize>) -> Option<String> {
    let last_step = after(start, program).steps();
    for step in start.steps()..=last_step {
        let disk = start.duplicate();
        disk.stop_at(step);
        if let Some(sync) = skip {
            disk.skip_sync(sync);
        }
        let mut promises = Promises::default();
        let finished = program(&disk, &mut promises).is_ok();
        assert_eq!(finished, step == last_step, "stopped at step {step}");
        let bits = disk.undecided_bits();
        assert!(bits <= 16, "{bits} bits that were not synced are too many to try");
        for survival in 0..1 << bits {
            if let Err(loss) = promises.check(&disk.fail_power(survival)) {
                return Some(format!("step {step}, survival {survival:#b}: {loss}"));
            }
        }
    }
    None
}

/// Each sync of `program` that can be left out without a loss.
fn needless_syncs(start: &SimulatedDisk, program: Program) -> Vec<usize> {
    let syncs = start.syncs()..after(start, program).syncs();
    assert!(!syncs.is_empty(), "a program without syncs proves nothing");
    syncs.filter(|&sync| first_loss(start, program, Some(sync)).is_none()).collect()
}

#[test]
fn nothing_acknowledged_is_lost_at_any_step() {
    assert_eq!(first_loss(&unsynced_folder(), all_operations, None), None);
}

#[test]
fn leaving_out_any_one_sync_loses_something() {
    assert_eq!(needless_syncs(&unsynced_folder(), all_operations), []);
    // Two for the parents' names and one for the last folder's, two for each of three files, one
    // for the removal.
    let start = unsynced_folder();
    assert_eq!(after(&start, all_operations).syncs() - start.syncs(), 10);
}

#[test]
fn what_a_killed_program_left_is_acknowledged_only_when_durable() {
    let left = killed_at_each_step(&empty_folder(), store_once);
    for disk in &left {
        assert_eq!(first_loss(disk, store_once, None), None);
    }
    // The last one has the file under its name, and the name in memory only.
    let named = left.last().unwrap();
    assert!(named.exists(Path::new(BLOB.0)).unwrap());
    assert_eq!(needless_syncs(named, store_once), []);
}

#[test]
fn what_a_killed_program_was_removing_stays_removed() {
    let left = killed_at_each_step(&stored_blob(), remove_again);
    for disk in &left {
        assert_eq!(first_loss(disk, remove_again, None), None);
    }
    let unnamed = left.last().unwrap();
    assert!(!unnamed.exists(Path::new(BLOB.0)).unwrap());
    assert_eq!(needless_syncs(unnamed, remove_again), []);
}

#[test]
fn the_simulated_disk_loses_and_tears_what_was_not_synced() {
    let path = Path::new("/file");
    let disk = SimulatedDisk::new();
    let mut file = disk.create_new(path, Access::Umask).unwrap();
    disk.append(&mut file, b"abcd").unwrap();
    disk.sync_file(&mut file).unwrap();
    disk.append(&mut file, b"efgh").unwrap();
    assert_eq!(disk.undecided_bits(), 3);

    assert!(!disk.fail_power(0b000).exists(path).unwrap(), "its name was not synced");
    // The lowest bit keeps the name; the other two decide over the second half.
    for (survival, bytes) in
        [(0b001, &b"abcd"[..]), (0b011, b"abcdef"), (0b101, b"abcd\0\0\0\0"), (0b111, b"abcdefgh")]
    {
        assert_eq!(disk.fail_power(survival).read(path).unwrap(), bytes, "{survival:#b}");
    }
    assert_eq!(disk.read(path).unwrap(), b"abcdefgh", "the disk itself kept its power");
}
