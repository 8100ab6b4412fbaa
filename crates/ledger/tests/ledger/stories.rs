//! What happens to money, told with sums that can be added up by hand.

use crate::world::*;
use tessera_ledger::epoch::Draw;
use tessera_ledger::{
    Account, Books, Cause, Delivered, FeeTerms, LedgerError, Once, Place, Purse, Share, Verified,
    epoch_leaves,
};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::{Amount, Generation, PixelPrice, RayPrice};

fn owed(n: u8, purse: Purse) -> Account {
    Account::Owed { node: node(n), purse }
}

fn held(n: u8, purse: Purse) -> Account {
    Account::Held { node: node(n), purse }
}

fn code(books: &mut Books, cause: Cause) -> &'static str {
    let before = books.clone();
    let code = books.post(cause).unwrap_err().code();
    assert_eq!(books.entries(), before.entries(), "a refusal changes nothing");
    code
}

/// 1,000 deposited, a ceiling of 600, a reserve of 1,000 of which 120 are set aside.
fn started() -> Books {
    books([deposited(1, 1, 1_000), reserve(1, 1_000), quote(1, 1, 600)])
}

#[test]
fn a_job_sets_its_ceiling_aside_and_the_rest_returns() {
    let mut books = started();
    assert_eq!(in_account(&books, Account::Wallet(payer(1))), 400);
    assert_eq!(in_account(&books, Account::Escrow(job(1))), 600);
    assert_eq!(in_account(&books, Account::Carry(job(1))), 120);
    books.post(earned(1, job(1), node(2), 250, 1)).unwrap();
    assert_eq!(in_account(&books, owed(2, Purse::Job(job(1)))), 250);

    books.post(Cause::JobEnded { job: job(1), part: 0 }).unwrap();
    // 350 are left; a tenth of the 250 that it cost is the operator's.
    assert_eq!(in_account(&books, Account::Wallet(payer(1))), 400 + 350 - 25);
    let operator = Account::Owed { node: operator(), purse: Purse::Job(job(1)) };
    assert_eq!(in_account(&books, operator), 25);
    assert_eq!(in_account(&books, Account::Reserve), 1_000);
    assert_eq!(in_account(&books, Account::Carried(payer(1))), 0);
    let withdrawn = Cause::Withdrawn { id: "w".into(), payer: payer(1), amount: Amount(725) };
    books.post(withdrawn).unwrap();
    assert_eq!(in_account(&books, Account::Refunded(payer(1))), 725);
    let top_up = Cause::ToppedUp { job: job(1), part: 0, amount: Amount(1) };
    assert_eq!(code(&mut books, top_up), "job_ended");
}

#[test]
fn overrun_is_carried_as_far_as_was_promised_and_then_the_job_asks() {
    let mut books = started();
    books.post(earned(1, job(1), node(2), 590, 1)).unwrap();
    books.post(earned(2, job(1), node(2), 100, 1)).unwrap();
    assert_eq!(in_account(&books, owed(2, Purse::Job(job(1)))), 600);
    assert_eq!(in_account(&books, owed(2, Purse::Reserve)), 90);
    let more = earned(3, job(1), node(2), 50, 1);
    let refused = LedgerError::OverrunRefused {
        job: job(1),
        pay: Amount(50),
        escrow: Amount(0),
        carry: Amount(30),
        missing: Amount(20),
    };
    assert!(refused.to_string().contains("raise the ceiling by 0.000020"), "{refused}");
    assert_eq!(books.post(more.clone()).unwrap_err(), refused);

    books.post(Cause::ToppedUp { job: job(1), part: 0, amount: Amount(20) }).unwrap();
    books.post(more).unwrap();
    assert_eq!(in_account(&books, owed(2, Purse::Reserve)), 120);
    books.post(Cause::JobEnded { job: job(1), part: 0 }).unwrap();
    assert_eq!(in_account(&books, Account::Wallet(payer(1))), 380, "no fee above the ceiling");
    assert_eq!(in_account(&books, Account::Carried(payer(1))), 120, "and it is remembered");
}

#[test]
fn the_operator_may_raise_what_it_carries_as_long_as_the_job_lasts() {
    let mut books = started();
    books.post(earned(1, job(1), node(2), 700, 1)).unwrap();
    let raised = |part, amount| Cause::CarryRaised { job: job(1), part, amount: Amount(amount) };
    assert_eq!(code(&mut books, raised(0, 881)), "not_enough", "the reserve has 880");
    assert_eq!(code(&mut books, raised(1, 30)), "part_out_of_turn");
    books.post(raised(0, 30)).unwrap();
    books.post(earned(2, job(1), node(2), 50, 1)).unwrap();
    assert_eq!(in_account(&books, owed(2, Purse::Reserve)), 150);
    assert_eq!(in_account(&books, Account::Carried(payer(1))), 150);
    books.post(Cause::JobEnded { job: job(1), part: 0 }).unwrap();
    assert_eq!(code(&mut books, raised(1, 1)), "job_ended");
}

#[test]
fn a_payer_is_carried_up_to_a_sum_over_all_jobs_and_never_beyond_the_reserve() {
    let mut books = books([deposited(1, 1, 100_000), reserve(1, 550)]);
    for (n, carry) in [(1, 200), (2, 200), (3, 100), (4, 0)] {
        books.post(quote(n, 1, 1_000)).unwrap();
        assert_eq!(in_account(&books, Account::Carry(job(n))), carry, "job {n}");
    }
    books.post(deposited(2, 2, 1_000)).unwrap();
    books.post(quote(5, 2, 1_000)).unwrap();
    assert_eq!(in_account(&books, Account::Carry(job(5))), 50, "all that is left of the reserve");
    let too_much = Cause::ReserveWithdrawn { id: "1".into(), amount: Amount(1) };
    assert_eq!(code(&mut books, too_much), "not_enough");
}

#[test]
fn a_reversal_puts_everything_back_where_it_came_from() {
    let mut books = started();
    let before: Vec<_> = books.balances().map(|(account, sum)| (*account, sum)).collect();
    books.post(earned(1, job(1), node(2), 700, 1)).unwrap();
    books.post(Cause::LeaseReversed { lease: lease(1) }).unwrap();
    let after: Vec<_> = books.balances().filter(|(_, sum)| *sum != 0).collect();
    assert_eq!(after, before.iter().map(|(account, sum)| (account, *sum)).collect::<Vec<_>>());
    assert_eq!(code(&mut books, Cause::LeaseReversed { lease: lease(1) }), "already_posted");
    assert_eq!(code(&mut books, Cause::LeaseReversed { lease: lease(2) }), "unknown_lease");
    assert_eq!(code(&mut books, Cause::LeaseHeld { lease: lease(1), case: 1 }), "misplaced");
}

#[test]
fn what_a_reversal_brings_back_after_the_end_returns_too() {
    let mut books = started();
    books.post(earned(1, job(1), node(2), 650, 1)).unwrap();
    books.post(Cause::JobEnded { job: job(1), part: 0 }).unwrap();
    assert_eq!(code(&mut books, Cause::JobEnded { job: job(1), part: 2 }), "part_out_of_turn");
    books.post(Cause::LeaseReversed { lease: lease(1) }).unwrap();
    books.post(Cause::JobEnded { job: job(1), part: 1 }).unwrap();
    assert_eq!(in_account(&books, Account::Wallet(payer(1))), 1_000);
    assert_eq!(in_account(&books, Account::Reserve), 1_000);
    assert_eq!(in_account(&books, Account::Carried(payer(1))), 0);
}

#[test]
fn a_dispute_holds_what_its_lease_earned_and_nothing_else() {
    let purse = Purse::Job(job(1));
    let mut books = started();
    books.post(earned(1, job(1), node(2), 100, 1)).unwrap();
    books.post(earned(2, job(1), node(2), 50, 1)).unwrap();
    books.post(Cause::LeaseHeld { lease: lease(1), case: 1 }).unwrap();
    assert_eq!(in_account(&books, owed(2, purse)), 50);
    assert_eq!(in_account(&books, held(2, purse)), 100);
    assert_eq!(code(&mut books, Cause::LeaseHeld { lease: lease(1), case: 2 }), "misplaced");
    let release = |case| Cause::LeaseReleased { lease: lease(1), case, epoch: 1 };
    assert_eq!(code(&mut books, release(0)), "misplaced", "another case");
    books.post(release(1)).unwrap();
    assert_eq!(code(&mut books, release(1)), "already_posted");
    assert_eq!(code(&mut books, Cause::LeaseHeld { lease: lease(1), case: 1 }), "already_posted");
    books.post(Cause::LeaseHeld { lease: lease(1), case: 2 }).unwrap();
    books.post(Cause::LeaseReversed { lease: lease(1) }).unwrap();
    assert_eq!(in_account(&books, held(2, purse)), 0);
    assert_eq!(in_account(&books, Account::Escrow(job(1))), 550);

    let probation =
        Cause::LeaseVerified { verified: verified(3, job(1), node(3), 70), held: true, epoch: 1 };
    books.post(probation).unwrap();
    assert_eq!(in_account(&books, held(3, purse)), 70);
    books.post(Cause::LeaseReleased { lease: lease(3), case: 0, epoch: 1 }).unwrap();
    assert_eq!(in_account(&books, owed(3, purse)), 70);
}

#[test]
fn nothing_is_paid_for_what_was_rejected_or_states_another_sum() {
    assert_eq!(Verified::from_receipt(&receipt(1, job(1), node(2), 9, wrong())), None);
    let mut paid_anyway = receipt(1, job(1), node(2), 9, wrong());
    paid_anyway.pay = Amount(9);
    assert_eq!(Verified::from_receipt(&paid_anyway), None);
    let mut false_pay = receipt(1, job(1), node(2), 9, right());
    false_pay.pay = Amount(10);
    assert_eq!(Verified::from_receipt(&false_pay), None);
    let mut too_much = receipt(1, job(1), node(2), u64::MAX, right());
    too_much.commit.results.push(too_much.commit.results[0]);
    assert_eq!(Verified::from_receipt(&too_much), None, "rays that do not fit");
    too_much.terms.price = RayPrice(u64::MAX);
    too_much.commit.results.pop();
    too_much.pay = Amount::MAX;
    assert_eq!(Verified::from_receipt(&too_much), None, "a sum that does not fit");
    assert!(Verified::from_receipt(&receipt(1, job(1), node(2), 9, right())).is_some());
}

#[test]
fn work_for_nothing_is_booked_too_and_work_for_nobody_is_not() {
    let mut books = started();
    books.post(earned(1, job(1), node(2), 0, 1)).unwrap();
    assert_eq!(books.entries().last().unwrap().postings, []);
    assert_eq!(code(&mut books, earned(1, job(1), node(2), 0, 1)), "already_posted");
    assert_eq!(code(&mut books, earned(2, job(7), node(2), 5, 1)), "unknown_job");
    assert_eq!(code(&mut books, earned(2, job(1), node(2), 5, 2)), "epoch_out_of_turn");
    assert_eq!(code(&mut books, earned(2, job(1), node(2), 5, 0)), "epoch_out_of_turn");
}

#[test]
fn a_node_that_was_paid_from_the_bond_is_not_paid_for_the_lease_again() {
    let mut books = started();
    let bond = Cause::BondFunded { id: "1".into(), amount: Amount(100) };
    books.post(bond).unwrap();
    let compensate = |amount| Cause::Compensated { lease: lease(1), node: node(2), amount };
    assert_eq!(code(&mut books, compensate(Amount(101))), "not_enough");
    books.post(compensate(Amount(80))).unwrap();
    assert_eq!(code(&mut books, compensate(Amount(10))), "already_posted");
    assert_eq!(code(&mut books, earned(1, job(1), node(2), 80, 1)), "compensated");
    assert_eq!(in_account(&books, Account::Rewarded(node(2))), 80);
}

#[test]
fn a_stake_is_slashed_once_for_a_lease_and_never_below_nothing() {
    let mut books = Books::default();
    books.post(Cause::StakeAdded { id: "1".into(), node: node(2), amount: Amount(1_000) }).unwrap();
    let slash = |amount, share| Cause::Slashed {
        lease: lease(1),
        generation: Generation(1),
        node: node(2),
        amount: Amount(amount),
        reporter: Some(Share { node: node(3), amount: Amount(share) }),
    };
    assert_eq!(code(&mut books, slash(1_001, 0)), "not_enough");
    assert_eq!(code(&mut books, slash(100, 101)), "terms");
    books.post(slash(400, 100)).unwrap();
    assert_eq!(code(&mut books, slash(400, 100)), "already_posted");
    for (account, sum) in
        [(Account::Stake(node(2)), 600), (Account::Slashed, 300), (Account::Rewarded(node(3)), 100)]
    {
        assert_eq!(in_account(&books, account), sum, "{account}");
    }
    let all = Cause::StakeWithdrawn { id: "2".into(), node: node(2), amount: Amount(600) };
    books.post(all).unwrap();
}

/// 1.5 base units a million pixels.
const PRICE: PixelPrice = PixelPrice(1_500_000);

#[test]
fn segments_are_paid_by_their_sum_and_the_rest_of_a_deposit_returns() {
    let worker = NodeKey::from_secret(&[5; 32]);
    let part = |part, before: u64, pixels| Cause::SegmentsDelivered {
        delivered: delivered(&worker, 0, pixels),
        stream: stream(1),
        part,
        before: before * 1_000_000,
        price: PRICE,
    };
    let owed = Account::Owed { node: worker.node(), purse: Purse::Stream(stream(1)) };
    let mut books = books([deposited(1, 1, 1_000), funded(1, 1, 0, 10)]);
    assert_eq!(code(&mut books, part(1, 0, 1)), "part_out_of_turn");
    assert_eq!(code(&mut books, part(0, 1, 1)), "part_out_of_turn", "nothing came before");
    books.post(part(0, 0, 1)).unwrap();
    assert_eq!(in_account(&books, owed), 1, "1.5 is rounded down");
    assert_eq!(code(&mut books, part(0, 0, 1)), "already_posted");
    assert_eq!(code(&mut books, part(1, 0, 1)), "part_out_of_turn", "the same pixels again");
    books.post(part(1, 1, 1)).unwrap();
    assert_eq!(in_account(&books, owed), 3, "two of them are 3, however they are cut");
    let Cause::SegmentsDelivered { delivered, stream: of, .. } = part(2, 2, 1) else { panic!() };
    let dearer = PixelPrice(PRICE.0 + 1);
    let dearer = Cause::SegmentsDelivered {
        delivered,
        stream: of,
        part: 2,
        before: 2_000_000,
        price: dearer,
    };
    assert_eq!(code(&mut books, dearer), "part_out_of_turn", "a lease has one price");
    assert_eq!(code(&mut books, part(2, 2, 6)), "not_enough", "9 are asked, 7 are there");
    assert_eq!(code(&mut books, funded(1, 2, 1, 5)), "terms", "another payer's");
    assert_eq!(code(&mut books, funded(1, 1, 2, 5)), "part_out_of_turn");
    books.post(funded(1, 1, 1, 90)).unwrap();
    books.post(part(2, 2, 20)).unwrap();
    assert_eq!(in_account(&books, owed), 33);
    let end = Cause::StreamEnded { stream: stream(1) };
    assert_eq!(code(&mut books, Cause::StreamEnded { stream: stream(2) }), "unknown_stream");
    books.post(end.clone()).unwrap();
    let fee = Account::Owed { node: operator(), purse: Purse::Stream(stream(1)) };
    assert_eq!(in_account(&books, fee), 3, "a tenth of 33, rounded down");
    assert_eq!(in_account(&books, Account::Wallet(payer(1))), 1_000 - 33 - 3);
    assert_eq!(code(&mut books, end), "already_posted");
    assert_eq!(code(&mut books, part(3, 22, 1)), "stream_ended");
    assert_eq!(code(&mut books, funded(1, 1, 2, 5)), "stream_ended");
    let plan = epoch_leaves(books.balances(), Amount(1)).unwrap();
    assert_eq!(plan.draws, [Draw { purse: Purse::Stream(stream(1)), amount: Amount(36) }]);
    books.post(Cause::EpochOpened { epoch: 1, plan }).unwrap();
}

#[test]
fn only_receipts_of_one_lease_that_both_sides_signed_show_a_delivery() {
    let worker = NodeKey::from_secret(&[5; 32]);
    let claim = |segment| claimed(&worker, 0, segment, 2);
    let good = Delivered::from_receipts(&[claim(1), claim(2), claim(5)]).unwrap();
    assert_eq!((good.segments(), good.pixels(), good.node()), (3, 6_000_000, worker.node()));
    let other = NodeKey::from_secret(&[6; 32]);
    let mut unsigned = claim(2);
    unsigned.claim.renditions[0].pixels += 1;
    for bad in [
        vec![],
        vec![claim(2), claim(1)],
        vec![claim(1), claim(1)],
        vec![claim(1), claimed(&worker, 1, 2, 2)],
        vec![claim(1), claimed(&other, 0, 2, 2)],
        vec![claim(1), unsigned],
    ] {
        assert_eq!(Delivered::from_receipts(&bad), None);
    }
    let text = serde_json::to_string(&Cause::SegmentsDelivered {
        delivered: good,
        stream: stream(1),
        part: 0,
        before: 0,
        price: PRICE,
    });
    let cause: Cause = serde_json::from_str(&text.unwrap()).unwrap();
    assert!(matches!(cause, Cause::SegmentsDelivered { delivered, .. } if delivered == good));
}

#[test]
fn terms_and_names_out_of_bounds_are_refused() {
    let mut books = books([deposited(1, 1, 1_000)]);
    let fee = |bps| FeeTerms { bps, to: operator() };
    let Cause::QuoteAccepted { job, payer, ceiling, carry, .. } = quote(1, 1, 10) else { panic!() };
    let greedy = Cause::QuoteAccepted { job, payer, ceiling, carry, fee: fee(10_001) };
    assert_eq!(code(&mut books, greedy), "terms");
    let carry = tessera_ledger::CarryTerms { job_permille: 1_001, ..carry };
    let lavish = Cause::QuoteAccepted { job, payer, ceiling, carry, fee: fee(0) };
    assert_eq!(code(&mut books, lavish), "terms");
    assert_eq!(code(&mut books, quote(1, 1, 0)), "nothing");
    assert_eq!(code(&mut books, quote(1, 1, 1_001)), "not_enough");
    assert_eq!(code(&mut books, deposited(2, 1, 0)), "nothing");
    assert_eq!(code(&mut books, deposited(2, 1, u64::MAX)), "too_large");
    assert_eq!(code(&mut books, deposited(2, 1, i64::MAX as u64)), "too_large");
    for id in ["", "a b", &"a".repeat(129), "ü"] {
        let amount = Amount(1);
        let named = Cause::Deposited { id: id.into(), payer, amount };
        assert_eq!(code(&mut books, named), "terms", "{id:?}");
    }
    assert_eq!(Once::job(job).as_str(), format!("job/{job}"));
    let place = Place::InEpoch(4);
    let misplaced = LedgerError::Misplaced { lease: lease(1), place };
    assert!(misplaced.to_string().ends_with("was taken by epoch 4"));
}
