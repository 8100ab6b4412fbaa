//! The words of Tessera: ids, settings, units of work, commits, and the wire types of its interfaces.
//!
//! It does no I/O, reads no clock and holds no rule of the farm: a type here means the same thing
//! to the artist's command line, to the master and to a node, and that is all.
//!
//! Contract: whatever arrives from outside is one of these types *after* its `validate`; the limits
//! are constants beside the types they bound. Hashes and keys are lower-case hexadecimal in JSON.
//!
//! Reading order: [`ids`] → [`sums`] (what a pixel is) → [`tile`] (how a frame is cut) →
//! [`settings`] → [`job`] → [`lease`] (what a node is given) → [`commit`] (what it signs) →
//! [`submit`] (how results travel) → [`node`] → [`token`] (who may do what) → [`problem`] (how a
//! refusal is said).
#![forbid(unsafe_code)]

pub mod commit;
pub mod ids;
pub mod job;
pub mod lease;
pub mod node;
pub mod problem;
pub mod settings;
pub mod submit;
pub mod sums;
pub mod tile;
pub mod token;

pub use ids::*;
pub use sums::PixelSum;
pub use tile::{SampleRange, TileRect};
