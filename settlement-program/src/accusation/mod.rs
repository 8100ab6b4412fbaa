//! Accusations: what a node's stake and the master's bond answer for.
//!
//! Two signed statements that contradict each other are proof enough for anyone. What only people
//! can judge takes a quorum of guardians, time, and a cap.

pub mod answer_omitted;
pub mod approve_slash;
pub mod claim_double_verdict;
pub mod claim_omitted;
pub mod deposit_bond;
pub mod execute_slash;
pub mod propose_slash;
pub mod request_unbond;
pub mod settle_omitted;
pub mod slash_equivocation;
pub mod withdraw_bond;

use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::error::Refusal;

use crate::checks::{Outcome, less, sum};

/// All that a node can lose: its stake, and what it asked for but does not have yet.
fn slashable(node: &Node) -> Outcome<u64> {
    sum(node.stake, node.unlocking)
}

/// Takes from a node's stake, then from what is unlocking.
fn take_stake(farm: &mut Farm, node: &mut Node, amount: u64) -> Outcome {
    let staked = amount.min(node.stake);
    node.stake -= staked;
    node.unlocking = node.unlocking.checked_sub(amount - staked).ok_or(Refusal::AboveStake)?;
    node.slashed_total = node.slashed_total.saturating_add(amount);
    farm.stake_total = less(farm.stake_total, amount)?;
    Ok(())
}

/// Takes from the master's bond, then from what is unlocking of it.
pub fn take_bond(farm: &mut Farm, amount: u64) -> Outcome {
    let bonded = amount.min(farm.bond);
    farm.bond -= bonded;
    farm.unbonding = farm.unbonding.checked_sub(amount - bonded).ok_or(Refusal::AboveBond)?;
    Ok(())
}

/// What one claim may take from the master's bond: as much as there is, up to the cap.
fn claimable(farm: &Farm) -> Outcome<u64> {
    Ok(farm.rules.bond_claim_cap.min(sum(farm.bond, farm.unbonding)?))
}
