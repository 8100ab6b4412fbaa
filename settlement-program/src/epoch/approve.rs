//! A guardian has looked at an open epoch and finds it right.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ApproveEpoch;

use crate::checks::accounts::{exactly, key, load, load_of, signed, store};
use crate::checks::{Outcome, ensure, guardians};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ApproveEpoch {} = parsed(ApproveEpoch::decode(data))?;
    let [guardian, farm_account, account] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    signed(guardian)?;
    ensure(epoch.state == EpochState::Open, Refusal::EpochNotOpen)?;
    epoch.approvals = guardians::approve(epoch.approvals, &farm.rules, key(guardian))?;
    store(account, &epoch)
}
