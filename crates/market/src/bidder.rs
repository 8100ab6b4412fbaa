//! What is known of those who ask, and of what is asked for.

use tessera_protocol::memory::{FreeMemory, SceneMemory};
use tessera_protocol::node::{DeviceClass, NodeRecord};
use tessera_protocol::{Amount, KernelId, NodeId, RayPrice, Tier};

/// A node that asks for work, by what is proven of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bidder {
    /// Its key.
    pub node: NodeId,
    /// What it asks for 10^9 factored rays.
    pub asks: RayPrice,
    /// What it vouches with.
    pub stake: Amount,
    /// Its record.
    pub record: NodeRecord,
    /// Whether its record ends its work: what verification says, see
    /// `tessera_verify::audit::record`.
    pub barred: bool,
    /// Rays a second of its verified results; `None` where none were. What it says of itself counts
    /// for nothing.
    pub rays_per_s: Option<u64>,
    /// Whether it was sent the scene before.
    pub has_scene: bool,
    /// What it may be trusted to compute.
    pub class: DeviceClass,
    /// The kernel that it runs.
    pub kernel: KernelId,
    /// What it says that it has free; `None` where it says nothing.
    pub memory: Option<FreeMemory>,
}

/// Work that is to be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Most that the job pays for 10^9 factored rays.
    pub max_price: RayPrice,
    /// What its artist chose.
    pub tier: Tier,
    /// What it asks of its devices.
    pub class: DeviceClass,
    /// The kernel that it pins.
    pub kernel: KernelId,
    /// Least that a node vouches with for it.
    pub min_stake: Amount,
    /// What its scene takes.
    pub memory: SceneMemory,
}

impl Order {
    /// The usual order: standard, exact, of a scene of any size, and open to nodes without a stake.
    pub fn new(max_price: RayPrice, kernel: KernelId) -> Self {
        let (tier, class) = (Tier::Standard, DeviceClass::Exact);
        let memory = SceneMemory::default();
        Self { max_price, tier, class, kernel, min_stake: Amount::ZERO, memory }
    }
}

impl Bidder {
    /// A new node, of which nothing is known.
    pub fn new(node: NodeId, asks: RayPrice, kernel: KernelId) -> Self {
        Self {
            node,
            asks,
            stake: Amount::ZERO,
            record: NodeRecord::default(),
            barred: false,
            rays_per_s: None,
            has_scene: false,
            class: DeviceClass::Exact,
            kernel,
            memory: None,
        }
    }

    /// The same, once its record is proven.
    pub fn proven(node: NodeId, asks: RayPrice, kernel: KernelId) -> Self {
        let record = NodeRecord { proven: true, ..NodeRecord::default() };
        Self { record, ..Self::new(node, asks, kernel) }
    }
}
