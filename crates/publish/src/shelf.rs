//! What viewers can take of a session. The publisher puts things here, the router takes them; both
//! hold the locks for a look-up, never for I/O.

use crate::spec::PublicationSpec;
use crate::state::Segment;
use crate::track::{InitId, MediaName, Track};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::HealthNote;
use tokio::sync::watch;

/// The playlists of one moment: replaced together.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// What is published.
    pub(crate) spec: PublicationSpec,
    /// The playlist of playlists; `None` before the first segment.
    pub(crate) multivariant: Option<Bytes>,
    /// One for each rendition, and one for the sound.
    pub(crate) playlists: BTreeMap<Track, Bytes>,
    /// How far each goes.
    pub(crate) reaches: BTreeMap<Track, Reach>,
    /// The part that comes next, where parts are listed: by its segment's number.
    pub(crate) hint: Option<(SegmentNumber, u32)>,
    /// Whether nothing more comes.
    pub(crate) ended: bool,
    /// Their target duration, in whole seconds.
    pub(crate) target_s: u32,
    /// When the newest segment was received; `None` before the first.
    pub(crate) newest_ms: Option<i64>,
}

impl View {
    /// Whether this part is the one to come.
    pub(crate) fn hints_at(&self, segment: SegmentNumber, part: u32) -> bool {
        self.hint == Some((segment, part))
    }

    /// Whether the playlist of `track` has what a player waits for; also where there are playlists,
    /// and none of it.
    pub(crate) fn answers(&self, track: &Track, segment: u64, part: Option<u32>) -> bool {
        match self.reaches.get(track) {
            Some(reach) => reach.answers(segment, part),
            None => !self.reaches.is_empty(),
        }
    }

    /// The last segment in the playlists, which may lack parts still.
    pub(crate) fn last(&self) -> Option<u64> {
        self.reaches.values().next()?.last()
    }
}

/// How far a playlist goes. Segments are counted by their places in playlists, parts by theirs in
/// this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The last complete segment, and of how many parts it is: 0 where it was published at once.
    pub(crate) complete: Option<(u64, u32)>,
    /// The segment under way, and how many parts of it are listed.
    pub(crate) open: Option<(u64, u32)>,
}

impl Reach {
    /// Whether the playlist has what a player waits for: a whole segment, or a part. A part beyond a
    /// segment's last one means the first of the next segment (RFC 8216bis, 6.2.5.2).
    pub(crate) fn answers(self, segment: u64, part: Option<u32>) -> bool {
        let is_open = |(open, parts)| {
            open > segment || (open == segment && part.is_some_and(|part| part < parts))
        };
        let is_complete = |(complete, parts): (u64, u32)| {
            complete > segment
                || (complete == segment && (parts == 0 || part.is_none_or(|part| part < parts)))
        };
        self.complete.is_some_and(is_complete) || self.open.is_some_and(is_open)
    }

    /// The last segment in the playlist, which may lack parts still.
    pub(crate) fn last(self) -> Option<u64> {
        self.open.or(self.complete).map(|(sequence, _)| sequence)
    }
}

/// The media that can be taken.
#[derive(Debug, Default)]
pub(crate) struct Media {
    /// Complete segments, on disk.
    pub(crate) segments: BTreeMap<SegmentNumber, Arc<Segment>>,
    /// What decoders need before them.
    pub(crate) inits: BTreeMap<InitId, Bytes>,
    /// Parts of the segment under way, in memory.
    pub(crate) parts: Option<(SegmentNumber, BTreeMap<Track, Vec<Bytes>>)>,
}

/// Where some media is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// In memory.
    Here(Bytes),
    /// In a file, from its first number on, for its second.
    File(PathBuf, u64, u64),
}

/// What viewers can take.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) folder: PathBuf,
    pub(crate) view: watch::Sender<Arc<View>>,
    media: RwLock<Media>,
    thumbnail: RwLock<Option<Bytes>>,
    health: RwLock<Vec<HealthNote>>,
}

impl Shelf {
    pub(crate) fn new(folder: &Path, spec: PublicationSpec) -> Self {
        let view = View {
            multivariant: None,
            playlists: BTreeMap::new(),
            reaches: BTreeMap::new(),
            hint: None,
            ended: false,
            target_s: spec.target_s(),
            spec,
            newest_ms: None,
        };
        Self {
            folder: folder.to_path_buf(),
            view: watch::Sender::new(Arc::new(view)),
            media: RwLock::default(),
            thumbnail: RwLock::default(),
            health: RwLock::default(),
        }
    }

    /// The playlists of this moment.
    pub(crate) fn now(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    pub(crate) fn media(&self) -> RwLockWriteGuard<'_, Media> {
        self.media.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where media of this name is, if it can be taken. A part in which its track has nothing
    /// cannot: playlists call it a gap, or leave it out.
    pub(crate) fn find(&self, track: &Track, name: MediaName) -> Option<Found> {
        let media = read(&self.media);
        match name {
            MediaName::Init(id) => media.inits.get(&id).cloned().map(Found::Here),
            MediaName::Segment(number) => {
                let stretch = media.segments.get(&number)?.tracks.get(track)?;
                Some(Found::File(
                    segment_file(&self.folder, number),
                    stretch.offset,
                    stretch.length,
                ))
            }
            MediaName::Part(number, part) => {
                let at = part as usize;
                if let Some((_, tracks)) = media.parts.as_ref().filter(|(n, _)| *n == number) {
                    let bytes = tracks.get(track)?.get(at).filter(|bytes| !bytes.is_empty())?;
                    return Some(Found::Here(bytes.clone()));
                }
                let stretch = media.segments.get(&number)?.tracks.get(track)?;
                let length = stretch.parts.get(at)?.length;
                if length == 0 {
                    return None;
                }
                let before: u64 = stretch.parts[..at].iter().map(|part| part.length).sum();
                let file = segment_file(&self.folder, number);
                Some(Found::File(file, stretch.offset + before, length))
            }
        }
    }

    pub(crate) fn thumbnail(&self) -> Option<Bytes> {
        read(&self.thumbnail).clone()
    }

    pub(crate) fn set_thumbnail(&self, jpeg: Bytes) {
        *self.thumbnail.write().unwrap_or_else(PoisonError::into_inner) = Some(jpeg);
    }

    pub(crate) fn health(&self) -> Vec<HealthNote> {
        read(&self.health).clone()
    }

    pub(crate) fn set_health(&self, notes: &[HealthNote]) {
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = notes.to_vec();
    }
}

/// The file of a segment: all its tracks, one behind the other.
pub(crate) fn segment_file(folder: &Path, number: SegmentNumber) -> PathBuf {
    folder.join(MediaName::Segment(number).to_string())
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    // Values are replaced whole, so a poisoned lock guards a sound one.
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_is_counted_in_segments_and_parts() {
        let none = Reach::default();
        assert!(!none.answers(0, None) && none.last().is_none());

        let whole = Reach { complete: Some((6, 0)), ..none };
        assert!(whole.answers(6, None) && whole.answers(6, Some(9)));
        assert!(!whole.answers(7, None));

        let reach = Reach { complete: Some((6, 3)), open: Some((7, 2)) };
        assert!(reach.answers(6, None) && reach.answers(6, Some(9)));
        assert!(reach.answers(7, Some(1)) && !reach.answers(7, Some(2)));
        assert!(!reach.answers(7, None), "without a part, the whole segment is meant");
        assert!(!reach.answers(8, None));
        assert_eq!(reach.last(), Some(7));

        let between = Reach { open: None, ..reach };
        assert!(between.answers(6, Some(2)));
        assert!(!between.answers(6, Some(3)), "that is the first part of 7");
    }
}
