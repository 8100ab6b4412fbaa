//! The rules of the farm: what a job is cut into, who may have which part of it, what a result
//! must be to count, and why something waits.
//!
//! It knows no clock, database, socket or thread: values come in, decisions go out, and the same
//! values always give the same decision. Time, randomness and everything stored are the caller's.
//!
//! Contract: a stored [`Chunk`](chunk::Chunk) is changed only by its own methods, and what they
//! return is stored together with it in one transaction. Then each unit of a job is in exactly one
//! [`UnitState`](chunk::UnitState), and enters the result once.
//!
//! Reading order: [`plan`] (units and the order of frames) → [`chunk`] (where each unit stands) → [`mosaic`] (a frame's tiles) →
//! [`turn`] (whose work comes next) → [`lease`] (how much a node gets, and until when) → [`accept`] (what a submit must be) →
//! [`straggler`] (who takes too long) → [`retry`] (when to stop trying) → [`job`] (the states of a job) → [`why`] (said in words).
#![forbid(unsafe_code)]

pub mod accept;
pub mod chunk;
pub mod job;
pub mod lease;
pub mod mosaic;
pub mod plan;
pub mod retry;
pub mod straggler;
pub mod turn;
pub mod why;
