//! How a session's segments are made: each by itself, or all by one worker in low latency.

use super::crew::{Crew, Heard};
use super::finished::{Job, PartOf};
use super::intake::Intake;
use super::live::Live;
use super::segments::Segments;
use std::sync::Arc;
use tessera_live_core::Now;
use tessera_live_core::cut::Piece;
use tessera_live_core::health::Watch;
use tessera_live_core::roster::Roster;
use tessera_media::VideoFormat;
use tessera_media::wire::{Body, Lane};
use tessera_protocol::LeaseId;
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::view::Latency;
use tessera_protocol::stream::{SegmentClaim, SegmentNumber};

pub(super) enum Maker {
    Segments(Segments),
    Live(Box<Live>),
}

impl Maker {
    pub(super) fn new(grant: Arc<SessionGrant>, next: SegmentNumber) -> Self {
        match grant.latency {
            Latency::Low => Self::Live(Box::new(Live::new(grant, next))),
            Latency::Standard | Latency::Short => Self::Segments(Segments::new(grant, next)),
        }
    }

    pub(super) fn roster(&mut self) -> &mut Roster {
        match self {
            Self::Segments(segments) => &mut segments.dispatch.roster,
            Self::Live(live) => &mut live.relay.roster,
        }
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn wake(&self) -> Option<Now> {
        match self {
            Self::Segments(segments) => segments.dispatch.wake(),
            Self::Live(live) => live.relay.wake(),
        }
    }

    pub(super) fn piece(
        &mut self,
        piece: Piece,
        format: Option<&Arc<VideoFormat>>,
        crew: &Crew,
        now: Now,
    ) {
        match self {
            Self::Segments(segments) => segments.piece(piece, format, crew, now),
            Self::Live(live) => live.piece(piece, format, crew, now),
        }
    }

    /// The source has gone, and all its pieces were given.
    pub(super) fn source_ended(&mut self) {
        if let Self::Live(live) = self {
            live.source_ended();
        }
    }

    pub(super) fn up(&mut self, lease: LeaseId, crew: &Crew, now: Now) {
        match self {
            Self::Segments(segments) => segments.up(lease, crew, now),
            Self::Live(live) => live.up(lease, crew, now),
        }
    }

    /// A worker's connection is gone. Whether it had something to do.
    pub(super) fn down(&mut self, lease: LeaseId, crew: &Crew, now: Now) -> bool {
        match self {
            Self::Segments(segments) => segments.down(lease, crew, now),
            Self::Live(live) => live.down(lease, crew, now),
        }
    }

    pub(super) fn tick(&mut self, crew: &Crew, now: Now) {
        match self {
            Self::Segments(segments) => segments.tick(crew, now),
            Self::Live(live) => live.tick(crew, now),
        }
    }

    /// A worker gave something on a lane. Why it is no good, if so.
    pub(super) fn heard(&mut self, heard: Heard<'_>, lane: Lane, body: Body) -> Result<(), String> {
        match self {
            Self::Segments(segments) => segments.heard(heard, lane, body),
            Self::Live(live) => live.heard(heard, lane, body),
        }
    }

    /// A worker claims a segment. Why it is no good, if so.
    pub(super) fn claimed(
        &mut self,
        heard: Heard<'_>,
        lane: Lane,
        claim: SegmentClaim,
        signature: SignatureBytes,
    ) -> Result<(), String> {
        match self {
            Self::Segments(segments) => segments.claimed(heard, lane, claim, signature),
            Self::Live(live) => live.claimed(heard, lane, claim, signature),
        }
    }

    /// What can be published now. One job at a time is given out.
    pub(super) fn next_job(
        &mut self,
        intake: &mut Intake,
        watch: &mut Watch,
        now: Now,
    ) -> Option<Job> {
        match self {
            Self::Segments(segments) => segments.next_job(intake, watch, now),
            Self::Live(live) => live.next_job(intake, watch, now),
        }
    }

    /// The part that was given out is published.
    pub(super) fn part_published(&mut self) {
        if let Self::Live(live) = self {
            live.part_published();
        }
    }

    /// The part that was given out cannot be published.
    pub(super) fn part_refused(&mut self, part: &PartOf, crew: &Crew, now: Now) {
        if let Self::Live(live) = self {
            live.part_refused(part, crew, now);
        }
    }

    /// Whether everything that was begun was given out.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Segments(segments) => segments.is_empty(),
            Self::Live(live) => live.is_empty(),
        }
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Segments(segments) => segments.bytes(),
            Self::Live(live) => live.bytes(),
        }
    }
}
