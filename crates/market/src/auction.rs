//! Who wins, and why the others do not.

use crate::bidder::{Bidder, Order};
use crate::qualify::{Unqualified, qualifies};
use crate::weigh::{Weighed, Weights, key, weigh};
use tessera_protocol::job::Why;
use tessera_protocol::{NodeId, RayPrice};

/// Why a node does not get a lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It may not have it.
    #[error(transparent)]
    Unqualified(#[from] Unqualified),
    /// Another one weighs less.
    #[error(
        "it asks {asks}, which weighs {weighted}; {won} that weighs {won_weighted} won{parted}"
    )]
    Outbid {
        /// What it asks.
        asks: RayPrice,
        /// What that weighs, rounded down.
        weighted: RayPrice,
        /// What the winner asks.
        won: RayPrice,
        /// What that weighs.
        won_weighted: RayPrice,
        /// How equals were parted.
        parted: Parted,
    },
}

/// How two asks that weigh the same were parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parted {
    /// They do not weigh the same.
    Not,
    /// By the smaller surcharge.
    BySurcharge,
    /// By the lower key.
    ByKey,
}

impl std::fmt::Display for Parted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Not => "",
            Self::BySurcharge => ": of equals the one with the smaller surcharge",
            Self::ByKey => ": of equals the one with the lower key",
        })
    }
}

impl Reason {
    /// A short name that does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unqualified(reason) => reason.code(),
            Self::Outbid { .. } => "outbid",
        }
    }

    /// As it is shown.
    pub fn why(&self) -> Why {
        Why { code: self.code().into(), sentence: self.to_string() }
    }

    fn outbid(loser: &Weighed, winner: &Weighed) -> Self {
        let parted = if loser.milli != winner.milli {
            Parted::Not
        } else if loser.surcharge != winner.surcharge {
            Parted::BySurcharge
        } else {
            Parted::ByKey
        };
        Self::Outbid {
            asks: loser.asks,
            weighted: loser.weighted(),
            won: winner.asks,
            won_weighted: winner.weighted(),
            parted,
        }
    }
}

/// A bidder that did not win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loser {
    /// Whose bid.
    pub node: NodeId,
    /// What it asked.
    pub asks: RayPrice,
    /// What that weighs; `None` where it did not qualify.
    pub weighed: Option<Weighed>,
    /// Why it lost.
    pub why: Why,
}

/// How an auction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who won, paid what it asked; `None` where nobody qualified.
    pub winner: Option<Weighed>,
    /// All others: those that qualified, the nearest first, and then the others by key.
    pub losers: Vec<Loser>,
}

/// Who gets an order, of all that ask for it.
pub fn auction(bidders: &[Bidder], order: &Order) -> Decision {
    let mut able = vec![];
    let mut unable = vec![];
    for bidder in bidders {
        match qualifies(bidder, order) {
            Ok(()) => able.push(weigh(bidder, order, &Weights::PUBLISHED)),
            Err(reason) => unable.push(Loser {
                node: bidder.node,
                asks: bidder.asks,
                weighed: None,
                why: Reason::from(reason).why(),
            }),
        }
    }
    able.sort_by_key(Weighed::key);
    unable.sort_by_key(|loser| (loser.node, loser.asks));
    let mut able = able.into_iter();
    let winner = able.next();
    let mut losers: Vec<Loser> = able
        .filter_map(|weighed| {
            let why = Reason::outbid(&weighed, winner.as_ref()?).why();
            Some(Loser { node: weighed.node, asks: weighed.asks, weighed: Some(weighed), why })
        })
        .collect();
    losers.append(&mut unable);
    Decision { winner, losers }
}

/// Whether a node that asks for work now may take an order, and at which price: its own ask.
///
/// `others` are the nodes that could take it instead *now*: those that wait for work, or were heard
/// of within one wait and have room for it. One that weighs less comes first; whoever only might come
/// some day holds nobody up, so the caller leaves it out. The node itself may be among them.
pub fn may_take(bidder: &Bidder, order: &Order, others: &[Bidder]) -> Result<RayPrice, Reason> {
    qualifies(bidder, order)?;
    let weights = &Weights::PUBLISHED;
    let own = key(bidder, order, weights);
    let better = others
        .iter()
        .filter(|other| other.node != bidder.node && qualifies(other, order).is_ok())
        .map(|other| (key(other, order, weights), other))
        .filter(|(other, _)| *other < own)
        .min_by_key(|(other, _)| *other);
    match better {
        Some((_, better)) => {
            Err(Reason::outbid(&weigh(bidder, order, weights), &weigh(better, order, weights)))
        }
        None => Ok(bidder.asks),
    }
}
