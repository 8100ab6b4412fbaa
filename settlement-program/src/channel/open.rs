//! Makes a channel and deposits into it.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Channel, ChannelState, Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::OpenChannel;
use tessera_settlement_abi::{GRACE_S_MIN, WINDOW_S_MAX, seeds};

use crate::checks::accounts::{exactly, is_program, key, load, load_of, store};
use crate::checks::pda::New;
use crate::checks::vault::{Source, Till, Vault, of_mint_elsewhere};
use crate::checks::{Outcome, ensure, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let asked = parsed(OpenChannel::decode(data))?;
    let [
        rent_payer,
        payer,
        source,
        refund,
        farm_account,
        node_account,
        account,
        vault,
        system,
        token,
    ] = exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let mut farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, node_account, farm_account)?;
    let grace = GRACE_S_MIN..=WINDOW_S_MAX;
    ensure(grace.contains(&asked.grace_s), Refusal::BadGrace)?;
    of_mint_elsewhere(refund, &farm, farm_account)?;

    let nonce = asked.nonce.to_le_bytes();
    let seeds = seeds::channel(key(farm_account), key(payer), &node.node, &nonce);
    let new =
        New { program, seeds: &seeds, payer: rent_payer, owner: program, space: Channel::LEN };
    let bump = new.make(account)?;
    farm.channels_total = sum(farm.channels_total, asked.amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner: payer, account: source };
    till.take(Vault::Channels, vault, &source, asked.amount)?;
    let channel = Channel {
        bump,
        state: ChannelState::Open,
        farm: *key(farm_account),
        payer: *key(payer),
        payee: node.node,
        voucher_key: asked.voucher_key,
        refund: *key(refund),
        nonce: asked.nonce,
        deposited: asked.amount,
        redeemed: 0,
        grace_s: asked.grace_s,
        close_at: 0,
    };
    store(account, &channel)?;
    store(farm_account, &farm)
}
