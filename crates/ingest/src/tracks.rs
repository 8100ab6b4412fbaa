//! Keeps what the crate promises of a visit: formats first, times that rise, sentences said once.

use crate::SourceEvent;
use crate::parameter_sets::ParameterSets;
use std::collections::HashSet;
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, Ticks, TrackFormat};
use tessera_packaging::h264::Picture;

/// A clock set back by more than this was started anew; by less, the unit came late.
const SET_BACK: Ticks = Ticks::from_millis(1000);
/// Most different sentences of a visit.
const MAX_SENTENCES: usize = 32;

/// What comes of a source's units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Event(SourceEvent),
    /// The source's clock was set back: this visit is over, and what follows belongs to another.
    Restart,
}

/// A source whose media is not taken at all: why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotTaken(pub(crate) String);

/// The tracks of a visit.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    video: Track,
    audio: Track,
    said: HashSet<String>,
    out: Vec<Output>,
}

#[derive(Debug, Default)]
struct Track {
    format: Option<TrackFormat>,
    /// Whether the receiver of this visit knows the format.
    announced: bool,
    last: Option<Ticks>,
    /// What is sent a second time is left out without a word, until times rise again.
    again: bool,
}

impl Tracks {
    /// A track is this from now on.
    pub(crate) fn format(&mut self, format: TrackFormat) {
        let track = match &format {
            TrackFormat::Video(_) => &mut self.video,
            TrackFormat::Audio(_) => &mut self.audio,
        };
        if track.format.as_ref() != Some(&format) {
            track.format = Some(format);
            track.announced = false;
        }
    }

    /// A picture came, to be shown and decoded at these times; `sets` are what it is decoded with,
    /// and take what it brings.
    pub(crate) fn picture(
        &mut self,
        picture: &mut Picture,
        sets: &mut ParameterSets,
        [pts, dts]: [Ticks; 2],
    ) {
        let taken = sets.take(picture);
        if taken.left_out {
            self.skipped("parameter sets beyond what a configuration can hold were left out");
        }
        if taken.changed {
            match sets.format() {
                Ok(format) => self.format(TrackFormat::Video(format)),
                Err(why) => self.skipped(&format!("a configuration of the pictures: {why}")),
            }
        }
        // An IDR picture is a keyframe. One from which a decoder merely recovers is none: what
        // follows it may still refer to what came before.
        let (keyframe, data) = (picture.idr, picture.data.clone());
        if !data.is_empty() {
            self.unit(TrackKind::Video, AccessUnit { pts, dts, keyframe, data });
        }
    }

    /// A unit came.
    pub(crate) fn unit(&mut self, kind: TrackKind, mut unit: AccessUnit) {
        let track = self.track(kind);
        if track.format.is_none() {
            return;
        }
        if unit.pts < unit.dts {
            unit.pts = unit.dts;
            self.skipped("pictures that were to be shown before they could be decoded are late");
        }
        let track = self.track(kind);
        match track.last.filter(|&last| unit.dts <= last) {
            Some(_) if track.again => return,
            Some(last) if last - unit.dts > SET_BACK => self.restart(),
            Some(_) => {
                return self.skipped(match kind {
                    TrackKind::Video => "pictures whose times did not rise were left out",
                    TrackKind::Audio => "sound whose times did not rise was left out",
                });
            }
            None => {}
        }
        let track = self.track(kind);
        (track.last, track.again) = (Some(unit.dts), false);
        let format = (!track.announced).then(|| track.format.clone()).flatten();
        track.announced = true;
        self.out.extend(format.map(|format| Output::Event(SourceEvent::Format(format))));
        self.out.push(Output::Event(SourceEvent::Unit(kind, unit)));
    }

    /// Something is left out; said once.
    pub(crate) fn skipped(&mut self, sentence: &str) {
        if self.said.len() < MAX_SENTENCES && self.said.insert(sentence.to_owned()) {
            self.out.push(Output::Event(SourceEvent::Skipped(sentence.to_owned())));
        }
    }

    /// What follows may begin with what was sent already.
    pub(crate) fn again(&mut self) {
        (self.video.again, self.audio.again) = (true, true);
    }

    /// What follows belongs to another visit.
    pub(crate) fn restart(&mut self) {
        for track in [&mut self.video, &mut self.audio] {
            track.announced = false;
            (track.last, track.again) = (None, false);
        }
        self.said.clear();
        self.out.push(Output::Restart);
    }

    /// What came of it since the last call.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    fn track(&mut self, kind: TrackKind) -> &mut Track {
        match kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => &mut self.audio,
        }
    }
}

/// Undoes the wraps of a clock that counts in `BITS` bits.
#[derive(Debug, Default)]
pub(crate) struct Unwrapped<const BITS: u32> {
    last: Option<i64>,
}

impl<const BITS: u32> Unwrapped<BITS> {
    /// The time nearest to the last one that has these lowest bits.
    pub(crate) fn time(&mut self, raw: u64) -> i64 {
        let raw = raw as i64;
        let time = match self.last {
            None => raw,
            Some(last) => {
                let (whole, half) = (1_i64 << BITS, 1_i64 << (BITS - 1));
                last + (raw - last + half).rem_euclid(whole) - half
            }
        };
        self.last = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tessera_media::{AudioFormat, format::AudioCodec};

    fn sound() -> TrackFormat {
        TrackFormat::Audio(AudioFormat {
            codec: AudioCodec::Aac,
            sample_rate: 48000,
            channels: 2,
            config: Bytes::from_static(&[0x11, 0x90]),
        })
    }

    fn unit(ms: i64) -> AccessUnit {
        let at = Ticks::from_millis(ms);
        AccessUnit { pts: at, dts: at, keyframe: true, data: Bytes::from_static(b"x") }
    }

    fn units(out: &[Output]) -> Vec<String> {
        out.iter()
            .map(|output| match output {
                Output::Event(SourceEvent::Format(_)) => "format".to_owned(),
                Output::Event(SourceEvent::Unit(_, unit)) => unit.dts.millis().to_string(),
                Output::Event(SourceEvent::Skipped(_)) => "skipped".to_owned(),
                Output::Restart => "restart".to_owned(),
            })
            .collect()
    }

    #[test]
    fn formats_come_first_and_late_units_are_left_out_and_said_once() {
        let mut tracks = Tracks::default();
        tracks.unit(TrackKind::Audio, unit(0));
        tracks.format(sound());
        for ms in [100, 120, 120, 90, 140] {
            tracks.unit(TrackKind::Audio, unit(ms));
        }
        assert_eq!(units(&tracks.take()), ["format", "100", "120", "skipped", "140"]);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_a_new_visit_with_its_formats() {
        let mut tracks = Tracks::default();
        tracks.format(sound());
        for ms in [50_000, 50_020, 0, 20] {
            tracks.unit(TrackKind::Audio, unit(ms));
        }
        assert_eq!(
            units(&tracks.take()),
            ["format", "50000", "50020", "restart", "format", "0", "20"]
        );
    }

    #[test]
    fn what_is_sent_again_is_left_out_without_a_word() {
        let mut tracks = Tracks::default();
        tracks.format(sound());
        for ms in [0, 5000] {
            tracks.unit(TrackKind::Audio, unit(ms));
        }
        tracks.again();
        for ms in [0, 5000, 5020, 5020] {
            tracks.unit(TrackKind::Audio, unit(ms));
        }
        assert_eq!(units(&tracks.take()), ["format", "0", "5000", "5020", "skipped"]);
    }

    #[test]
    fn wraps_are_undone_both_ways() {
        let mut clock = Unwrapped::<32>::default();
        assert_eq!(clock.time(0xffff_fff0), 0xffff_fff0);
        assert_eq!(clock.time(0x10), 0x1_0000_0010);
        assert_eq!(clock.time(0xffff_fff8), 0xffff_fff8);
        assert_eq!(clock.time(0x20), 0x1_0000_0020);
        let mut clock = Unwrapped::<33>::default();
        assert_eq!(clock.time(1), 1);
        assert_eq!(clock.time((1 << 33) - 1), -1);
    }
}
