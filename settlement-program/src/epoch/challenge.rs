//! A node with stake holds that an open epoch is wrong, and puts a bond up.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Challenge;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Source, Till, Vault};
use crate::checks::{Outcome, ensure, now, sum};
use crate::node::signed_by_node;
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Challenge { reason } = parsed(Challenge::decode(data))?;
    let [signer, source, farm_account, node_account, account, vault, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, node_account, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    signed_by_node(signer, &node)?;
    ensure(node.stake > 0, Refusal::NoStake)?;
    ensure(epoch.state == EpochState::Open, Refusal::EpochNotOpen)?;
    ensure(now()? < epoch.deadline, Refusal::TooLate)?;

    let bond = farm.rules.challenge_bond;
    farm.challenges_held = sum(farm.challenges_held, bond)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    let source = Source { owner: signer, account: source };
    till.take(Vault::Bond, vault, &source, bond)?;
    epoch.state = EpochState::Challenged;
    epoch.challenger = node.node;
    epoch.challenge_bond = bond;
    epoch.reason = reason;
    node.challenged = epoch.number;
    store(node_account, &node)?;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
