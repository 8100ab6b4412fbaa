//! What a render job will cost at most, from a few of its pixels.
//!
//! The master looks at random pixels of a job whose scene and settings are fixed, counts their rays,
//! counts how many steps rays of that scene take, and signs a ceiling. Whoever has the files can look
//! at the same pixels and see that it's the ceiling that the rule gives. Nothing here knows a clock, a
//! socket, a database or whom anything is paid to.
//!
//! # The rule
//! 1. **Frames.** All of a job with up to 16 frames; otherwise 16: the first, the last, and one drawn at
//!    random from each run between ([`frames`]).
//! 2. **Pixels.** 16,384 samples of pixels in all frames together, as many in each. A frame's pixels
//!    in reading order are cut into equal strata, of which each gives one pixel, and of that pixel one
//!    sample at random. If the bound is more than 3 % above the mean, all of it once more with 65,536. A
//!    job with no more samples than that is counted whole ([`probe`]). Counted in samples and never in
//!    seconds, it is the same look on each machine; on one core it takes a tenth of a second to a
//!    second or two, and preparing the frames.
//! 3. **Rays at most.** The mean over the samples and a width above it that only one of 1000 seeds
//!    exceeds, whatever the distribution of rays ([`bound`]), times all samples of the job.
//! 4. **Margin.** The width covers frames that were looked at. For others: 3 standard errors of the
//!    frames' mean, by the squares of differences between neighbours in time. That's a
//!    rule of thumb: of a film of hard cuts, two of 200 seeds gave too low a ceiling. And no sample can
//!    find what is hidden in a frame that nobody looks at. Both are the reserve's risk ([`overrun`]),
//!    not the artist's. Tolerant jobs count each ray twice, and 5 % for third opinions.
//! 5. **Factor.** The weight of rays in a reference tree over that in a calibration scene, in coarse
//!    steps ([`factor`]).
//! 6. **Ceiling.** Rays at most × factor × highest price × (1 + margin), rounded up ([`offer`]).
//!
//! # Contract
//! - Everything is a pure function of files, specification, seed and price: integers, and IEEE 754's
//!   exactly rounded operations in a fixed order. What is signed has no float.
//! - Draw the secret after the job's files and specification are fixed; see
//!   [`tessera_protocol::quote`] for what the seed binds and what it can't.
//! - The factor predicts what a ray costs to within a fifth or so, and doesn't know textures, light or
//!   transparency; `examples/predict` prints how well it does.
//! - No input panics; sums that don't fit are refused.
//!
//! Reading order: [`frames`] → [`probe`] over [`bound`] → [`reference`] → [`factor`] → [`look`] (all of
//! that) → [`offer`] → [`check`] (by a reader) → [`overrun`] (when it was wrong).
#![forbid(unsafe_code)]

pub mod bound;
pub mod check;
pub mod factor;
pub mod frames;
pub mod look;
pub mod offer;
pub mod overrun;
pub mod probe;
mod random;
pub mod reference;

pub use check::{Asked, Difference, Field, check};
pub use factor::{check_factor, scene_factor};
pub use look::{Look, look};
pub use offer::{offer, outlook};
pub use overrun::{Decision, Reserve, Standing, decide};
pub use probe::Probe;
