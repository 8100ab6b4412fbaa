//! From a source's own clock to the session's timeline.
//!
//! A session's timeline begins at [`Timeline::START`] and never goes back. A *run* is what comes
//! from one connection between two jumps of its clock: it begins with a keyframe, which is shown
//! where the run before ended, and within it times keep their distances. Rules:
//! 1. Video that steps back by more than [`BACK`], or ahead by more than [`AHEAD`] beyond the step
//!    before, has jumped: its run is over, and the next one begins at the next keyframe.
//! 2. Smaller steps back are jitter: a unit is decoded at least one tick after the one before, and
//!    shown no earlier than it is decoded.
//! 3. Sound keeps its distance to the pictures. It is smoothed to whole units of samples as long as
//!    it says no other time than that to within one unit: players hear borders that don't fit.
//! 4. Sound that steps by more than [`SOUND_STEP`] waits until the pictures have told whether they
//!    jumped as well; if they haven't, it is a gap in the sound, and anything further than [`APART`]
//!    from the pictures is dropped.

use std::collections::VecDeque;
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, AudioFormat, Ticks};

/// More than this back is a jump.
pub const BACK: Ticks = Ticks::from_millis(1_000);
/// More than this ahead of the step before is a jump.
pub const AHEAD: Ticks = Ticks::from_millis(1_000);
/// A step of sound that has to be explained by the pictures.
pub const SOUND_STEP: Ticks = Ticks::from_millis(1_000);
/// Sound is never this far from the pictures.
pub const APART: Ticks = Ticks::from_millis(10_000);
/// A unit is shown at most this long after it was decoded.
pub const REORDER: Ticks = Ticks::from_millis(5_000);
/// Units of sound that may wait for the pictures: about ten seconds.
pub const HELD: usize = 512;
/// Times of a source beyond this are not believed, so that sums of them fit: 15,000 years.
const FURTHEST: i64 = 1 << 55;
/// How long a frame is taken to be while nothing is known.
const FRAME: i64 = 3_000;

/// A unit with its times on the session's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Which track it belongs to.
    pub track: TrackKind,
    /// The unit.
    pub unit: AccessUnit,
    /// It is the first keyframe of a run other than the session's first: decoding, and the
    /// source's clock, begin anew.
    pub discontinuity: bool,
}

/// A session's timeline.
#[derive(Debug)]
pub struct Timeline {
    run: Option<Run>,
    /// Where the next run's first keyframe is shown, if its decoding can begin early enough.
    next_start: Ticks,
    fresh: bool,
    last_video_dts: Option<Ticks>,
    last_sound: Option<Ticks>,
    sound_rate: Option<u32>,
    /// Sound in the source's clock.
    held: VecDeque<AccessUnit>,
}

#[derive(Debug)]
struct Run {
    /// Session time less source time.
    offset: i64,
    /// The first keyframe's time on the session's timeline.
    start: Ticks,
    /// In the source's clock.
    last_dts: i64,
    /// The last step of video that was no jump.
    step: i64,
    /// Behind everything shown so far, less the last frame's own length.
    last_shown: Ticks,
    sound: Option<Sound>,
    /// In the source's clock: video's time when sound began to wait.
    waiting_since: Option<i64>,
}

/// Sound that is smoothed.
#[derive(Debug)]
struct Sound {
    /// In the source's clock.
    last: i64,
    anchor: Ticks,
    units: i64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    /// Where a session begins: late enough that a first frame may be decoded before it is shown.
    pub const START: Ticks = Ticks(10 * Ticks::PER_SECOND);

    /// The timeline of a new session.
    pub fn new() -> Self {
        Self {
            run: None,
            next_start: Self::START,
            fresh: true,
            last_video_dts: None,
            last_sound: None,
            sound_rate: None,
            held: VecDeque::new(),
        }
    }

    /// The timeline of a session that was published up to `end`, by whomever.
    pub fn continuing(end: Ticks) -> Self {
        Self { next_start: end.max(Self::START), fresh: false, ..Self::new() }
    }

    /// What the sound is, before its first unit and whenever it changes.
    pub fn sound_is(&mut self, format: &AudioFormat) {
        self.sound_rate = Some(format.sample_rate).filter(|rate| *rate > 0);
        if let Some(run) = &mut self.run {
            run.sound = None;
        }
    }

    /// The run is over: the source has gone. The next unit begins another.
    pub fn end_run(&mut self) {
        self.held.clear();
        self.stop();
    }

    /// Where what has been placed ends: the last picture's end.
    pub fn end(&self) -> Ticks {
        self.run.as_ref().map_or(self.next_start, Run::end)
    }

    /// Places a unit, and what has waited for it, into `out`.
    pub fn place(&mut self, track: TrackKind, unit: AccessUnit, out: &mut Vec<Placed>) {
        let unit = believed(unit);
        match track {
            TrackKind::Video => self.video(unit, out),
            TrackKind::Audio => self.audio(unit, out),
        }
    }

    fn stop(&mut self) {
        if let Some(run) = self.run.take() {
            self.next_start = run.end().max(self.next_start);
        }
    }

    fn video(&mut self, unit: AccessUnit, out: &mut Vec<Placed>) {
        if self.run.as_ref().is_some_and(|run| run.is_jump(unit.dts.0)) {
            self.stop();
        }
        if self.run.is_none() {
            if !unit.keyframe {
                return;
            }
            self.begin(unit, out);
            return;
        }
        let source_dts = unit.dts.0;
        let run = self.run.as_mut().expect("a run was just seen");
        let step = source_dts - run.last_dts;
        if step > 0 {
            run.step = step;
        }
        run.last_dts = run.last_dts.max(source_dts);
        let offset = run.offset;
        let explained = run.waiting_since.is_some_and(|since| source_dts - since > SOUND_STEP.0);
        self.emit_video(unit, offset, false, out);
        if explained {
            self.release_gap(out);
        }
    }

    /// Opens a run with its keyframe.
    fn begin(&mut self, unit: AccessUnit, out: &mut Vec<Placed>) {
        let reorder = unit.pts - unit.dts;
        let earliest = self.last_video_dts.map_or(Ticks::ZERO, |last| last + Ticks(1) + reorder);
        let start = self.next_start.max(earliest);
        let offset = start.0 - unit.pts.0;
        self.run = Some(Run {
            offset,
            start,
            last_dts: unit.dts.0,
            step: FRAME,
            last_shown: start,
            sound: None,
            waiting_since: None,
        });
        let discontinuity = !self.fresh;
        self.fresh = false;
        self.emit_video(unit, offset, discontinuity, out);
        for unit in std::mem::take(&mut self.held) {
            self.emit_audio(unit, out);
        }
    }

    fn emit_video(
        &mut self,
        mut unit: AccessUnit,
        offset: i64,
        discontinuity: bool,
        out: &mut Vec<Placed>,
    ) {
        let earliest = self.last_video_dts.map_or(Ticks(i64::MIN), |last| last + Ticks(1));
        unit.dts = Ticks(unit.dts.0 + offset).max(earliest);
        unit.pts = Ticks(unit.pts.0 + offset).max(unit.dts);
        self.last_video_dts = Some(unit.dts);
        if let Some(run) = &mut self.run {
            run.last_shown = run.last_shown.max(unit.pts);
        }
        out.push(Placed { track: TrackKind::Video, unit, discontinuity });
    }

    fn audio(&mut self, unit: AccessUnit, out: &mut Vec<Placed>) {
        let Some(run) = &mut self.run else {
            self.hold(unit);
            return;
        };
        let before = run.sound.as_ref().map_or(run.last_dts, |sound| sound.last);
        let allowed = if run.sound.is_some() { SOUND_STEP.0 } else { APART.0 };
        let steps = (unit.pts.0 - before).abs() > allowed;
        if steps || run.waiting_since.is_some() {
            run.waiting_since.get_or_insert(run.last_dts);
            self.hold(unit);
            return;
        }
        self.emit_audio(unit, out);
    }

    fn hold(&mut self, unit: AccessUnit) {
        if self.held.len() == HELD {
            self.held.pop_front();
        }
        self.held.push_back(unit);
    }

    /// The pictures went on, so the sound had a gap.
    fn release_gap(&mut self, out: &mut Vec<Placed>) {
        let Some(run) = &mut self.run else { return };
        run.waiting_since = None;
        run.sound = None;
        let video = run.last_dts;
        for unit in std::mem::take(&mut self.held) {
            if (unit.pts.0 - video).abs() <= APART.0 {
                self.emit_audio(unit, out);
            }
        }
    }

    fn emit_audio(&mut self, mut unit: AccessUnit, out: &mut Vec<Placed>) {
        let rate = self.sound_rate.map(i64::from);
        let Some(run) = &mut self.run else { return };
        let said = Ticks(unit.pts.0 + run.offset);
        let source = unit.pts.0;
        unit.pts = match (&mut run.sound, rate) {
            (Some(sound), Some(rate)) => sound.next(source, said, rate),
            _ => said,
        };
        if run.sound.as_ref().is_none_or(|sound| sound.anchor == unit.pts && sound.units == 0) {
            run.sound = Some(Sound { last: source, anchor: unit.pts, units: 0 });
        }
        unit.dts = unit.pts;
        let too_early = unit.pts < run.start;
        if too_early || self.last_sound.is_some_and(|last| unit.pts <= last) {
            return;
        }
        self.last_sound = Some(unit.pts);
        out.push(Placed { track: TrackKind::Audio, unit, discontinuity: false });
    }
}

impl Run {
    fn is_jump(&self, dts: i64) -> bool {
        let step = dts - self.last_dts;
        step < -BACK.0 || step > AHEAD.0 + self.step.min(APART.0)
    }

    fn end(&self) -> Ticks {
        Ticks(self.last_shown.0 + self.step.min(Ticks::PER_SECOND))
    }
}

impl Sound {
    /// The time of the next unit: by counting samples, unless the source says clearly otherwise.
    fn next(&mut self, source: i64, said: Ticks, rate: i64) -> Ticks {
        self.last = source;
        self.units += 1;
        let samples = i64::from(AudioFormat::SAMPLES_PER_UNIT);
        let counted = Ticks(self.anchor.0 + self.units * samples * Ticks::PER_SECOND / rate);
        let slack = samples * Ticks::PER_SECOND / rate;
        if (said.0 - counted.0).abs() <= slack {
            return counted;
        }
        (self.anchor, self.units) = (said, 0);
        said
    }
}

/// The unit with times that sums can be made of.
fn believed(mut unit: AccessUnit) -> AccessUnit {
    unit.dts = Ticks(unit.dts.0.clamp(-FURTHEST, FURTHEST));
    unit.pts = Ticks(unit.pts.0.clamp(-FURTHEST, FURTHEST));
    // Some muxers give a first frame a decoding time after its own.
    unit.pts = unit.pts.clamp(unit.dts, unit.dts + REORDER);
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(pts: i64, dts: i64, keyframe: bool) -> AccessUnit {
        AccessUnit { pts: Ticks(pts), dts: Ticks(dts), keyframe, data: vec![0].into() }
    }

    fn video(timeline: &mut Timeline, ticks: i64, keyframe: bool) -> Vec<Placed> {
        let mut out = Vec::new();
        timeline.place(TrackKind::Video, unit(ticks, ticks, keyframe), &mut out);
        out
    }

    fn audio(timeline: &mut Timeline, ticks: i64) -> Vec<Placed> {
        let mut out = Vec::new();
        timeline.place(TrackKind::Audio, unit(ticks, ticks, true), &mut out);
        out
    }

    fn aac(sample_rate: u32) -> AudioFormat {
        let codec = tessera_media::format::AudioCodec::Aac;
        AudioFormat { codec, sample_rate, channels: 2, config: vec![].into() }
    }

    #[test]
    fn a_run_begins_with_a_keyframe_at_the_start() {
        let mut timeline = Timeline::new();
        assert_eq!(video(&mut timeline, 500, false), []);
        let placed = video(&mut timeline, 3_500, true);
        assert_eq!(placed[0].unit.pts, Timeline::START);
        assert!(!placed[0].discontinuity);
        assert_eq!(video(&mut timeline, 6_500, false)[0].unit.pts, Timeline::START + Ticks(3_000));
    }

    #[test]
    fn a_reconnect_continues_where_the_pictures_ended_with_a_discontinuity() {
        let mut timeline = Timeline::new();
        for n in 0..30 {
            video(&mut timeline, 1_000_000 + n * 3_000, n == 0);
        }
        let end = timeline.end();
        assert_eq!(end, Timeline::START + Ticks(90_000));
        timeline.end_run();
        let placed = video(&mut timeline, 77, true);
        assert_eq!((placed[0].unit.pts, placed[0].discontinuity), (end, true));
    }

    #[test]
    fn a_jump_of_either_direction_is_a_discontinuity_and_waits_for_a_keyframe() {
        for jump in [-20 * 90_000, -91_000, 95_000, 3_600 * 90_000] {
            let mut timeline = Timeline::new();
            for n in 0..10 {
                video(&mut timeline, n * 3_000, n == 0);
            }
            let end = timeline.end();
            assert_eq!(video(&mut timeline, 27_000 + jump, false), [], "{jump}");
            let placed = video(&mut timeline, 30_000 + jump, true);
            assert_eq!((placed[0].unit.pts, placed[0].discontinuity), (end, true), "{jump}");
        }
    }

    #[test]
    fn small_steps_are_no_jumps() {
        let mut timeline = Timeline::new();
        video(&mut timeline, 0, true);
        video(&mut timeline, 3_000, false);
        let back = video(&mut timeline, 2_000, false);
        assert!(!back[0].discontinuity);
        assert_eq!(back[0].unit.dts, Timeline::START + Ticks(3_001));
        let ahead = video(&mut timeline, 80_000, false);
        assert_eq!(ahead[0].unit.pts, Timeline::START + Ticks(80_000));
    }

    #[test]
    fn a_slide_every_two_seconds_is_no_jump_once_its_pace_is_known() {
        let mut timeline = Timeline::new();
        video(&mut timeline, 0, true);
        let frames: Vec<_> = (1..10).flat_map(|n| video(&mut timeline, n * 90_000, true)).collect();
        assert!(frames.iter().all(|placed| !placed.discontinuity));
    }

    #[test]
    fn sound_before_the_first_picture_waits_and_keeps_its_distance() {
        let mut timeline = Timeline::new();
        assert_eq!(audio(&mut timeline, 1_000), []);
        assert_eq!(audio(&mut timeline, 3_000), []);
        let placed = video(&mut timeline, 2_000, true);
        assert_eq!(placed.len(), 2, "the sound before the picture is dropped: {placed:?}");
        assert_eq!(placed[1].unit.pts, Timeline::START + Ticks(1_000));
    }

    #[test]
    fn rounding_of_the_sound_s_times_is_undone() {
        let mut timeline = Timeline::new();
        timeline.sound_is(&aac(48_000));
        video(&mut timeline, 0, true);
        // 1,024 samples at 48 kHz are 21.333 ms; RTMP's clock has whole milliseconds.
        let times: Vec<_> = (0..200_i64)
            .flat_map(|n| {
                if n % 3 == 0 {
                    video(&mut timeline, n * 1_920, false);
                }
                audio(&mut timeline, n * 64 / 3 * 90)
            })
            .map(|placed| placed.unit.pts.0 - Timeline::START.0)
            .collect();
        assert_eq!(times, (0..200).map(|n| n * 1_920).collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_in_the_sound_stays_a_gap() {
        let mut timeline = Timeline::new();
        timeline.sound_is(&aac(48_000));
        let mut sound = Vec::new();
        for n in 0..400 {
            sound.extend(video(&mut timeline, n * 1_920, n == 0));
            if !(100..200).contains(&n) {
                sound.extend(audio(&mut timeline, n * 1_920));
            }
        }
        sound.retain(|placed| placed.track == TrackKind::Audio);
        assert_eq!(sound.len(), 300);
        let times: Vec<_> = sound.iter().map(|p| p.unit.pts.0 - Timeline::START.0).collect();
        assert_eq!(times[100], 200 * 1_920);
        assert_eq!(times[299], 399 * 1_920);
    }

    #[test]
    fn sound_of_another_clock_is_dropped_unless_the_pictures_follow_it() {
        // Nothing follows: dropped.
        let mut timeline = Timeline::new();
        video(&mut timeline, 0, true);
        audio(&mut timeline, 0);
        audio(&mut timeline, 100 * 90_000);
        let more: Vec<_> = (1..80).flat_map(|n| video(&mut timeline, n * 3_000, false)).collect();
        assert!(more.iter().all(|placed| placed.track == TrackKind::Video));
        // The pictures jump as well: it was the new clock's.
        let mut timeline = Timeline::new();
        video(&mut timeline, 0, true);
        audio(&mut timeline, 0);
        audio(&mut timeline, 100 * 90_000);
        let placed = video(&mut timeline, 100 * 90_000, true);
        assert_eq!(placed.len(), 2);
        assert_eq!(placed[0].unit.pts, placed[1].unit.pts);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Video { pts: i64, dts: i64, keyframe: bool },
        Audio { pts: i64 },
        Leave,
        SoundIs(u32),
    }

    fn times() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 0_i64..900_000, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (times(), -9_000_i64..90_000, any::<bool>()).prop_map(|(dts, ahead, keyframe)| {
                Step::Video { pts: dts.saturating_add(ahead), dts, keyframe }
            }),
            4 => times().prop_map(|pts| Step::Audio { pts }),
            1 => Just(Step::Leave),
            1 => prop_oneof![Just(44_100_u32), Just(48_000), Just(0), any::<u32>()]
                .prop_map(Step::SoundIs),
        ]
    }

    proptest! {
        #[test]
        fn whatever_comes_the_timeline_rises(steps in proptest::collection::vec(step(), 0..200)) {
            let (mut timeline, mut out) = (Timeline::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Video { pts, dts, keyframe } => {
                        timeline.place(TrackKind::Video, unit(pts, dts, keyframe), &mut out);
                    }
                    Step::Audio { pts } => {
                        timeline.place(TrackKind::Audio, unit(pts, pts, true), &mut out);
                    }
                    Step::Leave => timeline.end_run(),
                    Step::SoundIs(rate) => timeline.sound_is(&aac(rate)),
                }
            }
            let of = |track| out.iter().filter(move |p: &&Placed| p.track == track);
            let video: Vec<_> = of(TrackKind::Video).collect();
            let sound: Vec<_> = of(TrackKind::Audio).collect();
            for placed in &out {
                prop_assert!(placed.unit.dts.0 >= 0, "{:?}", placed);
                prop_assert!(placed.unit.pts >= placed.unit.dts, "{:?}", placed);
            }
            for pair in video.windows(2) {
                prop_assert!(pair[0].unit.dts < pair[1].unit.dts, "{:?}", pair);
                // What begins anew is shown after all that was shown before.
                if pair[1].discontinuity {
                    prop_assert!(pair[1].unit.keyframe);
                }
            }
            for pair in sound.windows(2) {
                prop_assert!(pair[0].unit.pts < pair[1].unit.pts, "{:?}", pair);
            }
            let mut shown = Ticks::ZERO;
            for placed in &video {
                if placed.discontinuity {
                    prop_assert!(placed.unit.pts > shown, "{:?} after {}", placed, shown);
                }
                shown = shown.max(placed.unit.pts);
            }
            if let Some(first) = video.first() {
                prop_assert!(first.unit.keyframe);
                prop_assert_eq!(first.unit.pts, Timeline::START);
            }
        }

        #[test]
        fn a_steady_source_keeps_every_distance(
            begin in -1_000_000_000_i64..1_000_000_000,
            frame in 750_i64..45_000,
            frames in 2_usize..100,
        ) {
            let mut timeline = Timeline::new();
            let mut out = Vec::new();
            for n in 0..frames as i64 {
                let at = begin + n * frame;
                timeline.place(TrackKind::Video, unit(at + 2 * frame, at, n == 0), &mut out);
            }
            prop_assert_eq!(out.len(), frames);
            for (n, placed) in out.iter().enumerate() {
                let n = n as i64;
                prop_assert_eq!(placed.unit.pts, Timeline::START + Ticks(n * frame));
                prop_assert_eq!(placed.unit.dts, placed.unit.pts - Ticks(2 * frame));
            }
            prop_assert_eq!(timeline.end(), Timeline::START + Ticks(frames as i64 * frame));
        }
    }
}
