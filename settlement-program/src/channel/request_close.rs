//! The payer asks to close a channel: from here its payee has the grace to redeem.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::Channel;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::RequestClose;

use super::is_open;
use crate::checks::accounts::{exactly, key, load, signed, store};
use crate::checks::{Outcome, after, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let RequestClose {} = parsed(RequestClose::decode(data))?;
    let [payer, account] = exactly(accounts)?;
    let mut channel: Channel = load(program, account)?;
    is_open(&channel)?;
    signed(payer)?;
    ensure(key(payer) == &channel.payer, Refusal::NotThePayer)?;
    ensure(channel.close_at == 0, Refusal::ChannelClosing)?;
    channel.close_at = after(now()?, channel.grace_s)?;
    store(account, &channel)
}
