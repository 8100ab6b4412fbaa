//! A stretch of video to renditions: decoded once, each size scaled from the next larger.
//!
//! # Contract
//! - Every frame of the source is encoded, but those that a rendition's limit of frames a second
//!   leaves out ([`tessera_media::rate`]). Frames keep their times.
//! - Renditions have keyframes where segments begin and nowhere else, so they are aligned.
//! - A damaged frame is stood in for by the one before. A segment of which more than half had to be
//!   stood in for fails.
//! - [`Pace::Live`]: a frame's units are said before the next message is needed, if the source does
//!   not reorder; and the end of a segment is said when the first frame of the next one is decoded,
//!   at once likewise. [`Pace::Segment`]: a segment's end is said after `End`.
//!
//! Reading order: this page (the source) → [`stage`] (frames to encoders) → [`rungs`] (a thread for
//! each rendition).

mod rungs;
mod stage;

use crate::decode::{Decoder, Picture};
use crate::encode::Style;
use crate::error::Trouble;
use crate::exchange::{Inbox, Outbox};
pub(crate) use stage::Stage;
use std::collections::VecDeque;
use tessera_media::task::{LadderTask, Pace};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, Ticks};
use tessera_protocol::stream::SegmentNumber;

pub(crate) fn run(task: &LadderTask, inbox: &Inbox, outbox: &Outbox) -> Result<(), Trouble> {
    let mut source = Source::new(task, outbox)?;
    loop {
        match inbox.next()? {
            Body::Source(TrackKind::Video, unit) => source.unit(&unit)?,
            Body::Cut(segment) => source.cut(segment)?,
            Body::End => return source.end(),
            _ => return Err(Trouble::refused("a ladder is made of pictures, and nothing else")),
        }
    }
}

struct Source<'a> {
    task: &'a LadderTask,
    decoder: Decoder,
    /// The next unit begins this segment.
    cut: Option<SegmentNumber>,
    /// Segments whose first unit went into the decoder and whose first frame has not come out.
    cuts: VecDeque<(Ticks, SegmentNumber)>,
    any_unit: bool,
    stage: Stage<'a>,
}

impl<'a> Source<'a> {
    fn new(task: &'a LadderTask, outbox: &'a Outbox) -> Result<Self, Trouble> {
        let style = match task.pace {
            Pace::Segment => Style::Segment,
            Pace::Live => Style::Live,
        };
        let size = (task.source.width, task.source.height);
        let stage = Stage::new(&task.renditions, size, style, task.segment, outbox)?;
        let decoder = Decoder::open(&task.source)?;
        Ok(Self { task, decoder, cut: None, cuts: VecDeque::new(), any_unit: false, stage })
    }

    fn unit(&mut self, unit: &AccessUnit) -> Result<(), Trouble> {
        let begins = !self.any_unit || self.cut.is_some();
        if begins && !unit.keyframe {
            return Err(Trouble::refused(format!(
                "the unit at {} begins a segment and is no keyframe",
                unit.pts
            )));
        }
        self.any_unit = true;
        if let Some(segment) = self.cut.take() {
            self.cuts.push_back((unit.pts, segment));
        }
        let mut pictures = vec![];
        self.decoder.push(unit, &mut pictures)?;
        self.take(pictures)
    }

    fn cut(&mut self, segment: SegmentNumber) -> Result<(), Trouble> {
        if self.task.pace == Pace::Segment {
            return Err(Trouble::refused("encoders made for one segment were given a second"));
        }
        if !self.any_unit {
            return Err(Trouble::refused("a cut came before the first unit"));
        }
        self.cut = Some(segment);
        Ok(())
    }

    fn end(mut self) -> Result<(), Trouble> {
        if !self.any_unit {
            return Err(Trouble::refused("it has no unit"));
        }
        let mut pictures = vec![];
        self.decoder.finish(&mut pictures)?;
        self.take(pictures)?;
        self.stage.finish()
    }

    fn take(&mut self, pictures: Vec<Picture>) -> Result<(), Trouble> {
        let said = self.decoder.frame_rate();
        let from = self.task.output_from.unwrap_or(Ticks(i64::MIN));
        for picture in pictures.into_iter().filter(|picture| picture.pts >= from) {
            let mut begins = None;
            while self.cuts.front().is_some_and(|(pts, _)| picture.pts >= *pts) {
                begins = self.cuts.pop_front().map(|(_, segment)| segment);
            }
            self.stage.take(picture, begins, said)?;
        }
        Ok(())
    }
}
