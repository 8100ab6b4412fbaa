//! Who may have a job's work at all.
//!
//! | tier | record | leases abandoned in a row, at most |
//! |---|---|---|
//! | economy | any that is not barred | 7 |
//! | standard | any that is not barred | 3 |
//! | priority | proven, and nothing rejected that is not past | 0 |
//!
//! For every tier: the job's kernel and class, memory that holds its scene, a stake of at least its
//! least, and an ask of at most its maximum.

use crate::bidder::{Bidder, Order};
use crate::memory::Room;
use tessera_protocol::memory::MemoryLack;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::{Amount, RayPrice, Tier};

/// Why a node may not have a job's work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unqualified {
    /// It runs another kernel.
    #[error("the job pins another kernel than this node runs: update the node")]
    Kernel,
    /// It cannot be exact.
    #[error("the job is exact, and this node's device is not: it may have tolerant work")]
    Class,
    /// The scene does not fit into its memory.
    #[error(
        "the job's scene needs {} of {}, and this node has {} free: end what else takes it, or run the node \
         where there is more",
        .0.needs(), memory_of(.0), .0.free()
    )]
    Memory(MemoryLack),
    /// Its record ends its work.
    #[error("too many of its results were rejected: it gets no more work")]
    Barred,
    /// The tier wants a proven one.
    #[error("the {tier} tier wants a proven node: {lacks}")]
    NotProven {
        /// The job's tier.
        tier: Tier,
        /// What it lacks.
        lacks: &'static str,
    },
    /// It lets leases drop.
    #[error(
        "its last {abandoned} leases ended without a result, and the {tier} tier takes {most} at most: \
         one that is verified makes up for all"
    )]
    Drops {
        /// Leases in a row.
        abandoned: u64,
        /// The job's tier.
        tier: Tier,
        /// Most that it takes.
        most: u64,
    },
    /// It vouches with too little.
    #[error("it vouches with {has}, and the job wants {wants}: stake more")]
    Stake {
        /// What it has.
        has: Amount,
        /// What is wanted.
        wants: Amount,
    },
    /// It is too dear.
    #[error("it asks {asks} for 10^9 rays, and the job pays {most} at most: ask less")]
    Price {
        /// What it asks.
        asks: RayPrice,
        /// The job's maximum.
        most: RayPrice,
    },
}

impl Unqualified {
    /// A short name that does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kernel => "wrong_kernel",
            Self::Class => "wrong_class",
            Self::Memory(_) => "scene_too_large",
            Self::Barred => "barred",
            Self::NotProven { .. } => "not_proven",
            Self::Drops { .. } => "drops_leases",
            Self::Stake { .. } => "stake_too_small",
            Self::Price { .. } => "price_above_maximum",
        }
    }
}

fn memory_of(lack: &MemoryLack) -> &'static str {
    if lack.of_device { "its device's memory" } else { "memory" }
}

/// Most leases that a node may have abandoned in a row.
fn most_abandoned(tier: Tier) -> u64 {
    match tier {
        Tier::Economy => 7,
        Tier::Standard => 3,
        Tier::Priority => 0,
    }
}

/// Whether a node may have a job's work; if not, the first reason of those that hold, what cannot be
/// changed coming first and the price last.
pub fn qualifies(bidder: &Bidder, order: &Order) -> Result<(), Unqualified> {
    let (record, tier) = (&bidder.record, order.tier);
    if bidder.kernel != order.kernel {
        return Err(Unqualified::Kernel);
    }
    if order.class == DeviceClass::Exact && bidder.class != DeviceClass::Exact {
        return Err(Unqualified::Class);
    }
    if bidder.barred {
        return Err(Unqualified::Barred);
    }
    if tier == Tier::Priority && record.rejections > 0 {
        return Err(Unqualified::NotProven { tier, lacks: "a rejection of its is not past" });
    }
    if tier == Tier::Priority && !record.proven {
        return Err(Unqualified::NotProven { tier, lacks: "too little of its work was verified" });
    }
    if let Some(lack) = Room::of(bidder.memory).lacks(&order.memory) {
        return Err(Unqualified::Memory(lack));
    }
    let (abandoned, most) = (record.abandoned, most_abandoned(tier));
    if abandoned > most {
        return Err(Unqualified::Drops { abandoned, tier, most });
    }
    if bidder.stake < order.min_stake {
        return Err(Unqualified::Stake { has: bidder.stake, wants: order.min_stake });
    }
    if bidder.asks > order.max_price {
        return Err(Unqualified::Price { asks: bidder.asks, most: order.max_price });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::memory::{FreeMemory, SceneMemory};
    use tessera_protocol::node::NodeRecord;
    use tessera_protocol::{KernelId, NodeId};

    const KERNEL: KernelId = KernelId([1; 32]);

    fn order() -> Order {
        Order { min_stake: Amount(5), ..Order::new(RayPrice(10), KERNEL) }
    }

    fn good() -> Bidder {
        Bidder { stake: Amount(5), ..Bidder::proven(NodeId([2; 32]), RayPrice(10), KERNEL) }
    }

    /// An order of a scene that takes 30 bytes, and 12 of the device.
    fn large() -> Order {
        Order { memory: SceneMemory { host_bytes: 30, device_bytes: 12 }, ..order() }
    }

    #[test]
    fn each_lack_is_named() {
        assert_eq!(qualifies(&good(), &order()), Ok(()));
        let code = |bidder: &Bidder, order: &Order| qualifies(bidder, order).unwrap_err().code();
        let good = good();
        let other = KernelId([2; 32]);
        assert_eq!(code(&Bidder { kernel: other, ..good }, &order()), "wrong_kernel");
        let tolerant = Bidder { class: DeviceClass::Tolerant, ..good };
        assert_eq!(code(&tolerant, &order()), "wrong_class");
        assert_eq!(code(&Bidder { barred: true, ..good }, &order()), "barred");
        let poor = Bidder { stake: Amount(4), ..good };
        assert_eq!(code(&poor, &order()), "stake_too_small");
        let dear = Bidder { asks: RayPrice(11), ..good };
        assert_eq!(code(&dear, &order()), "price_above_maximum");
        let small = FreeMemory { host_bytes: 29, device_bytes: Some(12) };
        let small = Bidder { memory: Some(small), ..good };
        assert_eq!(code(&small, &large()), "scene_too_large");
        assert_eq!(qualifies(&good, &large()), Ok(()), "what it has is not known");
        let both = Bidder { barred: true, ..dear };
        assert_eq!(code(&both, &order()), "barred", "what it cannot change comes first");
    }

    #[test]
    fn whose_memory_is_too_small_reads_how_much_it_takes() {
        let gib = 1 << 30;
        let memory = SceneMemory { host_bytes: 3 * gib, device_bytes: 2 * gib };
        let order = Order { memory, ..order() };
        let said = |device_bytes| {
            let memory = Some(FreeMemory { host_bytes: 4 * gib, device_bytes });
            qualifies(&Bidder { memory, ..good() }, &order).map_err(|reason| reason.to_string())
        };
        let shared = said(None).unwrap_err();
        assert!(shared.contains("needs 5.0 GiB of memory, and this node has 4.0 GiB"), "{shared}");
        let own = said(Some(gib)).unwrap_err();
        assert!(own.contains("needs 2.0 GiB of its device's memory"), "{own}");
        assert!(own.contains("has 1.0 GiB free"), "{own}");
        assert_eq!(said(Some(2 * gib)), Ok(()));
    }

    #[test]
    fn a_tolerant_job_takes_any_device_and_an_exact_one_exact_ones() {
        let tolerant = Order { class: DeviceClass::Tolerant, ..order() };
        assert_eq!(qualifies(&good(), &tolerant), Ok(()));
        let device = Bidder { class: DeviceClass::Tolerant, ..good() };
        assert_eq!(qualifies(&device, &tolerant), Ok(()));
    }

    #[test]
    fn tiers_differ_in_whom_they_trust() {
        let with = |record| Bidder { record, ..good() };
        let fits = |bidder: &Bidder, tier| {
            qualifies(bidder, &Order { tier, ..order() }).map_err(|reason| reason.code())
        };
        let new = with(NodeRecord::default());
        assert_eq!(fits(&new, Tier::Standard), Ok(()));
        assert_eq!(fits(&new, Tier::Priority), Err("not_proven"));
        let once = with(NodeRecord { proven: true, rejections: 1, ..NodeRecord::default() });
        assert_eq!(fits(&once, Tier::Standard), Ok(()));
        assert_eq!(fits(&once, Tier::Priority), Err("not_proven"));
        for (tier, most) in [(Tier::Priority, 0), (Tier::Standard, 3), (Tier::Economy, 7)] {
            let dropped =
                |abandoned| with(NodeRecord { proven: true, abandoned, ..NodeRecord::default() });
            assert_eq!(fits(&dropped(most), tier), Ok(()));
            assert_eq!(fits(&dropped(most + 1), tier), Err("drops_leases"));
        }
    }
}
