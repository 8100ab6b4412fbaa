//! The path-tracing kernel, twice: WGSL for GPUs and a Rust twin that gives the same bits.
//!
//! It renders what a [`layout::CanonicalScene`] holds and knows nothing of files, devices or
//! threads. What makes the same bits come out everywhere is in [`cpu::math`] (arithmetic) and
//! [`cpu::intersect`] (the canonical hit).
//!
//! Contract: a pixel is a pure function of the canonical scene, the sample's number and the
//! pixel's place. The trees of [`bvh`] are no part of it: any tree gives the same hits. The kernel
//! does not check indices on a GPU, so scenes come from `tessera-scene`, which validates them.
//!
//! Map: [`layout`] (buffers) → [`bvh`] (trees over them) → [`bvh4`] (the same for the CPU) → [`cpu`]
//! (the twin, stage by stage) → [`wgsl`] (the same for GPUs) → [`sums`] (pixels of a tile).
#![forbid(unsafe_code)]

pub mod albedo;
pub mod bvh;
pub mod bvh4;
pub mod cpu;
pub mod layout;
pub mod sums;
pub mod wgsl;
