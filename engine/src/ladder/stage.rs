//! Frames in order of showing, to encoders that are made when enough is known of the frames.

use super::rungs::{Rungs, Shot, Step};
use crate::decode::Picture;
use crate::encode::{Colour, Settings, Style};
use crate::error::{Trouble, trying};
use crate::exchange::Outbox;
use crate::raw;
use ffmpeg::{Rational, picture};
use ffmpeg_next as ffmpeg;
use std::sync::Arc;
use tessera_media::{Ticks, rate};
use tessera_protocol::stream::{Ladder, Rendition, SegmentNumber};

/// Frames from which the source's frame rate is read before encoders are made.
const SAMPLE: usize = 10;
/// Share by which a segment's frame rate may differ from what encoders were told. Making them anew
/// costs their memory of how hard the pictures are.
const RATE_SLACK: f64 = 0.1;
/// Taken for the frame rate where nothing tells it.
const USUAL_RATE: Rational = Rational(30, 1);

/// Encoders, and what is on its way to them.
pub(crate) struct Stage<'a> {
    renditions: &'a [Rendition],
    /// Width and height of the source.
    size: (u32, u32),
    style: Style,
    outbox: &'a Outbox,
    /// How long all frames together last, where that is known.
    duration: Option<Ticks>,
    /// Frames that wait for the encoders to be made, and the segments that begin with them.
    held: Vec<(Picture, Option<SegmentNumber>)>,
    rungs: Option<Rungs>,
    /// Of the source, as encoders were told last.
    rate: Rational,
    /// Of each rendition: it keeps every so-many-th frame.
    every: Vec<u32>,
    segment: Progress,
}

/// How far the segment is.
struct Progress {
    number: SegmentNumber,
    frames: u32,
    repeated: u32,
    first: Ticks,
    last: Ticks,
}

impl Progress {
    fn new(number: SegmentNumber) -> Self {
        Self { number, frames: 0, repeated: 0, first: Ticks::ZERO, last: Ticks::ZERO }
    }

    /// Mean duration of a frame.
    fn frame(&self) -> Option<Ticks> {
        let gaps = i64::from(self.frames.checked_sub(1).filter(|&gaps| gaps > 0)?);
        Some(Ticks((self.last.0 - self.first.0) / gaps))
    }
}

impl<'a> Stage<'a> {
    /// For renditions of a source of this size, best first, beginning with a segment.
    ///
    /// # Errors
    /// If the renditions are no ladder, or out of order.
    pub(crate) fn new(
        renditions: &'a [Rendition],
        size: (u32, u32),
        style: Style,
        first: SegmentNumber,
        outbox: &'a Outbox,
    ) -> Result<Self, Trouble> {
        let ladder = Ladder::try_from(renditions.to_vec())
            .map_err(|error| Trouble::refused(error.to_string()))?;
        if ladder.renditions() != renditions {
            return Err(Trouble::refused("the renditions do not stand best first"));
        }
        Ok(Self {
            renditions,
            size,
            style,
            outbox,
            duration: None,
            held: vec![],
            rungs: None,
            rate: USUAL_RATE,
            every: vec![],
            segment: Progress::new(first),
        })
    }

    /// All frames together last so long.
    pub(crate) fn set_duration(&mut self, duration: Option<Ticks>) {
        self.duration = duration;
    }

    /// Takes the next frame, and the segment that begins with it, if one does. `said` is the frame
    /// rate by the stream's own account.
    pub(crate) fn take(
        &mut self,
        picture: Picture,
        begins: Option<SegmentNumber>,
        said: Option<Rational>,
    ) -> Result<(), Trouble> {
        if self.rungs.is_some() {
            return self.encode(picture, begins);
        }
        self.held.push((picture, begins));
        if self.held.len() < self.sample() {
            return Ok(());
        }
        if let Some(rate) = said {
            self.rate = rate;
        }
        self.open_rungs()
    }

    /// Nothing more comes.
    pub(crate) fn finish(mut self) -> Result<(), Trouble> {
        if self.rungs.is_none() {
            self.open_rungs()?;
        }
        self.end_segment(true)?;
        self.rungs.take().map_or(Ok(()), Rungs::finish)
    }

    /// Frames that are needed before encoders can be made.
    fn sample(&self) -> usize {
        let rate_matters = self.renditions.iter().any(|r| r.max_fps.is_some());
        match self.style {
            Style::Live if !rate_matters => 1,
            Style::Live | Style::Segment | Style::File => SAMPLE,
        }
    }

    /// Makes the encoders, and gives them what was held.
    fn open_rungs(&mut self) -> Result<(), Trouble> {
        let held = std::mem::take(&mut self.held);
        let ([(first, _), ..], [.., (last, _)]) = (&held[..], &held[..]) else { return Ok(()) };
        let observed = Ticks((last.pts - first.pts).0 / (held.len() as i64 - 1).max(1));
        self.set_rate(rate_of(observed).unwrap_or(self.rate));
        let colour = Colour::of(&first.frame);
        let plans = self.renditions.iter().zip(self.rates()).map(|(rendition, frame_rate)| {
            let (width, height) = rendition.size_for(self.size.0, self.size.1);
            let Rendition { codec, bits_per_s, .. } = *rendition;
            let Self { style, duration, .. } = *self;
            Settings { codec, width, height, bits_per_s, frame_rate, style, colour, duration }
        });
        self.rungs = Some(Rungs::start(plans.collect(), self.outbox));
        held.into_iter().try_for_each(|(picture, begins)| self.encode(picture, begins))
    }

    fn set_rate(&mut self, rate: Rational) {
        let frame = Ticks((Ticks::PER_SECOND as f64 / f64::from(rate)).round() as i64);
        let of = |rendition: &Rendition| rate::keep_every(frame, rendition.max_fps);
        self.rate = rate;
        self.every = self.renditions.iter().map(of).collect();
    }

    /// The renditions' frame rates.
    fn rates(&self) -> Vec<Rational> {
        let of = |&every: &u32| self.rate * Rational(1, i32::try_from(every).unwrap_or(1));
        self.every.iter().map(of).collect()
    }

    fn encode(&mut self, picture: Picture, begins: Option<SegmentNumber>) -> Result<(), Trouble> {
        let mut frame = picture.frame;
        if let Some(number) = begins {
            self.begin_segment(number)?;
            let mut key = trying("begin a segment", raw::share(&frame))?;
            key.set_kind(picture::Type::I);
            frame = Arc::new(key);
        }
        let segment = &mut self.segment;
        if segment.frames == 0 {
            segment.first = picture.pts;
        }
        segment.last = picture.pts;
        let place = segment.frames;
        segment.frames += 1;
        segment.repeated += u32::from(picture.repeated);
        let wanted = self.every.iter().map(|every| place.is_multiple_of(*every)).collect();
        self.push(Step::Shot(Shot { frame, wanted }))
    }

    fn begin_segment(&mut self, number: SegmentNumber) -> Result<(), Trouble> {
        // Nothing was given out of a segment that lies before all that is to be.
        if self.segment.frames > 0 {
            self.end_segment(false)?;
        }
        if self.style == Style::Live {
            self.correct_rate()?;
        }
        self.segment = Progress::new(number);
        Ok(())
    }

    /// After a segment: if its frame rate was not what encoders were told, they are told now, for
    /// they spend their bits by it.
    fn correct_rate(&mut self) -> Result<(), Trouble> {
        let told = f64::from(self.rate);
        let observed = self.segment.frame().and_then(rate_of);
        match observed.filter(|&rate| (f64::from(rate) / told - 1.0).abs() > RATE_SLACK) {
            Some(rate) => {
                self.set_rate(rate);
                self.push(Step::Rates(self.rates().into()))
            }
            None => Ok(()),
        }
    }

    fn end_segment(&mut self, last: bool) -> Result<(), Trouble> {
        let Progress { number, frames, repeated, .. } = self.segment;
        if repeated > frames / 2 {
            return Err(Trouble::refused(format!(
                "segment {number} is damaged: {repeated} of its {frames} frames cannot be decoded"
            )));
        }
        self.push(Step::SegmentEnd { segment: number, frames_in: frames, last })
    }

    fn push(&mut self, step: Step) -> Result<(), Trouble> {
        match &mut self.rungs {
            Some(rungs) => rungs.push(step),
            None => Ok(()),
        }
    }
}

/// Frames a second, of frames that last so long.
fn rate_of(frame: Ticks) -> Option<Rational> {
    let ticks = i32::try_from(frame.0).ok().filter(|&ticks| ticks > 0)?;
    Some(Rational(Ticks::PER_SECOND as i32, ticks).reduce())
}
