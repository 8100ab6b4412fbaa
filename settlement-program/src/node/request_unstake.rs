//! Asks for stake back: it stays slashable until it is paid out, at the earliest after the
//! cooldown. A further request makes all that is unlocking wait anew.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::RequestUnstake;

use super::signed_by_node;
use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::{Outcome, after, ensure, now, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let RequestUnstake { amount } = parsed(RequestUnstake::decode(data))?;
    let [signer, farm_account, account] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, account, farm_account)?;
    signed_by_node(signer, &node)?;
    ensure(amount > 0, Refusal::ZeroAmount)?;
    node.stake = node.stake.checked_sub(amount).ok_or(Refusal::AboveStake)?;
    node.unlocking = sum(node.unlocking, amount)?;
    node.unlock_at = after(now()?, farm.rules.cooldown_s)?;
    store(account, &node)
}
