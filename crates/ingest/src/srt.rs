//! SRT carrying MPEG-TS: ffmpeg, OBS and hardware encoders as callers.
//!
//! The stream id is the key, or `#!::r=KEY,m=publish`. A source that is refused hears a number: 1403
//! for a bad key, 1409 for one in use, 1503 for try again, 1402 for too many, 10 for a wrong
//! passphrase, 11 for a missing one.
//!
//! The protocol is our own safe code. The `srt-tokio` crate keeps a session for every address from
//! which any datagram comes, without a cookie and for ever, so that a stranger's forged addresses
//! fill the memory; its listener has a panic that a packet's order can reach.

pub(crate) mod crypto;
pub(crate) mod handshake;
pub(crate) mod receive;
pub(crate) mod wire;

use crate::limits::{Door, Place};
use crate::ts::TsReader;
use crate::visit::Visit;
use crate::{Broker, Limits, Protocol};
use bytes::{Bytes, BytesMut};
use crypto::Keys;
use handshake::{Cookies, Rejection, Request};
use receive::Receiver;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use wire::{CONCLUSION, Handshake, INDUCTION, Kind, Reply};

/// How often connections are looked after.
const TICK: Duration = Duration::from_millis(10);
/// Payloads that wait for a slow receiver; more are lost, as a source over SRT does not wait.
const QUEUE: usize = 4096;
/// Bytes that the kernel is asked to hold: what comes at 50 Mbit/s in half a second.
const SOCKET_BUFFER: usize = 3 << 20;
/// Datagrams that are taken before time is looked at again.
const AT_ONCE: usize = 64;
/// Passphrases that are hashed at a time, before anything else is known of a caller. At two
/// milliseconds each the thousand callers that a door lets wait are through within a second, and the
/// other processors are left alone.
const HASHING: usize = 2;
/// Longest datagram.
const DATAGRAM: usize = 2048;

/// A door that is bound.
pub struct SrtDoor {
    socket: UdpSocket,
    passphrase: Option<String>,
}

impl SrtDoor {
    /// Binds to a UDP address. With a passphrase, which has 10 to 79 bytes, sources have to encrypt
    /// with it; without one they must not.
    pub async fn bind(address: SocketAddr, passphrase: Option<&str>) -> io::Result<Self> {
        if passphrase.is_some_and(|passphrase| !(10..=79).contains(&passphrase.len())) {
            let why = "an SRT passphrase has 10 to 79 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let socket = UdpSocket::bind(address).await?;
        // What the system allows less of has to be asked for again, as after any loss.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER);
        Ok(Self { socket, passphrase: passphrase.map(str::to_owned) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes sources until `shutdown` is ready, then closes all of them.
    pub async fn serve<B: Broker>(
        self,
        broker: Arc<B>,
        limits: Limits,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let mut server = Server {
            socket: self.socket,
            passphrase: self.passphrase.map(Into::into),
            broker,
            limits,
            cookies: Cookies::new(secret, Instant::now()),
            door: Door::default(),
            callers: HashMap::new(),
            connections: HashMap::new(),
            hashing: Arc::new(Semaphore::new(HASHING)),
            tasks: JoinSet::new(),
        };
        server.run(shutdown).await;
        Ok(())
    }
}

struct Server<B> {
    socket: UdpSocket,
    passphrase: Option<Arc<str>>,
    broker: Arc<B>,
    limits: Limits,
    cookies: Cookies,
    door: Door,
    /// Who has called, by address and number there.
    callers: HashMap<(SocketAddr, u32), Caller>,
    /// By number here.
    connections: HashMap<u32, Connection>,
    /// Turns at hashing a passphrase.
    hashing: Arc<Semaphore>,
    /// Dropped at the end, which ends all visits.
    tasks: JoinSet<Event<B>>,
}

enum Caller {
    /// The broker is being asked.
    Waiting(Place),
    /// It is this connection.
    Inside(u32),
}

struct Connection {
    peer: SocketAddr,
    /// The source's number for it.
    socket: u32,
    since: Instant,
    heard: Instant,
    /// The answer to its handshake, should it ask again.
    accepted: Reply,
    receiver: Receiver,
    keys: Option<Keys>,
    payloads: mpsc::Sender<Bytes>,
    /// Whether what came was more than the receiver took.
    overflowed: bool,
    _place: Place,
}

/// What a task says at its end.
enum Event<B> {
    /// A caller was asked about.
    Answered(Box<Answered<B>>),
    /// A connection's visit is over.
    Ended(u32, String),
}

struct Answered<B> {
    peer: SocketAddr,
    handshake: Handshake,
    outcome: Result<(Request, Visit<B>, Option<Keys>), Rejection>,
}

impl<B: Broker> Server<B> {
    async fn run(&mut self, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut buffer = BytesMut::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(event) = self.tasks.join_next() => match event {
                    Ok(Event::Answered(answered)) => self.answered(*answered),
                    Ok(Event::Ended(id, why)) => self.close(id, &why),
                    Err(error) => tracing::error!(%error, "a task of the SRT door failed"),
                },
                _ = tick.tick(), if !self.connections.is_empty() => self.tick(),
                readable = self.socket.readable() => {
                    if let Err(error) = readable {
                        tracing::warn!(%error, "could not wait for SRT datagrams");
                        tokio::time::sleep(TICK).await;
                    }
                    self.read(&mut buffer);
                }
            }
        }
        let ids: Vec<_> = self.connections.keys().copied().collect();
        ids.into_iter().for_each(|id| self.close(id, "the gateway stops"));
    }

    fn read(&mut self, buffer: &mut BytesMut) {
        for _ in 0..AT_ONCE {
            buffer.reserve(DATAGRAM);
            match self.socket.try_recv_buf_from(buffer) {
                Ok((_, peer)) => {
                    if let Some(packet) = wire::parse(buffer.split().freeze()) {
                        self.packet(packet, peer);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A peer that is gone may be told about here; others go on.
                Err(_) => {}
            }
        }
    }

    fn packet(&mut self, packet: wire::Packet, peer: SocketAddr) {
        let now = Instant::now();
        if let Kind::Handshake(handshake) = packet.kind {
            match handshake.request {
                INDUCTION => {
                    let reply = self.cookies.induct(&handshake, peer, now);
                    self.send(&reply, peer, handshake.socket, 0);
                }
                CONCLUSION if self.cookies.holds(handshake.cookie, peer, now) => {
                    self.called(handshake, peer);
                }
                _ => {}
            }
            return;
        }
        let id = packet.destination;
        let Some(connection) = self.connections.get_mut(&id).filter(|c| c.peer == peer) else {
            return;
        };
        connection.heard = now;
        let reply = match packet.kind {
            Kind::Data { sequence, whole: true, key, payload } => {
                connection.data(sequence, key, payload, now)
            }
            Kind::AckAck(number) => {
                connection.receiver.answered(number, now);
                None
            }
            Kind::Drop(first, last) => {
                connection.receiver.drop_range(first, last);
                None
            }
            Kind::KeyMaterial(message) => {
                let taken = connection.keys.as_mut().is_some_and(|keys| keys.renew(&message));
                taken.then_some(Reply::KeyMaterial(message))
            }
            Kind::Shutdown => return self.close(id, "the source left"),
            _ => None,
        };
        let (socket, time) = (connection.socket, connection.time(now));
        connection.hand_over();
        if let Some(reply) = reply {
            self.send(&reply, peer, socket, time);
        }
    }

    /// A caller whose cookie holds wants in.
    fn called(&mut self, handshake: Handshake, peer: SocketAddr) {
        let caller = (peer, handshake.socket);
        match self.callers.get(&caller) {
            Some(Caller::Waiting(_)) => return,
            Some(Caller::Inside(id)) => {
                if let Some(connection) = self.connections.get(id) {
                    self.send(&connection.accepted, peer, caller.1, 0);
                }
                return;
            }
            None => {}
        }
        let request = match self.door.enter(peer.ip(), &self.limits) {
            Err(why) => Err(Rejection::crowded(why)),
            Ok(place) => handshake::request(&handshake).map(|request| (request, place)),
        };
        let (request, place) = match request {
            Ok(request) => request,
            Err(rejection) => return self.turn_away(&handshake, peer, &rejection),
        };
        self.callers.insert(caller, Caller::Waiting(place));
        let (broker, passphrase) = (Arc::clone(&self.broker), self.passphrase.clone());
        let (hashing, patience) = (Arc::clone(&self.hashing), self.limits.handshake);
        self.tasks.spawn(async move {
            let outcome = match unwrap_in_turn(request.keys.as_ref(), passphrase, hashing).await {
                Ok(keys) => Visit::open(broker, request.key.clone(), Protocol::Srt, peer, patience)
                    .await
                    .map(|visit| (request, visit, keys))
                    .map_err(Rejection::from),
                Err(rejection) => Err(rejection),
            };
            Event::Answered(Box::new(Answered { peer, handshake, outcome }))
        });
    }

    fn answered(&mut self, answered: Answered<B>) {
        let Answered { peer, handshake, outcome } = answered;
        let caller = (peer, handshake.socket);
        let Some(Caller::Waiting(place)) = self.callers.remove(&caller) else { return };
        let (request, visit, keys) = match outcome {
            Ok(accepted) => accepted,
            Err(rejection) => return self.turn_away(&handshake, peer, &rejection),
        };
        let Some(id) = self.number() else { return };
        let now = Instant::now();
        let (payloads, coming) = mpsc::channel(QUEUE);
        let connection = Connection {
            peer,
            socket: caller.1,
            since: now,
            heard: now,
            accepted: request.accept(id),
            receiver: Receiver::new(request.first(), request.latency, now),
            keys,
            payloads,
            overflowed: false,
            _place: place,
        };
        self.send(&connection.accepted, peer, caller.1, 0);
        self.connections.insert(id, connection);
        self.callers.insert(caller, Caller::Inside(id));
        self.tasks.spawn(async move { Event::Ended(id, attend(visit, coming).await) });
    }

    /// A number for a connection that nobody can guess and no other has.
    fn number(&self) -> Option<u32> {
        loop {
            let id = getrandom::u32().ok()? >> 2;
            if id != 0 && !self.connections.contains_key(&id) {
                return Some(id);
            }
        }
    }

    fn turn_away(&self, handshake: &Handshake, peer: SocketAddr, rejection: &Rejection) {
        tracing::info!(%peer, why = rejection.text, "SRT source turned away");
        self.send(&handshake::reject(handshake, rejection), peer, handshake.socket, 0);
    }

    fn tick(&mut self) {
        let (now, mut silent, mut replies) = (Instant::now(), Vec::new(), Vec::new());
        for (&id, connection) in &mut self.connections {
            if now - connection.heard > self.limits.idle {
                silent.push(id);
                continue;
            }
            let (peer, socket, time) = (connection.peer, connection.socket, connection.time(now));
            let due = connection.receiver.tick(now);
            replies.extend(due.into_iter().map(|reply| (reply, peer, socket, time)));
            connection.hand_over();
        }
        for (reply, peer, socket, time) in replies {
            self.send(&reply, peer, socket, time);
        }
        silent.into_iter().for_each(|id| self.close(id, "nothing came for too long"));
    }

    /// Ends a connection, whoever wants it.
    fn close(&mut self, id: u32, why: &str) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        connection.receiver.finish();
        connection.hand_over();
        self.callers.remove(&(connection.peer, connection.socket));
        let time = connection.time(Instant::now());
        self.send(&Reply::Shutdown, connection.peer, connection.socket, time);
        let (peer, lost) = (connection.peer, connection.receiver.lost);
        tracing::info!(%peer, why, lost, "SRT source left");
    }

    fn send(&self, reply: &Reply, peer: SocketAddr, socket: u32, time: u32) {
        // What is lost here, or finds no room, is as good as lost on the way.
        let _ = self.socket.try_send_to(&wire::write(reply, socket, time), peer);
    }
}

impl Connection {
    /// Microseconds since it began, as packets have them.
    fn time(&self, now: Instant) -> u32 {
        (now - self.since).as_micros() as u32
    }

    fn data(
        &mut self,
        sequence: wire::Sequence,
        key: u8,
        payload: Bytes,
        now: Instant,
    ) -> Option<Reply> {
        let payload = match &self.keys {
            None if key == 0 => payload,
            // Without its key it is as good as lost.
            None => return None,
            Some(keys) => keys.decrypt(key, sequence.get(), &payload)?,
        };
        self.receiver.take(sequence, payload, now)
    }

    /// Hands over what is in order.
    fn hand_over(&mut self) {
        for payload in self.receiver.ready() {
            if let Err(mpsc::error::TrySendError::Full(_)) = self.payloads.try_send(payload)
                && !std::mem::replace(&mut self.overflowed, true)
            {
                tracing::warn!(peer = %self.peer, "SRT packets are lost: nobody takes them fast enough");
            }
        }
    }
}

/// Checks a caller's passphrase, when it is its turn at `hashing`.
async fn unwrap_in_turn(
    message: Option<&Bytes>,
    passphrase: Option<Arc<str>>,
    hashing: Arc<Semaphore>,
) -> Result<Option<Keys>, Rejection> {
    let (message, passphrase) = match (message, passphrase) {
        (None, None) => return Ok(None),
        (Some(message), Some(passphrase)) => (message.clone(), passphrase),
        (_, passphrase) => return Err(Rejection::encryption(passphrase.is_some())),
    };
    let Ok(turn) = hashing.acquire_owned().await else { return Err(Rejection::not_now()) };
    let unwrapping = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        Keys::unwrap(&message, &passphrase)
    });
    match unwrapping.await {
        Ok(keys) => Ok(Some(keys?)),
        Err(_) => Err(Rejection::not_now()),
    }
}

/// Reads what comes by one connection; says why it is over.
async fn attend<B: Broker>(mut visit: Visit<B>, mut coming: mpsc::Receiver<Bytes>) -> String {
    let mut reader = TsReader::default();
    loop {
        let payload = tokio::select! {
            closed = visit.closed() => return closed.0.to_string(),
            payload = coming.recv() => payload,
        };
        match payload {
            Some(payload) => {
                if let Err(not_taken) = reader.read(&payload, &mut visit.tracks) {
                    return not_taken.0;
                }
            }
            None => reader.boundary(&mut visit.tracks),
        }
        if let Err(closed) = visit.flush().await {
            return closed.0.to_string();
        }
        if coming.is_closed() && coming.is_empty() {
            return "the source left".to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_hashed_when_it_is_its_turn_and_off_the_door_s_task() {
        let message = Bytes::from(crypto::tests::message(1, 5, "a passphrase", &[1; 16]));
        let hashing = Arc::new(Semaphore::new(0));
        let asked = |phrase: &str| {
            unwrap_in_turn(Some(&message), Some(phrase.into()), Arc::clone(&hashing))
        };
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.max_blocking_threads(1).build().unwrap().block_on(async {
            let (free, held) = std::sync::mpsc::channel::<()>();
            let elsewhere = tokio::task::spawn_blocking(move || held.recv());
            let mut waiting = std::pin::pin!(asked("a passphrase"));
            assert!(poll_once(waiting.as_mut()).await.is_none(), "it has no turn");
            hashing.add_permits(1);
            assert!(poll_once(waiting.as_mut()).await.is_none(), "no other thread is free");
            drop(free);
            assert!(waiting.await.is_ok_and(|keys| keys.is_some()));
            let _ = elsewhere.await;
            // The turn was given back.
            assert!(asked("another phrase").await.is_err());
            assert_eq!(hashing.available_permits(), 1);
        });
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
