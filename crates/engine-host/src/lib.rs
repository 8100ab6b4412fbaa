//! The engine as a child process: shut in before it reads a byte, watched, and replaced when it
//! dies.
//!
//! Two processes use it. The engine calls [`jail::enter`] first thing. Gateway, worker and
//! `transcoder file` start engines by [`Engine::start`] or an [`EnginePool`] and speak
//! [`tessera_media::wire`] with them over pipes. It neither decodes nor encodes, and knows no
//! network.
//!
//! # Contract
//! - After [`jail::enter`] the child opens no file, socket or process, maps no code, and takes no
//!   more memory than it was given; [`Jail`] says what enforces it. How many threads it begins is
//!   not limited here, as the kernel counts those by user: that takes a limit on whatever all
//!   engines run in.
//! - A child that dies, spins, hangs or talks nonsense ends its own lane with an [`EngineError`] that
//!   says how, and no other process.
//! - Neither side's silence costs memory: what is on its way to and from a child is bounded.
//! - A lane that is dropped before it is over ends its child, and a child ends with its parent.
//!
//! # For an engine
//! ```text
//! fn main() -> ExitCode {
//!     let (limits, rest) = match Limits::from_args(std::env::args_os().skip(1)) { … };
//!     let jail = match jail::enter(&limits) { Ok(jail) => jail, Err(error) => { eprintln!("{error}"); return 3.into() } };
//!     if rest.first().is_some_and(|word| word == "probe") { return probe::run(&rest[1..]); }
//!     serve(stdin, stdout, jail.input)
//! }
//! ```
//!
//! Reading order: [`jail`] → [`host`] (one child, one lane) → [`pool`] (children kept ready) →
//! [`probe`] (what a child tries to show that the jail holds).

pub mod host;
pub mod jail;
pub mod pool;
pub mod probe;

pub use host::{
    Engine, EngineConfig, EngineError, Lane, LaneReceiver, LaneSender, program_beside_this_one,
};
pub use jail::{Jail, JailError, Limits};
pub use pool::EnginePool;
