//! The worker's end.

use crate::acceptor::HANDSHAKE;
use crate::certificate::{client_config, server_name};
use crate::control::{Handshake, VERSION};
use crate::handshake::{self, Broken, Line, hear, say};
use crate::{Connection, Pin};
use std::io;
use std::sync::Arc;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::dial_message;
use tessera_protocol::{GatewayId, LeaseId};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Whom to dial, and as who.
pub struct Dial<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// Who must answer.
    pub gateway: GatewayId,
    /// The certificate that must be shown; `None` dials plain, on loopback only.
    pub pin: Option<Pin>,
    /// The lease.
    pub lease: LeaseId,
    /// The lease's holder.
    pub key: &'a NodeKey,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody there, or the line broke.
    #[error("cannot reach the gateway at {address}: {source}")]
    Reach {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Plain, and not on loopback.
    #[error("the gateway at {0} offers no encryption, and is not on this machine: not dialled")]
    Plain(String),
    /// Somebody else's certificate.
    #[error("what answers at {0} does not show the certificate that the lease names")]
    Pin(String),
    /// Another gateway, or no gateway at all.
    #[error("what answers at {address} is not the gateway of the lease: {because}")]
    Stranger {
        /// Where.
        address: String,
        /// What it said instead.
        because: String,
    },
    /// The gateway said no.
    #[error("the gateway refused: {0}")]
    Refused(String),
}

/// Dials and proves who it is, within [`HANDSHAKE`].
pub async fn dial(whom: Dial<'_>) -> Result<Connection, DialError> {
    let late = || whom.unreachable(io::ErrorKind::TimedOut.into());
    timeout(HANDSHAKE, whom.dial()).await.map_err(|_| late())?
}

impl Dial<'_> {
    async fn dial(&self) -> Result<Connection, DialError> {
        let mut line = self.line().await?;
        let hello = Handshake::Hello { version: VERSION, node: self.key.node(), lease: self.lease };
        say(&mut line, &hello).await.map_err(|error| self.unreachable(error))?;
        let nonce = match self.answer(&mut line).await? {
            Handshake::Nonce { gateway, nonce } if gateway == self.gateway => nonce,
            Handshake::Nonce { gateway, .. } => {
                return Err(self.stranger(format!("it is gateway {gateway}")));
            }
            other => return Err(self.stranger(format!("it said {other:?}"))),
        };
        let message = dial_message(self.key.node(), self.gateway, self.lease, &nonce);
        let proof = Handshake::Proof { signature: self.key.sign(&message) };
        say(&mut line, &proof).await.map_err(|error| self.unreachable(error))?;
        match self.answer(&mut line).await? {
            Handshake::Welcome => Ok(Connection::open(line)),
            other => Err(self.stranger(format!("it said {other:?}"))),
        }
    }

    /// The line, encrypted where it has to be.
    async fn line(&self) -> Result<Line, DialError> {
        let addresses = lookup_host(self.address).await.map_err(|error| self.unreachable(error))?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            if self.pin.is_none() && !address.ip().is_loopback() {
                return Err(DialError::Plain(self.address.to_owned()));
            }
            match TcpStream::connect(address).await {
                Ok(tcp) => return self.secure(tcp).await,
                Err(error) => last = error,
            }
        }
        Err(self.unreachable(last))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Line, DialError> {
        handshake::tune(&tcp).map_err(|error| self.unreachable(error))?;
        let Some(pin) = self.pin else { return Ok(Box::pin(tcp)) };
        let config = client_config(pin).map_err(|error| self.stranger(error.to_string()))?;
        match TlsConnector::from(Arc::new(config)).connect(server_name(), tcp).await {
            Ok(tls) => Ok(Box::pin(tls)),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                if let Some(rustls::Error::InvalidCertificate(_)) = inner {
                    return Err(DialError::Pin(self.address.to_owned()));
                }
                Err(self.unreachable(error))
            }
        }
    }

    async fn answer(&self, line: &mut Line) -> Result<Handshake, DialError> {
        match hear(line).await {
            Ok(Handshake::Refused { because }) => Err(DialError::Refused(because)),
            Ok(word) => Ok(word),
            Err(Broken::Line(error)) => Err(self.unreachable(error)),
            Err(Broken::Nonsense(what)) => Err(self.stranger(what)),
        }
    }

    fn unreachable(&self, source: io::Error) -> DialError {
        DialError::Reach { address: self.address.to_owned(), source }
    }

    fn stranger(&self, because: String) -> DialError {
        DialError::Stranger { address: self.address.to_owned(), because }
    }
}
