//! The path-tracing kernel, twice: WGSL for GPUs and a Rust twin that gives the same bits.
