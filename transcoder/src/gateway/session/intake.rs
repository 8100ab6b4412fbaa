//! From what a source sends to pieces of segments on the session's timeline.

use crate::gateway::restream::Restream;
use std::sync::Arc;
use tessera_ingest::SourceEvent;
use tessera_live_core::Now;
use tessera_live_core::cut::{self, CutError, Cutter, Piece, Sound};
use tessera_live_core::health::Watch;
use tessera_live_core::timeline::{Placed, Timeline};
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, AudioFormat, Ticks, TrackFormat, VideoFormat};
use tessera_protocol::stream::view::Latency;
use tessera_publish::Sound as SegmentSound;

/// A source's pictures, cut, and its sound, waiting.
pub(super) struct Intake {
    timeline: Timeline,
    cutter: Cutter,
    video: Option<Arc<VideoFormat>>,
    sound: Sound,
    /// What the sound is, and from when on; times rise.
    sound_formats: Vec<(Ticks, AudioFormat)>,
    /// The next unit of sound is the first of this format.
    sound_next: Option<AudioFormat>,
    pictures: Ticks,
    /// When the last picture of the visit under way was here, or the visit began.
    waiting_since: Option<Now>,
    /// Whether this visit had a picture.
    pictured: bool,
    present: bool,
    restream: Option<Restream>,
    placed: Vec<Placed>,
}

impl Intake {
    pub(super) fn new(
        latency: Latency,
        published_to: Option<Ticks>,
        restream: Option<Restream>,
    ) -> Self {
        Self {
            timeline: published_to.map_or_else(Timeline::new, Timeline::continuing),
            cutter: Cutter::new(cut::target(latency)),
            video: None,
            sound: Sound::default(),
            sound_formats: Vec::new(),
            sound_next: None,
            pictures: Ticks::ZERO,
            waiting_since: None,
            pictured: false,
            present: false,
            restream,
            placed: Vec::new(),
        }
    }

    /// A source has come.
    pub(super) fn began(&mut self, now: Now) {
        self.present = true;
        self.pictured = false;
        self.waiting_since = Some(now);
    }

    /// The source has gone: what it sent is whole.
    pub(super) fn ended(&mut self, out: &mut Vec<Piece>) {
        self.present = false;
        self.waiting_since = None;
        self.cutter.finish(self.timeline.end(), out);
        self.timeline.end_run();
    }

    /// What the pictures are.
    pub(super) fn video(&self) -> Option<&Arc<VideoFormat>> {
        self.video.as_ref()
    }

    /// What the sound is, if there is any.
    pub(super) fn audio(&self) -> Option<&AudioFormat> {
        self.sound_next.as_ref().or_else(|| self.sound_formats.last().map(|(_, format)| format))
    }

    /// Takes what the source sends; its pictures go to `out`.
    pub(super) fn take(
        &mut self,
        event: SourceEvent,
        watch: &mut Watch,
        now: Now,
        out: &mut Vec<Piece>,
    ) -> Result<(), CutError> {
        match event {
            SourceEvent::Format(TrackFormat::Video(format)) => self.video_is(format, watch, now),
            SourceEvent::Format(TrackFormat::Audio(format)) => self.audio_is(format, watch),
            SourceEvent::Skipped(why) => watch.skipped(why, now),
            SourceEvent::Unit(track, unit) => {
                self.check_pictures(track, now)?;
                self.timeline.place(track, unit, &mut self.placed);
                return self.sort(watch, now, out);
            }
        }
        Ok(())
    }

    /// Refuses a source whose pictures do not come, or cannot be decoded from any on.
    fn check_pictures(&self, track: TrackKind, now: Now) -> Result<(), CutError> {
        let waited = self.waiting_since.map_or(Now::ZERO, |at| now.saturating_sub(at));
        match track {
            TrackKind::Audio if !self.pictured && waited > cut::ONLY_SOUND => {
                Err(CutError::OnlySound)
            }
            TrackKind::Audio if waited > cut::NO_PICTURES => Err(CutError::NoPictures),
            TrackKind::Video if waited.as_millis() as i64 > cut::LONGEST.millis() => {
                Err(CutError::NoKeyframe)
            }
            _ => Ok(()),
        }
    }

    fn video_is(&mut self, format: VideoFormat, watch: &mut Watch, now: Now) {
        if self.video.as_deref() == Some(&format) {
            return;
        }
        if self.video.is_some() {
            watch.size_changed(now);
        }
        self.cutter.format_changed();
        let format = Arc::new(format);
        if let Some(restream) = &mut self.restream {
            restream.video(&format);
        }
        self.video = Some(format);
    }

    fn audio_is(&mut self, format: AudioFormat, watch: &mut Watch) {
        watch.has_sound();
        if self.audio() == Some(&format) {
            return;
        }
        self.timeline.sound_is(&format);
        if let Some(restream) = &mut self.restream {
            restream.audio(&format);
        }
        // Sound of two kinds never shares a segment. The first kind is no change: most sources send
        // their first pictures before it.
        if self.audio().is_some() {
            self.cutter.format_changed();
        }
        self.sound_next = Some(format);
    }

    fn sort(&mut self, watch: &mut Watch, now: Now, out: &mut Vec<Piece>) -> Result<(), CutError> {
        for Placed { track, unit, discontinuity } in std::mem::take(&mut self.placed) {
            if let Some(restream) = &mut self.restream {
                restream.unit(track, &unit);
            }
            match track {
                TrackKind::Video => {
                    self.waiting_since = Some(now);
                    self.pictured = true;
                    self.pictures = unit.dts;
                    watch.picture(&unit, discontinuity, now);
                    self.cutter.picture(unit, discontinuity, out)?;
                }
                TrackKind::Audio => {
                    if let Some(format) = self.sound_next.take() {
                        self.sound_formats.push((unit.pts, format));
                    }
                    self.sound.push(unit);
                }
            }
        }
        Ok(())
    }

    /// Whether the sound up to `end` is here, or none is waited for.
    pub(super) fn has_sound_to(&self, end: Ticks) -> bool {
        !self.present || self.audio().is_none() || self.sound.is_complete_to(end, self.pictures)
    }

    /// Takes the sound from `start` up to `end`; times must not go back from call to call.
    pub(super) fn take_sound(&mut self, start: Ticks, end: Ticks) -> Option<SegmentSound> {
        let units = self.sound.take(start, end);
        let first = units.first()?.pts;
        let of = self.sound_formats.iter().rposition(|(from, _)| *from <= first)?;
        let until = self.sound_formats.get(of + 1).map(|(from, _)| *from);
        self.sound_formats.drain(..of);
        let format = self.sound_formats[0].1.clone();
        let fits = |unit: &AccessUnit| until.is_none_or(|until| unit.pts < until);
        Some(SegmentSound { format, units: units.into_iter().filter(fits).collect() })
    }

    /// What is wrong with sending the source on, if anything is.
    pub(super) fn restream_wrong(&self) -> Option<String> {
        self.restream.as_ref().and_then(Restream::wrong)
    }

    /// Bytes of sound that wait.
    pub(super) fn sound_bytes(&self) -> usize {
        self.sound.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tessera_media::format::AudioCodec;
    use tessera_protocol::stream::VideoCodec;

    const MS: Duration = Duration::from_millis(1);

    struct Fed {
        intake: Intake,
        watch: Watch,
        pieces: Vec<Piece>,
        now: Now,
    }

    impl Fed {
        fn new() -> Self {
            let mut intake = Intake::new(Latency::Short, None, None);
            intake.began(Now::ZERO);
            let watch = Watch::new(Latency::Short, 1_000_000);
            Self { intake, watch, pieces: Vec::new(), now: Now::ZERO }
        }

        fn take(&mut self, event: SourceEvent) -> Result<(), CutError> {
            self.intake.take(event, &mut self.watch, self.now, &mut self.pieces)
        }

        fn video(&mut self, width: u32) {
            let (codec, config) = (VideoCodec::H264, vec![].into());
            let format = VideoFormat { codec, width, height: 90, config };
            self.take(SourceEvent::Format(TrackFormat::Video(format))).unwrap();
        }

        fn audio(&mut self, channels: u16) {
            let (codec, config) = (AudioCodec::Aac, vec![].into());
            let format = AudioFormat { codec, sample_rate: 48_000, channels, config };
            self.take(SourceEvent::Format(TrackFormat::Audio(format))).unwrap();
        }

        fn unit(&mut self, track: TrackKind, ms: i64, keyframe: bool) -> Result<(), CutError> {
            let at = Ticks::from_millis(ms);
            let unit = AccessUnit { pts: at, dts: at, keyframe, data: vec![0].into() };
            self.take(SourceEvent::Unit(track, unit))
        }

        fn opened(&self) -> Vec<bool> {
            let of = |piece: &Piece| match piece {
                Piece::Open { discontinuity, .. } => Some(*discontinuity),
                _ => None,
            };
            self.pieces.iter().filter_map(of).collect()
        }
    }

    #[test]
    fn a_source_of_sound_alone_is_refused() {
        let mut fed = Fed::new();
        fed.audio(2);
        fed.unit(TrackKind::Audio, 0, true).unwrap();
        fed.now = cut::ONLY_SOUND + MS;
        assert_eq!(fed.unit(TrackKind::Audio, 21, true), Err(CutError::OnlySound));
    }

    #[test]
    fn a_source_whose_pictures_stop_is_refused() {
        let mut fed = Fed::new();
        fed.video(160);
        fed.audio(2);
        fed.unit(TrackKind::Video, 0, true).unwrap();
        fed.now = cut::NO_PICTURES;
        fed.unit(TrackKind::Audio, 21, true).unwrap();
        fed.now = cut::NO_PICTURES + MS;
        assert_eq!(fed.unit(TrackKind::Audio, 42, true), Err(CutError::NoPictures));
    }

    #[test]
    fn a_source_that_never_begins_with_a_keyframe_is_refused() {
        let mut fed = Fed::new();
        fed.video(160);
        fed.unit(TrackKind::Video, 0, false).unwrap();
        fed.now = Duration::from_millis(cut::LONGEST.millis() as u64 + 1);
        assert_eq!(fed.unit(TrackKind::Video, 33, false), Err(CutError::NoKeyframe));
    }

    #[test]
    fn another_size_and_other_sound_begin_a_segment_of_their_own() {
        let mut fed = Fed::new();
        fed.video(160);
        fed.audio(2);
        for ms in (0..600).step_by(100) {
            fed.unit(TrackKind::Video, ms, true).unwrap();
            fed.unit(TrackKind::Audio, ms, true).unwrap();
        }
        assert_eq!(fed.opened(), [false]);
        fed.video(160);
        fed.unit(TrackKind::Video, 600, true).unwrap();
        assert_eq!(fed.opened(), [false], "the same again is nothing new");
        fed.video(320);
        fed.unit(TrackKind::Video, 700, true).unwrap();
        assert_eq!(fed.opened(), [false, true]);
        fed.audio(1);
        fed.unit(TrackKind::Video, 800, true).unwrap();
        fed.unit(TrackKind::Audio, 800, true).unwrap();
        assert_eq!(fed.opened(), [false, true, true]);
        let start = Timeline::START;
        let first = fed.intake.take_sound(start, start + Ticks::from_millis(800)).unwrap();
        let second = fed.intake.take_sound(start + Ticks::from_millis(800), Ticks(i64::MAX));
        assert_eq!((first.format.channels, first.units.len()), (2, 6));
        let second = second.unwrap();
        assert_eq!((second.format.channels, second.units.len()), (1, 1));
    }
}
