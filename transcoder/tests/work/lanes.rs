//! What a worker makes, and what it says of it.

use crate::gateway::{Lot, Stage, until};
use tessera_link::Control;
use tessera_media::UnitHasher;
use tessera_media::task::{Container, Pace, Task};
use tessera_media::wire::Body;
use tessera_protocol::MediaHash;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};

/// Whether the claims of a lane are about what arrived on it, segment after segment.
fn assert_claims_hold(stage: &Stage, lot: &Lot, segments: &[(u64, usize)]) {
    assert_eq!(lot.end, Some(Ok(())));
    assert_eq!(lot.claims.len(), segments.len());
    assert_eq!(lot.done.len(), segments.len());
    let mut from = 0;
    for ((claim, signature), &(segment, frames)) in lot.claims.iter().zip(segments) {
        assert_eq!(claim.segment, SegmentNumber(segment));
        assert_eq!(
            (claim.lease, claim.session),
            (stage.bench.grant.lease, stage.bench.grant.session)
        );
        assert!(claim.is_signed_by_its_node(signature));
        assert_eq!(claim.renditions.len(), 2);
        for (index, claimed) in (0_u8..).zip(&claim.renditions) {
            let (format, units) = (&lot.formats[&index], &lot.units[&index]);
            let units = &units[from..from + frames];
            assert!(units[0].keyframe, "segment {segment} opens with a keyframe");
            let mut hasher = UnitHasher::default();
            units.iter().for_each(|unit| hasher.unit(unit));
            assert_eq!(claimed.hash, MediaHash(hasher.finish()));
            assert_eq!(claimed.frames as usize, frames);
            let frame = u64::from(format.width * format.height);
            assert_eq!(claimed.pixels, frame * frames as u64);
            assert_eq!(claimed.bytes, units.iter().map(|unit| unit.data.len() as u64).sum::<u64>());
        }
        from += frames;
    }
}

#[tokio::test]
async fn a_segment_comes_back_as_a_ladder_with_a_claim_that_holds() {
    let mut stage = Stage::set().await;
    stage.begin(7, Pace::Segment, 12).await;
    stage.source(7, 0).await;
    stage.say(7, Body::End).await;
    let [lot] = stage.collect([7]).await;
    assert_claims_hold(&stage, &lot, &[(12, 60)]);
    assert_eq!(lot.formats[&0].height, 240);
    let taken = stage.bench.pixels_per_s.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(taken, 30 * (426 * 240 + 256 * 144));
}

#[tokio::test]
async fn two_segments_are_made_side_by_side() {
    let mut stage = Stage::set().await;
    for lane in [1, 2] {
        stage.begin(lane, Pace::Segment, u64::from(lane)).await;
        stage.source(lane, i64::from(lane)).await;
    }
    for lane in [2, 1] {
        stage.say(lane, Body::End).await;
    }
    let [one, two] = stage.collect([1, 2]).await;
    assert_claims_hold(&stage, &one, &[(1, 60)]);
    assert_claims_hold(&stage, &two, &[(2, 60)]);
}

#[tokio::test]
async fn a_live_lane_claims_each_segment_that_was_cut() {
    let mut stage = Stage::set().await;
    stage.begin(3, Pace::Live, 5).await;
    stage.source(3, 0).await;
    for later in [1, 2] {
        stage.say(3, Body::Cut(SegmentNumber(5 + later as u64))).await;
        stage.source(3, later).await;
    }
    stage.say(3, Body::End).await;
    let [lot] = stage.collect([3]).await;
    assert_claims_hold(&stage, &lot, &[(5, 60), (6, 60), (7, 60)]);
}

#[tokio::test]
async fn a_receipt_is_kept_on_disk_and_a_forged_one_is_not() {
    let mut stage = Stage::set().await;
    stage.begin(1, Pace::Segment, 1).await;
    stage.source(1, 0).await;
    stage.say(1, Body::End).await;
    let [lot] = stage.collect([1]).await;
    let (claim, signature) = lot.claims[0].clone();

    let mut dearer = claim.clone();
    dearer.renditions[0].pixels *= 2;
    dearer.segment = SegmentNumber(2);
    let forged = ClaimReceipt::countersign(dearer, signature.clone(), &stage.key);
    stage.to_worker.say(Control::Receipt(forged)).await.unwrap();
    let receipt = ClaimReceipt::countersign(claim, signature, &stage.key);
    stage.to_worker.say(Control::Receipt(receipt.clone())).await.unwrap();

    let kept = until("a receipt", async || {
        let kept = stage.bench.receipts.oldest(10).await;
        (!kept.is_empty()).then_some(kept)
    })
    .await;
    assert_eq!(kept, [receipt]);
    assert_eq!(stage.receipts_on_disk().await, 1);
}

#[tokio::test]
async fn what_nobody_pays_for_is_refused_and_says_why() {
    let mut stage = Stage::set().await;
    stage.say(1, Body::Begin(Task::Demux { container: Container::Mp4 })).await;
    let Task::Ladder(mut dearer) = stage.task(Pace::Segment, 1) else { unreachable!() };
    dearer.renditions[0].bits_per_s += 1;
    stage.say(2, Body::Begin(Task::Ladder(dearer.clone()))).await;
    dearer.renditions.clear();
    stage.say(3, Body::Begin(Task::Ladder(dearer))).await;
    let ends = stage.collect([1, 2, 3]).await.map(|lot| lot.end.unwrap().unwrap_err());
    assert!(ends[0].contains("makes ladders"), "{}", ends[0]);
    assert!(ends[1].contains("no rendition 240p"), "{}", ends[1]);
    assert!(ends[2].contains("no rendition is asked for"), "{}", ends[2]);
}
