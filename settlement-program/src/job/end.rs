//! The authority ends a job: what is left goes back to its artist.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Job};
use tessera_settlement_abi::instruction::EndJob;

use super::{Exit, refund_and_close};
use crate::checks::Outcome;
use crate::checks::accounts::{exactly, load, load_of, signed_by_authority, store};
use crate::checks::vault::Till;
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let EndJob {} = parsed(EndJob::decode(data))?;
    let [authority, farm_account, account, vault, refund, rent_to, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let job: Job = load_of(program, account, farm_account)?;
    signed_by_authority(authority, &farm)?;
    let mut till = Till { program, account: farm_account, farm: &mut farm, token };
    let exit = Exit { vault, refund, artist_signed: false, rent_to };
    refund_and_close(&mut till, (account, &job), exit)?;
    store(farm_account, &farm)
}
