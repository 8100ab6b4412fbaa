//! Whether work is what it claims to be: pixels of a render, segments of a stream.
//!
//! Pixels of an exact job are computed again and must be equal ([`audit`]). Units of a tolerant job are
//! rendered twice and must be alike ([`alike`]). For segments there are
//! two checks, the cheap one always and the dear one on a secret share of segments, chosen after
//! they were delivered. Pure rules: nothing here decodes, reads files, or knows a network; who
//! calls it brings the units, or the decoded frames.
//!
//! # Contract
//! - [`audit`] is exact: it never rejects what the kernel gives, and what it rejects it rejects with
//!   one pixel that anybody can compute again.
//! - [`alike`] has thresholds, set far from what honest devices were measured to do (`bench alike`);
//!   where two results differ, the kernel's twin says which of them is right.
//! - [`structure`] refuses what a player would stumble over and what a claim says wrongly. What it
//!   takes may still show anything: black frames have a perfect structure.
//! - [`segment`] says how alike pictures and their source are, and judges that. It is a
//!   measurement with error rates; `make bench` prints them. One refusal is ground to lease the
//!   segment again and to look closer at the worker, never alone proof of deceit.
//! - Neither trusts what a worker sent: no input panics, and work is linear in the bytes given.
//!
//! Reading order: [`audit`] → [`alike`]; [`structure`] → [`segment`].
#![forbid(unsafe_code)]

pub mod alike;
pub mod audit;
pub mod segment;
pub mod structure;
