//! A named step happens once, whatever its endpoint does and whoever is killed.

use crate::endpoint::Fate;
use crate::world::{SOL, World};
use serde_json::{Value, json};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_local_chain::SETTLEMENT_PROGRAM;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenChannel;
use tessera_settlement::abi::signed::VoucherHeader;
use tessera_settlement::chain::{
    AttemptState, ChainError, Cost, MemoryOutbox, Outcome, Point, SendError, Sender, Step,
};
use tessera_settlement::instruction::{Signature, Source, signature_check};
use tokio::time::Instant;

const GIFT: u64 = SOL / 10;

struct Gift {
    world: World,
    to: Address,
}

impl Gift {
    async fn new() -> Self {
        Self { world: World::new(0, 0).await, to: Keypair::new().pubkey() }
    }

    fn step(&self) -> Step<'_> {
        let from = self.world.payer.pubkey();
        let mut data = vec![2, 0, 0, 0];
        data.extend_from_slice(&GIFT.to_le_bytes());
        let accounts = vec![AccountMeta::new(from, true), AccountMeta::new(self.to, false)];
        let transfer = Instruction { program_id: Address::default(), accounts, data };
        let signers = vec![&self.world.payer];
        Step { name: "gift".into(), instructions: vec![transfer], signers }
    }

    async fn send(&self) -> Result<Outcome, SendError> {
        self.world.sender().send(&self.world.chain, &self.step()).await
    }

    /// That it happened so often.
    async fn happened(&self, times: u64) {
        self.world.endpoint.heal();
        let lamports = self.world.chain.lamports(&self.to).await.unwrap();
        assert_eq!(lamports, times * GIFT);
    }

    fn state(&self) -> Option<AttemptState> {
        self.world.outbox.all().remove("gift").map(|attempt| attempt.state)
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_is_done_once_and_says_what_it_cost() {
    let gift = Gift::new().await;
    let Outcome::Finalised(receipt) = gift.send().await.unwrap() else { panic!() };
    let cost = receipt.cost.unwrap();
    assert_eq!(cost, Cost { fee_lamports: 5_000, compute_units: 3 * 150 });
    assert_eq!(gift.state(), Some(AttemptState::Finalised(receipt)));
    // Under the same name nothing happens again, and it is told as it was.
    assert_eq!(gift.send().await.unwrap(), Outcome::Finalised(receipt));
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_chain_is_told() {
    let one = Gift::new().await.world;
    let two = World::new(0, 0).await;
    let genesis = one.chain.genesis().await.unwrap();
    assert_eq!(one.chain.genesis().await.unwrap(), genesis);
    assert_ne!(two.chain.genesis().await.unwrap(), genesis);
    assert_eq!(one.chain.rent(165).await.unwrap(), 2_039_280);
    let (wallet, account) = one.wallet(7);
    assert_eq!(one.chain.tokens(&account).await.unwrap(), Some(7));
    // Neither a wallet nor a mint is a token account.
    for other in [wallet.pubkey(), one.local.mint(), Keypair::new().pubkey()] {
        assert_eq!(one.chain.tokens(&other).await.unwrap(), None);
    }
    let recent = one.chain.recent().await.unwrap();
    let message = Message::new_with_blockhash(&[], Some(&wallet.pubkey()), &recent.hash);
    assert_eq!(one.chain.fee(&message).await.unwrap(), 5_000);
    let before = one.chain.time().await.unwrap();
    assert_eq!(before.slot + 150, recent.last_valid_block_height);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = one.chain.time().await.unwrap();
    assert_eq!((after.slot - before.slot, after.unix_s - before.unix_s), (10, 4));
}

#[tokio::test(start_paused = true)]
async fn a_price_is_offered_for_what_the_rehearsal_took() {
    let gift = Gift::new().await;
    let sender = Sender::new(&gift.world.outbox, SETTLEMENT_PROGRAM).with_price(2_000_000);
    let sent = sender.send(&gift.world.chain, &gift.step()).await.unwrap();
    let Outcome::Finalised(receipt) = sent else { panic!("{sent:?}") };
    // At two lamports for each of four times 150 units, half as many, a thousand, and up to 1,023
    // that tell transactions apart.
    let offered = (receipt.cost.unwrap().fee_lamports - 5_000) / 2;
    assert!((1_900..1_900 + 1_024).contains(&offered), "{offered}");
}

/// The same bytes would be one transaction, and one of the two gifts only said to have been made.
#[tokio::test(start_paused = true)]
async fn the_same_under_two_names_happens_twice() {
    let gift = Gift::new().await;
    let mut other = gift.step();
    other.name = "another".into();
    let sender = gift.world.sender();
    let (one, step) = (&gift.world.chain, gift.step());
    let (one, two) = tokio::join!(sender.send(one, &step), sender.send(one, &other));
    assert!(matches!(one.unwrap(), Outcome::Finalised(_)));
    assert!(matches!(two.unwrap(), Outcome::Finalised(_)));
    gift.happened(2).await;
}

/// Signed again within the slot of what failed, it must not be taken for that.
#[tokio::test(start_paused = true)]
async fn what_failed_is_not_what_is_signed_next() {
    let gift = Gift::new().await;
    let world = &gift.world;
    let passes = json!({
        "context": { "slot": 1 },
        "value": { "err": null, "logs": [], "unitsConsumed": 450 },
    });
    world.endpoint.fail(move |method, _| match method {
        "simulateTransaction" => Fate::Instead(passes.clone()),
        _ => Fate::Served,
    });
    let poor = Keypair::new();
    let mut step = gift.step();
    step.instructions[0].accounts[0] = AccountMeta::new(poor.pubkey(), true);
    step.signers.push(&poor);
    let sender = world.sender();
    let refused = sender.send(&world.chain, &step).await.unwrap();
    assert!(matches!(refused, Outcome::Refused(_)), "{refused:?}");
    world.local.airdrop(&poor.pubkey(), SOL).unwrap();
    let sent = sender.send(&world.chain, &step).await.unwrap();
    assert!(matches!(sent, Outcome::Finalised(_)), "{sent:?}");
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_killed_anywhere_is_followed_by_one_that_goes_on() {
    for stop in [Point::Before, Point::Kept, Point::Sent, Point::Final, Point::After] {
        let gift = Gift::new().await;
        let killed = gift.world.sender().with_watch(move |_, point| {
            if point == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let error = killed.send(&gift.world.chain, &gift.step()).await.unwrap_err();
        assert!(matches!(error, SendError::Stopped { .. }), "{error}");
        let happened = u64::from(stop >= Point::Sent);
        gift.happened(happened).await;
        assert_eq!(gift.state().is_none(), stop == Point::Before);
        assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
        gift.happened(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_changes_nothing() {
    let gift = Gift::new().await;
    let mut sends = 0;
    gift.world.endpoint.fail(move |method, _| {
        sends += usize::from(method == "sendTransaction");
        match method {
            "sendTransaction" if sends == 1 => Fate::AnswerLost,
            "sendTransaction" => panic!("it was there already"),
            _ => Fate::Served,
        }
    });
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_are_sent_until_they_arrive() {
    let gift = Gift::new().await;
    let mut sends = 0;
    gift.world.endpoint.fail(move |method, _| {
        sends += usize::from(method == "sendTransaction");
        if method == "sendTransaction" && sends < 6 { Fate::Lost } else { Fate::Served }
    });
    let before = gift.world.endpoint.asked("getLatestBlockhash");
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    assert_eq!(gift.world.endpoint.asked("getLatestBlockhash"), before + 1, "signed once");
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_signed_anew_only_when_it_has_expired() {
    let gift = Gift::new().await;
    let begun = Instant::now();
    let signings = Arc::new(Mutex::new(Vec::new()));
    let signed = signings.clone();
    // Accepted with a signature as always, and dropped: all that is sent in the first 70 s.
    gift.world.endpoint.fail(move |method, params| {
        if method == "getLatestBlockhash" {
            signed.lock().unwrap().push(begun.elapsed());
        }
        match method {
            "sendTransaction" if begun.elapsed() < Duration::from_secs(70) => {
                Fate::Instead(json!(signature_of(params)))
            }
            _ => Fate::Served,
        }
    });
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    let signings = signings.lock().unwrap().clone();
    assert_eq!(signings.len(), 2);
    // It may be executed for 150 slots after that of its blockhash, the last one included.
    let apart = signings[1] - signings[0];
    let expired = Duration::from_millis(151 * 400);
    assert!(apart >= expired && apart < expired + Duration::from_secs(1), "{apart:?}");
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_never_arrives_expires_in_the_end() {
    let gift = Gift::new().await;
    gift.world.endpoint.fail(|method, params| match method {
        "sendTransaction" => Fate::Instead(json!(signature_of(params))),
        _ => Fate::Served,
    });
    assert_eq!(gift.send().await.unwrap(), Outcome::Expired);
    assert_eq!(gift.state(), Some(AttemptState::Expired));
    gift.happened(0).await;
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    gift.happened(1).await;
}

/// The most dangerous lie: executed at the last moment, while the machine that is asked for it has
/// not heard of that yet.
#[tokio::test(start_paused = true)]
async fn a_late_machine_does_not_make_anybody_sign_twice() {
    let gift = Gift::new().await;
    let begun = Instant::now();
    let first_slot = gift.world.chain.time().await.unwrap().slot;
    gift.world.endpoint.fail(move |method, _| match method {
        // For two minutes, statuses come from a machine that knows nothing since.
        "getSignatureStatuses" if begun.elapsed() < Duration::from_secs(120) => {
            Fate::Instead(json!({ "context": { "slot": first_slot }, "value": [null] }))
        }
        _ => Fate::Served,
    });
    let before = gift.world.endpoint.asked("getLatestBlockhash");
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    assert!(begun.elapsed() > Duration::from_secs(119));
    assert_eq!(gift.world.endpoint.asked("getLatestBlockhash"), before + 1, "signed once");
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_only_confirmed_is_waited_for() {
    let gift = Gift::new().await;
    let begun = Instant::now();
    gift.world.endpoint.fail(move |method, params| match method {
        "getSignatureStatuses" if begun.elapsed() < Duration::from_secs(15) => {
            assert_eq!(params[1]["searchTransactionHistory"], true);
            let status = json!({
                "slot": 1, "confirmations": 3, "status": { "Ok": null }, "err": null,
                "confirmationStatus": "confirmed",
            });
            Fate::Instead(json!({ "context": { "slot": 1 }, "value": [status] }))
        }
        _ => Fate::Served,
    });
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    assert!(begun.elapsed() >= Duration::from_secs(15));
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_limits_lies_or_is_away_is_asked_again() {
    for fate in [
        Fate::Refused(429),
        Fate::Refused(-32005),
        Fate::Lost,
        Fate::Instead(Value::Null),
        Fate::Instead(json!([1, "x"])),
        Fate::Instead(json!({ "context": { "slot": 1 }, "value": [null, null, null] })),
        Fate::AsOf(0),
    ] {
        let gift = Gift::new().await;
        let mut count = 0;
        let told = fate.clone();
        gift.world.endpoint.fail(move |method, _| {
            count += 1;
            // Two of three, except where no answer is as bad as any.
            let spoilt = count % 3 != 0 && method != "getEpochInfo";
            if spoilt && method != "sendTransaction" { told.clone() } else { Fate::Served }
        });
        let sent = gift.send().await;
        assert!(matches!(sent, Ok(Outcome::Finalised(_))), "{fate:?}: {sent:?}");
        gift.happened(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stays_away_is_an_error_and_nothing_is_lost() {
    let gift = Gift::new().await;
    gift.world.endpoint.fail(|_, _| Fate::Lost);
    let error = gift.send().await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, SendError::Chain(ChainError::Unreachable { .. })), "{error}");
    assert!(words.contains("the cable is cut") && words.contains("URL"), "{words}");
    assert_eq!(gift.state(), None);

    // Away from the moment that it was sent.
    let mut sent = false;
    gift.world.endpoint.fail(move |method, _| {
        let away = sent;
        sent |= method == "sendTransaction";
        if away { Fate::Lost } else { Fate::Served }
    });
    gift.send().await.unwrap_err();
    assert_eq!(gift.state(), Some(AttemptState::Open));
    gift.happened(1).await;
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    gift.happened(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_refused_for_good_is_not_asked_again() {
    let gift = Gift::new().await;
    let mut asked = 0;
    gift.world.endpoint.fail(move |_, _| {
        asked += 1;
        assert_eq!(asked, 1);
        Fate::Refused(-32601)
    });
    let begun = Instant::now();
    let error = gift.send().await.unwrap_err();
    assert!(matches!(error, SendError::Chain(ChainError::Refused { code: -32601, .. })), "{error}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_in_words_before_anything_is_paid() {
    let gift = Gift::new().await;
    let world = &gift.world;
    let lamports = world.chain.lamports(&world.payer.pubkey()).await.unwrap();
    let artist = world.farm.draw(1, &[1; 16], 5);
    let step = Step {
        name: "gift".into(),
        instructions: vec![artist],
        signers: vec![&world.payer, &world.authority],
    };
    let Outcome::Refused(refused) = world.sender().send(&world.chain, &step).await.unwrap() else {
        panic!()
    };
    assert_eq!(refused.refusal, Some(Refusal::WrongOwner));
    assert!(refused.words.contains(Refusal::WrongOwner.sentence()), "{refused}");
    assert_eq!(gift.state(), None, "nothing was signed");
    assert_eq!(world.chain.lamports(&world.payer.pubkey()).await.unwrap(), lamports);
}

/// What the rehearsal let pass may fail when it is executed.
#[tokio::test(start_paused = true)]
async fn what_fails_when_it_is_executed_may_be_tried_again() {
    let gift = Gift::new().await;
    let world = &gift.world;
    let passes = json!({
        "context": { "slot": 1 },
        "value": { "err": null, "logs": [], "unitsConsumed": 20_000 },
    });
    world.endpoint.fail(move |method, _| match method {
        "simulateTransaction" => Fate::Instead(passes.clone()),
        _ => Fate::Served,
    });
    let draw = world.farm.draw(1, &[1; 16], 5);
    let mut step = gift.step();
    step.instructions.push(draw);
    step.signers.push(&world.authority);
    let Outcome::Refused(refused) = world.sender().send(&world.chain, &step).await.unwrap() else {
        panic!()
    };
    assert_eq!(refused.refusal, Some(Refusal::WrongOwner));
    assert!(refused.words.contains("instruction 2"), "{refused}");
    assert_eq!(gift.state(), Some(AttemptState::Failed));
    gift.happened(0).await;
    assert!(matches!(gift.send().await.unwrap(), Outcome::Finalised(_)));
    gift.happened(1).await;
}

/// Instructions that name another by its place find it there, whatever a sender adds.
#[tokio::test(start_paused = true)]
async fn a_voucher_is_redeemed_by_a_signature_at_the_place_it_names() {
    let world = World::new(0, 0).await;
    let (farm, rent) = (world.farm, world.payer.pubkey());
    let (artist, purse) = world.wallet(1_000);
    let (node, payout) = world.wallet(0);
    let voucher_key = Keypair::new();
    let terms = OpenChannel {
        nonce: 1,
        voucher_key: voucher_key.pubkey().to_bytes(),
        amount: 1_000,
        grace_s: 60,
    };
    let source = Source { owner: artist.pubkey(), account: purse };
    let open = vec![
        farm.register_node(rent, node.pubkey(), payout),
        farm.open_channel(rent, source, purse, &node.pubkey(), terms),
    ];
    world.run(open, &[&world.payer, &node, &artist]).await;
    let channel = farm.channel(&artist.pubkey(), &node.pubkey(), 1);
    let redeem = async |cumulative, spoilt: u8| {
        let header = VoucherHeader { channel: channel.to_bytes(), cumulative };
        let message = header.encode().to_vec();
        let mut signature: [u8; 64] = voucher_key.sign_message(&message).into();
        signature[0] ^= spoilt;
        let by = voucher_key.pubkey().to_bytes();
        let check = signature_check(&[Signature { by, signature, message }]);
        let step = Step {
            name: format!("redeem/{cumulative}/{spoilt}"),
            instructions: vec![check, farm.redeem(&node.pubkey(), payout, channel, 0)],
            signers: vec![&world.payer],
        };
        let sender = world.sender().with_price(1_000);
        sender.send(&world.chain, &step).await.unwrap()
    };
    assert!(matches!(redeem(300, 0).await, Outcome::Finalised(_)));
    assert!(matches!(redeem(500, 0).await, Outcome::Finalised(_)));
    assert_eq!(world.tokens(&payout).await, 500);
    assert!(matches!(redeem(900, 1).await, Outcome::Refused(_)));
    let Outcome::Refused(refused) = redeem(400, 0).await else { panic!() };
    assert_eq!(refused.refusal, Some(Refusal::NothingNew));
    assert_eq!(world.tokens(&payout).await, 500);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_signed_or_carried_is_an_error() {
    let gift = Gift::new().await;
    let world = &gift.world;
    let outbox = MemoryOutbox::default();
    let sender = Sender::new(&outbox, SETTLEMENT_PROGRAM);
    let mut unsigned = gift.step();
    unsigned.instructions.push(world.farm.request_unbond(1));
    unsigned.instructions[1].program_id =
        "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr".parse().unwrap();
    unsigned.instructions[1].accounts.truncate(1);
    unsigned.instructions[1].data = b"x".to_vec();
    let error = sender.send(&world.chain, &unsigned).await.unwrap_err();
    assert!(matches!(error, SendError::Sign { .. }), "{error}");
    let mut long = gift.step();
    let transfer = long.instructions[0].clone();
    long.instructions.extend((0..70).map(|_| transfer.clone()));
    let error = sender.send(&world.chain, &long).await.unwrap_err();
    assert!(matches!(error, SendError::TooLong { bytes: 1233.., .. }), "{error}");
    assert!(outbox.all().is_empty());
}

/// The first signature in a transaction that is being sent.
fn signature_of(params: &Value) -> String {
    use base64::Engine;
    let bytes = params[0].as_str().unwrap();
    let bytes = base64::prelude::BASE64_STANDARD.decode(bytes).unwrap();
    let signature: [u8; 64] = bytes[1..65].try_into().unwrap();
    solana_signature::Signature::from(signature).to_string()
}
