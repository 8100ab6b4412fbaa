//! The books of a farm: double entry, in base units of the settlement mint.
//!
//! It says which postings follow from a cause, given the balances that they touch, and what always
//! holds of books that were kept so. It keeps no books: a store does, in the transaction in which the
//! cause happens. It knows no clock, chain or database, and no prices but those in receipts.
//!
//! ```text
//!            payers                          operator                       nodes
//!               │                                │                            │
//!           deposited                 reserve funded, bond funded        stake added
//!               ▼                                ▼                            ▼
//!            Wallet ───────┐            Reserve          Bond              Stake
//!               │   ▲      │ stream        │   ▲           │                  │
//!         quote │   │ job  │ funded  quote │   │ job       │ compensated      │ slashed
//!      accepted ▼   │ ended▼      accepted ▼   │ ended     ▼                  ▼
//!            Escrow     Stream           Carry          Rewarded       Slashed, Rewarded
//!               │          │ segments      │
//!               │ lease    │ delivered     │ lease verified, beyond the ceiling
//!      verified ▼          ▼               ▼
//!             Owed (node, purse) ⇄ Held (node, purse)      reversed: back to Escrow, Carry
//!      epoch opened │        stream ended: back to Wallet
//!                   ▼
//!                InEpoch
//!          leaf paid │  ╲ leaf skipped
//!                    ▼    ▼
//!                  Paid ◄ Claimable              Wallet ── withdrawn ──► Refunded
//! ```
//!
//! # Contract
//! - Every entry adds up to 0, and has at most one posting for an account. No account but
//!   [`Account::World`] (and the count's other side) is ever below zero.
//! - A cause is posted once ([`Cause::once`]): a second time it is refused and changes nothing.
//! - Work is paid only with a proof in hand ([`Verified`], [`Delivered`]), by the sum that follows from it.
//! - A job costs its payer no more than its ceiling, and the operator no more than the reserve set
//!   aside when the quote was accepted. What exceeds both is refused ([`LedgerError::OverrunRefused`]):
//!   the job pauses and asks, and its payer raises the ceiling or the operator what it carries.
//! - A purse's account in the books and its deposit on the chain agree once nothing is owed, held or in
//!   an epoch from it: an escrow is closed on the chain no sooner, or it would refund what is owed.
//! - What came in = what was paid, refunded, slashed and rewarded + what is in all other
//!   accounts. [`check()`] names whatever does not hold.
//!
//! Sums of one account are at most `i64::MAX`, so that any database holds them.
//!
//! Reading order: [`account`] → [`cause`] → [`proof`] → [`post`] → [`books`] → [`epoch`] → [`check()`].
#![forbid(unsafe_code)]

pub mod account;
pub mod books;
pub mod cause;
pub mod check;
pub mod epoch;
pub mod error;
pub mod proof;
mod rule;

pub use account::{Account, Payer, Posting, Purse};
pub use books::{Balances, Books, Known, ReplayError};
pub use cause::{CarryTerms, Cause, Entry, FeeTerms, Once, Share};
pub use check::{Checker, Violation, Watch, check};
pub use epoch::{EpochPlan, Leaf, epoch_leaves};
pub use error::{LedgerError, Need, Place};
pub use proof::{Delivered, Verified, delivered_pay};
pub use rule::post;
