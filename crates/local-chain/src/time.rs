//! Time on this chain: slots that follow the system's clock, and a blockhash for each.

use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a slot takes.
pub const SLOT_MS: u64 = 400;
/// A transaction may name the blockhash of the current slot or of one of this many before it.
pub const MAX_AGE_SLOTS: u64 = 150;
/// The chain's first slot: the VM counts features as active from their slots on the main network.
pub const FIRST_SLOT: u64 = litesvm::MAINNET_DEFAULT_SLOT;

/// Tells the time, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    // A system that is set before 1970 stands still there.
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A moment on this chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// The slot, which is also the block height: no slot is skipped here.
    pub slot: u64,
}

impl Moment {
    /// Seconds since 1970, as programs are told.
    pub fn unix_s(self) -> i64 {
        i64::try_from(self.unix_ms / 1000).unwrap_or(i64::MAX)
    }

    /// The moment at `unix_ms` on a chain that began at `genesis_ms`, or `self` if that is later:
    /// a clock that is set back stands still on the chain.
    #[must_use]
    pub fn advanced_to(self, unix_ms: u64, genesis_ms: u64) -> Self {
        let slot = FIRST_SLOT.saturating_add(unix_ms.saturating_sub(genesis_ms) / SLOT_MS);
        Self { unix_ms: self.unix_ms.max(unix_ms), slot: self.slot.max(slot) }
    }
}

/// The blockhash of a slot.
pub fn blockhash(genesis: &[u8; 32], slot: u64) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"tessera local chain blockhash");
    hasher.update(genesis);
    hasher.update(slot.to_le_bytes());
    hasher.finalize().into()
}

/// The slot whose blockhash this is, if a transaction may still name it at slot `now`.
pub fn slot_of(genesis: &[u8; 32], hash: &[u8; 32], now: u64) -> Option<u64> {
    let oldest = now.saturating_sub(MAX_AGE_SLOTS).max(FIRST_SLOT);
    (oldest..=now).rev().find(|&slot| blockhash(genesis, slot) == *hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_advances_by_slots_and_never_goes_back() {
        let start = Moment { unix_ms: 1_000, slot: FIRST_SLOT };
        assert_eq!(start.advanced_to(1_399, 1_000).slot, FIRST_SLOT);
        let later = start.advanced_to(1_400, 1_000);
        assert_eq!(later, Moment { unix_ms: 1_400, slot: FIRST_SLOT + 1 });
        assert_eq!(later.advanced_to(0, 1_000), later);
        assert_eq!(later.unix_s(), 1);
    }

    #[test]
    fn a_blockhash_is_good_for_150_slots_on_its_own_chain() {
        let (here, elsewhere) = ([1; 32], [2; 32]);
        let slot = FIRST_SLOT + 1_000;
        let hash = blockhash(&here, slot);
        assert_eq!(slot_of(&here, &hash, slot), Some(slot));
        assert_eq!(slot_of(&here, &hash, slot + MAX_AGE_SLOTS), Some(slot));
        assert_eq!(slot_of(&here, &hash, slot + MAX_AGE_SLOTS + 1), None);
        assert_eq!(slot_of(&here, &hash, slot - 1), None);
        assert_eq!(slot_of(&elsewhere, &hash, slot), None);
    }
}
