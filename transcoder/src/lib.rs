//! Live streams: the gateway that takes sources in, and the worker that transcodes them.
//!
//! No FFmpeg is linked here: all decoding and encoding is done by a child process, `engine`.
//!
//! Reading order: [`state`] (who a gateway or a worker is) → [`gateway`] → [`work`] → [`file`] (a ladder
//! with neither).
#![forbid(unsafe_code)]

pub mod file;
pub mod gateway;
pub mod state;
pub mod work;
