//! The parameter sets of an H.264 source, which its wrapping tells at the beginning, or which come
//! among its pictures again and again.

use bytes::Bytes;
use tessera_media::VideoFormat;
use tessera_packaging::h264::{DecoderConfig, H264Error, MAX_PPS, MAX_SET_BYTES, MAX_SPS, Picture};

/// The sets in force: never more than a configuration record holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
}

/// What came of a picture's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether other sets are in force now.
    pub(crate) changed: bool,
    /// Whether there was no room for some.
    pub(crate) left_out: bool,
}

impl ParameterSets {
    /// The sets of a configuration record.
    pub(crate) fn of(config: DecoderConfig) -> Self {
        Self { sps: config.sps, pps: config.pps }
    }

    /// Takes what came with a picture.
    ///
    /// Encoders repeat all their sets together, so that a picture with sequence parameter sets
    /// replaces all that were known; picture parameter sets alone are further ones.
    pub(crate) fn take(&mut self, picture: &mut Picture) -> Taken {
        let (sps, pps) = (std::mem::take(&mut picture.sps), std::mem::take(&mut picture.pps));
        let mut left_out = picture.sets_left_out;
        if sps.is_empty() && pps.is_empty() {
            return Taken { changed: false, left_out };
        }
        let mut newer = match (sps.is_empty(), pps.is_empty()) {
            (true, _) => self.clone(),
            (false, true) => Self { sps: Vec::new(), pps: self.pps.clone() },
            (false, false) => Self::default(),
        };
        let used: usize = newer.sps.iter().chain(&newer.pps).map(Bytes::len).sum();
        let mut room = MAX_SET_BYTES.saturating_sub(used);
        for (sets, most, came) in [(&mut newer.sps, MAX_SPS, sps), (&mut newer.pps, MAX_PPS, pps)] {
            for set in came {
                if sets.contains(&set) {
                    continue;
                }
                if sets.len() < most && set.len() <= room {
                    room -= set.len();
                    sets.push(set);
                } else {
                    left_out = true;
                }
            }
        }
        let changed = *self != newer;
        *self = newer;
        Taken { changed, left_out }
    }

    /// The track that these configure.
    pub(crate) fn format(&self) -> Result<VideoFormat, H264Error> {
        let (sps, pps) = (self.sps.clone(), self.pps.clone());
        DecoderConfig { sps, pps, length_size: 4 }.video_format()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(sps: &[&'static [u8]], pps: &[&'static [u8]]) -> Picture {
        let sets =
            |sets: &[&'static [u8]]| sets.iter().map(|set| Bytes::from_static(set)).collect();
        Picture { sps: sets(sps), pps: sets(pps), ..Picture::default() }
    }

    #[test]
    fn only_other_sets_are_a_change() {
        let mut sets = ParameterSets::default();
        let mut changed = |sps: &[&'static [u8]], pps: &[&'static [u8]]| {
            let taken = sets.take(&mut picture(sps, pps));
            assert!(!taken.left_out);
            taken.changed
        };
        assert!(changed(&[b"s1"], &[b"p1", b"p1"]));
        assert!(!changed(&[b"s1"], &[b"p1"]));
        assert!(!changed(&[], &[b"p1"]));
        assert!(!changed(&[], &[]));
        assert!(changed(&[], &[b"p2", b"p2"]));
        assert!(!changed(&[b"s1"], &[]));
        assert!(changed(&[b"s2"], &[b"p1"]));
        let now = ParameterSets { sps: vec![Bytes::from("s2")], pps: vec![Bytes::from("p1")] };
        assert_eq!(sets, now);
    }

    #[test]
    fn however_they_come_there_are_never_more_than_a_record_holds() {
        let mut sets = ParameterSets::default();
        let numbered = |n: u16| Bytes::copy_from_slice(&n.to_be_bytes());
        let with = |sps: Vec<Bytes>, pps: Vec<Bytes>| Picture { sps, pps, ..Picture::default() };
        for n in 0..300 {
            let taken = sets.take(&mut with(vec![], vec![numbered(n)]));
            let room = usize::from(n) < MAX_PPS;
            assert_eq!(taken, Taken { changed: room, left_out: !room }, "{n}");
        }
        let all = || (0..300).map(numbered).collect::<Vec<_>>();
        assert!(sets.take(&mut with(all(), vec![])).left_out);
        assert_eq!((sets.sps.len(), sets.pps.len()), (MAX_SPS, MAX_PPS));
        assert!(sets.take(&mut with(all(), all())).left_out);
        assert_eq!((sets.sps.len(), sets.pps.len()), (MAX_SPS, MAX_PPS));

        let long = |byte: u8| vec![Bytes::from(vec![byte; 30_000])];
        assert!(!sets.take(&mut with(long(1), long(2))).left_out);
        assert_eq!(sets.take(&mut with(vec![], long(3))), Taken { changed: false, left_out: true });
        // What the picture itself had no room for.
        let mut more = Picture { sets_left_out: true, ..Picture::default() };
        assert!(sets.take(&mut more).left_out);
    }
}
