//! One coded picture, or one coded frame of sound.

use crate::Ticks;
use bytes::Bytes;

/// An access unit: what a decoder takes at once.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// When it is shown.
    pub pts: Ticks,
    /// When it is decoded: never after `pts`, and rising from unit to unit.
    pub dts: Ticks,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// The coded bytes, as the crate's contract says for each codec.
    pub data: Bytes,
}

impl AccessUnit {
    /// Bytes that keeping it takes, roughly: also a unit without any data takes some.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.data.len()
    }
}

impl std::fmt::Debug for AccessUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = if self.keyframe { " keyframe" } else { "" };
        write!(f, "unit of {} bytes at {} ({} decoded){key}", self.data.len(), self.pts, self.dts)
    }
}

/// Hashes the units of one rendition of one segment, in decoding order: the hash that a worker
/// signs and a gateway compares.
#[derive(Default)]
pub struct UnitHasher(blake3::Hasher);

impl UnitHasher {
    /// Takes the next unit. Widths are fixed and lengths precede what they measure, so no two
    /// sequences of units are the same bytes.
    pub fn unit(&mut self, unit: &AccessUnit) {
        self.0.update(&unit.pts.0.to_le_bytes());
        self.0.update(&unit.dts.0.to_le_bytes());
        self.0.update(&[u8::from(unit.keyframe)]);
        self.0.update(&(unit.data.len() as u64).to_le_bytes());
        self.0.update(&unit.data);
    }

    /// The hash of all units taken.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
