//! A session in memory and on disk: how it is found again after a crash.

use crate::files::Files;
use crate::journal::{self, Journal, trying};
use crate::library::LibraryOptions;
use crate::mux::{Muxed, SoundClock};
use crate::parts_log::{self, PartsLog};
use crate::shelf::{Shelf, segment_file};
use crate::spec::{PublicationSpec, SegmentHead};
use crate::state::{Segment, State, Window};
use crate::steps::{self, Ready};
use crate::track::{MediaName, RecordingName};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tessera_durable::{Error, sweep};
use tessera_protocol::SessionId;

/// A session.
pub(crate) struct Session<D: Files> {
    pub(crate) id: SessionId,
    pub(crate) disk: D,
    pub(crate) folder: PathBuf,
    pub(crate) options: Arc<LibraryOptions>,
    pub(crate) shelf: Shelf,
    inner: Mutex<Inner<D>>,
    claimed: AtomicBool,
}

/// What only one at a time may touch.
pub(crate) struct Inner<D: Files> {
    pub(crate) state: State,
    /// `None` once a write failed: nothing is known of its end.
    pub(crate) journal: Option<Journal<D>>,
    /// The segment under way.
    pub(crate) open: Option<Open>,
    /// Where its parts are kept.
    pub(crate) log: Option<PartsLog<D>>,
    /// Where the next sound lies.
    pub(crate) sound: SoundClock,
    /// Whether what comes next does not continue what is there: this process began in between.
    pub(crate) resumed: bool,
}

/// A segment of which parts are listed.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) head: SegmentHead,
    /// Its place in playlists.
    pub(crate) sequence: u64,
    /// Whether it does not continue the segment before it.
    pub(crate) discontinuity: bool,
    /// Its parts so far.
    pub(crate) muxed: Muxed,
}

impl<D: Files> Session<D> {
    /// Makes a session that is not there yet, or whose folder a killed process left empty.
    pub(crate) fn create(
        disk: D,
        folder: PathBuf,
        options: Arc<LibraryOptions>,
        spec: PublicationSpec,
    ) -> Result<Self, Error> {
        make_folder(&disk, &folder)?;
        let (before, _) = journal::find(&disk, &folder)?;
        let state = State::new(spec);
        let journal = Journal::start(disk.clone(), &folder, before, &state)?;
        journal::remove_before(&disk, &folder, journal.number())?;
        let inner = Inner::with(state, journal, false);
        Ok(Self::with(disk, folder, options, inner))
    }

    /// Finds a session again; `None` where its folder has no journal, because it was never begun.
    pub(crate) fn recover(
        disk: D,
        folder: PathBuf,
        options: Arc<LibraryOptions>,
    ) -> Result<Option<Self>, Error> {
        let Some(inner) = Inner::recover(&disk, &folder, options.window())? else {
            return Ok(None);
        };
        let session = Self::with(disk, folder, options, inner);
        session.stock(&session.lock());
        Ok(Some(session))
    }

    fn with(disk: D, folder: PathBuf, options: Arc<LibraryOptions>, inner: Inner<D>) -> Self {
        let spec = inner.state.spec.clone();
        Self {
            id: spec.session,
            shelf: Shelf::new(&folder, spec),
            disk,
            folder,
            options,
            inner: Mutex::new(inner),
            claimed: AtomicBool::new(false),
        }
    }

    /// When the newest of its segments was received. One without segments was begun just now.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.shelf.now().newest_ms.unwrap_or(i64::MAX)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<D>> {
        // Whoever panicked between a write and its application left a journal that knows better:
        // nothing is written until it was read again.
        self.inner.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut inner = poisoned.into_inner();
            inner.journal = None;
            self.inner.clear_poison();
            inner
        })
    }

    /// Takes the session for one publisher; whether it was free.
    pub(crate) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Gives it back.
    pub(crate) fn release(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    /// Reads a session again whose journal failed; nothing to do where it did not.
    pub(crate) fn mend(&self) -> Result<(), Error> {
        let mut inner = self.lock();
        if inner.journal.is_none() {
            let window = self.options.window();
            *inner = Inner::recover(&self.disk, &self.folder, window)?.ok_or_else(|| {
                let gone = std::io::Error::other("no journal there can be read");
                trying::<()>("open the session in", &self.folder, Err(gone)).unwrap_err()
            })?;
            self.stock(&inner);
        }
        Ok(())
    }

    /// Puts everything that is kept on the shelf.
    fn stock(&self, inner: &Inner<D>) {
        let mut media = self.shelf.media();
        media.segments = inner.state.segments.iter().map(|s| (s.number, s.clone())).collect();
        media.inits =
            inner.state.inits.iter().map(|(&id, init)| (id, init.bytes.clone())).collect();
        media.parts = None;
        drop(media);
        self.show(inner);
    }

    /// Replaces all playlists by those of this state.
    pub(crate) fn show(&self, inner: &Inner<D>) {
        let view = crate::playlists::view(&inner.state, inner.open.as_ref(), self.options.window());
        self.shelf.view.send_replace(Arc::new(view));
    }
}

impl<D: Files> Inner<D> {
    fn with(state: State, journal: Journal<D>, resumed: bool) -> Self {
        let sound = SoundClock::default();
        Self { state, journal: Some(journal), open: None, log: None, sound, resumed }
    }

    /// Reads the journal, makes a new one of it that is durable, and removes what neither names.
    fn recover(disk: &D, folder: &Path, window: Window) -> Result<Option<Self>, Error> {
        sweep(disk, folder)?;
        let (before, found) = journal::find(disk, folder)?;
        let Some(found) = found else { return Ok(None) };
        let mut state = found.state;
        if found.torn > 0 {
            tracing::warn!(
                session = %state.spec.session,
                bytes = found.torn,
                "the journal ends in a write that was interrupted; it is left out"
            );
        }
        state.expire(window);
        let mut present = Vec::new();
        for segment in &state.segments {
            let path = segment_file(folder, segment.number);
            if trying("look for", &path, disk.exists(&path))? {
                present.push(segment.clone());
            } else {
                tracing::error!(
                    session = %state.spec.session,
                    segment = %segment.number,
                    "its media is gone: viewers will see a gap"
                );
            }
        }
        state.segments = present.into();
        let left = keep_parts(disk, folder, &mut state)?;
        let journal = Journal::start(disk.clone(), folder, before, &state)?;
        journal::remove_before(disk, folder, journal.number())?;
        for path in left {
            trying("remove", &path, disk.remove_file(&path))?;
        }
        // A complete recording needs segments that its journal no longer names.
        if state.recorded.is_none() {
            remove_unknown_media(disk, folder, state.segments.make_contiguous())?;
        }
        let resumed = !state.segments.is_empty();
        Ok(Some(Self::with(state, journal, resumed)))
    }
}

/// Makes segments of what was listed in parts when the process was killed, and names the files
/// that held them.
fn keep_parts<D: Files>(disk: &D, folder: &Path, state: &mut State) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for (path, ready) in parts_log::left(disk, folder)? {
        // A segment that is in the journal is whole, and one whose number the journal doesn't
        // know was not listed.
        let listed_in_parts = |ready: &Ready| {
            let number = ready.head.number;
            number < state.next && state.segments.back().is_none_or(|last| last.number < number)
        };
        if let Some(ready) = ready.filter(listed_in_parts) {
            steps::write_media(disk, folder, ready.head.number, &ready.muxed.tracks)?;
            for event in ready.events(state) {
                state.apply(event);
            }
        }
        paths.push(path);
    }
    Ok(paths)
}

/// What a folder holds in which no journal can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    /// Nothing: it is of a process that was killed before it wrote the journal.
    Nothing,
    /// A journal of which nothing is known, and no media.
    Journal,
    /// Media of a session whose journal is damaged.
    Media,
}

impl Remains {
    /// What is in `folder`.
    pub(crate) fn of<D: Files>(disk: &D, folder: &Path) -> Result<Self, Error> {
        let mut remains = Self::Nothing;
        for name in trying("list", folder, disk.list(folder))? {
            let Some(text) = name.to_str() else { continue };
            let is_media = text.parse::<MediaName>().is_ok()
                || text.parse::<RecordingName>().is_ok()
                || parts_log::is_name(text);
            if is_media {
                return Ok(Self::Media);
            }
            let path = folder.join(text);
            if journal::is_name(text) && !trying("read", &path, disk.read(&path))?.is_empty() {
                remains = Self::Journal;
            }
        }
        Ok(remains)
    }
}

/// Makes a session's folder in the library's, which is durable already.
fn make_folder<D: Files>(disk: &D, folder: &Path) -> Result<(), Error> {
    if !trying("look for", folder, disk.exists(folder))? {
        trying("make the folder", folder, disk.create_dir(folder))?;
    }
    // One that was there may have been made by a process that was killed before it synced this.
    let library = folder.parent().unwrap_or(folder);
    trying("sync the folder", library, disk.sync_dir(library))
}

/// Removes files of segments that no journal names: they were written by a process that was killed
/// before it published them, or have expired.
fn remove_unknown_media<D: Files>(
    disk: &D,
    folder: &Path,
    known: &[Arc<Segment>],
) -> Result<(), Error> {
    for name in trying("list", folder, disk.list(folder))? {
        let Some(Ok(MediaName::Segment(number))) = name.to_str().map(str::parse) else { continue };
        if known.binary_search_by_key(&number, |segment| segment.number).is_err() {
            let path = folder.join(name);
            trying("remove", &path, disk.remove_file(&path))?;
        }
    }
    Ok(())
}
