//! Playlists, recordings, and what is said in the end.

use super::tracks::{INIT, Made, MadeRendition, Track, Written, write as write_file};
use anyhow::Context as _;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tessera_media::task::FileReport;
use tessera_media::{AudioFormat, Ticks, TrackFormat, VideoFormat};
use tessera_packaging::codec_string;
use tessera_packaging::hls::{
    AudioRendition, MediaPlaylist, MultivariantPlaylist, Opening, Segment, State, Variant,
};
use tessera_packaging::recording::{Recording, SourceId};
use tessera_protocol::stream::VideoCodec;

const PLAYLIST: &str = "index.m3u8";

/// Writes the playlists, and with `mp4` a recording of each rendition. The playlist above all others
/// comes last.
pub(super) fn write(folder: &Path, made: &Made, mp4: bool) -> anyhow::Result<()> {
    for rendition in &made.renditions {
        write_playlist(folder, &rendition.track)?;
        if mp4 {
            write_recording(folder, rendition, made.sound.as_ref())?;
        }
    }
    if let Some(sound) = &made.sound {
        write_playlist(folder, sound)?;
    }
    let variants = made.renditions.iter().map(variant).collect::<anyhow::Result<_>>()?;
    let audio = made.sound.as_ref().map(audio_rendition).transpose()?;
    let playlist = MultivariantPlaylist { variants, audio };
    write_file(&folder.join(PLAYLIST), playlist.to_string().as_bytes())
}

fn write_playlist<F>(folder: &Path, track: &Track<F>) -> anyhow::Result<()> {
    let opening = Opening { map: INIT.to_owned(), ..Opening::default() };
    let segment = |(number, written): (usize, &Written)| Segment {
        uri: format!("{number}.m4s"),
        start: written.start,
        end: written.end,
        opening: opening.clone(),
        parts: vec![],
    };
    let longest = track.segments.iter().map(|s| (s.end - s.start).seconds()).fold(1.0, f64::max);
    let playlist = MediaPlaylist {
        state: State::Complete,
        target_duration_s: longest.round() as u32,
        media_sequence: 0,
        discontinuity_sequence: 0,
        segments: track.segments.iter().enumerate().map(segment).collect(),
        low_latency: None,
    };
    write_file(&folder.join(&track.name).join(PLAYLIST), playlist.to_string().as_bytes())
}

fn variant(rendition: &MadeRendition) -> anyhow::Result<Variant> {
    let track = &rendition.track;
    let VideoFormat { width, height, .. } = track.format;
    let frame = Ticks(track.duration().0 / track.units.max(1) as i64);
    Ok(Variant {
        uri: format!("{}/{PLAYLIST}", track.name),
        peak_bits_per_s: peak_bits_per_s(&track.segments),
        average_bits_per_s: track.bits_per_s().ceil() as u64,
        codec: codec_string(&TrackFormat::Video(track.format.clone()))?,
        width,
        height,
        frame: Some(frame),
    })
}

fn audio_rendition(track: &Track<AudioFormat>) -> anyhow::Result<AudioRendition> {
    Ok(AudioRendition {
        uri: format!("{}/{PLAYLIST}", track.name),
        bits_per_s: peak_bits_per_s(&track.segments),
        codec: codec_string(&TrackFormat::Audio(track.format.clone()))?,
        channels: track.format.channels,
    })
}

/// What a player must be able to load: the most that a segment's file takes. A last one of a few
/// frames says nothing of that.
fn peak_bits_per_s(segments: &[Written]) -> u64 {
    let whole = segments.len().saturating_sub(1).max(1);
    let rate = |s: &Written| s.file as f64 * 8.0 / (s.end - s.start).seconds().max(1e-3);
    segments.iter().take(whole).map(rate).fold(0.0, f64::max).ceil() as u64
}

fn write_recording(
    folder: &Path,
    rendition: &MadeRendition,
    sound: Option<&Track<AudioFormat>>,
) -> anyhow::Result<()> {
    let mut recording = Recording::default();
    let mut files: Vec<PathBuf> = vec![];
    let mut source = |path: PathBuf| -> anyhow::Result<(SourceId, Vec<u8>)> {
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push(path);
        Ok((SourceId(files.len() as u64 - 1), bytes))
    };
    let track = &rendition.track;
    for number in 0..track.segments.len() {
        let (id, bytes) = source(Track::<VideoFormat>::file(&folder.join(&track.name), number))?;
        recording.push_pictures(id, &track.format, &bytes)?;
    }
    if let Some(sound) = sound {
        for number in 0..sound.segments.len() {
            let (id, bytes) =
                source(Track::<AudioFormat>::file(&folder.join(&sound.name), number))?;
            recording.push_sound(id, &sound.format, &bytes)?;
        }
    }
    let layout = recording.finish()?;
    let path = folder.join(format!("{}.mp4", track.name));
    let cannot = || format!("cannot write {}", path.display());
    let mut file = File::create(&path).with_context(cannot)?;
    file.write_all(&layout.head).with_context(cannot)?;
    for copy in &layout.copies {
        let from = files.get(copy.source.0 as usize).context("a recording of an unknown file")?;
        let mut from = File::open(from).with_context(cannot)?;
        from.seek(SeekFrom::Start(copy.range.start))?;
        let length = copy.range.end - copy.range.start;
        std::io::copy(&mut from.take(length), &mut file).with_context(cannot)?;
    }
    Ok(())
}

/// What was made, for people and for programs.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The file's pictures, as `1920x1080 h264`.
    source: String,
    /// How long the renditions are, in seconds.
    duration_s: f64,
    /// Frames of the source.
    frames: u64,
    /// CPU time of the engine.
    cpu_s: f64,
    wall_s: f64,
    renditions: Vec<RenditionSummary>,
    audio: Option<AudioSummary>,
}

#[derive(Debug, Serialize)]
struct RenditionSummary {
    name: String,
    codec: VideoCodec,
    width: u32,
    height: u32,
    frames: u64,
    segments: usize,
    /// Bits a second that were asked for.
    asked: u32,
    /// Bits a second of its units.
    bits_per_s: u64,
}

#[derive(Debug, Serialize)]
struct AudioSummary {
    sample_rate: u32,
    channels: u16,
    bits_per_s: u64,
}

impl Summary {
    pub(super) fn new(
        report: &FileReport,
        made: &Made,
        frames: u64,
        cpu_ms: u64,
        wall: Duration,
    ) -> Self {
        let rendition = |made: &MadeRendition| RenditionSummary {
            name: made.track.name.clone(),
            codec: made.track.format.codec,
            width: made.track.format.width,
            height: made.track.format.height,
            frames: made.track.units,
            segments: made.track.segments.len(),
            asked: made.asked.bits_per_s,
            bits_per_s: made.track.bits_per_s().round() as u64,
        };
        let audio = |track: &Track<AudioFormat>| AudioSummary {
            sample_rate: track.format.sample_rate,
            channels: track.format.channels,
            bits_per_s: track.bits_per_s().round() as u64,
        };
        let duration = made.renditions.iter().map(|r| r.track.duration()).max();
        Self {
            source: format!("{}x{} {}", report.width, report.height, report.pictures),
            duration_s: duration.unwrap_or_default().seconds(),
            frames,
            cpu_s: cpu_ms as f64 / 1000.0,
            wall_s: wall.as_secs_f64(),
            renditions: made.renditions.iter().map(rendition).collect(),
            audio: made.sound.as_ref().map(audio),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.1} s of {} in {:.1} s ({:.1} s of CPU)",
            self.duration_s, self.source, self.wall_s, self.cpu_s
        )?;
        for rendition in &self.renditions {
            let RenditionSummary { name, width, height, .. } = rendition;
            let kilobits = |bits: f64| bits / 1000.0;
            writeln!(
                f,
                "{name:>10}  {width}x{height}  {:.0} kbit/s of {:.0}  {} segments",
                kilobits(rendition.bits_per_s as f64),
                kilobits(f64::from(rendition.asked)),
                rendition.segments
            )?;
        }
        let Some(audio) = &self.audio else { return Ok(()) };
        let AudioSummary { sample_rate, channels, bits_per_s } = audio;
        writeln!(
            f,
            "     audio  {sample_rate} Hz  {channels} channels  {:.0} kbit/s",
            *bits_per_s as f64 / 1000.0
        )
    }
}
