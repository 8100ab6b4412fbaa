//! A stream whose owner pays: its worker gets what its pixels cost, and the rest of the deposit returns.

use crate::HEARTBEAT;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::finance::PayoutState;
use tessera_protocol::money::stream_pay;
use tessera_protocol::stream::view::{StreamKeyView, StreamView};
use tessera_protocol::{Amount, PixelPrice, SessionId, StreamId};
use world::bank::{Bank, Patron};
use world::farm::Farm;
use world::process::eventually;
use world::publisher::{Door, Publisher};
use world::studio::{GatewayOptions, Studio};
use world::test_picture::{ClipSpec, clip};

/// Seconds of small pictures have to cost something: 10^12 pixels are a thousand tokens.
const ASKED: PixelPrice = PixelPrice(1_000_000_000);
const DEPOSIT: u64 = 2_000_000;
const HAD: u64 = 100_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_paid_for_its_pixels_and_the_rest_of_the_deposit_returns() {
    let studio = Studio { farm: Farm::new(HEARTBEAT) };
    let farm = &studio.farm;
    let bank = Bank::open(farm).await;
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    bank.ready(&view).await;
    let _gateway = studio.start_gateway("gateway", &GatewayOptions::default());
    studio.doors("gateway").await;
    let _worker = studio.start_worker_with("worker", &["--price", "1000"]);
    studio.joined(&client, 1).await;
    let worker = client.workers().await.unwrap()[0].id;
    bank.give(worker.0, Amount::ZERO).await;
    let patron = Patron::broadcaster(farm, &client, "100").await;

    let stream = make(&patron, "2000");
    let funded: StreamView = client.stream(stream.stream.id).await.unwrap();
    let money = funded.money.expect("its owner pays");
    assert_eq!((money.deposited, money.left), (Amount(DEPOSIT), Amount(DEPOSIT)));
    assert_eq!(patron.holds(), Amount(HAD - DEPOSIT), "the deposit lies in escrow");
    assert_eq!(funded.health, [], "it has what workers are paid with");

    let publisher = send(farm, &stream);
    let session = transcoded(&client, stream.stream.id, 4).await;
    drop(publisher);
    patron.farm(&["stream", "stop", &stream.stream.id.to_string()]).unwrap();
    let ended = eventually("its worker is paid, and the rest returned", async || {
        let stream = client.stream(stream.stream.id).await.ok()?;
        stream.money.is_some_and(|money| money.settled).then_some(stream)
    })
    .await;

    let segments = client.segments(session).await.unwrap();
    let claims = segments.iter().filter_map(|segment| segment.claim.as_ref());
    let claims: Vec<_> = claims.filter(|claim| claim.node == worker).collect();
    let pixels = claims.iter().flat_map(|claim| &claim.renditions).map(|one| one.pixels).sum();
    let earned = stream_pay(pixels, ASKED).unwrap();
    assert!(claims.len() >= 4 && earned.0 > 10_000, "{} segments, {earned}", claims.len());
    let money = ended.money.unwrap();
    assert_eq!((money.charged, money.pending), (earned, Amount::ZERO), "to the last unit");
    assert_eq!(bank.holds(&view, worker).await, earned);
    assert_eq!(patron.holds(), Amount(HAD - earned.0 - money.fee.0), "the rest has returned");
    let payouts = client.payouts().await.unwrap();
    assert!(payouts.iter().all(|payout| payout.state == PayoutState::Paid), "{payouts:?}");
    let books = client.ledger().await.unwrap();
    assert_eq!(books.violations, Vec::<String>::new());
    assert_eq!(books.balances.iter().map(|account| account.balance).sum::<i64>(), 0);
    let again = patron.farm(&["stream", "top-up", &stream.stream.id.to_string(), "1"]);
    assert!(again.unwrap_err().contains("ended"), "nothing more is taken for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_pays_too_little_has_no_worker_until_it_pays_more() {
    let studio = Studio { farm: Farm::new(HEARTBEAT) };
    let farm = &studio.farm;
    let bank = Bank::open(farm).await;
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    bank.ready(&client.farm().await.unwrap()).await;
    let _gateway = studio.start_gateway("gateway", &GatewayOptions::default());
    studio.doors("gateway").await;
    let _worker = studio.start_worker_with("worker", &["--price", "1000"]);
    studio.joined(&client, 1).await;
    let patron = Patron::broadcaster(farm, &client, "100").await;

    let cheap = make(&patron, "999.999999");
    let publisher = send(farm, &cheap);
    let alone = eventually("the source stands in", async || {
        let session = client.stream(cheap.stream.id).await.ok()?.session?;
        let session = client.session(session).await.ok()?;
        (session.segments_from_source >= 2).then_some(session)
    })
    .await;
    assert_eq!(alone.pixels, 0, "it asks more than is paid");
    drop(publisher);

    // A minute of it costs 0.184.
    let short = made(&patron, "1000", "0.1");
    let _publisher = send(farm, &short);
    eventually("the source stands in", async || {
        let session = client.stream(short.stream.id).await.ok()?.session?;
        let session = client.session(session).await.ok()?;
        (session.segments_from_source >= 2 && session.pixels == 0).then_some(())
    })
    .await;
    let stream = client.stream(short.stream.id).await.unwrap();
    let told = stream.health.iter().find(|note| note.code == "deposit-used-up").expect("a note");
    assert!(told.text.contains("farm stream top-up"), "{}", told.text);
    patron.farm(&["stream", "top-up", &short.stream.id.to_string(), "1"]).unwrap();
    transcoded(&client, short.stream.id, 2).await;
    let stream = client.stream(short.stream.id).await.unwrap();
    assert!(stream.health.iter().all(|note| note.code != "deposit-used-up"), "{stream:?}");
}

fn make(patron: &Patron, most: &str) -> StreamKeyView {
    made(patron, most, "2")
}

fn made(patron: &Patron, most: &str, deposit: &str) -> StreamKeyView {
    let name = format!("pays {most}");
    let paying = ["--max-price", most, "--deposit", deposit];
    let arguments = [&["stream", "create", &name, "--ladder", "240p:400k"][..], &paying].concat();
    serde_json::from_value(patron.farm(&arguments).unwrap()).expect("a stream")
}

fn send(farm: &Farm, stream: &StreamKeyView) -> Publisher {
    let door = stream.ingest.iter().find(|door| door.protocol == "rtmp").expect("RTMP");
    let picture = clip(ClipSpec { seconds: 90, b_frames: true });
    let log = farm.log(&format!("ffmpeg-{}", stream.stream.id));
    Publisher::start(&picture, Duration::ZERO, &Door::Rtmp(door.url.clone()), &log)
}

/// Waits until a worker has made so many segments; which session.
async fn transcoded(client: &Client, stream: StreamId, segments: u64) -> SessionId {
    eventually("segments are transcoded", async || {
        let session = client.stream(stream).await.ok()?.session?;
        let view = client.session(session).await.ok()?;
        (view.segments >= view.segments_from_source + segments).then_some(session)
    })
    .await
}
