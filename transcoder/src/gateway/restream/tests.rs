//! A session's end, against a server that is told what to answer.

use super::*;
use std::net::SocketAddr;
use std::time::Instant;
use tessera_protocol::stream::VideoCodec;
use tessera_rtmp::server;
use tokio::net::TcpListener;

/// Only something that is broken takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_is_not_taken_is_dropped_to_the_next_keyframe() {
    let (items, mut taken) = mpsc::channel(2);
    let wrong = Arc::new(Mutex::new(None));
    let mut restream = Restream { items, unsaid: vec![], dropping: false, wrong };
    let unit = |n: i64, keyframe| AccessUnit {
        pts: Ticks(n),
        dts: Ticks(n),
        keyframe,
        data: Bytes::new(),
    };
    let give = |restream: &mut Restream, n: i64, keyframe: bool| {
        restream.unit(TrackKind::Video, &unit(n, keyframe));
    };
    for n in 0..4 {
        give(&mut restream, n, n == 0);
    }
    let mut drained = Vec::new();
    while let Ok(Item::Unit(_, unit)) = taken.try_recv() {
        drained.push(unit.dts.0);
    }
    give(&mut restream, 4, false);
    restream.unit(TrackKind::Audio, &unit(5, true));
    give(&mut restream, 6, true);
    while let Ok(Item::Unit(_, unit)) = taken.try_recv() {
        drained.push(unit.dts.0);
    }
    assert_eq!(drained, [0, 1, 6]);
}

/// Begins to send a picture on to a server of this machine.
fn begin(at: SocketAddr, reach: Reach) -> Restream {
    let mut restream = Restream::to(&format!("rtmp://{at}/live/their-secret"), reach);
    let config = vec![1, 2, 3].into();
    let format = VideoFormat { codec: VideoCodec::H264, width: 64, height: 64, config };
    restream.video(&Arc::new(format));
    let data = Bytes::from_static(&[9; 100]);
    let unit = AccessUnit { pts: Ticks(0), dts: Ticks(0), keyframe: true, data };
    // The first one has the connection made, and the next one goes out on it.
    restream.unit(TrackKind::Video, &unit);
    restream.unit(TrackKind::Video, &unit);
    restream
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What the owner is told, once that is something.
async fn told(restream: &Restream) -> String {
    let begun = Instant::now();
    loop {
        if let Some(wrong) = restream.wrong() {
            return wrong;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is wrong");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection with a source, up to the key that it shows.
struct Server {
    tcp: TcpStream,
    session: server::Session,
}

impl Server {
    async fn accept(listener: &TcpListener) -> (Self, String) {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut server = Self { tcp, session: server::Session::default() };
        match server.next().await {
            server::Step::Publish { name } => (server, name),
            other => panic!("{other:?}"),
        }
    }

    async fn next(&mut self) -> server::Step {
        loop {
            let step = self.session.step().unwrap();
            self.tcp.write_all(&self.session.output()).await.unwrap();
            match step {
                Some(step) => return step,
                None => {
                    let count = self.tcp.read_buf(self.session.buffer()).await.unwrap();
                    assert_ne!(count, 0, "it left");
                    self.session.received(count);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_source_is_sent_on() {
    let (listener, address) = listener().await;
    let restream = begin(address, Reach::Anywhere);
    let (mut server, key) = Server::accept(&listener).await;
    assert_eq!(key, "their-secret");
    server.session.accept();
    let header = server::Step::Video(0, Bytes::from_static(&[0x17, 0, 0, 0, 0, 1, 2, 3]));
    assert_eq!(server.next().await, header);
    assert!(matches!(server.next().await, server::Step::Video(0, body) if body.len() == 105));
    assert_eq!(restream.wrong(), None);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let (listener, address) = listener().await;
    let restream = begin(address, Reach::Public);
    assert_eq!(told(&restream).await, "127.0.0.1 cannot be reached");
    let own = TcpStream::connect(address).await.unwrap();
    let (_, first) = listener.accept().await.unwrap();
    assert_eq!(first, own.local_addr().unwrap(), "the gateway had connected before");
}

#[tokio::test]
async fn how_a_connection_failed_is_not_told() {
    let (closed, nobody) = listener().await;
    drop(closed);
    let (listener, other) = listener().await;
    let restreams = [begin(nobody, Reach::Anywhere), begin(other, Reach::Anywhere)];
    // What listens there speaks another language.
    let (mut tcp, _) = listener.accept().await.unwrap();
    tcp.write_all(b"220 mail.example.org ESMTP\r\n").await.unwrap();
    drop(tcp);
    for restream in &restreams {
        assert_eq!(told(restream).await, "127.0.0.1 cannot be reached");
    }
}

#[tokio::test]
async fn a_refusal_is_told_without_the_key() {
    let (listener, address) = listener().await;
    let restream = begin(address, Reach::Anywhere);
    let (mut server, key) = Server::accept(&listener).await;
    server.session.refuse(&format!("stream {key} is not allowed, nor is {}", key.to_uppercase()));
    server.tcp.write_all(&server.session.output()).await.unwrap();
    let expected = "127.0.0.1 refused: stream … is not allowed, nor is …";
    assert_eq!(told(&restream).await, expected);
}
