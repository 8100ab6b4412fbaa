//! What outlives the process: one record after another.
//!
//! A session's folder holds one journal, `journal-<n>`. Its first record is the state at that
//! moment, each further one something that happened since. Whoever opens a session writes a new
//! journal with the next `n`, makes it durable, and only then removes the old one: so what a killed
//! process wrote without syncing is durable before anybody relies on it, a torn end is left behind,
//! and journals don't grow for ever. Of several journals the one with the highest `n` whose first
//! record is whole is in force.

use crate::files::Files;
use crate::record;
use crate::state::{Event, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tessera_durable::{Access, Error};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    State(Box<State>),
    Event(Box<Event>),
}

/// What a journal's bytes say.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The state after the last whole record.
    pub state: State,
    /// Bytes after it that are no record: a write that was interrupted.
    pub torn: usize,
}

/// Reads a journal: the state it begins with and all that happened since, up to the first record
/// that is not whole. `None` where there is no state to begin with.
pub fn read(bytes: impl Into<Bytes>) -> Option<Read> {
    let mut rest = bytes.into();
    let mut state = match record::take(&mut rest)? {
        (Record::State(state), _) => *state,
        (Record::Event(_), _) => return None,
    };
    while let Some((record, _)) = record::take(&mut rest) {
        match record {
            Record::State(_) => break,
            Record::Event(event) => state.apply(*event),
        }
    }
    Some(Read { state, torn: rest.len() })
}

/// A journal that is open for writing.
pub struct Journal<D: Files> {
    disk: D,
    path: PathBuf,
    number: u64,
    file: D::File,
    events: usize,
}

impl<D: Files> Journal<D> {
    /// Starts a journal with `state` that replaces journal `before`. `Ok` means that it is durable
    /// and in force.
    pub fn start(disk: D, folder: &Path, before: u64, state: &State) -> Result<Self, Error> {
        let number = before + 1;
        let path = folder.join(format!("{PREFIX}{number}"));
        let mut bytes = Vec::new();
        record::put(&Record::State(Box::new(state.clone())), &[], &mut bytes);
        let result = disk.create_new(&path, Access::Umask);
        let mut file = trying("make the journal", &path, result)?;
        trying("write", &path, disk.append(&mut file, &bytes))?;
        trying("sync", &path, disk.sync_file(&mut file))?;
        trying("sync the folder", folder, disk.sync_dir(folder))?;
        Ok(Self { disk, path, number, file, events: 0 })
    }

    /// Adds events, together or not at all, so that they survive whatever comes.
    pub fn add(&mut self, events: &[Event]) -> Result<(), Error> {
        self.note(events)?;
        trying("sync", &self.path, self.disk.sync_file(&mut self.file))
    }

    /// Adds events that may be lost, with all that follow, until something is added durably.
    pub fn note(&mut self, events: &[Event]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for event in events {
            record::put(&Record::Event(Box::new(event.clone())), &[], &mut bytes);
        }
        self.events += events.len();
        trying("append to", &self.path, self.disk.append(&mut self.file, &bytes))
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Events since it was started.
    pub fn events(&self) -> usize {
        self.events
    }
}

const PREFIX: &str = "journal-";

/// Whether a file of this name is a journal.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The journal in force in `folder`, with the highest number that any journal there has; `None`
/// where there is none.
pub fn find<D: Files>(disk: &D, folder: &Path) -> Result<(u64, Option<Read>), Error> {
    let mut numbers = numbers(disk, folder)?;
    numbers.sort_unstable();
    let highest = numbers.last().copied().unwrap_or(0);
    for number in numbers.into_iter().rev() {
        let path = folder.join(format!("{PREFIX}{number}"));
        let bytes = trying("read", &path, disk.read(&path))?;
        if let Some(found) = read(bytes) {
            return Ok((highest, Some(found)));
        }
    }
    Ok((highest, None))
}

/// Removes journals before `number`. Not durable: one that comes back is older than that in force.
pub fn remove_before<D: Files>(disk: &D, folder: &Path, number: u64) -> Result<(), Error> {
    for older in numbers(disk, folder)?.into_iter().filter(|&n| n < number) {
        let path = folder.join(format!("{PREFIX}{older}"));
        trying("remove", &path, disk.remove_file(&path))?;
    }
    Ok(())
}

fn numbers<D: Files>(disk: &D, folder: &Path) -> Result<Vec<u64>, Error> {
    let names = trying("list", folder, disk.list(folder))?;
    let number =
        |name: &std::ffi::OsString| crate::track::number(name.to_str()?.strip_prefix(PREFIX)?).ok();
    Ok(names.iter().filter_map(number).collect())
}

/// Names what was tried, where an I/O error only says why it failed.
pub(crate) fn trying<T>(
    action: &'static str,
    path: &Path,
    result: std::io::Result<T>,
) -> Result<T, Error> {
    result.map_err(|source| Error { action, path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PublicationSpec;
    use crate::state::{Ended, Segment};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tessera_durable::Disk;
    use tessera_durable::simulated::SimulatedDisk;
    use tessera_media::Ticks;
    use tessera_protocol::stream::SegmentNumber;
    use tessera_protocol::{Generation, PlaybackId, SessionId};

    fn state() -> State {
        State::new(PublicationSpec {
            session: SessionId([1; 16]),
            playback_id: PlaybackId([2; 16]),
            generation: Generation(3),
            title: None,
            ladder: "240p:400k".parse().unwrap(),
            latency: Default::default(),
            record: false,
            next_segment: SegmentNumber(4),
        })
    }

    fn segment(number: u64) -> Event {
        let segment = Segment {
            number: SegmentNumber(number),
            sequence: number,
            generation: Generation(3),
            start: Ticks(number as i64 * 180_000),
            duration: Ticks(180_000),
            discontinuity: false,
            discontinuities: 0,
            program_date_time_ms: 0,
            tracks: BTreeMap::new(),
        };
        Event::Segment(Box::new(segment), None)
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..12_u64).prop_map(segment),
            (0..12_u64).prop_map(|n| Event::Opened(SegmentNumber(n))),
            (0..12_u64).prop_map(|n| Event::Withdrawn(SegmentNumber(n))),
            (0..12_u64).prop_map(|n| Event::Reported(vec![SegmentNumber(n)])),
            ".{0,9}".prop_map(|because| Event::Ended(Ended { because, at_ms: 5 })),
            Just(Event::Settled),
        ]
    }

    const FOLDER: &str = "/session";

    fn disk() -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        disk.create_dir(Path::new(FOLDER)).unwrap();
        disk
    }

    proptest! {
        #[test]
        fn a_journal_says_what_happened_up_to_its_end(
            events in proptest::collection::vec(event(), 0..20),
            end in any::<proptest::sample::Index>(),
        ) {
            let disk = disk();
            let mut journal = Journal::start(disk.clone(), Path::new(FOLDER), 0, &state()).unwrap();
            let (mut expected, mut states) = (state(), vec![state()]);
            for event in events {
                journal.add(std::slice::from_ref(&event)).unwrap();
                expected.apply(event);
                states.push(expected.clone());
            }
            let bytes = disk.read(Path::new("/session/journal-1")).unwrap();
            let whole = read(bytes.clone()).unwrap();
            prop_assert_eq!((&whole.state, whole.torn), (&expected, 0));
            // Cut anywhere, it says what had happened by some moment.
            match read(bytes[..end.index(bytes.len())].to_vec()) {
                Some(found) => prop_assert!(states.contains(&found.state)),
                None => prop_assert!(end.index(bytes.len()) < bytes.len()),
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(
            events in proptest::collection::vec(event(), 0..4),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let disk = disk();
            let mut journal = Journal::start(disk.clone(), Path::new(FOLDER), 0, &state()).unwrap();
            journal.add(&events).unwrap();
            let mut bytes = disk.read(Path::new("/session/journal-1")).unwrap();
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            let _ = read(bytes);
        }

        /// Numbers only rise, whatever the events are.
        #[test]
        fn no_number_becomes_free_again(events in proptest::collection::vec(event(), 0..30)) {
            let mut state = state();
            for event in events {
                let before = (state.next, state.next_sequence);
                state.apply(event);
                prop_assert!((state.next, state.next_sequence) >= before);
                prop_assert!(state.segments.iter().all(|segment| segment.number < state.next));
            }
        }
    }

    #[test]
    fn the_newest_journal_that_is_whole_is_in_force() {
        let (disk, folder) = (disk(), Path::new(FOLDER));
        assert!(find(&disk, folder).unwrap() == (0, None));
        let mut first = Journal::start(disk.clone(), folder, 0, &state()).unwrap();
        first.add(&[segment(4)]).unwrap();
        let mut torn = disk.create_new(&folder.join("journal-2"), Access::Umask).unwrap();
        disk.append(&mut torn, b"half a record").unwrap();
        let (highest, found) = find(&disk, folder).unwrap();
        assert_eq!((highest, found.unwrap().state.next), (2, SegmentNumber(5)));
        let newest = Journal::start(disk.clone(), folder, 2, &state()).unwrap();
        let (highest, found) = find(&disk, folder).unwrap();
        assert_eq!((highest, found.unwrap().state.next), (3, SegmentNumber(4)));
        remove_before(&disk, folder, newest.number()).unwrap();
        assert_eq!(disk.list(folder).unwrap(), ["journal-3"]);
    }
}
