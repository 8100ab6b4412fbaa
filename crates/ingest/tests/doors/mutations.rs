//! Damaged streams: what ffmpeg sends is recorded, changed in two hundred ways, and sent again. No
//! door panics, and each still takes the stream as it was.

use crate::broker::{PATIENCE, TestBroker};
use crate::clip::{Clip, run};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tessera_ingest::{Limits, http, rtmp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WAYS: u64 = 200;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// `bytes` changed in a way of its own for each `seed`, anywhere from `from` on.
fn mutated(bytes: &[u8], from: usize, seed: u64) -> Vec<u8> {
    let (mut dice, mut bytes) = (Dice(seed), bytes.to_vec());
    for _ in 0..=dice.below(4) {
        let at = from + dice.below(bytes.len() - from);
        let end = (at + 1 + dice.below(400)).min(bytes.len());
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at..end].iter_mut().for_each(|byte| *byte = dice.below(256) as u8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes[at..end].fill(if dice.below(2) == 0 { 0 } else { 0xff }),
            _ => bytes.truncate(at.max(from + 1)),
        }
        if bytes.len() <= from + 1 {
            break;
        }
    }
    bytes
}

/// Counts the panics of the crate, in whichever task.
fn count_panics() -> Arc<Mutex<Vec<String>>> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let (seen, before) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|at| !at.file().contains("tests/doors")) {
            seen.lock().unwrap().push(panic.to_string());
        }
        before(panic);
    }));
    panics
}

/// Hands bytes to and fro, and keeps what the source sends.
async fn recorded_push(clip: &Clip, door: SocketAddr) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/secret", listener.local_addr().unwrap());
    let recording = tokio::spawn(async move {
        let (mut source, _) = listener.accept().await.unwrap();
        let mut door = TcpStream::connect(door).await.unwrap();
        let (mut from_source, mut to_source) = source.split();
        let (mut from_door, mut to_door) = door.split();
        let mut sent = Vec::new();
        let forth = async {
            let mut bytes = [0; 16 << 10];
            while let Ok(count @ 1..) = from_source.read(&mut bytes).await {
                sent.extend_from_slice(&bytes[..count]);
                if to_door.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
            }
            let _ = to_door.shutdown().await;
        };
        let back = async { tokio::io::copy(&mut from_door, &mut to_source).await };
        let _ = tokio::join!(forth, back);
        sent
    });
    run(&["-i", clip.as_str(), "-c", "copy", "-f", "flv", &url]).await;
    recording.await.unwrap()
}

/// Sends bytes and reads until the other side is done with them.
async fn send(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let sending = async {
        // It may hang up in the midst of it.
        let _ = writing.write_all(bytes).await;
        let _ = writing.shutdown().await;
    };
    let both = async { tokio::join!(sending, reading.read_to_end(&mut answer)) };
    let _ = tokio::time::timeout(PATIENCE, both).await.expect("the door ends it");
    answer
}

#[tokio::test]
async fn two_hundred_damaged_streams_by_rtmp() {
    let panics = count_panics();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, mut lobby) = TestBroker::with_keys(&["secret"]);
    tokio::spawn(rtmp::serve(listener, None, broker, Limits::default(), std::future::pending()));
    let recording = recorded_push(&Clip::new().await, address).await;
    assert_eq!(lobby.next().await.until_it_leaves().await.video.len(), 90);

    for seed in 0..WAYS {
        // A half of them after what is said before a source is let in.
        let from = if seed % 2 == 0 { 0 } else { 4096 };
        send(address, &mutated(&recording, from, seed)).await;
    }
    let mut let_in = 0;
    while let Some(visit) = lobby.waiting() {
        let_in += 1;
        let received = visit.until_it_leaves().await;
        let times: Vec<_> = received.video.iter().map(|unit| unit.dts).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "times rise whatever is sent");
    }
    assert!(let_in > WAYS / 4, "only {let_in} came so far as to be let in");
    send(address, &recording).await;
    assert_eq!(lobby.next().await.until_it_leaves().await.video.len(), 90);
    assert_eq!(*panics.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn two_hundred_damaged_segments_by_http() {
    let panics = count_panics();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, mut lobby) = TestBroker::with_keys(&["secret"]);
    let service =
        http::router(broker, Limits::default()).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let clip = Clip::new().await;
    let segment = std::fs::read(clip.wrapped("whole.ts", &[]).await).unwrap();
    let request = |body: &[u8]| {
        let head = format!(
            "PUT /live/secret/stream.ts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let mut pictures = 0;
    for seed in 0..WAYS {
        let answer = send(address, &request(&mutated(&segment, 0, seed))).await;
        assert!(answer.starts_with(b"HTTP/1.1 "), "{seed}");
        pictures += lobby.next().await.until_it_leaves().await.video.len();
    }
    assert!(pictures > 45 * WAYS as usize, "only {pictures} pictures came through");
    send(address, &request(&segment)).await;
    assert_eq!(lobby.next().await.until_it_leaves().await.video.len(), 90);
    assert_eq!(*panics.lock().unwrap(), [""; 0]);
}
