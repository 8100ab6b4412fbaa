//! What a player saw, and whether that is what was sent.

use crate::spread::Spread;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What a player saw. The page fills it in, under the same names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Every frame that was shown, as far as the browser told: on a busy machine it leaves some out,
    /// which is no fault of the stream.
    pub frames: Vec<Frame>,
    /// Times at which it stood still for want of data, after it had begun.
    pub stalls: Vec<Stall>,
    /// Times at which the player moved elsewhere by itself.
    pub jumps: Vec<Jump>,
    /// What hls.js complained of.
    pub errors: Vec<PlayerError>,
    /// Levels, as each came to be shown.
    pub levels: Vec<Level>,
    /// What it played over without a hole in the buffer.
    pub whole: Vec<Stretch>,
    /// Segments and parts, as they arrived.
    pub segments: Vec<Arrival>,
    /// What a playlist said that an earlier one had denied.
    pub contradictions: Vec<String>,
    /// How far behind hls.js reckons it is, once a second.
    pub latency: Vec<Behind>,
    /// The height of each level, in hls.js's order: lowest bandwidth first.
    pub level_heights: Vec<u32>,
    /// Where it is now.
    pub media_s: f64,
    /// Whether the stream is over, and all of it was shown.
    pub ended: bool,
}

/// A frame that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Its number; `None` if it could not be read.
    pub number: Option<u32>,
    /// Its time in the player.
    pub media_s: f64,
    /// When it was seen, in milliseconds since 1970.
    pub at_ms: f64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A time at which playing stood still.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Stall {
    /// Where.
    pub media_s: f64,
    /// How long; `None` if it still does.
    pub ms: Option<f64>,
}

/// A move that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jump {
    /// From where.
    pub from_s: f64,
    /// To where.
    pub to_s: f64,
}

/// A complaint of hls.js.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayerError {
    /// Whether it gave up.
    pub fatal: bool,
    /// hls.js's name for it.
    pub what: String,
    /// What it said besides.
    pub reason: String,
    /// Where it was.
    pub media_s: f64,
}

/// A level that came to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Its place in hls.js's order.
    pub level: usize,
    /// Pixels down.
    pub height: u32,
    /// Where it was.
    pub media_s: f64,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Its beginning.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
}

/// A segment or a part that arrived.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// `main` for pictures, `audio` for sound.
    pub track: String,
    /// Its number in its playlist.
    pub number: u64,
    /// Which part of it; `None` if it came whole.
    pub part: Option<u32>,
    /// Of which level.
    pub level: i64,
    /// Its address.
    pub address: String,
    /// Where it begins in the player.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
}

/// How far behind the stream's end a player reckons it is.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behind {
    /// Seconds behind.
    pub behind_s: f64,
    /// Seconds it means to be behind.
    pub target_s: Option<f64>,
}

/// Less than this is no hole: browsers close it themselves.
const HOLE_S: f64 = 0.05;

impl Report {
    /// The numbers of the frames that were shown, in order.
    pub fn numbers(&self) -> Vec<u32> {
        self.frames.iter().filter_map(|frame| frame.number).collect()
    }

    /// The heights of what was shown, each when it changed.
    pub fn heights(&self) -> Vec<u32> {
        let mut heights: Vec<_> = self.frames.iter().map(|frame| frame.height).collect();
        heights.dedup();
        heights
    }

    /// How long each frame took from being sent to being seen. `origin` is when frame 0 was sent, see
    /// [`Publisher::origin`](crate::publisher::Publisher::origin).
    pub fn glass_to_glass(&self, origin: SystemTime, fps: u32) -> Option<Spread> {
        let sent_ms = |number: u32| {
            let origin = origin.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            origin.as_secs_f64() * 1000.0 + f64::from(number) * 1000.0 / f64::from(fps)
        };
        let times = self.frames.iter().filter_map(|frame| {
            let late_ms = frame.at_ms - sent_ms(frame.number?);
            Some(Duration::from_secs_f64(late_ms.max(0.0) / 1000.0))
        });
        Spread::of(times)
    }

    /// What is wrong with what was shown, for a source that was sent without a break: nothing if
    /// the list is empty. Stalls are not among it: they are a matter of speed, and are counted in
    /// [`stalls`](Self::stalls).
    ///
    /// The strong part: the buffer over which it played had no hole where it was, and every frame seen
    /// lay at the time that its number says. So no time was missing and none came twice, also among the frames
    /// that the browser left out.
    pub fn faults(&self, fps: u32) -> Vec<String> {
        let mut faults = self.contradictions.clone();
        let fatal = self.errors.iter().filter(|error| error.fatal);
        faults
            .extend(fatal.map(|error| format!("hls.js gave up: {} {}", error.what, error.reason)));
        faults.extend(self.frame_faults(fps));
        faults.extend(self.buffer_faults());
        faults.extend(self.arrival_faults());
        let jumps = self.jumps.iter();
        faults
            .extend(jumps.map(|j| format!("it jumped from {:.3} s to {:.3} s", j.from_s, j.to_s)));
        faults
    }

    /// # Panics
    /// If there are [`faults`](Self::faults), with all of them and what hls.js complained of.
    pub fn assert_unbroken(&self, fps: u32) {
        let faults = self.faults(fps);
        assert!(
            faults.is_empty(),
            "the stream did not come as it was sent:\n  {}\nhls.js said: {:?}",
            faults.join("\n  "),
            self.errors
        );
    }

    fn frame_faults(&self, fps: u32) -> Vec<String> {
        let frame_s = 1.0 / f64::from(fps);
        let offset = |number: u32, media_s: f64| f64::from(number) * frame_s - media_s;
        let mut expected = None;
        let mut faults = vec![];
        for &Frame { number, media_s, .. } in &self.frames {
            let Some(number) = number else {
                faults.push(format!("the frame at {media_s:.3} s has no number"));
                continue;
            };
            let expected = expected.get_or_insert(offset(number, media_s));
            let astray = offset(number, media_s) - *expected;
            if astray.abs() > frame_s / 2.0 {
                let frames = (astray / frame_s).round();
                let times = format!("at {media_s:.3} s there is frame {number}");
                faults.push(format!("{times}, {frames:+} from what was there before"));
                // One break is one fault, and not one a frame after it.
                *expected += astray;
            }
        }
        if expected.is_none() {
            faults.push("no frame was shown".to_owned());
        }
        faults
    }

    fn buffer_faults(&self) -> Vec<String> {
        let holes = self.whole.windows(2).map(|two| (two[0].to_s, two[1].from_s));
        let holes = holes.filter(|(from_s, to_s)| to_s - from_s > HOLE_S);
        let mut faults: Vec<_> = holes
            .map(|(from_s, to_s)| format!("nothing lay from {from_s:.3} s to {to_s:.3} s"))
            .collect();
        if let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) {
            let (from, to) = (first.media_s, last.media_s);
            let begun = self.whole.first().is_some_and(|s| s.from_s <= from + HOLE_S);
            let ended = self.whole.last().is_some_and(|s| s.to_s >= to - HOLE_S);
            if !(begun && ended) {
                let there = &self.whole;
                faults.push(format!("played {from:.3} s to {to:.3} s; of it there was {there:?}"));
            }
        }
        faults
    }

    /// Segment numbers of each track without one missing.
    fn arrival_faults(&self) -> Vec<String> {
        let mut tracks: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for arrival in &self.segments {
            tracks.entry(&arrival.track).or_default().push(arrival.number);
        }
        let mut faults = vec![];
        for (track, mut numbers) in tracks {
            numbers.sort_unstable();
            for pair in numbers.windows(2).filter(|pair| pair[1] > pair[0] + 1) {
                faults.push(format!("{track}: segment {} never arrived", pair[0] + 1));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds at 30 frames a second that came as they should, each third frame unseen.
    fn good() -> Report {
        let frame = |n: u32| Frame {
            number: Some(100 + n),
            media_s: 10.0 + f64::from(n) / 30.0,
            at_ms: 5000.0 + f64::from(n) * 1000.0 / 30.0,
            width: 640,
            height: 360,
        };
        Report {
            frames: (0..60).filter(|n| n % 3 != 2).map(frame).collect(),
            stalls: vec![],
            jumps: vec![],
            errors: vec![],
            levels: vec![],
            whole: vec![
                Stretch { from_s: 10.0, to_s: 11.0 },
                Stretch { from_s: 11.01, to_s: 12.0 },
            ],
            segments: vec![],
            contradictions: vec![],
            latency: vec![],
            level_heights: vec![360],
            media_s: 12.0,
            ended: false,
        }
    }

    fn one_fault(change: impl FnOnce(&mut Report)) -> String {
        let mut report = good();
        change(&mut report);
        let faults = report.faults(30);
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }

    #[test]
    fn what_came_as_it_was_sent_has_no_fault() {
        good().assert_unbroken(30);
    }

    #[test]
    fn frames_that_come_again_are_a_fault() {
        let fault = one_fault(|report| {
            report.frames.iter_mut().skip(20).for_each(|f| f.number = f.number.map(|n| n - 15));
        });
        assert!(fault.contains("-15 from what was there before"), "{fault}");
    }

    #[test]
    fn a_frame_without_a_number_is_a_fault() {
        assert!(one_fault(|report| report.frames[3].number = None).contains("has no number"));
        assert!(one_fault(|report| report.frames.clear()).contains("no frame"));
    }

    #[test]
    fn time_that_is_missing_is_a_fault() {
        let hole = |report: &mut Report| report.whole[0].to_s = 10.5;
        assert!(one_fault(hole).contains("nothing lay from 10.5"));
        let late = Stretch { from_s: 10.5, to_s: 12.0 };
        assert!(one_fault(|report| report.whole = vec![late]).contains("of it there was"));
        let jump = Jump { from_s: 10.5, to_s: 11.5 };
        assert!(one_fault(|report| report.jumps.push(jump)).contains("jumped"));
    }

    #[test]
    fn segments_that_never_arrived_are_a_fault() {
        let arrival = |track: &str, number| Arrival {
            track: track.to_owned(),
            number,
            part: None,
            level: 0,
            address: String::new(),
            start_s: 0.0,
            end_s: 0.0,
        };
        // The same segment of two levels, as when switching, is none.
        let fine = ["main 5", "audio 5", "main 6", "main 6", "audio 6"];
        let arrivals = |list: &[&str]| -> Vec<_> {
            let one = |text: &&str| {
                let (track, number) = text.split_once(' ').unwrap();
                arrival(track, number.parse().unwrap())
            };
            list.iter().map(one).collect()
        };
        let mut report = good();
        report.segments = arrivals(&fine);
        report.assert_unbroken(30);
        let fault = one_fault(|report| {
            report.segments = arrivals(&["main 5", "audio 5", "main 6", "audio 7"]);
        });
        assert_eq!(fault, "audio: segment 6 never arrived");
    }

    #[test]
    fn giving_up_is_a_fault_and_complaining_is_not() {
        let error = |fatal| PlayerError {
            fatal,
            what: "fragLoadError".to_owned(),
            reason: "404".to_owned(),
            media_s: 1.0,
        };
        let mut report = good();
        report.errors.push(error(false));
        report.assert_unbroken(30);
        assert!(one_fault(|report| report.errors.push(error(true))).contains("gave up"));
    }

    #[test]
    fn the_way_from_sender_to_viewer_is_measured() {
        // Frame 100 was sent at 3,333 ms and seen at 5,000 ms.
        let spread = good().glass_to_glass(SystemTime::UNIX_EPOCH, 30).unwrap();
        assert_eq!(spread.median.as_millis(), 1666);
        assert_eq!(spread.p99.as_millis(), 1666);
    }
}
