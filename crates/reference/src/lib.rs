//! From files to frames, and any pixel of them by the kernel's twin: what a node prepares its
//! backends with, and what audits and disputes are decided by.
//!
//! It reads no files and no network: whoever calls it brings the bytes, and has checked their hash.
//! It does not say which pixels matter or what follows from them; that is `tessera_verify`'s.
//!
//! # Contract
//! - [`Source::frame`] and [`sums`] are pure functions of the files, the settings and the pixel, the
//!   same bits on every machine and with any number of threads.
//! - Nothing here panics on a scene that was made to harm: [`Source::load`] reads under limits.
//!
//! Reading order: [`source`] → [`inputs`] (what a device reads of a frame) → [`pixels`].
#![forbid(unsafe_code)]

pub mod inputs;
pub mod pixels;
pub mod source;

pub use pixels::{Pixel, sums};
pub use source::{NO_LIGHT, PreparedFrame, Source, SourceError, kernel_id};
