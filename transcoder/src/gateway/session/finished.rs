//! A segment that is settled, on its way to viewers and beyond.

use crate::gateway::clock::unix_ms;
use std::sync::Arc;
use tessera_live_core::Now;
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};
use tessera_protocol::{LeaseId, NodeId};
use tessera_publish::spec::RenditionUnits;
use tessera_publish::{FinishedPart, FinishedSegment, Pictures, SegmentHead, Sound};
use tessera_verify::structure::Checked;

/// What is to be published next.
#[derive(Clone)]
pub(super) enum Job {
    /// A part of a segment under way.
    Part(Box<FinishedPart>, PartOf),
    /// A whole segment, or the end of one whose parts are published.
    Segment(Box<Finished>),
}

impl Job {
    /// Which segment it is, or is of.
    pub(super) fn segment(&self) -> SegmentNumber {
        match self {
            Self::Part(_, about) => about.segment,
            Self::Segment(finished) => finished.head.number,
        }
    }
}

/// Which part.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartOf {
    pub(super) segment: SegmentNumber,
    pub(super) index: u32,
    pub(super) start: Ticks,
    /// When its last picture was here.
    pub(super) arrived: Now,
}

/// A settled segment.
#[derive(Clone)]
pub(super) struct Finished {
    pub(super) head: SegmentHead,
    pub(super) duration: Ticks,
    pub(super) format: Arc<VideoFormat>,
    /// The source's.
    pub(super) units: Vec<AccessUnit>,
    /// When its first unit was here, and when its last.
    pub(super) began: Now,
    pub(super) ended: Now,
    /// `None` where the source stands in.
    pub(super) made: Option<Made>,
    /// Whether viewers have it already, in parts.
    pub(super) in_parts: bool,
    pub(super) sound: Option<Sound>,
}

/// What a worker made of a segment.
#[derive(Clone)]
pub(super) struct Made {
    /// `None` where a worker died in the midst of it, and nobody claims it.
    pub(super) by: Option<MadeBy>,
    pub(super) receipt: Option<ClaimReceipt>,
    /// In the ladder's order.
    pub(super) renditions: Vec<RenditionUnits>,
    pub(super) checked: Vec<Checked>,
}

/// Who made it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeBy {
    pub(super) lease: LeaseId,
    pub(super) node: NodeId,
}

/// A segment that begins now, of a session that was granted so.
pub(super) fn opening(
    grant: &SessionGrant,
    number: SegmentNumber,
    start: Ticks,
    discontinuity: bool,
) -> SegmentHead {
    let generation = grant.generation;
    SegmentHead { number, generation, start, discontinuity, program_date_time_ms: unix_ms() }
}

impl Finished {
    /// As the publisher takes it.
    pub(super) fn to_publish(&self) -> FinishedSegment {
        let pictures = match &self.made {
            _ if self.in_parts => Pictures::Parts,
            Some(made) => Pictures::Renditions(made.renditions.clone()),
            None => Pictures::Source(VideoFormat::clone(&self.format), self.units.clone()),
        };
        FinishedSegment {
            head: self.head.clone(),
            duration: self.duration,
            pictures,
            sound: self.sound.clone(),
            receipt: self.made.as_ref().and_then(|made| made.receipt.clone()),
        }
    }
}
