//! The tree of hashes over a unit's pixels: its root is what a node signs of them.
//!
//! Whoever has the root can be shown one pixel, with the few hashes on its way up, and nothing else
//! of the unit. A leaf is [`LEAF_PIXELS`] neighbouring pixels in row order, the last one perhaps
//! fewer; a node is the hash of two below it, and one that has no partner goes up as it is. Leaves say
//! how many pixels the unit has and which leaf they are, so that no two units share a root, nor does a
//! leaf pass for a node.

use crate::{PixelSum, ResultRoot};
use serde::{Deserialize, Serialize};

/// Pixels of a leaf: a proof shows at most this many.
pub const LEAF_PIXELS: usize = 16;
/// Most hashes from a leaf to the root: of 2^32 leaves.
const MAX_DEPTH: usize = 32;

const LEAF: &[u8] = b"tessera pixel leaf v1\0";
const NODE: &[u8] = b"tessera pixel node v1\0";

type Hash = [u8; 32];

/// One pixel of a unit, and what shows that it is under a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelProof {
    /// Pixels of the whole unit.
    pub pixels: u32,
    /// The leaf that holds the pixel.
    pub leaf: Vec<PixelSum>,
    /// The partners on the way up, the lowest first.
    pub path: Vec<ResultRoot>,
}

/// The root over `pixels`, row by row from the top left.
pub fn root(pixels: &[PixelSum]) -> ResultRoot {
    let mut level = leaves(pixels);
    while level.len() > 1 {
        level = above(&level);
    }
    ResultRoot(level.first().copied().unwrap_or_else(|| leaf(0, 0, &[])))
}

/// Proof of pixel `index`; `None` where there is none of that number.
pub fn prove(pixels: &[PixelSum], index: usize) -> Option<PixelProof> {
    let mut at = index / LEAF_PIXELS;
    let leaf = pixels.chunks(LEAF_PIXELS).nth(at)?;
    leaf.get(index % LEAF_PIXELS)?;
    let mut path = Vec::new();
    let mut level = leaves(pixels);
    while level.len() > 1 {
        path.extend(level.get(at ^ 1).copied().map(ResultRoot));
        level = above(&level);
        at /= 2;
    }
    Some(PixelProof { pixels: u32::try_from(pixels.len()).ok()?, leaf: leaf.to_vec(), path })
}

impl PixelProof {
    /// The value of pixel `index` under `root`; `None` where this is no proof of it.
    pub fn pixel(&self, root: ResultRoot, index: u32) -> Option<PixelSum> {
        if index >= self.pixels || self.path.len() > MAX_DEPTH {
            return None;
        }
        let (mut at, mut width) =
            (index as usize / LEAF_PIXELS, (self.pixels as usize).div_ceil(LEAF_PIXELS));
        let whole = at + 1 < width || (self.pixels as usize).is_multiple_of(LEAF_PIXELS);
        let pixels = if whole { LEAF_PIXELS } else { self.pixels as usize % LEAF_PIXELS };
        if self.leaf.len() != pixels {
            return None;
        }
        let mut hash = leaf(self.pixels, at as u32, &self.leaf);
        let mut path = self.path.iter();
        while width > 1 {
            if at ^ 1 < width {
                let partner = path.next()?.0;
                hash = if at.is_multiple_of(2) {
                    node(&hash, &partner)
                } else {
                    node(&partner, &hash)
                };
            }
            (at, width) = (at / 2, width.div_ceil(2));
        }
        let proven = path.next().is_none() && hash == root.0;
        proven.then(|| self.leaf.get(index as usize % LEAF_PIXELS).copied())?
    }
}

fn leaves(pixels: &[PixelSum]) -> Vec<Hash> {
    let count = pixels.len() as u32;
    let leaves = pixels.chunks(LEAF_PIXELS).zip(0..);
    leaves.map(|(pixels, index)| leaf(count, index, pixels)).collect()
}

fn above(level: &[Hash]) -> Vec<Hash> {
    let pair = |pair: &[Hash]| match pair {
        [left, right] => node(left, right),
        alone => alone[0],
    };
    level.chunks(2).map(pair).collect()
}

fn leaf(count: u32, index: u32, pixels: &[PixelSum]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LEAF).update(&count.to_le_bytes()).update(&index.to_le_bytes());
    let mut bytes = [0; LEAF_PIXELS * PixelSum::BYTES];
    for (slot, pixel) in bytes.chunks_exact_mut(PixelSum::BYTES).zip(pixels) {
        slot.copy_from_slice(&pixel.to_bytes());
    }
    hasher.update(&bytes[..pixels.len() * PixelSum::BYTES]);
    *hasher.finalize().as_bytes()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(NODE).update(left).update(right);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pixels(count: usize) -> Vec<PixelSum> {
        let pixel = |n: u64| PixelSum { r: n, g: n * 3, b: 7, rays: n + 1 };
        (0..count as u64).map(pixel).collect()
    }

    #[test]
    fn every_pixel_of_every_size_is_proven_and_as_no_other() {
        for count in [1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 100, 256, 257] {
            let pixels = pixels(count);
            let root = root(&pixels);
            for index in 0..count {
                let proof = prove(&pixels, index).unwrap();
                assert_eq!(
                    proof.pixel(root, index as u32),
                    Some(pixels[index]),
                    "{index} of {count}"
                );
                for other in (0..=count as u32).filter(|&other| other != index as u32) {
                    let shown = proof.pixel(root, other);
                    // Neighbours in a leaf are proven by the same hashes.
                    let neighbour = other as usize / LEAF_PIXELS == index / LEAF_PIXELS;
                    let expected = pixels.get(other as usize).copied().filter(|_| neighbour);
                    assert_eq!(shown, expected, "{index} as {other} of {count}");
                }
            }
            assert_eq!(prove(&pixels, count), None);
        }
    }

    #[test]
    fn a_root_says_how_many_pixels_there_are() {
        let mut roots: Vec<_> = (0..70).map(|count| root(&pixels(count))).collect();
        roots.sort_unstable();
        roots.dedup();
        assert_eq!(roots.len(), 70);
        assert_ne!(root(&[PixelSum::default(); 16]), root(&[PixelSum::default(); 17]));
    }

    proptest! {
        #[test]
        fn a_changed_pixel_or_proof_is_noticed(
            count in 1usize..200, index in any::<prop::sample::Index>(), bit in 0usize..256,
            place in any::<prop::sample::Index>(),
        ) {
            let pixels = pixels(count);
            let (root, index) = (root(&pixels), index.index(count));
            let mut changed = pixels.clone();
            let mut bytes = changed[index].to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed[index] = PixelSum::from_bytes(&bytes);
            prop_assert_ne!(super::root(&changed), root);
            let proof = prove(&changed, index).unwrap();
            prop_assert_eq!(proof.pixel(root, index as u32), None);

            let proof = prove(&pixels, index).unwrap();
            let mut forged = proof.clone();
            if proof.path.is_empty() {
                forged.path.push(root);
            } else {
                forged.path[place.index(proof.path.len())].0[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert_eq!(forged.pixel(root, index as u32), None);
            let other = PixelProof { pixels: proof.pixels + 1, ..proof };
            prop_assert_eq!(other.pixel(root, index as u32), None);
        }
    }
}
