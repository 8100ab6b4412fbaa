//! Whole-system tests and the world they run in.
//!
//! Nothing here is a stand-in: the tests run the built programs as processes, real Vulkan drivers,
//! real files. Contract: each test makes its own world and leaves nothing behind.
//!
//! Map: [`vulkan`] (drivers that run on a processor) → [`farm`] (processes) → the tests, listed in
//! `Cargo.toml`.

pub mod farm;
pub mod vulkan;
