//! ffmpeg by RTMP.

use crate::broker::{Lobby, PATIENCE, TestBroker};
use crate::clip::{Clip, as_packets, packets, run, start};
use std::net::SocketAddr;
use std::sync::Arc;
use tessera_ingest::{Limits, Protocol, rtmp};
use tessera_media::TrackFormat;
use tokio::net::TcpListener;

/// A door that is open for the key `secret`.
async fn door(limits: Limits) -> (SocketAddr, Lobby) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, lobby) = TestBroker::with_keys(&["secret"]);
    tokio::spawn(rtmp::serve(listener, None, broker, limits, std::future::pending()));
    (address, lobby)
}

fn push<'a>(clip: &'a Clip, url: &'a str) -> [&'a str; 7] {
    ["-i", clip.as_str(), "-c", "copy", "-f", "flv", url]
}

/// As a camera would: in real time, again and again.
fn push_live<'a>(clip: &'a Clip, url: &'a str) -> [&'a str; 10] {
    ["-re", "-stream_loop", "-1", "-i", clip.as_str(), "-c", "copy", "-f", "flv", url]
}

#[tokio::test]
async fn every_frame_arrives_once_with_its_time() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(Limits::default()).await);
    let url = format!("rtmp://{address}/live/secret");
    let output = run(&push(&clip, &url)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let visit = lobby.next().await;
    assert_eq!((visit.key.as_str(), visit.protocol), ("secret", Protocol::Rtmp));
    let received = visit.until_it_leaves().await;
    let flv = clip.wrapped("clip.flv", &[]).await;
    assert_eq!(as_packets(&received.video), packets(&flv, "v").await);
    assert_eq!(as_packets(&received.audio), packets(&flv, "a").await);
    assert_eq!(received.video.len(), 90);
    assert!(received.video.iter().any(|unit| unit.pts != unit.dts), "B-frames are reordered");
    assert_eq!(received.skipped, [""; 0]);
    let [TrackFormat::Video(video), TrackFormat::Audio(audio)] = &received.formats[..] else {
        panic!("two tracks: {:?}", received.formats);
    };
    assert_eq!((video.width, video.height), (320, 180));
    assert_eq!((audio.sample_rate, audio.channels), (48000, 2));
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_words_and_nothing_comes_in() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(Limits::default()).await);
    for name in ["wrong", "not%20a%20key", ""] {
        let output = run(&push(&clip, &format!("rtmp://{address}/live/{name}"))).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("stream key is not taken"), "{said}");
    }
    let output = run(&push(&clip, &format!("rtmp://{address}/other/secret"))).await;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("ends in /live"), "{said}");
    assert!(lobby.is_empty());
}

#[tokio::test]
async fn a_revoked_source_is_cut_off_within_a_second() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(Limits::default()).await);
    let url = format!("rtmp://{address}/live/secret");
    let mut pushing = start(&push_live(&clip, &url));
    let mut visit = lobby.next().await;
    visit.pictures(10).await;
    let began = std::time::Instant::now();
    visit.source.close("the key was rotated");
    let status = tokio::time::timeout(PATIENCE, pushing.wait()).await.unwrap().unwrap();
    assert!(began.elapsed().as_secs_f64() < 1.5, "{:?}", began.elapsed());
    assert!(!status.success());
    visit.until_it_leaves().await;
}

#[tokio::test]
async fn who_comes_again_is_let_in_again_and_two_may_have_one_key() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(Limits::default()).await);
    let url = format!("rtmp://{address}/live/secret");
    let mut first = start(&push_live(&clip, &url));
    let mut one = lobby.next().await;
    one.pictures(5).await;
    let _second = start(&push_live(&clip, &url));
    let mut two = lobby.next().await;
    two.pictures(5).await;

    first.kill().await.unwrap();
    one.until_it_leaves().await;
    let _third = start(&push_live(&clip, &url));
    lobby.next().await.pictures(5).await;
    two.pictures(5).await;
}

#[tokio::test]
async fn codecs_that_are_not_taken_are_named_to_the_source() {
    let (address, mut lobby) = door(Limits::default()).await;
    let clip = Clip::with(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x90:rate=10:duration=2",
        "-c:v",
        "flv1",
        "-b:v",
        "200k",
    ])
    .await;
    let output = run(&push_live(&clip, &format!("rtmp://{address}/live/secret"))).await;
    assert!(!output.status.success(), "{output:?}");
    let received = lobby.next().await.until_it_leaves().await;
    assert!(received.video.is_empty() && received.formats.is_empty());
}

#[tokio::test]
async fn with_a_certificate_only_rtmps_is_spoken() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broker, mut lobby) = TestBroker::with_keys(&["secret"]);
    let serving = rtmp::serve(
        listener,
        Some(Arc::new(tls)),
        broker,
        Limits::default(),
        std::future::pending(),
    );
    tokio::spawn(serving);

    let clip = Clip::new().await;
    let plain = run(&push(&clip, &format!("rtmp://{address}/live/secret"))).await;
    assert!(!plain.status.success() && lobby.is_empty());
    let output = run(&push(&clip, &format!("rtmps://{address}/live/secret"))).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lobby.next().await.until_it_leaves().await.video.len(), 90);
}

#[tokio::test]
async fn silent_and_too_many_connections_are_closed() {
    use tokio::io::AsyncReadExt;
    let limits = Limits {
        handshake: std::time::Duration::from_millis(300),
        connections_per_address: 2,
        ..Limits::default()
    };
    let (address, _lobby) = door(limits).await;
    let connect = || tokio::net::TcpStream::connect(address);
    let (mut one, mut two) = (connect().await.unwrap(), connect().await.unwrap());
    let mut three = connect().await.unwrap();
    for stream in [&mut three, &mut one, &mut two] {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)));
    }
}
