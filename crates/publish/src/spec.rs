//! What a publisher is given.

use serde::{Deserialize, Serialize};
use tessera_media::{AccessUnit, AudioFormat, Ticks, VideoFormat};
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::view::Latency;
use tessera_protocol::stream::{ClaimReceipt, Ladder, RenditionName, SegmentNumber};
use tessera_protocol::{Generation, PlaybackId, SessionId};

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicationSpec {
    /// The session.
    pub session: SessionId,
    /// The stream's name in viewers' URLs.
    pub playback_id: PlaybackId,
    /// Under which generation segments are published from now on.
    pub generation: Generation,
    /// What people call the stream; shown to viewers.
    pub title: Option<String>,
    /// The renditions that every segment has, best first.
    pub ladder: Ladder,
    /// Whether segments are listed in parts.
    pub latency: Latency,
    /// Whether everything is kept.
    pub record: bool,
    /// The least number that the next segment may have, as far as the master knows.
    pub next_segment: SegmentNumber,
}

impl PublicationSpec {
    /// What a grant asks for.
    pub fn of(grant: &SessionGrant, title: Option<String>) -> Self {
        Self {
            session: grant.session,
            playback_id: grant.playback_id,
            generation: grant.generation,
            title,
            ladder: grant.ladder.clone(),
            latency: grant.latency,
            record: grant.record,
            next_segment: grant.next_segment,
        }
    }

    /// How long gateways make segments where the source's keyframes allow it, in whole seconds.
    /// Playlists begin with it: players want a target duration that stays (RFC 8216bis, 6.2.1), and
    /// the first parts are listed before any segment has a length.
    pub const fn target_s(&self) -> u32 {
        match self.latency {
            Latency::Standard | Latency::Low => 2,
            Latency::Short => 1,
        }
    }
}

/// A rendition's units in one segment or part, in decoding order.
pub type RenditionUnits = (RenditionName, VideoFormat, Vec<AccessUnit>);

/// The sound beside the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// What it is.
    pub format: AudioFormat,
    /// Its units; those that begin within the segment or part.
    pub units: Vec<AccessUnit>,
}

/// What is known of a segment when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHead {
    /// Its number: [`crate::Publisher::next_segment`] or higher.
    pub number: SegmentNumber,
    /// The generation under which it is published: the publisher's own.
    pub generation: Generation,
    /// When it begins on the session's timeline. Its units' times are on the same timeline.
    pub start: Ticks,
    /// Whether its times or formats don't continue the segment's before it. What follows from
    /// formats, from the source standing in, and from a hole in the numbers is noticed anyway.
    pub discontinuity: bool,
    /// When its first picture was received, in milliseconds since 1970.
    pub program_date_time_ms: i64,
}

/// A segment that is complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSegment {
    /// Where it belongs.
    pub head: SegmentHead,
    /// How long it is.
    pub duration: Ticks,
    /// Its pictures.
    pub pictures: Pictures,
    /// Its sound; `None` where the source has none, or where it came in parts.
    pub sound: Option<Sound>,
    /// The worker's claim, countersigned; `None` where the source stands in.
    pub receipt: Option<ClaimReceipt>,
}

/// Whose pictures a segment has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pictures {
    /// A worker's: every rendition of the ladder, in any order.
    Renditions(Vec<RenditionUnits>),
    /// The source's own, in every rendition's playlist: no worker was left.
    Source(VideoFormat, Vec<AccessUnit>),
    /// All came in parts, the sound with them, by [`crate::Publisher::part`].
    Parts,
}

/// A part of a segment under way. Its segment is finished by [`crate::Publisher::segment`] with
/// [`Pictures::Parts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedPart {
    /// The segment's head: the same for each of its parts.
    pub head: SegmentHead,
    /// Which part, counted from 0.
    pub index: u32,
    /// How long it is: [`FinishedPart::TARGET`] at most, unless a picture lasts longer.
    pub duration: Ticks,
    /// Whether every rendition's first unit is a keyframe; that of part 0 must be.
    pub independent: bool,
    /// Its pictures: never [`Pictures::Parts`]. Formats are those of the segment's other parts: a
    /// new format needs a new segment.
    pub pictures: Pictures,
    /// Its sound: units that begin within the part. A part may have none.
    pub sound: Option<Sound>,
}

impl FinishedPart {
    /// The longest part: 0.35 s. As many whole pictures as fit make a part of 0.3 s or more at
    /// every usual rate, and players want no part but a segment's last to be shorter than 85 %.
    pub const TARGET: Ticks = Ticks::from_millis(350);
}
