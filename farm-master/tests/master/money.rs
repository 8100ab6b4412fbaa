//! Money, as far as it goes without a chain that answers: what a job would cost, and what is said where
//! nobody pays. Deposits and payouts are `tests/tests/money.rs`'.

use crate::store;
use crate::world::{Farm, eventually, read, refused, request, spec};
use reqwest::StatusCode;
use std::time::Duration;
use tessera_farm_core::job::JobChange;
use tessera_farm_master::auth::TokenId;
use tessera_farm_master::settlement::ChainConfig;
use tessera_farm_master::store::approval::{Answer, Objection};
use tessera_farm_master::store::money::{
    Accepted, Booked, Escrow, KeptQuote, Leaf, Payable, Raised,
};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{
    ApprovalStore as _, Creation, Leased, MoneyStore as _, ProofStore as _, Store as _,
};
use tessera_ledger::{Account, CarryTerms, Cause, FeeTerms, Payer, Purse, Verified};
use tessera_protocol::commit::{AuditSecret, Commit, NodeKey, SignatureBytes, UnitResult};
use tessera_protocol::finance::{
    ChainAddress, FarmView, LedgerView, PayoutPage, PayoutState, QuoteRequest,
};
use tessera_protocol::job::{JobSpec, JobState, JobView, Why};
use tessera_protocol::memory::{FreeMemory, SceneMemory};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::quote::{FrameRays, Outlook, Quote, QuoteTerms, QuoteView};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::terms::Terms;
use tessera_protocol::verdict::Verdict;
use tessera_protocol::{
    Amount, BlobHash, FrameNumber, JobId, LeaseId, MasterId, NodeId, QuoteSecret, QuoteSeed,
    RayPrice, ResultHash, ResultRoot, SceneFactor, SpecHash, Tier, UnitIndex,
};
use tessera_quote::{Asked, Field, check};

/// A chain that nobody answers for.
pub(crate) fn nowhere() -> ChainConfig {
    ChainConfig {
        rpc_url: "http://127.0.0.1:1".into(),
        program: ChainAddress([1; 32]),
        mint: ChainAddress([2; 32]),
        challenge_window: Duration::from_secs(1),
        every: Duration::from_secs(3600),
        floor: Amount(1),
        fee_bps: 0,
        reserve: Amount::ZERO,
    }
}

#[tokio::test]
async fn where_there_is_no_chain_nobody_pays_and_that_is_said() {
    let farm = Farm::start().await;
    let view: FarmView = read(farm.get("/v1/farm").await, StatusCode::OK).await;
    assert_eq!(view.chain, None);
    let scene = farm.upload(b"a scene").await.blob;
    let asked = QuoteRequest { spec: spec(scene), max_price: None, tier: Tier::Standard };
    assert_eq!(refused(farm.post("/v1/quotes", &asked).await).await, "nothing-is-paid");
    let job = farm.submit(|_| {}).await;
    assert_eq!(job.money, None);
    let node = farm.node(1).await;
    let grant = node.lease(u64::MAX).await;
    assert_eq!(grant.terms.price, RayPrice(0));
    let answer = node.submit(&grant).await;
    assert_eq!(answer.acknowledgement.map(|word| word.pay), Some(Amount::ZERO));
    let books: LedgerView = read(farm.get("/v1/ledger").await, StatusCode::OK).await;
    assert!(books.balances.is_empty() && books.entries.is_empty() && books.violations.is_empty());
    let page: PayoutPage = read(farm.get("/v1/payouts").await, StatusCode::OK).await;
    assert!(page.data.is_empty());
    let odd = farm.get("/v1/payouts?cursor=x").await;
    assert_eq!(refused(odd).await, "request-malformed");
}

#[tokio::test]
async fn a_quote_is_what_a_reader_finds_too_and_of_another_master_s_it_is_not() {
    let farm = Farm::start_with(|config| {
        config.chain = Some(nowhere());
        config.kernel = tessera_reference::kernel_id();
    })
    .await;
    let view: FarmView = read(farm.get("/v1/farm").await, StatusCode::OK).await;
    let scene = tessera_scenes::conformance().swap_remove(0);
    let glb = farm.upload(&scene.glb).await.blob;
    let asked =
        QuoteRequest { spec: spec(glb), max_price: Some(RayPrice(5_000_000)), tier: Tier::Economy };
    let answer = farm.post("/v1/quotes", &asked).await;
    let quoted: QuoteView = read(answer, StatusCode::CREATED).await;
    assert!(quoted.quote.is_signed());
    assert_eq!(quoted.quote.terms.master, view.master);
    let mut reader = Asked {
        master: view.master,
        spec: &asked.spec,
        price_max: RayPrice(5_000_000),
        glb: &scene.glb,
        environment: None,
    };
    let now_ms = quoted.quote.terms.valid_until_ms - 1;
    assert_eq!(check(&quoted.quote, &reader, now_ms, 2).unwrap(), []);
    reader.master = MasterId(NodeKey::from_secret(&[9; 32]).node().0);
    let found = check(&quoted.quote, &reader, now_ms, 2).unwrap();
    assert!(found.iter().any(|difference| difference.field == Field::Master), "{found:?}");
    let again: QuoteView =
        read(farm.get(&format!("/v1/quotes/{}", quoted.id)).await, StatusCode::OK).await;
    assert_eq!(again, quoted);
    // Each draws other pixels.
    let answer = farm.post("/v1/quotes", &asked).await;
    let other: QuoteView = read(answer, StatusCode::CREATED).await;
    assert_ne!(other.quote.terms.seed, quoted.quote.terms.seed);
    let unknown = farm.get(&format!("/v1/quotes/{}", "0".repeat(64))).await;
    assert_eq!(refused(unknown).await, "quote-not-found");
    let free = QuoteRequest { max_price: Some(RayPrice(0)), ..asked };
    assert_eq!(refused(farm.post("/v1/quotes", &free).await).await, "quote-refused");
}

#[tokio::test]
async fn on_a_farm_that_pays_only_its_operator_renders_for_nothing() {
    let farm = Farm::start_with(|config| config.chain = Some(nowhere())).await;
    let scene = farm.upload(b"a scene").await.blob;
    let token = serde_json::json!({ "scope": "artist" });
    let token: serde_json::Value =
        read(farm.post("/v1/tokens", &token).await, StatusCode::CREATED).await;
    let artist = token["token"].as_str().unwrap();
    let submit = farm.http.post(farm.at("/v1/jobs")).bearer_auth(artist).json(&spec(scene));
    assert_eq!(refused(submit.send().await.unwrap()).await, "nobody-pays");
    let job = farm.submit(|_| {}).await;
    farm.node(1).await.work_all(u64::MAX).await;
    let done: JobView = farm.until(&job, JobState::Completed).await;
    assert_eq!(done.money, None);
}

#[tokio::test]
async fn a_node_reads_why_it_gets_nothing() {
    let farm = Farm::start().await;
    let unknown = farm.get(&format!("/v1/nodes/{}/why", "0".repeat(64))).await;
    assert_eq!(refused(unknown).await, "node-not-found");
    let node = farm.node(1).await;
    node.ask(&request(1, 0)).await;
    let path = format!("/v1/nodes/{}/why", node.key.node());
    let why: Vec<Why> =
        eventually(async || Some(read(farm.get(&path).await, StatusCode::OK).await)).await;
    assert_eq!(why[0].code, "nothing_to_do");
}

/// A quote of a small job whose units cost a base unit each, with this ceiling.
fn quote(ceiling: u64) -> KeptQuote {
    quote_of(TokenId([1; 8]), spec(BlobHash([5; 32])), ceiling)
}

fn quote_of(owner: TokenId, spec: JobSpec, ceiling: u64) -> KeptQuote {
    let key = NodeKey::from_secret(&[2; 32]);
    let terms = QuoteTerms {
        master: MasterId(key.node().0),
        spec: SpecHash::of(&spec),
        scene: spec.scene,
        environment: None,
        seed: QuoteSeed([1; 32]),
        frames_probed: 3,
        pixels: 1,
        rays_mean_milli: 1,
        rays_upper: 1,
        factor: SceneFactor::ONE,
        price_max: RayPrice(100_000_000),
        margin_permille: 0,
        ceiling: Amount(ceiling),
        valid_until_ms: i64::MAX,
    };
    let frame = FrameRays { frame: FrameNumber(1), rays_mean_milli: 1 };
    let outlook =
        Outlook { expected: Amount(1), least: Amount(1), cheapest: frame, dearest: frame };
    let quote = Quote::issue(&key, terms, QuoteSecret([3; 32]), store::KERNEL);
    KeptQuote {
        owner,
        spec,
        tier: Tier::Standard,
        warnings: vec![],
        memory: SceneMemory::default(),
        view: QuoteView { id: terms.id(), quote, outlook, job: None },
    }
}

/// Accepts a quote of a job with this ceiling.
async fn accept(store: &Sqlite, ceiling: u64) -> JobId {
    accept_quote(store, quote(ceiling)).await
}

/// A job of this owner's that is paid for.
pub(crate) async fn paid_job(store: &Sqlite, owner: TokenId, spec: JobSpec) -> JobId {
    accept_quote(store, quote_of(owner, spec, 1_000_000)).await
}

async fn accept_quote(store: &Sqlite, quote: KeptQuote) -> JobId {
    let (job, ceiling) = (quote.view.id.job(), quote.view.quote.terms.ceiling.0);
    let accepted = Accepted {
        job,
        quote,
        kernel: store::KERNEL,
        escrow: Escrow { deposited: Amount(ceiling), stands_until_ms: 9_000 },
        carry: CarryTerms { job_permille: 500, payer_most: Amount(1000) },
        fee: FeeTerms { bps: 1_000, to: NodeId([9; 32]) },
        now_ms: 1000,
    };
    let first = store.accept_quote(accepted.clone()).await.unwrap();
    assert!(matches!(first, Creation::Created(_)));
    assert!(matches!(store.accept_quote(accepted).await.unwrap(), Creation::Known(_)));
    job
}

/// Leases a unit, brings it and has it verified; `None` where none is leased.
async fn work(store: &Sqlite, number: u64) -> Option<LeaseId> {
    let mut ask = store::ask(number, 1, 1);
    ask.bidder.asks = RayPrice(100_000_000);
    let granted = store.lease(ask).await.unwrap().granted()?;
    store.enter(store::result(granted.lease.id, 1)).await.unwrap();
    store.settle(granted.lease.id, store::RIGHT, 4000).await.unwrap();
    Some(granted.lease.id)
}

#[tokio::test]
async fn the_job_of_a_quote_takes_what_was_measured_for_the_quote() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let memory = SceneMemory { host_bytes: 30, device_bytes: 12 };
    let quote = KeptQuote { memory, ..quote(1_000) };
    store.keep_quote(quote.clone(), 1).await.unwrap();
    let kept = store.quote(quote.view.id).await.unwrap().unwrap();
    assert_eq!(kept.memory, memory);
    let job = accept_quote(&store, kept).await;
    assert_eq!(store.waiting(job).await.unwrap().memory, memory);
    let mut ask = store::ask(1, 1, 1);
    ask.bidder.asks = RayPrice(100_000_000);
    ask.bidder.memory = Some(FreeMemory { host_bytes: 41, device_bytes: None });
    let Leased::Nothing(why) = store.lease(ask.clone()).await.unwrap() else {
        panic!("it cannot hold the scene");
    };
    assert_eq!(why[0].code, "scene_too_large");
    ask.bidder.memory = Some(FreeMemory { host_bytes: 42, device_bytes: None });
    assert_eq!(store.lease(ask).await.unwrap().granted().unwrap().lease.job, job);
}

/// How many units are verified until the job pauses, and why it does.
async fn verified_until_it_pauses(ceiling: u64, reserve: u64) -> (u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    if reserve > 0 {
        let funded = Cause::ReserveFunded { id: "first".into(), amount: Amount(reserve) };
        assert!(matches!(store.book(funded, 1).await.unwrap(), Booked::Now(_)));
    }
    let job = accept(&store, ceiling).await;
    let mut number = 0;
    while work(&store, number).await.is_some() {
        number += 1;
    }
    let (job, _) = store.job(job).await.unwrap().unwrap();
    assert_eq!(job.units.verified, number);
    assert_eq!(job.state, if number < 24 { JobState::Paused } else { JobState::Active });
    (number, job.reason.unwrap_or_default())
}

#[tokio::test]
async fn a_job_is_leased_as_far_as_its_ceiling_and_the_reserve_pay_and_then_says_why_not() {
    let (units, why) = verified_until_it_pauses(8, 0).await;
    assert_eq!(units, 8);
    assert!(why.contains("ceiling is 0.000008") && why.contains("no reserve"), "{why}");
    let (units, why) = verified_until_it_pauses(8, 100).await;
    assert_eq!(units, 12, "half of the ceiling again");
    assert!(why.contains("0.000012 in all"), "{why}");
    assert_eq!(verified_until_it_pauses(8, 2).await.0, 10, "no more than the reserve has");
    assert_eq!(verified_until_it_pauses(24, 0).await.0, 24);
}

#[tokio::test]
async fn a_job_with_too_little_goes_on_when_its_ceiling_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let job = accept(&store, 8).await;
    let mut number = 0;
    while work(&store, number).await.is_some() {
        number += 1;
    }
    assert_eq!(number, 8);
    assert_eq!(store.raise_ceiling(job, Amount(8), 5000).await.unwrap(), Raised::Nothing);
    let Raised::By { amount, was_short, job: raised } =
        store.raise_ceiling(job, Amount(11), 5000).await.unwrap()
    else {
        panic!("it was not raised")
    };
    assert_eq!((amount, was_short), (Amount(3), true));
    assert_eq!(raised.money.unwrap().ceiling, Amount(11));
    assert_eq!(store.raise_ceiling(job, Amount(11), 5000).await.unwrap(), Raised::Nothing, "once");
    store.change_job(job, JobChange::Resume, None, 0).await.unwrap();
    while work(&store, number).await.is_some() {
        number += 1;
    }
    assert_eq!(number, 11);
    // What comes later and raises nothing returns.
    assert_eq!(store.note_deposit(job, Amount(15), 5000).await.unwrap(), Amount(4));
    let wallet = Account::Wallet(Payer([1; 8]));
    assert_eq!(store.balance(wallet).await.unwrap(), 4);
    assert_eq!(store.expiring(9_000, 10).await.unwrap(), []);
    assert_eq!(store.expiring(9_001, 10).await.unwrap(), [job]);
    store.change_job(job, JobChange::Cancel, None, 0).await.unwrap();
    assert_eq!(store.expiring(9_001, 10).await.unwrap(), []);
}

/// A job whose first frame is assembled and waits until 5000 to be approved; and its leases.
async fn assembled(store: &Sqlite) -> (JobId, FrameNumber, Vec<LeaseId>) {
    let job = accept(store, 24).await;
    let mut number = 0;
    let whole = loop {
        work(store, number).await.expect("work");
        number += 1;
        if let Some(whole) = store.whole_frames(1).await.unwrap().pop() {
            break whole;
        }
    };
    let made_of: Vec<_> = whole.results.iter().map(|result| result.lease).collect();
    let hash = ResultHash([3; 32]);
    store.frame_done(job, whole.frame, hash, made_of.clone(), Some(5000)).await.unwrap();
    (job, whole.frame, made_of)
}

#[tokio::test]
async fn a_frame_is_paid_when_its_owner_approves_it_or_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let (job, frame, made_of) = assembled(&store).await;
    let view = async || store.frames(job, frame, 1).await.unwrap().remove(0);
    assert_eq!(view().await.approve_by_ms, Some(5000));
    assert_eq!(store.unapproved(job).await.unwrap(), (1, 5000));
    assert_eq!(store.unbooked(100).await.unwrap(), []);
    assert_eq!(store.audited_lease(made_of[0]).await.unwrap(), None, "it is not final");
    assert_eq!(store.approve_due(4999).await.unwrap(), 0);

    let object =
        async |reason: &str| store.object(job, frame, reason.into(), [7; 32], 4000).await.unwrap();
    assert_eq!(object("there is a seam").await, Objection::Noted);
    assert_eq!(object("there is a seam").await, Objection::Pending);
    assert_eq!(store.approve_due(9999).await.unwrap(), 0, "not while it is looked at");
    let dispute = store.open_dispute(store::KERNEL).await.unwrap().unwrap();
    assert_eq!((dispute.job, dispute.frame, dispute.case), (job, frame, 1));
    assert_eq!(dispute.results.len(), made_of.len());
    let denied = Answer::Denied("all is right".into());
    store.answer(job, frame, 1, denied.clone(), 4000).await.unwrap();
    store.answer(job, frame, 1, Answer::Denied("again".into()), 4000).await.unwrap();
    let found = view().await;
    assert_eq!(found.approve_by_ms, None);
    assert_eq!(found.dispute.unwrap().answer.as_deref(), Some("all is right"), "the first counts");
    assert_eq!(store.unbooked(100).await.unwrap().len(), made_of.len());
    assert!(store.audited_lease(made_of[0]).await.unwrap().is_some());
    assert_eq!(object("still").await, Objection::Approved);
    assert_eq!(store.open_dispute(store::KERNEL).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_frame_is_rendered_again_and_paid_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let (job, frame, made_of) = assembled(&store).await;
    let before = store.job(job).await.unwrap().unwrap().0;
    assert_eq!(before.frames_done, 1);
    store.object(job, frame, "it is black".into(), [7; 32], 4000).await.unwrap();
    let dispute = store.open_dispute(store::KERNEL).await.unwrap().unwrap();
    let result = dispute.results[0].result.clone();
    let rejection = Some(Box::new(store::rejection(result.lease)));
    let answer = Answer::Upheld { answer: "it is".into(), result: result.clone(), rejection };
    let settled = store.answer(job, frame, 1, answer, 4000).await.unwrap();
    assert!(settled.first);
    let after = store.job(job).await.unwrap().unwrap().0;
    assert_eq!(after.frames_done, 0);
    assert_eq!(after.units.free, before.units.free + 1);
    // What else its node brought for the frame is looked at again, as wholes.
    let others = made_of.len() as u64 - 1;
    assert_eq!(
        (settled.reopened, after.units.submitted, after.units.verified),
        (others, others, 0)
    );
    for lease in made_of.iter().filter(|lease| **lease != result.lease) {
        store.settle(*lease, store::RIGHT, 4000).await.unwrap();
    }
    let found = store.audited_lease(result.lease).await.unwrap().expect("it is final");
    assert!(!found.verdict.counts());
    assert_eq!(store.unbooked(100).await.unwrap(), [], "nothing is paid before the frame is whole");

    // Somebody else renders it, and the frame is what that one made.
    let again = work(&store, 200).await.expect("its unit is free");
    let whole = store.whole_frames(1).await.unwrap().pop().expect("the frame is whole again");
    let leases: Vec<_> = whole.results.iter().map(|result| result.lease).collect();
    assert!(leases.contains(&again) && !leases.contains(&result.lease));
    let hash = ResultHash([4; 32]);
    store.frame_done(job, frame, hash, leases.clone(), Some(5000)).await.unwrap();
    assert_eq!(store.approve(job, None).await.unwrap(), 1);
    let booked: Vec<_> =
        store.unbooked(100).await.unwrap().iter().map(|audited| audited.result.lease).collect();
    assert_eq!(booked.len(), made_of.len());
    assert!(!booked.contains(&result.lease));
}

/// What a receipt over a lease of this pay proves.
fn verified(lease: LeaseId, job: JobId, pay: u64) -> Verified {
    let (signature, master) = (SignatureBytes([0; 64]), MasterId([9; 32]));
    let root = ResultRoot([0; 32]);
    let commit = Commit {
        job,
        results: vec![UnitResult { unit: UnitIndex(0), root, rays: pay }],
        ..store::rejection(lease).commit
    };
    let terms = Terms {
        master,
        class: DeviceClass::Exact,
        price: RayPrice(1_000_000_000),
        factor: SceneFactor::ONE,
        signature: signature.clone(),
    };
    let receipt = Receipt {
        commit,
        signature: signature.clone(),
        terms,
        secret: AuditSecret([0; 32]),
        verdict: Verdict::Verified { pixels: 1 },
        pay: Amount(pay),
        master_signature: signature,
    };
    Verified::from_receipt(&receipt).unwrap()
}

#[tokio::test]
async fn the_operator_pays_what_a_job_that_has_ended_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let funded = Cause::ReserveFunded { id: "first".into(), amount: Amount(100) };
    assert!(matches!(store.book(funded, 1).await.unwrap(), Booked::Now(_)));
    let job = accept(&store, 2).await;
    // A ceiling of 2, of which the reserve carries half again; and receipts that say 2, 2 and 95.
    let book = async |number: u8, pay: u64| {
        let verified = verified(LeaseId([number; 16]), job, pay);
        store.book_lease(verified, 5000).await.unwrap()
    };
    assert!(matches!(book(1, 2).await, Booked::Now(_)));
    assert!(matches!(book(2, 2).await, Booked::Refused(_)), "the job asks");
    store.change_job(job, JobChange::Cancel, None, 0).await.unwrap();
    assert!(matches!(book(2, 2).await, Booked::Now(_)), "nobody is left to be asked");
    let (view, _) = store.job(job).await.unwrap().unwrap();
    let money = view.money.unwrap();
    assert_eq!((money.charged, money.carried), (Amount(2), Amount(2)));
    assert!(matches!(book(3, 99).await, Booked::Refused(_)), "more than the reserve has");
    assert_eq!(store.balance(Account::Reserve).await.unwrap(), 98);
    store.end_escrow(job, 6000).await.unwrap();
    let (view, _) = store.job(job).await.unwrap().unwrap();
    assert_eq!(view.money.unwrap().fee, Amount::ZERO, "no fee above the ceiling");
}

#[tokio::test]
async fn who_is_owed_out_of_an_empty_escrow_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let job = accept(&store, 24).await;
    let reserve = Cause::ReserveFunded { id: "first".into(), amount: Amount(50) };
    assert!(matches!(store.book(reserve, 1).await.unwrap(), Booked::Now(_)));
    for number in 1..=2 {
        let verified = verified(LeaseId([number; 16]), job, 5);
        assert!(matches!(store.book_lease(verified, 5000).await.unwrap(), Booked::Now(_)));
    }
    let node = NodeKey::from_secret(&[1; 32]).node();
    let accounts = vec![(node, ChainAddress([4; 32]))];
    let payable = |left: u64| Payable {
        accounts: accounts.clone(),
        purses: vec![(Purse::Job(job), Amount(left)), (Purse::Reserve, Amount(50))],
    };
    assert_eq!(store.begin_epoch(payable(9), Amount(1), 5000).await.unwrap(), None);
    let epoch = store.begin_epoch(payable(10), Amount(1), 5000).await.unwrap().expect("an epoch");
    assert_eq!((epoch.number, epoch.plan.total()), (1, Some(Amount(10))));
    assert_eq!(store.epoch(1).await.unwrap(), Some(epoch));

    // It could not pay, and is looked for behind a place.
    store.leaf_done(1, 0, PayoutState::Claimable, 5000).await.unwrap();
    store.epoch_done(1).await.unwrap();
    assert_eq!(store.open_epoch().await.unwrap(), None);
    let leaf = Leaf { epoch: 1, index: 0, account: ChainAddress([4; 32]) };
    assert_eq!(store.claimable((0, 0), 10).await.unwrap(), [leaf]);
    assert_eq!(store.claimable((1, 0), 10).await.unwrap(), []);
    store.leaf_done(1, 0, PayoutState::Paid, 5000).await.unwrap();
    assert_eq!(store.claimable((0, 0), 10).await.unwrap(), []);
    assert_eq!(store.balance(Account::Paid(node)).await.unwrap(), 10);
}

#[tokio::test]
async fn what_is_suggested_begins_at_the_operator_s_price_and_stays_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    assert_eq!(store.suggested().await.unwrap(), None);
    store.suggest(RayPrice(70_000), 5000).await.unwrap();
    drop(store);
    let store = store::open(&folder);
    assert_eq!(store.suggested().await.unwrap(), Some((RayPrice(70_000), 5000)));

    // Nobody is busy: it falls from the operator's price, slowly.
    let farm = Farm::start_with(|config| {
        config.chain = Some(ChainConfig { every: Duration::from_millis(20), ..nowhere() });
        config.suggested_price = RayPrice(100_000_000_000);
    })
    .await;
    let node = farm.node(1).await;
    node.ask(&request(1, 0)).await;
    let price = eventually(async || {
        let view: FarmView = read(farm.get("/v1/farm").await, StatusCode::OK).await;
        Some(view.suggested_price).filter(|price| *price < RayPrice(100_000_000_000))
    })
    .await;
    assert!(price > RayPrice(99_900_000_000), "{price}");
}

#[tokio::test]
async fn a_node_s_speed_is_that_of_its_verified_work() {
    let farm = Farm::start().await;
    let node = farm.node(1).await;
    assert_eq!(crate::audits::view(&farm, &node).await.rays_per_s, None);
    farm.submit(|_| {}).await;
    node.work_all(u64::MAX).await;
    let view = eventually(async || {
        Some(crate::audits::view(&farm, &node).await).filter(|view| view.units_verified > 0)
    })
    .await;
    assert!(view.rays_per_s.unwrap() > 0);
}
