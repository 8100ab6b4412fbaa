//! Which frames are looked at.

use crate::random::Random;
use tessera_protocol::job::FrameSpan;
use tessera_protocol::{FrameNumber, QuoteSeed};

/// Most frames that are looked at. Jobs with as many are seen whole.
pub const MOST_FRAMES: u64 = 16;

/// The frames of a valid span that are looked at, rising.
///
/// All of them, up to [`MOST_FRAMES`]. Longer jobs are cut into that many runs of equal length: the
/// first frame stands for the first run, the last for the last, and one drawn at random for each
/// other. Runs share frames where the number of frames is no multiple; each frame of the middle is
/// still drawn in proportion to its share, and none twice.
pub fn frames_to_probe(span: FrameSpan, seed: &QuoteSeed) -> Vec<FrameNumber> {
    let count = span.count();
    let frame = |place: u64| FrameNumber(span.first.0.saturating_add(place as u32));
    if count <= MOST_FRAMES {
        return (0..count).map(frame).collect();
    }
    let mut random = Random::new(&seed.0, b"frames", 0);
    let mut places: Vec<u64> = (0..MOST_FRAMES)
        .map(|run| match run {
            0 => 0,
            _ if run + 1 == MOST_FRAMES => count - 1,
            // A place on a scale on which each frame is as long as there are runs.
            _ => (run * count + random.below(count)) / MOST_FRAMES,
        })
        .collect();
    // Two runs that meet within a frame may both draw it.
    places.dedup();
    places.into_iter().map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(first: u32, last: u32) -> FrameSpan {
        FrameSpan { first: FrameNumber(first), last: FrameNumber(last) }
    }

    proptest! {
        #[test]
        fn frames_rise_lie_inside_and_include_both_ends(
            first in any::<u32>(), more in 0u32..1_000_000, seed in any::<[u8; 32]>(),
        ) {
            let last = first.saturating_add(more);
            let frames = frames_to_probe(span(first, last), &QuoteSeed(seed));
            prop_assert!(frames.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(frames[0].0, first);
            prop_assert_eq!(frames[frames.len() - 1].0, last);
            prop_assert!(frames.len() as u64 <= MOST_FRAMES);
            if span(first, last).count() <= MOST_FRAMES {
                prop_assert_eq!(frames.len() as u64, span(first, last).count());
            } else {
                prop_assert!(frames.len() as u64 > MOST_FRAMES / 2);
            }
        }
    }

    #[test]
    fn every_frame_of_the_middle_may_be_drawn() {
        let mut seen = [0u32; 100];
        for n in 0..=255 {
            for frame in frames_to_probe(span(0, 99), &QuoteSeed([n; 32])) {
                seen[frame.0 as usize] += 1;
            }
        }
        // The first and the last run have six frames and a quarter each, of which one is taken.
        assert!(seen[7..93].iter().all(|&times| times > 10), "{seen:?}");
        assert_eq!((seen[0], seen[3], seen[97], seen[99]), (256, 0, 0, 256));
    }
}
