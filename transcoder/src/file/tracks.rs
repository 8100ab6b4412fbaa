//! Units to segments on disk.

use anyhow::{Context as _, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use tessera_media::wire::RenditionIndex;
use tessera_media::{AccessUnit, AudioFormat, Ticks, TrackFormat, VideoFormat};
use tessera_packaging::fmp4::{AudioClock, FragmentSpec, FragmentTrack, fragment, init_segment};
use tessera_protocol::stream::Rendition;

/// The name of a track's initialization section.
pub(super) const INIT: &str = "init.mp4";
/// Most bytes of a segment: a source whose frames never end a segment must not fill the memory.
const MAX_SEGMENT: usize = 1 << 30;

/// All tracks, as far as they are there.
pub(super) struct Tracks {
    pictures: Vec<PictureTrack>,
    sound: Option<SoundTrack>,
    sound_folder: PathBuf,
    segment: Ticks,
}

/// A segment that was written.
pub(super) struct Written {
    pub(super) start: Ticks,
    pub(super) end: Ticks,
    /// Bytes of its units, and of its file.
    pub(super) media: u64,
    pub(super) file: u64,
}

/// A track that is complete.
pub(super) struct Track<Format> {
    /// What its folder is called.
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) segments: Vec<Written>,
    pub(super) units: u64,
}

impl<F> Track<F> {
    /// The file of a segment.
    pub(super) fn file(folder: &Path, number: usize) -> PathBuf {
        folder.join(format!("{number}.m4s"))
    }

    /// How long it is.
    pub(super) fn duration(&self) -> Ticks {
        match &self.segments[..] {
            [first, .., last] => last.end - first.start,
            [only] => only.end - only.start,
            [] => Ticks::ZERO,
        }
    }

    /// Bits a second of its units.
    pub(super) fn bits_per_s(&self) -> f64 {
        let media: u64 = self.segments.iter().map(|segment| segment.media).sum();
        media as f64 * 8.0 / self.duration().seconds().max(1e-3)
    }
}

/// A rendition, and what was asked of it.
pub(super) struct MadeRendition {
    pub(super) asked: Rendition,
    pub(super) track: Track<VideoFormat>,
}

/// All that was made.
pub(super) struct Made {
    pub(super) renditions: Vec<MadeRendition>,
    pub(super) sound: Option<Track<AudioFormat>>,
}

impl Tracks {
    pub(super) fn new(folder: &Path, renditions: &[Rendition], segment: Ticks) -> Self {
        let pictures = renditions.iter().map(|rendition| PictureTrack {
            asked: rendition.clone(),
            folder: folder.join(rendition.name.as_str()),
            format: None,
            waiting: vec![],
            segments: vec![],
            units: 0,
            frame: Ticks::ZERO,
        });
        Self {
            pictures: pictures.collect(),
            sound: None,
            sound_folder: folder.join("audio"),
            segment,
        }
    }

    fn rendition(&mut self, index: RenditionIndex) -> anyhow::Result<&mut PictureTrack> {
        self.pictures
            .get_mut(usize::from(index.0))
            .context("the engine made a rendition of its own")
    }

    pub(super) fn picture_format(
        &mut self,
        index: RenditionIndex,
        format: VideoFormat,
    ) -> anyhow::Result<()> {
        let track = self.rendition(index)?;
        ensure!(track.format.is_none(), "the engine changed a rendition's format");
        begin(&track.folder, &TrackFormat::Video(format.clone()))?;
        track.format = Some(format);
        Ok(())
    }

    pub(super) fn sound_format(&mut self, format: AudioFormat) -> anyhow::Result<()> {
        ensure!(self.sound.is_none(), "the file's sound changes its format in the middle");
        begin(&self.sound_folder, &TrackFormat::Audio(format.clone()))?;
        self.sound = Some(SoundTrack {
            folder: self.sound_folder.clone(),
            clock: AudioClock::new(format.sample_rate),
            format,
            waiting: vec![],
            segments: vec![],
            units: 0,
            end: None,
        });
        Ok(())
    }

    pub(super) fn picture(
        &mut self,
        index: RenditionIndex,
        unit: AccessUnit,
    ) -> anyhow::Result<()> {
        self.rendition(index)?.take(unit)
    }

    pub(super) fn sound(&mut self, unit: AccessUnit) -> anyhow::Result<()> {
        let segment = self.segment;
        self.sound.as_mut().context("the engine gave sound of no format")?.take(unit, segment)
    }

    pub(super) fn finish(self) -> anyhow::Result<Made> {
        let renditions =
            self.pictures.into_iter().map(PictureTrack::finish).collect::<anyhow::Result<_>>()?;
        let sound = self.sound.map(SoundTrack::finish).transpose()?;
        // A track without a unit is none.
        Ok(Made { renditions, sound: sound.filter(|sound| !sound.segments.is_empty()) })
    }
}

fn begin(folder: &Path, format: &TrackFormat) -> anyhow::Result<()> {
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&folder.join(INIT), &init_segment(format)?)
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn bytes(units: &[AccessUnit]) -> u64 {
    units.iter().map(|unit| unit.data.len() as u64).sum()
}

struct PictureTrack {
    asked: Rendition,
    folder: PathBuf,
    format: Option<VideoFormat>,
    /// Units of the segment under way.
    waiting: Vec<AccessUnit>,
    segments: Vec<Written>,
    units: u64,
    /// How long the last frame but one lasts: so long lasts the last.
    frame: Ticks,
}

impl PictureTrack {
    fn take(&mut self, unit: AccessUnit) -> anyhow::Result<()> {
        if let Some(last) = self.waiting.last() {
            self.frame = unit.dts - last.dts;
            if unit.keyframe {
                self.write(unit.pts)?;
            }
        }
        self.waiting.push(unit);
        ensure!(bytes(&self.waiting) < MAX_SEGMENT as u64, "a segment is too large");
        Ok(())
    }

    /// Writes what waits, up to where the next segment begins.
    fn write(&mut self, end: Ticks) -> anyhow::Result<()> {
        let units = std::mem::take(&mut self.waiting);
        let Some(first) = units.first() else { return Ok(()) };
        let number = self.segments.len();
        let track = FragmentTrack::Segment { end };
        let sequence = u32::try_from(number)? + 1;
        let file = fragment(&FragmentSpec { sequence, track, units: &units })?;
        write(&Track::<VideoFormat>::file(&self.folder, number), &file)?;
        self.units += units.len() as u64;
        self.segments.push(Written {
            start: first.pts,
            end,
            media: bytes(&units),
            file: file.len() as u64,
        });
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<MadeRendition> {
        // One frame alone lasts as long as one of 30 a second.
        let frame = if self.frame > Ticks::ZERO { self.frame } else { Ticks(3000) };
        if let Some(last) = self.waiting.iter().map(|unit| unit.pts).max() {
            self.write(last + frame)?;
        }
        let name = self.asked.name.to_string();
        let format = self.format.with_context(|| format!("nothing was made of {name}"))?;
        let track = Track { name, format, segments: self.segments, units: self.units };
        Ok(MadeRendition { asked: self.asked, track })
    }
}

struct SoundTrack {
    folder: PathBuf,
    format: AudioFormat,
    clock: AudioClock,
    waiting: Vec<AccessUnit>,
    segments: Vec<Written>,
    units: u64,
    /// Where the segment under way ends.
    end: Option<Ticks>,
}

impl SoundTrack {
    fn take(&mut self, unit: AccessUnit, segment: Ticks) -> anyhow::Result<()> {
        let end = *self.end.get_or_insert_with(|| next_multiple(unit.pts, segment));
        if unit.pts >= end {
            self.write()?;
            self.end = Some(next_multiple(unit.pts, segment));
        }
        self.waiting.push(unit);
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let units = std::mem::take(&mut self.waiting);
        if units.is_empty() {
            return Ok(());
        }
        let place = self.clock.place(&units)?;
        let Some(kept) = units.get(place.skip..).filter(|kept| !kept.is_empty()) else {
            return Ok(());
        };
        let number = self.segments.len();
        let track = FragmentTrack::Audio { start: place.start };
        let sequence = u32::try_from(number)? + 1;
        let file = fragment(&FragmentSpec { sequence, track, units: kept })?;
        write(&Track::<AudioFormat>::file(&self.folder, number), &file)?;
        let samples = kept.len() as u64 * u64::from(AudioFormat::SAMPLES_PER_UNIT);
        self.units += kept.len() as u64;
        self.segments.push(Written {
            start: self.clock.time_of(place.start),
            end: self.clock.time_of(place.start + samples),
            media: bytes(kept),
            file: file.len() as u64,
        });
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Track<AudioFormat>> {
        self.write()?;
        let Self { format, segments, units, .. } = self;
        Ok(Track { name: "audio".to_owned(), format, segments, units })
    }
}

/// The first multiple after a time.
fn next_multiple(time: Ticks, of: Ticks) -> Ticks {
    Ticks((time.0.div_euclid(of.0) + 1) * of.0)
}
