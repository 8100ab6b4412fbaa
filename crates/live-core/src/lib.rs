//! The rules of live streams: where a source's time lies on a session's timeline, where it is cut,
//! who transcodes which segment, who may publish, what is said about it all.
//!
//! It knows no clock, socket, file or task: units and times come in, decisions go out, and the same
//! values always give the same decision. The gateway's sessions and the master do what is decided.
//!
//! # Contract
//! A [`Now`] is read from one monotonic clock for as long as a value of this crate lives, and never
//! goes back from call to call.
//!
//! Reading order: [`timeline`] (the source's own times) → [`cut`] (segments, parts, and the sound
//! that belongs to them) → [`roster`] (how workers do) → [`dispatch`] (segments to workers) →
//! [`relay`] (the same in low latency, where one worker has all) → [`arrears`] (when that one is
//! overdue) → [`fence`] (when publishing must stop) → [`health`] (what is told to people) →
//! [`choose`] (which workers a session gets).
#![forbid(unsafe_code)]

pub mod arrears;
pub mod choose;
pub mod cut;
pub mod dispatch;
pub mod fence;
pub mod health;
pub mod relay;
pub mod roster;
pub mod timeline;

/// Time since a moment of the caller's choice, on a clock that never goes back.
pub type Now = std::time::Duration;
