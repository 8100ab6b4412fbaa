//! The connection between a gateway and its workers: who may open it, and how lanes share it.
//!
//! It knows nothing of segments, engines or publishing. A worker [`dial`]s, since a machine behind
//! a router can only dial out; the gateway's [`Acceptor`] hands out those that hold a lease.
//!
//! # Contract
//! - **Who.** The worker signs the gateway's fresh nonce with its node key; the caller's
//!   [`Authorise`] then says whether that node holds that lease. Until then a stranger costs a few
//!   kilobytes and [`HANDSHAKE`] at most, and only [`MAX_STRANGERS`] are heard at once,
//!   [`MAX_STRANGERS_OF_ONE`] of them from one address.
//! - **Secrecy.** TLS, with the certificate that the lease's pin names and no other. Plain TCP is
//!   dialled and accepted on loopback only.
//! - **Order.** Messages of one lane arrive in the order they were sent, a segment's
//!   [`Control::Claim`] after its units. Lanes share the line by turns: a burst on one lane holds
//!   another lane's message back by the rest of one message and what the kernel has taken already.
//! - **Bounds.** Each lane holds [`LANE_QUEUE`] bytes unsent, then [`Sender::send`] waits and
//!   [`Sender::tell`] closes; a receiver that doesn't read holds [`RECEIVE_QUEUE`] bytes, then the
//!   other side's sends wait.
//! - **Death.** Each side says something every [`BEAT`]; one that hears nothing for [`SILENCE`]
//!   closes. All halves of a closed connection say why.
//!
//! # For a gateway
//! ```text
//! let mut acceptor = Acceptor::bind(address, AcceptorConfig { gateway, certificate }, authorise).await?;
//! let (address, pin) = (acceptor.address(), acceptor.pin());
//! while let Some(peer) = acceptor.next().await {
//!     let (sender, mut receiver) = peer.connection.split();
//!     sender.send(Message { lane, body: Body::Begin(task) }).await?;
//!     loop {
//!         match receiver.recv().await? {
//!             Event::Media(message) => { /* Format, Coded, Done, Failed, Finished of message.lane */ }
//!             Event::Control(Control::Claim { lane, claim, signature }) => {
//!                 sender.tell(Control::Receipt(receipt));
//!             }
//!             Event::Control(_) => {}
//!         }
//!     }
//! }
//! ```
//!
//! Reading order: [`control`] (what is said beside media) → [`connection`] → [`acceptor`] and
//! [`dial`](mod@dial) → [`certificate`].
#![forbid(unsafe_code)]

pub mod acceptor;
pub mod certificate;
pub mod connection;
pub mod control;
pub mod dial;
mod handshake;
mod outbox;

pub use acceptor::{
    Acceptor, AcceptorConfig, AcceptorError, Authorise, HANDSHAKE, MAX_STRANGERS,
    MAX_STRANGERS_OF_ONE, Peer,
};
pub use certificate::{Certificate, CertificateError, NotAPin, Pin};
pub use connection::{
    BEAT, Closed, Connection, Event, LANE_QUEUE, RECEIVE_QUEUE, Receiver, SILENCE, Sender,
};
pub use control::Control;
pub use dial::{Dial, DialError, dial};
