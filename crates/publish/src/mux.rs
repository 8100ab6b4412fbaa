//! Units to the bytes that are published, and what players need before them.

use crate::publisher::PublishError;
use crate::spec::{Pictures, Sound};
use crate::state::{Init, Part};
use crate::track::{InitId, Track};
use bytes::Bytes;
use std::collections::BTreeMap;
use tessera_media::{AccessUnit, Ticks, TrackFormat, VideoFormat};
use tessera_packaging::fmp4::{AudioClock, FragmentSpec, FragmentTrack, fragment, init_segment};
use tessera_protocol::stream::{Ladder, SegmentNumber};

/// A stretch of a session, ready to be written: one part, or several of one segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Muxed {
    /// Its tracks.
    pub(crate) tracks: BTreeMap<Track, MuxedTrack>,
    /// What decoders need before them.
    pub(crate) inits: BTreeMap<InitId, Init>,
}

/// A track of such a stretch. All tracks have the same number of parts.
#[derive(Debug, Clone)]
pub(crate) struct MuxedTrack {
    pub(crate) init: InitId,
    pub(crate) units: u32,
    /// Parts; those in which the track has nothing have no bytes.
    pub(crate) parts: Vec<Part>,
    /// The parts' bytes.
    pub(crate) bytes: Vec<Bytes>,
}

/// A stretch to be muxed: a segment, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) segment: SegmentNumber,
    pub(crate) part: u32,
    /// Whether it is all of the segment.
    pub(crate) whole: bool,
    pub(crate) duration: Ticks,
    pub(crate) independent: bool,
}

/// Counts sound from fragment to fragment.
#[derive(Debug, Clone, Default)]
pub(crate) struct SoundClock(Option<(u32, AudioClock)>);

impl Muxed {
    /// Adds the pictures; every rendition of the ladder has to be there.
    pub(crate) fn add_pictures(
        &mut self,
        stretch: Stretch,
        ladder: &Ladder,
        pictures: Pictures,
    ) -> Result<(), PublishError> {
        match pictures {
            Pictures::Source(format, units) => {
                self.add_video(stretch, Track::Source, format, &units)
            }
            Pictures::Renditions(renditions) => {
                let wrong = |rendition| {
                    Err(PublishError::Renditions { segment: stretch.segment, rendition })
                };
                for (name, format, units) in renditions {
                    let known = ladder.renditions().iter().any(|r| r.name == name);
                    let track = Track::Rendition(name.clone());
                    // A slow rendition may have no picture within a part.
                    let empty = units.is_empty() && stretch.part == 0;
                    if !known || empty || self.tracks.contains_key(&track) {
                        return wrong(name);
                    }
                    self.add_video(stretch, track, format, &units)?;
                }
                for rendition in ladder.renditions() {
                    if !self.tracks.contains_key(&Track::Rendition(rendition.name.clone())) {
                        return wrong(rendition.name.clone());
                    }
                }
                Ok(())
            }
            Pictures::Parts => Ok(()),
        }
    }

    fn add_video(
        &mut self,
        stretch: Stretch,
        track: Track,
        format: VideoFormat,
        units: &[AccessUnit],
    ) -> Result<(), PublishError> {
        let zero = (Ticks::ZERO, Ticks::ZERO);
        let first = units.first().map_or(zero, |unit| (unit.pts, unit.dts));
        let last = units.last().map_or(Ticks::ZERO, |unit| unit.dts);
        let (shown, decoded) = first;
        let kind = if stretch.whole {
            FragmentTrack::Segment { end: shown + stretch.duration }
        } else {
            // A segment's first picture is decoded when it is shown, all others when they say. Sources
            // that reorder more in one part than in another are given a tick for their last picture.
            let start = if stretch.part == 0 { shown } else { decoded };
            let end = (decoded + stretch.duration).max(Ticks(last.0.saturating_add(1)));
            FragmentTrack::Part { start, end }
        };
        self.add(stretch, track, TrackFormat::Video(format), kind, units)
    }

    /// Adds the sound, unless all of it lies where sound was published already.
    pub(crate) fn add_sound(
        &mut self,
        stretch: Stretch,
        clock: &mut SoundClock,
        sound: Sound,
    ) -> Result<(), PublishError> {
        if sound.units.is_empty() {
            return Ok(());
        }
        let rate = sound.format.sample_rate;
        let same = clock.0.take().filter(|(known, _)| *known == rate);
        let (_, audio) = clock.0.insert(same.unwrap_or_else(|| (rate, AudioClock::new(rate))));
        let placed = audio
            .place(&sound.units)
            .map_err(|source| PublishError::Times { segment: stretch.segment, source })?;
        let units = &sound.units[placed.skip..];
        if units.is_empty() {
            return Ok(());
        }
        let kind = FragmentTrack::Audio { start: placed.start };
        // Each unit of sound is decoded by itself.
        let stretch = Stretch { independent: true, ..stretch };
        self.add(stretch, Track::Sound, TrackFormat::Audio(sound.format), kind, units)
    }

    fn add(
        &mut self,
        stretch: Stretch,
        track: Track,
        format: TrackFormat,
        kind: FragmentTrack,
        units: &[AccessUnit],
    ) -> Result<(), PublishError> {
        let Stretch { segment, part, duration, independent, .. } = stretch;
        let init =
            init_segment(&format).map_err(|source| PublishError::Format { segment, source })?;
        // Rising from fragment to fragment: the longest segment has fewer than 512 parts.
        let sequence = (segment.0 << 9).wrapping_add(u64::from(part)) as u32;
        let bytes = if units.is_empty() && part > 0 {
            Bytes::new()
        } else {
            fragment(&FragmentSpec { sequence, track: kind, units })
                .map_err(|source| PublishError::Times { segment, source })?
        };
        let id = InitId::of(&init);
        self.inits.insert(id, Init { format, bytes: init });
        let length = bytes.len() as u64;
        let part = Part { duration, length, independent: independent && length > 0 };
        let units = u32::try_from(units.len()).unwrap_or(u32::MAX);
        self.tracks
            .insert(track, MuxedTrack { init: id, units, parts: vec![part], bytes: vec![bytes] });
        Ok(())
    }

    /// Which track needs which initialisation.
    pub(crate) fn needs(&self) -> BTreeMap<Track, InitId> {
        self.tracks.iter().map(|(track, muxed)| (track.clone(), muxed.init)).collect()
    }

    /// Parts so far.
    pub(crate) fn parts(&self) -> u32 {
        let parts = self.tracks.values().next().map_or(0, |track| track.parts.len());
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    /// How long all parts are together.
    pub(crate) fn duration(&self) -> Ticks {
        let parts = self.tracks.values().next().map(|track| &track.parts[..]).unwrap_or_default();
        parts.iter().fold(Ticks::ZERO, |sum, part| sum + part.duration)
    }

    /// Whether a further part has the same pictures in the same formats. Sound may come and go.
    pub(crate) fn continues_in(&self, part: &Self) -> bool {
        let of = |muxed: &Self| muxed.tracks.keys().filter(|t| **t != Track::Sound).count();
        let same = |(track, muxed): (&Track, &MuxedTrack)| match self.tracks.get(track) {
            Some(known) => known.init == muxed.init,
            None => *track == Track::Sound,
        };
        of(self) == of(part) && part.tracks.iter().all(same)
    }

    /// Appends a part that [continues](Self::continues_in) this.
    pub(crate) fn append(&mut self, part: Self) {
        let nothing = Part { duration: part.duration(), length: 0, independent: false };
        let before = self.tracks.values().next().map(|track| track.parts.clone());
        for (track, muxed) in part.tracks {
            match self.tracks.get_mut(&track) {
                Some(known) => {
                    known.units = known.units.saturating_add(muxed.units);
                    known.parts.extend(muxed.parts);
                    known.bytes.extend(muxed.bytes);
                }
                None => {
                    // A track that comes in later had nothing in the parts before.
                    let mut late = muxed;
                    let missed = before.iter().flatten().map(|&part| Part {
                        length: 0,
                        independent: false,
                        ..part
                    });
                    late.parts.splice(..0, missed);
                    late.bytes.splice(..0, before.iter().flatten().map(|_| Bytes::new()));
                    self.tracks.insert(track, late);
                }
            }
        }
        let parts = self.tracks.values().map(|track| track.parts.len()).max().unwrap_or(0);
        for track in self.tracks.values_mut() {
            track.parts.resize(parts, nothing);
            track.bytes.resize(parts, Bytes::new());
        }
        self.inits.extend(part.inits);
    }
}

/// All bytes of a segment's tracks, as its file has them.
pub(crate) fn all_bytes(tracks: &BTreeMap<Track, MuxedTrack>) -> impl Iterator<Item = &Bytes> {
    tracks.values().flat_map(|track| &track.bytes).filter(|bytes| !bytes.is_empty())
}
