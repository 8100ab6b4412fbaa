//! A gateway that lets one worker in, a line that can be cut, and a worker that lies.

use bytes::BytesMut;
use futures::FutureExt;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tessera_link::{Acceptor, AcceptorConfig, Authorise, Certificate, Dial, Pin};
use tessera_media::wire::{Body, Decoder, Lane, Message, encode};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::dial_message;
use tessera_protocol::{GatewayId, LeaseId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

pub(crate) const LEASE: LeaseId = LeaseId([3; 16]);
pub(crate) const GATEWAY: GatewayId = GatewayId([4; 32]);

pub(crate) fn worker() -> NodeKey {
    NodeKey::from_secret(&[1; 32])
}

/// Lets [`worker`] in under [`LEASE`].
pub(crate) fn only_the_worker() -> Authorise {
    Arc::new(|node, lease| {
        async move {
            if (node, lease) == (worker().node(), LEASE) {
                return Ok(());
            }
            Err(format!("node {node} does not hold lease {lease}"))
        }
        .boxed()
    })
}

pub(crate) async fn gateway(certificate: Option<Certificate>) -> Acceptor {
    let config = AcceptorConfig { gateway: GATEWAY, certificate };
    Acceptor::bind("127.0.0.1:0".parse().unwrap(), config, only_the_worker()).await.unwrap()
}

/// How the worker dials.
pub(crate) fn dial_as<'a>(address: &'a str, pin: Option<Pin>, key: &'a NodeKey) -> Dial<'a> {
    Dial { address, gateway: GATEWAY, pin, lease: LEASE, key }
}

/// A relay that forwards until it is frozen: then both connections stay open and nothing passes.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    frozen: watch::Sender<bool>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, mut watched) = watch::channel(false);
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            let frozen = async { watched.wait_for(|&frozen| frozen).await.map(|_| ()) };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                _ = frozen => {}
            }
            std::future::pending::<()>().await;
        });
        Self { address, frozen }
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send(true).unwrap();
    }
}

/// A worker that says what it likes.
pub(crate) struct Liar {
    pub(crate) tcp: TcpStream,
}

impl Liar {
    pub(crate) async fn dial(address: SocketAddr) -> Self {
        Self { tcp: TcpStream::connect(address).await.unwrap() }
    }

    /// From the `n`th of this machine's own addresses.
    pub(crate) async fn dial_from(n: u8, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, n], 0).into()).unwrap();
        Self { tcp: socket.connect(address).await.unwrap() }
    }

    pub(crate) async fn say(&mut self, word: &Value) {
        self.send(Message { lane: Lane(0), body: Body::Control(word.to_string().into()) }).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let mut bytes = BytesMut::new();
        encode(&message, &mut bytes);
        self.tcp.write_all(&bytes).await.unwrap();
    }

    /// `None` once the gateway has closed.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut decoder = Decoder::default();
        loop {
            if let Some(message) = decoder.next_message().unwrap() {
                let Body::Control(json) = message.body else { panic!("{message:?}") };
                if !json.is_empty() {
                    return Some(serde_json::from_slice(&json).unwrap());
                }
            }
            // One byte at a time: nothing of the next word is taken.
            decoder.buffer().extend_from_slice(&[self.tcp.read_u8().await.ok()?]);
        }
    }

    /// Shows that it is the worker.
    pub(crate) async fn prove(&mut self) {
        let nonce = self.nonce().await;
        let signature = worker().sign(&dial_message(worker().node(), GATEWAY, LEASE, &nonce));
        self.say(&serde_json::json!({"proof": {"signature": signature}})).await;
    }

    /// Says hello as the worker and gives the nonce that it is to sign.
    pub(crate) async fn nonce(&mut self) -> [u8; 32] {
        let hello = serde_json::json!({
            "hello": {"version": 1, "node": worker().node(), "lease": LEASE}
        });
        self.say(&hello).await;
        let nonce = self.hear().await.unwrap();
        let mut bytes = [0; 32];
        hex::decode_to_slice(nonce["nonce"]["nonce"].as_str().unwrap(), &mut bytes).unwrap();
        bytes
    }
}
