//! Pays out the stake that was asked for, after the cooldown, wherever the node says.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::WithdrawStake;

use super::signed_by_node;
use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Till, Vault, payable};
use crate::checks::{Outcome, ensure, less, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let WithdrawStake {} = parsed(WithdrawStake::decode(data))?;
    let [signer, farm_account, account, vault, to, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, account, farm_account)?;
    signed_by_node(signer, &node)?;
    ensure(node.unlocking > 0, Refusal::NothingThere)?;
    ensure(now()? >= node.unlock_at, Refusal::StillLocked)?;
    ensure(payable(to, &farm, farm_account), Refusal::PayeeUnpayable)?;
    let amount = node.unlocking;
    node.unlocking = 0;
    farm.stake_total = less(farm.stake_total, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Stake, vault, to, amount)?;
    store(account, &node)?;
    store(farm_account, &farm)
}
