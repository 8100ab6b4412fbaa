//! Pays out the bond that was asked for, after the cooldown, wherever the authority says.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::WithdrawBond;

use crate::checks::accounts::{exactly, load, signed_by_authority, store};
use crate::checks::vault::{Till, Vault, payable};
use crate::checks::{Outcome, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let WithdrawBond {} = parsed(WithdrawBond::decode(data))?;
    let [authority, farm_account, vault, to, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    signed_by_authority(authority, &farm)?;
    ensure(farm.unbonding > 0, Refusal::NothingThere)?;
    ensure(now()? >= farm.unbond_at, Refusal::StillLocked)?;
    ensure(payable(to, &farm, farm_account), Refusal::PayeeUnpayable)?;
    let amount = farm.unbonding;
    farm.unbonding = 0;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Bond, vault, to, amount)?;
    store(farm_account, &farm)
}
