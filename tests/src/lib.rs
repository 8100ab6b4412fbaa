//! Whole-system tests and the world they run in.
//!
//! Nothing here is a stand-in: the tests run the built programs as processes, real Vulkan drivers,
//! real files. Contract: each test makes its own world and leaves nothing behind.
//!
//! Map: [`vulkan`] (drivers that run on a processor) → [`process`] → [`farm`] (master and nodes) → [`machine`] (what they are installed on) →
//! [`cheat`] (how to be paid for nothing) → [`puppet`] (a node that does as it is told) → [`bank`] (a chain, and who pays) → [`surfpool`] (one that others wrote) →
//! [`proxy`] (the lines between them) → [`studio`] (gateways and workers) → [`test_picture`] (frames
//! that say their numbers) → [`publisher`] (who sends them) → [`browser`] (where one is) → [`player`]
//! (who watches them) → [`walk`] (people on the portal) → [`spread`] and [`usage`] (what things took) →
//! the tests, listed in `Cargo.toml`.

pub mod bank;
pub mod browser;
pub mod cheat;
pub mod farm;
pub mod machine;
pub mod player;
pub mod process;
pub mod proxy;
pub mod publisher;
pub mod puppet;
pub mod spread;
pub mod studio;
pub mod surfpool;
pub mod test_picture;
pub mod usage;
pub mod vulkan;
pub mod walk;
