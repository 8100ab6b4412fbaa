//! Auctions, from outside: known answers, and what always holds.

use proptest::prelude::*;
use tessera_market::{
    Bidder, Decision, Order, Reason, Weights, auction, may_take, qualifies, weigh,
};
use tessera_protocol::memory::{FreeMemory, SceneMemory};
use tessera_protocol::node::{DeviceClass, NodeRecord};
use tessera_protocol::{Amount, KernelId, NodeId, RayPrice, Tier};

const KERNEL: KernelId = KernelId([1; 32]);

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

/// A node of which there is nothing to complain.
fn best(n: u8, asks: u64) -> Bidder {
    Bidder {
        stake: Weights::PUBLISHED.full_stake,
        rays_per_s: Some(Weights::FAST),
        has_scene: true,
        ..Bidder::proven(node(n), RayPrice(asks), KERNEL)
    }
}

fn order(max_price: u64) -> Order {
    Order::new(RayPrice(max_price), KERNEL)
}

fn winner(decision: &Decision) -> Option<(NodeId, RayPrice)> {
    decision.winner.as_ref().map(|winner| (winner.node, winner.asks))
}

#[test]
fn of_equals_that_ask_9_7_and_11_the_7_wins_and_each_loser_reads_why() {
    let barred = Bidder { barred: true, ..best(4, 6) };
    let bidders = [best(1, 9), best(2, 7), best(3, 11), barred];
    let decision = auction(&bidders, &order(10));
    assert_eq!(winner(&decision), Some((node(2), RayPrice(7))));
    let read: Vec<_> = decision
        .losers
        .iter()
        .map(|loser| (loser.node.0[0], loser.why.code.as_str(), loser.why.sentence.as_str()))
        .collect();
    assert_eq!(
        read,
        [
            (
                1,
                "outbid",
                "it asks 0.000009, which weighs 0.000009; 0.000007 that weighs 0.000007 won"
            ),
            (
                3,
                "price_above_maximum",
                "it asks 0.000011 for 10^9 rays, and the job pays 0.000010 at most: ask less"
            ),
            (4, "barred", "too many of its results were rejected: it gets no more work"),
        ]
    );
    // The same when they come one by one.
    let take = |n: usize| may_take(&bidders[n], &order(10), &bidders).map_err(|why| why.code());
    assert_eq!(
        [0, 1, 2, 3].map(take),
        [Err("outbid"), Ok(RayPrice(7)), Err("price_above_maximum"), Err("barred")]
    );
    assert_eq!(may_take(&bidders[0], &order(10), &[]), Ok(RayPrice(9)), "nobody else waits");
    let before = [best(1, 8)];
    assert_eq!(may_take(&bidders[0], &order(10), &before), Ok(RayPrice(9)), "no rival of itself");
}

#[test]
fn a_bad_record_outweighs_a_slightly_lower_ask() {
    let record = NodeRecord { rejections: 1, proven: true, ..NodeRecord::default() };
    let risky = Bidder { record, ..best(1, 800) };
    let sound = best(2, 1_000);
    let decision = auction(&[risky, sound], &order(2_000));
    assert_eq!(winner(&decision), Some((node(2), RayPrice(1_000))), "paid what it asked");
    assert!(decision.losers[0].why.sentence.contains("weighs 0.001040"));
    let cheap = Bidder { asks: RayPrice(700), ..risky };
    assert_eq!(winner(&auction(&[cheap, sound], &order(2_000))), Some((node(1), RayPrice(700))));
}

#[test]
fn equals_are_parted_by_surcharge_and_then_by_key() {
    let decision = auction(&[best(2, 5), best(1, 5)], &order(10));
    assert_eq!(winner(&decision), Some((node(1), RayPrice(5))));
    assert!(decision.losers[0].why.sentence.ends_with("of equals the one with the lower key"));
    let new = Bidder { asks: RayPrice(0), ..Bidder::new(node(1), RayPrice(0), KERNEL) };
    let decision = auction(&[new, best(2, 0)], &order(10));
    assert_eq!(winner(&decision), Some((node(2), RayPrice(0))), "both weigh nothing");
    assert!(decision.losers[0].why.sentence.ends_with("with the smaller surcharge"));
}

#[test]
fn who_cannot_hold_the_scene_outbids_nobody() {
    let large = Order { memory: SceneMemory { host_bytes: 8, device_bytes: 8 }, ..order(10) };
    let cheap = |host_bytes| {
        let memory = Some(FreeMemory { host_bytes, device_bytes: None });
        Bidder { memory, ..best(1, 5) }
    };
    let dear = best(2, 9);
    assert_eq!(may_take(&dear, &large, &[cheap(15)]), Ok(RayPrice(9)));
    let small = may_take(&cheap(15), &large, &[dear]).map_err(|why| why.code());
    assert_eq!(small, Err("scene_too_large"));
    let outbid = may_take(&dear, &large, &[cheap(16)]).map_err(|why| why.code());
    assert_eq!(outbid, Err("outbid"), "this one can");
    assert_eq!(winner(&auction(&[cheap(15), dear], &large)), Some((node(2), RayPrice(9))));
}

#[test]
fn without_anybody_that_qualifies_nobody_wins() {
    assert_eq!(auction(&[], &order(10)).winner, None);
    let decision = auction(&[best(1, 11), best(2, 12)], &order(10));
    assert_eq!(decision.winner, None);
    assert_eq!(decision.losers.len(), 2);
}

fn any_bidder() -> impl Strategy<Value = Bidder> {
    let record =
        (any::<bool>(), 0..5_u64, 0..10_u64).prop_map(|(proven, rejections, abandoned)| {
            NodeRecord { proven, rejections, abandoned, ..NodeRecord::default() }
        });
    let price = prop_oneof![0..20_u64, any::<u64>()];
    let speed = prop::option::of(any::<u64>().prop_map(|speed| speed >> (speed % 64)));
    let odds = (prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.1));
    let memory = prop::option::of((0..20_u64, prop::option::of(0..20_u64)));
    let memory = memory.prop_map(|free| {
        free.map(|(host_bytes, device_bytes)| FreeMemory { host_bytes, device_bytes })
    });
    (any::<u8>(), price, 0..200_000_000_u64, record, speed, odds, memory).prop_map(
        |(n, asks, stake, record, rays_per_s, (barred, has_scene, tolerant), memory)| Bidder {
            node: node(n),
            asks: RayPrice(asks),
            stake: Amount(stake),
            record,
            barred,
            rays_per_s,
            has_scene,
            class: if tolerant { DeviceClass::Tolerant } else { DeviceClass::Exact },
            kernel: KERNEL,
            memory,
        },
    )
}

fn any_order() -> impl Strategy<Value = Order> {
    let tier = prop_oneof![Just(Tier::Economy), Just(Tier::Standard), Just(Tier::Priority)];
    let class = prop_oneof![Just(DeviceClass::Exact), Just(DeviceClass::Tolerant)];
    let price = prop_oneof![0..30_u64, any::<u64>()];
    let memory = (0..10_u64, 0..10_u64)
        .prop_map(|(host_bytes, device_bytes)| SceneMemory { host_bytes, device_bytes });
    (price, tier, class, 0..50_000_000_u64, memory).prop_map(
        |(max_price, tier, class, stake, memory)| Order {
            tier,
            class,
            min_stake: Amount(stake),
            memory,
            ..order(max_price)
        },
    )
}

/// Some bidders, each with a key of its own.
fn bidders() -> impl Strategy<Value = Vec<Bidder>> {
    prop::collection::vec(any_bidder(), 0..16).prop_map(|mut bidders| {
        bidders.sort_by_key(|bidder| bidder.node);
        bidders.dedup_by_key(|bidder| bidder.node);
        bidders
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn asking_less_never_loses_a_lease(bidders in bidders(), order in any_order(), less in any::<u64>()) {
        let Some((who, price)) = winner(&auction(&bidders, &order)) else { return Ok(()) };
        let mut cheaper = bidders;
        for bidder in cheaper.iter_mut().filter(|bidder| bidder.node == who) {
            bidder.asks = RayPrice(less.min(price.0));
        }
        let again = winner(&auction(&cheaper, &order)).map(|(who, _)| who);
        prop_assert_eq!(again, Some(who));
    }

    #[test]
    fn the_winner_is_qualified_paid_its_ask_and_below_the_maximum(
        bidders in bidders(), order in any_order(),
    ) {
        let decision = auction(&bidders, &order);
        let able = bidders.iter().filter(|bidder| qualifies(bidder, &order).is_ok()).count();
        prop_assert_eq!(decision.winner.is_some(), able > 0);
        prop_assert_eq!(decision.losers.len(), bidders.len() - usize::from(able > 0));
        if let Some((who, price)) = winner(&decision) {
            let own = bidders.iter().find(|bidder| bidder.node == who).unwrap();
            prop_assert_eq!(price, own.asks);
            prop_assert!(price <= order.max_price && qualifies(own, &order).is_ok());
        }
    }

    #[test]
    fn order_changes_nothing(bidders in bidders(), order in any_order(), by in any::<prop::sample::Index>()) {
        let decision = auction(&bidders, &order);
        let mut turned = bidders.clone();
        turned.rotate_left(by.index(bidders.len().max(1)).min(bidders.len()));
        prop_assert_eq!(&auction(&turned, &order), &decision);
        turned.reverse();
        prop_assert_eq!(&auction(&turned, &order), &decision);
    }

    #[test]
    fn who_comes_for_work_is_told_the_same_as_by_the_auction(
        bidders in bidders(), order in any_order(),
    ) {
        let decision = auction(&bidders, &order);
        for bidder in &bidders {
            let took = may_take(bidder, &order, &bidders);
            match decision.losers.iter().find(|loser| loser.node == bidder.node) {
                None => prop_assert_eq!(took, Ok(bidder.asks)),
                Some(loser) => prop_assert_eq!(took.map_err(|why| why.why()), Err(loser.why.clone())),
            }
        }
    }

    #[test]
    fn a_surcharge_is_bounded_and_its_trace_is_all_of_it(bidder in any_bidder(), order in any_order()) {
        let weights = &Weights::PUBLISHED;
        let weighed = weigh(&bidder, &order, weights);
        prop_assert!(weighed.surcharge <= weights.most());
        prop_assert_eq!(weighed.trace.iter().map(|part| part.permille).sum::<u64>(), weighed.surcharge);
        let (asks, milli) = (u128::from(bidder.asks.0), weighed.milli);
        prop_assert!(milli >= asks * 1000 && milli <= asks * u128::from(1000 + weights.most()));
        let record = weighed.trace.iter().find(|part| part.code == "record");
        prop_assert!(record.is_none_or(|part| part.permille <= weights.record_most), "at most doubled");
    }
}

#[test]
fn a_reason_says_what_to_do_about_it() {
    let poor = Order { min_stake: Amount(1_000_000_000), ..order(10) };
    let reason = may_take(&best(1, 5), &poor, &[]).unwrap_err();
    assert!(matches!(reason, Reason::Unqualified(_)));
    let why = reason.why();
    assert_eq!(why.code, "stake_too_small");
    assert!(why.sentence.contains("stake more"), "{}", why.sentence);
}
