//! Pays a claim that nobody answered, out of the master's bond; for anyone.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node, Omission, OmissionState};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::SettleOmitted;

use super::{claimable, take_bond};
use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Till, Vault, payable_as};
use crate::checks::{Outcome, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let SettleOmitted {} = parsed(SettleOmitted::decode(data))?;
    let [farm_account, node_account, account, vault, payout, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, node_account, farm_account)?;
    let mut claim: Omission = load_of(program, account, farm_account)?;
    ensure(claim.node == node.node, Refusal::OtherNode)?;
    ensure(claim.state == OmissionState::Open, Refusal::AnsweredAlready)?;
    ensure(now()? > claim.answer_by, Refusal::AnswerPending)?;

    let amount = claim.pay.min(claimable(&farm)?);
    ensure(amount > 0, Refusal::NothingThere)?;
    let to = (&farm, &*farm_account);
    payable_as(payout, &node.payout, Refusal::WrongPayout, to)?;
    take_bond(&mut farm, amount)?;
    claim.state = OmissionState::Paid;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Bond, vault, payout, amount)?;
    store(account, &claim)?;
    store(farm_account, &farm)
}
