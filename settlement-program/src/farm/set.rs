//! Changes a farm's rules: its authority, and enough of its present guardians.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::SetFarm;

use crate::checks::accounts::{at_least, load, signed_by_authority, store};
use crate::checks::guardians::{agreed, listed};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let SetFarm { rules } = parsed(SetFarm::decode(data))?;
    let ([authority, account], signers) = at_least(accounts)?;
    let mut farm: Farm = load(program, account)?;
    signed_by_authority(authority, &farm)?;
    // Guardians approved that epoch by their places, under that window.
    ensure(farm.settling == 0, Refusal::EpochInWindow)?;
    agreed(signers, &farm.rules)?;
    super::check(&rules, &farm.authority)?;
    if listed(&rules) != listed(&farm.rules) || rules.threshold != farm.rules.threshold {
        farm.guardian_set = farm.guardian_set.checked_add(1).ok_or(Refusal::Overflow)?;
    }
    farm.rules = rules;
    store(account, &farm)
}
