//! What an engine is asked to do, and what it says when it has done it.

use crate::{Ticks, TrackFormat, VideoFormat};
use serde::{Deserialize, Serialize};
use tessera_protocol::stream::{Rendition, SegmentNumber};

/// The work of one lane. What follows it on the lane is said for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// A stretch of video to renditions. `Source` units follow, the first a keyframe; back come
    /// `Format` once for each rendition before its first unit, `Coded` units, and `Done` for each
    /// segment.
    Ladder(LadderTask),
    /// A container's bytes to units. `Bytes` follow in any pieces; back come `Track`, and `Source`
    /// for each unit.
    Demux {
        /// What the bytes are.
        container: Container,
    },
    /// One segment's rendition beside its source. `Source` units and `Coded` units follow; back
    /// comes one `Report`, the JSON of `tessera_verify::segment::Likeness`.
    Compare {
        /// What the source is.
        source: VideoFormat,
        /// What the rendition is.
        rendition: VideoFormat,
        /// Chooses which frames are looked at.
        seed: u64,
    },
    /// One keyframe to a small JPEG. One `Source` unit follows; back comes one `Bytes`.
    Thumbnail {
        /// What the source is.
        source: VideoFormat,
        /// Pixels across.
        width: u32,
    },
    /// A whole file, which the engine's parent has opened for it, to renditions and one track of
    /// sound. Nothing follows; back come a `Report`, the JSON of [`FileReport`], `Format` once for
    /// each rendition before its first unit and a `Track` for the sound, `Coded` units and `Source`
    /// units of sound, and `Done` for each segment whose frames are with the encoders, who may
    /// still hold some of its units.
    File(FileTask),
}

/// A whole file to renditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTask {
    /// What to make of its pictures, best first.
    pub renditions: Vec<Rendition>,
    /// All renditions have a keyframe at the first frame from each multiple of this on, counted
    /// from the first frame.
    pub segment: Ticks,
    /// What to make of its sound.
    pub sound: FileSound,
}

/// What becomes of a file's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FileSound {
    /// AAC is left as it is; anything else fails.
    Copy,
    /// It becomes AAC-LC, in stereo where it has more channels.
    Encode {
        /// Bits a second that it shall take on average.
        bits_per_s: u32,
    },
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileReport {
    /// Pixels across, as shown.
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// How its pictures are coded, by FFmpeg's name.
    pub pictures: String,
    /// How its sound is coded, by FFmpeg's name; `None` if it has none.
    pub sound: Option<String>,
    /// How long it is, by its own account; `None` if it doesn't say.
    pub duration: Option<Ticks>,
}

/// A stretch of video to renditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderTask {
    /// What the source is.
    pub source: VideoFormat,
    /// What to make of it, best first; sizes as [`Rendition::size_for`] has them.
    pub renditions: Vec<Rendition>,
    /// How the encoders live.
    pub pace: Pace,
    /// The first segment's number.
    pub segment: SegmentNumber,
    /// Frames shown before this are decoded, and no more; what is given out begins with the first
    /// frame shown at this time or later, which is a keyframe, as if its segment began with it.
    /// `None` gives out everything. So one engine goes on in the midst of another's segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_from: Option<Ticks>,
}

/// How encoders live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// One segment, then `End`: encoders look ahead and reorder, and are emptied at the end.
    Segment,
    /// Many segments with a `Cut` before each but the first: encoders stay alive, don't reorder,
    /// and give each frame back at once.
    Live,
}

/// What an ingest or a file is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// MPEG transport stream: SRT, and segments pushed by HTTP.
    MpegTs,
    /// ISO base media: files, and fragments.
    Mp4,
    /// Flash video.
    Flv,
}

/// The end of one segment of a `Ladder` lane, after all its units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentDone {
    /// Which segment.
    pub segment: SegmentNumber,
    /// Frames that were decoded.
    pub frames_in: u32,
    /// CPU time of the engine spent on it, in milliseconds.
    pub cpu_ms: u64,
}

/// A track that a demuxer found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// What it is. A later one of the same kind replaces it from its next unit on.
    pub format: TrackFormat,
}
