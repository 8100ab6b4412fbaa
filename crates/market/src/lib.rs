//! Who gets a lease, at which price, and why.
//!
//! A reverse auction: nodes ask a price for 10^9 factored rays, a job states the most that it pays,
//! and of the qualified the lowest *weighted* ask wins. The winner is paid what it asked. Weights are
//! published, bounded, and know a bidder only by what is proven of it; anybody can do the sum again
//! from [`weigh()`]'s trace, and whoever loses reads why.
//!
//! It knows no clock, store or network, and signs nothing: a price counts once it is in a lease.
//!
//! # Contract
//! - The price of a lease is its node's ask, and never above the job's maximum.
//! - Asking less never loses a lease that one had.
//! - The order of bidders changes nothing; equal weighted asks are parted by the smaller surcharge,
//!   and then by the lower key.
//! - No surcharge exceeds [`Weights::most`] thousandths of the ask.
//!
//! ```
//! use tessera_market::{Bidder, Order, auction};
//! use tessera_protocol::{KernelId, NodeId, RayPrice};
//!
//! let kernel = KernelId([1; 32]);
//! let order = Order::new(RayPrice(10), kernel);
//! let bidders = [9, 7, 11].map(|price| Bidder::proven(NodeId([price as u8; 32]), RayPrice(price), kernel));
//! let decision = auction(&bidders, &order);
//! assert_eq!(decision.winner.unwrap().asks, RayPrice(7));
//! assert_eq!(decision.losers[0].why.code, "outbid");
//! assert_eq!(decision.losers[1].why.code, "price_above_maximum");
//! ```
//!
//! Reading order: [`bidder`] → [`memory`] → [`qualify`] → [`weigh`](mod@weigh) →
//! [`auction`](mod@auction) → [`curve`] (what a node asks that has no mind of its own).
#![forbid(unsafe_code)]

pub mod auction;
pub mod bidder;
pub mod curve;
pub mod memory;
pub mod qualify;
pub mod weigh;

pub use auction::{Decision, Loser, Reason, auction, may_take};
pub use bidder::{Bidder, Order};
pub use curve::suggest;
pub use memory::Room;
pub use qualify::{Unqualified, qualifies};
pub use weigh::{Surcharge, Weighed, Weights, weigh};
