//! The GPU owner's agent and the renderers' host.
//!
//! It renders frames of glTF scenes: alone, from a file to a picture ([`render`]), or for a farm
//! ([`agent`]). It decides nothing about jobs, money or other nodes.
//!
//! Contract: whatever the backend, the cut into tiles and the ranges of samples, the integers of a
//! pixel are the same. A device that cannot promise that gets no exact work.
//!
//! Map: [`render`] (backends, the scene's source, conformance) → [`renderer`] (the process that they live in) → [`house`] (when the machine may be used) →
//! [`agent`] (lease, render, commit) → `install` (as a service, on Linux) → [`update`] (of its program) → `main.rs`
//! and [`commands`] (the command line); [`machine`] is what all of them ask the operating system.

pub mod agent;
pub mod commands;
pub mod house;
#[cfg(target_os = "linux")]
pub mod install;
pub mod machine;
pub mod render;
pub mod renderer;
pub mod update;
