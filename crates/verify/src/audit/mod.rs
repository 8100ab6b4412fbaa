//! The pixel audit: a few pixels of each unit of an exact job are computed again, and must be equal.
//!
//! 1. [`draw`] says which: they follow from the lease's secret and the node's commit, so the node
//!    could not know them when it signed, nor the master choose them when it saw the result.
//! 2. Whoever has the kernel computes them; that is not done here.
//! 3. [`judge`] compares. Sums are integers, so there is no tolerance and no honest difference.
//! 4. [`record`] says how hard the next result of that node is looked at.

pub mod draw;
pub mod judge;
pub mod record;

pub use draw::{Draws, Look, Seed, looks};
pub use judge::judge;
