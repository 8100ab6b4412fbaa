//! The viewer that other tests rely on sees what is there: a stream that is whole, and each way in
//! which one is not.
#![forbid(unsafe_code)]

mod ladder;
mod live;
mod sending;
mod site;

use ladder::{SECONDS, ladder};
use site::Site;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use world::player::report::Frame;
use world::player::{Options, Player, Report};
use world::process::eventually;
use world::test_picture::FPS;

/// Waits until a whole stream was shown but for its last frames.
async fn shown_to_its_end(player: &Player) {
    let end = f64::from(SECONDS) - 0.2;
    player.until("it is shown to its end", |now| now.ended || now.media_s > end).await;
}

/// Plays all of it.
async fn watched(site: &Site) -> Report {
    let options = Options { start_level: Some(0), ..Options::default() };
    let player = Player::open(&site.url("all.m3u8"), options).await;
    shown_to_its_end(&player).await;
    player.report().await
}

#[tokio::test]
async fn a_whole_stream_is_seen_whole_and_in_two_sizes() {
    let site = Site::serve(ladder()).await;
    let options = Options { start_level: Some(0), ..Options::default() };
    let player = Player::open(&site.url("all.m3u8"), options).await;
    player.has_played(1.0).await;
    player.switch_level(1).await;
    shown_to_its_end(&player).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert_eq!(report.level_heights, [240, 360]);
    assert_eq!(report.heights(), [240, 360]);
    // It is there from its first frame to its last, and frames have the times they were made for.
    let [whole] = report.whole[..] else { panic!("{:?}", report.whole) };
    assert!(whole.from_s < 0.3 && whole.to_s > f64::from(SECONDS) - 0.3, "{whole:?}");
    // The muxer shows all of them later by the frames that B-frames are decoded ahead.
    let off = |frame: &Frame| f64::from(frame.number.unwrap()) - frame.media_s * f64::from(FPS);
    let (first, last) = (off(&report.frames[0]), off(report.frames.last().unwrap()));
    assert!((first - last).abs() < 0.1 && (-2.1..0.1).contains(&first), "{first} {last}");
}

#[tokio::test]
async fn standing_still_is_noticed_and_is_no_fault_of_what_was_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let site = Site::serve_gated(ladder(), "-4.m4s", Arc::clone(&gate)).await;
    let options = Options { start_level: Some(0), ..Options::default() };
    let player = Player::open(&site.url("all.m3u8"), options).await;
    let stalls = eventually("it stands still", async || {
        let mut stalls = player.report().await.stalls;
        stalls.retain(|stall| stall.ms.is_none() && (3.0..4.2).contains(&stall.media_s));
        (!stalls.is_empty()).then_some(())
    });
    stalls.await;
    gate.close();
    shown_to_its_end(&player).await;
    let report = player.report().await;
    assert!(report.stalls.iter().all(|stall| stall.ms.is_some()), "{:?}", report.stalls);
    report.assert_unbroken(FPS);
}

#[tokio::test]
async fn a_missing_segment_is_noticed() {
    let mut files = ladder();
    for level in ["240", "360"] {
        let playlist = files.get_mut(&format!("{level}.m3u8")).unwrap();
        let text = String::from_utf8(playlist.to_vec()).unwrap();
        let without = text.lines().collect::<Vec<_>>();
        let at = without.iter().position(|line| *line == format!("{level}-3.m4s")).unwrap();
        *playlist = [&without[..at - 1], &without[at + 1..]].concat().join("\n").into();
    }
    let report = watched(&Site::serve(files).await).await;
    let faults = report.faults(FPS).join("\n");
    assert!(faults.contains("nothing lay from") || faults.contains("it jumped"), "{faults}");
}

#[tokio::test]
async fn a_segment_that_comes_again_is_noticed() {
    // What follows the third second is the third second again, and everything a second later.
    let files = ladder::with_a_second_repeated(&ladder(), 3);
    let report = watched(&Site::serve(files).await).await;
    let faults = report.faults(FPS).join("\n");
    assert!(faults.contains("-30 from what was there before"), "{faults}");
}

#[tokio::test]
async fn a_segment_that_is_listed_twice_is_noticed() {
    let mut files = ladder();
    let playlist = files.get_mut("240.m3u8").unwrap();
    let text = String::from_utf8(playlist.to_vec()).unwrap();
    *playlist = text.replace("240-4.m4s", "240-3.m4s").into();
    let report = watched(&Site::serve(files).await).await;
    let faults = report.faults(FPS).join("\n");
    assert!(faults.contains("is listed as segments 3 and 4"), "{faults}");
}

#[tokio::test]
async fn a_live_stream_is_watched_from_behind_its_end_to_its_end() {
    let (site, broadcast) = live::broadcast(false, Duration::from_secs(5)).await;
    let player = Player::open(&site.url("all.m3u8"), Options::default()).await;
    player.until("it ends", |progress| progress.ended).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert!(report.numbers().ends_with(&[live::SECONDS * FPS - 1]), "{:?}", report.numbers());
    let behind = report.glass_to_glass(broadcast.sent_at(), FPS).unwrap();
    // Three segments, and less than another two.
    assert!(behind.median < Duration::from_secs(5), "{behind:?}");
    assert!(report.segments.iter().all(|arrival| arrival.part.is_none()));
}

#[tokio::test]
async fn parts_are_watched_as_they_come() {
    let (site, broadcast) = live::broadcast(true, Duration::from_secs(3)).await;
    let options = Options { low_latency: true, ..Options::default() };
    let player = Player::open(&site.url("all.m3u8"), options).await;
    player.until("it ends", |progress| progress.ended).await;
    let report = player.report().await;
    report.assert_unbroken(FPS);
    assert!(report.numbers().ends_with(&[live::SECONDS * FPS - 1]), "{:?}", report.numbers());
    let behind = report.glass_to_glass(broadcast.sent_at(), FPS).unwrap();
    assert!(behind.median < Duration::from_secs(3), "{behind:?}");
    assert!(report.segments.iter().any(|arrival| arrival.part.is_some()));
}
