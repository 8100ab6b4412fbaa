//! The artist's way out when nobody ends a job: after it expired, anyone may.
//!
//! Should the account named for refunds not exist any more, the artist signs and names another.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Job};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ReclaimJob;

use super::{Exit, refund_and_close};
use crate::checks::accounts::{exactly, key, load, load_of, store};
use crate::checks::vault::Till;
use crate::checks::{Outcome, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ReclaimJob {} = parsed(ReclaimJob::decode(data))?;
    let [artist, farm_account, account, vault, refund, rent_to, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let job: Job = load_of(program, account, farm_account)?;
    ensure(now()? >= job.expires_at, Refusal::NotExpired)?;
    let artist_signed = artist.is_signer() && key(artist) == &job.artist;
    let mut till = Till { program, account: farm_account, farm: &mut farm, token };
    let exit = Exit { vault, refund, artist_signed, rent_to };
    refund_and_close(&mut till, (account, &job), exit)?;
    store(farm_account, &farm)
}
