//! The master is killed by SIGKILL while a session is reported and presented: what was acknowledged
//! counts, once, and webhooks hear of it.

use crate::kill::Master;
use crate::studio::{Gateway, SEGMENT_PIXELS, Worker};
use crate::webhooks::Receiver;
use crate::world::{Farm, eventually};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tessera_client::{Client, ClientError, Enrolment, MasterAddress, PlainHttp};
use tessera_protocol::stream::gateway::{SegmentReports, SessionEnd};
use tessera_protocol::stream::worker::{PresentedReceipts, StreamLeaseGrant};
use tessera_protocol::webhook::Happening;

/// How often it is killed.
const KILLS: usize = 8;
/// Segments at once.
const BATCH: u64 = 5;

/// Segments that were acknowledged: reported, or presented.
#[derive(Default)]
struct Acknowledged {
    reported: Mutex<BTreeSet<u64>>,
    presented: Mutex<BTreeSet<u64>>,
    calls: AtomicUsize,
}

/// Tells of every segment from its own place on, until the master dies.
async fn report(
    gateway: &Gateway,
    worker: &Worker,
    lease: &StreamLeaseGrant,
    acknowledged: &Acknowledged,
) -> ClientError {
    loop {
        let from = acknowledged.reported.lock().unwrap().len() as u64;
        let numbers = from..from + BATCH;
        let made = numbers.clone().map(|number| worker.made(gateway, lease, number));
        let reports = SegmentReports { segments: made.collect() };
        match gateway.client.report_segments(lease.session, &reports).await {
            Ok(answer) => assert!(answer.refused.is_empty(), "{:?}", answer.refused),
            Err(error) => return error,
        }
        acknowledged.reported.lock().unwrap().extend(numbers);
        acknowledged.calls.fetch_add(1, Ordering::Relaxed);
    }
}

async fn present(
    gateway: &Gateway,
    worker: &Worker,
    lease: &StreamLeaseGrant,
    acknowledged: &Acknowledged,
) -> ClientError {
    loop {
        let from = acknowledged.presented.lock().unwrap().len() as u64;
        let numbers = from..from + BATCH;
        let receipt = |number| gateway.receipt(worker, worker.claim(lease, number));
        let receipts = PresentedReceipts { receipts: numbers.clone().map(receipt).collect() };
        match worker.client.present_receipts(&receipts).await {
            Ok(answer) => assert_eq!(answer.known, BATCH, "{:?}", answer.refused),
            Err(error) => return error,
        }
        acknowledged.presented.lock().unwrap().extend(numbers);
        acknowledged.calls.fetch_add(1, Ordering::Relaxed);
    }
}

async fn join(master: &Master, token: &str) -> (Client, Gateway, Worker) {
    let address = MasterAddress::parse(&master.url, PlainHttp::LoopbackOnly).unwrap();
    let enrolment = Enrolment::new(address.clone(), token.to_owned()).unwrap();
    let gateway = Gateway::join(&enrolment, 1, 1).await;
    let worker = Worker::join(&enrolment, 9, |_| {}).await;
    let client = Client::new(address, Some(token.to_owned())).unwrap();
    (client.with_patience(Duration::ZERO), gateway, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_segments_outlive_every_kill_and_count_once() {
    // A first, peaceful life: a session is opened and a worker gets it.
    let mut farm = Farm::start().await;
    let receiver = Receiver::start(&[]).await;
    farm.operator().create_webhook(&receiver.url).await.unwrap();
    let (gateway, worker) = (farm.gateway(1).await, farm.worker(9).await);
    let made = farm.stream().await;
    let first = gateway.open(&made.key).await.unwrap();
    let lease = worker.lease().await;
    farm.stop().await;

    let state = farm.config.state.clone();
    let acknowledged = Acknowledged::default();
    for life in 0..KILLS {
        let mut master = Master::start(&state).await;
        let (_, gateway, worker) = join(&master, &farm.token).await;
        let grant = gateway.open(&made.key).await.unwrap();
        assert_eq!(grant.session, first.session, "its session goes on");
        assert_eq!(grant.generation.0, life as u64 + 2);
        let enough = acknowledged.calls.load(Ordering::Relaxed) + 3 + 5 * life;
        let killing = async {
            eventually(async || {
                (acknowledged.calls.load(Ordering::Relaxed) >= enough).then_some(())
            })
            .await;
            master.kill();
        };
        let (one, two, ()) = tokio::join!(
            report(&gateway, &worker, &lease, &acknowledged),
            present(&gateway, &worker, &lease, &acknowledged),
            killing
        );
        for error in [one, two] {
            assert_eq!(error.status(), None, "only the kill ends it: {error}");
        }
    }

    let master = Master::start(&state).await;
    let (client, gateway, worker) = join(&master, &farm.token).await;
    let grant = gateway.open(&made.key).await.unwrap();
    let reported = acknowledged.reported.lock().unwrap().clone();
    let presented = acknowledged.presented.lock().unwrap().clone();
    let listed = client.segments(first.session).await.unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|segment| segment.segment.0).collect();
    assert!(listed.is_superset(&reported), "a report that was acknowledged is known");
    assert!(listed.len() as u64 <= reported.len() as u64 + BATCH, "and no more than was sent");
    let session = client.session(first.session).await.unwrap();
    assert_eq!(session.segments, listed.len() as u64);
    let claims = session.pixels / SEGMENT_PIXELS;
    assert_eq!(session.pixels % SEGMENT_PIXELS, 0);
    let both = listed.len().max(presented.len()) as u64;
    assert!((both..=both + BATCH).contains(&claims), "{claims} claims of about {both}");

    // All of it told again changes nothing but what had not arrived.
    for number in (0..claims).step_by(100) {
        let numbers = number..(number + 100).min(claims);
        let made = numbers.map(|number| worker.made(&gateway, &lease, number));
        assert!(gateway.report(first.session, made.collect()).await.is_empty());
    }
    let session = client.session(first.session).await.unwrap();
    assert_eq!((session.segments, session.pixels), (claims, claims * SEGMENT_PIXELS));
    let credited = client.workers().await.unwrap().remove(0);
    assert_eq!((credited.segments, credited.pixels), (claims, session.pixels));

    let end =
        SessionEnd { generation: grant.generation, because: "it left".into(), recording: None };
    gateway.client.end_session(first.session, &end).await.unwrap();
    let told = |wanted: fn(&Happening) -> bool| {
        let came = receiver.came();
        let ids = came.iter().map(|one| one.event()).filter(|event| wanted(&event.event));
        ids.map(|event| event.id).collect::<BTreeSet<_>>()
    };
    let began = |event: &Happening| matches!(event, Happening::SessionStarted { .. });
    let ended = |event: &Happening| matches!(event, Happening::SessionEnded { .. });
    eventually(async || (!told(ended).is_empty()).then_some(())).await;
    assert_eq!((told(began).len(), told(ended).len()), (1, 1), "each under one id");
}
