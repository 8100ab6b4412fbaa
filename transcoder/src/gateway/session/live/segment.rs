//! One segment of a low-latency session: what the source sent, what a worker gave of it, and how far
//! it is published.

use super::super::claim::Expected;
use super::super::finished::{Finished, Job, Made, MadeBy, PartOf};
use super::super::intake::Intake;
use super::super::making::Making;
use std::collections::VecDeque;
use std::sync::Arc;
use tessera_live_core::Now;
use tessera_live_core::arrears::{self, Given};
use tessera_live_core::cut::Parts;
use tessera_live_core::dispatch::AttemptId;
use tessera_live_core::health::Watch;
use tessera_media::wire::RenditionIndex;
use tessera_media::{AccessUnit, AudioFormat, Ticks, VideoFormat, rate};
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::{ClaimReceipt, Ladder, Rendition, SegmentClaim};
use tessera_publish::{FinishedPart, Pictures, SegmentHead, Sound};
use tessera_verify::structure::{Checked, MOST_AHEAD, Size, Source};

pub(super) struct Segment {
    pub(super) head: SegmentHead,
    pub(super) format: Arc<VideoFormat>,
    /// What the source sent, with when each was here; what is shown before the segment's start is
    /// there to decode from.
    pub(super) units: Vec<(AccessUnit, Now)>,
    /// When its frames are shown, rising.
    shown: Vec<Ticks>,
    pub(super) bytes: usize,
    /// When its end was known, and where that is.
    pub(super) ended: Option<(Now, Ticks)>,
    /// Whether the source itself is published.
    pub(super) from_source: bool,
    /// Nothing more comes of it than what is published, though there was more.
    pub(super) cut_short: bool,
    grid: Parts,
    /// Where parts begin that are not published yet, but for the first of them.
    borders: VecDeque<Ticks>,
    /// All that is shown before this is published, or just being.
    published_to: Ticks,
    /// Parts that are published, or just being.
    pub(super) parts: u32,
    /// How often a part of it could not be published.
    refused: u32,
    sound: Option<AudioFormat>,
    pub(super) made: Option<MadeOf>,
}

/// What a worker gives of a segment.
pub(super) struct MadeOf {
    pub(super) attempt: AttemptId,
    pub(super) by: MadeBy,
    made: Making,
    given: Vec<Given>,
    /// Of each rendition's units, how many are published or on their way.
    taken: Vec<usize>,
    /// When all of it was there.
    pub(super) done: Option<Now>,
    pub(super) claimed: Claimed,
}

pub(super) enum Claimed {
    Awaited,
    Taken {
        receipt: Box<ClaimReceipt>,
        checked: Vec<Checked>,
    },
    /// It will not come, or was refused.
    Nobody,
}

impl MadeOf {
    fn new(attempt: AttemptId, by: MadeBy, formats: &[Option<VideoFormat>]) -> Self {
        let count = formats.len();
        Self {
            attempt,
            by,
            made: Making::new(formats.to_vec()),
            given: vec![Given::default(); count],
            taken: vec![0; count],
            done: None,
            claimed: Claimed::Awaited,
        }
    }
}

impl Segment {
    pub(super) fn new(head: SegmentHead, format: Arc<VideoFormat>) -> Self {
        let start = head.start;
        Self {
            head,
            format,
            units: Vec::new(),
            shown: Vec::new(),
            bytes: 0,
            ended: None,
            from_source: false,
            cut_short: false,
            grid: Parts::new(start),
            borders: VecDeque::new(),
            published_to: start,
            parts: 0,
            refused: 0,
            sound: None,
            made: None,
        }
    }

    /// The next unit of the source.
    pub(super) fn push(&mut self, unit: AccessUnit, now: Now) {
        let at = unit.pts;
        if at >= self.head.start
            && let Err(place) = self.shown.binary_search(&at)
        {
            self.shown.insert(place, at);
        }
        self.bytes += unit.weight();
        self.units.push((unit, now));
    }

    /// Whether all of it was given by its worker.
    pub(super) fn is_done(&self) -> bool {
        self.made.as_ref().is_some_and(|made| made.done.is_some())
    }

    /// Whether all of it is published, or just being.
    fn is_published(&self) -> bool {
        self.ended.is_some_and(|(_, end)| end <= self.published_to)
    }

    /// Whether a worker is still to make it, or the rest of it.
    pub(super) fn is_wanted(&self) -> bool {
        !(self.from_source || self.cut_short || self.is_done() || self.is_published())
    }

    /// Whether decoding can begin with its first frame.
    pub(super) fn begins_with_keyframe(&self) -> bool {
        self.units.first().is_none_or(|(unit, _)| unit.pts >= self.head.start)
    }

    /// What the source sent, as far as the structure of its renditions goes.
    fn source(&self, end: Ticks) -> Source {
        let bytes = self.units.iter().map(|(unit, _)| unit.data.len() as u64).sum();
        let frames = self.shown.clone();
        Source { size: self.size(), start: self.head.start, end, frames, bytes }
    }

    fn size(&self) -> Size {
        Size { width: self.format.width, height: self.format.height }
    }

    // --- what a worker gives ---------------------------------------------------------------------

    /// Whose it is from now on.
    pub(super) fn begin(
        &mut self,
        attempt: AttemptId,
        by: MadeBy,
        formats: &[Option<VideoFormat>],
    ) {
        self.made = Some(MadeOf::new(attempt, by, formats));
        self.borders.clear();
        self.grid = Parts::new(self.head.start);
    }

    /// What a worker gave is of no more use: nothing of it is published.
    pub(super) fn forget_made(&mut self) {
        self.made = None;
        self.borders.clear();
    }

    /// What a rendition's units are, if this attempt has begun to give them.
    pub(super) fn format(
        &mut self,
        attempt: AttemptId,
        index: RenditionIndex,
        format: VideoFormat,
    ) -> Result<(), String> {
        let made = self.made.as_mut().filter(|made| made.attempt == attempt);
        made.map_or(Ok(()), |made| made.made.format(index, format))
    }

    /// Takes a unit of a rendition, if it is the next frame that the rendition is to have.
    pub(super) fn coded(
        &mut self,
        index: RenditionIndex,
        unit: AccessUnit,
        asked: &Ladder,
    ) -> Result<(), String> {
        let n = usize::from(index.0);
        let (at, size) = (unit.pts, self.size());
        self.is_next(n, &unit, asked.renditions())?;
        let made = self.made.as_mut().ok_or("nobody makes it")?;
        made.made.unit(index, unit, asked, size)?;
        made.given[n].frame(at);
        if n == leader(asked.renditions()) && self.grid.shown(at) {
            self.borders.push_back(at);
        }
        Ok(())
    }

    /// Parts are published before their segment is whole, so each unit must be right when it comes:
    /// a frame of the source, in its place, with no frame left out before it.
    fn is_next(&self, n: usize, unit: &AccessUnit, asked: &[Rendition]) -> Result<(), String> {
        let made = self.made.as_ref().ok_or("nobody makes it")?;
        let (Some(given), Some(asked)) = (made.given.get(n), asked.get(n)) else {
            return Err(format!("there is no rendition {n}"));
        };
        let at = unit.pts;
        if unit.dts < self.head.start - MOST_AHEAD {
            return Err(format!("the unit at {at} is decoded too long before its segment begins"));
        }
        let place = self.shown.binary_search(&at);
        let place = place.map_err(|_| format!("the frame at {at} was not asked for"))?;
        let first = given.last().and_then(|last| self.shown.binary_search(&last).ok());
        let step = first.map_or(Some(place + 1), |first| place.checked_sub(first));
        match step {
            Some(step @ 1..) if step <= self.longest_step(asked) => Ok(()),
            Some(0) | None => Err(format!("the frame at {at} came out of order")),
            Some(_) => Err(format!("a frame before that at {at} is missing")),
        }
    }

    /// Frames of the source from one to the next that a rendition keeps, at most. Which it keeps
    /// exactly is checked when the segment is whole.
    fn longest_step(&self, asked: &Rendition) -> usize {
        if asked.max_fps.is_none() {
            return 1;
        }
        let gaps = self.shown.windows(2).map(|pair| pair[1] - pair[0]);
        let frame = gaps.min().unwrap_or(Ticks::ZERO);
        rate::keep_every(frame, asked.max_fps) as usize
    }

    /// Its worker says that it has given all of it.
    pub(super) fn done(&mut self, attempt: AttemptId, now: Now) -> Result<(), String> {
        let (_, end) = self.ended.ok_or("it says that a segment is done which still arrives")?;
        let source = self.source(end);
        let made = self.made.as_mut().filter(|made| made.attempt == attempt);
        let made = made.ok_or("it says that a segment is done of which it gave nothing")?;
        made.made.is_whole(&source)?;
        made.done = Some(now);
        Ok(())
    }

    /// When its worker, who began at `begun` with the frame at `first`, is overdue, as far as what
    /// is here goes.
    pub(super) fn due(&self, begun: Now, first: Ticks) -> Option<Now> {
        let start = self.head.start;
        let owes_from = self.made.as_ref().map_or(start, |made| {
            made.given.iter().map(|given| given.owes_from(start)).min().unwrap_or(start)
        });
        let due = |at, arrived| arrears::due(at, arrived, begun, first);
        let owed = self.units.iter().filter(|(unit, _)| unit.pts >= owes_from);
        let frame = owed.map(|(unit, arrived)| due(unit.pts, *arrived)).min();
        frame.or_else(|| self.ended.map(|(known, end)| due(end, known)))
    }

    /// Whether a claim is what came.
    pub(super) fn check(
        &self,
        claim: &SegmentClaim,
        signature: &SignatureBytes,
        expected: impl FnOnce(MadeBy) -> Expected,
        asked: &Ladder,
    ) -> Result<Vec<Checked>, String> {
        let made = self.made.as_ref().ok_or("nobody made it")?;
        made.done.ok_or("the segment is not done yet")?;
        let (_, end) = self.ended.ok_or("the segment has not ended yet")?;
        let (expected, source) = (expected(made.by), self.source(end));
        made.made.check_claim(claim, signature, &expected, asked, &source)
    }

    /// No claim is waited for any longer.
    pub(super) fn give_up_claim(&mut self) {
        if let Some(made) = &mut self.made
            && matches!(made.claimed, Claimed::Awaited)
        {
            made.claimed = Claimed::Nobody;
        }
    }

    // --- what becomes of it where a worker is lost ------------------------------------------------

    /// Its worker is lost in the midst of it: it ends with what is published, and another segment
    /// begins there, for somebody else to make. `None` where nothing or all of it is published.
    pub(super) fn split(&mut self, now: Now) -> Option<Self> {
        if self.parts == 0 || self.is_published() {
            return None;
        }
        let after = (self.published_to - self.head.start).millis();
        let head = SegmentHead {
            number: self.head.number.next(),
            start: self.published_to,
            discontinuity: false,
            program_date_time_ms: self.head.program_date_time_ms + after,
            ..self.head.clone()
        };
        let mut rest = Self::new(head, Arc::clone(&self.format));
        // It is decoded from the last keyframe that is shown no later.
        let keyframe =
            self.units.iter().rposition(|(unit, _)| unit.keyframe && unit.pts <= rest.head.start);
        for (unit, arrived) in &self.units[keyframe.unwrap_or(0)..] {
            rest.push(unit.clone(), *arrived);
        }
        rest.ended = self.ended;
        rest.refused = self.refused;
        self.ended = Some((now, self.published_to));
        self.give_up_claim();
        Some(rest)
    }

    /// No worker makes it: the source itself is published, where decoding can begin with it. Whether
    /// it can.
    pub(super) fn stand_in(&mut self) -> bool {
        if !self.is_wanted() {
            return true;
        }
        self.forget_made();
        self.from_source = self.begins_with_keyframe();
        self.from_source
    }

    /// The part that was given out cannot be published. If it is of the present attempt, somebody else
    /// may make it anew, once; otherwise the segment ends before it. Whether it is to be made anew.
    pub(super) fn part_refused(&mut self, part: &PartOf, present: Option<AttemptId>) -> bool {
        self.published_to = part.start;
        self.parts = part.index;
        self.refused += 1;
        let theirs = self.made.as_mut().filter(|made| Some(made.attempt) == present);
        if let (Some(made), 1) = (theirs, self.refused) {
            made.done = None;
            return true;
        }
        self.give_up_claim();
        self.cut_short = true;
        false
    }

    // --- what is published of it -------------------------------------------------------------------

    /// Whether nothing more is to be published in parts, and its worker has claimed it, if anybody
    /// does.
    pub(super) fn is_over(&self) -> bool {
        let Some((_, end)) = self.ended else { return false };
        let settled = match &self.made {
            Some(made) => !matches!(made.claimed, Claimed::Awaited),
            None => self.from_source,
        };
        self.cut_short || (end <= self.published_to && settled)
    }

    /// The next part that is whole, with its sound.
    pub(super) fn next_part(
        &mut self,
        asked: &Ladder,
        intake: &mut Intake,
        watch: &mut Watch,
        now: Now,
    ) -> Option<Job> {
        if self.cut_short {
            return None;
        }
        let end = if self.from_source { self.source_part()? } else { self.made_part()? };
        if !intake.has_sound_to(end) {
            return None;
        }
        let start = self.published_to;
        let pictures = if self.from_source {
            watch.stood_in(now);
            self.take_source(end)
        } else {
            let made = self.made.as_mut()?;
            let part = made.made.part(asked.renditions(), &mut made.taken, |u| u.pts < end)?;
            Pictures::Renditions(part)
        };
        let starts = |units: &[AccessUnit]| units.first().is_some_and(|unit| unit.keyframe);
        let independent = match &pictures {
            Pictures::Source(_, units) => starts(units),
            Pictures::Renditions(all) => all.iter().all(|(_, _, units)| starts(units)),
            Pictures::Parts => false,
        };
        let part = FinishedPart {
            head: self.head.clone(),
            index: self.parts,
            duration: end - start,
            independent,
            pictures,
            sound: self.take_sound(intake, start, end),
        };
        let about = PartOf {
            segment: self.head.number,
            index: self.parts,
            start,
            arrived: self.arrival_before(end).unwrap_or(now),
        };
        // Handed out is as good as published: whoever goes on begins behind it.
        self.published_to = end;
        while self.borders.pop_front_if(|border| *border <= end).is_some() {}
        self.parts += 1;
        Some(Job::Part(Box::new(part), about))
    }

    /// The sound of a part. A segment has sound of one format: what is of another waits for the next
    /// segment's first part, and is too late for this one.
    fn take_sound(&mut self, intake: &mut Intake, start: Ticks, end: Ticks) -> Option<Sound> {
        let sound = intake.take_sound(start, end)?;
        let own = self.sound.get_or_insert_with(|| sound.format.clone());
        (*own == sound.format).then_some(sound)
    }

    /// When the last picture that is shown before `end` was here.
    fn arrival_before(&self, end: Ticks) -> Option<Now> {
        let units = self.units.iter().filter(|(unit, _)| unit.pts < end);
        units.map(|(_, arrived)| *arrived).max()
    }

    /// Where the next part ends that every rendition has given.
    fn made_part(&self) -> Option<Ticks> {
        let made = self.made.as_ref()?;
        let done = made.done.is_some();
        for border in self.borders.iter().copied() {
            let given = |given: &Given| given.last().is_some_and(|last| last >= border);
            if !done && !made.given.iter().all(given) {
                return None;
            }
            // A rendition of few frames may have none in a part: then the part is a longer one.
            let mut next = made.made.units().zip(&made.taken).map(|(units, n)| units.get(*n));
            if next.all(|unit| unit.is_some_and(|unit| unit.pts < border)) {
                return Some(border);
            }
        }
        let (_, end) = self.ended?;
        (done && self.published_to < end).then_some(end)
    }

    /// When a unit of the source is shown at the latest: its frames are cut into parts in decoding
    /// order, by how far their decoding has gone.
    fn shown_by(&self) -> impl Fn(&AccessUnit) -> Ticks + use<> {
        let first = self.units.first().map(|(unit, _)| unit.pts - unit.dts);
        move |unit| unit.dts + first.unwrap_or(Ticks::ZERO)
    }

    /// Where the next part of the source itself ends.
    fn source_part(&self) -> Option<Ticks> {
        let shown_by = self.shown_by();
        let mut grid = Parts::new(self.published_to);
        let rest = self.units.iter().map(|(unit, _)| shown_by(unit));
        let border = rest.skip_while(|at| *at < self.published_to).find(|at| grid.shown(*at));
        border.or_else(|| {
            let (_, end) = self.ended?;
            (self.published_to < end).then_some(end)
        })
    }

    fn take_source(&self, end: Ticks) -> Pictures {
        let shown_by = self.shown_by();
        let last = self.ended.is_some_and(|(_, at)| at == end);
        let within = |unit: &&AccessUnit| {
            let at = shown_by(unit);
            at >= self.published_to && (last || at < end)
        };
        let units = self.units.iter().map(|(unit, _)| unit).filter(within).cloned().collect();
        Pictures::Source(VideoFormat::clone(&self.format), units)
    }

    /// The segment, all of whose parts are published.
    pub(super) fn finished(self, asked: &Ladder) -> Option<Finished> {
        let (ended, end) = self.ended?;
        let end = if self.cut_short { self.published_to } else { end };
        let whole = self.begins_with_keyframe() && !self.cut_short;
        let made = self.made.map(|made| match made.claimed {
            Claimed::Taken { receipt, checked } => {
                let renditions = made.made.all(asked).filter(|_| whole);
                Made {
                    by: Some(made.by),
                    receipt: Some(*receipt),
                    checked: if renditions.is_some() { checked } else { Vec::new() },
                    renditions: renditions.unwrap_or_default(),
                }
            }
            Claimed::Awaited | Claimed::Nobody => {
                Made { by: None, receipt: None, renditions: Vec::new(), checked: Vec::new() }
            }
        });
        Some(Finished {
            duration: end - self.head.start,
            began: self.units.first().map_or(ended, |(_, arrived)| *arrived),
            head: self.head,
            format: self.format,
            units: self.units.into_iter().map(|(unit, _)| unit).collect(),
            ended,
            made,
            in_parts: true,
            sound: None,
        })
    }
}

/// The rendition whose frames say where parts begin: the first of those with most frames.
fn leader(asked: &[Rendition]) -> usize {
    let rate = |r: &Rendition| r.max_fps.unwrap_or(u32::MAX);
    let most = asked.iter().map(rate).max();
    asked.iter().position(|r| Some(rate(r)) == most).unwrap_or(0)
}
