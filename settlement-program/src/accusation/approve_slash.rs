//! Another guardian approves a proposal to slash.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Proposal};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ApproveSlash;

use crate::checks::accounts::{exactly, key, load, load_of, signed, store};
use crate::checks::{Outcome, ensure, guardians};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ApproveSlash {} = parsed(ApproveSlash::decode(data))?;
    let [guardian, farm_account, account] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut proposal: Proposal = load_of(program, account, farm_account)?;
    signed(guardian)?;
    ensure(!proposal.executed, Refusal::ExecutedAlready)?;
    ensure(proposal.guardian_set == farm.guardian_set, Refusal::GuardiansChanged)?;
    proposal.approvals = guardians::approve(proposal.approvals, &farm.rules, key(guardian))?;
    store(account, &proposal)
}
