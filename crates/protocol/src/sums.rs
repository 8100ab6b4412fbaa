//! What a pixel of an exact job is: integers.

use crate::ResultHash;
use serde::{Deserialize, Serialize};

/// One unit of a sum is 2^-24 of radiance.
pub const QUANTUM_LOG2: i32 = -24;

/// The sums of one pixel over a range of samples. Sums of disjoint ranges add up exactly, in any
/// order: that is why a tile can be cut and spread at will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PixelSum {
    /// Linear Rec.709 red, in quanta.
    pub r: u64,
    /// Linear Rec.709 green, in quanta.
    pub g: u64,
    /// Linear Rec.709 blue, in quanta.
    pub b: u64,
    /// Closest-hit and shadow queries traced.
    pub rays: u64,
}

impl PixelSum {
    /// Bytes of a sum on the wire and under a hash.
    pub const BYTES: usize = 32;

    /// Adds `other`; `None` where a sum would overflow, which honest samples cannot reach.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            r: self.r.checked_add(other.r)?,
            g: self.g.checked_add(other.g)?,
            b: self.b.checked_add(other.b)?,
            rays: self.rays.checked_add(other.rays)?,
        })
    }

    /// Little-endian r, g, b, rays.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip([self.r, self.g, self.b, self.rays]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |i: usize| {
            let mut le = [0; 8];
            le.copy_from_slice(&bytes[8 * i..8 * i + 8]);
            u64::from_le_bytes(le)
        };
        Self { r: word(0), g: word(1), b: word(2), rays: word(3) }
    }
}

/// The hash of a result: blake3 over its pixels' bytes, row by row from the top left.
pub fn hash(pixels: &[PixelSum]) -> ResultHash {
    let mut hasher = blake3::Hasher::new();
    for pixel in pixels {
        hasher.update(&pixel.to_bytes());
    }
    ResultHash(*hasher.finalize().as_bytes())
}

/// Rays of all pixels together.
pub fn rays(pixels: &[PixelSum]) -> u64 {
    pixels.iter().fold(0, |sum, pixel| sum.saturating_add(pixel.rays))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_and_one_quantum_changes_the_hash() {
        let sum = PixelSum { r: 1, g: u64::MAX, b: 3 << 40, rays: 9 };
        assert_eq!(PixelSum::from_bytes(&sum.to_bytes()), sum);
        assert_ne!(hash(&[sum]), hash(&[PixelSum { b: sum.b + 1, ..sum }]));
        assert_eq!(sum.checked_add(sum), None);
    }
}
