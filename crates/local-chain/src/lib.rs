//! A chain of one machine: the real programs in a real VM, behind the JSON-RPC that wallets speak.
//!
//! For trying and testing Tessera's settlement without any network, and for farms whose operator
//! wants accounts kept by the same program without a public chain. The VM is LiteSVM with the
//! main network's features, system and token programs; the money is play money.
//!
//! It is not a validator: no votes, no stake, no other machine. What it says, one operator says.
//! No durable nonces, no subscriptions, and of JSON-RPC only what [`rpc`] lists.
//!
//! # Contract
//! - A transaction is answered after it is in the journal and synced. So it is final at once, and
//!   all commitments mean the same here.
//! - The state is a function of the journal: a start replays it and has every account bit by bit as
//!   before. A torn end is cut off; anything else that is unreadable is refused in words.
//! - Time never goes back. A slot takes 400 ms of the system's clock, has a blockhash of its own,
//!   and a transaction may name that of the last 150.
//! - A signature is executed once, whenever it comes again.
//! - After an error of the disk nothing is acknowledged until the process starts again.
//! - How each transaction ended is known for ever; its bytes, logs and fee for the last
//!   [`vm::DETAILS_KEPT`].
//!
//! ```
//! use tessera_local_chain::{Config, LocalChain, system_clock};
//! # let folder = tempfile::tempdir()?;
//! let state = folder.path().join("chain");
//! let chain = LocalChain::open(Config { state, clock: system_clock(), programs: vec![] })?;
//! let wallet = solana_address::Address::new_from_array([7; 32]);
//! chain.airdrop(&wallet, 1_000_000_000)?;
//! chain.hand_out(&wallet, 25_000_000)?; // 25 of the play token
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: [`time`] (slots, blockhashes) → [`record`] and [`journal`] (what is kept) → [`vm`]
//! (what follows from it) → [`chain`] (both in step) → [`faucet`] → [`rpc`] (questions and answers)
//! → [`http`].
#![forbid(unsafe_code)]

pub mod chain;
pub mod faucet;
pub mod http;
pub mod journal;
pub mod record;
pub mod rpc;
pub mod time;
pub mod vm;

pub use chain::{Config, LocalChain, OpenError, Refusal};
pub use http::serve;
pub use time::{Clock, system_clock};

use solana_address::Address;

/// Where the settlement program is on every chain of this kind.
pub const SETTLEMENT_PROGRAM: Address =
    Address::from_str_const("TesseraSett1ement11111111111111111111111111");

/// The programs of this repository: settlement, as it lies there built.
#[must_use]
pub fn own_programs() -> Vec<(Address, Vec<u8>)> {
    let elf = include_bytes!("../../../settlement-program/tessera_settlement.so");
    vec![(SETTLEMENT_PROGRAM, elf.to_vec())]
}
