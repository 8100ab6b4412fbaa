//! Makes an epoch payable; for anyone, once its deadline has passed, its money is there and enough
//! guardians approved.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Seal;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::{Outcome, ensure, guardians, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Seal {} = parsed(Seal::decode(data))?;
    let [farm_account, account] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    ensure(epoch.state == EpochState::Open, Refusal::EpochNotOpen)?;
    ensure(now()? >= epoch.deadline, Refusal::TooEarly)?;
    ensure(epoch.funded == epoch.total, Refusal::NotFunded)?;
    ensure(guardians::enough(epoch.approvals, &farm.rules), Refusal::GuardiansMissing)?;
    epoch.state = EpochState::Payable;
    farm.settling = 0;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
