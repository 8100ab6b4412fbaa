//! Who of a farm's guardians agreed.

use pinocchio::AccountView;
use tessera_settlement_abi::Key;
use tessera_settlement_abi::account::{Farm, Rules};
use tessera_settlement_abi::error::Refusal;

use super::accounts::{key, signed, signed_by_authority};
use super::{Outcome, ensure};

/// The guardians that there are.
pub fn listed(rules: &Rules) -> &[Key] {
    rules.guardians.get(..usize::from(rules.guardian_count)).unwrap_or(&[])
}

/// Adds a guardian's approval to those that there are.
pub fn approve(approvals: u8, rules: &Rules, guardian: &Key) -> Outcome<u8> {
    let place = listed(rules).iter().position(|key| key == guardian);
    let place = place.ok_or(Refusal::NotAGuardian)?;
    let bit = 1_u8 << (place & 7);
    ensure(approvals & bit == 0, Refusal::GuardianTwice)?;
    Ok(approvals | bit)
}

/// Whether so many approvals are as many as the farm asks for.
pub fn enough(approvals: u8, rules: &Rules) -> bool {
    approvals.count_ones() >= u32::from(rules.threshold)
}

/// Refuses unless each of these signed, is a guardian, comes once, and they are enough.
pub fn agreed(signers: &[AccountView], rules: &Rules) -> Outcome {
    let mut approvals = 0;
    for signer in signers {
        signed(signer)?;
        approvals = approve(approvals, rules, key(signer))?;
    }
    ensure(enough(approvals, rules), Refusal::GuardiansMissing)
}

/// The same, where the authority decides for a farm whose threshold is 0.
pub fn decided(signers: &[AccountView], farm: &Farm) -> Outcome {
    if farm.rules.threshold > 0 {
        return agreed(signers, &farm.rules);
    }
    match signers {
        [authority] => signed_by_authority(authority, farm),
        [] => Err(Refusal::AccountsMissing.into()),
        _ => Err(Refusal::AccountsLeftOver.into()),
    }
}
