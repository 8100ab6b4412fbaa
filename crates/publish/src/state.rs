//! What is known of a session: the sum of its journal, and the rules of the window. Pure.

use crate::spec::{PublicationSpec, SegmentHead};
use crate::track::{InitId, Track};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tessera_media::{Ticks, TrackFormat};
use tessera_protocol::Generation;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};

/// A segment that is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number.
    pub number: SegmentNumber,
    /// Its place in playlists, which have no holes where numbers may have: never above `number`.
    pub sequence: u64,
    /// The generation under which it was published.
    pub generation: Generation,
    /// When it begins.
    pub start: Ticks,
    /// How long it is.
    pub duration: Ticks,
    /// Whether players are told that it does not continue the one before.
    pub discontinuity: bool,
    /// Discontinuities of the session up to it, its own included.
    pub discontinuities: u64,
    /// When it was received, in milliseconds since 1970.
    pub program_date_time_ms: i64,
    /// Where each track lies in its file.
    pub tracks: BTreeMap<Track, Stretch>,
}

/// A track of one segment: a stretch of the segment's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// What a decoder needs before it.
    pub init: InitId,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// Its units.
    pub units: u32,
    /// Its parts, in order; none where it was published at once.
    pub parts: Vec<Part>,
}

/// A part of a track of a segment, in its file behind the part before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How long it is.
    pub duration: Ticks,
    /// Its bytes.
    pub length: u64,
    /// Whether decoding can begin with it.
    pub independent: bool,
}

impl Segment {
    /// When it ends.
    pub fn end(&self) -> Ticks {
        self.start + self.duration
    }

    /// The track whose pictures a rendition's playlist lists here.
    pub fn shown_for(&self, track: &Track) -> Option<(Track, &Stretch)> {
        let shown = match track {
            Track::Rendition(_) if self.is_source() => Track::Source,
            other => other.clone(),
        };
        self.tracks.get(&shown).map(|stretch| (shown, stretch))
    }

    /// Whether the source stands in.
    pub fn is_source(&self) -> bool {
        self.tracks.contains_key(&Track::Source)
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> u64 {
        self.tracks.values().map(|stretch| stretch.length).sum()
    }

    fn report(&self, receipt: Option<ClaimReceipt>) -> SegmentReport {
        SegmentReport {
            segment: self.number,
            generation: self.generation,
            start_ms: self.start.millis(),
            duration_ms: self.duration.millis().unsigned_abs(),
            receipt,
        }
    }
}

/// An initialisation segment and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// The track's format.
    pub format: TrackFormat,
    /// The file.
    #[serde(with = "base16")]
    pub bytes: Bytes,
}

/// What was measured of a track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Bytes of all segments.
    pub bytes: u64,
    /// How long they are together.
    pub duration: Ticks,
    /// Units in them.
    pub units: u64,
    /// Bits a second of the largest.
    pub peak_bits_per_s: u64,
}

impl Rates {
    /// Bits a second of all segments.
    pub fn average_bits_per_s(&self) -> u64 {
        (self.bytes as f64 * 8.0 / self.duration.seconds()) as u64
    }

    /// How long each unit is shown.
    pub fn unit_duration(&self) -> Option<Ticks> {
        let units = i64::try_from(self.units).ok().filter(|&units| units > 0)?;
        Some(Ticks((self.duration.0 + units / 2) / units))
    }
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub because: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A recording that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The rendition of the MP4, which is named after it.
    pub mp4: Track,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is published.
    pub spec: PublicationSpec,
    /// The least number that may come.
    pub next: SegmentNumber,
    /// The least place in playlists that may come.
    pub next_sequence: u64,
    /// Every initialisation segment that a kept segment needs, and maybe more.
    pub inits: BTreeMap<InitId, Init>,
    /// The segments whose media is kept, by number.
    #[serde(with = "shared")]
    pub segments: VecDeque<Arc<Segment>>,
    /// The target duration: how long segments were to be, or the longest so far, in whole seconds
    /// as playlists round them.
    pub target_s: u32,
    /// What was measured of each track.
    pub rates: BTreeMap<Track, Rates>,
    /// Segments that the master may not know.
    pub unreported: BTreeMap<SegmentNumber, SegmentReport>,
    /// The end, once it came.
    pub ended: Option<Ended>,
    /// The recording, once it is complete.
    pub recorded: Option<Recorded>,
    /// Whether the master knows of the end, and of the recording.
    pub settled: bool,
}

/// Something that happened to a session: what the journal consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is published under a new grant from now on.
    Granted(PublicationSpec),
    /// Segments may need this from now on.
    Init(InitId, Init),
    /// Parts of this segment are listed: its number is used.
    Opened(SegmentNumber),
    /// A segment is to be listed.
    Segment(Box<Segment>, Option<Box<ClaimReceipt>>),
    /// The segment just before was not listed: the fence stopped it.
    Withdrawn(SegmentNumber),
    /// The master knows these.
    Reported(Vec<SegmentNumber>),
    /// The session is over.
    Ended(Ended),
    /// Its recording is complete.
    Recorded(Recorded),
    /// The master knows of the end, and of the recording.
    Settled,
}

/// How far back media is listed and kept.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// At least so long.
    pub length: Ticks,
    /// At least so many segments.
    pub segments: usize,
}

impl Window {
    /// Media stays until it is this many windows old: one listed, two of grace.
    const KEPT: i64 = 3;
}

/// Numbers that may be missing while playlists go on. More are missing when another gateway had the
/// session in between, whose playlists went further.
const MAX_HOLE: u64 = 64;

/// Places that may be missing in a playlist, which says so of each. Places are missing where the
/// power failed in the midst of a segment that was listed in parts.
const MAX_GAPS: u64 = 8;

impl State {
    /// A session before its first segment.
    pub fn new(spec: PublicationSpec) -> Self {
        Self {
            next: spec.next_segment,
            next_sequence: 0,
            inits: BTreeMap::new(),
            segments: VecDeque::new(),
            target_s: spec.target_s(),
            spec,
            rates: BTreeMap::new(),
            unreported: BTreeMap::new(),
            ended: None,
            recorded: None,
            settled: false,
        }
    }

    /// Lets something happen. Any events in any order give a state; those that contradict what is
    /// known change nothing.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Granted(spec) => {
                self.next = self.next.max(spec.next_segment);
                self.target_s = self.target_s.max(spec.target_s());
                self.spec = spec;
            }
            Event::Init(id, init) => {
                self.inits.insert(id, init);
            }
            Event::Opened(number) => self.use_up(number, self.sequence_of(number)),
            Event::Segment(segment, receipt) if self.is_next(&segment) => {
                self.use_up(segment.number, segment.sequence);
                self.measure(&segment);
                let report = segment.report(receipt.map(|receipt| *receipt));
                self.unreported.insert(segment.number, report);
                self.segments.push_back(Arc::from(segment));
            }
            Event::Segment(..) => {}
            Event::Withdrawn(number) => {
                self.use_up(number, self.sequence_of(number));
                self.segments.retain(|segment| segment.number != number);
                self.unreported.remove(&number);
            }
            Event::Reported(numbers) => {
                for number in numbers {
                    self.unreported.remove(&number);
                }
            }
            Event::Ended(ended) => {
                self.ended.get_or_insert(ended);
            }
            Event::Recorded(recorded) => self.recorded = Some(recorded),
            Event::Settled => self.settled = true,
        }
    }

    fn use_up(&mut self, number: SegmentNumber, sequence: u64) {
        self.next = self.next.max(number.next());
        self.next_sequence = self.next_sequence.max(sequence + 1);
    }

    /// Whether a segment comes after all that is there. One whose parts were listed has used up its
    /// number before.
    fn is_next(&self, segment: &Segment) -> bool {
        let after = self.segments.back().is_none_or(|last| last.number < segment.number);
        let in_parts = segment.tracks.values().any(|stretch| !stretch.parts.is_empty());
        after && (segment.number >= self.next || in_parts)
    }

    /// The place in playlists of a segment that comes next.
    pub fn sequence_of(&self, number: SegmentNumber) -> u64 {
        match self.segments.back() {
            Some(last) if number.0 - last.number.0.min(number.0) <= MAX_HOLE => self.next_sequence,
            _ => self.next_sequence.max(number.0),
        }
    }

    /// Whether nobody has to see to it any more.
    pub fn is_seen_to(&self) -> bool {
        self.settled && self.ended.is_some() && self.unreported.is_empty()
    }

    /// Whether it is kept for its recording only.
    pub fn is_closed(&self) -> bool {
        self.is_seen_to() && self.recorded.is_some()
    }

    fn measure(&mut self, segment: &Segment) {
        let seconds = segment.duration.seconds();
        self.target_s = self.target_s.max(seconds.round() as u32);
        for (track, stretch) in &segment.tracks {
            let rates = self.rates.entry(track.clone()).or_default();
            rates.bytes += stretch.length;
            rates.duration = rates.duration + segment.duration;
            rates.units += u64::from(stretch.units);
            let bits_per_s = (stretch.length as f64 * 8.0 / seconds) as u64;
            rates.peak_bits_per_s = rates.peak_bits_per_s.max(bits_per_s);
        }
    }

    /// Whether a segment with these formats does not continue the last one.
    pub fn breaks(&self, head: &SegmentHead, inits: &BTreeMap<Track, InitId>) -> bool {
        let Some(last) = self.segments.back() else { return head.discontinuity };
        let same = last.tracks.len() == inits.len()
            && last.tracks.iter().all(|(track, s)| inits.get(track) == Some(&s.init));
        head.discontinuity || !same || last.number.next() != head.number
    }

    /// Discontinuities so far.
    pub fn discontinuities(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.discontinuities)
    }

    /// The segments that live playlists list: the last of them, from the last great hole in their
    /// places on. `open` is the place of the segment under way, which may lie behind such a hole.
    pub fn listed(
        &self,
        window: Window,
        open: Option<u64>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + Clone {
        let mut first = self.first_within(window.length, window.segments);
        for at in first + 1..=self.segments.len() {
            let next = self.segments.get(at).map(|segment| segment.sequence).or(open);
            let before = self.segments[at - 1].sequence;
            if next.is_some_and(|next| next.saturating_sub(before) > MAX_GAPS) {
                first = at;
            }
        }
        self.segments.range(first..)
    }

    /// Forgets segments whose media is no longer kept, and says which.
    pub fn expire(&mut self, window: Window) -> Vec<Arc<Segment>> {
        if self.spec.record {
            return Vec::new();
        }
        let kept = Ticks(window.length.0 * Window::KEPT);
        let first = self.first_within(kept, window.segments * Window::KEPT as usize);
        let expired: Vec<_> = self.segments.drain(..first).collect();
        if !expired.is_empty() {
            let needed: BTreeSet<_> =
                self.segments.iter().flat_map(|s| s.tracks.values().map(|t| t.init)).collect();
            self.inits.retain(|id, _| needed.contains(id));
        }
        expired
    }

    /// The first segment of the last `length`, but of no fewer than `least` segments.
    fn first_within(&self, length: Ticks, least: usize) -> usize {
        let mut together = Ticks::ZERO;
        for (at, segment) in self.segments.iter().enumerate().rev() {
            let later = self.segments.len() - 1 - at;
            if together >= length && later >= least {
                return at + 1;
            }
            together = together + segment.duration;
        }
        0
    }
}

mod base16 {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        hex::decode(String::deserialize(from)?).map(Bytes::from).map_err(D::Error::custom)
    }
}

mod shared {
    use super::{Arc, Segment, VecDeque};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        segments: &VecDeque<Arc<Segment>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(segments.iter().map(|segment| &**segment))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<VecDeque<Arc<Segment>>, D::Error> {
        Ok(Vec::<Segment>::deserialize(from)?.into_iter().map(Arc::new).collect())
    }
}
