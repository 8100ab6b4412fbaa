//! Lanes on an open line, and how its end is told.

use crate::world::{GATEWAY, LEASE, Liar, Relay, dial_as, gateway, worker};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use tessera_link::{
    Certificate, Closed, Connection, Control, Event, LANE_QUEUE, RECEIVE_QUEUE, Receiver, SILENCE,
    Sender, dial,
};
use tessera_media::wire::{Body, Lane, Message, RenditionIndex};
use tessera_media::{AccessUnit, Ticks};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_protocol::{Generation, SessionId};
use tokio::io::AsyncWriteExt;

/// Both ends of one line: the worker's, and the gateway's.
async fn pair(certificate: Option<Certificate>) -> (Connection, Connection) {
    let mut gateway = gateway(certificate).await;
    let address = gateway.address().to_string();
    let worker = dial(dial_as(&address, gateway.pin(), &worker())).await.unwrap();
    (worker, gateway.next().await.unwrap().connection)
}

fn coded(lane: u32, bytes: usize, pts: i64) -> Message {
    let data = vec![0; bytes].into();
    let unit = AccessUnit { pts: Ticks(pts), dts: Ticks(pts), keyframe: false, data };
    Message { lane: Lane(lane), body: Body::Coded(RenditionIndex(0), unit) }
}

fn claim(segment: u64) -> SegmentClaim {
    SegmentClaim {
        node: worker().node(),
        gateway: GATEWAY,
        lease: LEASE,
        session: SessionId([5; 16]),
        generation: Generation(1),
        segment: SegmentNumber(segment),
        renditions: vec![],
    }
}

async fn message(receiver: &mut Receiver) -> Message {
    match receiver.recv().await.unwrap() {
        Event::Media(message) => message,
        Event::Control(control) => panic!("{control:?}"),
    }
}

#[tokio::test]
async fn messages_of_a_lane_arrive_in_order_both_ways_at_once() {
    for certificate in [None, Some(Certificate::generate().unwrap())] {
        let (worker, gateway) = pair(certificate).await;
        let ((to_gateway, from_gateway), (to_worker, from_worker)) =
            (worker.split(), gateway.split());
        let send = async |sender: Sender| {
            for pts in 0..300 {
                sender.send(coded(pts as u32 % 3, 70_000, pts)).await.unwrap();
            }
            sender
        };
        let receive = async |mut receiver: Receiver| {
            let mut next = [0, 1, 2];
            for _ in 0..300 {
                let Message { lane, body: Body::Coded(_, unit) } = message(&mut receiver).await
                else {
                    panic!()
                };
                let next = &mut next[lane.0 as usize];
                assert_eq!(unit.pts, Ticks(*next));
                *next += 3;
            }
            receiver
        };
        // The halves live until all is done: without any a line closes.
        let _halves = tokio::join!(
            send(to_gateway),
            send(to_worker),
            receive(from_gateway),
            receive(from_worker)
        );
    }
}

#[tokio::test]
async fn a_claim_follows_its_units_and_a_receipt_comes_back() {
    let (worker_line, gateway_line) = pair(None).await;
    let (to_gateway, mut from_gateway) = worker_line.split();
    let (to_worker, mut from_worker) = gateway_line.split();
    for pts in 0..20 {
        to_gateway.send(coded(7, 50_000, pts)).await.unwrap();
    }
    let claim = claim(4);
    let signature = worker().sign(&claim.message());
    let said = Control::Claim { lane: 7, claim: claim.clone(), signature: signature.clone() };
    to_gateway.say(said.clone()).await.unwrap();
    for _ in 0..20 {
        message(&mut from_worker).await;
    }
    assert_eq!(from_worker.recv().await, Ok(Event::Control(said)));

    let key = NodeKey::from_secret(&[6; 32]);
    let receipt = Control::Receipt(ClaimReceipt::countersign(claim, signature, &key));
    to_worker.say(receipt.clone()).await.unwrap();
    assert_eq!(from_gateway.recv().await, Ok(Event::Control(receipt)));
    let because = "it has two keyframes".to_owned();
    let refused = Control::Refused { lane: 7, segment: SegmentNumber(5), because };
    to_worker.say(refused.clone()).await.unwrap();
    assert_eq!(from_gateway.recv().await, Ok(Event::Control(refused)));
}

#[tokio::test]
async fn an_urgent_lane_is_not_behind_another_s_burst() {
    let (worker, gateway) = pair(None).await;
    let (sender, _from_gateway) = worker.split();
    let (_to_worker, mut receiver) = gateway.split();
    // Sends that find room don't yield, so all of these wait before the first is written.
    for pts in 0..60 {
        sender.send(coded(1, 100_000, pts)).await.unwrap();
    }
    sender.send(coded(2, 1_000, 0)).await.unwrap();
    let mut order = vec![];
    for _ in 0..61 {
        order.push(message(&mut receiver).await.lane.0);
    }
    let place = order.iter().position(|&lane| lane == 2).unwrap();
    assert!(place <= 2, "{place} messages of the burst went first");
}

#[tokio::test]
async fn a_side_that_does_not_read_makes_the_other_wait() {
    let (worker, gateway) = pair(None).await;
    let (sender, _from_gateway) = worker.split();
    let (_to_worker, mut receiver) = gateway.split();
    let mib = 1 << 20;
    let (mut sent, patience) = (0, Duration::from_millis(300));
    while tokio::time::timeout(patience, sender.send(coded(1, mib, sent))).await.is_ok() {
        sent += 1;
        assert!(sent < 60, "{sent} MiB were taken though nobody reads");
    }
    assert!(sent as usize * mib >= LANE_QUEUE + RECEIVE_QUEUE - 2 * mib, "{sent}");
    // Another lane has room of its own, and reading frees the first. Nothing was lost.
    sender.send(coded(2, 10, 0)).await.unwrap();
    for pts in 0..sent {
        let arrived = loop {
            let arrived = message(&mut receiver).await;
            if arrived.lane == Lane(1) {
                break arrived;
            }
        };
        assert!(matches!(arrived.body, Body::Coded(_, unit) if unit.pts == Ticks(pts)));
    }
}

#[tokio::test]
async fn a_side_that_does_not_read_for_long_is_not_taken_for_dead() {
    let (worker, gateway) = pair(None).await;
    let (sender, mut from_gateway) = worker.split();
    let (_to_worker, mut receiver) = gateway.split();
    let flood = tokio::spawn({
        let sender = sender.clone();
        async move { while sender.send(coded(1, 1 << 20, 0)).await.is_ok() {} }
    });
    // Whichever end closed the line, this one would hear of it.
    let silence = tokio::time::timeout(SILENCE * 2, from_gateway.recv());
    assert!(silence.await.is_err(), "it was closed");
    for _ in 0..20 {
        message(&mut receiver).await;
    }
    sender.close();
    flood.await.unwrap();
}

#[tokio::test]
async fn a_side_that_reads_nothing_of_what_it_is_told_is_closed() {
    let (worker, gateway) = pair(None).await;
    let (_to_gateway, _from_gateway) = worker.split();
    let (to_worker, mut from_worker) = gateway.split();
    let because = "it has two keyframes, and one was due".repeat(1_000);
    let refused = Control::Refused { lane: 7, segment: SegmentNumber(5), because };
    let bytes = serde_json::to_vec(&refused).unwrap().len();
    let mut told = 0;
    let closed = loop {
        to_worker.tell(refused.clone());
        told += 1;
        assert!(told * bytes < 4 * (LANE_QUEUE + RECEIVE_QUEUE), "{told} wait, and nobody reads");
        // What can leave leaves first, so that it is the queue that is full.
        if let Ok(closed) = tokio::time::timeout(Duration::ZERO, from_worker.recv()).await {
            break closed;
        }
    };
    assert_eq!(closed, Err(Closed::Deaf));
    assert!(told * bytes > LANE_QUEUE, "only {told} were told");
}

#[tokio::test]
async fn a_line_that_carries_nothing_any_more_is_noticed_by_both_ends() {
    let mut gateway = gateway(None).await;
    let relay = Relay::to(gateway.address()).await;
    let address = relay.address.to_string();
    let worker = dial(dial_as(&address, None, &worker())).await.unwrap();
    let (near, mut from_gateway) = worker.split();
    let (_far, mut from_worker) = gateway.next().await.unwrap().connection.split();
    near.send(coded(1, 10, 0)).await.unwrap();
    message(&mut from_worker).await;

    relay.freeze();
    let since = Instant::now();
    let (near_end, far_end) = tokio::join!(from_gateway.recv(), from_worker.recv());
    assert_eq!((near_end, far_end), (Err(Closed::Silent), Err(Closed::Silent)));
    assert_eq!(near.send(coded(1, 10, 0)).await, Err(Closed::Silent));
    // Two seconds, with room for a busy machine.
    assert!(since.elapsed() < SILENCE * 3, "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_end_is_told_on_the_other_side_after_what_was_sent_before() {
    let mut gateway = gateway(None).await;
    let mut liar = Liar::dial(gateway.address()).await;
    liar.prove().await;
    let (_sender, mut receiver) = gateway.next().await.unwrap().connection.split();
    for pts in 0..5 {
        liar.send(coded(1, 100_000, pts)).await;
    }
    liar.tcp.shutdown().await.unwrap();
    for pts in 0..5 {
        let arrived = message(&mut receiver).await;
        assert!(matches!(arrived.body, Body::Coded(_, unit) if unit.pts == Ticks(pts)));
    }
    assert_eq!(receiver.recv().await, Err(Closed::There));
}

#[tokio::test]
async fn dropping_both_halves_closes_and_one_half_does_not() {
    let (worker, gateway) = pair(None).await;
    let (sender, receiver) = worker.split();
    let (_to_worker, mut from_worker) = gateway.split();
    drop(receiver);
    sender.send(coded(1, 10, 0)).await.unwrap();
    message(&mut from_worker).await;
    let other = sender.clone();
    drop(sender);
    other.send(coded(1, 10, 1)).await.unwrap();
    message(&mut from_worker).await;
    drop(other);
    assert_eq!(from_worker.recv().await, Err(Closed::There));
}

#[tokio::test]
async fn a_message_too_long_is_refused_here_and_the_line_stays() {
    let (worker, gateway) = pair(None).await;
    let (sender, _from_gateway) = worker.split();
    let (_to_worker, mut receiver) = gateway.split();
    assert_eq!(sender.send(coded(1, 17 << 20, 0)).await, Err(Closed::TooLong));
    sender.send(coded(1, 10, 3)).await.unwrap();
    assert!(matches!(message(&mut receiver).await.body, Body::Coded(_, u) if u.pts == Ticks(3)));
}

/// A worker that is let in and then sends `bytes`.
async fn after_nonsense(bytes: &[u8]) -> Closed {
    let mut gateway = gateway(None).await;
    let mut liar = Liar::dial(gateway.address()).await;
    liar.prove().await;
    let (_sender, mut receiver) = gateway.next().await.unwrap().connection.split();
    liar.tcp.write_all(bytes).await.unwrap();
    liar.tcp.shutdown().await.unwrap();
    loop {
        if let Err(closed) = receiver.recv().await {
            return closed;
        }
    }
}

#[tokio::test]
async fn what_is_no_message_closes_the_line_and_says_why() {
    let control = [&[0, 0, 0, 7, 14, 0, 0, 0, 0][..], b"{}"].concat();
    for nonsense in [&[0, 0, 0, 5, 99, 0, 0, 0, 0][..], &[0xff; 9], &control] {
        let closed = after_nonsense(nonsense).await;
        assert!(matches!(closed, Closed::Nonsense(_)), "{nonsense:?}: {closed:?}");
    }
    assert_eq!(after_nonsense(&[]).await, Closed::There);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_of_a_worker_harm_a_gateway(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let closed = runtime.block_on(after_nonsense(&bytes));
        prop_assert!(matches!(closed, Closed::There | Closed::Nonsense(_)), "{:?}", closed);
    }
}
