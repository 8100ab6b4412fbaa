//! Closes the account of a node without stake. What it was accused of stays on the chain.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::CloseNode;

use super::signed_by_node;
use crate::checks::accounts::{close, exactly, load, load_of};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let CloseNode {} = parsed(CloseNode::decode(data))?;
    let [signer, farm_account, account, rent_to] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, account, farm_account)?;
    signed_by_node(signer, &node)?;
    ensure(node.stake == 0 && node.unlocking == 0, Refusal::StakeLeft)?;
    // Its bond comes back to this account.
    let pending = node.challenged != 0 && node.challenged == farm.settling;
    ensure(!pending, Refusal::ChallengePending)?;
    close(account, rent_to, &node.rent_payer)
}
