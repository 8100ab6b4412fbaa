//! Adds to a job's deposit, from whoever signs.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Job};
use tessera_settlement_abi::instruction::TopUp;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Source, Till, Vault};
use crate::checks::{Outcome, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let TopUp { amount } = parsed(TopUp::decode(data))?;
    let [owner, source, farm_account, account, vault, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut job: Job = load_of(program, account, farm_account)?;
    job.deposited = sum(job.deposited, amount)?;
    farm.escrow_total = sum(farm.escrow_total, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner, account: source };
    till.take(Vault::Escrow, vault, &source, amount)?;
    store(account, &job)?;
    store(farm_account, &farm)
}
