//! Asks for bond back: claims reach it until it is paid out, at the earliest after the cooldown.
//! A further request makes all that is unlocking wait anew.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::RequestUnbond;

use crate::checks::accounts::{exactly, load, signed_by_authority, store};
use crate::checks::{Outcome, after, ensure, now, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let RequestUnbond { amount } = parsed(RequestUnbond::decode(data))?;
    let [authority, farm_account] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    signed_by_authority(authority, &farm)?;
    ensure(amount > 0, Refusal::ZeroAmount)?;
    farm.bond = farm.bond.checked_sub(amount).ok_or(Refusal::AboveBond)?;
    farm.unbonding = sum(farm.unbonding, amount)?;
    farm.unbond_at = after(now()?, farm.rules.cooldown_s)?;
    store(farm_account, &farm)
}
