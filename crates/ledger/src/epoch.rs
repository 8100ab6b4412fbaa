//! What one epoch settles: which purses are drawn on, and who is paid how much.

use crate::account::{Account, Purse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tessera_protocol::{Amount, NodeId};

/// Most leaves of an epoch's tree.
pub const MAX_LEAVES: usize = 1_024;

/// A part of a leaf, or all that is drawn from a purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// From where.
    pub purse: Purse,
    /// How much.
    pub amount: Amount,
}

/// What a node is paid by an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Whom.
    pub node: NodeId,
    /// How much.
    pub amount: Amount,
    /// Of which purses, in their order; the parts add up to `amount`.
    pub parts: Vec<Draw>,
}

/// What an epoch settles. The draws and the leaves add up to the same sum, to the last unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochPlan {
    /// What is drawn, by purse, each once.
    pub draws: Vec<Draw>,
    /// Who is paid, by key, each once: a leaf's place here is its index in the tree.
    pub leaves: Vec<Leaf>,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// It pays nobody.
    #[error("it pays nobody")]
    Empty,
    /// It pays too many.
    #[error("it has {0} leaves, and an epoch has at most 1024")]
    Leaves(usize),
    /// Leaves, parts or draws are out of order, or one is there twice.
    #[error("its leaves, their parts or its draws are not in order, or one of them is there twice")]
    Order,
    /// One of them is nothing.
    #[error("one of its sums is 0")]
    Nothing,
    /// A leaf is not the sum of its parts.
    #[error("the leaf of node {0} is not the sum of its parts")]
    Leaf(NodeId),
    /// The draws are not what the leaves are made of.
    #[error("its draws are not what its leaves are made of")]
    Draws,
    /// It is more than there can be.
    #[error("its sums do not fit")]
    TooLarge,
}

impl EpochPlan {
    /// What it pays in all.
    pub fn total(&self) -> Option<Amount> {
        Amount::checked_sum(self.leaves.iter().map(|leaf| leaf.amount))
    }

    /// Whether it is whole: every sum is right, and everything is in order.
    pub fn check(&self) -> Result<(), PlanFault> {
        if self.leaves.is_empty() {
            return Err(PlanFault::Empty);
        }
        if self.leaves.len() > MAX_LEAVES {
            return Err(PlanFault::Leaves(self.leaves.len()));
        }
        let in_order = self.leaves.is_sorted_by(|a, b| a.node < b.node)
            && self.leaves.iter().all(|leaf| leaf.parts.is_sorted_by(|a, b| a.purse < b.purse))
            && self.draws.is_sorted_by(|a, b| a.purse < b.purse);
        if !in_order {
            return Err(PlanFault::Order);
        }
        let mut parts = self.leaves.iter().flat_map(|leaf| &leaf.parts).chain(&self.draws);
        if parts.any(|draw| draw.amount.is_zero()) {
            return Err(PlanFault::Nothing);
        }
        for leaf in &self.leaves {
            let sum = Amount::checked_sum(leaf.parts.iter().map(|part| part.amount));
            if leaf.amount.is_zero() || sum != Some(leaf.amount) {
                return Err(PlanFault::Leaf(leaf.node));
            }
        }
        self.total().ok_or(PlanFault::TooLarge)?;
        if draws_of(&self.leaves).ok_or(PlanFault::TooLarge)? != self.draws {
            return Err(PlanFault::Draws);
        }
        Ok(())
    }

    /// A node's leaf.
    pub fn leaf(&self, node: NodeId) -> Option<&Leaf> {
        let place = self.leaves.binary_search_by_key(&node, |leaf| leaf.node).ok()?;
        self.leaves.get(place)
    }
}

fn draws_of(leaves: &[Leaf]) -> Option<Vec<Draw>> {
    let mut draws: BTreeMap<Purse, Amount> = BTreeMap::new();
    for part in leaves.iter().flat_map(|leaf| &leaf.parts) {
        let sum = draws.entry(part.purse).or_default();
        *sum = sum.checked_add(part.amount)?;
    }
    Some(draws.into_iter().map(|(purse, amount)| Draw { purse, amount }).collect())
}

/// What the next epoch settles of `balances`: all that is owed to every node that is owed at least
/// `floor` and something. Less stays owed. Where more nodes than
/// [`MAX_LEAVES`] are owed enough, those that are owed most come first, and of equals the lower key.
///
/// The order of `balances` changes nothing. `None` where nobody is to be paid, or sums do not fit.
pub fn epoch_leaves<'a>(
    balances: impl IntoIterator<Item = (&'a Account, i64)>,
    floor: Amount,
) -> Option<EpochPlan> {
    let mut owed: BTreeMap<NodeId, BTreeMap<Purse, Amount>> = BTreeMap::new();
    for (account, balance) in balances {
        let Account::Owed { node, purse } = *account else { continue };
        let amount = Amount(u64::try_from(balance).unwrap_or(0));
        if !amount.is_zero() {
            owed.entry(node).or_default().insert(purse, amount);
        }
    }
    let mut leaves: Vec<Leaf> = Vec::with_capacity(owed.len());
    for (node, parts) in owed {
        let amount = Amount::checked_sum(parts.values().copied())?;
        let parts = parts.into_iter().map(|(purse, amount)| Draw { purse, amount }).collect();
        leaves.push(Leaf { node, amount, parts });
    }
    leaves.retain(|leaf| leaf.amount >= floor);
    leaves.sort_by_key(|leaf| (std::cmp::Reverse(leaf.amount), leaf.node));
    leaves.truncate(MAX_LEAVES);
    leaves.sort_by_key(|leaf| leaf.node);
    let plan = EpochPlan { draws: draws_of(&leaves)?, leaves };
    plan.total()?;
    (!plan.leaves.is_empty()).then_some(plan)
}
