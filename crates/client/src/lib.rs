//! The HTTP client of the farm: `/v1` for people's programs, `/node/v1` for nodes and workers,
//! `/gateway/v1` for gateways, `/auditor/v1` for auditors, and `/downloads` for releases.
//!
//! It speaks the master's route table in the types of [`tessera_protocol`] and nothing else: it
//! holds no state of the farm, reads no files but those it transfers, and prints nothing. Two features are
//! for programs that work for a master: `arguments` (whom to work for) and `status` (the file in which they
//! keep what they were told of themselves). A third, `scenes`, is for those that are given scenes by people:
//! it makes one file of a `.gltf` and what it names.
//!
//! # Contract
//! - Calls that do the same thing once or ten times are repeated while the failure may pass, within
//!   the client's patience: reading, uploading (files are named by their hash), submitting a job
//!   (under an idempotency key), pausing and the like. The calls of nodes, workers and gateways are
//!   made once; their own loops know better when to come back.
//! - Plain HTTP stays on this machine: see [`MasterAddress`]. A master on this machine is spoken to
//!   without the proxy that the environment may name.
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
//! Reading order: [`address`] (and `arguments`, for command lines) → [`error`] → `transport` (one call, and when to repeat it) →
//! [`people`] → `transfer` (files) → `scene_file` → `sse` and [`events`] → `streams` → `money` → [`node`] → [`worker`] →
//! `status` → [`gateway`] → [`auditor`] → [`releases`].
#![forbid(unsafe_code)]

pub mod address;
#[cfg(feature = "arguments")]
pub mod arguments;
pub mod auditor;
pub mod backoff;
pub mod error;
pub mod events;
pub mod gateway;
mod money;
pub mod node;
pub mod people;
pub mod releases;
#[cfg(feature = "scenes")]
pub mod scene_file;
mod sse;
#[cfg(feature = "status")]
pub mod status;
mod streams;
mod transfer;
mod transport;
mod upload;
pub mod worker;

pub use address::{AddressError, MasterAddress, PlainHttp};
#[cfg(feature = "arguments")]
pub use arguments::{MasterArguments, MasterArgumentsError};
pub use auditor::AuditorClient;
pub use backoff::Backoff;
pub use error::ClientError;
pub use events::JobEvents;
pub use gateway::GatewayClient;
pub use node::{Enrolment, NodeClient};
pub use people::{Artefact, Client};
pub use releases::Releases;
#[cfg(feature = "status")]
pub use status::{Status, StatusError};
pub use transfer::{Progress, Transferred, no_progress};
pub use worker::WorkerClient;
