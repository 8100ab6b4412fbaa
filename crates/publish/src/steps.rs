//! How a segment comes to be listed: the steps, in their order.

use crate::files::Files;
use crate::journal::{self, Journal, trying};
use crate::mux::{self, Muxed, MuxedTrack, all_bytes};
use crate::parts_log::PartsLog;
use crate::publisher::PublishError;
use crate::session::{Inner, Open, Session};
use crate::shelf::segment_file;
use crate::spec::SegmentHead;
use crate::state::{Event, Segment, Stretch};
use crate::stop;
use crate::track::{InitId, Track};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use tessera_durable::{Access, Error};
use tessera_media::Ticks;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};

/// Events after which a journal is begun anew, so that it doesn't grow for ever.
const EVENTS_MAX: usize = 2_000;

/// A segment that is complete, ready to be written.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) head: SegmentHead,
    /// Its place in playlists.
    pub(crate) sequence: u64,
    /// Whether it does not continue the one before.
    pub(crate) discontinuity: bool,
    pub(crate) duration: Ticks,
    pub(crate) muxed: Muxed,
    /// Whether it was listed in parts before.
    pub(crate) in_parts: bool,
    pub(crate) receipt: Option<ClaimReceipt>,
}

impl Ready {
    /// Its record.
    pub(crate) fn segment(&self, discontinuities_before: u64) -> Segment {
        Segment {
            number: self.head.number,
            sequence: self.sequence,
            generation: self.head.generation,
            start: self.head.start,
            duration: self.duration,
            discontinuity: self.discontinuity,
            discontinuities: discontinuities_before + u64::from(self.discontinuity),
            program_date_time_ms: self.head.program_date_time_ms,
            tracks: places(&self.muxed.tracks, self.in_parts),
        }
    }

    /// What the journal has to say of it, given what is known already.
    pub(crate) fn events(&self, known: &crate::state::State) -> Vec<Event> {
        let new = self.muxed.inits.iter().filter(|(id, _)| !known.inits.contains_key(id));
        let inits = new.map(|(&id, init)| Event::Init(id, init.clone()));
        let segment = self.segment(known.discontinuities());
        let receipt = self.receipt.clone().map(Box::new);
        inits.chain([Event::Segment(Box::new(segment), receipt)]).collect()
    }
}

impl<D: Files> Session<D> {
    /// Media, journal, fence, listing: in this order.
    pub(crate) fn publish(
        &self,
        inner: &mut Inner<D>,
        ready: &Ready,
        may_publish: impl Fn() -> bool,
    ) -> Result<SegmentReport, PublishError> {
        let number = ready.head.number;
        if !may_publish() {
            return Err(PublishError::Fenced(number));
        }
        stop::at("before-media");
        write_media(&self.disk, &self.folder, number, &ready.muxed.tracks)
            .map_err(PublishError::Media)?;
        stop::at("after-media");
        let events = ready.events(&inner.state);
        inner.add_to_journal(&events)?;
        stop::at("after-journal");
        if !may_publish() {
            inner.add_to_journal(&[Event::Withdrawn(number)])?;
            inner.state.apply(Event::Withdrawn(number));
            self.forget_parts(inner);
            self.remove_media(number);
            return Err(PublishError::Fenced(number));
        }
        for event in events {
            inner.state.apply(event);
        }
        inner.resumed = false;
        self.list(inner);
        stop::at("after-listing");
        self.forget_parts(inner);
        let report = inner.state.unreported.get(&number).cloned();
        self.renew_journal(inner);
        Ok(report.expect("applied above"))
    }

    /// Makes durable that parts of this segment may be seen, and begins to keep them.
    pub(crate) fn begin_parts(
        &self,
        inner: &mut Inner<D>,
        head: SegmentHead,
        first: &Muxed,
    ) -> Result<(), PublishError> {
        let sequence = inner.state.sequence_of(head.number);
        let discontinuity = inner.breaks(&head, &first.needs());
        let log = PartsLog::start(self.disk.clone(), &self.folder, &head, sequence, discontinuity)
            .map_err(PublishError::Media)?;
        let event = Event::Opened(head.number);
        inner.add_to_journal(std::slice::from_ref(&event))?;
        inner.state.apply(event);
        inner.open = Some(Open { head, sequence, discontinuity, muxed: Muxed::default() });
        inner.log = Some(log);
        Ok(())
    }

    /// Keeps the next part of the segment under way, asks the fence, and lists it.
    pub(crate) fn list_part(
        &self,
        inner: &mut Inner<D>,
        part: Muxed,
        stretch: mux::Stretch,
        may_publish: impl Fn() -> bool,
    ) -> Result<(), PublishError> {
        let open = inner.open.as_mut().expect("begun before");
        if let Some(log) = &mut inner.log
            && let Err(error) = log.add(&part, stretch)
        {
            // What it holds so far stays good for a restart; what follows is in memory only.
            tracing::warn!(session = %self.id, %error, "parts are no longer kept");
            inner.log = None;
        }
        if !may_publish() {
            if let Some(mut log) = inner.log.take() {
                match log.withdraw(stretch.part) {
                    Ok(()) => inner.log = Some(log),
                    // Left there, it would be listed after a restart.
                    Err(error) => {
                        tracing::warn!(session = %self.id, %error, "parts are no longer kept");
                        log.remove();
                    }
                }
            }
            return Err(PublishError::Fenced(open.head.number));
        }
        open.muxed.append(part);
        let Muxed { tracks, inits } = &open.muxed;
        let parts = tracks.iter().map(|(track, t)| (track.clone(), t.bytes.clone())).collect();
        let mut media = self.shelf.media();
        media.inits.extend(inits.iter().map(|(&id, init)| (id, init.bytes.clone())));
        media.parts = Some((open.head.number, parts));
        drop(media);
        self.show(inner);
        Ok(())
    }

    /// Makes a segment of what is listed of the one under way, if there is one.
    pub(crate) fn close_open(
        &self,
        inner: &mut Inner<D>,
        may_publish: impl Fn() -> bool,
    ) -> Result<(), PublishError> {
        match &inner.open {
            Some(open) if open.muxed.parts() > 0 => {
                let ready = open.ready();
                self.publish(inner, &ready, may_publish).map(|_| ())
            }
            _ => {
                self.forget_parts(inner);
                Ok(())
            }
        }
    }

    /// Lets viewers see what was applied, and removes what they can no longer see.
    fn list(&self, inner: &mut Inner<D>) {
        inner.state.segments.make_contiguous();
        let expired = inner.state.expire(self.options.window());
        let mut media = self.shelf.media();
        if let Some(last) = inner.state.segments.back() {
            media.segments.insert(last.number, last.clone());
        }
        for segment in &expired {
            media.segments.remove(&segment.number);
        }
        if !expired.is_empty() {
            media.inits.clear();
        }
        let inits = inner.state.inits.iter().map(|(&id, init)| (id, init.bytes.clone()));
        media.inits.extend(inits);
        media.parts = None;
        drop(media);
        // Its parts are the segment's now.
        inner.open = None;
        self.show(inner);
        for segment in expired {
            self.remove_media(segment.number);
        }
    }

    fn remove_media(&self, number: SegmentNumber) {
        let path = segment_file(&self.folder, number);
        // One that stays is removed when the session is next opened.
        if let Err(error) = self.disk.remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "old media could not be removed");
        }
    }

    /// Drops the segment under way, which is published, withdrawn or empty.
    fn forget_parts(&self, inner: &mut Inner<D>) {
        if inner.open.take().is_some() {
            self.shelf.media().parts = None;
            self.show(inner);
        }
        if let Some(log) = inner.log.take() {
            log.remove();
        }
    }

    /// Begins the journal anew where it has become long.
    fn renew_journal(&self, inner: &mut Inner<D>) {
        let long = inner.journal.as_ref().is_some_and(|journal| journal.events() >= EVENTS_MAX);
        if long && !inner.state.spec.record {
            let state = inner.state.clone();
            self.replace_journal(inner, &state);
        }
    }

    /// Replaces the journal by one that begins with `state`.
    pub(crate) fn replace_journal(&self, inner: &mut Inner<D>, state: &crate::state::State) {
        let Some(journal) = inner.journal.take() else { return };
        match Journal::start(self.disk.clone(), &self.folder, journal.number(), state) {
            Ok(journal) => {
                let removed = journal::remove_before(&self.disk, &self.folder, journal.number());
                if let Err(error) = removed {
                    tracing::warn!(%error, "an old journal could not be removed");
                }
                inner.journal = Some(journal);
            }
            // The new one may be in force at a restart, or not: neither is written to.
            Err(error) => tracing::error!(%error, "a journal could not be begun anew"),
        }
    }
}

impl<D: Files> Inner<D> {
    /// Whether this would not continue what is there.
    pub(crate) fn breaks(&self, head: &SegmentHead, needs: &BTreeMap<Track, InitId>) -> bool {
        self.resumed || self.state.breaks(head, needs)
    }

    pub(crate) fn add_to_journal(&mut self, events: &[Event]) -> Result<(), PublishError> {
        self.write_journal(|journal| journal.add(events))
    }

    /// Writes to the journal; once that fails, never again.
    pub(crate) fn write_journal(
        &mut self,
        write: impl FnOnce(&mut Journal<D>) -> Result<(), Error>,
    ) -> Result<(), PublishError> {
        let mut journal = self.journal.take().ok_or(PublishError::Broken)?;
        write(&mut journal).map_err(PublishError::Journal)?;
        self.journal = Some(journal);
        Ok(())
    }
}

impl Open {
    /// All of it so far, as a segment.
    pub(crate) fn ready(&self) -> Ready {
        Ready {
            head: self.head.clone(),
            sequence: self.sequence,
            discontinuity: self.discontinuity,
            duration: self.muxed.duration(),
            muxed: self.muxed.clone(),
            in_parts: true,
            receipt: None,
        }
    }
}

/// Writes a segment's file durably.
pub(crate) fn write_media<D: Files>(
    disk: &D,
    folder: &Path,
    number: SegmentNumber,
    tracks: &BTreeMap<Track, MuxedTrack>,
) -> Result<(), Error> {
    let path = segment_file(folder, number);
    match disk.remove_file(&path) {
        // An earlier attempt's, which no journal names.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return trying("replace", &path, Err(error)),
    }
    let mut file = trying("make", &path, disk.create_new(&path, Access::Umask))?;
    for bytes in all_bytes(tracks) {
        trying("write", &path, disk.append(&mut file, bytes))?;
    }
    trying("sync", &path, disk.sync_file(&mut file))?;
    trying("sync the folder", folder, disk.sync_dir(folder))
}

/// Where each track lies in the segment's file.
fn places(tracks: &BTreeMap<Track, MuxedTrack>, in_parts: bool) -> BTreeMap<Track, Stretch> {
    let mut offset = 0;
    let place = |(track, muxed): (&Track, &MuxedTrack)| {
        let length = muxed.parts.iter().map(|part| part.length).sum();
        let parts = if in_parts { muxed.parts.clone() } else { Vec::new() };
        let stretch = Stretch { init: muxed.init, offset, length, units: muxed.units, parts };
        offset += length;
        (track.clone(), stretch)
    };
    tracks.iter().map(place).collect()
}
