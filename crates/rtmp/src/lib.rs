//! RTMP as two sides speak it, sans-IO: what a server hears from a source, and what a source says
//! to a server.
//!
//! It opens no connection and knows no media: bytes go in, steps and bytes come out. It speaks the
//! plain handshake, AMF0, and publishing; it plays nothing.
//!
//! # Contract
//! - Whatever the other side sends, nothing here panics, recurses without end, or takes memory that
//!   was merely claimed: lengths, counts and depths have limits, and a message of media is refused
//!   before it is expected. After an error a connection is of no more use.
//! - Chunk streams may be interleaved. Times have 32 bits and wrap; who uses them unwraps them.
//! - [`server::Session`] gives nothing of a source's media before [`server::Session::accept`].
//!
//! The crate `rml_rtmp` does the same and more, but keeps one unfinished message for all chunk
//! streams, so that interleaved ones are mixed and their lengths underflow, and follows nested values
//! as deep as the other side likes, which ends the process.
//!
//! Reading order: [`amf`] (values) → [`chunk`] (messages) → `talk` (what both sides say) →
//! [`server`], [`client`].
#![forbid(unsafe_code)]

pub mod amf;
pub mod chunk;
pub mod client;
pub mod server;
mod talk;

pub use talk::SessionError;
