//! Money of jobs and streams.
//!
//! Reading order: `quotes` → `pay` → `escrows` → `streams` → `epochs` → `chain`; the books themselves are in
//! [`super::ledger`].

pub(super) mod chain;
pub(super) mod epochs;
pub(super) mod escrows;
pub(super) mod pay;
pub(super) mod quotes;
pub(super) mod streams;
