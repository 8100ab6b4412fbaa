//! All sessions of a gateway: those under way, those that ended, those that a crash left.

use crate::files::Files;
use crate::journal::{self, trying};
use crate::publisher::{PublishError, Publisher};
use crate::session::{Remains, Session};
use crate::spec::PublicationSpec;
use crate::state::Window;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tessera_durable::{OsDisk, create_dir};
use tessera_media::Ticks;
use tessera_protocol::{Generation, PlaybackId, SessionId};
use tokio::sync::Semaphore;

/// How much is kept, and how many may wait.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// Where viewers reach the router, `http://host:port` without a slash at the end: begins the
    /// URLs of recordings.
    pub public_url: String,
    /// Live playlists list at least the last so much of a session, and at least
    /// [`Self::MIN_SEGMENTS`] segments. Media stays for twice as long after it left them.
    pub window: Ticks,
    /// Ended sessions that are not recorded can be played for this long.
    pub keep_ended: Duration,
    /// Requests that wait for something to be published, at any one time; more are refused.
    pub max_waiting: usize,
}

impl LibraryOptions {
    /// Segments that a live playlist lists at least.
    pub const MIN_SEGMENTS: usize = 6;

    pub(crate) fn window(&self) -> Window {
        Window { length: self.window, segments: Self::MIN_SEGMENTS }
    }
}

impl Default for LibraryOptions {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            window: Ticks::from_millis(30_000),
            keep_ended: Duration::from_secs(600),
            max_waiting: 4096,
        }
    }
}

/// All sessions in one folder. Clones are handles on the same library.
pub struct Library<D: Files = OsDisk>(Arc<Shared<D>>);

pub(crate) struct Shared<D: Files> {
    disk: D,
    folder: PathBuf,
    options: Arc<LibraryOptions>,
    sessions: RwLock<Sessions<D>>,
    finished: Arc<Finished>,
    pub(crate) waiting: Semaphore,
}

struct Sessions<D: Files> {
    by_id: HashMap<SessionId, Arc<Session<D>>>,
    /// Each stream's sessions, the one that was begun last at the end.
    by_playback: HashMap<PlaybackId, Vec<SessionId>>,
}

/// Sessions whose recordings are complete.
#[derive(Debug, Default)]
pub(crate) struct Finished(RwLock<HashSet<SessionId>>);

impl Finished {
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&session)
    }

    pub(crate) fn add(&self, session: SessionId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(session);
    }
}

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A publisher of this session is in use.
    #[error("session {0} is being published already")]
    Busy(SessionId),
    /// No such session.
    #[error("there is no session {0} here")]
    Unknown(SessionId),
    /// The session was ended; nothing more is published in it.
    #[error("session {0} is over")]
    Ended(SessionId),
    /// Its media is there, and its journal cannot be read.
    #[error(
        "session {session} has media in {} and no journal that can be read: put its journal back \
         from a copy, or move the folder away",
        folder.display()
    )]
    Damaged {
        /// Which session.
        session: SessionId,
        /// Where it lies.
        folder: PathBuf,
    },
    /// A grant that is older than what was published.
    #[error("session {session} was published under generation {known:?}, and {given:?} is older")]
    Generation {
        /// Which session.
        session: SessionId,
        /// The highest in the journal.
        known: Generation,
        /// The one given.
        given: Generation,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Disk(#[from] tessera_durable::Error),
    /// The new grant could not be entered.
    #[error(transparent)]
    Grant(PublishError),
}

impl Library<OsDisk> {
    /// Opens the library in `folder`, which is made if need be. Sessions that are found there can
    /// be viewed at once.
    pub fn open(folder: &Path, options: LibraryOptions) -> Result<Self, OpenError> {
        Self::open_on(OsDisk, folder, options)
    }

    /// Serves everything to viewers: `/live/…`, `/watch/…` and `/recordings/…`.
    pub fn router(&self) -> axum::Router {
        crate::http::router(self.0.clone())
    }
}

impl<D: Files> Library<D> {
    /// Opens the library on any disk.
    pub fn open_on(disk: D, folder: &Path, options: LibraryOptions) -> Result<Self, OpenError> {
        create_dir(&disk, folder)?;
        let options = Arc::new(options);
        let finished = Arc::new(Finished::default());
        let mut found = Vec::new();
        for name in trying("list", folder, disk.list(folder))? {
            let Some(Ok(id)) = name.to_str().map(str::parse::<SessionId>) else { continue };
            let own = folder.join(&name);
            let (_, journal) = journal::find(&disk, &own)?;
            match journal.map(|found| found.state) {
                Some(state) if state.is_closed() => finished.add(id),
                Some(_) => found.extend(Session::recover(disk.clone(), own, options.clone())?),
                None if Remains::of(&disk, &own)? == Remains::Nothing => {
                    trying("remove", &own, disk.remove_folder(&own))?;
                }
                None => tracing::error!(
                    session = %id,
                    folder = %own.display(),
                    "the journal of a session cannot be read: the session is not shown, and its \
                     folder is left as it is. Put the journal back from a copy and start again, or \
                     remove the folder if nothing in it is needed"
                ),
            }
        }
        found.sort_by_key(Session::newest_ms);
        let mut sessions = Sessions { by_id: HashMap::new(), by_playback: HashMap::new() };
        found.into_iter().for_each(|session| sessions.add(session));
        let waiting = Semaphore::new(options.max_waiting);
        let sessions = RwLock::new(sessions);
        let folder = folder.to_path_buf();
        Ok(Self(Arc::new(Shared { disk, folder, options, sessions, finished, waiting })))
    }

    /// Requests that wait for something to be published.
    pub fn waiting(&self) -> usize {
        self.0.options.max_waiting - self.0.waiting.available_permits()
    }

    /// Sessions that somebody has to see to: not ended, or with unreported segments, or not
    /// [settled](Publisher::settle).
    pub fn unfinished(&self) -> Vec<SessionId> {
        let all: Vec<_> = self.0.sessions().by_id.values().cloned().collect();
        let unfinished = all.iter().filter(|session| !session.lock().state.is_seen_to());
        unfinished.map(|session| session.id).collect()
    }

    /// Begins a session, or goes on with one that is here under a new grant.
    pub fn begin(&self, spec: PublicationSpec) -> Result<Publisher<D>, OpenError> {
        let id = spec.session;
        let publisher = match self.claim(id) {
            Ok(publisher) => publisher,
            Err(OpenError::Unknown(_)) if !self.0.finished.has(id) => return self.create(spec),
            Err(OpenError::Unknown(_)) => return Err(OpenError::Ended(id)),
            Err(other) => return Err(other),
        };
        publisher.grant(spec)?;
        self.0.sessions_mut().begun(id);
        Ok(publisher)
    }

    fn create(&self, spec: PublicationSpec) -> Result<Publisher<D>, OpenError> {
        let id = spec.session;
        let own = self.0.folder.join(id.to_string());
        let (disk, options) = (self.0.disk.clone(), self.0.options.clone());
        if trying("look for", &own, disk.exists(&own))?
            && Remains::of(&disk, &own)? == Remains::Media
        {
            return Err(OpenError::Damaged { session: id, folder: own });
        }
        let session = Session::create(disk, own, options, spec)?;
        let mut sessions = self.0.sessions_mut();
        if sessions.by_id.contains_key(&id) {
            return Err(OpenError::Busy(id));
        }
        sessions.add(session);
        drop(sessions);
        self.claim(id)
    }

    /// Opens a session that is here under the generation it had: to report, to end, to record.
    pub fn reopen(&self, session: SessionId) -> Result<Publisher<D>, OpenError> {
        self.claim(session)
    }

    fn claim(&self, id: SessionId) -> Result<Publisher<D>, OpenError> {
        let session = self.0.sessions().by_id.get(&id).cloned().ok_or(OpenError::Unknown(id))?;
        if !session.claim() {
            return Err(OpenError::Busy(id));
        }
        // From here on, dropping the publisher gives the session back.
        let publisher = Publisher::new(session.clone(), self.0.finished.clone());
        session.mend()?;
        Ok(publisher)
    }

    /// Removes ended sessions that nobody has to see to and that ended more than
    /// [`LibraryOptions::keep_ended`] ago: what is not recorded from the disk, and recorded ones from
    /// live playback. Says how many. Call it now and then.
    pub fn collect(&self, now_ms: i64) -> Result<usize, OpenError> {
        let keep_ms = i64::try_from(self.0.options.keep_ended.as_millis()).unwrap_or(i64::MAX);
        let old: Vec<_> = self.0.sessions().by_id.values().cloned().collect();
        let mut collected = 0;
        for session in old {
            let inner = session.lock();
            let ended = inner.state.ended.as_ref();
            let ended_long_ago =
                ended.is_some_and(|ended| ended.at_ms.saturating_add(keep_ms) <= now_ms);
            let seen_to = inner.state.is_seen_to();
            let recorded = inner.state.recorded.is_some();
            drop(inner);
            if !ended_long_ago || !seen_to || !session.claim() {
                continue;
            }
            self.0.sessions_mut().remove(session.id);
            if !recorded {
                let removed = self.0.disk.remove_folder(&session.folder);
                trying("remove", &session.folder, removed)?;
            }
            collected += 1;
        }
        Ok(collected)
    }
}

impl<D: Files> Shared<D> {
    fn sessions(&self) -> RwLockReadGuard<'_, Sessions<D>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions_mut(&self) -> RwLockWriteGuard<'_, Sessions<D>> {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What viewers of a stream see.
    pub(crate) fn playing(&self, playback_id: PlaybackId) -> Option<Arc<Session<D>>> {
        self.sessions().playing(playback_id)
    }

    /// A session of that stream.
    pub(crate) fn session(
        &self,
        playback_id: PlaybackId,
        id: SessionId,
    ) -> Option<Arc<Session<D>>> {
        let session = self.sessions().by_id.get(&id).cloned()?;
        (session.shelf.now().spec.playback_id == playback_id).then_some(session)
    }

    /// The folder of a complete recording.
    pub(crate) fn recording(&self, session: SessionId) -> Option<PathBuf> {
        self.finished.has(session).then(|| self.folder.join(session.to_string()))
    }
}

impl<D: Files> Sessions<D> {
    /// Adds a session that was begun after all that are there.
    fn add(&mut self, session: Session<D>) {
        let id = session.id;
        self.by_id.insert(id, Arc::new(session));
        self.begun(id);
    }

    /// A session was begun, or goes on: viewers of its stream see it from now on.
    fn begun(&mut self, id: SessionId) {
        let Some(session) = self.by_id.get(&id) else { return };
        let of_stream = self.by_playback.entry(session.shelf.now().spec.playback_id).or_default();
        of_stream.retain(|other| *other != id);
        of_stream.push(id);
    }

    /// The session of a stream that was begun last, unless it ended before there was anything to
    /// see.
    fn playing(&self, playback_id: PlaybackId) -> Option<Arc<Session<D>>> {
        let of_stream = self.by_playback.get(&playback_id)?;
        let newest_first = || of_stream.iter().rev().filter_map(|id| self.by_id.get(id));
        let has_something = |session: &&Arc<Session<D>>| {
            let view = session.shelf.now();
            !view.ended || view.newest_ms.is_some()
        };
        newest_first().find(has_something).or_else(|| newest_first().next()).cloned()
    }

    fn remove(&mut self, id: SessionId) {
        self.by_id.remove(&id);
        self.by_playback.retain(|_, of_stream| {
            of_stream.retain(|other| *other != id);
            !of_stream.is_empty()
        });
    }
}

impl<D: Files> Clone for Library<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Files> std::fmt::Debug for Library<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}
