//! Adds to a node's stake, from whoever signs.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::instruction::Stake;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Source, Till, Vault};
use crate::checks::{Outcome, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Stake { amount } = parsed(Stake::decode(data))?;
    let [owner, source, farm_account, account, vault, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, account, farm_account)?;
    node.stake = sum(node.stake, amount)?;
    farm.stake_total = sum(farm.stake_total, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner, account: source };
    till.take(Vault::Stake, vault, &source, amount)?;
    store(account, &node)?;
    store(farm_account, &farm)
}
