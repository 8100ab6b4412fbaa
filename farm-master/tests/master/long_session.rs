//! A session of twelve hours: what it takes on the disk, and how long its reports take.

use crate::store::open;
use crate::store_live::{GATEWAY, begin_session};
use crate::studio::SEGMENT_PIXELS;
use std::time::Instant;
use tempfile::TempDir;
use tessera_farm_master::store::LiveStore as _;
use tessera_farm_master::store::live::{SegmentAnswer, SegmentEntry};
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_protocol::stream::{ClaimReceipt, Ladder, SegmentClaim, SegmentNumber};
use tessera_protocol::{Generation, LeaseId, MediaHash, NodeId, SessionId};

const SESSION: SessionId = SessionId([3; 16]);
/// Twelve hours of two seconds each.
const SEGMENTS: u64 = 12 * 60 * 60 / 2;

fn report(number: u64, ladder: &Ladder) -> SegmentReport {
    let result = |rendition: &tessera_protocol::stream::Rendition| RenditionResult {
        rendition: rendition.name.clone(),
        frames: 60,
        pixels: SEGMENT_PIXELS / 2,
        bytes: 500_000 + number,
        hash: MediaHash(*blake3::hash(&number.to_le_bytes()).as_bytes()),
    };
    let claim = SegmentClaim {
        node: NodeId([1; 32]),
        gateway: GATEWAY,
        lease: LeaseId([4; 16]),
        session: SESSION,
        generation: Generation(1),
        segment: SegmentNumber(number),
        renditions: ladder.renditions().iter().map(result).collect(),
    };
    let (worker_signature, gateway_signature) = (SignatureBytes([5; 64]), SignatureBytes([6; 64]));
    SegmentReport {
        segment: SegmentNumber(number),
        generation: Generation(1),
        start_ms: i64::try_from(number).unwrap() * 2000,
        duration_ms: 2000,
        receipt: Some(ClaimReceipt { claim, worker_signature, gateway_signature }),
    }
}

#[tokio::test]
async fn twelve_hours_of_four_renditions_take_little_room() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let ladder = Ladder::standard();
    assert_eq!(begin_session(&store, 3, &ladder).await, SESSION);

    let (began, mut slowest) = (Instant::now(), std::time::Duration::ZERO);
    for from in (0..SEGMENTS).step_by(64) {
        let entries = (from..(from + 64).min(SEGMENTS)).map(|number| report(number, &ladder));
        let entries = entries.map(|report| SegmentEntry::Published(Box::new(report))).collect();
        let asked = Instant::now();
        let answers = store.enter_segments(SESSION, GATEWAY, entries, 2000).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        assert!(answers.iter().all(|answer| *answer == SegmentAnswer::Known));
    }
    let seconds = began.elapsed().as_secs_f64();
    let view = store.session(SESSION).await.unwrap().unwrap().view;
    assert_eq!(view.segments, SEGMENTS);
    assert_eq!(view.pixels, SEGMENTS * 2 * SEGMENT_PIXELS);
    drop(store);
    let files = std::fs::read_dir(folder.path()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!(
        "{SEGMENTS} segments: {:.1} MB, {:.0} a second, slowest 64 in {slowest:?}",
        bytes as f64 / 1e6,
        SEGMENTS as f64 / seconds
    );
    assert!(bytes < 24_000_000, "{bytes} bytes");
}
