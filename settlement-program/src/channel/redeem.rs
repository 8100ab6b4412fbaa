//! Pays the payee what a voucher promises beyond what was redeemed; for anyone who has one.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Channel, Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Redeem;
use tessera_settlement_abi::signed::VoucherHeader;

use super::is_open;
use crate::checks::accounts::{exactly, key, load, load_of, store};
use crate::checks::vault::{Till, Vault, payable_as};
use crate::checks::{Outcome, ensure, less, signatures};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Redeem { signatures_at } = parsed(Redeem::decode(data))?;
    let [farm_account, node_account, account, vault, payout, sysvar, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, node_account, farm_account)?;
    let mut channel: Channel = load_of(program, account, farm_account)?;
    is_open(&channel)?;
    ensure(channel.payee == node.node, Refusal::OtherNode)?;
    let voucher = signatures::one::<VoucherHeader>(sysvar, signatures_at)?;
    ensure(voucher.by == channel.voucher_key, Refusal::WrongSigner)?;
    ensure(&voucher.is.channel == key(account), Refusal::OtherChannel)?;
    let promised = voucher.is.cumulative;
    ensure(promised > channel.redeemed, Refusal::NothingNew)?;
    ensure(promised <= channel.deposited, Refusal::AboveDeposit)?;

    let amount = promised - channel.redeemed;
    channel.redeemed = promised;
    farm.channels_total = less(farm.channels_total, amount)?;
    let to = (&farm, &*farm_account);
    payable_as(payout, &node.payout, Refusal::WrongPayout, to)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Channels, vault, payout, amount)?;
    store(account, &channel)?;
    store(farm_account, &farm)
}
