//! Adds to the master's bond, from whoever signs.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::instruction::DepositBond;

use crate::checks::accounts::{exactly, load, store};
use crate::checks::vault::{Source, Till, Vault};
use crate::checks::{Outcome, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let DepositBond { amount } = parsed(DepositBond::decode(data))?;
    let [owner, source, farm_account, vault, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    farm.bond = sum(farm.bond, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.owed(Vault::Bond)?;
    let source = Source { owner, account: source };
    till.take(Vault::Bond, vault, &source, amount)?;
    store(farm_account, &farm)
}
