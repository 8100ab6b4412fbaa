//! The words of Tessera: ids, settings, units of work, commits, and the wire types of its interfaces.
//!
//! It does no I/O, reads no clock and holds no rule of the farm: a type here means the same thing
//! to the artist's command line, to the master and to a node, and that is all.
//!
//! Contract: whatever arrives from outside is one of these types *after* its `validate`; the limits
//! are constants beside the types they bound. Hashes and keys are lower-case hexadecimal in JSON.
//!
//! Reading order: [`ids`] → [`sums`] (what a pixel is) → [`tile`] (how a frame is cut) →
//! [`settings`] → [`job`] → [`memory`] (what its scene takes) → [`lease`] (what a node is given) → [`terms`] (what it is promised) → [`tree`] and [`commit`] (what it signs) →
//! [`submit`] (how results travel) → [`verdict`] → [`receipt`] → [`audit`] (who looks) → [`node`] → [`house`] (whose guest it is) → [`money`] → [`finance`] → [`stream`] (live video) → [`webhook`] (who is told) → [`mosaic`] (a frame under way) → [`token`] (who may do what) → [`account`] (who people are) → [`address`]
//! (what the internet is) → [`tus`] (how files come in) → [`problem`] (how a refusal is said) → [`release`] (which programs nodes take).
#![forbid(unsafe_code)]

pub mod account;
pub mod address;
pub mod audit;
pub mod commit;
pub mod finance;
pub mod house;
pub mod ids;
pub mod job;
pub mod lease;
pub mod log;
pub mod memory;
pub mod money;
pub mod mosaic;
pub mod node;
pub mod problem;
pub mod quote;
pub mod receipt;
pub mod release;
pub mod settings;
pub mod stream;
pub mod submit;
pub mod sums;
pub mod terms;
pub mod tile;
pub mod token;
pub mod tree;
pub mod tus;
pub mod verdict;
pub mod webhook;

pub use ids::*;
pub use money::{Amount, PixelPrice, RayPrice, SceneFactor, Tier};
pub use sums::PixelSum;
pub use tile::{SampleRange, TileRect};
