//! Refunds what a channel has left: after the grace for anyone, at once if the payee signs.
//!
//! Its account stays, marked as closed: vouchers name a channel by its address, and one opened there
//! again would honour old ones.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Channel, ChannelState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::CloseChannel;

use super::is_open;
use crate::checks::accounts::{exactly, key, load, load_of, store};
use crate::checks::vault::{Till, Vault, refund_to};
use crate::checks::{Outcome, ensure, less, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let CloseChannel {} = parsed(CloseChannel::decode(data))?;
    let [payer, payee, farm_account, account, vault, refund, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut channel: Channel = load_of(program, account, farm_account)?;
    is_open(&channel)?;
    let payee_signed = payee.is_signer() && key(payee) == &channel.payee;
    let over = channel.close_at != 0 && now()? >= channel.close_at;
    ensure(payee_signed || over, Refusal::GracePending)?;

    let left = less(channel.deposited, channel.redeemed)?;
    channel.state = ChannelState::Closed;
    if left > 0 {
        let payer_signed = payer.is_signer() && key(payer) == &channel.payer;
        refund_to(refund, &channel.refund, payer_signed, (&farm, farm_account))?;
        farm.channels_total = less(farm.channels_total, left)?;
        let till = Till { program, account: farm_account, farm: &mut farm, token };
        till.pay(Vault::Channels, vault, refund, left)?;
    }
    store(account, &channel)?;
    store(farm_account, &farm)
}
