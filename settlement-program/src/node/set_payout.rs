//! Has a node paid to another token account. Leaves of epochs that are open keep the one they name.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node};
use tessera_settlement_abi::instruction::SetPayout;

use super::signed_by_node;
use crate::checks::Outcome;
use crate::checks::accounts::{exactly, key, load, load_of, store};
use crate::checks::vault::of_mint_elsewhere;
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let SetPayout {} = parsed(SetPayout::decode(data))?;
    let [signer, farm_account, account, payout] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, account, farm_account)?;
    signed_by_node(signer, &node)?;
    of_mint_elsewhere(payout, &farm, farm_account)?;
    node.payout = *key(payout);
    store(account, &node)
}
