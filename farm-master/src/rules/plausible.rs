//! Whether a claim's sums can be those of a segment of this ladder. What the pictures show is for
//! the gateway to compare; here nobody is paid for renditions that were not asked for, or for more
//! pixels than they can have.

use tessera_protocol::stream::{Ladder, Rendition, SegmentClaim};

/// Most frames a second of any source.
const FRAMES_PER_S: u64 = 240;
/// Longest segment, in milliseconds: a source without keyframes is cut at latest here.
const SEGMENT_MS: u64 = 60_000;
/// Widest picture: this many times its height.
const WIDTH_PER_HEIGHT: u64 = 8;
/// Most bytes of a rendition, as a multiple of what its bit rate gives for its time, beside a
/// constant for segments of a few frames.
const RATE: u64 = 16;
const BYTES: u64 = 4 << 20;

/// Why a claim cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Not the ladder's renditions.
    #[error("its renditions are not those of the session's ladder, in its order")]
    Renditions,
    /// A number that cannot be.
    #[error("{rendition} cannot have {value} {what}")]
    Sum {
        /// Of which rendition.
        rendition: String,
        /// Of what.
        what: &'static str,
        /// How many.
        value: u64,
    },
}

/// Checks a claim for a segment of `duration_ms`, where that is known; answers its pixels.
pub fn pixels(
    ladder: &Ladder,
    claim: &SegmentClaim,
    duration_ms: Option<u64>,
) -> Result<u64, Implausible> {
    let asked = ladder.renditions();
    let names = asked.iter().map(|rendition| &rendition.name);
    if !names.eq(claim.renditions.iter().map(|result| &result.rendition)) {
        return Err(Implausible::Renditions);
    }
    // Times of a source are rounded, and its last frame lasts: a second of tolerance.
    let ms = duration_ms.unwrap_or(SEGMENT_MS).min(SEGMENT_MS) + 1000;
    let mut sum = 0;
    for (rendition, result) in asked.iter().zip(&claim.renditions) {
        let cannot =
            |what, value| Implausible::Sum { rendition: rendition.name.to_string(), what, value };
        let frames = u64::from(result.frames);
        if frames == 0 || frames > FRAMES_PER_S * ms / 1000 {
            return Err(cannot("frames", frames));
        }
        if !result.pixels.is_multiple_of(frames) || !is_size(rendition, result.pixels / frames) {
            return Err(cannot("pixels", result.pixels));
        }
        if result.bytes == 0 || result.bytes > bytes_at_most(rendition, ms) {
            return Err(cannot("bytes", result.bytes));
        }
        sum += result.pixels;
    }
    Ok(sum)
}

fn is_size(rendition: &Rendition, pixels: u64) -> bool {
    let height = u64::from(rendition.height);
    (1..=height * height * WIDTH_PER_HEIGHT).contains(&pixels)
}

fn bytes_at_most(rendition: &Rendition, ms: u64) -> u64 {
    BYTES + u64::from(rendition.bits_per_s) / 8 * ms / 1000 * RATE
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::stream::SegmentNumber;
    use tessera_protocol::stream::claim::RenditionResult;
    use tessera_protocol::{GatewayId, Generation, LeaseId, MediaHash, NodeId, SessionId};

    fn claim(ladder: &Ladder) -> SegmentClaim {
        let result = |rendition: &Rendition| {
            let (width, height) = rendition.size_for(1280, 720);
            RenditionResult {
                rendition: rendition.name.clone(),
                frames: 60,
                pixels: 60 * u64::from(width) * u64::from(height),
                bytes: u64::from(rendition.bits_per_s) / 4,
                hash: MediaHash([1; 32]),
            }
        };
        SegmentClaim {
            node: NodeId([1; 32]),
            gateway: GatewayId([2; 32]),
            lease: LeaseId([3; 16]),
            session: SessionId([4; 16]),
            generation: Generation(1),
            segment: SegmentNumber(0),
            renditions: ladder.renditions().iter().map(result).collect(),
        }
    }

    #[test]
    fn an_honest_claim_passes_and_counts_its_pixels() {
        let ladder = Ladder::standard();
        let expected = 60 * (1280 * 720 + 854 * 480 + 640 * 360 + 426 * 240);
        assert_eq!(pixels(&ladder, &claim(&ladder), Some(2000)), Ok(expected));
        assert_eq!(pixels(&ladder, &claim(&ladder), None), Ok(expected));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let ladder = Ladder::standard();
        let changes: [fn(&mut SegmentClaim); 10] = [
            |claim| drop(claim.renditions.pop()),
            |claim| claim.renditions.swap(0, 1),
            |claim| claim.renditions.push(claim.renditions[0].clone()),
            |claim| claim.renditions[1] = claim.renditions[0].clone(),
            |claim| claim.renditions[0].frames = 0,
            |claim| claim.renditions[0].frames = u32::MAX,
            |claim| claim.renditions[0].pixels += 1,
            |claim| claim.renditions[0].pixels = u64::MAX,
            |claim| claim.renditions[3].bytes = 0,
            |claim| claim.renditions[3].bytes = 1 << 40,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = claim(&ladder);
            change(&mut changed);
            assert!(pixels(&ladder, &changed, Some(2000)).is_err(), "change {at}");
            assert!(pixels(&ladder, &changed, None).is_err(), "change {at}");
        }
        let mut long = claim(&ladder);
        for result in &mut long.renditions {
            result.frames *= 20;
            result.pixels *= 20;
        }
        assert!(pixels(&ladder, &long, Some(2000)).is_err(), "1200 frames in two seconds");
        assert!(pixels(&ladder, &long, Some(20_000)).is_ok());
    }
}
