//! H.264 as bytes: NAL units, parameter sets, and the configuration record. No picture is decoded.
//!
//! NAL units travel in two ways: *length-prefixed*, which is how [`tessera_media`] has them (four
//! bytes of length before each), and *Annex B*, with start codes between them, as MPEG transport
//! streams do. [`Picture::from_annex_b`] and [`Picture::from_length_prefixed`] take either to the
//! first; [`to_annex_b`] leads back.
//!
//! Reading order: [`nal`] → [`sps`] → [`config`].

pub mod config;
pub mod nal;
pub mod sps;

pub use config::{DecoderConfig, MAX_PPS, MAX_SET_BYTES, MAX_SPS};
pub use nal::{NalKind, Picture, annex_b_units, length_prefixed_units, to_annex_b};
pub use sps::Sps;

/// Bytes that are no H.264.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum H264Error {
    /// A NAL unit announces more bytes than there are.
    #[error("a NAL unit of {length} bytes where {left} are left")]
    Length {
        /// Bytes announced.
        length: usize,
        /// Bytes there are.
        left: usize,
    },
    /// A NAL unit without a byte.
    #[error("an empty NAL unit")]
    Empty,
    /// Lengths take 1, 2 or 4 bytes.
    #[error("lengths of {0} bytes; they take 1, 2 or 4")]
    LengthSize(u8),
    /// A sequence parameter set that cannot be read.
    #[error("a sequence parameter set cannot be read: {0}")]
    Sps(&'static str),
    /// A configuration record that cannot be read or made.
    #[error("a decoder configuration record (avcC) cannot be used: {0}")]
    Config(&'static str),
}
