//! Low latency: one worker's encoders have the session, and parts are published as they come.
//!
//! - A worker has a *run* of segments on one lane: they continue each other in one format. While it
//!   has one, the next run's units are kept; it begins when all of this one was given.
//! - A segment's units are kept until it is published. When the worker is lost in the midst of one,
//!   the segment ends with the part that was published last, and another segment begins there: the
//!   next worker is given the units from the keyframe before, and makes the first frame that it gives
//!   a keyframe. So every segment is of one worker, who can claim it, and not a frame is missing or
//!   comes twice.
//! - What a worker gives is checked unit by unit ([`segment`]), and so is that it is on time.
//!
//! Reading order: this page (lanes) → [`segment`].

mod segment;

use super::claim::Expected;
use super::crew::{Crew, Feed, Heard};
use super::finished::{Job, MadeBy, PartOf, opening};
use super::intake::Intake;
use crate::gateway::metrics::Metrics;
use segment::{Claimed, Segment};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tessera_live_core::Now;
use tessera_live_core::cut::Piece;
use tessera_live_core::dispatch::AttemptId;
use tessera_live_core::health::Watch;
use tessera_live_core::relay::{Effect, Relay};
use tessera_media::task::{LadderTask, Pace, SegmentDone, Task};
use tessera_media::wire::{Body, Lane, RenditionIndex, TrackKind};
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::LeaseId;
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};

/// How long a worker that has given a whole segment may take to claim it: viewers wait for that at
/// the segment's end.
const CLAIM_WITHIN: Duration = Duration::from_secs(1);

/// A low-latency session's segments that are not published yet.
pub(super) struct Live {
    pub(super) relay: Relay,
    grant: Arc<SessionGrant>,
    next: SegmentNumber,
    segments: VecDeque<Segment>,
    /// The worker that has the session.
    current: Option<Working>,
    /// The next segment does not continue what was published.
    broken: bool,
    /// Pictures were lost, which was not told yet.
    lost: bool,
    effects: Vec<Effect>,
}

/// A worker's lane, which lives for a run of segments.
struct Working {
    attempt: AttemptId,
    by: MadeBy,
    feed: Feed,
    format: Arc<VideoFormat>,
    /// When it began, and with which frame.
    begun: Now,
    first: Ticks,
    /// The segment that it gives now.
    giving: SegmentNumber,
    /// The first segment that it does not get; `None` while it gets whatever comes.
    until: Option<SegmentNumber>,
    formats: Vec<Option<VideoFormat>>,
}

impl Working {
    /// No more is given to it than what lies before a segment.
    fn close(&mut self, until: SegmentNumber) {
        if self.until.is_none() {
            self.feed.give(Body::End);
            self.until = Some(until);
        }
    }

    fn give(&self, segment: &Segment) {
        for (unit, _) in &segment.units {
            self.feed.give(Body::Source(TrackKind::Video, unit.clone()));
        }
    }
}

impl Live {
    pub(super) fn new(grant: Arc<SessionGrant>, next: SegmentNumber) -> Self {
        Self {
            relay: Relay::default(),
            grant,
            next,
            segments: VecDeque::new(),
            current: None,
            broken: false,
            lost: false,
            effects: Vec::new(),
        }
    }

    // --- the source --------------------------------------------------------------------------------

    /// Takes a piece of the source.
    pub(super) fn piece(
        &mut self,
        piece: Piece,
        format: Option<&Arc<VideoFormat>>,
        crew: &Crew,
        now: Now,
    ) {
        match piece {
            Piece::Open { start, discontinuity } => {
                if let Some(format) = format {
                    self.open(start, discontinuity, Arc::clone(format), crew, now);
                }
            }
            Piece::Picture(unit) => self.picture(unit, now),
            Piece::Close { end } => {
                if let Some(segment) = self.arriving() {
                    segment.ended = Some((now, end));
                }
            }
        }
    }

    /// The segment that still arrives.
    fn arriving(&mut self) -> Option<&mut Segment> {
        self.segments.back_mut().filter(|segment| segment.ended.is_none())
    }

    fn open(
        &mut self,
        start: Ticks,
        discontinuity: bool,
        format: Arc<VideoFormat>,
        crew: &Crew,
        now: Now,
    ) {
        let number = self.next;
        self.next = number.next();
        if let Some(working) = &mut self.current {
            // Encoders that live on know nothing of a break.
            let continues = *working.format == *format && !discontinuity;
            match (continues, working.until) {
                (true, None) => working.feed.give(Body::Cut(number)),
                _ => working.close(number),
            }
        }
        let head = opening(&self.grant, number, start, discontinuity);
        self.segments.push_back(Segment::new(head, format));
        self.relay.wanted(now, &mut self.effects);
        self.relay.segment_border(now, &mut self.effects);
        if self.relay.is_standing_in()
            && let Some(segment) = self.segments.back_mut()
        {
            segment.from_source = true;
        }
        self.act(crew, now);
    }

    fn picture(&mut self, unit: AccessUnit, now: Now) {
        let Some(segment) = self.arriving() else { return };
        segment.push(unit.clone(), now);
        if let Some(working) = self.current.as_ref().filter(|working| working.until.is_none()) {
            working.feed.live(unit, now);
        }
    }

    /// The source has gone, and its last segment is closed.
    pub(super) fn source_ended(&mut self) {
        let next = self.next;
        if let Some(working) = &mut self.current {
            working.close(next);
        }
        self.relay.source_ended();
    }

    // --- the workers -------------------------------------------------------------------------------

    pub(super) fn up(&mut self, lease: LeaseId, crew: &Crew, now: Now) {
        self.relay.up(lease, now, &mut self.effects);
        self.act(crew, now);
    }

    /// A worker's connection is gone. Whether it had something to do.
    pub(super) fn down(&mut self, lease: LeaseId, crew: &Crew, now: Now) -> bool {
        for segment in &mut self.segments {
            if segment.is_done() && segment.made.as_ref().is_some_and(|m| m.by.lease == lease) {
                segment.give_up_claim();
            }
        }
        let lost = self.current.take_if(|working| working.by.lease == lease);
        if let Some(working) = &lost {
            self.lose(working.attempt, now);
        }
        self.relay.down(lease, now, &mut self.effects);
        self.act(crew, now);
        lost.is_some()
    }

    pub(super) fn tick(&mut self, crew: &Crew, now: Now) {
        if let Some(attempt) = self.overdue(now) {
            self.fail(attempt, crew, now);
        }
        self.relay.tick(now, &mut self.effects);
        self.act(crew, now);
    }

    /// The attempt whose frames, or whose claim, should have been here.
    fn overdue(&mut self, now: Now) -> Option<AttemptId> {
        let unclaimed = self.segments.iter_mut().find_map(|segment| {
            let made = segment.made.as_ref().filter(|m| matches!(m.claimed, Claimed::Awaited))?;
            let attempt = (now >= made.done? + CLAIM_WITHIN).then_some(made.attempt)?;
            segment.give_up_claim();
            Some(attempt)
        });
        unclaimed.or_else(|| {
            let working = self.current.as_ref()?;
            let giving = self.segments.iter().find(|s| s.head.number == working.giving)?;
            let due = giving.due(working.begun, working.first)?;
            (now >= due).then_some(working.attempt)
        })
    }

    /// An attempt failed.
    fn fail(&mut self, attempt: AttemptId, crew: &Crew, now: Now) {
        let current = self.current.take_if(|working| working.attempt == attempt);
        let made = self.segments.iter().filter_map(|segment| segment.made.as_ref());
        let maker = made.into_iter().find(|made| made.attempt == attempt).map(|made| made.by.lease);
        self.lose(attempt, now);
        match (current, maker) {
            (Some(working), _) => {
                working.feed.cancel();
                self.relay.failed(attempt, now, &mut self.effects);
            }
            // It had given all of its run.
            (None, Some(lease)) => self.relay.roster.failed(lease, now),
            (None, None) => {}
        }
        if self.segments.iter().any(Segment::is_wanted) {
            self.relay.wanted(now, &mut self.effects);
        }
        self.act(crew, now);
    }

    /// What an attempt did not give, somebody else has to.
    fn lose(&mut self, attempt: AttemptId, now: Now) {
        let mut at = 0;
        while let Some(segment) = self.segments.get_mut(at) {
            at += 1;
            if segment.is_done() || segment.made.as_ref().is_none_or(|m| m.attempt != attempt) {
                continue;
            }
            match segment.split(now) {
                Some(rest) => {
                    self.segments.insert(at, rest);
                    self.renumber();
                }
                None if segment.parts == 0 => segment.forget_made(),
                None => segment.give_up_claim(),
            }
        }
        let wanted = self.segments.iter().find(|segment| segment.is_wanted());
        self.relay.standing_in_costs = wanted.is_some_and(|first| !first.begins_with_keyframe());
    }

    /// Numbers follow each other. Only the first segment's was ever seen outside.
    fn renumber(&mut self) {
        let Some(first) = self.segments.front() else { return };
        let mut number = first.head.number;
        for segment in &mut self.segments {
            segment.head.number = number;
            number = number.next();
        }
        self.next = number;
    }

    /// A worker gave something on a lane. Why it is no good, if so.
    pub(super) fn heard(&mut self, heard: Heard<'_>, lane: Lane, body: Body) -> Result<(), String> {
        let Heard { lease, desk, crew, now } = heard;
        let id = AttemptId(u64::from(lane.0));
        let Some(working) = &mut self.current else { return Ok(()) };
        if working.attempt != id || working.by.lease != lease {
            // Of an attempt that was given up: the worker had not heard of it yet.
            return Ok(());
        }
        let taken = match body {
            Body::Format(index, format) => self.format(index, format),
            Body::Coded(index, unit) => {
                Metrics::add(&desk.metrics.worker_bytes, unit.data.len() as u64);
                self.coded(index, unit)
            }
            Body::Done(done) => self.done(&done, now),
            Body::Finished => Ok(()),
            Body::Failed(because) => Err(because),
            _ => Err("it sent what no ladder gives".to_owned()),
        };
        match taken {
            Ok(()) => self.act(crew, now),
            Err(_) => self.fail(id, crew, now),
        }
        taken
    }

    /// A rendition's format, for the segments to come and for that which is given: one rendition's
    /// encoder may give units before the next one's is open.
    fn format(&mut self, index: RenditionIndex, format: VideoFormat) -> Result<(), String> {
        let working = self.current.as_mut().ok_or("it has nothing to give")?;
        let slot = working.formats.get_mut(usize::from(index.0));
        let slot = slot.ok_or_else(|| format!("there is no rendition {}", index.0))?;
        *slot = Some(format.clone());
        let segment = self.segments.iter_mut().find(|s| s.head.number == working.giving);
        segment.map_or(Ok(()), |segment| segment.format(working.attempt, index, format))
    }

    fn coded(&mut self, index: RenditionIndex, unit: AccessUnit) -> Result<(), String> {
        let working = self.current.as_ref().ok_or("it has nothing to give")?;
        let over = working.until.is_some_and(|until| working.giving >= until);
        let giving = |segment: &&mut Segment| segment.head.number == working.giving;
        let segment = self.segments.iter_mut().find(giving).filter(|s| !over && s.is_wanted());
        let segment = segment.ok_or("it gives units of a segment that is not its own")?;
        if segment.made.as_ref().is_none_or(|made| made.attempt != working.attempt) {
            segment.begin(working.attempt, working.by, &working.formats);
        }
        segment.coded(index, unit, &self.grant.ladder)
    }

    /// It has given all of a segment.
    fn done(&mut self, done: &SegmentDone, now: Now) -> Result<(), String> {
        let working = self.current.as_mut().ok_or("it has nothing to give")?;
        let number = working.giving;
        let segment = self.segments.iter_mut().find(|segment| segment.head.number == number);
        let segment = segment.filter(|_| done.segment == number);
        let segment = segment.ok_or("it says that another segment is done")?;
        segment.done(working.attempt, now)?;
        if let Some((known, end)) = segment.ended {
            let length = (end - segment.head.start).millis().max(1) as u64;
            let late = now.saturating_sub(known);
            let length = Duration::from_millis(length);
            self.relay.roster.brought(working.by.lease, late, length);
        }
        working.giving = number.next();
        if working.until == Some(working.giving) {
            let attempt = working.attempt;
            self.current = None;
            self.relay.finished(attempt);
            if self.segments.iter().any(Segment::is_wanted) {
                self.relay.wanted(now, &mut self.effects);
            }
        }
        Ok(())
    }

    /// A worker claims a segment. Why it is no good, if so.
    pub(super) fn claimed(
        &mut self,
        heard: Heard<'_>,
        lane: Lane,
        claim: SegmentClaim,
        signature: SignatureBytes,
    ) -> Result<(), String> {
        let Heard { lease, desk, crew, now } = heard;
        let number = claim.segment;
        let id = AttemptId(u64::from(lane.0));
        let refuse = |because| heard.refuse(lane, number, because);
        let theirs = |segment: &&mut Segment| {
            let made = segment.made.as_ref();
            segment.head.number == number
                && made.is_some_and(|made| {
                    made.attempt == id
                        && made.by.lease == lease
                        && matches!(made.claimed, Claimed::Awaited)
                })
        };
        let Some(segment) = self.segments.iter_mut().find(theirs) else {
            refuse("the segment was settled without it".to_owned());
            return Ok(());
        };
        let grant = &self.grant;
        let expected = |by| Expected::of(by, number, grant, desk);
        match segment.check(&claim, &signature, expected, &grant.ladder) {
            Ok(checked) => {
                let receipt = ClaimReceipt::countersign(claim, signature, &desk.key);
                if let Some(made) = &mut segment.made {
                    made.claimed = Claimed::Taken { receipt: Box::new(receipt), checked };
                }
                Ok(())
            }
            Err(because) => {
                segment.give_up_claim();
                refuse(because.clone());
                self.fail(id, crew, now);
                Err(because)
            }
        }
    }

    // --- what the rules say ------------------------------------------------------------------------

    fn act(&mut self, crew: &Crew, now: Now) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Begin { lease, attempt } => self.begin(lease, attempt, crew, now),
                    Effect::StandIn => self.stand_in(),
                }
            }
        }
    }

    /// Gives a worker the first run that nobody has made.
    fn begin(&mut self, lease: LeaseId, attempt: AttemptId, crew: &Crew, now: Now) {
        let Some(at) = self.segments.iter().position(Segment::is_wanted) else {
            self.relay.finished(attempt);
            return;
        };
        let first = &self.segments[at];
        let start = first.head.start;
        let renditions = self.grant.ladder.renditions().to_vec();
        let formats = vec![None; renditions.len()];
        let fed_from = first.units.first().map_or(start, |(unit, _)| unit.pts);
        let task = Task::Ladder(LadderTask {
            source: VideoFormat::clone(&first.format),
            renditions,
            pace: Pace::Live,
            segment: first.head.number,
            output_from: (fed_from < start).then_some(start),
        });
        let feed = crew.feed(lease, Lane(attempt.0 as u32), task);
        let (Some(by), Some(feed)) = (crew.member(lease), feed) else {
            self.relay.failed(attempt, now, &mut self.effects);
            return;
        };
        let mut working = Working {
            attempt,
            by,
            feed,
            format: Arc::clone(&first.format),
            begun: now,
            first: fed_from,
            giving: first.head.number,
            until: None,
            formats,
        };
        working.give(first);
        for segment in self.segments.range(at + 1..) {
            let continues = segment.is_wanted()
                && *segment.format == *working.format
                && !segment.head.discontinuity;
            if !continues {
                working.close(segment.head.number);
                break;
            }
            working.feed.give(Body::Cut(segment.head.number));
            working.give(segment);
        }
        if self.segments.back().is_some_and(|last| last.ended.is_some()) {
            // The source has gone.
            working.close(self.next);
        }
        self.current = Some(working);
    }

    /// The source itself is published. Where decoding cannot begin, in the midst of a segment whose
    /// worker was lost, pictures are lost up to the next keyframe.
    fn stand_in(&mut self) {
        let before = self.segments.len();
        self.segments.retain_mut(Segment::stand_in);
        if self.segments.len() < before {
            (self.broken, self.lost) = (true, true);
            match self.segments.is_empty() {
                // The part before it, and its number, are published already.
                true => self.next = SegmentNumber(self.next.0 - (before as u64)),
                false => self.renumber(),
            }
        }
    }

    // --- what is published -------------------------------------------------------------------------

    /// What can be published now.
    pub(super) fn next_job(
        &mut self,
        intake: &mut Intake,
        watch: &mut Watch,
        now: Now,
    ) -> Option<Job> {
        loop {
            if std::mem::take(&mut self.lost) {
                let lost = "Some pictures were lost: no worker could go on with their segment.";
                watch.skipped(lost.to_owned(), now);
            }
            let segment = self.segments.front_mut()?;
            if segment.parts == 0 {
                segment.head.discontinuity |= self.broken;
            }
            if let Some(job) = segment.next_part(&self.grant.ladder, intake, watch, now) {
                self.broken = false;
                return Some(job);
            }
            if !segment.is_over() {
                return None;
            }
            let segment = self.segments.pop_front()?;
            self.broken |= segment.cut_short;
            self.lost |= segment.cut_short;
            if segment.parts > 0 {
                let finished = segment.finished(&self.grant.ladder);
                return finished.map(|finished| Job::Segment(Box::new(finished)));
            }
        }
    }

    /// The part that was given out is published.
    pub(super) fn part_published(&mut self) {
        self.relay.published();
    }

    /// The part that was given out cannot be published.
    pub(super) fn part_refused(&mut self, part: &PartOf, crew: &Crew, now: Now) {
        let present = self.current.as_ref().map(|working| working.attempt);
        let segment = self.segments.iter_mut().find(|s| s.head.number == part.segment);
        let anew = segment.is_some_and(|segment| segment.part_refused(part, present));
        if let Some(attempt) = present.filter(|_| anew) {
            self.fail(attempt, crew, now);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}
