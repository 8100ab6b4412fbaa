//! Makes a job's account and deposits into it.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Job};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::OpenJob;
use tessera_settlement_abi::{JOB_S_MAX, seeds};

use crate::checks::accounts::{exactly, is_program, key, load, store};
use crate::checks::pda::New;
use crate::checks::vault::{Source, Till, Vault, of_mint_elsewhere};
use crate::checks::{Outcome, ensure, now, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let OpenJob { job, amount, expires_at } = parsed(OpenJob::decode(data))?;
    let [payer, artist, source, refund, farm_account, account, vault, system, token] =
        exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let mut farm: Farm = load(program, farm_account)?;
    let now = now()?;
    ensure(expires_at > now && expires_at - now <= JOB_S_MAX, Refusal::BadExpiry)?;
    of_mint_elsewhere(refund, &farm, farm_account)?;
    let seeds = seeds::job(key(farm_account), &job);
    let new = New { program, seeds: &seeds, payer, owner: program, space: Job::LEN };
    let bump = new.make(account)?;
    farm.escrow_total = sum(farm.escrow_total, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner: artist, account: source };
    till.take(Vault::Escrow, vault, &source, amount)?;
    let job = Job {
        bump,
        farm: *key(farm_account),
        job,
        artist: *key(artist),
        refund: *key(refund),
        rent_payer: *key(payer),
        deposited: amount,
        drawn: 0,
        last_epoch: 0,
        last_draw: 0,
        expires_at,
    };
    store(account, &job)?;
    store(farm_account, &farm)
}
