//! The host's side of settlement: what a master, node or tool says to the on-chain program, and what
//! it reads there.
//!
//! [`instruction`] builds instructions and finds addresses, [`tree`] builds payout trees and their
//! proofs, [`accounts`] reads accounts. They know no socket and no clock; [`chain`] speaks to a chain's
//! RPC, and [`epoch`] takes an epoch from its opening to the last leaf. What they and the program
//! must agree on is in `tessera-settlement-abi`; which rules hold is in `settlement-program`, and
//! `tests/program` attacks the built program in a virtual machine.
//!
//! # Contract
//! - Amounts are base units of the farm's mint.
//! - An instruction built here takes its accounts in the program's order. Whether the program
//!   accepts it, it says itself; [`accounts::refusal`] puts its number into words.
//!
//! Reading order: [`accounts`] → [`instruction`] → [`tokens`] → [`tree`] → [`chain`] (the RPC) → [`epoch`].
#![forbid(unsafe_code)]

pub mod accounts;
pub mod chain;
pub mod epoch;
pub mod instruction;
pub mod tokens;
pub mod tree;

pub use tessera_settlement_abi as abi;
