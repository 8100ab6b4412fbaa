//! The initialization section: what a track is, before its first fragment.

use super::{ReadError, TRACK_ID, timescale};
use crate::boxes::{self, encoded, track};
use crate::format::{self, FormatError};
use bytes::Bytes;
use mp4_atom::{FourCC, Ftyp, Mdhd, Moov, Mvex, Mvhd, Stbl, Stsd, Stsz, StszSamples, Trex};
use tessera_media::TrackFormat;

/// Longest initialization section that is read, in bytes.
pub const MAX_INIT: usize = 8 << 10;

/// The initialization section of a track.
///
/// # Errors
/// If the format's configuration cannot be read.
pub fn init_segment(format: &TrackFormat) -> Result<Bytes, FormatError> {
    let timescale = timescale(format);
    let samples = Stbl {
        stsd: Stsd { codecs: vec![format::sample_entry(format)?] },
        stsz: Stsz { samples: StszSamples::Identical { count: 0, size: 0 } },
        stco: Some(mp4_atom::Stco::default()),
        ..Stbl::default()
    };
    let media = Mdhd { timescale, language: "und".to_owned(), ..Mdhd::default() };
    let brand = |name| FourCC::new(name);
    let ftyp = Ftyp {
        major_brand: brand(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![brand(b"iso6"), brand(b"mp41")],
    };
    let trex = Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() };
    let moov = Moov {
        mvhd: Mvhd { timescale, next_track_id: TRACK_ID + 1, ..boxes::mvhd() },
        mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
        trak: vec![track(TRACK_ID, std::slice::from_ref(format), media, samples)],
        ..Moov::default()
    };
    Ok([encoded(&ftyp), encoded(&moov)].concat().into())
}

/// Reads an initialization section that [`init_segment`] made.
///
/// # Errors
/// If it is not of that shape.
pub fn read_init(init: &[u8]) -> Result<TrackFormat, ReadError> {
    if init.len() > MAX_INIT {
        return Err(ReadError::Long { what: "an initialization section", most: MAX_INIT });
    }
    let mut body = init;
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"] {
        body = boxes::child(body, FourCC::new(kind))?;
    }
    format::of_stsd(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{av1, h264, hevc, sound};
    use proptest::prelude::*;

    fn formats() -> [TrackFormat; 4] {
        [
            TrackFormat::Video(h264(640, 362)),
            TrackFormat::Video(hevc()),
            TrackFormat::Video(av1()),
            TrackFormat::Audio(sound(44_100)),
        ]
    }

    #[test]
    fn a_track_survives_its_initialization_section() {
        for format in formats() {
            let init = init_segment(&format).unwrap();
            assert_eq!(read_init(&init).unwrap(), format);
        }
    }

    #[test]
    fn a_configuration_that_is_none_is_refused() {
        for mut format in formats() {
            match &mut format {
                TrackFormat::Video(video) => video.config = Bytes::from_static(&[7, 7]),
                TrackFormat::Audio(audio) => audio.config = Bytes::from_static(&[7]),
            }
            assert!(init_segment(&format).is_err(), "{format:?}");
        }
        let mut wide = h264(640, 362);
        wide.width = 70_000;
        let refused = init_segment(&TrackFormat::Video(wide));
        assert_eq!(refused, Err(FormatError::Size { width: 70_000, height: 362 }));
    }

    /// Boxes in boxes in boxes, as deep as the longest section that is read can have them.
    #[test]
    fn no_depth_of_boxes_runs_off_the_stack() {
        let deep = |entry: &[u8; 4], head: usize, child: &[u8; 4], fill: &[u8]| {
            let mut init = Vec::new();
            let open = |init: &mut Vec<u8>, kind: &[u8; 4]| {
                let left = u32::try_from(MAX_INIT - init.len()).unwrap();
                init.extend([&left.to_be_bytes()[..], kind].concat());
            };
            for kind in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"] {
                open(&mut init, kind);
            }
            init.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            open(&mut init, entry);
            init.resize(init.len() + head, 0);
            while init.len() + 8 < MAX_INIT && fill.is_empty() {
                open(&mut init, child);
            }
            if !fill.is_empty() {
                open(&mut init, child);
            }
            init.extend(fill.iter().cycle().take(MAX_INIT - init.len()));
            init.resize(MAX_INIT, 0);
            init
        };
        assert!(read_init(&deep(b"avc1", 78, b"moov", &[])).is_err());
        // Descriptors in descriptors: each an ES descriptor of four bytes of length.
        let descriptors = [3, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0];
        assert!(read_init(&deep(b"mp4a", 28, b"esds", &descriptors)).is_err());
        let long = vec![0; MAX_INIT + 1];
        assert!(matches!(read_init(&long), Err(ReadError::Long { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(
            which in 0..4_usize,
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..9),
            end in any::<proptest::sample::Index>(),
        ) {
            let mut init = init_segment(&formats()[which]).unwrap().to_vec();
            for (at, to) in changes {
                let at = at.index(init.len());
                init[at] = to;
            }
            let _ = read_init(&init);
            let _ = read_init(&init[..end.index(init.len())]);
        }
    }
}
