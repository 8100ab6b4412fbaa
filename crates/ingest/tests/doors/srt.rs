//! ffmpeg by SRT, on clean and on lossy ways.

use crate::broker::{Lobby, PATIENCE, TestBroker};
use crate::clip::{Clip, as_packets, packets, run, start};
use std::net::SocketAddr;
use std::sync::Arc;
use tessera_ingest::{Limits, Protocol, srt::SrtDoor};
use tokio::net::UdpSocket;

async fn door(passphrase: Option<&str>, limits: Limits) -> (SocketAddr, Lobby) {
    let door = SrtDoor::bind("127.0.0.1:0".parse().unwrap(), passphrase).await.unwrap();
    let address = door.local_addr().unwrap();
    let (broker, lobby) = TestBroker::with_keys(&["secret"]);
    tokio::spawn(door.serve(broker, limits, std::future::pending()));
    (address, lobby)
}

fn push<'a>(clip: &'a Clip, url: &'a str) -> [&'a str; 7] {
    ["-i", clip.as_str(), "-c", "copy", "-f", "mpegts", url]
}

fn push_live<'a>(clip: &'a Clip, url: &'a str) -> [&'a str; 10] {
    ["-re", "-stream_loop", "-1", "-i", clip.as_str(), "-c", "copy", "-f", "mpegts", url]
}

/// The source lingers at its end until all was acknowledged; otherwise its last packets may not
/// even be sent.
async fn arrives_whole(clip: &Clip, url: &str, lobby: &mut Lobby) {
    let output = run(&push(clip, &format!("{url}&linger=30"))).await;
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let visit = lobby.next().await;
    assert_eq!((visit.key.as_str(), visit.protocol), ("secret", Protocol::Srt));
    let received = visit.until_it_leaves().await;
    let whole = clip.wrapped("whole.ts", &[]).await;
    assert_eq!(received.skipped, [""; 0], "{url}");
    assert_eq!(as_packets(&received.video), packets(&whole, "v").await, "{url}");
    assert_eq!(as_packets(&received.audio), packets(&whole, "a").await, "{url}");
}

#[tokio::test]
async fn every_frame_arrives_once_with_its_time() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, Limits::default()).await);
    arrives_whole(&clip, &format!("srt://{address}?streamid=secret"), &mut lobby).await;
    let url = format!("srt://{address}?streamid=#!::r=secret,m=publish");
    arrives_whole(&clip, &url, &mut lobby).await;
}

#[tokio::test]
async fn with_a_passphrase_only_who_has_it_comes_in() {
    let clip = Clip::new().await;
    let (address, mut lobby) = door(Some("correct horse"), Limits::default()).await;
    let url = |more: &str| format!("srt://{address}?streamid=secret{more}");
    for more in ["", "&passphrase=wrong-one-here"] {
        assert!(!run(&push(&clip, &url(more))).await.status.success(), "{more}");
    }
    assert!(lobby.is_empty());
    for length in [16, 24, 32] {
        let url = url(&format!("&passphrase=correct horse&pbkeylen={length}"));
        arrives_whole(&clip, &url, &mut lobby).await;
    }
    // New keys in the midst of it.
    let url = url("&passphrase=correct horse&pbkeylen=16&kmrefreshrate=60&kmpreannounce=20");
    arrives_whole(&clip, &url, &mut lobby).await;

    let (address, mut lobby) = door(None, Limits::default()).await;
    let url = format!("srt://{address}?streamid=secret&passphrase=correct horse");
    assert!(!run(&push(&clip, &url)).await.status.success());
    assert!(lobby.is_empty());
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_nothing_comes_in() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, Limits::default()).await);
    for id in ["?streamid=wrong", "", "?streamid=#!::r=secret,m=request", "?streamid=not a key"] {
        let output = run(&push(&clip, &format!("srt://{address}{id}"))).await;
        assert!(!output.status.success(), "{id}");
    }
    assert!(lobby.is_empty());
}

#[tokio::test]
async fn a_revoked_source_is_cut_off_and_others_go_on() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, Limits::default()).await);
    let url = format!("srt://{address}?streamid=secret");
    let mut first = start(&push_live(&clip, &url));
    let mut one = lobby.next().await;
    one.pictures(10).await;
    let mut second = start(&push_live(&clip, &url));
    let mut two = lobby.next().await;
    two.pictures(10).await;

    let began = std::time::Instant::now();
    one.source.close("the key was rotated");
    tokio::time::timeout(PATIENCE, first.wait()).await.unwrap().unwrap();
    assert!(began.elapsed().as_secs_f64() < 2.0, "{:?}", began.elapsed());
    one.until_it_leaves().await;
    two.pictures(10).await;

    second.kill().await.unwrap();
    let _third = start(&push_live(&clip, &url));
    lobby.next().await.pictures(5).await;
}

#[tokio::test]
async fn who_falls_silent_has_left() {
    let limits = Limits { idle: std::time::Duration::from_secs(1), ..Limits::default() };
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, limits).await);
    let mut pushing = start(&push_live(&clip, &format!("srt://{address}?streamid=secret")));
    let mut visit = lobby.next().await;
    visit.pictures(10).await;
    pushing.kill().await.unwrap();
    visit.until_it_leaves().await;
}

/// Hands datagrams to and fro, and loses every `nth` that the source sends once it is connected.
async fn lossy_way(to: SocketAddr, nth: usize) -> SocketAddr {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = near.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut source, mut count) = (None, 0);
        let (mut here, mut there) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                got = near.recv_from(&mut here) => {
                    let (length, from) = got.unwrap();
                    source = Some(from);
                    count += 1;
                    if count < 10 || count % nth > 0 {
                        far.send_to(&here[..length], to).await.unwrap();
                    }
                }
                got = far.recv_from(&mut there) => {
                    let (length, _) = got.unwrap();
                    near.send_to(&there[..length], source.unwrap()).await.unwrap();
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_sent_again() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, Limits::default()).await);
    let way = lossy_way(address, 10).await;
    // Nothing is given up for being late: how soon a machine under load sends again is not the point.
    let patient = "latency=4000000&tlpktdrop=0";
    arrives_whole(&clip, &format!("srt://{way}?streamid=secret&{patient}"), &mut lobby).await;
}

#[tokio::test]
async fn strangers_datagrams_change_nothing() {
    let (clip, (address, mut lobby)) = (Clip::new().await, door(None, Limits::default()).await);
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("srt://{address}?streamid=secret&linger=5");
    let mut pushing = start(&[&["-re"][..], &push(&clip, &url)].concat());
    let mut seed = 1_u64;
    for _ in 0..2000 {
        let junk: Vec<u8> = (0..64)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        let _ = stranger.send_to(&junk, address).await;
    }
    tokio::time::timeout(PATIENCE, pushing.wait()).await.unwrap().unwrap();
    let received = lobby.next().await.until_it_leaves().await;
    assert_eq!(received.video.len(), 90);
    assert!(lobby.is_empty());
}
