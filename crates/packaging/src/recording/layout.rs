//! The file's head: what is where.

use super::table::{Chunk, Track};
use super::{Copy, Layout, RecordingError};
use crate::boxes::{self, encoded, track};
use crate::format;
use mp4_atom::{
    Co64, Ctts, CttsEntry, Edts, Elst, ElstEntry, FourCC, Ftyp, Mdhd, Moov, Mvhd, Stbl, Stco, Stsc,
    StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry,
};
use tessera_media::Ticks;

/// Ticks a second of the movie, by which edit lists count.
const MOVIE_TIMESCALE: u64 = Ticks::PER_SECOND as u64;

pub(super) fn of(tracks: &[Track]) -> Result<Layout, RecordingError> {
    if tracks.is_empty() {
        return Err(RecordingError::Empty);
    }
    let ftyp = encoded(&Ftyp {
        major_brand: FourCC::new(b"isom"),
        minor_version: 512,
        compatible_brands: [b"isom", b"iso2", b"mp41"].map(FourCC::new).to_vec(),
    });
    let order = interleaved(tracks);
    let data: u64 = order.iter().map(|&(_, chunk)| chunk.range.end - chunk.range.start).sum();
    // Offsets take four bytes each, unless the file might be longer than they can say.
    let widest_head = ftyp.len() as u64 + moov(tracks, &order, 0, true)?.len() as u64 + MDAT_HEAD;
    let wide = widest_head + data > u64::from(u32::MAX);
    let head_length = ftyp.len() as u64 + moov(tracks, &order, 0, wide)?.len() as u64 + MDAT_HEAD;
    let head = [ftyp, moov(tracks, &order, head_length, wide)?, mdat_head(data)].concat();
    debug_assert_eq!(head.len() as u64, head_length, "offsets are as wide as they were");
    let copies =
        order.iter().map(|(_, chunk)| Copy { source: chunk.source, range: chunk.range.clone() });
    Ok(Layout { copies: copies.collect(), length: head_length + data, head: head.into() })
}

const MDAT_HEAD: u64 = 16;

/// With a length of eight bytes, whether or not it needs them: so its own length is known.
fn mdat_head(data: u64) -> Vec<u8> {
    [&1_u32.to_be_bytes()[..], b"mdat", &(MDAT_HEAD + data).to_be_bytes()].concat()
}

/// All tracks' chunks by the time they are decoded at, each with its track.
fn interleaved(tracks: &[Track]) -> Vec<(usize, &Chunk)> {
    let mut order: Vec<_> = (0..)
        .zip(tracks)
        .flat_map(|(index, track)| track.chunks.iter().map(move |chunk| (index, chunk)))
        .collect();
    order.sort_by_key(|&(index, chunk)| {
        u128::from(chunk.start) * u128::from(MOVIE_TIMESCALE)
            / u128::from(tracks[index].timescale.max(1))
    });
    order
}

/// `moov`, its chunks lying one behind another from `start` on.
fn moov(
    tracks: &[Track],
    order: &[(usize, &Chunk)],
    start: u64,
    wide: bool,
) -> Result<Vec<u8>, RecordingError> {
    let mut offsets = vec![vec![]; tracks.len()];
    let mut at = start;
    for (index, chunk) in order {
        offsets[*index].push(at);
        at += chunk.range.end - chunk.range.start;
    }
    let begin = tracks.iter().map(shown_from).min().unwrap_or(0);
    let mut traks = vec![];
    let mut longest = 0;
    for ((index, of), offsets) in (1..).zip(tracks).zip(offsets) {
        let edits = edits(of, begin);
        let duration = edits.iter().map(|edit| edit.segment_duration).sum();
        longest = longest.max(duration);
        let media = Mdhd {
            timescale: of.timescale,
            duration: of.end - of.start,
            language: "und".to_owned(),
            ..Mdhd::default()
        };
        let mut trak = track(index, &of.formats, media, samples(of, offsets, wide)?);
        trak.tkhd.duration = duration;
        trak.edts = Some(Edts { elst: Some(Elst { entries: edits }) });
        traks.push(trak);
    }
    Ok(encoded(&Moov {
        mvhd: Mvhd {
            timescale: u32::try_from(MOVIE_TIMESCALE).expect("90,000"),
            duration: longest,
            next_track_id: u32::try_from(tracks.len()).expect("two tracks") + 1,
            ..boxes::mvhd()
        },
        trak: traks,
        ..Moov::default()
    }))
}

/// A track's time in the movie's.
fn movie_ticks(track: &Track, time: i64) -> i64 {
    let scaled = i128::from(time) * i128::from(MOVIE_TIMESCALE);
    i64::try_from(scaled / i128::from(track.timescale.max(1))).unwrap_or(i64::MAX)
}

/// When the track's first sample is shown, in the movie's ticks.
fn shown_from(of: &Track) -> i64 {
    movie_ticks(of, i64::try_from(of.start).unwrap_or(i64::MAX).saturating_add(of.first_shown()))
}

/// Nothing until the track begins, then all of it from the first sample shown.
fn edits(of: &Track, begin: i64) -> Vec<ElstEntry> {
    let first_shown = of.first_shown().max(0);
    let lasts = i64::try_from(of.end - of.start).unwrap_or(i64::MAX);
    let wait = u64::try_from(shown_from(of) - begin).unwrap_or(0);
    let edit = |segment_duration, media_time| ElstEntry {
        segment_duration,
        media_time,
        media_rate: 1.into(),
    };
    let all = edit(movie_ticks(of, lasts).unsigned_abs(), Some(first_shown.unsigned_abs()));
    if wait == 0 { vec![all] } else { vec![edit(wait, None), all] }
}

fn samples(of: &Track, offsets: Vec<u64>, wide: bool) -> Result<Stbl, RecordingError> {
    let codecs = of.formats.iter().map(format::sample_entry).collect::<Result<_, _>>()?;
    let durations = of
        .durations
        .0
        .iter()
        .map(|&(count, duration)| SttsEntry { sample_count: count, sample_delta: duration });
    let shown_later = of.offsets.0.iter().any(|&(_, offset)| offset != 0);
    let ctts = shown_later.then(|| Ctts {
        entries: of
            .offsets
            .0
            .iter()
            .map(|&(count, offset)| CttsEntry { sample_count: count, sample_offset: offset.into() })
            .collect(),
    });
    let all_keyframes = of.keyframes.len() == of.sizes.len();
    let (stco, co64) = if wide {
        (None, Some(Co64 { entries: offsets }))
    } else {
        let narrow = offsets.into_iter().map(|offset| u32::try_from(offset).expect("not wide"));
        (Some(Stco { entries: narrow.collect() }), None)
    };
    Ok(Stbl {
        stsd: Stsd { codecs },
        stts: Stts { entries: durations.collect() },
        ctts,
        stss: (!all_keyframes).then(|| Stss { entries: of.keyframes.clone() }),
        stsc: chunk_runs(&of.chunks),
        stsz: Stsz { samples: StszSamples::Different { sizes: of.sizes.clone() } },
        stco,
        co64,
        ..Stbl::default()
    })
}

/// How many samples each chunk has and of which format, where that changes.
fn chunk_runs(chunks: &[Chunk]) -> Stsc {
    let mut entries: Vec<StscEntry> = vec![];
    for (first_chunk, chunk) in (1..).zip(chunks) {
        let sample_description_index = u32::try_from(chunk.format).expect("few formats") + 1;
        let samples_per_chunk = chunk.samples;
        let same = entries.last().is_some_and(|last| {
            last.samples_per_chunk == samples_per_chunk
                && last.sample_description_index == sample_description_index
        });
        if !same {
            entries.push(StscEntry { first_chunk, samples_per_chunk, sample_description_index });
        }
    }
    Stsc { entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fmp4::{Fragment, Sample};
    use crate::recording::SourceId;
    use crate::samples::{h264, sound};
    use mp4_atom::Atom;
    use tessera_media::TrackFormat;

    /// A track of fragments of one sample each: when each is decoded, and how many bytes it has.
    fn track_of(format: &TrackFormat, fragments: &[(u64, u32)]) -> Track {
        let timescale = crate::fmp4::timescale(format);
        let mut track = Track::new(timescale, fragments[0].0);
        for (number, &(start, size)) in (0..).zip(fragments) {
            let sample = Sample { duration: 1024, size, offset: 0, keyframe: true };
            let data = 100..100 + size as usize;
            let fragment = Fragment { sequence: 1, start, samples: vec![sample], data };
            track.push(SourceId(number), format.clone(), timescale, &[fragment]).unwrap();
        }
        track
    }

    fn moov_of(layout: &Layout) -> Moov {
        let (_, _, rest) = boxes::first(&layout.head).unwrap();
        let (kind, mut body, rest) = boxes::first(rest).unwrap();
        assert_eq!((kind, rest.len()), (Moov::KIND, 16));
        assert_eq!(&rest[4..8], b"mdat");
        let length = u64::from_be_bytes(rest[8..].try_into().unwrap());
        assert_eq!(layout.length, layout.head.len() as u64 - 16 + length);
        Moov::decode_body(&mut body).unwrap()
    }

    /// What the file says lies where, against where the copies put it.
    fn check_offsets(layout: &Layout, said: impl Iterator<Item = u64>) {
        let mut at = layout.head.len() as u64;
        let copied = layout.copies.iter().map(|copy| {
            let start = at;
            at += copy.range.end - copy.range.start;
            start
        });
        assert!(said.eq(copied));
        assert_eq!(at, layout.length);
    }

    #[test]
    fn offsets_are_as_wide_as_the_file_is_long() {
        let format = TrackFormat::Video(h264(640, 362));
        let large = track_of(&format, &[(0, 3_000_000_000), (1024, 3_000_000_000), (2048, 5)]);
        let layout = of(&[large]).unwrap();
        let stbl = &moov_of(&layout).trak[0].mdia.minf.stbl;
        assert!(stbl.stco.is_none());
        check_offsets(&layout, stbl.co64.clone().unwrap().entries.into_iter());

        let small = track_of(&format, &[(0, 3), (1024, 5)]);
        let layout = of(&[small]).unwrap();
        let stbl = &moov_of(&layout).trak[0].mdia.minf.stbl;
        assert!(stbl.co64.is_none());
        check_offsets(&layout, stbl.stco.clone().unwrap().entries.into_iter().map(u64::from));
    }

    #[test]
    fn tracks_lie_side_by_side_and_begin_together() {
        // Pictures from 1 s on, sound from 0.5 s on.
        let pictures = TrackFormat::Video(h264(640, 362));
        let pictures = track_of(&pictures, &[(90_000, 1), (180_000, 1), (270_000, 1)]);
        let sounds = TrackFormat::Audio(sound(48_000));
        let sounds = track_of(&sounds, &[(24_000, 2), (72_000, 2), (120_000, 2)]);
        let layout = of(&[pictures, sounds]).unwrap();
        let sizes: Vec<_> = layout.copies.iter().map(|c| c.range.end - c.range.start).collect();
        assert_eq!(sizes, [2, 1, 2, 1, 2, 1]);
        let moov = moov_of(&layout);
        let edits = |track: usize| moov.trak[track].edts.clone().unwrap().elst.unwrap().entries;
        assert_eq!(edits(0)[0].media_time, None);
        assert_eq!(edits(0)[0].segment_duration, 45_000);
        assert_eq!(edits(0)[1].media_time, Some(0));
        assert_eq!((edits(1).len(), edits(1)[0].media_time), (1, Some(0)));
        // Gaps are filled: the second of three sounds lasts until the third.
        let stts = &moov.trak[1].mdia.minf.stbl.stts.entries;
        let runs: Vec<_> = stts.iter().map(|run| (run.sample_count, run.sample_delta)).collect();
        assert_eq!(runs, [(2, 48_000), (1, 1024)]);
    }

    #[test]
    fn each_segment_has_the_format_it_came_with() {
        let formats = [h264(640, 362), h264(320, 180)].map(TrackFormat::Video);
        let mut track = Track::new(90_000, 0);
        for (number, which) in (0..).zip([0, 0, 1, 0]) {
            let sample = Sample { duration: 3000, size: 1, offset: 0, keyframe: true };
            let start = number * 3000;
            let fragment = Fragment { sequence: 1, start, samples: vec![sample], data: 0..1 };
            let format = formats[which].clone();
            track.push(SourceId(number), format, 90_000, &[fragment]).unwrap();
        }
        let moov = moov_of(&of(&[track]).unwrap());
        let stbl = &moov.trak[0].mdia.minf.stbl;
        assert_eq!(stbl.stsd.codecs.len(), 2);
        let stsc = stbl.stsc.entries.iter().map(|e| (e.first_chunk, e.sample_description_index));
        assert_eq!(stsc.collect::<Vec<_>>(), [(1, 1), (3, 2), (4, 1)]);
        assert_eq!(moov.trak[0].tkhd.width.integer(), 640);
    }
}
