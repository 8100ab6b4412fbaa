//! A recording: one MP4 file, in which a player can seek, of segments that were published.
//!
//! [`Recording`] takes one segment after another and remembers only its samples' sizes and times,
//! some eight bytes a sample. [`Recording::finish`] gives the file's head, and which bytes of which
//! segments follow it: the caller copies them, and holds no media in memory.
//!
//! Formats may change from segment to segment, as when another worker's encoder or the source
//! itself goes on: the file then describes each, and says which segment is of which. Pictures and
//! sound begin together, by edit lists: a track that begins later is preceded by nothing for as
//! long.

mod layout;
mod table;

use crate::fmp4::{ReadError, read_segment, timescale};
use crate::format::FormatError;
use bytes::Bytes;
use std::ops::Range;
use table::Track;
use tessera_media::{AudioFormat, TrackFormat, VideoFormat};

/// Which of the caller's files a segment is in: whatever the caller numbers them by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// A recording that is being put together.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    pictures: Option<Track>,
    sound: Option<Track>,
}

/// A recording's file: `head`, and behind it what `copies` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The file's first bytes.
    pub head: Bytes,
    /// What follows, in this order.
    pub copies: Vec<Copy>,
    /// Bytes of the whole file.
    pub length: u64,
}

/// Bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Of which segment.
    pub source: SourceId,
    /// Which bytes.
    pub range: Range<u64>,
}

/// A segment that does not go on from the ones before, or a recording of nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// Not a segment.
    #[error("a segment cannot be read back: {0}")]
    Segment(#[from] ReadError),
    /// A format that cannot be used.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It begins before the end of what is there, by more than the last sample lasts.
    #[error("a segment begins at {start} where the one before ends at {end}, in 1/{timescale} s")]
    Overlap {
        /// Where it begins.
        start: u64,
        /// Where the ones before end.
        end: u64,
        /// Ticks a second.
        timescale: u32,
    },
    /// It begins so much later that a file cannot say how long the sample before it lasts.
    #[error(
        "a segment begins at {start} where the one before ends at {end}, in 1/{timescale} s: a \
             file cannot say so long a gap"
    )]
    Gap {
        /// Where it begins.
        start: u64,
        /// Where the ones before end.
        end: u64,
        /// Ticks a second.
        timescale: u32,
    },
    /// Sound of another sampling rate than before: a track has one.
    #[error("sound of {now} samples a second after sound of {before}; a recording has one rate")]
    Rate {
        /// Samples a second before.
        before: u32,
        /// Samples a second now.
        now: u32,
    },
    /// Nothing was recorded.
    #[error("a recording without a segment")]
    Empty,
    /// More samples than a file can count.
    #[error("a recording of more samples than a file can count")]
    Long,
}

impl Recording {
    /// Takes the next segment of pictures: the bytes that were published, of this format. Nothing is
    /// taken if it is refused.
    ///
    /// # Errors
    /// If it is no segment, or does not go on from the one before.
    pub fn push_pictures(
        &mut self,
        source: SourceId,
        format: &VideoFormat,
        segment: &[u8],
    ) -> Result<(), RecordingError> {
        push(&mut self.pictures, source, TrackFormat::Video(format.clone()), segment)
    }

    /// Takes the next segment of sound, likewise.
    ///
    /// # Errors
    /// As for pictures, and if its sampling rate is another than before.
    pub fn push_sound(
        &mut self,
        source: SourceId,
        format: &AudioFormat,
        segment: &[u8],
    ) -> Result<(), RecordingError> {
        push(&mut self.sound, source, TrackFormat::Audio(format.clone()), segment)
    }

    /// The file.
    ///
    /// # Errors
    /// If there is nothing in it.
    pub fn finish(self) -> Result<Layout, RecordingError> {
        layout::of(&self.pictures.into_iter().chain(self.sound).collect::<Vec<_>>())
    }
}

fn push(
    track: &mut Option<Track>,
    source: SourceId,
    format: TrackFormat,
    segment: &[u8],
) -> Result<(), RecordingError> {
    let fragments = read_segment(segment)?;
    crate::format::sample_entry(&format)?;
    let timescale = timescale(&format);
    match track {
        Some(track) => track.push(source, format, timescale, &fragments),
        None => {
            let mut first = Track::new(timescale, fragments[0].start);
            first.push(source, format, timescale, &fragments)?;
            *track = Some(first);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fmp4::{FragmentSpec, FragmentTrack, fragment};
    use crate::samples::{h264, sound, unit};
    use tessera_media::Ticks;

    fn pictures(start: i64, end: i64) -> Bytes {
        let track = FragmentTrack::Segment { end: Ticks(end) };
        fragment(&FragmentSpec { sequence: 1, track, units: &[unit(start, start, b"x")] }).unwrap()
    }

    #[test]
    fn what_does_not_go_on_is_refused_and_nothing_of_it_taken() {
        let format = h264(640, 362);
        let mut recording = Recording::default();
        let mut push = |segment: &[u8]| recording.push_pictures(SourceId(0), &format, segment);
        push(&pictures(90_000, 93_000)).unwrap();
        // Back by less than the last sample lasts: it lasts less.
        push(&pictures(92_000, 95_000)).unwrap();
        let overlap = RecordingError::Overlap { start: 92_000, end: 95_000, timescale: 90_000 };
        assert_eq!(push(&pictures(92_000, 99_000)), Err(overlap));
        let far = (1 << 33) + 95_000;
        let half = [pictures(95_000, 96_000), pictures(far, far + 1)].concat();
        // Two fragments of which the second cannot follow: neither is taken.
        assert!(matches!(push(&half), Err(RecordingError::Gap { end: 96_000, .. })));
        assert!(matches!(push(b"x"), Err(RecordingError::Segment(_))));
        assert_eq!(recording.finish().unwrap().copies.len(), 2);
    }

    #[test]
    fn sound_keeps_its_rate() {
        let track = FragmentTrack::Audio { start: 5 };
        let units = [unit(0, 0, b"x")];
        let segment = fragment(&FragmentSpec { sequence: 1, track, units: &units }).unwrap();
        let mut recording = Recording::default();
        recording.push_sound(SourceId(0), &sound(48_000), &segment).unwrap();
        let refused = recording.push_sound(SourceId(1), &sound(44_100), &segment);
        assert_eq!(refused, Err(RecordingError::Rate { before: 48_000, now: 44_100 }));
    }

    #[test]
    fn nothing_is_no_recording() {
        assert_eq!(Recording::default().finish(), Err(RecordingError::Empty));
    }
}
