//! A guardian proposes to slash a node for what no pair of signatures proves.
//!
//! Only where at least two guardians must agree: the power to burn stake on one's own word is not
//! given to one key.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node, Proposal};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ProposeSlash;
use tessera_settlement_abi::{seeds, share};

use super::slashable;
use crate::checks::accounts::{exactly, is_program, key, load, load_of, signed, store};
use crate::checks::pda::New;
use crate::checks::{Outcome, after, ensure, guardians, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ProposeSlash { evidence, amount } = parsed(ProposeSlash::decode(data))?;
    let [payer, guardian, farm_account, node_account, account, system] = exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, node_account, farm_account)?;
    signed(guardian)?;
    ensure(farm.rules.threshold >= 2, Refusal::QuorumOfOne)?;
    ensure(amount > 0, Refusal::ZeroAmount)?;
    let cap = share(slashable(&node)?, farm.rules.evidence_cap_bps);
    ensure(amount <= cap, Refusal::AboveCap)?;
    let approvals = guardians::approve(0, &farm.rules, key(guardian))?;

    let seeds = seeds::proposal(key(farm_account), &node.node, &evidence);
    let new = New { program, seeds: &seeds, payer, owner: program, space: Proposal::LEN };
    let bump = new.make(account)?;
    let proposal = Proposal {
        bump,
        executed: false,
        approvals,
        guardian_set: farm.guardian_set,
        farm: *key(farm_account),
        node: node.node,
        evidence,
        amount,
        ready_at: after(now()?, farm.rules.evidence_window_s)?,
    };
    store(account, &proposal)
}
