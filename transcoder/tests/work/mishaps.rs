//! Engines that die, connections that break, lanes that are called off.

use crate::gateway::{Stage, engines, until};
use rustix::process::{Pid, Signal, kill_process};
use tessera_link::Closed;
use tessera_media::AccessUnit;
use tessera_media::task::Pace;
use tessera_media::wire::{Body, TrackKind};
use tokio::sync::{Mutex, MutexGuard};

/// Tests that look at engines' processes run one at a time: all are children of one process.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

async fn begin(stage: &Stage, lane: u32, segment: u64) -> u32 {
    let before = engines();
    stage.begin(lane, Pace::Segment, segment).await;
    until("an engine", async || engines().into_iter().find(|pid| !before.contains(pid))).await
}

#[tokio::test]
async fn an_engine_s_death_fails_its_lane_alone() {
    let _alone = alone().await;
    let mut stage = Stage::set().await;
    let doomed = begin(&stage, 1, 1).await;
    begin(&stage, 2, 2).await;
    stage.source(1, 0).await;
    stage.source(2, 0).await;
    kill_process(Pid::from_raw(doomed.cast_signed()).unwrap(), Signal::KILL).unwrap();
    stage.say(2, Body::End).await;
    let [first, second] = stage.collect([1, 2]).await;
    let because = first.end.unwrap().unwrap_err();
    assert!(because.contains("SIGKILL"), "{because}");
    assert!(first.claims.is_empty());
    assert_eq!((second.end, second.claims.len()), (Some(Ok(())), 1));

    // The next lane has another engine.
    stage.begin(3, Pace::Segment, 1).await;
    stage.source(3, 0).await;
    stage.say(3, Body::End).await;
    let [third] = stage.collect([3]).await;
    assert_eq!((third.end, third.claims.len()), (Some(Ok(())), 1));
}

#[tokio::test]
async fn a_broken_connection_ends_its_engines() {
    let _alone = alone().await;
    let stage = Stage::set().await;
    let engine = begin(&stage, 1, 1).await;
    stage.source(1, 0).await;
    stage.to_worker.close();
    assert_eq!(stage.line.await.unwrap(), Closed::There);
    until("the engine ends", async || (!engines().contains(&engine)).then_some(())).await;
    assert_eq!(stage.bench.pool.free(), 4, "all places are free again");
}

#[tokio::test]
async fn a_lane_that_is_called_off_ends_its_engine_and_says_no_more() {
    let _alone = alone().await;
    let mut stage = Stage::set().await;
    let engine = begin(&stage, 1, 1).await;
    stage.source(1, 0).await;
    stage.first_unit(1).await;
    stage.say(1, Body::Cancel).await;
    until("the engine ends", async || (!engines().contains(&engine)).then_some(())).await;
    // Late words for it are passed over; what was on its way may still arrive, an end may not.
    stage.say(1, Body::End).await;
    stage.begin(2, Pace::Segment, 2).await;
    stage.source(2, 0).await;
    stage.say(2, Body::End).await;
    let mut over = vec![];
    while over.is_empty() {
        let event = stage.from_worker.recv().await.unwrap();
        if let tessera_link::Event::Media(message) = event
            && matches!(message.body, Body::Finished | Body::Failed(_))
        {
            over.push((message.lane.0, message.body));
        }
    }
    assert_eq!(over, [(2, Body::Finished)]);
}

#[tokio::test]
async fn a_source_that_is_no_video_fails_its_lane_in_words() {
    let _alone = alone().await;
    let mut stage = Stage::set().await;
    stage.begin(1, Pace::Segment, 1).await;
    for unit in &stage.clip.1 {
        let data = unit.data.iter().map(|byte| byte.wrapping_mul(31) ^ 0x5a).collect::<Vec<_>>();
        let broken = AccessUnit { data: data.into(), ..unit.clone() };
        stage.say(1, Body::Source(TrackKind::Video, broken)).await;
    }
    stage.say(1, Body::End).await;
    let [lot] = stage.collect([1]).await;
    assert!(lot.claims.is_empty() && lot.end.as_ref().unwrap().is_err(), "{:?}", lot.end);
}

/// Four lanes at a time, each with the clip's beginning in another broken way.
#[tokio::test]
async fn broken_sources_end_their_lanes_and_never_the_worker() {
    let _alone = alone().await;
    let mut stage = Stage::set().await;
    stage.clip.1.truncate(8);
    let mut random = Random(1);
    let (mut finished, mut failed) = (0, 0);
    for round in 0..50 {
        let lanes = [0, 1, 2, 3].map(|n| 4 * round + n);
        for lane in lanes {
            stage.begin(lane, Pace::Segment, 1).await;
            for unit in mutated(&stage.clip.1, &mut random) {
                stage.say(lane, Body::Source(TrackKind::Video, unit)).await;
            }
            stage.say(lane, Body::End).await;
        }
        for lot in stage.collect(lanes).await {
            match lot.end.unwrap() {
                Ok(()) => finished += 1,
                Err(_) => failed += 1,
            }
        }
    }
    // Both happened, so the mutations are neither harmless nor all of them fatal.
    assert!(finished > 0 && failed > 0, "{finished} finished, {failed} failed");
    stage.begin(1000, Pace::Segment, 2).await;
    stage.source(1000, 0).await;
    stage.say(1000, Body::End).await;
    let [lot] = stage.collect([1000]).await;
    assert_eq!((lot.end, lot.claims.len()), (Some(Ok(())), 1));
}

/// A unit here and there cut off, flipped, left out, sent twice, out of time, or with a lie about its
/// NAL units' lengths.
fn mutated(units: &[AccessUnit], random: &mut Random) -> Vec<AccessUnit> {
    let mut mutated = vec![];
    for unit in units {
        let mut unit = unit.clone();
        let mut data = unit.data.to_vec();
        let at = random.below(data.len());
        match random.below(8) {
            0 => data.truncate(at),
            1 => data[at] ^= 1 << random.below(8),
            2 => data[at..].fill(0xff),
            3 => continue,
            4 => mutated.push(unit.clone()),
            5 => unit.pts = unit.pts - tessera_media::Ticks(random.below(1 << 40) as i64),
            6 => data[..4].copy_from_slice(&(random.below(1 << 32) as u32).to_be_bytes()),
            _ => {}
        }
        unit.data = data.into();
        mutated.push(unit);
    }
    mutated
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}
