//! What the on-chain program and all who call it must agree on, byte for byte.
//!
//! The program is compiled for another processor by another compiler; the master, nodes and tests
//! are not. Whatever both sides must read alike is here and nowhere else: the layout of instructions
//! and accounts, the seeds of addresses, error numbers, the hashing of the payout tree, and the
//! short headers that are signed off the chain and judged on it.
//!
//! It holds no rule of the program (who may do what is decided in `settlement-program`), derives no
//! address and computes no hash: both need a library on one side and a system call on the other, so
//! the hash function is passed in. It has no dependency and never allocates.
//!
//! # Contract
//! - All integers are little-endian. Amounts are base units of the farm's mint, times are seconds of
//!   Unix time, names say so.
//! - `decode(x.encode()) == Some(x)`, and `decode` takes nothing but the exact length and only
//!   values that mean something: it never panics, whatever the bytes.
//! - Numbers once given (tags, error codes, domains) are never given again. A layout that changes
//!   gets a new version or a new domain.
//!
//! ```
//! use tessera_settlement_abi::signed::VoucherHeader;
//!
//! let voucher = VoucherHeader { channel: [7; 32], cumulative: 1_500_000 };
//! let bytes = voucher.encode();
//! assert_eq!(VoucherHeader::decode(&bytes), Some(voucher));
//! assert_eq!(VoucherHeader::decode(&bytes[1..]), None);
//! ```
//!
//! Reading order: [`signed`] → [`account`] → [`instruction`] → [`tree`] → [`seeds`] → [`error`];
//! [`field`] is how bytes become values.
#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
pub mod field;
pub mod account;
pub mod error;
pub mod instruction;
pub mod seeds;
pub mod signed;
pub mod tree;

/// An Ed25519 public key, or the address of an account.
pub type Key = [u8; 32];

/// A SHA-256 hash, or a BLAKE3 hash of something that stays off the chain.
pub type Hash = [u8; 32];

/// A job, stream or lease as the farm names it: 16 bytes of a UUID.
pub type Id = [u8; 16];

/// Decimals of the only mints a farm may settle in: a base unit is a millionth.
pub const MINT_DECIMALS: u8 = 6;

/// The whole of something, in basis points.
pub const WHOLE_BPS: u16 = 10_000;

/// The most guardians a farm may have.
pub const GUARDIANS_MAX: usize = 5;

/// The most leaves a payout tree may have. With one level more, the proof of a run would not fit into
/// a legacy transaction of 1,232 bytes beside the run's accounts.
pub const LEAVES_MAX: u32 = 4_096;

/// Leaves paid by one `push`, and the alignment of where it starts.
pub const PUSH_LEAVES: usize = 16;

/// No window of a farm may be longer than this: 30 days.
pub const WINDOW_S_MAX: u32 = 30 * 86_400;

/// A job's money may be held for no longer than this without its artist's way out: 400 days.
pub const JOB_S_MAX: i64 = 400 * 86_400;

/// An epoch that is neither payable nor cancelled this long after its window, and the same window
/// once more, may be cancelled by anyone: nobody can hold drawn money by doing nothing, nor by
/// challenges that are rejected again and again. 7 days.
pub const ABANDONED_S: i64 = 7 * 86_400;

/// The least time a payee has to redeem vouchers after its payer asked to close: a minute.
pub const GRACE_S_MIN: u32 = 60;

/// A reporter gets no more than this of what is slashed, or a node would report itself: a half.
pub const REPORTER_SHARE_BPS_MAX: u16 = 5_000;

/// A share of an amount in basis points, rounded down. Exact for every amount, without 128 bits.
///
/// `bps` may be at most [`WHOLE_BPS`]; what is above counts as the whole.
#[must_use]
pub const fn share(amount: u64, bps: u16) -> u64 {
    let whole = WHOLE_BPS as u64;
    let bps = if bps > WHOLE_BPS { whole } else { bps as u64 };
    // amount = whole·q + r, and amount·bps/whole = q·bps + r·bps/whole.
    amount / whole * bps + amount % whole * bps / whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_at_both_ends_and_rounds_down() {
        for amount in [0, 1, 9_999, 10_000, 10_001, u64::MAX - 1, u64::MAX] {
            for bps in [0, 1, 3_333, 5_000, 9_999, 10_000] {
                let exact = u128::from(amount) * u128::from(bps) / 10_000;
                assert_eq!(u128::from(share(amount, bps)), exact, "{bps} bps of {amount}");
            }
        }
        assert_eq!(share(5, u16::MAX), 5, "never more than the whole");
    }
}
