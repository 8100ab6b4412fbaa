//! Chain and epochs against a real VM with the built program, behind an endpoint that errs on
//! demand. Time is virtual: what takes a minute of waiting takes none here.
//!
//! `cargo test --release -p tessera-settlement --test chain -- --nocapture cost` prints what payouts
//! cost.

mod cost;
mod endpoint;
mod epochs;
mod plan;
mod sending;
mod surfpool;
mod world;
