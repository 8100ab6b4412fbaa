//! What a gateway does with a session.

use crate::files::Files;
use crate::library::{Finished, OpenError};
use crate::mux::{Muxed, Stretch};
use crate::recording;
use crate::session::{Inner, Session};
use crate::spec::{FinishedPart, FinishedSegment, Pictures, PublicationSpec, SegmentHead};
use crate::state::{Ended, Event, Recorded, State};
use crate::steps::Ready;
use crate::track::{RecordingName, Track};
use bytes::Bytes;
use std::sync::Arc;
use tessera_durable::OsDisk;
use tessera_media::Ticks;
use tessera_packaging::FormatError;
use tessera_packaging::fmp4::FragmentError;
use tessera_packaging::recording::RecordingError;
use tessera_protocol::Generation;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_protocol::stream::view::{HealthNote, Recording};
use tessera_protocol::stream::{RenditionName, SegmentNumber};

/// Publishes one session. Methods block, and take turns; the publisher may be shared. As long as it
/// lives, nobody else can open its session.
pub struct Publisher<D: Files = OsDisk> {
    session: Arc<Session<D>>,
    finished: Arc<Finished>,
}

/// Why something is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The fence said no: the lease is over, or may be.
    #[error("segment {0} is not listed: this gateway may no longer publish the session")]
    Fenced(SegmentNumber),
    /// Another generation than the publisher's.
    #[error("a segment of generation {given:?} was given to a publisher of generation {own:?}")]
    Generation {
        /// The segment's.
        given: Generation,
        /// The publisher's.
        own: Generation,
    },
    /// A number that was used, or may have been.
    #[error("segment {given} comes too late: the next is {next} or higher")]
    Number {
        /// The segment's.
        given: SegmentNumber,
        /// The least that may come.
        next: SegmentNumber,
    },
    /// The ladder has it and the segment doesn't, or the reverse, or it has no units.
    #[error("segment {segment} has no pictures of {rendition}, or more than the ladder has")]
    Renditions {
        /// Which segment.
        segment: SegmentNumber,
        /// The first rendition that is wrong.
        rendition: RenditionName,
    },
    /// Parts that don't follow each other, or a segment without any.
    #[error("part {given} of segment {segment} was given where {expected} was due")]
    Part {
        /// Which segment.
        segment: SegmentNumber,
        /// The part given.
        given: u32,
        /// The part due.
        expected: u32,
    },
    /// A part with another format than its segment's first part: it needs a new segment.
    #[error("the format changes within segment {0}: begin a new one")]
    FormatChanged(SegmentNumber),
    /// A segment that is shorter than a tick, or longer than a playlist should have.
    #[error("segment {segment} of {duration} cannot be listed")]
    Duration {
        /// Which segment.
        segment: SegmentNumber,
        /// How long it is.
        duration: Ticks,
    },
    /// A receipt for something else.
    #[error("the receipt of segment {0} is for another segment, session or generation")]
    Receipt(SegmentNumber),
    /// A format that no file can state.
    #[error("segment {segment} cannot be described: {source}")]
    Format {
        /// Which segment.
        segment: SegmentNumber,
        /// Why.
        source: FormatError,
    },
    /// Units that no file can hold.
    #[error("segment {segment} cannot be written: {source}")]
    Times {
        /// Which segment.
        segment: SegmentNumber,
        /// Why.
        source: FragmentError,
    },
    /// The session was ended.
    #[error("the session is over")]
    Ended,
    /// A recording that no file can hold.
    #[error("the recording could not be made: {0}")]
    Recording(#[source] RecordingError),
    /// Media could not be written or read. The same segment may be tried again.
    #[error("media could not be kept: {0}")]
    Media(#[source] tessera_durable::Error),
    /// The journal could not be written. Open the session again before anything else is published.
    #[error("the journal could not be written: {0}")]
    Journal(#[source] tessera_durable::Error),
    /// The journal could not be written earlier.
    #[error("the journal could not be written earlier: the session has to be opened again")]
    Broken,
}

/// The longest segment that is published.
const LONGEST: Ticks = Ticks::from_millis(120_000);

impl<D: Files> Publisher<D> {
    pub(crate) fn new(session: Arc<Session<D>>, finished: Arc<Finished>) -> Self {
        Self { session, finished }
    }

    /// Goes on under a new grant.
    pub(crate) fn grant(&self, spec: PublicationSpec) -> Result<(), OpenError> {
        let mut inner = self.session.lock();
        let session = self.session.id;
        let known = inner.state.spec.generation;
        if inner.state.ended.is_some() {
            return Err(OpenError::Ended(session));
        }
        if spec.generation < known {
            return Err(OpenError::Generation { session, known, given: spec.generation });
        }
        self.session.close_open(&mut inner, || true).map_err(OpenError::Grant)?;
        let event = Event::Granted(spec);
        inner.add_to_journal(std::slice::from_ref(&event)).map_err(OpenError::Grant)?;
        inner.state.apply(event);
        inner.resumed = !inner.state.segments.is_empty();
        self.session.show(&inner);
        Ok(())
    }

    /// What is published; its generation is the one of the last [`crate::Library::begin`].
    pub fn spec(&self) -> PublicationSpec {
        self.session.lock().state.spec.clone()
    }

    /// The least number that the next segment may have.
    pub fn next_segment(&self) -> SegmentNumber {
        self.session.lock().state.next
    }

    /// Where the last published segment ends on the session's timeline; `None` before the first.
    /// After a restart the timeline goes on from here or later.
    pub fn timeline_end(&self) -> Option<Ticks> {
        self.session.lock().state.segments.back().map(|segment| segment.end())
    }

    /// Why the session was ended, if it was.
    pub fn ended(&self) -> Option<String> {
        self.session.lock().state.ended.as_ref().map(|ended| ended.because.clone())
    }

    /// A track's playlist as viewers see it now; `None` before there is one.
    pub fn playlist(&self, track: &Track) -> Option<Bytes> {
        self.session.shelf.now().playlists.get(track).cloned()
    }

    /// Writes a segment's media, then its record in the journal, both durably, asks the fence, and
    /// lists it. `may_publish` is asked twice: before the journal, and at the moment of listing. A
    /// segment that it stops at the second time is withdrawn: its number stays used.
    pub fn segment(
        &self,
        segment: FinishedSegment,
        may_publish: impl Fn() -> bool,
    ) -> Result<SegmentReport, PublishError> {
        let mut guard = self.session.lock();
        let inner = &mut *guard;
        let FinishedSegment { head, duration, pictures, sound, receipt } = segment;
        let number = head.number;
        inner.admit(&head)?;
        if !(Ticks(1)..=LONGEST).contains(&duration) {
            return Err(PublishError::Duration { segment: number, duration });
        }
        if receipt.as_ref().is_some_and(|r| {
            let claim = &r.claim;
            let claimed = (claim.session, claim.segment, claim.generation);
            claimed != (self.session.id, number, head.generation)
        }) {
            return Err(PublishError::Receipt(number));
        }
        let mut clock = inner.sound.clone();
        let muxed = match pictures {
            Pictures::Parts => None,
            pictures => {
                if number < inner.state.next {
                    let next = inner.state.next;
                    return Err(PublishError::Number { given: number, next });
                }
                let independent = true;
                let stretch =
                    Stretch { segment: number, part: 0, whole: true, duration, independent };
                let mut muxed = Muxed::default();
                muxed.add_pictures(stretch, &inner.state.spec.ladder, pictures)?;
                if let Some(sound) = sound {
                    muxed.add_sound(stretch, &mut clock, sound)?;
                }
                Some(muxed)
            }
        };
        let ready = match muxed {
            None => Ready { duration, receipt, ..inner.all_parts(&head)? },
            Some(muxed) => {
                self.session.close_open(inner, &may_publish)?;
                let discontinuity = inner.breaks(&head, &muxed.needs());
                let sequence = inner.state.sequence_of(number);
                Ready { head, sequence, discontinuity, duration, muxed, in_parts: false, receipt }
            }
        };
        let report = self.session.publish(inner, &ready, may_publish)?;
        inner.sound = clock;
        Ok(report)
    }

    /// Lists a part of a segment under way, from memory. The first part of each segment makes
    /// durable that its number is used; parts are written and not synced. If the process is killed
    /// before the segment is finished, its parts are a segment after the restart; if the power
    /// fails, those that the disk has.
    ///
    /// `may_publish` is asked twice: before anything is written, and at the moment of listing. A
    /// part that it stops can be given again.
    pub fn part(
        &self,
        part: FinishedPart,
        may_publish: impl Fn() -> bool,
    ) -> Result<(), PublishError> {
        let mut guard = self.session.lock();
        let inner = &mut *guard;
        let FinishedPart { head, index, duration, independent, pictures, sound } = part;
        let number = head.number;
        inner.admit(&head)?;
        if !(Ticks(1)..=LONGEST).contains(&duration) {
            return Err(PublishError::Duration { segment: number, duration });
        }
        let open = inner.open.as_ref().filter(|open| open.head == head);
        if open.is_none() && number < inner.state.next {
            let next = inner.state.next;
            return Err(PublishError::Number { given: number, next });
        }
        let expected = open.map_or(0, |open| open.muxed.parts());
        if index != expected || matches!(pictures, Pictures::Parts) {
            return Err(PublishError::Part { segment: number, given: index, expected });
        }
        let whole = false;
        let stretch = Stretch { segment: number, part: index, whole, duration, independent };
        let mut clock = inner.sound.clone();
        let mut muxed = Muxed::default();
        muxed.add_pictures(stretch, &inner.state.spec.ladder, pictures)?;
        if let Some(sound) = sound {
            muxed.add_sound(stretch, &mut clock, sound)?;
        }
        if open.is_some_and(|open| index > 0 && !open.muxed.continues_in(&muxed)) {
            return Err(PublishError::FormatChanged(number));
        }
        if !may_publish() {
            return Err(PublishError::Fenced(number));
        }
        if open.is_none() {
            self.session.close_open(inner, &may_publish)?;
            self.session.begin_parts(inner, head, &muxed)?;
        }
        self.session.list_part(inner, muxed, stretch, may_publish)?;
        inner.sound = clock;
        Ok(())
    }

    /// Replaces the picture that stands for the stream: a JPEG.
    pub fn thumbnail(&self, jpeg: Bytes) {
        self.session.shelf.set_thumbnail(jpeg);
    }

    /// Replaces what viewers are told of the stream's health.
    pub fn health(&self, notes: &[HealthNote]) {
        self.session.shelf.set_health(notes);
    }

    /// Published segments that nobody reported yet, by number, at most `most`.
    pub fn unreported(&self, most: usize) -> Vec<SegmentReport> {
        self.session.lock().state.unreported.values().take(most).cloned().collect()
    }

    /// The master knows these segments. Not made durable at once: a report may come twice after a
    /// crash, which changes nothing.
    pub fn mark_reported(&self, segments: &[SegmentNumber]) -> Result<(), PublishError> {
        let mut inner = self.session.lock();
        let event = Event::Reported(segments.to_vec());
        inner.write_journal(|journal| journal.note(std::slice::from_ref(&event)))?;
        inner.state.apply(event);
        Ok(())
    }

    /// Ends the session: its playlists say so, and nothing more is published. Ending twice changes
    /// nothing. `now_ms` is in milliseconds since 1970.
    pub fn end(&self, because: &str, now_ms: i64) -> Result<(), PublishError> {
        let mut inner = self.session.lock();
        if inner.state.ended.is_some() {
            return Ok(());
        }
        // What is under way was listed already, so no fence is asked.
        if let Err(error) = self.session.close_open(&mut inner, || true) {
            tracing::error!(session = %self.session.id, %error, "the last parts are lost");
        }
        let event = Event::Ended(Ended { because: because.to_owned(), at_ms: now_ms });
        inner.add_to_journal(std::slice::from_ref(&event))?;
        inner.state.apply(event);
        self.session.show(&inner);
        Ok(())
    }

    /// Makes the MP4 of an ended session that is recorded, and says where the recording plays;
    /// `None` where nothing is recorded, or nothing was published. Takes time in proportion to the
    /// session. Done again, it answers at once; killed on the way, it is made again.
    pub fn finish_recording(&self) -> Result<Option<Recording>, PublishError> {
        let state = self.session.lock().state.clone();
        if !state.spec.record || state.segments.is_empty() || state.ended.is_none() {
            return Ok(state.recorded.map(|recorded| self.urls(&recorded)));
        }
        if let Some(recorded) = state.recorded {
            return Ok(Some(self.urls(&recorded)));
        }
        let recorded = recording::write(&self.session, &state)?;
        let mut inner = self.session.lock();
        let event = Event::Recorded(recorded.clone());
        inner.add_to_journal(std::slice::from_ref(&event))?;
        inner.state.apply(event);
        self.finished.add(self.session.id);
        Ok(Some(self.urls(&recorded)))
    }

    fn urls(&self, recorded: &Recorded) -> Recording {
        let at = |name: RecordingName| {
            format!("{}/recordings/{}/{name}", self.session.options.public_url, self.session.id)
        };
        Recording {
            playlist_url: at(RecordingName::Multivariant),
            mp4_url: at(RecordingName::Mp4(recorded.mp4.clone())),
            duration_ms: recorded.duration_ms,
        }
    }

    /// The master knows of the end, and of the recording if there is one: nobody has to see to the
    /// session any more, and [`crate::Library::collect`] may remove it.
    pub fn settle(&self) -> Result<(), PublishError> {
        let mut inner = self.session.lock();
        if !inner.state.settled {
            inner.add_to_journal(&[Event::Settled])?;
            inner.state.apply(Event::Settled);
        }
        if inner.state.is_closed() {
            // Only its files are needed from now on: whoever opens the library reads little.
            let (segments, inits) = Default::default();
            let slim = State { segments, inits, ..inner.state.clone() };
            self.session.replace_journal(&mut inner, &slim);
        }
        Ok(())
    }
}

impl<D: Files> Drop for Publisher<D> {
    fn drop(&mut self) {
        self.session.release();
    }
}

impl<D: Files> std::fmt::Debug for Publisher<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("session", &self.session.id).finish_non_exhaustive()
    }
}

impl<D: Files> Inner<D> {
    /// Whether anything may be published with this head.
    fn admit(&self, head: &SegmentHead) -> Result<(), PublishError> {
        if self.state.ended.is_some() {
            return Err(PublishError::Ended);
        }
        if self.journal.is_none() {
            return Err(PublishError::Broken);
        }
        let own = self.state.spec.generation;
        if head.generation != own {
            return Err(PublishError::Generation { given: head.generation, own });
        }
        Ok(())
    }

    /// All of the segment under way.
    fn all_parts(&self, head: &SegmentHead) -> Result<Ready, PublishError> {
        match &self.open {
            Some(open) if open.head == *head && open.muxed.parts() > 0 => Ok(open.ready()),
            _ => Err(PublishError::Part { segment: head.number, given: 0, expected: 0 }),
        }
    }
}
