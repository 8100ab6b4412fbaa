//! Makes a node's account. The node signs, anyone pays.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::instruction::RegisterNode;
use tessera_settlement_abi::seeds;

use crate::checks::Outcome;
use crate::checks::accounts::{exactly, is_program, key, load, signed, store};
use crate::checks::pda::New;
use crate::checks::vault::of_mint_elsewhere;
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let RegisterNode {} = parsed(RegisterNode::decode(data))?;
    let [payer, node, farm_account, account, payout, system] = exactly(accounts)?;
    signed(node)?;
    is_program(system, &pinocchio_system::ID)?;
    let farm: Farm = load(program, farm_account)?;
    of_mint_elsewhere(payout, &farm, farm_account)?;
    let seeds = seeds::node(key(farm_account), key(node));
    let new = New { program, seeds: &seeds, payer, owner: program, space: Node::LEN };
    let bump = new.make(account)?;
    let node = Node {
        bump,
        farm: *key(farm_account),
        node: *key(node),
        payout: *key(payout),
        rent_payer: *key(payer),
        stake: 0,
        unlocking: 0,
        unlock_at: 0,
        slashed_total: 0,
        challenged: 0,
    };
    store(account, &node)
}
