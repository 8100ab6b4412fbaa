//! A worker's line to a gateway that is this test, with real engines.
//!
//! The engine's program has to be built: `cargo build --release -p tessera-engine`.

mod gateway;
mod jail;
mod lanes;
mod mishaps;
