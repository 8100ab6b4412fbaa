//! Counts and hashes what passes by, for the claim.

use std::collections::VecDeque;
use tessera_media::task::LadderTask;
use tessera_media::wire::RenditionIndex;
use tessera_media::{AccessUnit, Ticks, UnitHasher, VideoFormat};
use tessera_protocol::MediaHash;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::{RenditionName, SegmentNumber};

/// What one ladder lane has brought so far.
pub struct Tally {
    rungs: Vec<Rung>,
    /// The segments that were asked for and are not done, in order.
    asked: VecDeque<SegmentNumber>,
}

struct Rung {
    name: RenditionName,
    /// Pixels of a frame, once its format is known.
    frame: Option<u64>,
    hasher: UnitHasher,
    frames: u32,
    pixels: u64,
    bytes: u64,
    /// When its first frame is shown, and its last.
    shown: Option<(Ticks, Ticks)>,
}

/// A segment that is done.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its renditions, in the task's order.
    pub renditions: Vec<RenditionResult>,
    /// Pixels of all of them for each second of the source; 0 for less than two frames.
    pub pixels_per_s: u64,
}

impl Tally {
    /// Of nothing yet.
    pub fn new(task: &LadderTask) -> Self {
        let rungs = task.renditions.iter().map(|rendition| Rung::new(rendition.name.clone()));
        Self { rungs: rungs.collect(), asked: VecDeque::from([task.segment]) }
    }

    /// The gateway has cut: what follows is of this segment.
    pub fn cut(&mut self, segment: SegmentNumber) {
        self.asked.push_back(segment);
    }

    /// A rendition's format. The error says what is wrong with the engine.
    pub fn format(&mut self, index: RenditionIndex, format: &VideoFormat) -> Result<(), String> {
        self.rung(index)?.frame = Some(u64::from(format.width) * u64::from(format.height));
        Ok(())
    }

    /// A rendition's next unit.
    pub fn unit(&mut self, index: RenditionIndex, unit: &AccessUnit) -> Result<(), String> {
        let rung = self.rung(index)?;
        let frame = rung.frame.ok_or("a unit came before its format")?;
        rung.hasher.unit(unit);
        rung.frames += 1;
        rung.pixels = rung.pixels.saturating_add(frame);
        rung.bytes += unit.data.len() as u64;
        let (first, last) = rung.shown.unwrap_or((unit.pts, unit.pts));
        rung.shown = Some((first.min(unit.pts), last.max(unit.pts)));
        Ok(())
    }

    /// The engine says that a segment is done: what came since the one before.
    pub fn done(&mut self, segment: SegmentNumber) -> Result<Counted, String> {
        if self.asked.front() != Some(&segment) {
            return Err(format!("segment {segment} is said to be done, and was not next"));
        }
        self.asked.pop_front();
        let pixels_per_s = self.pixels_per_s();
        let renditions = self.rungs.iter_mut().map(Rung::take).collect();
        Ok(Counted { renditions, pixels_per_s })
    }

    fn pixels_per_s(&self) -> u64 {
        let rate = |rung: &Rung| {
            let (first, last) = rung.shown?;
            // The last frame is shown for as long as the others.
            let between = u64::try_from((last - first).0).ok().filter(|&ticks| ticks > 0)?;
            let shown = u64::from(rung.frames.max(2) - 1);
            Some(rung.pixels / u64::from(rung.frames) * shown * Ticks::PER_SECOND as u64 / between)
        };
        self.rungs.iter().filter_map(rate).sum()
    }

    fn rung(&mut self, index: RenditionIndex) -> Result<&mut Rung, String> {
        let there = self.rungs.len();
        let no_such = || format!("rendition {} of {there} is meant", index.0);
        self.rungs.get_mut(usize::from(index.0)).ok_or_else(no_such)
    }
}

impl Rung {
    fn new(name: RenditionName) -> Self {
        Self {
            name,
            frame: None,
            hasher: UnitHasher::default(),
            frames: 0,
            pixels: 0,
            bytes: 0,
            shown: None,
        }
    }

    /// What was counted; the next segment begins at nothing, in the same format.
    fn take(&mut self) -> RenditionResult {
        let next = Self { frame: self.frame, ..Self::new(self.name.clone()) };
        let done = std::mem::replace(self, next);
        RenditionResult {
            hash: MediaHash(done.hasher.finish()),
            rendition: done.name,
            frames: done.frames,
            pixels: done.pixels,
            bytes: done.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_media::task::Pace;
    use tessera_protocol::stream::{Ladder, VideoCodec};

    fn format(width: u32, height: u32) -> VideoFormat {
        VideoFormat { codec: VideoCodec::H264, width, height, config: vec![1].into() }
    }

    fn tally() -> Tally {
        let ladder: Ladder = "360p:800k,240p:400k".parse().unwrap();
        Tally::new(&LadderTask {
            source: format(1280, 720),
            renditions: ladder.renditions().to_vec(),
            pace: Pace::Live,
            segment: SegmentNumber(7),
            output_from: None,
        })
    }

    fn unit(frame: i64, bytes: usize) -> AccessUnit {
        let pts = Ticks(frame * 3000);
        AccessUnit { pts, dts: pts, keyframe: frame == 0, data: vec![0; bytes].into() }
    }

    const HIGH: RenditionIndex = RenditionIndex(0);
    const LOW: RenditionIndex = RenditionIndex(1);

    #[test]
    fn a_segment_is_counted_from_done_to_done() {
        let mut tally = tally();
        tally.format(HIGH, &format(640, 360)).unwrap();
        tally.format(LOW, &format(426, 240)).unwrap();
        for frame in 0..30 {
            tally.unit(HIGH, &unit(frame, 100)).unwrap();
            tally.unit(LOW, &unit(frame, 10)).unwrap();
        }
        let first = tally.done(SegmentNumber(7)).unwrap();
        assert_eq!(first.pixels_per_s, 30 * (640 * 360 + 426 * 240));
        let counts: Vec<_> =
            first.renditions.iter().map(|r| (r.frames, r.pixels, r.bytes)).collect();
        assert_eq!(counts, [(30, 30 * 640 * 360, 3000), (30, 30 * 426 * 240, 300)]);

        let mut hasher = UnitHasher::default();
        (0..30).for_each(|frame| hasher.unit(&unit(frame, 100)));
        assert_eq!(first.renditions[0].hash, MediaHash(hasher.finish()));

        tally.cut(SegmentNumber(9));
        tally.unit(HIGH, &unit(0, 5)).unwrap();
        let second = tally.done(SegmentNumber(9)).unwrap();
        assert_eq!((second.renditions[0].frames, second.renditions[0].bytes), (1, 5));
        assert_eq!(second.renditions[1].frames, 0);
    }

    #[test]
    fn an_engine_cannot_claim_what_was_not_asked() {
        let mut tally = tally();
        assert!(tally.done(SegmentNumber(8)).is_err());
        assert!(tally.done(SegmentNumber(7)).is_ok());
        assert!(tally.done(SegmentNumber(7)).is_err(), "twice");
        assert!(tally.done(SegmentNumber(8)).is_err(), "not cut yet");
        assert!(tally.unit(HIGH, &unit(0, 1)).is_err(), "before its format");
        assert!(tally.format(RenditionIndex(2), &format(64, 64)).is_err());
        assert!(tally.unit(RenditionIndex(2), &unit(0, 1)).is_err());
    }
}
