//! Money: integers, from the price that a node asks to the sum that it is paid.
//!
//! An [`Amount`] counts base units of the settlement mint, which has six decimals. No float comes near
//! it, and sums that do not fit are refused, never wrapped or cut.
//!
//! **Rounding** is down for pay and up for ceilings; the remainder stays with the payer. So whatever a
//! job is cut into, what its leases are paid never exceeds what its rays cost in one piece, and that
//! never exceeds its ceiling.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Decimals of the settlement mint.
pub const DECIMALS: u32 = 6;
/// Base units of one token.
const TOKEN: u64 = 10_u64.pow(DECIMALS);
/// Rays that a [`RayPrice`] is for.
const RAYS: u128 = 1_000_000_000;
/// Pixels that a [`PixelPrice`] is for.
const PIXELS: u128 = 1_000_000_000_000;

/// A text that is no sum of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a sum of money: {fault}")]
pub struct ParseAmountError {
    text: String,
    fault: AmountFault,
}

/// What is wrong with such a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum AmountFault {
    #[error("write digits, and where needed a point and one to six decimals, for example 12.5")]
    Form,
    #[error("it has more than six decimals, and there is nothing smaller than 0.000001")]
    Decimals,
    #[error("the largest sum is 18446744073709.551615")]
    TooLarge,
}

fn parse(text: &str) -> Result<u64, AmountFault> {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return Err(AmountFault::Form),
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return Err(AmountFault::Form);
    }
    if decimals.len() > DECIMALS as usize {
        return Err(AmountFault::Decimals);
    }
    let whole: u64 = whole.parse().map_err(|_| AmountFault::TooLarge)?;
    let part: u64 = format!("{decimals:0<6}").parse().map_err(|_| AmountFault::Form)?;
    whole.checked_mul(TOKEN).and_then(|units| units.checked_add(part)).ok_or(AmountFault::TooLarge)
}

/// A number of base units: an integer in JSON, tokens with six decimals for people.
macro_rules! base_units {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug,
            Clone,
            Copy,
            Default,
            PartialEq,
            Eq,
            Hash,
            PartialOrd,
            Ord,
            Serialize,
            Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!("{}.{:06}", self.0 / TOKEN, self.0 % TOKEN))
            }
        }

        impl FromStr for $name {
            type Err = ParseAmountError;
            fn from_str(text: &str) -> Result<Self, ParseAmountError> {
                parse(text).map(Self).map_err(|fault| ParseAmountError {
                    text: text.chars().take(80).collect(),
                    fault,
                })
            }
        }
    };
}

base_units! {
    /// A sum of money in base units of the settlement mint: 1,000,000 are one token.
    Amount
}
base_units! {
    /// What 10^9 factored rays cost, in base units. A ray counts as many as its scene's factor says.
    RayPrice
}
base_units! {
    /// What 10^12 encoded pixels cost, in base units.
    PixelPrice
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest sum there is.
    pub const MAX: Self = Self(u64::MAX);

    /// Both together; `None` where that does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// What is left without `other`; `None` where that is more than there is.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// All of them together; `None` where that does not fit.
    pub fn checked_sum(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// Whether this is nothing.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

/// How much dearer a ray of a scene is than one of the calibration scene, in thousandths.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct SceneFactor(pub u32);

impl SceneFactor {
    /// The calibration scene's.
    pub const ONE: Self = Self(1000);
}

impl Default for SceneFactor {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for SceneFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:03}", self.0 / 1000, self.0 % 1000))
    }
}

/// What an artist chooses between: what a job costs at most, and whom it waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The cheapest, when others leave room.
    Economy,
    /// The usual.
    #[default]
    Standard,
    /// Before the others, on proven nodes.
    Priority,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Economy => "economy",
            Self::Standard => "standard",
            Self::Priority => "priority",
        })
    }
}

/// What `rays` cost, rounded down: `floor(rays × factor × price / (1000 × 10^9))`. `None` where that
/// does not fit an [`Amount`].
pub fn pay(rays: u64, factor: SceneFactor, price: RayPrice) -> Option<Amount> {
    amount(factored(rays, factor, price)? / (1000 * RAYS))
}

/// The most that `rays` may cost: as [`pay`], rounded up.
pub fn ceiling_for(rays: u64, factor: SceneFactor, price: RayPrice) -> Option<Amount> {
    amount(factored(rays, factor, price)?.div_ceil(1000 * RAYS))
}

/// What `pixels` that were encoded cost, rounded down: `floor(pixels × price / 10^12)`. `None` where
/// that does not fit an [`Amount`].
pub fn stream_pay(pixels: u64, price: PixelPrice) -> Option<Amount> {
    amount(u128::from(pixels) * u128::from(price.0) / PIXELS)
}

/// The most that `pixels` may cost: as [`stream_pay`], rounded up.
pub fn stream_ceiling(pixels: u64, price: PixelPrice) -> Option<Amount> {
    amount((u128::from(pixels) * u128::from(price.0)).div_ceil(PIXELS))
}

/// What does not fit here is more than any [`Amount`] after the division too.
fn factored(rays: u64, factor: SceneFactor, price: RayPrice) -> Option<u128> {
    (u128::from(rays) * u128::from(factor.0)).checked_mul(u128::from(price.0))
}

fn amount(units: u128) -> Option<Amount> {
    u64::try_from(units).ok().map(Amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn money_is_written_in_tokens_and_kept_in_base_units() {
        for (units, text) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (12_345_678, "12.345678"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(Amount(units).to_string(), text);
            assert_eq!(text.parse(), Ok(Amount(units)));
        }
        for (text, units) in [("12", 12_000_000), ("12.5", 12_500_000), ("007.01", 7_010_000)] {
            assert_eq!(text.parse(), Ok(Amount(units)), "{text}");
        }
        assert_eq!(serde_json::to_string(&Amount(12_345_678)).unwrap(), "12345678");
        assert_eq!(serde_json::from_str::<RayPrice>("9").unwrap(), RayPrice(9));
        for bad in ["-1", "1.5", "\"1\"", "18446744073709551616"] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_sum_is_refused_with_its_fault() {
        let fault = |text: &str| text.parse::<Amount>().unwrap_err().fault;
        for text in ["", ".", "1.", ".5", "+1", "-1", "1,5", "1e3", " 1", "1.2.3", "१"] {
            assert_eq!(fault(text), AmountFault::Form, "{text}");
        }
        assert_eq!(fault("1.0000000"), AmountFault::Decimals);
        for text in ["18446744073709.551616", "18446744073710", &"9".repeat(1000)] {
            assert_eq!(fault(text), AmountFault::TooLarge, "{text}");
        }
        let long = "x".repeat(1000).parse::<Amount>().unwrap_err();
        assert!(long.to_string().len() < 200, "{long}");
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
        assert_eq!(Amount(2).checked_add(Amount(3)), Some(Amount(5)));
        assert_eq!(Amount::MAX.checked_add(Amount(1)), None);
        assert_eq!(Amount(3).checked_sub(Amount(3)), Some(Amount::ZERO));
        assert_eq!(Amount(2).checked_sub(Amount(3)), None);
        assert_eq!(Amount::checked_sum([Amount(1), Amount(2)]), Some(Amount(3)));
        assert_eq!(Amount::checked_sum([Amount::MAX, Amount(1), Amount(1)]), None);
    }

    #[test]
    fn known_sums() {
        let one = SceneFactor::ONE;
        let both = |rays, factor, price| {
            (pay(rays, factor, RayPrice(price)), ceiling_for(rays, factor, RayPrice(price)))
        };
        let exactly = |units| (Some(Amount(units)), Some(Amount(units)));
        let between = |units| (Some(Amount(units)), Some(Amount(units + 1)));
        assert_eq!(both(1_000_000_000, one, 7), exactly(7));
        assert_eq!(both(3_500_000_000, one, 2_000_000), exactly(7_000_000));
        assert_eq!(both(3_500_000_000, SceneFactor(1500), 2_000_000), exactly(10_500_000));
        assert_eq!(both(1, one, 1), between(0));
        assert_eq!(both(1_999_999_999, one, 1), between(1));
        assert_eq!(both(0, one, u64::MAX), exactly(0));
        assert_eq!(both(5, SceneFactor(0), 5), exactly(0));
        let most = both(1_000_000_000, one, u64::MAX);
        assert_eq!(most, exactly(u64::MAX), "the largest sum is still one");
        assert_eq!(both(1_000_000_001, one, u64::MAX), (None, None));
        assert_eq!(both(u64::MAX, SceneFactor(u32::MAX), u64::MAX), (None, None));
        // Its floor is the largest sum, and rounded up it is none.
        let (rays, factor, price) = (u64::MAX, SceneFactor(1), 1_000_000_000_000);
        assert_eq!(both(rays, factor, price), exactly(u64::MAX));
        // 1280×720 at 30 frames a second for a minute, at 0.41 for 10^12 pixels.
        let minute = 1280 * 720 * 30 * 60;
        assert_eq!(stream_pay(minute, PixelPrice(410_000)), Some(Amount(680)));
        assert_eq!(stream_pay(u64::MAX, PixelPrice(u64::MAX)), None);
        assert_eq!(stream_pay(1_000_000_000_000, PixelPrice(u64::MAX)), Some(Amount::MAX));
    }

    #[test]
    fn a_ray_is_dearer_by_its_scenes_factor() {
        assert_eq!(SceneFactor::default().to_string(), "1.000");
        assert_eq!(SceneFactor(12_345).to_string(), "12.345");
        assert_eq!(serde_json::to_string(&Tier::Economy).unwrap(), "\"economy\"");
        assert!(Tier::Economy < Tier::default() && Tier::default() < Tier::Priority);
        assert_eq!(format!("{:>9}", Tier::Standard), " standard");
    }

    proptest! {
        #[test]
        fn parts_are_paid_no_more_than_the_whole_and_the_whole_no_more_than_its_ceiling(
            parts in prop::collection::vec(0..u64::MAX / 64, 1..64),
            factor in 0..100_000_u32,
            price in 0..10_000_000_u64,
        ) {
            let (factor, price) = (SceneFactor(factor), RayPrice(price));
            let rays = parts.iter().sum();
            let Some(ceiling) = ceiling_for(rays, factor, price) else { return Ok(()) };
            let whole = pay(rays, factor, price).unwrap();
            let paid =
                Amount::checked_sum(parts.iter().map(|rays| pay(*rays, factor, price).unwrap()))
                    .unwrap();
            prop_assert!(paid <= whole && whole <= ceiling);
            prop_assert!(whole.0 - paid.0 < parts.len() as u64);
            prop_assert!(ceiling.0 - whole.0 <= 1);
        }

        #[test]
        fn pixels_are_paid_from_below_too(
            parts in prop::collection::vec(0..u64::MAX / 64, 1..64),
            price in 0..100_000_u64,
        ) {
            let pay = |pixels| stream_pay(pixels, PixelPrice(price)).unwrap().0;
            let whole = pay(parts.iter().sum());
            let paid: u64 = parts.iter().map(|pixels| pay(*pixels)).sum();
            prop_assert!(paid <= whole && whole - paid < parts.len() as u64);
        }

        #[test]
        fn a_sum_survives_its_own_text(units in any::<u64>()) {
            prop_assert_eq!(Amount(units).to_string().parse(), Ok(Amount(units)));
        }
    }
}
