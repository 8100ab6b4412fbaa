//! The gateway's end: lets in who holds a lease.

use crate::control::{Handshake, VERSION};
use crate::handshake::{self, Broken, Line, hear, say};
use crate::{Certificate, Connection, Pin};
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_protocol::commit::verify;
use tessera_protocol::stream::claim::dial_message;
use tessera_protocol::{GatewayId, LeaseId, NodeId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A handshake that takes longer ends.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections whose handshake is under way at once; one more is closed at once.
pub const MAX_STRANGERS: usize = 64;
/// Of those, from one address: a site's workers behind one router, all at once, and never all places.
pub const MAX_STRANGERS_OF_ONE: usize = 16;

/// Asked for each worker that proved its key: whether it holds this lease. The error is told to the
/// worker.
pub type Authorise =
    Arc<dyn Fn(NodeId, LeaseId) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Who accepts.
#[derive(Debug)]
pub struct AcceptorConfig {
    /// The gateway's name, which workers sign.
    pub gateway: GatewayId,
    /// What it shows; `None` accepts plain connections, on loopback only.
    pub certificate: Option<Certificate>,
}

/// A worker that was let in.
pub struct Peer {
    /// Its key.
    pub node: NodeId,
    /// The lease under which it came. A worker that dials again with the same lease is a new peer;
    /// the older connection is the caller's to close.
    pub lease: LeaseId,
    /// Where from.
    pub address: SocketAddr,
    /// The line to it.
    pub connection: Connection,
}

/// Why there is no acceptor.
#[derive(Debug, thiserror::Error)]
pub enum AcceptorError {
    /// The address cannot be listened on.
    #[error("cannot listen for workers on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Plain, and others could reach it.
    #[error(
        "workers would be spoken to without encryption on {0}, which others can reach: give the \
         gateway a certificate, or listen on loopback"
    )]
    Plain(SocketAddr),
    /// The certificate or its key is not usable.
    #[error("the certificate for workers cannot be used: {0}")]
    Certificate(String),
}

/// Listens until it is dropped. Handshakes run beside each other.
pub struct Acceptor {
    address: SocketAddr,
    pin: Option<Pin>,
    peers: mpsc::Receiver<Peer>,
    listening: JoinHandle<()>,
}

/// What every handshake needs.
struct Door {
    gateway: GatewayId,
    tls: Option<TlsAcceptor>,
    authorise: Authorise,
    peers: mpsc::Sender<Peer>,
}

impl Acceptor {
    /// Listens on `address`; port 0 takes any.
    pub async fn bind(
        address: SocketAddr,
        config: AcceptorConfig,
        authorise: Authorise,
    ) -> Result<Self, AcceptorError> {
        if config.certificate.is_none() && !address.ip().is_loopback() {
            return Err(AcceptorError::Plain(address));
        }
        let pin = config.certificate.as_ref().map(Certificate::pin);
        let tls = match config.certificate.map(Certificate::into_server_config).transpose() {
            Ok(tls) => tls.map(|tls| TlsAcceptor::from(Arc::new(tls))),
            Err(error) => return Err(AcceptorError::Certificate(error.to_string())),
        };
        let refused = |source| AcceptorError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (sender, peers) = mpsc::channel(MAX_STRANGERS);
        let door = Door { gateway: config.gateway, tls, authorise, peers: sender };
        let listening = tokio::spawn(listen(listener, Arc::new(door)));
        Ok(Self { address, pin, peers, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What workers have to pin; `None` if it is plain.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The next worker. `None` never comes while the acceptor lives. May be dropped and called
    /// again.
    pub async fn next(&mut self) -> Option<Peer> {
        self.peers.recv().await
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Whose handshakes are under way.
#[derive(Default)]
struct Strangers(Mutex<HashMap<IpAddr, usize>>);

/// A place among them, until it is dropped.
struct Place {
    address: IpAddr,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// Lets one more be heard, if there is a place.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = household(address);
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = inside.get(&address).copied().unwrap_or(0);
        if own >= MAX_STRANGERS_OF_ONE || inside.values().sum::<usize>() >= MAX_STRANGERS {
            return None;
        }
        inside.insert(address, own + 1);
        Some(Place { address, strangers: Arc::clone(self) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.strangers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.address);
            }
        }
    }
}

/// What stands for one stranger: an IPv4 address, or the network of 64 bits that a subscriber has
/// to choose addresses from.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

async fn listen(listener: TcpListener, door: Arc<Door>) {
    let strangers = Arc::new(Strangers::default());
    loop {
        let (tcp, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, most likely: those that are open have to end first.
                tracing::warn!("cannot accept a worker: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Some(place) = strangers.enter(address.ip()) else {
            tracing::debug!(%address, "closed: too many handshakes are under way");
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            match timeout(HANDSHAKE, door.let_in(tcp, address)).await {
                Ok(Ok(peer)) => {
                    drop(place);
                    // Without an acceptor there is nobody to dial.
                    let _ = door.peers.send(peer).await;
                }
                Ok(Err(because)) => tracing::debug!(%address, "not let in: {because}"),
                Err(_) => tracing::debug!(%address, "not let in: it took too long"),
            }
        });
    }
}

impl Door {
    async fn let_in(&self, tcp: TcpStream, address: SocketAddr) -> Result<Peer, String> {
        let broken = |error: &dyn std::fmt::Display| format!("the line broke: {error}");
        handshake::tune(&tcp).map_err(|error| broken(&error))?;
        let mut line: Line = match &self.tls {
            Some(tls) => Box::pin(tls.accept(tcp).await.map_err(|error| broken(&error))?),
            None => Box::pin(tcp),
        };
        match self.know(&mut line).await? {
            Ok((node, lease)) => {
                say(&mut line, &Handshake::Welcome).await.map_err(|error| broken(&error))?;
                Ok(Peer { node, lease, address, connection: Connection::open(line) })
            }
            Err(because) => {
                let refused = Handshake::Refused { because: because.clone() };
                say(&mut line, &refused).await.map_err(|error| broken(&error))?;
                Err(because)
            }
        }
    }

    /// Who is there; the inner error is told to it.
    async fn know(&self, line: &mut Line) -> Result<Result<(NodeId, LeaseId), String>, String> {
        let (version, node, lease) = match hear(line).await.map_err(in_words)? {
            Handshake::Hello { version, node, lease } => (version, node, lease),
            other => return Err(format!("it opened with {other:?}")),
        };
        if version != VERSION {
            return Ok(Err(handshake::other_version(version)));
        }
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let word = Handshake::Nonce { gateway: self.gateway, nonce };
        say(line, &word).await.map_err(|error| in_words(error.into()))?;
        let signature = match hear(line).await.map_err(in_words)? {
            Handshake::Proof { signature } => signature,
            other => return Err(format!("it answered a nonce by {other:?}")),
        };
        if !verify(node, &dial_message(node, self.gateway, lease, &nonce), &signature) {
            return Ok(Err(format!("the signature is not that of node {node}")));
        }
        Ok((self.authorise)(node, lease).await.map(|()| (node, lease)))
    }
}

fn in_words(broken: Broken) -> String {
    match broken {
        Broken::Line(error) => format!("the line broke: {error}"),
        Broken::Nonsense(what) => format!("it made no sense: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_never_has_all_places() {
        let strangers = Arc::new(Strangers::default());
        let enter = |address: &str| strangers.enter(address.parse().unwrap());
        let mut inside = Vec::new();
        for _ in 0..MAX_STRANGERS_OF_ONE {
            inside.push(enter("192.0.2.1").unwrap());
        }
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("::ffff:192.0.2.1").is_none(), "it is the same one");
        for n in 0..MAX_STRANGERS_OF_ONE {
            inside.push(enter(&format!("2001:db8:0:7::{n}")).unwrap());
        }
        assert!(enter("2001:db8:0:7:1::").is_none(), "it is of the same network");
        for n in 2 * MAX_STRANGERS_OF_ONE..MAX_STRANGERS {
            inside.push(enter(&format!("192.0.2.{n}")).unwrap());
        }
        assert!(enter("198.51.100.1").is_none(), "all places are taken");
        inside.remove(0);
        assert!(enter("192.0.2.1").is_some());
        inside.clear();
        assert!(strangers.0.lock().unwrap().is_empty());
    }
}
