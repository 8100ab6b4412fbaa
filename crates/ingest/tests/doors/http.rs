//! MPEG-TS by HTTP: segments as go-livepeer's clients push them, ffmpeg's own segmenter, and an
//! endless body.

use crate::broker::{Lobby, PATIENCE, TestBroker};
use crate::clip::{Clip, Packet, as_packets, packets, run, start};
use std::net::SocketAddr;
use std::time::Duration;
use tessera_ingest::{Limits, Protocol, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn door(limits: Limits) -> (SocketAddr, Lobby) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, lobby) = TestBroker::with_keys(&["secret"]);
    let service = http::router(broker, limits).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (address, lobby)
}

/// A door whose visits end soon after the last segment.
async fn impatient_door() -> (SocketAddr, Lobby) {
    door(Limits { idle: Duration::from_secs(4), ..Limits::default() }).await
}

/// Sends a request, or a part of one, and reads the answer.
async fn put(to: SocketAddr, path: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It may be refused before all of it is read.
    let _ = stream.write_all(body).await;
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    answer
}

/// The clip in segments of a second.
async fn segments(clip: &Clip) -> Vec<Vec<u8>> {
    clip.wrapped("%d.ts", &["-f", "segment", "-segment_time", "1"]).await;
    (0..3).map(|n| std::fs::read(clip.folder.path().join(format!("{n}.ts"))).unwrap()).collect()
}

/// What the whole clip has in a transport stream.
async fn expected(clip: &Clip) -> (Vec<Packet>, Vec<Packet>) {
    let whole = clip.wrapped("whole.ts", &[]).await;
    (packets(&whole, "v").await, packets(&whole, "a").await)
}

fn assert_same(received: &[Packet], sent: &[Packet], by: &[&str]) {
    let differs = received.iter().zip(sent).position(|(received, sent)| received != sent);
    if let Some(n) = differs {
        panic!("{by:?}: packet {n} was {:?} and is {:?}", sent[n], received[n]);
    }
    assert_eq!(received.len(), sent.len(), "{by:?}");
}

fn relative(mut packets: Vec<Packet>, to: i64) -> Vec<Packet> {
    packets.iter_mut().for_each(|packet| {
        packet.pts -= to;
        packet.dts -= to;
    });
    packets
}

#[tokio::test]
async fn segments_become_one_visit_and_every_frame_arrives_once() {
    let (clip, (address, mut lobby)) = (Clip::new().await, impatient_door().await);
    for (n, segment) in segments(&clip).await.iter().enumerate() {
        let answer = put(address, &format!("/live/secret/{n}.ts"), segment).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Once more: dropped.
        let answer = put(address, &format!("/live/secret/{n}.ts"), segment).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("already"), "{answer}");
    }
    let visit = lobby.next().await;
    assert_eq!(visit.protocol, Protocol::Http);
    let received = visit.until_it_leaves().await;
    let (video, audio) = expected(&clip).await;
    assert_eq!(received.skipped, [""; 0]);
    let start = received.video[0].dts.0;
    assert_eq!(relative(as_packets(&received.video), start), relative(video.clone(), video[0].dts));
    let (first, sent) = (received.audio[0].dts.0, audio[0].dts);
    assert_eq!(relative(as_packets(&received.audio), first), relative(audio, sent));
    assert!(lobby.is_empty());
}

#[tokio::test]
async fn ffmpeg_pushes_an_endless_body_and_its_own_segments() {
    let (clip, (address, mut lobby)) = (Clip::new().await, impatient_door().await);
    let (video, audio) = expected(&clip).await;
    let stream = format!("http://{address}/live/secret/stream.ts");
    let playlist = format!("http://{address}/live/secret/index.m3u8");
    for arguments in [
        &["-f", "mpegts", stream.as_str()][..],
        &["-f", "hls", "-method", "PUT", "-hls_time", "1", playlist.as_str()],
        &["-f", "hls", "-method", "PUT", "-http_persistent", "1", playlist.as_str()],
    ] {
        let output = run(&[&["-i", clip.as_str(), "-c", "copy"], arguments].concat()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let received = lobby.next().await.until_it_leaves().await;
        assert_same(&as_packets(&received.video), &video, arguments);
        assert_same(&as_packets(&received.audio), &audio, arguments);
    }
    assert!(lobby.is_empty());
}

#[tokio::test]
async fn what_broke_off_is_completed_by_sending_it_again() {
    let (clip, (address, mut lobby)) = (Clip::new().await, impatient_door().await);
    let segments = segments(&clip).await;
    put(address, "/live/secret/0.ts", &segments[0]).await;
    let mut broken = TcpStream::connect(address).await.unwrap();
    let head = "PUT /live/secret/1.ts HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    broken.write_all(head.as_bytes()).await.unwrap();
    broken.write_all(&segments[1][..segments[1].len() / 2]).await.unwrap();
    let mut visit = lobby.next().await;
    let before = visit.pictures(35).await;
    drop(broken);
    put(address, "/live/secret/1.ts", &segments[1]).await;
    put(address, "/live/secret/2.ts", &segments[2]).await;
    let after = visit.until_it_leaves().await;
    let all: Vec<_> = [before.video, after.video].concat();
    assert_eq!(all.len(), 90);
    let (video, _) = expected(&clip).await;
    assert_eq!(as_packets(&all).last(), video.last());
    assert_eq!(after.skipped, [""; 0]);
}

#[tokio::test]
async fn what_is_not_taken_is_answered_in_words() {
    let limits = Limits { segment_bytes: 100_000, ..Limits::default() };
    let (address, mut lobby) = door(limits).await;
    for (path, body, status, words) in [
        ("/live/wrong/0.ts", &b"x"[..], 403, "stream key is not taken"),
        ("/live/wrong/stream.ts", b"x", 403, "stream key is not taken"),
        ("/live/wrong/index.m3u8", b"x", 403, "stream key is not taken"),
        ("/live/no%20key/0.ts", b"x", 403, "stream key is not taken"),
        ("/live/secret/0.mp4", b"x", 404, "/live/KEY/0.ts"),
    ] {
        let answer = put(address, path, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.contains(words), "{path}: {answer}");
    }
    assert!(lobby.is_empty());
    for (body, status, words) in
        [(vec![0; 90_000], 415, "MPEG-TS"), (vec![0x47; 100_001], 413, "100000")]
    {
        let answer = put(address, "/live/secret/0.ts", &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(words), "{answer}");
    }
    let hevc = Clip::with(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x90:rate=10:duration=1",
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=error",
    ])
    .await;
    let ts = std::fs::read(hevc.wrapped("hevc.ts", &[]).await).unwrap();
    let answer = put(address, "/live/secret/5.ts", &ts).await;
    assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("H.265"), "{answer}");
}

#[tokio::test]
async fn a_revoked_source_is_cut_off_and_an_endless_body_too() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(Limits::default()).await);
    let segments = segments(&clip).await;
    put(address, "/live/secret/0.ts", &segments[0]).await;
    let visit = lobby.next().await;
    visit.source.close("the stream was ended");
    let ended = visit.until_it_leaves().await;
    assert_eq!(ended.video.len(), 30);
    // The broker lets it in again, or not: that is its decision.
    put(address, "/live/secret/1.ts", &segments[1]).await;
    drop(lobby.next().await);

    let url = format!("http://{address}/live/secret/stream.ts");
    let mut pushing = start(&[
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        clip.as_str(),
        "-c",
        "copy",
        "-f",
        "mpegts",
        &url,
    ]);
    let mut visit = lobby.next().await;
    visit.pictures(10).await;
    let began = std::time::Instant::now();
    visit.source.close("the key was rotated");
    tokio::time::timeout(PATIENCE, pushing.wait()).await.unwrap().unwrap();
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
}
