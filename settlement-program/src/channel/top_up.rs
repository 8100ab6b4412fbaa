//! Adds to a channel's deposit, from whoever signs.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Channel, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::TopUpChannel;

use super::is_open;
use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Source, Till, Vault};
use crate::checks::{Outcome, ensure, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let TopUpChannel { amount } = parsed(TopUpChannel::decode(data))?;
    let [owner, source, farm_account, account, vault, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut channel: Channel = load_of(program, account, farm_account)?;
    is_open(&channel)?;
    ensure(channel.close_at == 0, Refusal::ChannelClosing)?;
    channel.deposited = sum(channel.deposited, amount)?;
    farm.channels_total = sum(farm.channels_total, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner, account: source };
    till.take(Vault::Channels, vault, &source, amount)?;
    store(account, &channel)?;
    store(farm_account, &farm)
}
