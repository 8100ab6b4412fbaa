//! The HTTP client of the farm: `/v1` for people's programs, `/node/v1` for nodes.
//!
//! It speaks the master's route table in the types of [`tessera_protocol`] and nothing else: it
//! holds no state of the farm, reads no files but those it transfers, and prints nothing.
//!
//! # Contract
//! - Calls that do the same thing once or ten times are repeated while the failure may pass, within
//!   the client's patience: reading, uploading (files are named by their hash), submitting a job
//!   (under an idempotency key), pausing and the like. A node's calls are made once; the node's own
//!   loop knows better when to come back.
//! - Plain HTTP stays on this machine: see [`MasterAddress`].
//! - A downloaded file appears under its name only when it is whole.
//! - Every [`ClientError`] reads as one sentence that says what to do.
//!
//! Nothing here panics on what a master, or something in its place, answers.
//!
//! ```no_run
//! use tessera_client::{Client, MasterAddress, PlainHttp, no_progress};
//! # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let master = MasterAddress::parse("http://127.0.0.1:7878", PlainHttp::LoopbackOnly)?;
//! let client = Client::new(master, Some(token))?;
//! let upload = client.upload("teapot.glb".as_ref(), no_progress()).await?;
//! println!("stored as {}", upload.blob);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`address`] → [`error`] → `transport` (one call, and when to repeat it) →
//! [`people`] → `transfer` (files) → `sse` and [`events`] → [`node`].
#![forbid(unsafe_code)]

pub mod address;
pub mod backoff;
pub mod error;
pub mod events;
pub mod node;
pub mod people;
mod sse;
mod transfer;
mod transport;

pub use address::{AddressError, MasterAddress, PlainHttp};
pub use backoff::Backoff;
pub use error::ClientError;
pub use events::JobEvents;
pub use node::{Enrolment, NodeClient};
pub use people::{Artefact, Client};
pub use transfer::{Progress, Transferred, no_progress};
