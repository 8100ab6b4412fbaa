//! Whether what was measured is alike enough.
//!
//! Every threshold of the comparison is here. They were set on the tuning clips of `make bench`, at
//! a distance from the worst honest encode, and judged on its other clips.

use super::{Gain, Likeness, Overlay};

/// Bits of the perceptual hash that coding may change. Another picture changes half of them.
const HASH_BITS: u32 = 10;
/// Levels that a thumbnail's luma may be off, on average and at its worst sample.
const LUMA: (f32, f32) = (6.0, 32.0);
/// The same in chroma.
const CHROMA: (f32, f32) = (3.5, 26.0);
/// Least structural similarity of a frame, and of a tile.
const SSIM: (f32, f32) = (0.5, 0.4);
/// Levels that one spot may be off over all places, in luma and in chroma; and how much more for
/// each level that spots are off usually.
const OVERLAY: (f32, f32, f32) = (7.0, 15.0, 2.0);
/// Least of the fine and the coarse detail's kept shares, added: 2 if all is kept. It is
/// `DETAIL.0 + DETAIL.1 × levels of finest detail in the source`, up to `DETAIL.2`: the stronger an
/// edge, the less an encoder may take from it.
const DETAIL: (f32, f32, f32) = (0.65, 0.04, 1.05);
/// From how many levels of finest detail in the source its absence tells anything.
const DETAIL_SEEN: f32 = 1.5;
/// A frame this near to the moment beside it is of that one: how near at one place, and from how
/// many levels of motion in the source that tells anything.
const MOMENT: (f32, f32) = (0.1, 3.0);
/// The same where it is so at two places: an encoder may let one frame lag.
const MOMENT_AGAIN: (f32, f32) = (0.25, 2.0);
/// Least structural similarity of a rendition that takes less than this share of its bytes: whoever
/// saves bytes must have nothing left to spend them on.
const SPARE: [(f64, f32); 2] = [(0.35, 0.985), (0.55, 0.95)];

/// What speaks against a rendition.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Objection {
    /// Nothing was compared.
    #[error("no frame could be compared")]
    NoFrames,
    /// Frames that no decoder can use.
    #[error("{0} of its frames cannot be decoded")]
    Undecodable(u32),
    /// Another picture.
    #[error("its picture is another: {0} of 63 bits of its perceptual hash differ")]
    Picture(u32),
    /// Lighter or darker.
    #[error("its light is off by {mean:.1} levels on average and {worst:.0} at one spot")]
    Luma {
        /// Over a frame.
        mean: f32,
        /// At the worst sample of a thumbnail.
        worst: f32,
    },
    /// Other colours.
    #[error("its colours are off by {mean:.1} levels on average and {worst:.0} at one spot")]
    Chroma {
        /// Over a frame.
        mean: f32,
        /// At the worst sample of a thumbnail.
        worst: f32,
    },
    /// Too little likeness in a frame or a part of one.
    #[error("its structure is unlike: similarity {mean:.2}, and {tile:.2} in the worst tile")]
    Structure {
        /// Of the worst frame.
        mean: f32,
        /// Of the worst tile.
        tile: f32,
    },
    /// Something lies over the picture.
    #[error(
        "something lies over one spot throughout, {luma:.0} levels light and {chroma:.0} colour"
    )]
    Overlay {
        /// Levels of luma.
        luma: f32,
        /// Levels of chroma.
        chroma: f32,
    },
    /// Enlarged from a smaller size, or blurred.
    #[error(
        "it lacks detail, as if enlarged or blurred: {:.0} % of the finest is left, {:.0} % of the \
         next",
        100.0 * .fine, 100.0 * .coarse
    )]
    Detail {
        /// Share of the finest detail.
        fine: f32,
        /// Share of the next coarser.
        coarse: f32,
    },
    /// A frame of another moment.
    #[error("a frame is of another moment: repeated, late, or out of order")]
    Moment,
    /// Few bytes, and it shows.
    #[error("it takes {:.0} % of the bytes asked, and its similarity of {ssim:.3} shows it", 100.0 * .share)]
    Spare {
        /// Its bytes, as a share of those asked.
        share: f64,
        /// Structural similarity of its worst frame.
        ssim: f32,
    },
}

/// What speaks against a rendition that takes `share` of the bytes it was asked to; nothing, if it
/// is alike enough.
pub fn judge(likeness: &Likeness, share: f64) -> Vec<Objection> {
    let Likeness { luma, luma_worst, chroma, chroma_worst, ssim, ssim_tile, .. } = *likeness;
    if likeness.undecodable > 0 {
        return vec![Objection::Undecodable(likeness.undecodable)];
    }
    if likeness.frames == 0 {
        return vec![Objection::NoFrames];
    }
    let mut objections = Vec::new();
    let mut object = |fails: bool, objection| {
        if fails {
            objections.push(objection);
        }
    };
    object(likeness.hash_bits > HASH_BITS, Objection::Picture(likeness.hash_bits));
    object(luma > LUMA.0 || luma_worst > LUMA.1, Objection::Luma { mean: luma, worst: luma_worst });
    object(
        chroma > CHROMA.0 || chroma_worst > CHROMA.1,
        Objection::Chroma { mean: chroma, worst: chroma_worst },
    );
    object(
        ssim < SSIM.0 || ssim_tile < SSIM.1,
        Objection::Structure { mean: ssim, tile: ssim_tile },
    );
    let (over, over_chroma) = (likeness.overlay, likeness.overlay_chroma);
    let lies_over = |over: Overlay, most: f32| over.most > most + OVERLAY.2 * over.usual;
    object(
        lies_over(over, OVERLAY.0) || lies_over(over_chroma, OVERLAY.1),
        Objection::Overlay { luma: over.most, chroma: over_chroma.most },
    );
    let (fine, coarse) = (middle(&likeness.fine), middle(&likeness.coarse));
    let least = (DETAIL.0 + DETAIL.1 * fine.strength).min(DETAIL.2);
    object(
        fine.strength >= DETAIL_SEEN && fine.kept + coarse.kept < least,
        Objection::Detail { fine: fine.kept, coarse: coarse.kept },
    );
    let elsewhen = |(kept, strength): (f32, f32)| {
        let is_other = move |gain: &Gain| gain.strength >= strength && gain.kept < kept;
        likeness.moments.iter().filter(|place| place.iter().any(is_other)).count()
    };
    object(elsewhen(MOMENT) > 0 || elsewhen(MOMENT_AGAIN) > 1, Objection::Moment);
    let spare = SPARE.iter().any(|&(most, least)| share < most && ssim < least);
    object(spare, Objection::Spare { share, ssim });
    objections
}

/// The median in each respect: one place alone may be at its encoder's worst.
fn middle(gains: &[Gain]) -> Gain {
    let median = |of: fn(&Gain) -> f32| {
        let mut values: Vec<f32> = gains.iter().map(of).collect();
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Gain { kept: median(|gain| gain.kept), strength: median(|gain| gain.strength) }
}
