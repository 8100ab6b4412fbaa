//! How alike a rendition's pictures and its source's are, and whether that is alike enough.
//!
//! Frames are chosen by a secret seed after delivery ([`choose`]): a few places of the segment, and
//! at each a few frames in a row, so that motion can be judged too. Whoever decodes hands both
//! sides' frames to [`measure`]; what it returns is numbers, and [`judge`] alone knows thresholds. What follows for a worker is in
//! [`record`].

mod detail;
mod gain;
pub(crate) mod hash;
pub(crate) mod image;
mod judge;
pub mod record;
mod ssim;
#[cfg(test)]
mod tests;

use self::detail::detail;
pub use self::gain::Gain;
use self::gain::gain;
use self::hash::hash;
use self::image::{Filter, Image};
pub use self::judge::{Objection, judge};
use self::ssim::ssim;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Places of a segment that are looked at.
pub const PLACES: usize = 3;
/// Frames in a row at each place.
pub const IN_A_ROW: usize = 3;

/// One plane of a picture, 8 bits a sample.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    width: usize,
    height: usize,
    stride: usize,
    data: &'a [u8],
}

impl<'a> Plane<'a> {
    /// Rows of `width` samples, `stride` apart; `None` if `data` is too short for them, or if there
    /// are none.
    pub fn new(width: usize, height: usize, stride: usize, data: &'a [u8]) -> Option<Self> {
        let need = height.checked_sub(1)?.checked_mul(stride)?.checked_add(width)?;
        (width > 0 && stride >= width && data.len() >= need).then_some(Self {
            width,
            height,
            stride,
            data,
        })
    }

    fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// A decoded picture, 4:2:0.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Luma.
    pub y: Plane<'a>,
    /// Blue difference.
    pub cb: Plane<'a>,
    /// Red difference.
    pub cr: Plane<'a>,
}

/// The same moment of both sides.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The source's picture.
    pub source: Picture<'a>,
    /// The rendition's, of any size.
    pub rendition: Picture<'a>,
}

/// Which of a rendition's `frames` (by their number in order of presentation) to look at: up to
/// [`PLACES`] stretches of up to [`IN_A_ROW`], in order, none overlapping another, each somewhere
/// in its own part of the segment.
pub fn choose(seed: u64, frames: usize) -> Vec<Range<usize>> {
    let places = PLACES.min(frames / IN_A_ROW).max(1);
    let mut state = seed;
    let mut draw = |below: usize| {
        // SplitMix64: the seed is secret and used once, so it need not be stronger.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * below as u128) >> 64) as usize
    };
    let place = |n: usize| {
        let (start, end) = (frames * n / places, frames * (n + 1) / places);
        let length = IN_A_ROW.min(end - start);
        let first = start + draw(end - start - length + 1);
        first..first + length
    };
    (0..places).map(place).filter(|range| !range.is_empty()).collect()
}

/// How alike a rendition and its source are. No field is a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Likeness {
    /// Frames that were compared.
    pub frames: u32,
    /// Frames of the rendition that were to be decoded, and could not be.
    pub undecodable: u32,
    /// Bits of 63 in which the perceptual hashes differ, at worst.
    pub hash_bits: u32,
    /// Difference of 32 × 18 thumbnails, the mean over samples of the worst frame.
    pub luma: f32,
    /// The same, of the worst sample.
    pub luma_worst: f32,
    /// The same as `luma` in blue and red difference.
    pub chroma: f32,
    /// The same, of the worst sample.
    pub chroma_worst: f32,
    /// Structural similarity, the mean over the worst frame.
    pub ssim: f32,
    /// Structural similarity of the worst tile of any frame.
    pub ssim_tile: f32,
    /// Finest detail, at each place.
    pub fine: Vec<Gain>,
    /// Fine detail, at each place.
    pub coarse: Vec<Gain>,
    /// How much nearer each frame is to its own moment than to the one before or after: 1 if it is
    /// exact, 0 if it is the other. At each place, for each frame and each neighbour.
    pub moments: Vec<Vec<Gain>>,
    /// What lasts at one spot over all places and is not the source's, in luma.
    pub overlay: Overlay,
    /// The same in chroma.
    pub overlay_chroma: Overlay,
}

/// What lasts over all places and is not the source's, in levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// At the spot where it is most.
    pub most: f32,
    /// The root mean square of all that is not the source's, over all spots and places.
    pub usual: f32,
}

/// Measures a rendition beside its source: the frames of each place that [`choose`] named.
pub fn measure(places: &[Vec<Pair<'_>>]) -> Likeness {
    let mut likeness = Likeness::of_nothing();
    let mut overlays: Vec<[Image; 3]> = Vec::new();
    for place in places.iter().filter(|place| !place.is_empty()) {
        let middle = &place[place.len() / 2];
        likeness.whole_picture(middle);
        let small: Vec<Small> = place.iter().map(Small::of).collect();
        for small in &small {
            likeness.thumbnails(small);
        }
        let neighbours =
            small.windows(2).flat_map(|pair| [(&pair[0], &pair[1]), (&pair[1], &pair[0])]);
        likeness.moments.push(neighbours.map(|(own, other)| moment(own, other)).collect());
        let first = &small[0];
        overlays.push(std::array::from_fn(|plane| first.rest(plane)));
        likeness.frames += place.len() as u32;
    }
    for plane in 0..3 {
        let found = lasting(&overlays.iter().map(|planes| &planes[plane]).collect::<Vec<_>>());
        let of = if plane == 0 { &mut likeness.overlay } else { &mut likeness.overlay_chroma };
        if found.most > of.most {
            *of = found;
        }
    }
    likeness
}

/// What lasts at each spot over all of `rests`: the least of them, if they have one sign.
fn lasting(rests: &[&Image]) -> Overlay {
    let Some((first, others)) = rests.split_first() else { return Overlay::default() };
    let least = |(n, &rest): (usize, &f32)| {
        let least = others.iter().map(|other| other.samples[n]).fold(rest, |least, rest| {
            if rest * least <= 0.0 {
                0.0
            } else if rest.abs() < least.abs() {
                rest
            } else {
                least
            }
        });
        least.abs()
    };
    let most = first.samples.iter().enumerate().map(least).fold(0.0, f32::max);
    let squares = rests.iter().flat_map(|rest| &rest.samples).map(|rest| rest * rest);
    let count = first.samples.len() * rests.len();
    Overlay { most, usual: (squares.sum::<f32>() / count.max(1) as f32).sqrt() }
}

fn moment(own: &Small, other: &Small) -> Gain {
    let signal = own.source[0].with(&other.source[0], |own, other| own - other);
    let seen = own.rendition[0].with(&other.source[0], |own, other| own - other);
    let blocks = (signal.width / 4) * (signal.height / 4);
    gain(&signal, &seen, 4, (blocks / 20).max(8))
}

/// Both sides of a frame, each sample a mean of 4 × 4 of the rendition's (in chroma, 8 × 8).
struct Small {
    source: [Image; 3],
    rendition: [Image; 3],
}

impl Small {
    fn of(pair: &Pair<'_>) -> Self {
        let luma = &pair.rendition.y;
        let size = |by: usize| (luma.width.div_ceil(by), luma.height.div_ceil(by));
        let planes = |picture: &Picture<'_>| {
            let small = |plane: &Plane<'_>, (width, height)| {
                Image::resized_of(plane, width, height, Filter::Area)
            };
            [small(&picture.y, size(4)), small(&picture.cb, size(8)), small(&picture.cr, size(8))]
        };
        Self { source: planes(&pair.source), rendition: planes(&pair.rendition) }
    }

    /// The rendition less the source, each sample a mean of 8 × 8 of the rendition's luma.
    fn rest(&self, plane: usize) -> Image {
        let rest = self.rendition[plane].with(&self.source[plane], |a, b| a - b);
        if plane == 0 {
            let sums = rest.block_sums(2);
            sums.with(&sums, |sum, _| sum / 4.0)
        } else {
            rest
        }
    }
}

impl Likeness {
    fn of_nothing() -> Self {
        Self {
            frames: 0,
            undecodable: 0,
            hash_bits: 0,
            luma: 0.0,
            luma_worst: 0.0,
            chroma: 0.0,
            chroma_worst: 0.0,
            ssim: 1.0,
            ssim_tile: 1.0,
            fine: Vec::new(),
            coarse: Vec::new(),
            moments: Vec::new(),
            overlay: Overlay::default(),
            overlay_chroma: Overlay::default(),
        }
    }

    fn whole_picture(&mut self, pair: &Pair<'_>) {
        let rendition = Image::of(&pair.rendition.y);
        let (width, height) = (rendition.width, rendition.height);
        let source = Image::resized_of(&pair.source.y, width, height, Filter::Cubic);
        self.hash_bits = self.hash_bits.max(hash(&source).distance(&hash(&rendition)));
        let ssim = ssim(&source, &rendition);
        self.ssim = self.ssim.min(ssim.mean);
        self.ssim_tile = self.ssim_tile.min(ssim.worst_tile);
        let blocks = (source.width / 8) * (source.height / 8);
        let blocks = (blocks / 50).max(16);
        self.fine.push(detail(&source, &rendition, 0.75, blocks));
        self.coarse.push(detail(&source, &rendition, 0.45, blocks));
    }

    fn thumbnails(&mut self, small: &Small) {
        for plane in 0..3 {
            let thumbnail = |image: &Image| image.resized(32, 18, Filter::Area);
            let (a, b) = (thumbnail(&small.source[plane]), thumbnail(&small.rendition[plane]));
            let apart = a.with(&b, |a, b| (a - b).abs()).samples;
            let mean = apart.iter().sum::<f32>() / apart.len() as f32;
            let worst = apart.iter().copied().fold(0.0, f32::max);
            let (of, of_worst) = if plane == 0 {
                (&mut self.luma, &mut self.luma_worst)
            } else {
                (&mut self.chroma, &mut self.chroma_worst)
            };
            *of = of.max(mean);
            *of_worst = of_worst.max(worst);
        }
    }
}
