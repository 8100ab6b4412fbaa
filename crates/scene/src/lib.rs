//! glTF 2.0 to the canonical scene that the kernel renders.
#![forbid(unsafe_code)]

mod accessor;
mod alias;
mod animation;
mod asset;
mod camera;
mod document;
mod environment;
mod error;
mod extensions;
mod frame;
mod glb;
mod graph;
mod light;
mod limits;
mod material;
mod math;
mod mesh;
mod picture;
mod radiance;
mod tangent;
mod validate;

pub use asset::Asset;
pub use camera::CameraInfo;
pub use error::{Note, Report, SceneError};
pub use frame::View;
pub use limits::Limits;
pub use validate::{Invalid, validate};

/// blake3 over the kernel: the names and contents of the sources of this crate and of
/// `tessera-shaders`, and the locked versions of the decoders. A job pins it: renderers with
/// another id may make other pixels.
pub const KERNEL_ID: [u8; 32] = include!(concat!(env!("OUT_DIR"), "/kernel_id.rs"));
