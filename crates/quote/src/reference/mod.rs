//! The reference tree, and how many steps rays take in it.
//!
//! No backend traces by it: it stands for what any tree would cost, and stays as it is while
//! backends grow faster, so that a scene's factor doesn't depend on who looked or with what. It
//! reads a frame's triangles, instances and camera, and nothing of materials and light.
//!
//! Trees have two levels as every backend's have: one over each mesh in its own space, one over the
//! instances. In one tree over all triangles in the world, a forest of one tree's copies would
//! take the memory of a forest. All arithmetic is IEEE 754's `+ − × ÷` and correctly rounded roots,
//! each rounded once and never fused: the same steps on every machine.

pub mod calibration;
pub mod rays;
pub mod steps;
pub mod tree;
pub mod walk;
