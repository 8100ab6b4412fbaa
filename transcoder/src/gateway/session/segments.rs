//! Segments of their own tasks: kept from their first keyframe until they are published.

use super::claim::Expected;
use super::crew::{Crew, Feed, Heard};
use super::finished::{Finished, Job, Made, MadeBy, opening};
use super::intake::Intake;
use super::making::Making;
use crate::gateway::desk::Desk;
use crate::gateway::metrics::Metrics;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tessera_live_core::Now;
use tessera_live_core::cut::Piece;
use tessera_live_core::dispatch::{AttemptId, Dispatch, Effect};
use tessera_live_core::health::Watch;
use tessera_media::task::{LadderTask, Pace, Task};
use tessera_media::wire::{Body, Lane, TrackKind};
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::LeaseId;
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_publish::SegmentHead;
use tessera_verify::structure::{Checked, Size, Source};

/// The segments of a session that are not published yet.
pub(super) struct Segments {
    pub(super) dispatch: Dispatch,
    grant: Arc<SessionGrant>,
    next: SegmentNumber,
    segments: BTreeMap<SegmentNumber, Segment>,
    attempts: HashMap<AttemptId, Attempt>,
    effects: Vec<Effect>,
}

struct Segment {
    head: SegmentHead,
    format: Arc<VideoFormat>,
    units: Vec<AccessUnit>,
    bytes: usize,
    began: Now,
    ended: Option<(Now, Ticks)>,
    outcome: Option<Outcome>,
}

enum Outcome {
    Made(Box<Made>),
    StandIn,
}

/// What a worker has given of a segment.
struct Attempt {
    segment: SegmentNumber,
    lease: LeaseId,
    feed: Feed,
    source: Size,
    made: Making,
}

impl Segments {
    pub(super) fn new(grant: Arc<SessionGrant>, next: SegmentNumber) -> Self {
        Self {
            dispatch: Dispatch::default(),
            grant,
            next,
            segments: BTreeMap::new(),
            attempts: HashMap::new(),
            effects: Vec::new(),
        }
    }

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
            Piece::Picture(unit) => {
                let Some((number, segment)) = self.segments.last_entry_open() else { return };
                segment.bytes += unit.weight();
                segment.units.push(unit.clone());
                for attempt in self.attempts.values().filter(|a| a.segment == number) {
                    attempt.feed.live(unit.clone(), now);
                }
            }
            Piece::Close { end } => self.close(end, crew, now),
        }
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
        let segment = Segment {
            head: opening(&self.grant, number, start, discontinuity),
            format,
            units: Vec::new(),
            bytes: 0,
            began: now,
            ended: None,
            outcome: None,
        };
        self.segments.insert(number, segment);
        self.dispatch.opened(number, now, &mut self.effects);
        self.act(crew);
    }

    fn close(&mut self, end: Ticks, crew: &Crew, now: Now) {
        let Some((number, segment)) = self.segments.last_entry_open() else { return };
        segment.ended = Some((now, end));
        let length = Duration::from_millis((end - segment.head.start).millis().max(1) as u64);
        for attempt in self.attempts.values().filter(|a| a.segment == number) {
            attempt.feed.give(Body::End);
        }
        self.dispatch.ended(number, length, now, &mut self.effects);
        self.act(crew);
    }

    pub(super) fn up(&mut self, lease: LeaseId, crew: &Crew, now: Now) {
        self.dispatch.up(lease, now, &mut self.effects);
        self.act(crew);
    }

    /// A worker's connection is gone. Whether it had something to do.
    pub(super) fn down(&mut self, lease: LeaseId, crew: &Crew, now: Now) -> bool {
        let before = self.attempts.len();
        self.attempts.retain(|_, attempt| attempt.lease != lease);
        self.dispatch.down(lease, now, &mut self.effects);
        let lost = self.attempts.len() < before;
        self.act(crew);
        lost
    }

    pub(super) fn tick(&mut self, crew: &Crew, now: Now) {
        self.dispatch.tick(now, &mut self.effects);
        self.act(crew);
    }

    /// A worker gave something on a lane. Why it is no good, if so.
    pub(super) fn heard(&mut self, heard: Heard<'_>, lane: Lane, body: Body) -> Result<(), String> {
        let Heard { lease, desk, crew, now } = heard;
        let id = AttemptId(u64::from(lane.0));
        let Some(attempt) = self.attempts.get_mut(&id).filter(|a| a.lease == lease) else {
            // Of an attempt that was given up: the worker had not heard of it yet.
            return Ok(());
        };
        let taken = attempt.take(body, &self.grant, desk);
        match taken {
            Ok(()) => self.dispatch.progress(id, now),
            Err(_) => self.fail(id, crew, now),
        }
        taken
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
        let id = AttemptId(u64::from(lane.0));
        let segment = claim.segment;
        let refuse = |because| heard.refuse(lane, segment, because);
        if self.attempts.get(&id).is_none_or(|attempt| attempt.lease != lease) {
            refuse("the segment was settled without it".to_owned());
            return Ok(());
        }
        match self.check(id, &claim, &signature, desk, crew) {
            Ok((by, checked)) => {
                let made = self.attempts.remove(&id).and_then(|a| a.made.all(&self.grant.ladder));
                if self.dispatch.delivered(id, now, &mut self.effects) {
                    let receipt = ClaimReceipt::countersign(claim, signature, &desk.key);
                    if let (Some(segment), Some(renditions)) =
                        (self.segments.get_mut(&segment), made)
                    {
                        let (by, receipt) = (Some(by), Some(receipt));
                        let made = Made { by, receipt, renditions, checked };
                        segment.outcome = Some(Outcome::Made(Box::new(made)));
                    }
                } else {
                    refuse("the segment was settled without it".to_owned());
                }
                self.act(crew);
                Ok(())
            }
            Err(because) => {
                refuse(because.clone());
                self.fail(id, crew, now);
                Err(because)
            }
        }
    }

    fn check(
        &self,
        id: AttemptId,
        claim: &SegmentClaim,
        signature: &SignatureBytes,
        desk: &Desk,
        crew: &Crew,
    ) -> Result<(MadeBy, Vec<Checked>), String> {
        let attempt = self.attempts.get(&id).ok_or("there is no such attempt")?;
        let by = crew.member(attempt.lease).ok_or("its line is gone")?;
        let expected = Expected::of(by, attempt.segment, &self.grant, desk);
        let segment = self.segments.get(&attempt.segment).ok_or("the segment is settled")?;
        let (_, end) = segment.ended.ok_or("the segment has not ended yet")?;
        let source = Source::of(&segment.format, &segment.units, end);
        let asked = &self.grant.ladder;
        let checked = attempt.made.check_claim(claim, signature, &expected, asked, &source)?;
        Ok((by, checked))
    }

    fn fail(&mut self, id: AttemptId, crew: &Crew, now: Now) {
        if let Some(attempt) = self.attempts.remove(&id) {
            attempt.feed.cancel();
        }
        self.dispatch.failed(id, now, &mut self.effects);
        self.act(crew);
    }

    /// Does what the rules say.
    fn act(&mut self, crew: &Crew) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Begin { segment, lease, attempt } => {
                    self.begin(segment, lease, attempt, crew);
                }
                Effect::Cancel { attempt } => {
                    if let Some(attempt) = self.attempts.remove(&attempt) {
                        attempt.feed.cancel();
                    }
                }
                Effect::StandIn { segment } => {
                    if let Some(segment) = self.segments.get_mut(&segment) {
                        segment.outcome = Some(Outcome::StandIn);
                    }
                }
            }
        }
    }

    fn begin(&mut self, number: SegmentNumber, lease: LeaseId, id: AttemptId, crew: &Crew) {
        let Some(segment) = self.segments.get(&number) else { return };
        let renditions = self.grant.ladder.renditions().to_vec();
        let made = Making::new(vec![None; renditions.len()]);
        let source = Size { width: segment.format.width, height: segment.format.height };
        let task = Task::Ladder(LadderTask {
            source: VideoFormat::clone(&segment.format),
            renditions,
            pace: Pace::Segment,
            segment: number,
            output_from: None,
        });
        // Lanes are numbered by attempts: each has its own, on whatever connection.
        let Some(feed) = crew.feed(lease, Lane(id.0 as u32), task) else { return };
        for unit in &segment.units {
            feed.give(Body::Source(TrackKind::Video, unit.clone()));
        }
        if segment.ended.is_some() {
            feed.give(Body::End);
        }
        self.attempts.insert(id, Attempt { segment: number, lease, feed, source, made });
    }

    /// What can be published now: the first segment, once it is settled and its sound is here.
    pub(super) fn next_job(
        &mut self,
        intake: &mut Intake,
        watch: &mut Watch,
        now: Now,
    ) -> Option<Job> {
        let (_, first) = self.segments.first_key_value()?;
        let (ended, end) = first.ended?;
        if first.outcome.is_none() || !intake.has_sound_to(end) {
            return None;
        }
        let (_, segment) = self.segments.pop_first()?;
        let made = match segment.outcome? {
            Outcome::Made(made) => Some(*made),
            Outcome::StandIn => {
                watch.stood_in(now);
                None
            }
        };
        let sound = intake.take_sound(segment.head.start, end);
        Some(Job::Segment(Box::new(Finished {
            duration: end - segment.head.start,
            head: segment.head,
            format: segment.format,
            units: segment.units,
            began: segment.began,
            ended,
            made,
            in_parts: false,
            sound,
        })))
    }

    /// Whether everything that was begun is settled and taken.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.segments.values().map(|segment| segment.bytes).sum()
    }
}

impl Attempt {
    fn take(&mut self, body: Body, grant: &SessionGrant, desk: &Desk) -> Result<(), String> {
        match body {
            Body::Format(index, format) => self.made.format(index, format),
            Body::Coded(index, unit) => {
                Metrics::add(&desk.metrics.worker_bytes, unit.data.len() as u64);
                self.made.unit(index, unit, &grant.ladder, self.source)
            }
            Body::Failed(because) => Err(because),
            // The claim that follows says all that they say.
            Body::Done(_) | Body::Finished => Ok(()),
            _ => Err("it sent what no ladder gives".to_owned()),
        }
    }
}

trait LastOpen {
    fn last_entry_open(&mut self) -> Option<(SegmentNumber, &mut Segment)>;
}

impl LastOpen for BTreeMap<SegmentNumber, Segment> {
    /// The segment that still arrives.
    fn last_entry_open(&mut self) -> Option<(SegmentNumber, &mut Segment)> {
        let (number, segment) = self.iter_mut().next_back()?;
        segment.ended.is_none().then_some((*number, segment))
    }
}
