//! Moves money of a job to an open epoch. Nothing leaves the escrow.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm, Job};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Draw;

use crate::checks::accounts::{exactly, load, load_of, signed_by_authority, store};
use crate::checks::{Outcome, ensure, now, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Draw { amount } = parsed(Draw::decode(data))?;
    let [authority, farm_account, job_account, account] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut job: Job = load_of(program, job_account, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    signed_by_authority(authority, &farm)?;
    ensure(epoch.state == EpochState::Open, Refusal::EpochNotOpen)?;
    ensure(amount > 0, Refusal::ZeroAmount)?;
    ensure(job.last_epoch < epoch.number, Refusal::DrawnAlready)?;
    // Or an epoch after another could hold an expired job's money by drawing almost nothing.
    ensure(now()? < job.expires_at, Refusal::Expired)?;

    job.drawn = sum(job.drawn, amount)?;
    ensure(job.drawn <= job.deposited, Refusal::AboveDeposit)?;
    epoch.funded = sum(epoch.funded, amount)?;
    ensure(epoch.funded <= epoch.total, Refusal::AboveTotal)?;
    job.last_epoch = epoch.number;
    job.last_draw = amount;
    store(job_account, &job)?;
    store(account, &epoch)
}
