//! Quotes of real scenes: known answers, how often they're wrong, and what follows when they are.

#[path = "../support/mod.rs"]
mod support;

mod checked;
mod known;
mod overrun;
mod seeds;

use tessera_protocol::{MasterId, QuoteSeed, RayPrice};

const MASTER: MasterId = MasterId([9; 32]);
/// 0.5 tokens for 10^9 rays.
const PRICE: RayPrice = RayPrice(500_000);
/// 100,000 times as much, for small jobs whose sums rounding shall not rule.
const DEAR: RayPrice = RayPrice(PRICE.0 * 100_000);
const NOW_MS: i64 = 1_800_000_000_000;

fn seed(n: u32) -> QuoteSeed {
    let mut bytes = [5; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    QuoteSeed(bytes)
}
