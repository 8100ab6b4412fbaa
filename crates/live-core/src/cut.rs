//! Where a session is cut.
//!
//! 1. A segment begins with a keyframe, and ends with the first later keyframe that is shown at
//!    least the target after its start, less half a frame (so that a keyframe every 60 frames of
//!    29.97 a second makes segments of two seconds, not of four).
//! 2. It also ends, whatever its length, with a keyframe before which the source's clock jumped or
//!    its format changed; then the next one is a discontinuity.
//! 3. A source whose keyframes are further apart makes longer segments. One that has none for
//!    [`LONGEST`], or sends more than [`MOST_BYTES`] before the next, is refused in a sentence.
//! 4. The sound of a segment is what is shown from its start up to its end: [`Sound`].
//! 5. A part, in low latency, has as many whole pictures as fit into [`PART`]: [`Parts`]. It is
//!    told by the pictures as they are shown; sound and slower renditions follow its borders.

use std::collections::VecDeque;
use std::time::Duration;
use tessera_media::{AccessUnit, Ticks};
use tessera_protocol::stream::view::Latency;

/// A source without a keyframe for this long is refused.
pub const LONGEST: Ticks = Ticks::from_millis(30_000);
/// A source that sends more than this from one cut to the next is refused.
pub const MOST_BYTES: usize = 128 << 20;
/// The longest part.
pub const PART: Ticks = Ticks::from_millis(350);
/// A source that sends only sound for this long is refused.
pub const ONLY_SOUND: Duration = Duration::from_secs(10);
/// So is one whose pictures have stopped for this long while its sound goes on.
pub const NO_PICTURES: Duration = Duration::from_secs(30);

/// How long a segment shall be.
pub const fn target(latency: Latency) -> Ticks {
    match latency {
        Latency::Standard | Latency::Low => Ticks::from_millis(2_000),
        Latency::Short => Ticks::from_millis(1_000),
    }
}

/// What becomes of the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A segment begins with the next picture.
    Open {
        /// When it is shown.
        start: Ticks,
        /// Whether what comes does not continue what came.
        discontinuity: bool,
    },
    /// A picture of the segment that was opened last.
    Picture(AccessUnit),
    /// The segment is whole.
    Close {
        /// Where it ends: where the next one begins, or would.
        end: Ticks,
    },
}

/// Why a source cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// None, for too long.
    #[error(
        "the source has sent no keyframe for {} s; set the encoder's keyframe interval to 2 s",
        LONGEST.millis() / 1000
    )]
    NoKeyframe,
    /// Too much.
    #[error(
        "the source has sent {} MB since its last keyframe; set the encoder's keyframe interval to \
         2 s or lower its bitrate",
        MOST_BYTES >> 20
    )]
    TooLarge,
    /// No pictures at all.
    #[error(
        "the source has sent sound for {} s and no picture that can be decoded; send H.264 video \
         with it",
        ONLY_SOUND.as_secs()
    )]
    OnlySound,
    /// No pictures any more.
    #[error(
        "the source has sent sound for {} s and no picture with it; start its encoder anew",
        NO_PICTURES.as_secs()
    )]
    NoPictures,
}

/// Cuts pictures into segments.
#[derive(Debug)]
pub struct Cutter {
    target: Ticks,
    open: Option<Open>,
    changed: bool,
}

#[derive(Debug)]
struct Open {
    start: Ticks,
    last: Ticks,
    frame: Ticks,
    bytes: usize,
}

impl Cutter {
    /// A cutter to segments of about `target`.
    pub const fn new(target: Ticks) -> Self {
        Self { target, open: None, changed: false }
    }

    /// The pictures are coded otherwise from the next keyframe on.
    pub const fn format_changed(&mut self) {
        self.changed = self.open.is_some();
    }

    /// Takes the next picture, in decoding order, with its times on the session's timeline.
    /// Pictures before the first keyframe are dropped.
    pub fn picture(
        &mut self,
        unit: AccessUnit,
        discontinuity: bool,
        out: &mut Vec<Piece>,
    ) -> Result<(), CutError> {
        let broken = discontinuity || (self.changed && unit.keyframe);
        let Some(open) = &mut self.open else {
            if unit.keyframe {
                self.changed = false;
                self.begin(unit, broken, out);
            }
            return Ok(());
        };
        let due = unit.pts.0 - open.start.0 >= self.target.0 - open.frame.0 / 2;
        if unit.keyframe && (broken || due) {
            out.push(Piece::Close { end: unit.pts });
            self.changed = false;
            self.begin(unit, broken, out);
            return Ok(());
        }
        open.take(&unit)?;
        out.push(Piece::Picture(unit));
        Ok(())
    }

    /// The source has gone: its last segment ends at `end`.
    pub fn finish(&mut self, end: Ticks, out: &mut Vec<Piece>) {
        if let Some(open) = self.open.take() {
            out.push(Piece::Close { end: end.max(open.last + Ticks(1)) });
        }
    }

    fn begin(&mut self, unit: AccessUnit, discontinuity: bool, out: &mut Vec<Piece>) {
        let start = unit.pts;
        let frame = Ticks(3_000);
        self.open = Some(Open { start, last: start, frame, bytes: unit.data.len() });
        out.push(Piece::Open { start, discontinuity });
        out.push(Piece::Picture(unit));
    }
}

impl Open {
    fn take(&mut self, unit: &AccessUnit) -> Result<(), CutError> {
        if unit.pts > self.last {
            self.frame = (unit.pts - self.last).min(Ticks::from_millis(200));
            self.last = unit.pts;
        }
        self.bytes += unit.data.len();
        if unit.pts - self.start > LONGEST {
            return Err(CutError::NoKeyframe);
        }
        if self.bytes > MOST_BYTES {
            return Err(CutError::TooLarge);
        }
        Ok(())
    }
}

/// Where the parts of a segment begin.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    start: Ticks,
    last: Ticks,
    frame: Ticks,
}

impl Parts {
    /// Of a segment, or the rest of one, whose first picture is shown at `start`.
    pub const fn new(start: Ticks) -> Self {
        Self { start, last: start, frame: Ticks::ZERO }
    }

    /// When the part under way begins.
    pub const fn start(&self) -> Ticks {
        self.start
    }

    /// The next picture, in the order of showing: whether it begins another part.
    pub fn shown(&mut self, at: Ticks) -> bool {
        if at <= self.last {
            return false;
        }
        // The picture is taken to be shown as long as the one before it was.
        self.frame = at - self.last;
        self.last = at;
        let begins = at + self.frame - self.start > PART;
        if begins {
            self.start = at;
        }
        begins
    }
}

/// Sound that waits for its segment's end.
#[derive(Debug, Default)]
pub struct Sound {
    units: VecDeque<AccessUnit>,
    bytes: usize,
    last: Option<Ticks>,
}

impl Sound {
    /// How far pictures run ahead of sound before the sound is no longer waited for.
    pub const PATIENCE: Ticks = Ticks::from_millis(1_000);
    /// Sound that was not heard for this long is no longer waited for, until it is heard again.
    pub const SILENT: Ticks = Ticks::from_millis(3_000);
    /// No more sound than this waits: twice as much as the longest segment has.
    pub const KEPT: Ticks = Ticks(2 * LONGEST.0);

    /// Takes the next unit. What lies more than [`Self::KEPT`] behind it is dropped: its pictures
    /// did not come.
    pub fn push(&mut self, unit: AccessUnit) {
        let last = unit.pts;
        self.last = Some(last);
        self.bytes += unit.weight();
        self.units.push_back(unit);
        while let Some(late) = self.units.pop_front_if(|unit| last - unit.pts > Self::KEPT) {
            self.bytes -= late.weight();
        }
    }

    /// Whether all sound that is shown before `end` is here, with pictures decoded up to
    /// `pictures`.
    pub fn is_complete_to(&self, end: Ticks, pictures: Ticks) -> bool {
        let Some(last) = self.last else { return pictures >= end + Self::PATIENCE };
        last >= end || pictures >= end + Self::PATIENCE || end - last > Self::SILENT
    }

    /// Takes what is shown from `start` up to `end`; what is earlier is dropped: its segment has
    /// gone without it.
    pub fn take(&mut self, start: Ticks, end: Ticks) -> Vec<AccessUnit> {
        let mut taken = Vec::new();
        while let Some(unit) = self.units.pop_front_if(|unit| unit.pts < end) {
            self.bytes -= unit.weight();
            if unit.pts >= start {
                taken.push(unit);
            }
        }
        taken
    }

    /// Bytes that wait, by the units' weights.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(pts: i64, keyframe: bool) -> AccessUnit {
        AccessUnit { pts: Ticks(pts), dts: Ticks(pts), keyframe, data: vec![0; 10].into() }
    }

    /// Lengths of the whole segments that frames with a keyframe every `gop` make.
    fn lengths(target_ms: i64, frame: i64, gop: i64, frames: i64) -> Vec<i64> {
        let mut cutter = Cutter::new(Ticks::from_millis(target_ms));
        let mut out = Vec::new();
        for n in 0..frames {
            cutter.picture(unit(n * frame, n % gop == 0), false, &mut out).unwrap();
        }
        let mut start = Ticks::ZERO;
        let mut lengths = Vec::new();
        for piece in out {
            match piece {
                Piece::Open { start: at, .. } => start = at,
                Piece::Close { end } => lengths.push((end - start).0),
                Piece::Picture(_) => {}
            }
        }
        lengths
    }

    #[test]
    fn segments_are_cut_at_the_first_keyframe_after_the_target() {
        assert_eq!(lengths(2_000, 3_000, 60, 200), [180_000; 3]);
        // A keyframe a second: every second one.
        assert_eq!(lengths(2_000, 3_000, 30, 200), [180_000; 3]);
        assert_eq!(lengths(1_000, 3_000, 30, 100), [90_000; 3]);
        // Ten seconds: whatever the target, nothing else can be cut.
        assert_eq!(lengths(2_000, 3_000, 300, 601), [900_000; 2]);
    }

    #[test]
    fn a_keyframe_half_a_frame_early_still_cuts() {
        // 60 frames of 2,999 ticks end one tick a frame before two seconds.
        assert_eq!(lengths(2_000, 2_999, 60, 200)[0], 60 * 2_999);
        // Two frames early does not.
        assert_eq!(lengths(2_000, 3_000, 58, 200)[0], 116 * 3_000);
    }

    #[test]
    fn a_jump_and_a_new_format_cut_at_once_and_say_so() {
        for jump in [true, false] {
            let mut cutter = Cutter::new(Ticks::from_millis(2_000));
            let mut out = Vec::new();
            cutter.picture(unit(0, true), false, &mut out).unwrap();
            if !jump {
                cutter.format_changed();
            }
            // Nothing can be cut where decoding cannot begin.
            cutter.picture(unit(3_000, false), false, &mut out).unwrap();
            cutter.picture(unit(6_000, true), jump, &mut out).unwrap();
            assert_eq!(out[3], Piece::Close { end: Ticks(6_000) });
            assert_eq!(out[4], Piece::Open { start: Ticks(6_000), discontinuity: true });
        }
    }

    #[test]
    fn a_source_without_keyframes_is_refused_in_a_sentence() {
        let mut cutter = Cutter::new(Ticks::from_millis(2_000));
        let mut out = Vec::new();
        cutter.picture(unit(0, true), false, &mut out).unwrap();
        cutter.picture(unit(LONGEST.0, false), false, &mut out).unwrap();
        let error = cutter.picture(unit(LONGEST.0 + 3_000, false), false, &mut out).unwrap_err();
        assert_eq!(error, CutError::NoKeyframe);
        assert!(error.to_string().contains("no keyframe for 30 s"));
    }

    #[test]
    fn a_source_that_never_cuts_may_not_fill_the_memory() {
        let mut cutter = Cutter::new(Ticks::from_millis(2_000));
        let mut out = Vec::new();
        let large = |pts| AccessUnit { data: vec![0; 1 << 20].into(), ..unit(pts, pts == 0) };
        let refused = (0..=MOST_BYTES >> 20)
            .find_map(|n| cutter.picture(large(n as i64), false, &mut out).err());
        assert_eq!(refused, Some(CutError::TooLarge));
    }

    #[test]
    fn parts_have_as_many_pictures_as_fit() {
        for (frame, pictures) in [(1_500, 21), (1_800, 17), (3_000, 10), (3_600, 8), (3_750, 8)] {
            let mut parts = Parts::new(Ticks(7));
            let begin = (1..100).filter(|n| parts.shown(Ticks(7 + n * frame))).collect::<Vec<_>>();
            assert_eq!(begin[..3], [pictures, 2 * pictures, 3 * pictures], "{frame}");
        }
    }

    #[test]
    fn sound_is_complete_when_later_sound_is_here_or_patience_ends() {
        let mut sound = Sound::default();
        sound.push(unit(100, true));
        assert!(!sound.is_complete_to(Ticks(200), Ticks(300)));
        assert!(sound.is_complete_to(Ticks(200), Ticks(200) + Sound::PATIENCE));
        sound.push(unit(200, true));
        assert!(sound.is_complete_to(Ticks(200), Ticks(200)));
        assert_eq!(sound.take(Ticks(0), Ticks(200)), [unit(100, true)]);
        assert_eq!(sound.take(Ticks(201), Ticks(300)), [], "too late for its segment");
        let silent = Ticks(200) + Sound::SILENT;
        assert!(!sound.is_complete_to(silent, silent));
        assert!(sound.is_complete_to(silent + Ticks(1), silent), "it has stopped");
    }

    #[test]
    fn sound_without_pictures_does_not_pile_up() {
        let mut sound = Sound::default();
        let step = Ticks::PER_SECOND / 10;
        for n in 0..10_000 {
            sound.push(unit(n * step, true));
        }
        let kept = Sound::KEPT.0 / step + 1;
        assert_eq!(sound.bytes(), kept as usize * unit(0, true).weight());
        assert_eq!(sound.take(Ticks(0), Ticks(10_000 * step)).len(), kept as usize);
        assert_eq!(sound.bytes(), 0);
    }

    proptest! {
        #[test]
        fn every_picture_is_in_one_segment_and_each_begins_with_a_keyframe(
            frames in proptest::collection::vec((1_i64..20_000, any::<bool>(), 0..20), 1..300),
        ) {
            let mut cutter = Cutter::new(Ticks::from_millis(1_000));
            let (mut out, mut at, mut sent) = (Vec::new(), 0, Vec::new());
            for (step, keyframe, jump) in frames {
                at += step;
                let unit = unit(at, keyframe);
                if keyframe || !sent.is_empty() {
                    sent.push(unit.clone());
                }
                if cutter.picture(unit, keyframe && jump == 0, &mut out).is_err() {
                    return Ok(());
                }
            }
            cutter.finish(Ticks(at + 3_000), &mut out);
            let pictures: Vec<_> = out.iter().filter_map(|piece| match piece {
                Piece::Picture(unit) => Some(unit.clone()),
                _ => None,
            }).collect();
            prop_assert_eq!(pictures, sent);
            let mut open: Option<Ticks> = None;
            let mut end = None;
            let mut pieces = out.iter().peekable();
            while let Some(piece) = pieces.next() {
                match piece {
                    Piece::Open { start, .. } => {
                        prop_assert!(open.is_none());
                        prop_assert!(end.is_none_or(|end| end == *start));
                        prop_assert!(
                            matches!(pieces.peek(), Some(Piece::Picture(u)) if u.keyframe && u.pts == *start)
                        );
                        open = Some(*start);
                    }
                    Piece::Picture(_) => prop_assert!(open.is_some()),
                    Piece::Close { end: at } => {
                        prop_assert!(open.take().unwrap() < *at);
                        end = Some(*at);
                    }
                }
            }
            prop_assert!(open.is_none());
        }

        #[test]
        fn parts_are_never_longer_than_they_may_be(
            frame in 750_i64..31_500,
            frames in 1_i64..200,
            rounding in proptest::collection::vec(-45_i64..=45, 200),
        ) {
            let mut parts = Parts::new(Ticks::ZERO);
            let mut start = 0;
            for n in 1..frames {
                let at = Ticks(n * frame + rounding[n as usize]);
                if parts.shown(at) {
                    prop_assert!(at.0 - start <= PART.0 + 180, "{} too long", at.0 - start);
                    // One more picture would not have fitted.
                    prop_assert!(at.0 - start + frame > PART.0 - 180);
                    start = at.0;
                }
            }
        }

        #[test]
        fn all_sound_is_given_out_once(
            steps in proptest::collection::vec(1_i64..5_000, 0..200),
            cuts in proptest::collection::vec(1_i64..50_000, 0..20),
        ) {
            let mut sound = Sound::default();
            let mut at = 0;
            let units: Vec<_> = steps.iter().map(|step| { at += step; unit(at, true) }).collect();
            units.iter().for_each(|unit| sound.push(unit.clone()));
            let (mut start, mut got) = (0, Vec::new());
            for cut in cuts.into_iter().chain([1_000_000]) {
                got.extend(sound.take(Ticks(start), Ticks(start + cut)));
                start += cut;
            }
            prop_assert_eq!(got, units);
        }
    }
}
