//! The built program in a virtual machine: what it does, and what it refuses.
//!
//! Each attack is a test of its own and must fail with the refusal that is meant for it: another
//! one would say that the check which should have caught it never ran. Run by
//! `cargo test --release -p tessera-settlement --test program`; `-- --nocapture cost` prints compute
//! units and sizes.

mod accounts;
mod accusations;
mod challenges;
mod channels;
mod cost;
mod coverage;
mod epochs;
mod guardians;
mod payment;
mod standing;
mod walk;
#[allow(
    unreachable_pub,
    reason = "this is a program of tests: nothing is reachable from elsewhere"
)]
mod world;
