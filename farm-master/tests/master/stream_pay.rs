//! Streams whose owner pays, as far as it goes without a chain: what is put aside, what waits, what is
//! booked, and when nobody gets work.

use crate::money::nowhere;
use crate::store::open;
use crate::studio::{SEGMENT_PIXELS, Worker, code, doors, stream_spec};
use crate::world::{Farm, eventually};
use std::time::Duration;
use tempfile::TempDir;
use tessera_farm_master::auth::{Token, TokenId};
use tessera_farm_master::store::live::*;
use tessera_farm_master::store::money::{Booked, Escrow, Payable, SpentEscrow};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::stream_pay::{Batch, Forfeit, Funded, Funds, Unbooked};
use tessera_farm_master::store::{MoneyStore as _, StreamPayStore as _};
use tessera_ledger::{Account, Cause, Checker, Delivered, FeeTerms, Payer, Purse};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::finance::{ChainAddress, PayoutState};
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::gateway::SegmentReport;
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::worker::WorkerAbility;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber, VideoCodec};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{
    Amount, GatewayId, Generation, LeaseId, MediaHash, NodeId, PixelPrice, PlaybackId, SessionId,
    StreamId,
};

/// 1.5 base units a million pixels.
const PRICE: PixelPrice = PixelPrice(1_500_000);
const STREAM: StreamId = StreamId([1; 16]);
const SESSION: SessionId = SessionId([2; 16]);
const LEASE: LeaseId = LeaseId([3; 16]);
const OWNER: TokenId = TokenId([4; 8]);
const OPERATOR: NodeId = NodeId([9; 32]);
/// Later than all that happens.
const LATER_MS: i64 = 1_000_000_000;

/// A stream that pays, a session of it, and a worker's lease on that.
struct Stage {
    store: Sqlite,
    gateway: NodeKey,
    worker: NodeKey,
    _folder: TempDir,
}

impl Stage {
    async fn set(price: PixelPrice) -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder);
        let [gateway, worker] = [5, 6].map(|secret| NodeKey::from_secret(&[secret; 32]));
        let id = GatewayId(gateway.node().0);
        let (_, token) = Token::generate(TokenScope::Gateway, Some(gateway.node())).unwrap();
        let (name, doors) = (String::from("g"), doors(1));
        let joining = GatewayJoining { gateway: id, name, doors, token, now_ms: 1 };
        store.gateway_join(joining).await.unwrap();
        let able = WorkerAbility {
            pixels_per_s: 1,
            codecs: vec![VideoCodec::H264],
            encoders: String::new(),
            price,
            uplink_bits_per_s: None,
        };
        let node = worker.node();
        let (_, token) = Token::generate(TokenScope::Node, Some(node)).unwrap();
        let joining = WorkerJoining { node, name: "w".into(), able, token, now_ms: 1 };
        store.worker_join(joining).await.unwrap();
        let key = KeyHash([1; 32]);
        let new = NewStream {
            id: STREAM,
            playback: PlaybackId([1; 16]),
            owner: OWNER,
            spec: StreamSpec { max_price: Some(PRICE), ..stream_spec() },
            key,
            idempotency: None,
            now_ms: 1,
        };
        store.create_stream(new).await.unwrap();
        let (session, protocol) = (SessionPlan::New(SESSION), String::from("rtmp"));
        let ask = SessionAsk { stream: STREAM, key, session, gateway: id, protocol, now_ms: 1 };
        store.grant_session(ask).await.unwrap();
        let ask = StreamLeaseAsk {
            id: LEASE,
            session: SESSION,
            node,
            price,
            pixels_per_s: 1_000_000,
            bits_per_s: 1,
            now_ms: 1,
        };
        store.grant_stream_lease(ask).await.unwrap().expect("a lease");
        Self { store, gateway, worker, _folder: folder }
    }

    async fn fund(&self, deposited: u64) -> Funded {
        let escrow = Escrow { deposited: Amount(deposited), stands_until_ms: LATER_MS };
        let fee = FeeTerms { bps: 1000, to: OPERATOR };
        self.store.fund_stream(STREAM, escrow, fee, 10).await.unwrap()
    }

    async fn funds(&self) -> Funds {
        self.store.stream(STREAM).await.unwrap().unwrap().funds.expect("its owner pays")
    }

    fn receipt(&self, number: u64) -> ClaimReceipt {
        let claim = SegmentClaim {
            node: self.worker.node(),
            gateway: GatewayId(self.gateway.node().0),
            lease: LEASE,
            session: SESSION,
            generation: Generation(1),
            segment: SegmentNumber(number),
            renditions: vec![RenditionResult {
                rendition: "720p".to_owned().try_into().unwrap(),
                frames: 1,
                pixels: 1_000_000,
                bytes: 1,
                hash: MediaHash([1; 32]),
            }],
        };
        let signature = self.worker.sign(&claim.message());
        ClaimReceipt::countersign(claim, signature, &self.gateway)
    }

    /// A segment of a million pixels comes.
    async fn segment(&self, number: u64, at_ms: i64) {
        let report = SegmentReport {
            segment: SegmentNumber(number),
            generation: Generation(1),
            start_ms: 0,
            duration_ms: 1,
            receipt: Some(self.receipt(number)),
        };
        let entries = vec![SegmentEntry::Published(Box::new(report))];
        let gateway = GatewayId(self.gateway.node().0);
        let answers = self.store.enter_segments(SESSION, gateway, entries, at_ms).await.unwrap();
        assert_eq!(answers, [SegmentAnswer::Known]);
    }

    async fn unbooked(&self, until_ms: i64) -> Option<Unbooked> {
        let found = self.store.unbooked_segments(0, until_ms, 256).await.unwrap();
        found.map(|(_, unbooked)| unbooked)
    }

    async fn book(&self, found: &Unbooked, until_ms: i64) -> Booked {
        let delivered = Delivered::from_receipts(&found.receipts).unwrap();
        let Unbooked { stream, part, before, price, .. } = *found;
        let cause = Cause::SegmentsDelivered { delivered, stream, part, before, price };
        self.store.book_segments(cause, batch(found, until_ms), until_ms).await.unwrap()
    }
}

fn batch(found: &Unbooked, until_ms: i64) -> Batch {
    Batch { lease: LEASE, last: found.receipts.last().unwrap().claim.segment, until_ms }
}

#[tokio::test]
async fn segments_wait_for_comparisons_and_are_booked_once_by_their_sum() {
    let stage = Stage::set(PRICE).await;
    assert_eq!(stage.fund(100).await, Funded::By(Amount(100)));
    assert_eq!(stage.fund(100).await, Funded::Nothing);
    for number in [0, 2, 5] {
        stage.segment(number, 1_000).await;
        stage.segment(number, 1_000).await;
    }
    let funds = stage.funds().await;
    assert_eq!((funds.pending, funds.left), (Amount(5), Amount(95)), "4.5, rounded up");
    assert_eq!(stage.store.paid_leases().await.unwrap()[0].funds, funds);
    let earnings = stage.store.earnings(stage.worker.node()).await.unwrap();
    assert_eq!((earnings.pending, earnings.earned), (Amount(5), Amount(0)));
    assert_eq!(stage.unbooked(999).await, None, "they may be compared still");
    let first = stage.unbooked(1_000).await.expect("three segments");
    assert_eq!((first.part, first.before, first.left), (0, 0, Amount(100)));
    assert_eq!(first.receipts, [0, 2, 5].map(|number| stage.receipt(number)));
    // One that comes late and counts before the last is in the next part.
    stage.segment(1, 1_001).await;
    assert!(matches!(stage.book(&first, 1_000).await, Booked::Now(_)));
    let funds = stage.funds().await;
    assert_eq!((funds.charged, funds.pending, funds.left), (Amount(4), Amount(2), Amount(94)));
    let delivered = Delivered::from_receipts(&first.receipts).unwrap();
    assert!(stage.store.is_delivered(delivered, 0).await.unwrap());
    assert!(!stage.store.is_delivered(delivered, 1).await.unwrap());
    let fewer = Delivered::from_receipts(&first.receipts[..2]).unwrap();
    assert!(!stage.store.is_delivered(fewer, 0).await.unwrap(), "another proof");
    let next = stage.unbooked(1_001).await.expect("the late one");
    assert_eq!((next.part, next.before), (1, 3_000_000));
    stage.book(&next, 1_001).await;
    assert_eq!(stage.funds().await.charged, Amount(6), "four millions, however they are cut");
    assert_eq!(stage.unbooked(LATER_MS).await, None);
    assert_eq!(
        stage
            .store
            .balance(Account::Owed { node: stage.worker.node(), purse: Purse::Stream(STREAM) })
            .await
            .unwrap(),
        6
    );
}

#[tokio::test]
async fn what_is_never_paid_leaves_the_deposit_as_it_is() {
    let stage = Stage::set(PRICE).await;
    stage.fund(100).await;
    stage.segment(0, 1).await;
    let found = stage.unbooked(1).await.unwrap();
    stage.store.forfeit_segments(batch(&found, 1), Forfeit::Unpaid).await.unwrap();
    assert_eq!(stage.unbooked(LATER_MS).await, None);
    let funds = stage.funds().await;
    assert_eq!((funds.charged, funds.pending, funds.left), (Amount(0), Amount(0), Amount(100)));
    // Its worker reads that, and what of it was its own fault.
    let earned = async || {
        let view = stage.store.earnings(stage.worker.node()).await.unwrap();
        (view.pending, view.unpaid, view.rejected)
    };
    assert_eq!(earned().await, (Amount(0), Amount(2), Amount(0)));
    for number in [1, 2] {
        stage.segment(number, 2).await;
    }
    let found = stage.unbooked(2).await.unwrap();
    assert_eq!(earned().await, (Amount(3), Amount(2), Amount(0)));
    stage.store.forfeit_segments(batch(&found, 2), Forfeit::Rejected).await.unwrap();
    assert_eq!(earned().await, (Amount(0), Amount(2), Amount(3)));
}

#[tokio::test]
async fn a_stream_nobody_pays_for_owes_nothing() {
    let stage = Stage::set(PixelPrice(0)).await;
    stage.segment(0, 1).await;
    assert_eq!(stage.unbooked(LATER_MS).await, None);
    assert_eq!(stage.store.paid_leases().await.unwrap(), []);
}

#[tokio::test]
async fn a_stream_that_is_over_pays_its_worker_and_returns_the_rest() {
    let stage = Stage::set(PRICE).await;
    let store = &stage.store;
    stage.fund(100).await;
    for number in 0..20 {
        stage.segment(number, 1_000).await;
    }
    let spent = async || store.spent_streams(3_000, LATER_MS - 1, 10).await.unwrap();
    store.end_stream(STREAM, "its owner ended it", 2_000).await.unwrap();
    store.release_session(SESSION).await.unwrap();
    assert_eq!(spent().await, [], "segments wait for the books");
    let found = stage.unbooked(1_000).await.unwrap();
    assert!(!found.stream_goes_on);
    stage.book(&found, 1_000).await;
    assert_eq!(store.spent_streams(1_999, 0, 10).await.unwrap(), [], "more may come");
    let purse = Purse::Stream(STREAM);
    let over = SpentEscrow { purse, owner: OWNER, ended: false, owed: true };
    assert_eq!(spent().await, std::slice::from_ref(&over));
    store.note_stream_deposit(STREAM, Amount(110), 3_000).await.unwrap();
    store.end_stream_escrow(STREAM, 3_000).await.unwrap();
    let funds = stage.funds().await;
    assert_eq!((funds.charged, funds.fee, funds.left), (Amount(30), Amount(3), Amount(0)));
    assert_eq!(stage.fund(200).await, Funded::Ended);
    let accounts = [stage.worker.node(), OPERATOR].map(|node| (node, ChainAddress([8; 32])));
    let payable = Payable { accounts: accounts.to_vec(), purses: vec![(purse, Amount(110))] };
    let epoch = store.begin_epoch(payable, Amount(1), 3_000).await.unwrap().expect("an epoch");
    assert_eq!(spent().await, [SpentEscrow { ended: true, ..over.clone() }], "on its way");
    for leaf in 0..epoch.plan.leaves.len() as u32 {
        store.leaf_done(epoch.number, leaf, PayoutState::Paid, 3_000).await.unwrap();
    }
    store.epoch_done(epoch.number).await.unwrap();
    assert_eq!(spent().await, [SpentEscrow { ended: true, owed: false, ..over }]);
    let (payer, amount) = (Payer(OWNER.0), Amount(110 - 33));
    let refund = Cause::Withdrawn { id: "refund".into(), payer, amount };
    store.close_stream_escrow(STREAM, Some(refund), 3_000).await.unwrap();
    assert!(stage.funds().await.settled);
    assert_eq!(spent().await, []);
    let mut checker = Checker::default();
    for entry in store.entries_after(0, 100).await.unwrap() {
        assert_eq!(checker.next(&entry, |_| true), []);
    }
    let balance = async |account| store.balance(account).await.unwrap();
    assert_eq!(balance(Account::Paid(stage.worker.node())).await, 30);
    assert_eq!(balance(Account::Paid(OPERATOR)).await, 3);
    assert_eq!(balance(Account::Refunded(payer)).await, 77);
}

#[tokio::test]
async fn who_pays_is_asked_for_a_price_and_a_deposit() {
    let free = Farm::start().await;
    let paying = StreamSpec { max_price: Some(PRICE), ..stream_spec() };
    let made = free.operator().create_stream(&paying, "a").await;
    assert_eq!(code(made), "nothing-is-paid", "there is no chain");

    let farm = Farm::start_with(|config| config.chain = Some(nowhere())).await;
    let client = farm.operator();
    let nothing = StreamSpec { max_price: Some(PixelPrice(0)), ..stream_spec() };
    assert_eq!(code(client.create_stream(&nothing, "b").await), "stream-refused");
    let broadcaster = farm.broadcaster().await;
    assert_eq!(code(broadcaster.create_stream(&stream_spec(), "x").await), "nobody-pays");
    let unpaid = client.create_stream(&stream_spec(), "c").await.unwrap();
    assert_eq!(unpaid.stream.money, None);
    assert_eq!(code(client.top_up_stream(unpaid.stream.id).await), "nothing-is-paid");
    let paid = client.create_stream(&paying, "d").await.unwrap();
    let money = paid.stream.money.unwrap();
    assert_eq!((money.deposited, money.left, money.settled), (Amount(0), Amount(0), false));
    assert_ne!(money.escrow.0, paid.stream.id.0, "viewers know the stream's id");
    assert_eq!(paid.stream.health[0].code, "deposit-used-up");
    assert_eq!(code(client.top_up_stream(paid.stream.id).await), "chain-away");

    // A worker goes to whoever needs no deposit.
    let gateway = farm.gateway(2).await;
    gateway.open(&paid.key).await.unwrap();
    let worker = farm.worker(3).await;
    assert_eq!(worker.ask(300).await, None, "nothing is deposited");
    let open = gateway.open(&unpaid.key).await.unwrap();
    let lease = worker.lease().await;
    assert_eq!((lease.session, lease.price), (open.session, PixelPrice(0)));
}

#[tokio::test]
async fn a_worker_loses_its_session_before_it_cannot_be_paid() {
    let mut farm = Farm::start_with(|config| {
        config.chain = Some(nowhere());
        config.session_lease = Duration::from_secs(600);
    })
    .await;
    // A thousand tokens for 10^12 pixels: 34,560 base units a second, at thirty frames.
    let price = PixelPrice(1_000_000_000);
    let paying = StreamSpec { max_price: Some(price), ..stream_spec() };
    let stream = farm.operator().create_stream(&paying, "a").await.unwrap();
    farm.stop().await;
    let store = Sqlite::open(&farm.config.state.join("farm.sqlite")).unwrap();
    let escrow = Escrow { deposited: Amount(2_100_000), stands_until_ms: i64::MAX };
    let fee = FeeTerms { bps: 0, to: OPERATOR };
    store.fund_stream(stream.stream.id, escrow, fee, 1).await.unwrap();
    drop(store);
    farm.begin().await;
    let gateway = farm.gateway(2).await;
    let open = gateway.open(&stream.key).await.unwrap();
    let dear = farm.worker_with(4, |able| able.price = PixelPrice(price.0 + 1)).await;
    assert_eq!(code_of(&dear).await, "nothing_to_do", "it has not asked");
    assert_eq!(dear.ask(300).await, None, "it asks more than is paid");
    got_nothing_for(&dear, "price_above_maximum").await;
    let worker = farm.worker_with(3, |able| able.price = price).await;
    let lease = worker.lease().await;
    assert_eq!(lease.price, price);
    assert_eq!(code_of(&worker).await, "nothing_to_do", "it got one");
    // Two seconds each: after 23 of them less than a quarter of a minute is left.
    let made = |numbers: std::ops::Range<u64>| {
        numbers.map(|number| worker.made(&gateway, &lease, number)).collect()
    };
    assert!(gateway.report(open.session, made(0..20)).await.is_empty());
    assert!(worker.is_alive(lease.lease).await, "there is enough");
    assert!(gateway.report(open.session, made(20..23)).await.is_empty());
    eventually(async || (!worker.is_alive(lease.lease).await).then_some(())).await;
    assert_eq!(worker.ask(300).await, None, "and it gets no other");
    got_nothing_for(&worker, "deposit_used_up").await;
    let earnings = worker.client.earnings().await.unwrap();
    assert!(!earnings.pending.is_zero());
    assert!(earnings.notes.iter().all(|note| note.contains("stream")), "{:?}", earnings.notes);
    let money = farm.operator().stream(stream.stream.id).await.unwrap().money.unwrap();
    let cost = SEGMENT_PIXELS * 23 * price.0 / 1_000_000_000_000;
    assert_eq!((money.pending, money.left), (Amount(cost), Amount(2_100_000 - cost)));
}

#[tokio::test]
async fn a_stream_says_from_thirty_days_before_that_its_deposit_ends() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let mut farm = Farm::start_with(|config| config.chain = Some(nowhere())).await;
    let paying = StreamSpec { max_price: Some(PRICE), ..stream_spec() };
    let long = farm.operator().create_stream(&paying, "long").await.unwrap().stream;
    let short = farm.operator().create_stream(&paying, "short").await.unwrap().stream;
    farm.stop().await;
    let store = Sqlite::open(&farm.config.state.join("farm.sqlite")).unwrap();
    for (stream, days) in [(&long, 365), (&short, 20)] {
        let stands_until_ms = stream.created_ms + days * DAY_MS;
        let escrow = Escrow { deposited: Amount(1_000_000), stands_until_ms };
        let fee = FeeTerms { bps: 0, to: OPERATOR };
        store.fund_stream(stream.id, escrow, fee, 1).await.unwrap();
    }
    drop(store);
    farm.begin().await;
    let health = async |stream: StreamId| farm.operator().stream(stream).await.unwrap().health;
    assert_eq!(health(long.id).await, []);
    let told = health(short.id).await;
    assert_eq!(told[0].code, "deposit-ends");
    // A day before it can be taken back, and some of this day has gone by.
    assert!(told[0].text.contains("in 18 days"), "{}", told[0].text);
    farm.operator().end_stream(short.id).await.unwrap();
    assert_eq!(health(short.id).await, [], "it is known by then");
}

/// Why a worker got no session when it asked last.
async fn code_of(worker: &Worker) -> String {
    worker.client.why().await.unwrap().remove(0).code
}

/// That it asks and gets nothing until it is told so for this reason: a busy master may look at who waits
/// when the question is over.
async fn got_nothing_for(worker: &Worker, reason: &str) {
    eventually(async || {
        assert_eq!(worker.ask(300).await, None);
        (code_of(worker).await == reason).then_some(())
    })
    .await;
}
