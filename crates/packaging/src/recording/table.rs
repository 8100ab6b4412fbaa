//! A track's samples, remembered in runs.

use super::{RecordingError, SourceId};
use crate::fmp4::Fragment;
use std::ops::Range;
use tessera_media::TrackFormat;

/// A track of the file that is to be.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) timescale: u32,
    /// The formats so far, each once.
    pub(super) formats: Vec<TrackFormat>,
    /// When the first sample is decoded.
    pub(super) start: u64,
    /// When the next one would be.
    pub(super) end: u64,
    pub(super) sizes: Vec<u32>,
    pub(super) durations: Runs<u32>,
    pub(super) offsets: Runs<i32>,
    /// The samples at which decoding can begin, counted from 1.
    pub(super) keyframes: Vec<u32>,
    pub(super) chunks: Vec<Chunk>,
}

/// Samples whose data lies together.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) source: SourceId,
    pub(super) range: Range<u64>,
    pub(super) samples: u32,
    /// Which of the formats.
    pub(super) format: usize,
    /// When its first sample is decoded.
    pub(super) start: u64,
}

/// Values with how often each comes in a row.
#[derive(Debug, Clone)]
pub(super) struct Runs<T>(pub(super) Vec<(u32, T)>);

impl<T: Copy + PartialEq> Runs<T> {
    fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => self.0.push((1, value)),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let (count, value) = self.0.last_mut()?;
        let value = *value;
        *count -= 1;
        if *count == 0 {
            self.0.pop();
        }
        Some(value)
    }
}

impl Track {
    pub(super) fn new(timescale: u32, start: u64) -> Self {
        Self {
            timescale,
            formats: vec![],
            start,
            end: start,
            sizes: vec![],
            durations: Runs(vec![]),
            offsets: Runs(vec![]),
            keyframes: vec![],
            chunks: vec![],
        }
    }

    /// Takes a segment's fragments, or nothing of them.
    pub(super) fn push(
        &mut self,
        source: SourceId,
        format: TrackFormat,
        timescale: u32,
        fragments: &[Fragment],
    ) -> Result<(), RecordingError> {
        if timescale != self.timescale {
            return Err(RecordingError::Rate { before: self.timescale, now: timescale });
        }
        self.check(fragments)?;
        let known = self.formats.iter().position(|known| *known == format);
        let format = known.unwrap_or_else(|| {
            self.formats.push(format);
            self.formats.len() - 1
        });
        for fragment in fragments {
            self.push_fragment(source, format, fragment);
        }
        Ok(())
    }

    /// Whether all fragments follow what is there, and each the one before it.
    fn check(&self, fragments: &[Fragment]) -> Result<(), RecordingError> {
        let samples: usize = fragments.iter().map(|fragment| fragment.samples.len()).sum();
        if u32::try_from(self.sizes.len() + samples).is_err() {
            return Err(RecordingError::Long);
        }
        let timescale = self.timescale;
        let mut last = self.durations.0.last().map(|&(_, duration)| duration);
        let mut end = self.end;
        for fragment in fragments {
            let start = fragment.start;
            if let Some(last) = last {
                // What the sample before lasts, if it lasts until this one.
                let lasts = (i128::from(last) + i128::from(start)) - i128::from(end);
                if lasts <= 0 {
                    return Err(RecordingError::Overlap { start, end, timescale });
                }
                if u32::try_from(lasts).is_err() {
                    return Err(RecordingError::Gap { start, end, timescale });
                }
            }
            last = fragment.samples.last().map(|sample| sample.duration);
            end = fragment.end();
        }
        Ok(())
    }

    fn push_fragment(&mut self, source: SourceId, format: usize, fragment: &Fragment) {
        // A gap is filled, and an overlap ended, by the sample before.
        if fragment.start != self.end
            && let Some(last) = self.durations.pop()
        {
            let lasts = u64::from(last) + fragment.start - self.end;
            self.durations.push(u32::try_from(lasts).expect("checked before"));
        }
        for sample in &fragment.samples {
            self.sizes.push(sample.size);
            self.durations.push(sample.duration);
            self.offsets.push(sample.offset);
            if sample.keyframe {
                self.keyframes.push(u32::try_from(self.sizes.len()).expect("checked before"));
            }
        }
        self.chunks.push(Chunk {
            source,
            range: fragment.data.start as u64..fragment.data.end as u64,
            samples: u32::try_from(fragment.samples.len()).expect("checked before"),
            format,
            start: fragment.start,
        });
        self.end = fragment.end();
    }

    /// How long after the first sample is decoded the first one is shown. Only a reordering's first
    /// few samples can be it.
    pub(super) fn first_shown(&self) -> i64 {
        const REORDERED: usize = 32;
        let flat = |(count, value): (u32, i64)| std::iter::repeat_n(value, count as usize);
        let durations = self.durations.0.iter().flat_map(|&(n, d)| flat((n, d.into())));
        let offsets = self.offsets.0.iter().flat_map(|&(n, o)| flat((n, o.into())));
        let mut decoded = 0;
        let shown = durations.zip(offsets).take(REORDERED).map(|(duration, offset)| {
            let shown = decoded + offset;
            decoded += duration;
            shown
        });
        shown.min().unwrap_or(0)
    }
}
