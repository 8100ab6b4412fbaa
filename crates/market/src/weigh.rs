//! What an ask weighs, once the risk and the delay that come with its node are counted.
//!
//! `weighted = ask × (1000 + surcharges)`, in thousandths of a base unit. Surcharges are thousandths of
//! the ask; a node that is proven, staked, fast and has the scene has none.

use crate::bidder::{Bidder, Order};
use tessera_protocol::{Amount, NodeId, RayPrice, Tier};

/// The surcharges, in thousandths of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// For a record that is not proven: an audit of its costs more.
    pub unproven: u64,
    /// For each rejection that is not past.
    pub rejection: u64,
    /// For each lease that was abandoned since a result was verified.
    pub abandoned: u64,
    /// Most for the whole record, however bad it is.
    pub record_most: u64,
    /// For no stake; less in proportion, and nothing from [`Self::full_stake`] on.
    pub stake: u64,
    /// The stake that is as good as any larger one.
    pub full_stake: Amount,
    /// For each halving of the speed below [`Self::FAST`], by tier from economy to priority.
    pub speed: [u64; 3],
    /// Most halvings that count; a speed that is not known yet counts as half of them.
    pub halvings_most: u32,
    /// For a scene that has yet to be sent.
    pub scene: u64,
}

impl Weights {
    /// The weights in use.
    pub const PUBLISHED: Self = Self {
        unproven: 100,
        rejection: 300,
        abandoned: 50,
        record_most: 1000,
        stake: 50,
        full_stake: Amount(100_000_000),
        speed: [0, 5, 30],
        halvings_most: 10,
        scene: 30,
    };

    /// Rays a second from which on a node counts as fast: a large GPU's.
    pub const FAST: u64 = 1 << 30;

    /// The largest surcharge that there can be.
    pub fn most(&self) -> u64 {
        let speed = self.speed.iter().copied().max().unwrap_or(0);
        self.record_most + self.stake + speed * u64::from(self.halvings_most) + self.scene
    }
}

/// A part of what is added to an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surcharge {
    /// A short name that does not change.
    pub code: &'static str,
    /// In thousandths of the ask, never 0.
    pub permille: u64,
    /// What it is for, in words.
    pub sentence: String,
}

/// An ask and what it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// Whose.
    pub node: NodeId,
    /// What it asks.
    pub asks: RayPrice,
    /// All surcharges together, in thousandths of the ask.
    pub surcharge: u64,
    /// `asks × (1000 + surcharge)`: what is compared.
    pub milli: u128,
    /// The surcharges, one by one.
    pub trace: Vec<Surcharge>,
}

impl Weighed {
    /// The weighted ask in base units, rounded down: for people, since [`Self::milli`] is compared.
    pub fn weighted(&self) -> RayPrice {
        RayPrice(u64::try_from(self.milli / 1000).unwrap_or(u64::MAX))
    }

    /// Less wins.
    pub(crate) fn key(&self) -> (u128, u64, NodeId) {
        (self.milli, self.surcharge, self.node)
    }
}

/// What a bidder's ask weighs for an order. Whether it qualifies is another question.
pub fn weigh(bidder: &Bidder, order: &Order, weights: &Weights) -> Weighed {
    let permille = surcharges(bidder, order, weights);
    let (milli, surcharge, node) = key_of(bidder, &permille);
    let sentences = [record, stake, speed, scene].map(|sentence| sentence(bidder, weights));
    let codes = ["record", "stake", "speed", "scene"];
    let parts = codes.into_iter().zip(permille).zip(sentences);
    let trace = parts
        .map(|((code, permille), sentence)| Surcharge { code, permille, sentence })
        .filter(|part| part.permille > 0)
        .collect();
    Weighed { node, asks: bidder.asks, surcharge, milli, trace }
}

/// What bidders are compared by, without a word said: there may be many.
pub(crate) fn key(bidder: &Bidder, order: &Order, weights: &Weights) -> (u128, u64, NodeId) {
    key_of(bidder, &surcharges(bidder, order, weights))
}

fn key_of(bidder: &Bidder, permille: &[u64; 4]) -> (u128, u64, NodeId) {
    let surcharge: u64 = permille.iter().sum();
    (u128::from(bidder.asks.0) * u128::from(1000 + surcharge), surcharge, bidder.node)
}

/// For record, stake, speed and scene.
fn surcharges(bidder: &Bidder, order: &Order, weights: &Weights) -> [u64; 4] {
    let record = &bidder.record;
    let unproven = if record.proven { 0 } else { weights.unproven };
    let for_record = record
        .rejections
        .saturating_mul(weights.rejection)
        .saturating_add(record.abandoned.saturating_mul(weights.abandoned))
        .saturating_add(unproven)
        .min(weights.record_most);

    let full = weights.full_stake;
    let lacks = full.checked_sub(bidder.stake).unwrap_or_default();
    let share = u128::from(lacks.0) * u128::from(weights.stake) / u128::from(full.0.max(1));
    let for_stake = u64::try_from(share).unwrap_or(weights.stake);

    let each = match order.tier {
        Tier::Economy => weights.speed[0],
        Tier::Standard => weights.speed[1],
        Tier::Priority => weights.speed[2],
    };
    let halvings = bidder.rays_per_s.map_or(weights.halvings_most / 2, |speed| {
        Weights::FAST.ilog2().saturating_sub(speed.max(1).ilog2()).min(weights.halvings_most)
    });
    let for_scene = if bidder.has_scene { 0 } else { weights.scene };
    [for_record, for_stake, each * u64::from(halvings), for_scene]
}

fn record(bidder: &Bidder, _: &Weights) -> String {
    let record = &bidder.record;
    let known = if record.proven { "proven" } else { "not proven" };
    format!(
        "Its record is {known}, with {} rejections that are not past and {} leases abandoned.",
        record.rejections, record.abandoned
    )
}

fn stake(bidder: &Bidder, weights: &Weights) -> String {
    format!("It vouches with {}, and {} is the most that counts.", bidder.stake, weights.full_stake)
}

fn speed(bidder: &Bidder, _: &Weights) -> String {
    match bidder.rays_per_s {
        Some(speed) => format!("It was seen to trace {speed} rays a second."),
        None => "Its speed is not known before a result is verified.".into(),
    }
}

fn scene(_: &Bidder, _: &Weights) -> String {
    "The scene has yet to be sent to it.".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::KernelId;
    use tessera_protocol::node::NodeRecord;

    const KERNEL: KernelId = KernelId([1; 32]);

    fn order(tier: Tier) -> Order {
        Order { tier, ..Order::new(RayPrice(1_000_000), KERNEL) }
    }

    fn best() -> Bidder {
        Bidder {
            stake: Amount(100_000_000),
            rays_per_s: Some(Weights::FAST),
            has_scene: true,
            ..Bidder::proven(NodeId([1; 32]), RayPrice(1_000), KERNEL)
        }
    }

    fn surcharges(bidder: &Bidder, tier: Tier) -> Vec<(&'static str, u64)> {
        let weighed = weigh(bidder, &order(tier), &Weights::PUBLISHED);
        weighed.trace.iter().map(|part| (part.code, part.permille)).collect()
    }

    #[test]
    fn the_best_weighs_what_it_asks_and_each_lack_adds_its_part() {
        let weighed = weigh(&best(), &order(Tier::Priority), &Weights::PUBLISHED);
        assert_eq!((weighed.milli, weighed.weighted()), (1_000_000, RayPrice(1_000)));
        let new = Bidder::new(NodeId([1; 32]), RayPrice(1_000), KERNEL);
        assert_eq!(
            surcharges(&new, Tier::Standard),
            [("record", 100), ("stake", 50), ("speed", 25), ("scene", 30)]
        );
        let weighed = weigh(&new, &order(Tier::Standard), &Weights::PUBLISHED);
        assert_eq!((weighed.surcharge, weighed.weighted()), (205, RayPrice(1_205)));
        let half = Bidder { stake: Amount(50_000_000), ..best() };
        assert_eq!(surcharges(&half, Tier::Standard), [("stake", 25)]);
    }

    #[test]
    fn speed_counts_more_the_more_it_hurries() {
        let slow = Bidder { rays_per_s: Some(Weights::FAST / 8), ..best() };
        assert_eq!(surcharges(&slow, Tier::Economy), []);
        assert_eq!(surcharges(&slow, Tier::Standard), [("speed", 15)]);
        assert_eq!(surcharges(&slow, Tier::Priority), [("speed", 90)]);
        let stuck = Bidder { rays_per_s: Some(0), ..best() };
        assert_eq!(surcharges(&stuck, Tier::Priority), [("speed", 300)]);
        let faster = Bidder { rays_per_s: Some(u64::MAX), ..best() };
        assert_eq!(surcharges(&faster, Tier::Priority), []);
    }

    #[test]
    fn a_bad_record_has_its_price_and_the_price_an_end() {
        let with = |rejections, abandoned| {
            let record = NodeRecord { rejections, abandoned, ..best().record };
            surcharges(&Bidder { record, ..best() }, Tier::Economy)
        };
        assert_eq!(with(1, 0), [("record", 300)]);
        assert_eq!(with(2, 3), [("record", 750)]);
        assert_eq!(with(u64::MAX, u64::MAX), [("record", 1000)]);
    }
}
