//! Closes an epoch that owes nobody anything; for anyone. Its number is never used again.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::CloseEpoch;

use crate::checks::accounts::{close, exactly, load, load_of};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let CloseEpoch {} = parsed(CloseEpoch::decode(data))?;
    let [farm_account, account, rent_to] = exactly(accounts)?;
    let _: Farm = load(program, farm_account)?;
    let epoch: Epoch = load_of(program, account, farm_account)?;
    match epoch.state {
        EpochState::Payable => {
            ensure(epoch.paid_leaves == epoch.leaf_count, Refusal::LeavesUnpaid)?;
            ensure(epoch.paid == epoch.funded, Refusal::LeftOver)?;
        }
        EpochState::Cancelled => ensure(epoch.funded == 0, Refusal::DrawsNotReturned)?,
        EpochState::Open | EpochState::Challenged => {
            return Err(Refusal::EpochNotPayable.into());
        }
    }
    close(account, rent_to, &epoch.rent_payer)
}
