//! Gives a cancelled epoch's draw back to its job; for anyone. With the last one the farm is free
//! for the next epoch.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm, Job};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ReturnDraw;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::{Outcome, ensure, less};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ReturnDraw {} = parsed(ReturnDraw::decode(data))?;
    let [farm_account, job_account, account] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut job: Job = load_of(program, job_account, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    ensure(epoch.state == EpochState::Cancelled, Refusal::EpochNotCancelled)?;
    let drawn = job.last_epoch == epoch.number && job.last_draw > 0;
    ensure(drawn, Refusal::NotDrawn)?;
    job.drawn = less(job.drawn, job.last_draw)?;
    epoch.funded = less(epoch.funded, job.last_draw)?;
    job.last_draw = 0;
    if epoch.funded == 0 {
        farm.settling = 0;
    }
    store(job_account, &job)?;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
