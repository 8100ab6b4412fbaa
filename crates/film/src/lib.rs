//! Integer sums of samples: adding them up to a frame, packing them, turning them into pictures.
//!
//! It renders nothing, reads no file and knows no job: sums come in, bytes go out. Everything here
//! is a pure function of its arguments, and its bytes are the same on every machine.
//!
//! # Contract
//! A [`Film`] becomes a [`Frame`] only when every sample of every pixel was added once; what is
//! missing or came twice is an error that names the place. So whoever holds a frame may show it,
//! hash it and pay for it.
//!
//! ```
//! use tessera_film::{Film, exr, pack, png};
//! use tessera_protocol::{PixelSum, SampleRange, TileRect};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sums = vec![PixelSum { r: 1 << 25, g: 1 << 24, b: 0, rays: 9 }; 8];
//! let wire = pack::pack(&sums);
//!
//! let mut film = Film::new(4, 2, 2);
//! let tile = TileRect { x: 0, y: 0, width: 4, height: 2 };
//! film.add(tile, SampleRange { start: 0, end: 2 }, &pack::unpack(&wire, 8, 1024)?)?;
//! let picture = film.finish()?.picture();
//! assert_eq!(picture.pixels()[0], [1.0, 0.5, 0.0]);
//!
//! let seed = [("seed".to_string(), "7".to_string())].into();
//! let (linear, display) = (exr::encode(&picture, &seed)?, png::encode(&picture)?);
//! # assert!(!linear.is_empty() && !display.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`film`] (sums to a frame) → [`picture`] (a frame as light) → [`view`] (light as
//! numbers for a display) → [`mod@exr`], [`mod@png`] (files) → [`pack`] (sums on the wire); [`watermark`], [`preview`]
//! (a frame that is not whole).
#![forbid(unsafe_code)]

pub mod exr;
pub mod film;
pub mod pack;
pub mod picture;
pub mod png;
pub mod preview;
pub mod view;
pub mod watermark;

pub use film::{Film, FilmError, Frame};
pub use picture::Picture;
