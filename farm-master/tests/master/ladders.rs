//! Workers: who gets which session, what of their work counts, and what becomes of their record.

use crate::studio::{
    FAST, Gateway, SEGMENT_PIXELS, Worker, beat, code, doors, from_source, stream_spec,
};
use crate::world::{Farm, eventually};
use std::time::{Duration, Instant};
use tessera_protocol::lease::GiveBackRequest;
use tessera_protocol::stream::gateway::{SegmentReport, SessionBeat, SessionGrant, WorkerReport};
use tessera_protocol::stream::worker::{
    PresentedReceipts, PresentedView, StreamLeaseGrant, WorkerAbility,
};
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber, VideoCodec};
use tessera_protocol::{LeaseId, MediaHash, PixelPrice, SessionId};

/// A live session with one worker on it.
pub(crate) struct Set {
    pub(crate) farm: Farm,
    pub(crate) gateway: Gateway,
    pub(crate) worker: Worker,
    pub(crate) grant: SessionGrant,
    pub(crate) lease: StreamLeaseGrant,
}

pub(crate) async fn set() -> Set {
    let farm = Farm::steady().await;
    let (gateway, worker) = (farm.gateway(1).await, farm.worker(9).await);
    let made = farm.stream().await;
    let grant = gateway.open(&made.key).await.unwrap();
    let lease = worker.lease().await;
    Set { farm, gateway, worker, grant, lease }
}

impl Set {
    pub(crate) fn made(&self, number: u64) -> SegmentReport {
        self.worker.made(&self.gateway, &self.lease, number)
    }

    fn receipt(&self, number: u64) -> ClaimReceipt {
        self.made(number).receipt.unwrap()
    }

    pub(crate) async fn report(&self, segments: Vec<SegmentReport>) -> Vec<u64> {
        self.gateway.report(self.grant.session, segments).await
    }

    async fn present(&self, receipts: Vec<ClaimReceipt>) -> PresentedView {
        self.worker.client.present_receipts(&PresentedReceipts { receipts }).await.unwrap()
    }

    /// Segments, those from the source, pixels; and what the worker is credited.
    async fn counts(&self) -> (u64, u64, u64, u64) {
        let session = self.farm.operator().session(self.grant.session).await.unwrap();
        let worker = self.farm.operator().workers().await.unwrap().remove(0);
        assert_eq!(worker.pixels, session.pixels);
        (session.segments, session.segments_from_source, session.pixels, worker.segments)
    }
}

#[tokio::test]
async fn a_worker_gets_a_session_and_its_gateway_hears_of_it() {
    let set = set().await;
    assert_eq!(set.lease.session, set.grant.session);
    assert_eq!(set.lease.gateway, set.gateway.id());
    assert_eq!(set.lease.gateway_address, "127.0.0.1:7000");
    assert_eq!((set.lease.price, &set.lease.ladder), (PixelPrice(0), &set.grant.ladder));
    let workers = set.gateway.beat(&set.grant).await.workers;
    assert_eq!(workers.len(), 1);
    assert_eq!((workers[0].lease, workers[0].node), (set.lease.lease, set.worker.key.node()));
    assert_eq!(workers[0].audit_percent, 20, "a new one");
    assert!(set.worker.is_alive(set.lease.lease).await);
    assert_eq!(set.worker.ask(0).await, None, "it has the only session");

    let standby = set.farm.worker(8).await;
    let second = standby.lease().await;
    assert_eq!(second.session, set.grant.session);
    let leases: Vec<_> =
        set.gateway.beat(&set.grant).await.workers.iter().map(|worker| worker.lease).collect();
    assert_eq!(leases, [set.lease.lease, second.lease], "the first comes first");
    let third = set.farm.worker(7).await;
    assert_eq!(third.ask(50).await, None, "two are enough");
    assert!(!third.is_alive(second.lease).await, "another's lease");
    assert!(!third.is_alive(LeaseId([1; 16])).await);
}

#[tokio::test]
async fn of_those_who_wait_the_cheapest_that_can_gets_the_session() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let made = farm.stream().await;
    let dear = farm.worker_with(2, |able| able.price = PixelPrice(1000)).await;
    let cheap = farm.worker_with(3, |able| able.price = PixelPrice(10)).await;
    let slow = farm.worker_with(4, |able| able.pixels_per_s = 1000).await;
    let unfit = farm.worker_with(5, |able| able.codecs = vec![VideoCodec::Av1]).await;
    let begin = async {
        // All four have to wait before there is something to have.
        until_waiting(&farm, 4).await;
        gateway.open(&made.key).await.unwrap()
    };
    let served = async { tokio::join!(dear.lease(), cheap.lease(), begin) };
    let (dear, cheap, grant) = tokio::select! {
        served = served => served,
        lease = slow.lease() => panic!("{lease:?}"),
        lease = unfit.lease() => panic!("{lease:?}"),
    };
    let leases: Vec<_> =
        gateway.beat(&grant).await.workers.iter().map(|worker| worker.lease).collect();
    assert_eq!(leases, [cheap.lease, dear.lease], "and the next stands by");
}

async fn until_waiting(farm: &Farm, workers: usize) {
    eventually(async || {
        let metrics = farm.get("/metrics").await.text().await.unwrap();
        metrics.contains(&format!("tessera_workers_waiting {workers}\n")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ladder_goes_where_the_line_is_wide_enough_however_cheap_another_is() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let one = farm.stream().await;
    let two = farm.operator().create_stream(&stream_spec(), "two").await.unwrap();
    // A ladder takes 3.6 Mbit/s.
    let line = |bits, price| {
        move |able: &mut WorkerAbility| {
            (able.uplink_bits_per_s, able.price) = (Some(bits), PixelPrice(price));
        }
    };
    let thin = farm.worker_with(2, line(3_599_999, 1)).await;
    let for_one = farm.worker_with(3, line(7_199_999, 10)).await;
    let for_all = farm.worker_with(4, |able| able.price = PixelPrice(1000)).await;
    let begin = async |key: &str| {
        until_waiting(&farm, 2).await;
        gateway.open(key).await.unwrap()
    };
    let (first, lease) = tokio::select! {
        begun = async { tokio::join!(begin(&one.key), for_one.lease()) } => begun,
        lease = thin.lease() => panic!("{lease:?}"),
    };
    assert_eq!(lease.session, first.session);
    // Both wait when the second begins, and there is no more room on either line.
    let others = async {
        let second = begin(&two.key).await;
        let leases = [for_all.lease().await.session, for_all.lease().await.session];
        assert_eq!(leases, [second.session, first.session]);
    };
    tokio::select! {
        () = others => {}
        lease = thin.lease() => panic!("{lease:?}"),
        lease = for_one.lease() => panic!("{lease:?}"),
    }
    let told = farm.operator().workers().await.unwrap();
    let uplink = told.iter().find(|one| one.id == thin.key.node()).unwrap().able.uplink_bits_per_s;
    assert_eq!(uplink, Some(3_599_999));
}

#[tokio::test]
async fn one_gateways_impossible_numbers_stop_nobody_else() {
    let farm = Farm::steady().await;
    let (gateway, worker) = (farm.gateway(1).await, farm.worker(9).await);
    let mut leases = vec![];
    for name in ["one", "two"] {
        let made = farm.operator().create_stream(&stream_spec(), name).await.unwrap();
        let grant = gateway.open(&made.key).await.unwrap();
        let lease = worker.lease().await;
        assert_eq!(lease.session, grant.session);
        leases.push((grant, lease.lease));
    }
    for (grant, lease) in &leases {
        let (lease, replace, away) = (*lease, None, false);
        let report = WorkerReport { lease, segments: 0, failures: u64::MAX, replace, away };
        let boast = SessionBeat { workers: vec![report], ..beat(grant) };
        let answer = gateway.client.beat(grant.session, &boast).await;
        assert_eq!(code(answer), "report-refused");
        // Whoever sends decides what his source's times come to: that ends no session.
        assert!(gateway.beat_with(grant, |beat| beat.pixels_per_s = u64::MAX).await.alive);
        assert_eq!(gateway.beat(grant).await.workers.len(), 1);
    }
    // The worker of both waits with another one, which gets the next session.
    let next = async {
        until_waiting(&farm, 1).await;
        let made = farm.operator().create_stream(&stream_spec(), "three").await.unwrap();
        let grant = gateway.open(&made.key).await.unwrap();
        let other = farm.worker(8).await;
        loop {
            // It may stand by for the first two before.
            if other.lease().await.session == grant.session {
                return;
            }
        }
    };
    tokio::select! {
        () = next => {}
        lease = worker.lease() => panic!("it has nothing left: {lease:?}"),
    }
    assert_eq!(farm.operator().workers().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_worker_that_is_replaced_or_silent_makes_room() {
    let set = set().await;
    let told = set.gateway.replace(&set.grant, set.lease.lease).await;
    assert!(told.alive && told.workers.is_empty());
    assert!(!set.worker.is_alive(set.lease.lease).await);
    assert_eq!(set.worker.ask(50).await, None, "not again for a minute");
    let views = set.farm.operator().workers().await.unwrap();
    assert_eq!((views[0].failures, views[0].sessions), (1, 0));
    let other = set.farm.worker(8).await;
    let lease = other.lease().await;
    assert_eq!(set.gateway.beat(&set.grant).await.workers[0].lease, lease.lease);

    other.client.stream_give_back(lease.lease, &GiveBackRequest::default()).await.unwrap();
    assert!(set.gateway.beat(&set.grant).await.workers.is_empty());
    let again = other.lease().await;
    assert_ne!(again.lease, lease.lease, "it may come back");
    let (lease, replace) = (again.lease, Some("it has been away".to_owned()));
    let report = WorkerReport { lease, segments: 1, failures: 0, replace, away: true };
    let told = set.gateway.beat_with(&set.grant, |beat| beat.workers = vec![report]).await;
    assert!(told.alive && told.workers.is_empty());
    let again = other.lease().await;
    assert_ne!(again.lease, lease, "so it may when it was only gone");
    let failed = GiveBackRequest { failed: Some("no connection".into()) };
    other.client.stream_give_back(again.lease, &failed).await.unwrap();
    other.client.stream_give_back(again.lease, &failed).await.unwrap();
    assert_eq!(other.ask(50).await, None, "it would only fail again");
}

#[tokio::test]
async fn a_silent_worker_loses_its_lease() {
    const LEASE: Duration = Duration::from_millis(500);
    let farm = Farm::start_with(|config| {
        config.session_lease = LEASE;
        config.reconnect = Duration::from_secs(600);
    })
    .await;
    let gateway = farm.gateway(1).await;
    let made = farm.stream().await;
    let grant = gateway.open(&made.key).await.unwrap();
    let (silent, other) = (farm.worker(2).await, farm.worker(3).await);
    let beats = async || gateway.beat(&grant).await;
    // Workers are given to sessions only whose gateway is heard.
    let leased = async |worker: &Worker| {
        let lease = worker.lease();
        tokio::pin!(lease);
        loop {
            tokio::select! {
                lease = &mut lease => return lease,
                beaten = beats() => assert!(beaten.alive),
            }
        }
    };
    let lost = leased(&silent).await;
    eventually(async || beats().await.workers.is_empty().then_some(())).await;
    assert!(!silent.is_alive(lost.lease).await);
    let held = leased(&other).await;
    let (since, mut heard) = (Instant::now(), Instant::now());
    while since.elapsed() < 3 * LEASE {
        let alive = other.is_alive(held.lease).await;
        // A machine that stands still for a lease's time keeps none.
        assert!(alive || heard.elapsed() >= LEASE, "heartbeats keep it");
        heard = Instant::now();
    }
}

#[tokio::test]
async fn a_session_without_a_worker_takes_one_that_only_stands_by() {
    let farm = Farm::steady().await;
    let gateway = farm.gateway(1).await;
    let one = farm.stream().await;
    let two = farm.operator().create_stream(&stream_spec(), "two").await.unwrap();
    let first = gateway.open(&one.key).await.unwrap();
    // Room for one session each.
    let workers = [farm.worker_with(2, small).await, farm.worker_with(3, small).await];
    let primary = workers[0].lease().await;
    let standby = workers[1].lease().await;
    let second = gateway.open(&two.key).await.unwrap();
    eventually(async || (!workers[1].is_alive(standby.lease).await).then_some(())).await;
    let moved = workers[1].lease().await;
    assert_eq!(moved.session, second.session);
    assert!(workers[0].is_alive(primary.lease).await);
    assert_eq!(gateway.beat(&first).await.workers.len(), 1);
}

fn small(able: &mut WorkerAbility) {
    able.pixels_per_s = 40_000_000;
}

#[tokio::test]
async fn each_segment_counts_once_whoever_tells_it_and_however_often() {
    let set = set().await;
    let batch = vec![set.made(0), from_source(set.grant.generation, 1), set.made(2)];
    for _ in 0..3 {
        assert!(set.report(batch.clone()).await.is_empty());
        assert_eq!(set.counts().await, (3, 1, 2 * SEGMENT_PIXELS, 2));
    }
    for _ in 0..2 {
        let view = set.present(vec![set.receipt(0), set.receipt(3)]).await;
        assert_eq!((view.known, view.refused.len()), (2, 0));
        assert_eq!(set.counts().await, (3, 1, 3 * SEGMENT_PIXELS, 3), "3 was not published yet");
    }
    let segments = set.farm.operator().segments(set.grant.session).await.unwrap();
    let by: Vec<_> = segments.iter().map(|one| (one.segment.0, one.node)).collect();
    let node = Some(set.worker.key.node());
    assert_eq!(by, [(0, node), (1, None), (2, node)]);
    assert_eq!(segments[0].claim, Some(set.receipt(0).claim));
    // Its gateway reports it at last, and again.
    for _ in 0..2 {
        assert!(set.report(vec![set.made(3)]).await.is_empty());
        assert_eq!(set.counts().await, (4, 1, 3 * SEGMENT_PIXELS, 3));
    }
    // The source stood in, but the worker had done it and the gateway had signed.
    assert_eq!(set.present(vec![set.receipt(1)]).await.known, 1);
    assert_eq!(set.counts().await, (4, 1, 4 * SEGMENT_PIXELS, 4));
}

#[tokio::test]
async fn reports_and_receipts_at_the_same_moment_count_once() {
    let set = set().await;
    let reports = || (0..40).map(|number| set.made(number)).collect::<Vec<_>>();
    let receipts = || (0..40).map(|number| set.receipt(number)).collect::<Vec<_>>();
    let (one, two, three, four) = tokio::join!(
        set.report(reports()),
        set.present(receipts()),
        set.report(reports()),
        set.present(receipts()),
    );
    assert!(one.is_empty() && three.is_empty());
    assert_eq!((two.known, four.known), (40, 40));
    assert_eq!(set.counts().await, (40, 0, 40 * SEGMENT_PIXELS, 40));
}

#[tokio::test]
async fn another_claim_for_a_counted_segment_is_refused_and_kept() {
    let set = set().await;
    assert!(set.report(vec![set.made(0)]).await.is_empty());
    let mut claim = set.worker.claim(&set.lease, 0);
    claim.renditions[0].hash = MediaHash([9; 32]);
    let other = set.gateway.receipt(&set.worker, claim);
    let report = SegmentReport { receipt: Some(other.clone()), ..set.made(0) };
    assert_eq!(set.report(vec![report, set.made(1)]).await, [0], "and the rest is taken");
    let view = set.present(vec![other]).await;
    assert_eq!((view.known, view.refused.len()), (0, 1));
    assert!(view.refused[0].because.contains("evidence"), "{:?}", view.refused);
    assert_eq!(set.counts().await, (2, 0, 2 * SEGMENT_PIXELS, 2));
    let metrics = set.farm.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("tessera_segment_conflicts_total 1\n"), "kept once");
}

#[tokio::test]
async fn a_receipt_with_anything_changed_does_not_count() {
    let set = set().await;
    let stranger = set.farm.worker(8).await;
    let honest = set.receipt(0);
    // Signed anew by both after the change, so that the rule named and not the signature decides.
    let signed = |change: &dyn Fn(&mut tessera_protocol::stream::SegmentClaim)| {
        let mut claim = set.worker.claim(&set.lease, 0);
        change(&mut claim);
        set.gateway.receipt(&set.worker, claim)
    };
    let cases = [
        ("another lease", signed(&|claim| claim.lease = LeaseId([1; 16]))),
        ("another session", signed(&|claim| claim.session = SessionId([1; 16]))),
        ("another segment", signed(&|claim| claim.segment = SegmentNumber(7))),
        ("a later generation", signed(&|claim| claim.generation.0 += 1)),
        ("a generation that never was", signed(&|claim| claim.generation.0 = 0)),
        ("a rendition less", signed(&|claim| drop(claim.renditions.pop()))),
        ("a rendition twice", signed(&|claim| claim.renditions[1] = claim.renditions[0].clone())),
        ("more pixels", signed(&|claim| claim.renditions[0].pixels += 1)),
        ("impossible pixels", signed(&|claim| claim.renditions[0].pixels = 60 << 40)),
        ("no frames", signed(&|claim| claim.renditions[0].frames = 0)),
        ("no bytes", signed(&|claim| claim.renditions[0].bytes = 0)),
        ("somebody else's key", set.gateway.receipt(&stranger, honest.claim.clone())),
        ("another gateway", {
            let gateway = set.farm.gateway(2).await;
            gateway.receipt(&set.worker, honest.claim.clone())
        }),
    ];
    let report =
        |receipt: &ClaimReceipt| SegmentReport { receipt: Some(receipt.clone()), ..set.made(0) };
    for (what, receipt) in &cases {
        assert_eq!(set.report(vec![report(receipt)]).await, [0], "{what}");
        if *what != "another segment" {
            assert_eq!(set.present(vec![receipt.clone()]).await.known, 0, "{what}");
        }
    }
    // Every single bit of both signatures, and of what they cover.
    let mut flipped = Vec::new();
    for byte in 0..64 {
        for signature in 0..2 {
            let mut receipt = honest.clone();
            let bytes = if signature == 0 {
                &mut receipt.worker_signature.0
            } else {
                &mut receipt.gateway_signature.0
            };
            bytes[byte] ^= 1 << (byte % 8);
            flipped.push(receipt);
        }
    }
    for byte in 0..32 {
        let mut receipt = honest.clone();
        receipt.claim.renditions[1].hash.0[byte] ^= 1 << (byte % 8);
        flipped.push(receipt);
    }
    let numbers = flipped.len();
    assert_eq!(set.report(flipped.iter().map(report).collect()).await.len(), numbers);
    assert_eq!(set.present(flipped).await.known, 0);
    assert_eq!(set.counts().await, (0, 0, 0, 0));

    // Its worker presents it, nobody else.
    let foreign = PresentedReceipts { receipts: vec![honest.clone()] };
    assert_eq!(stranger.client.present_receipts(&foreign).await.unwrap().known, 0);
    assert_eq!(set.present(vec![honest]).await.known, 1);
}

#[tokio::test]
async fn a_workers_failures_are_counted_once() {
    let set = set().await;
    let said = async |failures| {
        let (lease, replace, away) = (set.lease.lease, None, false);
        let report = WorkerReport { lease, segments: 9, failures, replace, away };
        set.gateway.beat_with(&set.grant, |beat| beat.workers = vec![report]).await;
        set.farm.operator().workers().await.unwrap()[0].failures
    };
    assert_eq!(said(2).await, 2);
    assert_eq!(said(2).await, 2);
    assert_eq!(said(1).await, 2, "the count never falls");
    assert_eq!(said(5).await, 5);
}

#[tokio::test]
async fn whoever_takes_over_gets_workers_of_its_own() {
    let farm = Farm::start_with(|config| config.session_lease = Duration::from_secs(2)).await;
    let (first, second) = (farm.gateway(1).await, farm.gateway(2).await);
    let made = farm.stream().await;
    let old = first.open(&made.key).await.unwrap();
    let worker = farm.worker(9).await;
    let lease = worker.lease().await;
    let receipt = first.receipt(&worker, worker.claim(&lease, 0));
    let new = eventually(async || {
        worker.is_alive(lease.lease).await;
        second.open(&made.key).await.ok()
    })
    .await;
    assert!(!worker.is_alive(lease.lease).await, "it leads to a gateway that is gone");
    let moved = worker.lease().await;
    assert_eq!((moved.session, moved.gateway), (new.session, second.id()));
    assert_eq!(moved.generation, new.generation);
    // What it did for the first counts, though that never said so.
    let presented = PresentedReceipts { receipts: vec![receipt] };
    assert_eq!(worker.client.present_receipts(&presented).await.unwrap().known, 1);
    let session = farm.operator().session(old.session).await.unwrap();
    assert_eq!((session.segments, session.pixels), (0, SEGMENT_PIXELS));
    // A claim for the second under the first one's generation is nobody's.
    let mut mixed = worker.claim(&moved, new.next_segment.0);
    mixed.generation = old.generation;
    let report = SegmentReport {
        receipt: Some(second.receipt(&worker, mixed)),
        ..from_source(new.generation, new.next_segment.0)
    };
    assert_eq!(second.report(new.session, vec![report]).await, [new.next_segment.0]);
}

#[tokio::test]
async fn a_gateway_that_moved_has_its_workers_led_to_the_new_place() {
    let set = set().await;
    let same = set.farm.gateway(1).await;
    assert!(set.worker.is_alive(set.lease.lease).await, "it joined again where it was");
    assert_eq!(same.beat(&set.grant).await.workers.len(), 1);
    let moved = set.farm.gateway_at(1, 77).await;
    assert!(!set.worker.is_alive(set.lease.lease).await);
    let lease = set.worker.lease().await;
    assert_eq!(lease.gateway_address, doors(77).link);
    assert_eq!(moved.beat(&set.grant).await.workers[0].lease, lease.lease);
}

#[tokio::test]
async fn only_workers_get_sessions_and_a_key_may_have_two_trades() {
    let farm = Farm::steady().await;
    let node = farm.node(9).await;
    let ask = farm.http.post(farm.at("/node/v1/stream-leases")).bearer_auth(&node.token);
    let body = serde_json::json!({ "free_pixels_per_s": FAST, "wait_ms": 0 });
    let answer = ask.json(&body).send().await.unwrap();
    assert_eq!(crate::world::refused(answer).await, "worker-not-joined");
    let worker = farm.worker(9).await;
    assert_eq!(worker.ask(0).await, None);
    assert!(node.lease_now().await.is_none(), "the renderer's token still opens");
    assert_eq!(worker.ask(0).await, None, "and so does the worker's");
}
