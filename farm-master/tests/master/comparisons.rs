//! What the comparison of segments with their source makes of a worker's record.

use crate::ladders::{Set, set};
use crate::studio::code;
use crate::world::eventually;
use tessera_client::ClientError;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::gateway::AuditReport;
use tessera_protocol::stream::worker::StreamLeaseRequest;
use tessera_protocol::{NodeId, SessionId};
use tessera_verify::segment::record::{BARRED, REJECTED_WEIGHS};

/// A gateway tells what it found of a segment of the set's worker.
async fn audit(set: &Set, number: u64, rejected: Option<&str>) -> Result<(), ClientError> {
    let report = AuditReport {
        segment: SegmentNumber(number),
        node: set.worker.key.node(),
        rendition: "360p".to_owned().try_into().unwrap(),
        rejected: rejected.map(str::to_owned),
    };
    set.gateway.client.report_audit(set.grant.session, &report).await
}

#[tokio::test]
async fn comparisons_make_a_record_and_a_rejection_has_all_compared() {
    let set = set().await;
    assert!(set.report((0..102).map(|number| set.made(number)).collect()).await.is_empty());
    let audit = async |number: u64, rejected: Option<&str>| audit(&set, number, rejected).await;
    let percent = async || set.gateway.beat(&set.grant).await.workers[0].audit_percent;
    for number in 0..99 {
        audit(number, None).await.unwrap();
    }
    audit(98, None).await.unwrap();
    assert_eq!(percent().await, 20, "the same again counts once");
    audit(99, None).await.unwrap();
    assert_eq!(percent().await, 10, "proven");
    audit(100, Some("the picture is another one")).await.unwrap();
    assert_eq!(percent().await, 100);
    audit(100, None).await.unwrap();
    audit(101, None).await.unwrap();
    assert_eq!(percent().await, 100, "a verdict stands, and one that passes does not make up");

    assert_eq!(code(audit(500, None).await), "report-refused");
    let other = AuditReport {
        segment: SegmentNumber(0),
        node: NodeId([1; 32]),
        rendition: "360p".to_owned().try_into().unwrap(),
        rejected: Some("blame".into()),
    };
    let answer = set.gateway.client.report_audit(set.grant.session, &other).await;
    assert_eq!(code(answer), "report-refused", "not that node's segment");
    let stranger = set.farm.gateway(2).await;
    let answer = stranger.client.report_audit(set.grant.session, &other).await;
    assert_eq!(code(answer), "session-not-found");
    let unknown = set.gateway.client.report_audit(SessionId([1; 16]), &other).await;
    assert_eq!(code(unknown), "session-not-found");
}

#[tokio::test]
async fn a_worker_whose_segments_are_rejected_again_and_again_gets_no_more() {
    let set = set().await;
    assert!(set.report((0..20).map(|number| set.made(number)).collect()).await.is_empty());
    let needed = BARRED / REJECTED_WEIGHS;
    for number in 0..needed - 1 {
        audit(&set, number, Some("black")).await.unwrap();
    }
    // The same told again weighs nothing.
    audit(&set, 0, Some("black")).await.unwrap();
    assert!(set.worker.is_alive(set.lease.lease).await, "it may be chance still");
    audit(&set, needed, Some("black")).await.unwrap();
    assert!(!set.worker.is_alive(set.lease.lease).await);
    eventually(async || set.gateway.beat(&set.grant).await.workers.is_empty().then_some(())).await;
    let ask = StreamLeaseRequest { free_pixels_per_s: 1_000_000_000, wait_ms: 0 };
    assert_eq!(code(set.worker.client.stream_lease(&ask).await), "node-barred");
    // Joining again does not help.
    let again = set.farm.worker(9).await;
    assert_eq!(code(again.client.stream_lease(&ask).await), "node-barred");
    // Whoever is honest gets the session.
    let honest = set.farm.worker(8).await;
    assert_eq!(honest.lease().await.session, set.grant.session);
}
