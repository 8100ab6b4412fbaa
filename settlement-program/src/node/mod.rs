//! Nodes: their accounts and their stakes.

pub mod close;
pub mod register;
pub mod request_unstake;
pub mod set_payout;
pub mod stake;
pub mod withdraw_stake;

use pinocchio::AccountView;
use tessera_settlement_abi::account::Node;
use tessera_settlement_abi::error::Refusal;

use crate::checks::accounts::{key, signed};
use crate::checks::{Outcome, ensure};

/// Refuses unless the node itself signed.
pub fn signed_by_node(account: &AccountView, node: &Node) -> Outcome {
    signed(account)?;
    ensure(key(account) == &node.node, Refusal::NotTheNode)
}
