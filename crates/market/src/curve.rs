//! What a node asks that has no price of its own: a published curve over how busy the farm is.
//!
//! | busy | 0 % | 20 % | 50 % | 80 % | 95 % | 100 % |
//! |---|---|---|---|---|---|---|
//! | thousandths of the operator's base price | 600 | 700 | 1000 | 1400 | 2200 | 3000 |
//!
//! Straight lines lie between, rounded down. A price moves towards the curve by at most
//! [`MOST_PER_HOUR`] in any hour, however often it is asked for. It is a suggestion for asks to come:
//! quotes and leases that are signed keep their price.

use tessera_protocol::RayPrice;

/// Most that a price moves within an hour, in thousandths.
pub const MOST_PER_HOUR: u32 = 100;
/// Steps that add up within an hour grow upon each other, to `e^0.095 - 1 < 0.1` at most.
const STEP: u128 = 95;
const HOUR_MS: u64 = 3_600_000;

/// How busy the farm is, in thousandths, and what follows.
const CURVE: [(u32, u32); 6] =
    [(0, 600), (200, 700), (500, 1000), (800, 1400), (950, 2200), (1000, 3000)];

/// Where the curve is, in thousandths of the base price. More than all is all.
pub fn curve(utilisation_permille: u32) -> u32 {
    let busy = utilisation_permille.min(1000);
    for [(from, low), (to, high)] in CURVE.array_windows() {
        if busy <= *to {
            return low + (high - low) * (busy - from) / (to - from);
        }
    }
    CURVE[CURVE.len() - 1].1
}

/// The next price: from the previous one towards the curve. Without a previous one, or where that was
/// 0 of which no share can be taken, it is the curve's.
///
/// `elapsed_ms` is the time since the price last *changed*: a step that rounds to nothing is made up
/// for later. More than an hour counts as one.
pub fn suggest(
    previous: Option<RayPrice>,
    base: RayPrice,
    utilisation_permille: u32,
    elapsed_ms: u64,
) -> RayPrice {
    let target = u128::from(base.0) * u128::from(curve(utilisation_permille)) / 1000;
    let target = u64::try_from(target).unwrap_or(u64::MAX);
    let Some(RayPrice(previous @ 1..)) = previous else { return RayPrice(target) };
    let elapsed = u128::from(elapsed_ms.min(HOUR_MS));
    let step = u128::from(previous) * STEP * elapsed / (1000 * u128::from(HOUR_MS));
    let step = u64::try_from(step).unwrap_or(u64::MAX);
    RayPrice(target.clamp(previous - step, previous.saturating_add(step)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: RayPrice = RayPrice(50_000);

    #[test]
    fn the_curve_is_as_published_and_never_falls() {
        for (busy, permille) in
            [(0, 600), (100, 650), (200, 700), (350, 850), (500, 1000), (875, 1800), (1000, 3000)]
        {
            assert_eq!(curve(busy), permille, "{busy}");
        }
        assert_eq!(curve(u32::MAX), 3000);
        assert!((0..1000).all(|busy| curve(busy) <= curve(busy + 1)));
    }

    #[test]
    fn a_farm_that_fills_up_moves_along_the_curve_no_faster_than_it_may() {
        let minute = 60_000;
        let mut prices = vec![suggest(None, BASE, 200, 0)];
        assert_eq!(prices[0], RayPrice(35_000));
        for _ in 0..24 * 60 {
            prices.push(suggest(prices.last().copied(), BASE, 950, minute));
        }
        for hour in prices.windows(61) {
            let most = hour[0].0 + hour[0].0 * u64::from(MOST_PER_HOUR) / 1000;
            assert!(hour[60].0 <= most, "{} to {} in an hour", hour[0], hour[60]);
            assert!(hour[60] >= hour[0]);
        }
        assert_eq!(prices[60], RayPrice(38_454), "9.9 % in the first hour");
        assert_eq!(prices.last(), Some(&RayPrice(110_000)), "and it arrives");
        let way = prices.iter().take_while(|price| **price < RayPrice(110_000)).count();
        assert!((12 * 60..13 * 60).contains(&way), "{way} minutes");
    }

    #[test]
    fn a_small_price_moves_once_enough_time_has_gone_by() {
        let small = Some(RayPrice(20));
        assert_eq!(suggest(small, RayPrice(100), 500, 60_000), RayPrice(20));
        assert_eq!(suggest(small, RayPrice(100), 500, HOUR_MS), RayPrice(21));
        assert_eq!(suggest(small, RayPrice(100), 500, u64::MAX), RayPrice(21), "an hour at most");
        assert_eq!(suggest(Some(RayPrice(0)), BASE, 500, 0), BASE);
        assert_eq!(suggest(small, RayPrice(0), 1000, HOUR_MS), RayPrice(19));
    }

    proptest! {
        #[test]
        fn a_busier_farm_never_costs_less(
            previous in any::<u64>(), base in any::<u64>(), elapsed in any::<u64>(),
            busy in 0..1200_u32, more in 0..1200_u32,
        ) {
            let at = |busy| suggest(Some(RayPrice(previous)), RayPrice(base), busy, elapsed);
            prop_assert!(at(busy) <= at(busy.max(more)));
        }

        #[test]
        fn no_way_of_asking_moves_it_faster(
            start in 1..10_000_000_u64,
            base in 0..10_000_000_u64,
            asked in prop::collection::vec((0..1001_u32, 1..600_000_u64), 1..200),
        ) {
            let (mut price, mut gone) = (RayPrice(start), 0);
            for (busy, elapsed) in asked {
                gone += elapsed;
                if gone > HOUR_MS {
                    break;
                }
                price = suggest(Some(price), RayPrice(base), busy, elapsed);
                let (low, high) = (start - start / 10, start + start / 10);
                prop_assert!(price.0 >= low && price.0 <= high, "{start} to {price} in {gone} ms");
            }
        }
    }
}
